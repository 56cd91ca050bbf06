//! Paths whose change makes a commit matter to an Application (`argocd.argoproj.io/manifest-generate-paths`).

use argo_lang::glob::{Mode, is_match};

use crate::api::{Application, Source, names};

/// The paths of a source, from the root of its repository; empty when every change matters.
#[must_use]
pub fn refresh_paths(app: &Application, source: &Source) -> Vec<String> {
    if let Some(hydrator) = &app.spec.source_hydrator
        && *source == hydrator.effective_source()
    {
        return vec![source.path.clone()];
    }
    refresh_paths_of(app.metadata.annotation(names::MANIFEST_GENERATE_PATHS).unwrap_or_default(), &source.path)
}

/// The paths of an annotation: `;` between them, from the root of the repository with a slash, else from the source's
/// folder.
#[must_use]
pub fn refresh_paths_of(annotation: &str, folder: &str) -> Vec<String> {
    let items = annotation.split(';').map(str::trim).filter(|it| !it.is_empty());
    items
        .map(|it| match it.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => clean(&format!("{folder}/{it}")),
        })
        .collect()
}

/// Whether any of the changed files is, is below, or matches one of the paths. Without files, or without paths,
/// everything has changed.
#[must_use]
pub fn files_changed(paths: &[String], files: &[String]) -> bool {
    if files.is_empty() || paths.is_empty() {
        return true;
    }
    let absolute = |it: &String| clean(&format!("/{it}"));
    let paths: Vec<String> = paths.iter().map(absolute).collect();
    files.iter().map(absolute).any(|file| {
        paths.iter().any(|path| {
            file == *path
                || path == "/"
                || file.strip_prefix(path.as_str()).is_some_and(|it| it.starts_with('/'))
                || path.contains(['*', '?', '[']) && is_match(path, &file, Mode::FilePath)
        })
    })
}

/// As Go's `filepath.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|it| *it != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn paths_are_upstreams() {
        let mut count = 0;
        for line in include_str!("../../tests/data/webhooks/tables.jsonl").lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            if case["table"] != "refresh-paths" {
                continue;
            }
            let mut app = json!({"metadata": {"annotations": {}}, "spec": {"source": {"repoURL": "r", "path": "p"}}});
            if let Some(text) = case["annotation"].as_str() {
                app["metadata"]["annotations"] = json!({names::MANIFEST_GENERATE_PATHS: text});
            }
            if let [dry, sync] = case["hydrator"].as_array().unwrap().as_slice() {
                app["spec"] = json!({"sourceHydrator": {"drySource": {"repoURL": "", "path": dry},
                    "syncSource": {"path": sync}}});
            }
            let app: Application = serde_json::from_value(app).unwrap();
            let source = Source { path: case["path"].as_str().unwrap().to_owned(), ..Source::default() };
            assert_eq!(json!(refresh_paths(&app, &source)), case["wanted"], "{}", case["name"]);
            count += 1;
        }
        assert_eq!(count, 12);
    }

    #[test]
    fn a_file_counts_when_it_is_below_or_matches() {
        let changed = |paths: &[&str], files: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
            files_changed(&owned(paths), &owned(files))
        };
        assert!(changed(&[], &["a"]) && changed(&["a"], &[]), "nothing is known");
        assert!(changed(&["app"], &["app/x.yaml"]) && !changed(&["app"], &["apple/x.yaml"]));
        assert!(changed(&["app/x.yaml"], &["app/x.yaml"]) && !changed(&["app/x.yaml"], &["app/y.yaml"]));
        assert!(changed(&["."], &["any"]) && changed(&["app/*.yaml"], &["app/x.yaml"]));
        assert!(!changed(&["app/*.yaml"], &["app/deep/x.yaml"]), "a star stays in its folder");
        assert!(changed(&["a", "b/../c"], &["z", "c/d"]));
    }
}

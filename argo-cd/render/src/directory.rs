//! Plain YAML and JSON files.

use argo_core::Object;
use argo_lang::{
    glob::{Glob, Mode},
    yaml,
};
use serde_json::Value;

use crate::{Options, RenderError, Rendered, Renderer, Request, SourceType};

/// A file with this mark is left out.
const SKIP_MARK: &str = "+argocd:skip-file-rendering";
/// Most objects that one source may have.
const MAX_OBJECTS: usize = 50_000;
/// Deepest nesting of Lists in Lists.
const MAX_LIST_DEPTH: usize = 8;

/// Renders `*.yaml`, `*.yml` and `*.json` of a folder, in order of their paths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Directory;

/// Which files of a folder count. Globs are matched with the path below the folder; `*` crosses `/`,
/// `{a,b}` is either, as upstream's do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryOptions {
    /// Looks into folders below.
    pub recurse: bool,
    /// Only these; empty for all.
    pub include: String,
    /// Not these, even if included; empty for none.
    pub exclude: String,
}

impl Renderer for Directory {
    fn render(&self, request: &Request<'_>) -> Result<Rendered, RenderError> {
        let options = match &request.options {
            Options::Directory(options) => options.clone(),
            _ => DirectoryOptions::default(),
        };
        let include = matcher(&options.include)?;
        let exclude = matcher(&options.exclude)?;
        let mut rendered = Rendered { source_type: SourceType::Directory, ..Rendered::default() };
        for (path, content) in request.files.below(request.path) {
            let relative = path.strip_prefix(request.path).unwrap_or(path).trim_start_matches('/');
            if !options.recurse && relative.contains('/') {
                continue;
            }
            if exclude.as_ref().is_some_and(|it| it.is_match(relative))
                || include.as_ref().is_some_and(|it| !it.is_match(relative))
            {
                continue;
            }
            match relative.rsplit_once('.').map(|(_, it)| it) {
                Some("yaml" | "yml" | "json") => {}
                Some("jsonnet") => return Err(RenderError::NotSupported { tool: SourceType::Jsonnet }),
                _ => continue,
            }
            rendered.files.insert(path.to_owned());
            read(path, content, relative.ends_with(".json"), &mut rendered.objects)?;
            if rendered.objects.len() > MAX_OBJECTS {
                return Err(RenderError::TooLarge { what: "number of objects", limit: MAX_OBJECTS });
            }
        }
        Ok(rendered)
    }
}

fn matcher(pattern: &str) -> Result<Option<Glob>, RenderError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let glob = Glob::new(pattern, Mode::Gobwas);
    glob.map(Some).map_err(|it| RenderError::Pattern { pattern: pattern.to_owned(), message: it.to_string() })
}

fn read(path: &str, content: &[u8], json: bool, objects: &mut Vec<Object>) -> Result<(), RenderError> {
    let fail = |message: String| RenderError::Manifest { file: path.to_owned(), message };
    let text = yaml::text_of_bytes(content).map_err(|it| fail(it.to_string()))?;
    if text.contains(SKIP_MARK) {
        return Ok(());
    }
    let documents = if json {
        vec![serde_json::from_str(&text).map_err(|it| fail(it.to_string()))?]
    } else {
        match yaml::decode_all_with(&text, &yaml::Options::lenient()) {
            Ok(documents) => documents,
            // Files of templates and other tools lie beside manifests: only what claims to be a manifest must be one.
            Err(_) if !looks_like_a_manifest(&text) => return Ok(()),
            Err(error) => return Err(fail(error.to_string())),
        }
    };
    for document in documents {
        add(document, 0, &mut |it| objects.push(it), &fail)?;
    }
    Ok(())
}

fn add(
    document: Value,
    depth: usize,
    push: &mut dyn FnMut(Object),
    fail: &dyn Fn(String) -> RenderError,
) -> Result<(), RenderError> {
    match document {
        Value::Null => Ok(()),
        Value::Object(mut map) => {
            let text = |field: &str| map.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (api_version, kind) = (text("apiVersion"), text("kind"));
            if kind.is_empty() && api_version.is_empty() {
                return Ok(());
            }
            if kind.is_empty() {
                return Err(fail("Object 'Kind' is missing".to_owned()));
            }
            if api_version.is_empty() {
                return Err(fail("Object 'apiVersion' is missing".to_owned()));
            }
            if kind.ends_with("List") && map.get("items").is_some_and(Value::is_array) {
                if depth >= MAX_LIST_DEPTH {
                    return Err(fail(format!("lists are nested deeper than {MAX_LIST_DEPTH}")));
                }
                if let Some(Value::Array(items)) = map.remove("items") {
                    for item in items {
                        add(item, depth + 1, push, fail)?;
                    }
                }
                return Ok(());
            }
            push(Object::from_value(Value::Object(map)));
            Ok(())
        }
        _ => Err(fail("a manifest must be a map".to_owned())),
    }
}

fn looks_like_a_manifest(text: &str) -> bool {
    ["apiVersion:", "kind:", "metadata:"].iter().all(|key| text.lines().any(|line| line.trim_start().starts_with(key)))
}

#[cfg(test)]
mod tests {
    use argo_core::FileTree;

    use super::*;
    use crate::Renderers;

    const A: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    fn names(files: &FileTree, options: Options) -> Result<Vec<String>, RenderError> {
        let rendered = Renderers::default().render(&Request { files, path: "app", options })?;
        Ok(rendered.objects.iter().map(|it| it.name().to_owned()).collect())
    }

    #[test]
    fn files_come_in_order_and_folders_below_only_when_asked() {
        let files = FileTree::new()
            .with("app/b.yml", A.replace("name: a", "name: b") + "---\n---\n" + &A.replace("name: a", "name: c"))
            .with("app/a.json", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"j"}}"#)
            .with("app/deep/d.yaml", A.replace("name: a", "name: d"))
            .with("app/notes.md", "no manifest")
            .with("other/x.yaml", A);
        assert_eq!(names(&files, Options::Detect).unwrap(), ["j", "b", "c"]);
        let recurse = DirectoryOptions { recurse: true, ..Default::default() };
        assert_eq!(names(&files, Options::Directory(recurse.clone())).unwrap(), ["j", "b", "c", "d"]);
        let include = DirectoryOptions { include: "{deep/*,*.json}".into(), ..recurse.clone() };
        assert_eq!(names(&files, Options::Directory(include)).unwrap(), ["j", "d"]);
        let exclude = DirectoryOptions { exclude: "*.y*ml".into(), ..recurse };
        assert_eq!(names(&files, Options::Directory(exclude)).unwrap(), ["j"], "`*` crosses folders");
    }

    #[test]
    fn lists_are_flattened_and_marked_files_left_out() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n\
            - {apiVersion: v1, kind: ConfigMap, metadata: {name: z}}\n";
        let files = FileTree::new().with("app/l.yaml", list).with("app/s.yaml", format!("# {SKIP_MARK}\n{A}"));
        assert_eq!(names(&files, Options::Detect).unwrap(), ["x", "z"]);
    }

    #[test]
    fn broken_manifests_are_named_and_other_yaml_is_no_error() {
        let files = FileTree::new().with("app/values.yaml", "replicas: 3\n").with("app/t.yaml", "{{ template }}: [");
        assert!(names(&files, Options::Detect).unwrap().is_empty());
        let files = FileTree::new().with("app/bad.yaml", format!("{A}data: [\n"));
        let error = names(&files, Options::Detect).unwrap_err().to_string();
        assert!(error.starts_with("Failed to unmarshal \"app/bad.yaml\": yaml: line"), "{error}");
        let files = FileTree::new().with("app/k.yaml", "apiVersion: v1\nmetadata: {name: a}\n");
        assert!(names(&files, Options::Detect).unwrap_err().to_string().contains("'Kind' is missing"));
    }

    #[test]
    fn other_tools_and_missing_folders_are_typed_errors() {
        let files = FileTree::new().with("app/kustomization.yaml", "resources: []");
        assert_eq!(
            names(&files, Options::Detect).unwrap_err(),
            RenderError::NotSupported { tool: SourceType::Kustomize }
        );
        assert_eq!(
            names(&FileTree::new().with("app/Chart.yaml", ""), Options::Detect).unwrap_err().to_string(),
            "Helm sources are not supported by this controller: no Helm renderer is registered"
        );
        assert_eq!(
            names(&FileTree::new().with("x", ""), Options::Detect).unwrap_err().to_string(),
            "app: app path does not exist"
        );
    }
}

//! Which Applications a push matters to.

use argo_lang::{
    regexp,
    semver::{Constraint, Version},
};

use super::parse::{Event, Push, RegistryPush, short};
use crate::{
    api::{Application, Source},
    engine::paths::{files_changed, refresh_paths},
};

/// User names in URLs, as RFC 3986 and useradd have them.
const USER: &str = r"[\w\.][\w\.-]{0,30}[\w\.\$-]?";

/// What is to be done about an Application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affected {
    /// Its dry source changed: it is to be hydrated, too.
    pub hydrate: bool,
}

/// Whether and how an event matters to an Application.
#[must_use]
pub fn affected(event: &Event, app: &Application) -> Option<Affected> {
    match event {
        Event::Push(push) => push.web_urls.iter().find_map(|url| by_push(push, url, app)),
        Event::Registry(push) => by_registry(push, app),
        Event::Nothing => None,
    }
}

/// The sources of an Application, the dry one of a hydrator last.
fn sources(app: &Application) -> Vec<(Source, bool)> {
    let mut sources: Vec<(Source, bool)> = app.spec.effective_sources().into_iter().map(|it| (it, false)).collect();
    if let Some(hydrator) = &app.spec.source_hydrator {
        sources.push((hydrator.effective_dry_source(), true));
    }
    sources
}

fn by_push(push: &Push, url: &str, app: &Application) -> Option<Affected> {
    let found = sources(app).into_iter().find(|(source, _)| {
        revision_changed(&source.target_revision, &push.revision, push.touched_head)
            && repository_matches(url, &source.repo_url)
            && files_changed(&refresh_paths(app, source), &push.files)
    });
    found.map(|(_, hydrate)| Affected { hydrate })
}

fn by_registry(push: &RegistryPush, app: &Application) -> Option<Affected> {
    let normal = |url: &str| url.strip_prefix("oci://").unwrap_or(url).trim_end_matches('/').to_lowercase();
    let found = sources(app).into_iter().any(|(source, _)| {
        normal(&source.repo_url) == normal(&push.url) && same_revision(&push.tag, &source.target_revision)
    });
    // Upstream asks for both here.
    found.then_some(Affected { hydrate: app.spec.source_hydrator.is_some() })
}

/// Whether a push of a branch or tag moves what a source asks for.
#[must_use]
pub fn revision_changed(target: &str, revision: &str, touched_head: bool) -> bool {
    let short_target = short(target);
    if matches!(short_target, "" | "HEAD") {
        return touched_head;
    }
    let full = target.starts_with("refs/heads/") || target.starts_with("refs/tags/");
    same_revision(revision, if full { short_target } else { target })
}

fn same_revision(revision: &str, target: &str) -> bool {
    if revision == target {
        return true;
    }
    let (Ok(constraint), Ok(version)) = (Constraint::parse(target), Version::parse(revision)) else { return false };
    constraint.matches(&version)
}

/// Whether a source's URL is that of the repository whose page is at `web_url`, whatever the scheme, user and port.
#[must_use]
pub fn repository_matches(web_url: &str, repo_url: &str) -> bool {
    let Some((host, path)) = host_and_path(web_url) else { return false };
    let pattern = format!(
        r"(?i)^((https?|ssh)://)?({USER}@)?((alt)?ssh\.)?{}(:\d+)?[:/]{}(\.git)?$",
        regexp::quote_meta(&host),
        regexp::quote_meta(&path)
    );
    regexp::compile(&pattern).is_ok_and(|it| it.is_match(repo_url))
}

/// Host without port, and path without its first slash.
fn host_and_path(url: &str) -> Option<(String, String)> {
    // A broken escape makes Go refuse the URL.
    let mut rest = url.as_bytes();
    while let Some(at) = rest.iter().position(|it| *it == b'%') {
        rest = &rest[at + 1..];
        if rest.len() < 2 || !rest[..2].iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
    }
    let after = url.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, path) = after.split_once('/').unwrap_or((after, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some((host.to_owned(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::webhook::{Headers, Secrets, parse};

    fn table(name: &str) -> Vec<Value> {
        let all = include_str!("../../tests/data/webhooks/tables.jsonl").lines();
        all.map(|it| serde_json::from_str::<Value>(it).unwrap()).filter(|it| it["table"] == name).collect()
    }

    fn text<'a>(case: &'a Value, field: &str) -> &'a str {
        case[field].as_str().unwrap()
    }

    #[test]
    fn revisions_compare_as_upstreams() {
        let cases = table("revision");
        for case in &cases {
            let head = case["head"].as_bool().unwrap();
            let found = revision_changed(text(case, "target"), text(case, "revision"), head);
            assert_eq!(Some(found), case["wanted"].as_bool(), "{}", case["name"]);
        }
        assert_eq!(cases.len(), 15);
    }

    #[test]
    fn urls_match_as_upstreams() {
        let cases = table("url");
        for case in &cases {
            let found = repository_matches(text(case, "url"), text(case, "repo"));
            assert_eq!(Some(found), case["wanted"].as_bool(), "{}", case["name"]);
        }
        assert_eq!(cases.len(), 23);
        assert!(!repository_matches("%%", "%%"));
    }

    fn headers(host: &str) -> Headers {
        let list: &[(&str, &str)] = match host {
            "github" => &[("x-github-event", "push")],
            "gitlab" => &[("x-gitlab-event", "Push Hook")],
            "gitlab-tag" => &[("x-gitlab-event", "Tag Push Hook")],
            "bitbucket" => &[("x-hook-uuid", "1"), ("x-event-key", "repo:push")],
            "bitbucket-server" => &[("x-event-key", "repo:refs_changed")],
            "gogs" => &[("x-gogs-event", "push")],
            "azure" => &[("x-vss-activityid", "1")],
            other => panic!("{other}"),
        };
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn payloads_tell_revisions_as_upstreams() {
        let cases = table("payload");
        for case in &cases {
            let body = serde_json::to_vec(&case["payload"]).unwrap();
            let event = parse("POST", &headers(text(case, "host")), &body, &Secrets::default()).unwrap();
            let Event::Push(push) = event else { panic!("{}", case["name"]) };
            let found = revision_changed(text(case, "target"), &push.revision, false);
            assert_eq!(Some(found), case["wanted"].as_bool(), "{}", case["name"]);
        }
        assert_eq!(cases.len(), 40);
    }

    fn app(spec: Value) -> Application {
        serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec})).unwrap()
    }

    #[test]
    fn dry_sources_are_hydrated_and_files_elsewhere_do_not_count() {
        let push = Event::Push(Push {
            web_urls: vec!["https://github.com/o/r".into()],
            revision: "main".into(),
            touched_head: true,
            files: vec!["env/dev/a.yaml".into()],
            ..Push::default()
        });
        let plain = app(json!({"source": {"repoURL": "git@github.com:o/r.git", "path": "env/dev"}}));
        assert_eq!(affected(&push, &plain), Some(Affected { hydrate: false }));
        let mut elsewhere = plain;
        elsewhere.metadata.annotations.insert(crate::api::names::MANIFEST_GENERATE_PATHS.into(), "/env/prod".into());
        assert_eq!(affected(&push, &elsewhere), None);
        let hydrated = app(json!({"sourceHydrator": {
            "drySource": {"repoURL": "https://github.com/o/r", "targetRevision": "main", "path": "dry"},
            "syncSource": {"targetBranch": "env/dev", "path": "env/dev"}}}));
        assert_eq!(affected(&push, &hydrated), Some(Affected { hydrate: true }));
    }

    #[test]
    fn registries_match_by_url_and_constraint() {
        let push = Event::Registry(RegistryPush { url: "oci://ghcr.io/user/repo".into(), tag: "1.2.3".into() });
        let of = |url: &str, revision: &str| {
            affected(&push, &app(json!({"source": {"repoURL": url, "targetRevision": revision, "path": "."}})))
                .is_some()
        };
        assert!(of("oci://GHCR.io/user/repo/", "1.2.3") && of("oci://ghcr.io/user/repo", "^1.0.0"));
        assert!(!of("oci://ghcr.io/user/other", "1.2.3") && !of("oci://ghcr.io/user/repo", "2.x"));
    }
}

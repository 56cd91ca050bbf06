//! What a project permits.

use argo_lang::glob::{Mode, is_match};

use super::{clusters::Cluster, key::ResourceKey};
use crate::api::{AppProject, AppProjectSpec, Destination, GroupKindPattern, ProjectDestination, names};

/// The project that permits everything, made when it is missing.
#[must_use]
pub fn default_project(namespace: &str) -> AppProject {
    use argo_core::{ObjectMeta, Resource};
    AppProject {
        api_version: AppProject::gvk().api_version(),
        kind: AppProject::KIND.to_owned(),
        metadata: ObjectMeta {
            name: Some(names::DEFAULT_PROJECT.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: AppProjectSpec {
            source_repos: vec!["*".to_owned()],
            destinations: vec![ProjectDestination {
                server: "*".to_owned(),
                namespace: "*".to_owned(),
                ..ProjectDestination::default()
            }],
            cluster_resource_whitelist: vec![GroupKindPattern {
                group: "*".to_owned(),
                kind: "*".to_owned(),
                ..GroupKindPattern::default()
            }],
            ..AppProjectSpec::default()
        },
        ..AppProject::default()
    }
}

/// Whether `text` matches a glob in which `*` stops at `separator`, if one is given.
#[must_use]
pub fn glob(pattern: &str, text: &str, separator: bool) -> bool {
    // Most patterns are a star or a plain name; compiling a matcher for those would be most of a pass's cost.
    if pattern == "*" {
        return !separator || !text.contains('/');
    }
    if !pattern.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        return pattern == text;
    }
    is_match(pattern, text, if separator { Mode::GobwasPath } else { Mode::Gobwas })
}

/// Whether `text` matches a glob, or a regular expression between slashes (`/^team-/`), as lists of namespaces are
/// read. An expression that is none matches nothing.
#[must_use]
pub fn glob_or_regex(pattern: &str, text: &str) -> bool {
    match pattern.strip_prefix('/').and_then(|it| it.strip_suffix('/')) {
        Some(source) => argo_lang::regexp::compile(source).is_ok_and(|it| it.is_match(text)),
        None => glob(pattern, text, false),
    }
}

/// A repository URL as comparisons see it: lower case, without `.git`, scheme `ssh` and blanks; scp form as a path.
#[must_use]
pub fn normal_repo(url: &str) -> String {
    let mut url = url.trim().to_lowercase();
    if let Some((user_host, path)) = url.split_once(':').filter(|(it, _)| it.contains('@') && !it.contains('/')) {
        url = format!("{user_host}/{path}");
    }
    let url = url.strip_prefix("ssh://").unwrap_or(&url);
    let url = url.strip_suffix('/').unwrap_or(url);
    url.strip_suffix(".git").unwrap_or(url).to_owned()
}

impl AppProject {
    /// Whether a namespace of a cluster is permitted; with `permitOnlyProjectScopedClusters` the cluster must be this
    /// project's.
    #[must_use]
    pub fn permits_cluster(&self, cluster: &Cluster, namespace: &str) -> bool {
        let own = self.metadata.name.as_deref().is_some_and(|it| it == cluster.project);
        self.spec.permits_destination(&cluster.server, &cluster.name, namespace)
            && (own || !self.spec.permit_only_project_scoped_clusters)
    }
}

impl AppProjectSpec {
    /// Whether a source repository is permitted.
    #[must_use]
    pub fn permits_source(&self, repo_url: &str) -> bool {
        let url = normal_repo(repo_url);
        let matches = |pattern: &str| {
            let pattern = normal_repo(pattern);
            pattern == "*" || pattern == url || glob(&pattern, &url, true)
        };
        let mut permitted = false;
        for pattern in &self.source_repos {
            match pattern.strip_prefix('!') {
                Some(pattern) if matches(pattern) => return false,
                Some(_) => {}
                None => permitted |= matches(pattern),
            }
        }
        permitted
    }

    /// Whether a destination is permitted.
    #[must_use]
    pub fn permits_destination(&self, server: &str, name: &str, namespace: &str) -> bool {
        let mut permitted = false;
        for entry in &self.destinations {
            let (deny_server, on_server) = cluster_matches(&entry.server, server);
            let (deny_name, on_name) = cluster_matches(&entry.name, name);
            let (deny_namespace, in_namespace) = match entry.namespace.strip_prefix('!') {
                Some(pattern) => (true, glob(pattern, namespace, false)),
                None => (false, glob(&entry.namespace, namespace, false)),
            };
            let cluster = on_server || on_name;
            if deny_namespace && in_namespace && (cluster || (entry.server.is_empty() && entry.name.is_empty())) {
                return false;
            }
            if (deny_server && on_server || deny_name && on_name) && in_namespace {
                return false;
            }
            permitted |= cluster && in_namespace && !deny_server && !deny_name && !deny_namespace;
        }
        permitted
    }

    /// Whether a kind (and, for cluster-scoped ones, a name) is permitted.
    #[must_use]
    pub fn permits_kind(&self, group: &str, kind: &str, name: &str, namespaced: bool) -> bool {
        let in_list = |list: &[GroupKindPattern]| {
            list.iter().any(|it| {
                glob(&it.group, group, true)
                    && glob(&it.kind, kind, true)
                    && (it.name.is_empty() || glob(&it.name, name, true))
            })
        };
        if namespaced {
            let listed = self.namespace_resource_whitelist.as_ref().is_none_or(|it| in_list(it));
            return listed && !in_list(&self.namespace_resource_blacklist);
        }
        in_list(&self.cluster_resource_whitelist) && !in_list(&self.cluster_resource_blacklist)
    }

    /// Whether an object is permitted at all: its kind, and for namespaced ones its namespace.
    #[must_use]
    pub fn permits(&self, key: &ResourceKey, namespaced: bool, destination: &Destination) -> bool {
        self.permits_kind(&key.group, &key.kind, &key.name, namespaced)
            && (!namespaced || self.permits_destination(&destination.server, &destination.name, &key.namespace))
    }
}

/// Whether an entry is a denial, and whether its pattern matches; an empty one matches nothing.
fn cluster_matches(pattern: &str, text: &str) -> (bool, bool) {
    match pattern.strip_prefix('!') {
        Some(pattern) => (true, !text.is_empty() && glob(pattern, text, false)),
        None => (false, !pattern.is_empty() && !text.is_empty() && glob(pattern, text, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(list: &[(&str, &str)]) -> AppProjectSpec {
        let entry = |(server, namespace): &(&str, &str)| ProjectDestination {
            server: (*server).to_owned(),
            namespace: (*namespace).to_owned(),
            ..Default::default()
        };
        AppProjectSpec { destinations: list.iter().map(entry).collect(), ..Default::default() }
    }

    #[test]
    fn sources_match_globs_that_stop_at_slashes_and_denials_win() {
        let spec = AppProjectSpec {
            source_repos: vec!["https://github.com/org/*".into(), "!https://github.com/org/secret".into()],
            ..Default::default()
        };
        assert!(spec.permits_source("https://GitHub.com/org/app.git"));
        assert!(!spec.permits_source("https://github.com/org/deep/app"));
        assert!(!spec.permits_source("https://github.com/org/secret.git"));
        assert!(!AppProjectSpec::default().permits_source("https://x/y"));
        let all = AppProjectSpec { source_repos: vec!["*".into()], ..Default::default() };
        assert!(all.permits_source("file:///tmp/repo.git"));
    }

    #[test]
    fn destinations_need_an_entry_and_no_denial() {
        let spec = destinations(&[("*", "team-*"), (names::IN_CLUSTER_SERVER, "!team-secret")]);
        assert!(spec.permits_destination(names::IN_CLUSTER_SERVER, "in-cluster", "team-a"));
        assert!(!spec.permits_destination(names::IN_CLUSTER_SERVER, "in-cluster", "team-secret"));
        assert!(!spec.permits_destination(names::IN_CLUSTER_SERVER, "in-cluster", "kube-system"));
        let spec = destinations(&[("*", "*"), ("!https://prod", "*")]);
        assert!(spec.permits_destination("https://dev", "", "x"));
        assert!(!spec.permits_destination("https://prod", "", "x"));
    }

    #[test]
    fn cluster_kinds_need_a_whitelist_and_namespaced_ones_do_not() {
        let spec = AppProjectSpec::default();
        assert!(spec.permits_kind("apps", "Deployment", "x", true));
        assert!(!spec.permits_kind("", "Namespace", "x", false));
        let spec = AppProjectSpec {
            cluster_resource_whitelist: vec![GroupKindPattern {
                group: String::new(),
                kind: "Namespace".into(),
                name: "team-*".into(),
            }],
            namespace_resource_whitelist: Some(vec![]),
            ..Default::default()
        };
        assert!(spec.permits_kind("", "Namespace", "team-a", false));
        assert!(!spec.permits_kind("", "Namespace", "other", false));
        assert!(!spec.permits_kind("apps", "Deployment", "x", true), "an empty list permits none");
        assert!(default_project("argocd").spec.permits_kind("a", "B", "c", false));
    }

    #[test]
    fn urls_compare_in_one_form() {
        assert_eq!(normal_repo("git@github.com:Org/App.git"), "git@github.com/org/app");
        assert_eq!(normal_repo("ssh://git@github.com/org/app"), "git@github.com/org/app");
    }
}

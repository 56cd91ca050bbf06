//! Sources, destinations, kinds.

use super::{glob, normal_repo};
use crate::{
    api::{AppProject, AppProjectSpec, Destination, GroupKindPattern},
    engine::{clusters::Cluster, key::ResourceKey},
};

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

/// What a pattern says of a text. A denial that does not apply counts as a match, as upstream reads it: a list of
/// denials alone permits everything else.
struct Reading {
    matches: bool,
    denies: bool,
}

fn read(pattern: &str, text: &str, separator: bool) -> Reading {
    match pattern.strip_prefix('!') {
        Some(denied) => Reading { matches: !glob(denied, text, separator), denies: true },
        // A lone star is everything, slashes too.
        None => Reading { matches: pattern == "*" || glob(pattern, text, separator), denies: false },
    }
}

impl AppProjectSpec {
    /// Whether a source repository is permitted.
    #[must_use]
    pub fn permits_source(&self, repo_url: &str) -> bool {
        let url = normal_repo(repo_url);
        let mut permitted = false;
        for pattern in &self.source_repos {
            let pattern = match pattern.strip_prefix('!') {
                Some(denied) => format!("!{}", normal_repo(denied)),
                None => normal_repo(pattern),
            };
            let it = read(&pattern, &url, true);
            if it.matches {
                permitted = true;
            } else if it.denies {
                return false;
            }
        }
        permitted
    }

    /// Whether a destination is permitted.
    #[must_use]
    pub fn permits_destination(&self, server: &str, name: &str, namespace: &str) -> bool {
        let mut permitted = false;
        for entry in &self.destinations {
            // What is not known of the destination matches nothing.
            let known = |pattern: &str, text: &str| {
                let it = read(pattern, text, false);
                Reading { matches: !text.is_empty() && it.matches, ..it }
            };
            let (by_name, by_server) = (known(&entry.name, name), known(&entry.server, server));
            let inside = read(&entry.namespace, namespace, false);
            if (by_server.matches || by_name.matches) && inside.matches {
                permitted = true;
            } else if (!by_name.matches && by_name.denies)
                || (!by_server.matches && by_server.denies && inside.matches)
                || (!inside.matches && inside.denies && by_server.matches)
            {
                return false;
            }
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::engine::project::default_project;

    fn table(name: &str) -> Vec<Value> {
        let all = include_str!("../../../tests/data/project/tables.jsonl").lines();
        all.map(|it| serde_json::from_str::<Value>(it).unwrap()).filter(|it| it["table"] == name).collect()
    }

    #[test]
    fn sources_are_permitted_as_upstreams() {
        let cases = table("source");
        for case in &cases {
            let source_repos = serde_json::from_value(case["patterns"].clone()).unwrap();
            let spec = AppProjectSpec { source_repos, ..Default::default() };
            assert_eq!(Some(spec.permits_source(case["source"].as_str().unwrap())), case["wanted"].as_bool(), "{case}");
        }
        assert_eq!(cases.len(), 23);
        let all = AppProjectSpec { source_repos: vec!["*".into()], ..Default::default() };
        assert!(all.permits_source("file:///tmp/repo.git"));
        assert!(!AppProjectSpec::default().permits_source("https://x/y"));
    }

    #[test]
    fn destinations_are_permitted_as_upstreams() {
        let cases = table("destination");
        for case in &cases {
            let destinations = serde_json::from_value(case["entries"].clone()).unwrap();
            let spec = AppProjectSpec { destinations, ..Default::default() };
            let it: Destination = serde_json::from_value(case["destination"].clone()).unwrap();
            let found = spec.permits_destination(&it.server, &it.name, &it.namespace);
            assert_eq!(Some(found), case["wanted"].as_bool(), "{case}");
        }
        assert_eq!(cases.len(), 32);
    }

    #[test]
    fn only_clusters_of_the_project_where_it_says_so() {
        let mut project = default_project("argocd");
        project.metadata.name = Some("shop".into());
        project.spec.permit_only_project_scoped_clusters = true;
        let cluster =
            |project: &str| Cluster { server: "https://a".into(), project: project.into(), ..Cluster::default() };
        assert!(project.permits_cluster(&cluster("shop"), "x") && !project.permits_cluster(&cluster(""), "x"));
        project.spec.permit_only_project_scoped_clusters = false;
        assert!(project.permits_cluster(&cluster(""), "x"));
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
}

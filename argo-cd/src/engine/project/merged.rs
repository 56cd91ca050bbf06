//! What others add to a project.

use crate::{
    api::{AppProject, ProjectDestination},
    engine::{clusters::Cluster, settings::GlobalProject},
};

/// The project with the lists of the global projects that select it; `find` looks projects up by name.
#[must_use]
pub fn with_globals(
    project: &AppProject,
    globals: &[GlobalProject],
    find: impl Fn(&str) -> Option<AppProject>,
) -> AppProject {
    let mut merged = project.clone();
    let own = project.metadata.name.as_deref().unwrap_or_default();
    for global in globals.iter().filter(|it| it.project != own && it.selector.matches(&project.metadata.labels)) {
        let Some(other) = find(&global.project) else { continue };
        let (to, from) = (&mut merged.spec, other.spec);
        to.cluster_resource_whitelist.extend(from.cluster_resource_whitelist);
        to.cluster_resource_blacklist.extend(from.cluster_resource_blacklist);
        if let Some(list) = from.namespace_resource_whitelist.filter(|it| !it.is_empty()) {
            to.namespace_resource_whitelist.get_or_insert_default().extend(list);
        }
        to.namespace_resource_blacklist.extend(from.namespace_resource_blacklist);
        to.sync_windows.extend(from.sync_windows);
        to.source_repos.extend(from.source_repos);
        to.destinations.extend(from.destinations);
        to.destination_service_accounts.extend(from.destination_service_accounts);
    }
    merged
}

/// The project with the repositories and clusters that belong to it alone.
#[must_use]
pub fn with_scoped<'a>(
    mut project: AppProject,
    repositories: impl IntoIterator<Item = String>,
    clusters: impl IntoIterator<Item = &'a Cluster>,
) -> AppProject {
    let own = project.metadata.name.clone().unwrap_or_default();
    project.spec.source_repos.extend(repositories);
    for cluster in clusters.into_iter().filter(|it| it.project == own && !own.is_empty()) {
        let every = vec!["*".to_owned()];
        let namespaces = if cluster.namespaces.is_empty() { &every } else { &cluster.namespaces };
        project.spec.destinations.extend(namespaces.iter().map(|namespace| ProjectDestination {
            server: cluster.server.clone(),
            name: cluster.name.clone(),
            namespace: namespace.clone(),
        }));
    }
    project
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn project(name: &str, spec: Value) -> AppProject {
        serde_json::from_value(json!({"metadata": {"name": name, "labels": {"opt": "in"}}, "spec": spec})).unwrap()
    }

    #[test]
    fn global_projects_add_their_lists_to_those_they_select() {
        let shop = project("shop", json!({"sourceRepos": ["a"]}));
        let base = project(
            "base",
            json!({"sourceRepos": ["b"], "destinations": [{"server": "*", "namespace": "x"}],
            "namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}],
            "syncWindows": [{"kind": "deny", "schedule": "* * * * *", "duration": "1h"}]}),
        );
        let global = |label: &str| GlobalProject {
            project: "base".into(),
            selector: serde_json::from_value(json!({"matchLabels": {"opt": label}})).unwrap(),
        };
        let find = |name: &str| (name == "base").then(|| base.clone());
        let merged = with_globals(&shop, &[global("in")], find);
        assert_eq!(merged.spec.source_repos, ["a", "b"]);
        assert!(merged.spec.permits_destination("https://s", "", "x") && merged.spec.sync_windows.len() == 1);
        assert!(
            !merged.spec.permits_kind("", "Secret", "s", true) && merged.spec.permits_kind("", "ConfigMap", "c", true)
        );
        assert_eq!(with_globals(&shop, &[global("out")], find), shop);
        assert_eq!(with_globals(&base, &[global("in")], find), base, "no project is its own global one");
    }

    #[test]
    fn repositories_and_clusters_of_a_project_are_permitted_to_it() {
        let cluster = |project: &str, namespaces: &[&str]| Cluster {
            server: "https://own".into(),
            project: project.into(),
            namespaces: namespaces.iter().map(|it| (*it).to_owned()).collect(),
            ..Cluster::default()
        };
        let of = |it: Cluster| with_scoped(project("shop", json!({})), ["https://git/own".to_owned()], [&it]).spec;
        let spec = of(cluster("shop", &[]));
        assert!(spec.permits_source("https://git/own.git") && spec.permits_destination("https://own", "", "any"));
        assert!(!of(cluster("other", &[])).permits_destination("https://own", "", "any"));
        let some = of(cluster("shop", &["a"]));
        assert!(some.permits_destination("https://own", "", "a") && !some.permits_destination("https://own", "", "b"));
    }
}

//! Kinds that are not looked at.

use argo_core::Gvk;
use argo_lang::glob::{Mode, is_match};
use serde::{Deserialize, Serialize};

/// What `resource.exclusions` and `resource.inclusions` say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Never looked at.
    pub exclusions: Vec<FilteredResource>,
    /// Where one of these names a cluster, nothing else of that cluster is looked at.
    pub inclusions: Vec<FilteredResource>,
}

/// Groups, kinds and clusters; an empty list stands for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilteredResource {
    /// Globs of API groups.
    #[serde(deserialize_with = "super::overrides::or_default")]
    pub api_groups: Vec<String>,
    /// Kinds, or `*`.
    #[serde(deserialize_with = "super::overrides::or_default")]
    pub kinds: Vec<String>,
    /// Globs of API server URLs.
    #[serde(deserialize_with = "super::overrides::or_default")]
    pub clusters: Vec<String>,
}

impl FilteredResource {
    fn on_cluster(&self, cluster: &str) -> bool {
        any(&self.clusters, cluster)
    }

    fn matches(&self, group: &str, kind: &str, cluster: &str) -> bool {
        let of_kind = self.kinds.is_empty() || self.kinds.iter().any(|it| it == "*" || it == kind);
        any(&self.api_groups, group) && of_kind && self.on_cluster(cluster)
    }
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|it| it == text || is_match(it, text, Mode::Gobwas))
}

impl ResourceFilter {
    /// Whether a kind on a cluster (the URL of its API server) is left alone.
    #[must_use]
    pub fn excludes(&self, gvk: &Gvk, cluster: &str) -> bool {
        let (group, kind) = (gvk.group.as_str(), gvk.kind.as_str());
        if crate::engine::target::is_excluded(gvk) || self.exclusions.iter().any(|it| it.matches(group, kind, cluster))
        {
            return true;
        }
        !self.inclusions.iter().any(|it| it.matches(group, kind, cluster))
            && self.inclusions.iter().any(|it| it.on_cluster(cluster))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(groups: &[&str], kinds: &[&str], clusters: &[&str]) -> FilteredResource {
        let owned = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        FilteredResource { api_groups: owned(groups), kinds: owned(kinds), clusters: owned(clusters) }
    }

    #[test]
    fn exclusions_win_and_inclusions_shut_everything_else_out_of_their_clusters() {
        let secret = Gvk::new("", "v1", "Secret");
        let map = Gvk::new("", "v1", "ConfigMap");
        let lease = Gvk::new("coordination.k8s.io", "v1", "Lease");
        let of = |exclusions: &[FilteredResource], inclusions: &[FilteredResource]| ResourceFilter {
            exclusions: exclusions.to_vec(),
            inclusions: inclusions.to_vec(),
        };
        let none = of(&[], &[]);
        assert!(!none.excludes(&map, "c") && none.excludes(&lease, "c"));
        let included = of(&[], &[list(&["*"], &["ConfigMap"], &["https://a*"])]);
        assert!(!included.excludes(&map, "https://a1") && included.excludes(&secret, "https://a1"));
        assert!(!included.excludes(&secret, "https://b"), "other clusters are as they were");
        let both = of(&[list(&[""], &["*"], &[])], &[list(&[], &["ConfigMap"], &[])]);
        assert!(both.excludes(&map, "c"), "an exclusion wins");
        assert!(
            of(&[list(&["cilium.io"], &["CiliumIdentity"], &["*"])], &[])
                .excludes(&Gvk::new("cilium.io", "v2", "CiliumIdentity"), "c")
        );
    }
}

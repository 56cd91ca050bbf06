//! Which resources exist: the built-in ones from one table, and those of CustomResourceDefinitions.

mod builtin;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crd::CustomVersion;
use crate::store::GroupResource;

pub(crate) use builtin::{builtin, mutating_policies};

/// What may be done with most resources.
pub(crate) const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Those of custom resources, in the order of discovery.
pub(crate) const CUSTOM_VERBS: &[&str] =
    &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// The order in which the groups of Kubernetes itself are discovered, and found by clients that name a kind without its group.
const GROUP_ORDER: [&str; 20] = [
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
];

/// How names of a resource are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// RFC 1123 subdomain.
    Subdomain,
    /// RFC 1123 label.
    Label,
    /// RFC 1035 label.
    Label1035,
    /// Anything that can stand in a URL path.
    PathSegment,
    /// Anything.
    Any,
}

/// A resource that the server serves.
#[derive(Clone, Debug)]
pub(crate) struct ResourceDef {
    /// The name clients use.
    pub(crate) served: GroupResource,
    /// Where its objects are stored: the events of both groups are the same objects, as those of all versions are.
    pub(crate) stored: GroupResource,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Served versions, the preferred one first.
    pub(crate) versions: Vec<VersionDef>,
    pub(crate) storage_version: String,
    /// generation counts changes.
    pub(crate) generation: bool,
    pub(crate) create_on_update: bool,
    pub(crate) review: bool,
    pub(crate) returns_deleted: bool,
    pub(crate) names: NameRule,
    /// What may be done with it.
    pub(crate) verbs: &'static [&'static str],
    pub(crate) builtin: bool,
}

/// One served version of a resource.
#[derive(Clone, Debug)]
pub(crate) struct VersionDef {
    pub(crate) name: String,
    pub(crate) status: bool,
    pub(crate) scale: Option<ScalePaths>,
    /// What a CustomResourceDefinition says of this version.
    pub(crate) custom: Option<Arc<CustomVersion>>,
}

/// Where the numbers of the scale subresource sit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    pub(crate) spec: Vec<String>,
    pub(crate) status: Vec<String>,
    pub(crate) selector: Option<Vec<String>>,
}

/// All served resources.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    resources: BTreeMap<GroupResource, Arc<ResourceDef>>,
    /// The OpenAPI documents of what is served.
    pub(crate) documents: crate::server::Documents,
}

// === impl Registry ===

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            resources: builtin().iter().map(|def| (def.served.clone(), def.clone())).collect(),
            documents: crate::server::Documents::default(),
        }
    }

    /// Finds a resource by group, version and plural name.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<(Arc<ResourceDef>, usize)> {
        let def = self.resources.get(&GroupResource::new(group, plural))?;
        let index = def.versions.iter().position(|served| served.name == version)?;
        Some((def.clone(), index))
    }

    /// Finds a resource by group and plural name, at its preferred version.
    pub(crate) fn resource(&self, gr: &GroupResource) -> Option<&Arc<ResourceDef>> {
        self.resources.get(gr)
    }

    /// Finds a resource by group, version and kind.
    pub(crate) fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<(Arc<ResourceDef>, usize)> {
        self.resources.values().filter(|def| def.group() == group && def.kind == kind).find_map(|def| {
            let index = def.versions.iter().position(|served| served.name == version)?;
            Some((def.clone(), index))
        })
    }

    pub(crate) fn serves_group_version(&self, group: &str, version: &str) -> bool {
        self.resources
            .values()
            .any(|def| def.group() == group && def.versions.iter().any(|served| served.name == version))
    }

    pub(crate) fn serves_group(&self, group: &str) -> bool {
        self.resources.values().any(|def| def.group() == group)
    }

    /// Whether Kubernetes itself serves something of the group.
    pub(crate) fn serves_builtin_group(&self, group: &str) -> bool {
        self.resources.values().any(|def| def.builtin && def.group() == group)
    }

    pub(crate) fn insert(&mut self, def: ResourceDef) {
        self.resources.insert(def.served.clone(), Arc::new(def));
    }

    pub(crate) fn remove(&mut self, gr: &GroupResource) {
        self.resources.remove(gr);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ResourceDef>> {
        self.resources.values()
    }

    /// The core group first, then those of Kubernetes by their order, then the others by name; each with its versions in order of preference.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for def in self.resources.values() {
            let versions = groups.entry(def.group().to_owned()).or_default();
            for version in &def.versions {
                if !versions.contains(&version.name) {
                    versions.push(version.name.clone());
                }
            }
        }
        for versions in groups.values_mut() {
            versions.sort_by_key(|version| std::cmp::Reverse(version_priority(version)));
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        let rank = |group: &str| match GROUP_ORDER.iter().position(|known| *known == group) {
            _ if group.is_empty() => 0,
            Some(at) => at + 1,
            None => GROUP_ORDER.len() + 1,
        };
        groups.sort_by_key(|(group, _)| rank(group));
        groups
    }
}

// === impl ResourceDef ===

impl ResourceDef {
    pub(crate) fn group(&self) -> &str {
        &self.served.group
    }

    pub(crate) fn resource(&self) -> &str {
        &self.served.resource
    }

    /// Whether an update must name the revision it replaces.
    pub(crate) fn conditional_update(&self) -> bool {
        !self.builtin
            || matches!(
                (self.group(), self.resource()),
                ("policy", "poddisruptionbudgets")
                    | ("coordination.k8s.io" | "admissionregistration.k8s.io" | "apiextensions.k8s.io", _)
                    | ("apiregistration.k8s.io", _)
                    | ("node.k8s.io", "runtimeclasses")
                    | ("certificates.k8s.io", "clustertrustbundles" | "podcertificaterequests")
                    | ("storage.k8s.io", "csidrivers" | "csistoragecapacities" | "volumeattachments" | "csinodes")
            )
    }

    /// Whether a write of the status also writes labels, annotations, finalizers and owners.
    pub(crate) fn status_keeps_metadata(&self) -> bool {
        self.builtin
            && !matches!(
                (self.group(), self.resource()),
                ("networking.k8s.io", "servicecidrs")
                    | ("resource.k8s.io", "resourceclaims")
                    | ("storage.k8s.io", "volumeattachments")
                    | ("admissionregistration.k8s.io", "validatingadmissionpolicies")
                    | ("apiextensions.k8s.io", "customresourcedefinitions")
            )
    }

    pub(crate) fn api_version(&self, index: usize) -> String {
        let version = &self.versions[index].name;
        if self.group().is_empty() { version.clone() } else { format!("{}/{version}", self.group()) }
    }

    /// Whether a text is the apiVersion of a version, without writing that down.
    pub(crate) fn is_api_version(&self, index: usize, text: &str) -> bool {
        let version = self.versions[index].name.as_str();
        match text.split_once('/') {
            None => self.group().is_empty() && text == version,
            Some((group, rest)) => !group.is_empty() && group == self.group() && rest == version,
        }
    }
}

/// Orders versions as Kubernetes does: stable before beta before alpha, higher first, anything else last by name.
pub(crate) fn version_priority(version: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let parsed = (|| {
        let rest = version.strip_prefix('v')?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let major: u64 = rest[..digits].parse().ok()?;
        let rest = &rest[digits..];
        if rest.is_empty() {
            return Some((4, major, 0));
        }
        let (class, minor) = rest
            .strip_prefix("beta")
            .map(|minor| (3, minor))
            .or_else(|| rest.strip_prefix("alpha").map(|minor| (2, minor)))?;
        let minor: u64 = if minor.is_empty() { 0 } else { minor.parse().ok()? };
        Some((class, major, minor))
    })();
    match parsed {
        Some((class, major, minor)) => (class, major, minor, std::cmp::Reverse(String::new())),
        None => (0, 0, 0, std::cmp::Reverse(version.to_owned())),
    }
}

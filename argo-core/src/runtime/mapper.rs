//! From kinds to URLs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use parking_lot::RwLock;

use super::api::Path;
use crate::{
    apply::kube_error,
    error::{Category, Failure},
    object::Gvk,
    resource::{Resource, Scope},
};

/// Knows the URL of every kind: asks discovery once per group and version, and again for kinds that
/// appeared since. Clones share what was learnt.
#[derive(Clone)]
pub struct Mapper {
    client: kube::Client,
    known: Arc<RwLock<BTreeMap<Gvk, Entry>>>,
}

/// Where a kind is served.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    plural: String,
    namespaced: bool,
}

/// A kind that has no URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapperError {
    /// Nobody serves it.
    #[error("no matches for kind \"{}\" in version \"{}\": is its CustomResourceDefinition installed?", .0.kind, .0.api_version())]
    NoMatch(Gvk),
    /// Discovery did not answer.
    #[error("discovery of {gvk}: {message}")]
    Discovery {
        /// The kind asked for.
        gvk: Gvk,
        /// What the server said.
        message: String,
        /// The kind of failure.
        category: Category,
    },
}

impl Failure for MapperError {
    fn category(&self) -> Category {
        match self {
            Self::NoMatch(_) => Category::NotFound,
            Self::Discovery { category, .. } => *category,
        }
    }

    fn is_transient(&self) -> bool {
        // A kind may be installed at any time.
        true
    }
}

impl Mapper {
    /// Learns from this API server.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client, known: Default::default() }
    }

    /// Makes a kind known without asking.
    pub fn register<R: Resource>(&self) {
        let entry = Entry { plural: R::PLURAL.to_owned(), namespaced: R::SCOPE == Scope::Namespaced };
        self.known.write().insert(R::gvk(), entry);
    }

    /// The URL of a kind's objects: in `namespace`, or everywhere when it is absent. A namespace
    /// given for a cluster-scoped kind is ignored.
    ///
    /// # Errors
    /// When the kind is not served, or discovery does not answer.
    pub async fn path(&self, gvk: &Gvk, namespace: Option<&str>) -> Result<Path, MapperError> {
        let entry = self.entry(gvk).await?;
        let root = if gvk.group.is_empty() {
            format!("/api/{}", gvk.version)
        } else {
            format!("/apis/{}/{}", gvk.group, gvk.version)
        };
        Ok(Path(match namespace.filter(|_| entry.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", entry.plural),
            None => format!("{root}/{}", entry.plural),
        }))
    }

    /// Whether objects of a kind live in namespaces.
    ///
    /// # Errors
    /// When the kind is not served, or discovery does not answer.
    pub async fn is_namespaced(&self, gvk: &Gvk) -> Result<bool, MapperError> {
        Ok(self.entry(gvk).await?.namespaced)
    }

    /// Plural of a kind, as it stands in URLs.
    ///
    /// # Errors
    /// When the kind is not served, or discovery does not answer.
    pub async fn plural(&self, gvk: &Gvk) -> Result<String, MapperError> {
        Ok(self.entry(gvk).await?.plural)
    }

    /// Every kind of namespaced objects that can be listed and watched, in the version of its group that the server
    /// prefers. Asks the server each time; a group that does not answer is left out.
    ///
    /// # Errors
    /// When discovery does not answer.
    pub async fn namespaced_kinds(&self) -> Result<BTreeSet<Gvk>, MapperError> {
        let nothing = Gvk::default();
        let failed = |error: &kube::Error| {
            let (category, message, _) = kube_error(error);
            MapperError::Discovery { gvk: nothing.clone(), message, category }
        };
        let mut lists =
            vec![("".to_owned(), self.client.list_core_api_resources("v1").await.map_err(|it| failed(&it))?)];
        let groups = self.client.list_api_groups().await.map_err(|it| failed(&it))?;
        for group in groups.groups {
            let Some(preferred) = group.preferred_version.or_else(|| group.versions.into_iter().next()) else {
                continue;
            };
            if let Ok(list) = self.client.list_api_group_resources(&preferred.group_version).await {
                lists.push((group.name, list));
            }
        }
        let mut kinds = BTreeSet::new();
        for (group, list) in lists {
            let version = list.group_version.rsplit('/').next().unwrap_or_default().to_owned();
            for it in list.resources {
                let has = |verb: &str| it.verbs.iter().any(|it| it == verb);
                if it.namespaced && !it.name.contains('/') && has("list") && has("watch") {
                    kinds.insert(Gvk::new(&group, &version, &it.kind));
                }
            }
        }
        Ok(kinds)
    }

    async fn entry(&self, gvk: &Gvk) -> Result<Entry, MapperError> {
        if let Some(entry) = self.known.read().get(gvk) {
            return Ok(entry.clone());
        }
        let list = if gvk.group.is_empty() {
            self.client.list_core_api_resources(&gvk.version).await
        } else {
            self.client.list_api_group_resources(&gvk.api_version()).await
        };
        let list = list.map_err(|error| match kube_error(&error) {
            (Category::NotFound, ..) => MapperError::NoMatch(gvk.clone()),
            (category, message, _) => MapperError::Discovery { gvk: gvk.clone(), message, category },
        })?;
        let mut known = self.known.write();
        for resource in list.resources.into_iter().filter(|it| !it.name.contains('/')) {
            let found = Gvk::new(&gvk.group, &gvk.version, resource.kind);
            known.entry(found).or_insert(Entry { plural: resource.name, namespaced: resource.namespaced });
        }
        known.get(gvk).cloned().ok_or_else(|| MapperError::NoMatch(gvk.clone()))
    }
}

impl fmt::Debug for Mapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapper").field("known", &self.known.read().len()).finish_non_exhaustive()
    }
}

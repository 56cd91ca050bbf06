//! What an engine wants to know from outside the cluster's caches, and what it was told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use argo_core::{Gvk, Object, ObjectRef};

use super::live::Kinds;
use crate::api::Source;

/// Something to observe; the answer comes with the next call of the pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The commit that a source's revision stands for.
    Resolve(Box<RevisionRequest>),
    /// The manifests of a source at a commit.
    Render(Box<ManifestRequest>),
    /// Whether a kind is served, and its scope.
    Discover(Gvk),
    /// The live objects of a kind.
    Observe(Gvk),
    /// Every kind of namespaced objects that the cluster serves.
    Catalog,
    /// A live object whole, with the owners of its fields.
    Fetch(ObjectRef),
    /// What a server-side apply of a target would make of a live object.
    DryRun(Box<DryRun>),
}

/// What would come of it?
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// What would be applied.
    pub target: Object,
    /// The version of the live object that it is asked for.
    pub resource_version: String,
}

/// What was told of single objects.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Live objects, whole; absent for those that are gone.
    pub fetched: BTreeMap<ObjectRef, Option<Arc<Object>>>,
    /// What dry runs gave, or why they gave nothing.
    pub predicted: BTreeMap<ObjectRef, Result<Arc<Object>, String>>,
}

/// Which commit?
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionRequest {
    /// The source.
    pub source: Source,
    /// Branch, tag, commit or constraint; empty for the default branch.
    pub revision: String,
}

/// Which manifests?
#[derive(Debug, Clone, PartialEq)]
pub struct ManifestRequest {
    /// The source.
    pub source: Source,
    /// The commit.
    pub revision: String,
    /// Past every cache.
    pub hard: bool,
}

/// Manifests of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifests {
    /// The objects.
    pub objects: Vec<Object>,
    /// `Directory`, `Helm`, `Kustomize` or `Plugin`.
    pub source_type: String,
}

/// What was told so far in this pass.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    revisions: BTreeMap<String, Result<String, String>>,
    manifests: BTreeMap<String, Result<Arc<Manifests>, String>>,
    /// Scopes of kinds.
    pub kinds: Kinds,
    /// Kinds whose live objects are in view.
    pub observed: BTreeSet<Gvk>,
    /// Every kind of namespaced objects, once it was asked for.
    pub catalog: Option<Arc<BTreeSet<Gvk>>>,
    /// Single objects.
    pub asked: Asked,
    /// Why the destination can not be looked at, if it can not. Nothing of it is asked for then.
    pub live_error: Option<String>,
}

impl Seen {
    /// Records a commit, or why there is none.
    pub fn put_revision(&mut self, request: &RevisionRequest, answer: Result<String, String>) {
        self.revisions.insert(request.key(), answer);
    }

    /// Records manifests, or why there are none.
    pub fn put_manifests(&mut self, request: &ManifestRequest, answer: Result<Arc<Manifests>, String>) {
        self.manifests.insert(request.key(), answer);
    }

    /// What was told of a revision.
    #[must_use]
    pub fn revision(&self, request: &RevisionRequest) -> Option<&Result<String, String>> {
        self.revisions.get(&request.key())
    }

    /// What was told of manifests.
    #[must_use]
    pub fn manifests(&self, request: &ManifestRequest) -> Option<&Result<Arc<Manifests>, String>> {
        self.manifests.get(&request.key())
    }
}

impl RevisionRequest {
    fn key(&self) -> String {
        let it = &self.source;
        format!("{}\0{}\0{}\0{}", it.repo_url, it.chart, it.tag_prefix, self.revision)
    }
}

impl ManifestRequest {
    /// Tells requests apart; two with one key have one answer.
    #[must_use]
    pub fn key(&self) -> String {
        let mut source = self.source.clone();
        source.target_revision.clear();
        source.name.clear();
        // Encoding plain data to JSON does not fail.
        format!("{}\0{}", serde_json::to_string(&source).unwrap_or_default(), self.revision)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(it) => {
                let revision = if it.revision.is_empty() { "HEAD" } else { &it.revision };
                write!(f, "resolve {revision} of {}", argo_core::git::Repository::new(&it.source.repo_url))
            }
            Self::Render(it) => {
                let repository = argo_core::git::Repository::new(&it.source.repo_url);
                write!(f, "render {} of {repository} at {}", it.source.path, it.revision)
            }
            Self::Discover(gvk) => write!(f, "discover {gvk}"),
            Self::Observe(gvk) => write!(f, "observe {gvk}"),
            Self::Fetch(it) => write!(f, "fetch {it}"),
            Self::DryRun(it) => write!(f, "ask what applying {} would give", it.target.reference()),
            Self::Catalog => write!(f, "list the kinds that are served"),
        }
    }
}

//! Builds a [`Controller`].

use std::{fmt, sync::Arc};

use argo_core::{git::GitSource, runtime::Context};
use argo_render::Renderers;

use super::{ClusterConnector, ClusterInfos, Controller, KubeConnector, Trees};
use crate::{
    engine::{Settings, sharding::Place},
    sources::{GitManifests, ManifestSource},
};

/// Builds a [`Controller`].
#[must_use]
pub struct Builder {
    context: Context,
    settings: Settings,
    git: Option<Arc<dyn GitSource>>,
    renderers: Renderers,
    source: Option<Arc<dyn ManifestSource>>,
    workers: usize,
    connector: Arc<dyn ClusterConnector>,
    place: Place,
    infos: ClusterInfos,
    trees: Option<Trees>,
}

/// A controller could not be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Nothing says where manifests come from.
    #[error("no source of manifests: give the builder .git(..) or .manifests(..), or turn on the feature `git`")]
    NoSource,
    /// The controller's namespace is empty.
    #[error("the controller's namespace is empty: set Settings::namespace")]
    NoNamespace,
}

impl Builder {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            settings: Settings::default(),
            git: None,
            renderers: Renderers::default(),
            source: None,
            workers: 4,
            connector: Arc::new(KubeConnector::default()),
            place: Place::default(),
            infos: ClusterInfos::default(),
            trees: None,
        }
    }

    /// Settings of the installation; upstream's defaults otherwise.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Settings { resource_tree: self.trees.is_some() || settings.resource_tree, ..settings };
        self
    }

    /// How repositories are read. By default (feature `git`) mirrors in the temporary folder, through the `git` program.
    pub fn git(mut self, git: Arc<dyn GitSource>) -> Self {
        self.git = Some(git);
        self
    }

    /// The tools that make manifests; plain directories by default.
    pub fn renderers(mut self, renderers: Renderers) -> Self {
        self.renderers = renderers;
        self
    }

    /// Another source of manifests than git and renderers.
    pub fn manifests(mut self, source: Arc<dyn ManifestSource>) -> Self {
        self.source = Some(source);
        self
    }

    /// How many Applications are worked on at once; 4 by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The way into other clusters; by their Secrets, without running programs, by default.
    pub fn connector(mut self, connector: Arc<dyn ClusterConnector>) -> Self {
        self.connector = connector;
        self
    }

    /// The controller's place among its replicas; it is the only one by default.
    pub fn place(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Where it is written down how clusters are.
    pub fn cluster_infos(mut self, infos: ClusterInfos) -> Self {
        self.infos = infos;
        self
    }

    /// Keeps the resource tree of every Application here, as upstream's cache does; none are made by default.
    pub fn trees(mut self, trees: Trees) -> Self {
        self.trees = Some(trees);
        self.settings.resource_tree = true;
        self
    }

    /// The controller.
    ///
    /// # Errors
    /// When there is no source of manifests, or a setting makes no sense.
    pub fn build(self) -> Result<Controller, BuildError> {
        if self.settings.namespace.is_empty() {
            return Err(BuildError::NoNamespace);
        }
        let renderers = self.renderers;
        let git = self.git.or_else(default_git);
        let from_git =
            || git.map(|git| Arc::new(GitManifests::new(git).renderers(renderers)) as Arc<dyn ManifestSource>);
        let source = self.source.or_else(from_git).ok_or(BuildError::NoSource)?;
        Ok(Controller {
            context: self.context,
            settings: self.settings,
            source,
            workers: self.workers,
            connector: self.connector,
            place: self.place,
            infos: self.infos,
            trees: self.trees,
        })
    }
}

#[cfg(feature = "git")]
fn default_git() -> Option<Arc<dyn GitSource>> {
    use argo_core::git::{GitRepos, GitReposConfig};
    let folder = std::env::temp_dir().join("argo-cd-repositories");
    Some(Arc::new(GitRepos::new(GitReposConfig::new(folder))))
}

#[cfg(not(feature = "git"))]
fn default_git() -> Option<Arc<dyn GitSource>> {
    None
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

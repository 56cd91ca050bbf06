//! Manifests from git.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use argo_core::{
    files::Limits,
    git::{GitError, GitSource, Repository, is_commit_id},
};
use argo_lang::semver::{Constraint, Version};
use argo_render::{DirectoryOptions, Options, Renderers, Request, SourceType};

use super::{ManifestSource, SourceError};
use crate::{
    api::Source,
    engine::{ManifestRequest, Manifests},
};

/// How many renderings are kept.
const CACHED: usize = 512;

/// Renders folders of git repositories; what was rendered is kept by commit, folder and options.
pub struct GitManifests {
    git: Arc<dyn GitSource>,
    renderers: Renderers,
    limits: Limits,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    entries: BTreeMap<String, Arc<Manifests>>,
    order: VecDeque<String>,
}

impl GitManifests {
    /// Reads through `git`, renders with the default [`Renderers`].
    #[must_use]
    pub fn new(git: Arc<dyn GitSource>) -> Self {
        Self { git, renderers: Renderers::default(), limits: Limits::default(), cache: Mutex::default() }
    }

    /// Other renderers.
    #[must_use]
    pub fn renderers(mut self, renderers: Renderers) -> Self {
        self.renderers = renderers;
        self
    }

    /// Other bounds on what is read.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn cached(&self, key: &str) -> Option<Arc<Manifests>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).entries.get(key).cloned()
    }

    fn keep(&self, key: String, manifests: Arc<Manifests>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.entries.insert(key.clone(), manifests).is_none() {
            cache.order.push_back(key);
        }
        while cache.order.len() > CACHED {
            if let Some(oldest) = cache.order.pop_front() {
                cache.entries.remove(&oldest);
            }
        }
    }

    /// The commit of the highest tag that satisfies a constraint.
    async fn highest(
        &self,
        repository: &Repository,
        source: &Source,
        constraint: &Constraint,
        text: &str,
    ) -> Result<String, SourceError> {
        let refs = self.git.refs(repository).await?;
        let mut best: Option<(Version, String)> = None;
        for (tag, commit) in refs.tags() {
            let Some(text) = tag.strip_prefix(source.tag_prefix.as_str()) else { continue };
            let Ok(version) = Version::parse(text) else { continue };
            if constraint.matches(&version) && best.as_ref().is_none_or(|(it, _)| *it < version) {
                best = Some((version, commit.to_owned()));
            }
        }
        best.map(|(_, commit)| commit)
            .ok_or_else(|| SourceError::NoTag { repository: repository.to_string(), constraint: text.to_owned() })
    }
}

/// A text that can only be a semver constraint; anything that could name a branch or a tag is not.
fn constraint(text: &str) -> Option<Constraint> {
    let marked = text.contains(['<', '>', '=', '~', '^', '*', '|', ',', ' ']) || text.ends_with(".x");
    if marked { Constraint::parse(text).ok() } else { None }
}

fn unsupported(source: &Source, repository: &Repository) -> Option<SourceError> {
    let what = if source.is_oci() {
        "OCI"
    } else if source.is_helm() {
        "Helm repository"
    } else {
        return None;
    };
    Some(SourceError::NotSupported { what, repository: repository.to_string() })
}

fn options(source: &Source) -> Options {
    if let Some(directory) = &source.directory {
        return Options::Directory(DirectoryOptions {
            recurse: directory.recurse,
            include: directory.include.clone(),
            exclude: directory.exclude.clone(),
        });
    }
    match source.explicit_types().first() {
        Some(&"Helm") => Options::Tool(SourceType::Helm),
        Some(&"Kustomize") => Options::Tool(SourceType::Kustomize),
        Some(&"Plugin") => Options::Tool(SourceType::Plugin),
        _ => Options::Detect,
    }
}

#[async_trait::async_trait]
impl ManifestSource for GitManifests {
    async fn resolve(&self, repository: &Repository, source: &Source, revision: &str) -> Result<String, SourceError> {
        if let Some(error) = unsupported(source, repository) {
            return Err(error);
        }
        if is_commit_id(revision) {
            return Ok(revision.to_owned());
        }
        match constraint(revision) {
            Some(constraint) => self.highest(repository, source, &constraint, revision).await,
            None => Ok(self.git.resolve(repository, revision).await?),
        }
    }

    async fn manifests(
        &self,
        repository: &Repository,
        source: &Source,
        revision: &str,
        hard: bool,
    ) -> Result<Arc<Manifests>, SourceError> {
        if let Some(error) = unsupported(source, repository) {
            return Err(error);
        }
        let key = ManifestRequest { source: source.clone(), revision: revision.to_owned(), hard: false }.key();
        if !hard && let Some(found) = self.cached(&key) {
            return Ok(found);
        }
        let path = argo_core::files::normal(&source.path)
            .ok_or_else(|| argo_render::RenderError::OutsideRepository { path: source.path.clone() })?;
        let files = self.git.tree(repository, revision, &path, self.limits).await.map_err(|error| match error {
            // A commit that is gone (a rewritten branch) is named as what was asked for.
            GitError::NoRevision { repository, .. } => {
                GitError::NoRevision { repository, revision: revision.to_owned() }
            }
            other => other,
        })?;
        let rendered = self.renderers.render(&Request { files: &files, path: &path, options: options(source) })?;
        let manifests =
            Arc::new(Manifests { objects: rendered.objects, source_type: rendered.source_type.as_str().to_owned() });
        self.keep(key, manifests.clone());
        Ok(manifests)
    }
}

impl fmt::Debug for GitManifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitManifests").field("git", &self.git).finish_non_exhaustive()
    }
}

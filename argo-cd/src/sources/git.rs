//! Manifests from git.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use argo_core::{
    Timestamp,
    files::Limits,
    git::{GitError, GitSource, LogQuery, Repository, is_commit_id},
};
use argo_lang::semver::{Constraint, Version};
use argo_render::{DirectoryOptions, Options, RenderError, Renderers, Request, SourceType};

use super::{ManifestSource, SourceError, flights::Flights};
use crate::{
    api::Source,
    engine::{ManifestRequest, Manifests},
};

/// How many renderings are kept.
const CACHED: usize = 2048;

/// What came of a rendering. A failure is as good as a result: the same files fail in the same way.
type Outcome = Result<Arc<Manifests>, RenderError>;

/// Who made a commit, when, and what it says (upstream's `RevisionMetadata`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionMetadata {
    /// `Name <address>`.
    pub author: String,
    /// When it was committed.
    pub date: Timestamp,
    /// Tags that point at it, in order.
    pub tags: Vec<String>,
    /// The whole message, without blanks around it.
    pub message: String,
}

/// Renders folders of git repositories.
///
/// What was rendered is kept by the content of the folder: a commit that changes other folders of a repository renders
/// nothing again. Who asks a remote while another does shares the next answer. A failure to render is kept as well, until
/// the files change or a hard refresh asks.
pub struct GitManifests {
    git: Arc<dyn GitSource>,
    renderers: Renderers,
    limits: Limits,
    cache: Mutex<Cache>,
    flights: Flights,
}

#[derive(Default)]
struct Cache {
    entries: BTreeMap<String, Outcome>,
    order: VecDeque<String>,
}

impl GitManifests {
    /// Reads through `git`, renders with the default [`Renderers`].
    #[must_use]
    pub fn new(git: Arc<dyn GitSource>) -> Self {
        Self {
            git,
            renderers: Renderers::default(),
            limits: Limits::default(),
            cache: Mutex::default(),
            flights: Flights::default(),
        }
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

    fn cached(&self, key: &str) -> Option<Outcome> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).entries.get(key).cloned()
    }

    fn keep(&self, key: String, manifests: Outcome) {
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
        let refs = self.flights.refs(&*self.git, repository).await.map_err(SourceError::Shared)?;
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
            None => {
                let refs = self.flights.refs(&*self.git, repository).await.map_err(SourceError::Shared)?;
                match refs.resolve(revision) {
                    Some(commit) => Ok(commit.to_owned()),
                    // A shortened id, or nothing: git knows.
                    None => Ok(self.git.resolve(repository, revision).await?),
                }
            }
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
        let path = argo_core::files::normal(&source.path)
            .ok_or_else(|| RenderError::OutsideRepository { path: source.path.clone() })?;
        let key =
            |content: &str| ManifestRequest { source: source.clone(), revision: content.to_owned(), hard: false }.key();
        let by_commit = key(revision);
        if !hard && let Some(found) = self.cached(&by_commit) {
            return Ok(found?);
        }
        // A commit that is gone (a rewritten branch) is named as what was asked for.
        let named = |error: GitError| match error {
            GitError::NoRevision { repository, .. } => {
                GitError::NoRevision { repository, revision: revision.to_owned() }
            }
            other => other,
        };
        let id = self.git.tree_id(repository, revision, &path).await.map_err(named)?;
        let by_content = id.map(|it| key(&format!("tree {it}")));
        if !hard && let Some(found) = by_content.as_ref().and_then(|it| self.cached(it)) {
            return Ok(found?);
        }
        let files = self.git.tree(repository, revision, &path, self.limits).await.map_err(named)?;
        if let Some(file) = files.outside_links().next() {
            return Err(SourceError::OutsideLink { file: file.to_owned() });
        }
        let rendered = self.renderers.render(&Request { files: &files, path: &path, options: options(source) });
        let is_below =
            |it: &String| path.is_empty() || it.strip_prefix(path.as_str()).is_some_and(|it| it.starts_with('/'));
        let whole = !files.has_links_beyond() && rendered.as_ref().map_or(true, |it| it.files.iter().all(is_below));
        let outcome: Outcome = rendered
            .map(|it| Arc::new(Manifests { objects: it.objects, source_type: it.source_type.as_str().to_owned() }));
        self.keep(by_content.filter(|_| whole).unwrap_or(by_commit), outcome.clone());
        Ok(outcome?)
    }
}

impl GitManifests {
    /// Who made a commit, when, and what it says.
    ///
    /// # Errors
    /// When the repository is away or has no such commit.
    pub async fn metadata(&self, repository: &Repository, commit: &str) -> Result<RevisionMetadata, SourceError> {
        let query = LogQuery { limit: 1, ..LogQuery::default() };
        let found = self.git.log(repository, commit, query).await?.into_iter().next();
        let found = found
            .ok_or_else(|| GitError::NoRevision { repository: repository.to_string(), revision: commit.to_owned() })?;
        let refs = self.flights.refs(&*self.git, repository).await.map_err(SourceError::Shared)?;
        let tags = refs.tags().filter(|(_, it)| *it == found.id).map(|(tag, _)| tag.to_owned()).collect();
        Ok(RevisionMetadata {
            author: found.author.to_string(),
            date: found.committed_at,
            tags,
            message: found.message.trim().to_owned(),
        })
    }
}

impl fmt::Debug for GitManifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitManifests").field("git", &self.git).finish_non_exhaustive()
    }
}

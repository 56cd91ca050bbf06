//! `git`: commits of a branch, or of tags.

use std::sync::Arc;

use argo_core::{
    Time,
    git::{Commit, GitSource, LogQuery, RemoteRefs, Repository},
};
use argo_lang::{
    expr::{Options, Program},
    semver::{Constraint, Version},
};
use serde_json::{Value, json};

use super::{Discovered, Discovery, DiscoveryError, Subscriber};
use crate::{
    api::{
        CommitSelectionStrategy, DiscoveredCommit, GitDiscovery, GitSubscription, ObservedRefs, ObservedTag,
        RepoSubscription,
    },
    engine::selection::{NameFilter, PathFilter, SelectionError, limit, subject},
    steps::{CredentialKind, UserPassword},
};

/// Most commits that are read at once.
const LARGEST_BATCH: usize = 1000;
/// More tags than this are never compared with what was seen before.
const MOST_OBSERVED: usize = 1000;

/// Looks into git repositories.
#[derive(Debug, Clone)]
pub struct GitSubscriber(Arc<dyn GitSource>);

impl GitSubscriber {
    /// Through this source.
    #[must_use]
    pub fn new(source: Arc<dyn GitSource>) -> Self {
        Self(source)
    }
}

#[async_trait::async_trait]
impl Subscriber for GitSubscriber {
    fn kind(&self) -> &str {
        "git"
    }

    async fn discover(&self, request: &Discovery<'_>) -> Result<Discovered, DiscoveryError> {
        let RepoSubscription::Git(sub) = request.subscription else {
            return Err(DiscoveryError::UnknownKind("git".to_owned()));
        };
        if !sub.allow_tags.is_empty() || !sub.ignore_tags.is_empty() {
            let message =
                "allowTags and ignoreTags are no longer supported; use allowTagsRegexes and ignoreTagsRegexes";
            return Err(DiscoveryError::Setting { url: sub.repo_url.clone(), message: message.to_owned() });
        }
        let found = request.credentials.find(request.project, CredentialKind::Git, &sub.repo_url).await;
        let repository = Repository {
            url: sub.repo_url.clone(),
            credentials: found.map(UserPassword::for_git),
            insecure: sub.insecure_skip_tls_verify,
        };
        let search = Search::new(self.0.as_ref(), repository, sub)
            .map_err(|source| DiscoveryError::Selection { url: sub.repo_url.clone(), source })?;
        let refs = self.0.refs(&search.repository).await?;
        let observed = observed(sub, &refs);
        let mut out = GitDiscovery { repo_url: sub.repo_url.clone(), ..GitDiscovery::default() };
        if let Some(previous) = request.previous.filter(|it| observed.is_some() && it.observed_refs == observed) {
            out.commits.clone_from(&previous.commits);
        } else {
            out.commits = search.run(&refs).await?;
        }
        out.observed_refs = observed;
        Ok(Discovered::Git(out))
    }
}

/// What the remote offers of what the subscription looks at; `None` when it is too much to remember.
fn observed(sub: &GitSubscription, refs: &RemoteRefs) -> Option<ObservedRefs> {
    if sub.commit_selection_strategy == CommitSelectionStrategy::NewestFromBranch {
        let head = branch_head(sub, refs)?;
        return Some(ObservedRefs { branch_head: head.to_owned(), ..ObservedRefs::default() });
    }
    let tag =
        |(name, id): (&str, &str)| ObservedTag { name: name.to_owned(), id: id.to_owned(), ..ObservedTag::default() };
    let mut tags: Vec<ObservedTag> = refs.tags().map(tag).collect();
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    (tags.len() <= MOST_OBSERVED).then(|| ObservedRefs { tags, ..ObservedRefs::default() })
}

fn branch_head<'a>(sub: &GitSubscription, refs: &'a RemoteRefs) -> Option<&'a str> {
    if sub.branch.is_empty() {
        return refs.resolve("HEAD");
    }
    refs.branches().find(|(name, _)| *name == sub.branch).map(|(_, id)| id)
}

struct Search<'a> {
    source: &'a dyn GitSource,
    repository: Repository,
    sub: &'a GitSubscription,
    names: NameFilter,
    paths: PathFilter,
    filter: Option<Program>,
    constraint: Option<Constraint>,
    limit: usize,
}

impl<'a> Search<'a> {
    fn new(
        source: &'a dyn GitSource,
        repository: Repository,
        sub: &'a GitSubscription,
    ) -> Result<Self, SelectionError> {
        let expression = sub.expression_filter.trim();
        let compiled = |text: &str| {
            let options = Options::default().allow_undefined();
            Program::compile(text, &options).map_err(|it| wrong_expression(text, &it.to_string()))
        };
        Ok(Self {
            source,
            repository,
            sub,
            names: NameFilter::new(&sub.allow_tags_regexes, &sub.ignore_tags_regexes)?,
            paths: PathFilter::new(&sub.include_paths, &sub.exclude_paths)?,
            filter: if expression.is_empty() { None } else { Some(compiled(expression)?) },
            constraint: constraint(&sub.semver_constraint)?,
            limit: limit(sub.discovery_limit),
        })
    }

    async fn run(&self, refs: &RemoteRefs) -> Result<Vec<DiscoveredCommit>, DiscoveryError> {
        match self.sub.commit_selection_strategy {
            CommitSelectionStrategy::NewestFromBranch => self.branch(refs).await,
            _ => self.tags(refs).await,
        }
    }

    async fn branch(&self, refs: &RemoteRefs) -> Result<Vec<DiscoveredCommit>, DiscoveryError> {
        let Some(head) = branch_head(self.sub, refs) else {
            let revision = if self.sub.branch.is_empty() { "HEAD".to_owned() } else { self.sub.branch.clone() };
            let repository = self.repository.to_string();
            return Err(argo_core::git::GitError::NoRevision { repository, revision }.into());
        };
        let filtered = !self.paths.is_empty() || self.filter.is_some() || self.sub.since.is_some();
        let mut out = Vec::new();
        let (mut skip, mut batch) = (0, self.limit);
        loop {
            let query = LogQuery { limit: batch, skip, first_parent: true };
            let commits = self.source.log(&self.repository, head, query).await?;
            let ended = commits.len() < batch;
            skip += commits.len();
            for commit in &commits {
                if self.sub.since.is_some_and(|it| commit.committed_at < it.timestamp()) {
                    return Ok(out);
                }
                if self.is_wanted(commit, None)? && self.touches(&commit.id).await? {
                    out.push(DiscoveredCommit { branch: self.sub.branch.clone(), ..described(commit) });
                    if out.len() == self.limit {
                        return Ok(out);
                    }
                }
            }
            if ended || !filtered {
                return Ok(out);
            }
            batch = (batch * 2).min(LARGEST_BATCH);
        }
    }

    async fn tags(&self, refs: &RemoteRefs) -> Result<Vec<DiscoveredCommit>, DiscoveryError> {
        let strategy = self.sub.commit_selection_strategy;
        let mut tags: Vec<(String, String, Option<Version>)> = Vec::new();
        for (name, id) in refs.tags().filter(|(name, _)| self.names.matches(name)) {
            let version = version(name, self.sub.strict_semvers.unwrap_or(true));
            if strategy == CommitSelectionStrategy::SemVer {
                let fits = |it: &Version| self.constraint.as_ref().is_none_or(|wanted| wanted.matches(it));
                if !version.as_ref().is_some_and(fits) {
                    continue;
                }
            }
            tags.push((name.to_owned(), id.to_owned(), version));
        }
        match strategy {
            CommitSelectionStrategy::SemVer => tags.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| b.0.cmp(&a.0))),
            _ => tags.sort_by(|a, b| b.0.cmp(&a.0)),
        }
        let mut out: Vec<(DiscoveredCommit, argo_core::Timestamp)> = Vec::new();
        for (name, id, _) in tags {
            if strategy != CommitSelectionStrategy::NewestTag && out.len() == self.limit {
                break;
            }
            let one = LogQuery { limit: 1, skip: 0, first_parent: true };
            let commits = self.source.log(&self.repository, &id, one).await?;
            let Some(commit) = commits.first() else { continue };
            if self.is_wanted(commit, Some(&name))? && self.touches(&commit.id).await? {
                out.push((DiscoveredCommit { tag: name, ..described(commit) }, commit.committed_at));
            }
        }
        if strategy == CommitSelectionStrategy::NewestTag {
            // The sort is stable: tags of one moment stay in descending order of their names.
            out.sort_by_key(|it| std::cmp::Reverse(it.1));
        }
        out.truncate(self.limit);
        Ok(out.into_iter().map(|(commit, _)| commit).collect())
    }

    async fn touches(&self, commit: &str) -> Result<bool, DiscoveryError> {
        if self.paths.is_empty() {
            return Ok(true);
        }
        let changed = self.source.changed_paths(&self.repository, commit).await?;
        Ok(self.paths.matches(changed.iter().map(String::as_str)))
    }

    fn is_wanted(&self, commit: &Commit, tag: Option<&str>) -> Result<bool, DiscoveryError> {
        let Some(filter) = &self.filter else { return Ok(true) };
        let date = Time::new(commit.committed_at);
        let mut env = json!({"id": commit.id, "author": commit.author.to_string(), "committer": commit.committer.to_string(),
            "subject": commit.subject()});
        match tag {
            Some(tag) => {
                env["tag"] = json!(tag);
                env["creatorDate"] = json!(date);
            }
            None => env["commitDate"] = json!(date),
        }
        let wrong = |message: &str| DiscoveryError::Selection {
            url: self.sub.repo_url.clone(),
            source: wrong_expression(filter.source(), message),
        };
        match filter.eval(&env).map_err(|it| wrong(&it.to_string()))? {
            Value::Bool(it) => Ok(it),
            Value::String(text) => {
                argo_lang::gofloat::parse_bool(&text).ok_or_else(|| wrong("result is not a boolean"))
            }
            _ => Err(wrong("result is not a boolean")),
        }
    }
}

fn wrong_expression(expression: &str, message: &str) -> SelectionError {
    SelectionError::Expression { expression: expression.to_owned(), message: message.to_owned() }
}

fn described(commit: &Commit) -> DiscoveredCommit {
    DiscoveredCommit {
        id: commit.id.clone(),
        subject: subject(&commit.message),
        author: commit.author.to_string(),
        committer: commit.committer.to_string(),
        creator_date: Some(Time::new(commit.committed_at)),
        ..DiscoveredCommit::default()
    }
}

pub(super) fn constraint(text: &str) -> Result<Option<Constraint>, SelectionError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = |it: argo_lang::semver::SemverError| SelectionError::Constraint {
        constraint: text.to_owned(),
        message: it.to_string(),
    };
    Constraint::parse(text).map(Some).map_err(wrong)
}

/// A tag as a version. Strictly: one `v` at most in front, then three parts.
pub(super) fn version(tag: &str, strict: bool) -> Option<Version> {
    if strict { Version::parse_strict(tag.strip_prefix('v').unwrap_or(tag)).ok() } else { Version::parse(tag).ok() }
}

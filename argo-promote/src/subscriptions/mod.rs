//! Subscriptions of a Warehouse: the trait and one file for each kind.
//!
//! | kind | finds |
//! |---|---|
//! | `git` | commits of a branch, or tags |
//! | `image` | tags and digests of an OCI repository, through an [`ImageSource`] |

mod git;
mod image;
#[cfg(feature = "image")]
mod registry;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use argo_core::{Category, Failure, git::GitError};

use crate::{
    api::{
        ChartDiscovery, DiscoveredArtifacts, DiscoveryResult, GitDiscovery, ImageDiscovery, RepoSubscription,
        SubscriptionError, Warehouse,
    },
    engine::selection::SelectionError,
    steps::CredentialSource,
};

pub use git::GitSubscriber;
pub use image::{ImageError, ImageInfo, ImageRepository, ImageSource, ImageSubscriber, Platform};
#[cfg(feature = "image")]
pub use registry::{OciRegistry, OciRegistryConfig};

/// Looks into one kind of repository.
#[async_trait::async_trait]
pub trait Subscriber: Send + Sync + fmt::Debug {
    /// The key in `spec.subscriptions`: `git`, `image` or another word.
    fn kind(&self) -> &str;

    /// What is there now, best first. Finding nothing is no error.
    ///
    /// # Errors
    /// When the repository does not answer, or the subscription can not be carried out.
    async fn discover(&self, request: &Discovery<'_>) -> Result<Discovered, DiscoveryError>;
}

/// One subscription that is to be looked into.
#[derive(Debug)]
pub struct Discovery<'a> {
    /// The project.
    pub project: &'a str,
    /// The subscription.
    pub subscription: &'a RepoSubscription,
    /// What was found last time at this place of the list, if the spec has not changed since.
    pub previous: Option<&'a GitDiscovery>,
    /// How to get in.
    pub credentials: &'a dyn CredentialSource,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Discovered {
    /// Commits.
    Git(GitDiscovery),
    /// Images.
    Image(ImageDiscovery),
    /// Charts.
    Chart(ChartDiscovery),
    /// Anything else.
    Other(DiscoveryResult),
}

/// Why nothing could be found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The subscription can not be read.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// A pattern, constraint or expression can not be used.
    #[error("{url}: {source}")]
    Selection {
        /// The repository.
        url: String,
        /// What is wrong.
        #[source]
        source: SelectionError,
    },
    /// A setting that is not possible.
    #[error("{url}: {message}")]
    Setting {
        /// The repository.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// A git repository.
    #[error("error discovering commits: {0}")]
    Git(#[from] GitError),
    /// An image repository.
    #[error("error discovering images: {0}")]
    Image(#[from] ImageError),
    /// Nobody knows this kind.
    #[error("no subscriber is registered for subscriptions of kind {0:?}")]
    UnknownKind(String),
    /// A subscriber of somebody else.
    #[error("{message}")]
    Other {
        /// Why.
        message: String,
        /// Whether another attempt may help.
        transient: bool,
    },
}

impl Failure for DiscoveryError {
    fn category(&self) -> Category {
        match self {
            Self::Git(error) => error.category(),
            Self::Image(error) => error.category(),
            Self::Other { transient: true, .. } => Category::Unavailable,
            _ => Category::Invalid,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            // A repository that is not there may come.
            Self::Git(error) => error.is_transient(),
            Self::Image(_) => true,
            Self::Other { transient, .. } => *transient,
            _ => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Git(error) => error.retry_after(),
            Self::Image(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// Subscribers by kind.
#[derive(Debug, Clone, Default)]
pub struct Subscribers(BTreeMap<String, Arc<dyn Subscriber>>);

impl Subscribers {
    /// No subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more; one of the same kind is replaced.
    #[must_use]
    pub fn with(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.0.insert(subscriber.kind().to_owned(), subscriber);
        self
    }

    /// Looks into all repositories of a Warehouse, in order.
    ///
    /// # Errors
    /// The first that fails.
    pub async fn discover(
        &self,
        warehouse: &Warehouse,
        credentials: &dyn CredentialSource,
    ) -> Result<DiscoveredArtifacts, DiscoveryError> {
        let unchanged = warehouse.metadata.generation.unwrap_or_default() == warehouse.status.observed_generation;
        let before = warehouse.status.discovered_artifacts.as_ref().filter(|_| unchanged);
        let mut found = DiscoveredArtifacts::default();
        for (index, value) in warehouse.spec.subscriptions.iter().enumerate() {
            let subscription = RepoSubscription::parse(index, value)?;
            let (kind, url) = match &subscription {
                RepoSubscription::Git(it) => ("git", it.repo_url.as_str()),
                RepoSubscription::Image(_) => ("image", ""),
                RepoSubscription::Chart(_) => ("chart", ""),
                RepoSubscription::Other(it) => (it.subscription_type.as_str(), ""),
            };
            let subscriber = self.0.get(kind).ok_or_else(|| DiscoveryError::UnknownKind(kind.to_owned()))?;
            // The same place of the list, so that a list that was put in another order is looked at afresh.
            let previous = before.and_then(|it| it.git.get(found.git.len())).filter(|it| it.repo_url == url);
            let request =
                Discovery { project: warehouse.namespace(), subscription: &subscription, previous, credentials };
            match subscriber.discover(&request).await? {
                Discovered::Git(it) => found.git.push(it),
                Discovered::Image(it) => found.images.push(it),
                Discovered::Chart(it) => found.charts.push(it),
                Discovered::Other(it) => found.results.push(it),
            }
        }
        Ok(found)
    }
}

//! `image`: tags and digests of an image repository.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use argo_core::{Category, Failure, Time, Timestamp};
use argo_lang::semver::Version;
use futures::{StreamExt, TryStreamExt, stream};

use super::{Discovered, Discovery, DiscoveryError, Subscriber, git};
use crate::{
    api::{DiscoveredImage, ImageDiscovery, ImageSelectionStrategy, ImageSubscription, RepoSubscription},
    engine::selection::{NameFilter, limit},
    steps::{CredentialKind, UserPassword},
};

/// How many images of one repository are asked for at once.
const AT_ONCE: usize = 8;

/// An image repository with what it takes to get in.
#[derive(Debug, Clone, Default)]
pub struct ImageRepository {
    /// Without tag, as the subscription has it.
    pub url: String,
    /// How to get in.
    pub credentials: Option<UserPassword>,
    /// Accepts any TLS certificate, and plain HTTP.
    pub insecure: bool,
}

/// An operating system and a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// `linux`…
    pub os: String,
    /// `amd64`…
    pub architecture: String,
    /// `v7`…; often empty.
    pub variant: String,
}

impl Platform {
    /// Reads `os/arch[/variant]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, arch] => (os, arch, ""),
            [os, arch, variant] => (os, arch, *variant),
            _ => return None,
        };
        let known = !os.is_empty() && !architecture.is_empty();
        known.then(|| Self {
            os: (*os).to_owned(),
            architecture: (*architecture).to_owned(),
            variant: variant.to_owned(),
        })
    }
}

/// What is known of an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageInfo {
    /// `sha256:…`; of the index where there is one.
    pub digest: String,
    /// Annotations: those of the platform's own manifest win over those of the index.
    pub annotations: BTreeMap<String, String>,
    /// When it was built.
    pub created_at: Option<Timestamp>,
}

/// Reads image repositories.
#[async_trait::async_trait]
pub trait ImageSource: Send + Sync + fmt::Debug {
    /// All tags, in any order.
    ///
    /// # Errors
    /// [`ImageError::NotFound`] when there is no such repository; see [`ImageError`].
    async fn tags(&self, repository: &ImageRepository) -> Result<Vec<String>, ImageError>;

    /// The image behind a tag; `None` when there is no such tag, or nothing for the platform.
    ///
    /// # Errors
    /// See [`ImageError`].
    async fn image(
        &self,
        repository: &ImageRepository,
        tag: &str,
        platform: Option<&Platform>,
    ) -> Result<Option<ImageInfo>, ImageError>;
}

/// A registry that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no such repository.
    #[error("image repository {repository} not found")]
    NotFound {
        /// The repository.
        repository: String,
    },
    /// The credentials were refused, or are missing.
    #[error("access to image repository {repository} denied: {message}")]
    Denied {
        /// The repository.
        repository: String,
        /// What the registry said.
        message: String,
    },
    /// Too many requests.
    #[error("registry of {repository} asks to slow down")]
    Throttled {
        /// The repository.
        repository: String,
        /// Not before this long.
        retry_after: Option<Duration>,
    },
    /// The registry is away or failing.
    #[error("registry of {repository} is unavailable: {message}")]
    Unavailable {
        /// The repository.
        repository: String,
        /// What happened.
        message: String,
    },
    /// The registry's answer makes no sense.
    #[error("{repository}: {message}")]
    Invalid {
        /// The repository.
        repository: String,
        /// What is wrong.
        message: String,
    },
}

impl Failure for ImageError {
    fn category(&self) -> Category {
        match self {
            Self::NotFound { .. } => Category::NotFound,
            Self::Denied { .. } => Category::Forbidden,
            Self::Throttled { .. } => Category::Throttled,
            Self::Unavailable { .. } => Category::Unavailable,
            Self::Invalid { .. } => Category::Invalid,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Looks into image repositories.
#[derive(Debug, Clone)]
pub struct ImageSubscriber(Arc<dyn ImageSource>);

impl ImageSubscriber {
    /// Through this source.
    #[must_use]
    pub fn new(source: Arc<dyn ImageSource>) -> Self {
        Self(source)
    }
}

#[async_trait::async_trait]
impl Subscriber for ImageSubscriber {
    fn kind(&self) -> &str {
        "image"
    }

    async fn discover(&self, request: &Discovery<'_>) -> Result<Discovered, DiscoveryError> {
        let RepoSubscription::Image(sub) = request.subscription else {
            return Err(DiscoveryError::UnknownKind("image".to_owned()));
        };
        let setting =
            |message: &str| DiscoveryError::Setting { url: sub.repo_url.clone(), message: message.to_owned() };
        if !sub.allow_tags.is_empty() || !sub.ignore_tags.is_empty() || !sub.semver_constraint.is_empty() {
            return Err(setting(
                "allowTags, ignoreTags and semverConstraint are no longer supported; use allowTagsRegexes, ignoreTagsRegexes and constraint",
            ));
        }
        let platform = match sub.platform.as_str() {
            "" => None,
            text => Some(
                Platform::parse(text).ok_or_else(|| setting(&format!("platform {text:?} is not os/arch[/variant]")))?,
            ),
        };
        let credentials = request.credentials.find(request.project, CredentialKind::Image, &sub.repo_url).await;
        let repository =
            ImageRepository { url: sub.repo_url.clone(), credentials, insecure: sub.insecure_skip_tls_verify };
        let search = Search { source: self.0.as_ref(), repository, sub, platform };
        let references = search.run().await?;
        Ok(Discovered::Image(ImageDiscovery {
            repo_url: sub.repo_url.clone(),
            platform: sub.platform.clone(),
            references,
            ..ImageDiscovery::default()
        }))
    }
}

struct Search<'a> {
    source: &'a dyn ImageSource,
    repository: ImageRepository,
    sub: &'a ImageSubscription,
    platform: Option<Platform>,
}

impl Search<'_> {
    async fn run(&self) -> Result<Vec<DiscoveredImage>, DiscoveryError> {
        let selection = |source| DiscoveryError::Selection { url: self.sub.repo_url.clone(), source };
        let most = limit(self.sub.discovery_limit);
        if self.sub.image_selection_strategy == ImageSelectionStrategy::Digest {
            if self.sub.constraint.is_empty() {
                let message = "a constraint that names one tag is required for strategy Digest".to_owned();
                return Err(DiscoveryError::Setting { url: self.sub.repo_url.clone(), message });
            }
            return Ok(self.fetch(self.sub.constraint.clone()).await?.into_iter().map(|(it, _)| it).collect());
        }
        let names = NameFilter::new(&self.sub.allow_tags_regexes, &self.sub.ignore_tags_regexes).map_err(selection)?;
        let mut tags = self.source.tags(&self.repository).await?;
        tags.retain(|it| names.matches(it));
        tags.sort();
        tags.dedup();
        match self.sub.image_selection_strategy {
            ImageSelectionStrategy::SemVer => {
                let wanted = git::constraint(&self.sub.constraint).map_err(selection)?;
                let strict = self.sub.strict_semvers.unwrap_or(true);
                let mut versions: Vec<(Version, String)> =
                    tags.into_iter().filter_map(|tag| Some((git::version(&tag, strict)?, tag))).collect();
                versions.retain(|(version, _)| wanted.as_ref().is_none_or(|it| it.matches(version)));
                versions.sort_by(|a, b| b.cmp(a));
                self.first(versions.into_iter().map(|(_, tag)| tag).collect(), most).await
            }
            ImageSelectionStrategy::NewestBuild => {
                let all: Vec<_> =
                    stream::iter(tags).map(|it| self.fetch(it)).buffer_unordered(AT_ONCE).try_collect().await?;
                let mut found: Vec<(DiscoveredImage, Option<Timestamp>)> = all.into_iter().flatten().collect();
                found.sort_by(|a, b| (b.1, &b.0.tag).cmp(&(a.1, &a.0.tag)));
                found.truncate(most);
                Ok(found.into_iter().map(|(image, _)| image).collect())
            }
            _ => {
                tags.reverse();
                self.first(tags, most).await
            }
        }
    }

    /// The first `most` that are there for the platform, in the order given.
    async fn first(&self, tags: Vec<String>, most: usize) -> Result<Vec<DiscoveredImage>, DiscoveryError> {
        let mut out = Vec::new();
        let mut images = stream::iter(tags).map(|it| self.fetch(it)).buffered(AT_ONCE);
        while out.len() < most {
            match images.next().await {
                Some(found) => out.extend(found?.map(|(image, _)| image)),
                None => break,
            }
        }
        Ok(out)
    }

    async fn fetch(&self, tag: String) -> Result<Option<(DiscoveredImage, Option<Timestamp>)>, DiscoveryError> {
        let found = self.source.image(&self.repository, &tag, self.platform.as_ref()).await?;
        Ok(found.map(|it| {
            let image = DiscoveredImage {
                tag,
                digest: it.digest,
                annotations: it.annotations,
                created_at: it.created_at.map(Time::new),
                ..DiscoveredImage::default()
            };
            (image, it.created_at)
        }))
    }
}

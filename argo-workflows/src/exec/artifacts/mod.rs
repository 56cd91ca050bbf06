//! [`ArtifactDriver`]: where artifacts are kept.
//!
//! | driver | location fields | reads | writes |
//! |---|---|---|---|
//! | [`RawDriver`] | `raw` | yes | no |
//! | [`FolderDriver`] | any with a key, in a directory of this machine | yes | yes |
//! | [`GitDriver`] | `git` | yes | no |
//! | `HttpDriver` (feature `http`) | `http`, `artifactory` | yes | yes |
//! | `GcsDriver` (feature `http`) | `gcs` | yes | yes |
//! | `S3Driver` (feature `s3`) | `s3` | yes | yes |
//! | `AzureDriver` (feature `s3`) | `azure` | yes | yes |

#[cfg(feature = "s3")]
mod azure;
mod folder;
#[cfg(feature = "http")]
mod gcs;
mod git;
#[cfg(feature = "http")]
mod http;
mod location;
#[cfg(feature = "http")]
mod oauth;
mod raw;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "http")]
mod store;
#[cfg(feature = "http")]
mod transfer;

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use argo_core::{Category, Failure};

#[cfg(feature = "s3")]
pub use azure::AzureDriver;
pub use folder::FolderDriver;
#[cfg(feature = "http")]
pub use gcs::GcsDriver;
pub use git::GitDriver;
#[cfg(feature = "http")]
pub use http::HttpDriver;
pub use location::{has_key, has_location, has_location_or_key, key, kind, relocate, relocate_all, set_key};
pub use raw::RawDriver;
#[cfg(feature = "s3")]
pub use s3::S3Driver;

use crate::api::Artifact;

/// Keeps artifacts somewhere. What is stored is opaque: archives are made and opened by the caller.
///
/// Contract:
/// - `load` gives a file, or a directory where the key is the prefix of several objects. A missing
///   artifact is [`Category::NotFound`].
/// - `save` overwrites; saving the same artifact twice is saving it once.
/// - `delete` of what is not there succeeds.
#[async_trait::async_trait]
pub trait ArtifactDriver: Send + Sync + fmt::Debug {
    /// Brings an artifact to `to`, which does not exist yet; its parent does.
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError>;

    /// Stores a file or a directory.
    async fn save(&self, from: &Path, artifact: &Artifact) -> Result<(), ArtifactError>;

    /// Keys below the artifact's key, in order.
    async fn list(&self, artifact: &Artifact) -> Result<Vec<String>, ArtifactError>;

    /// Removes an artifact.
    async fn delete(&self, artifact: &Artifact) -> Result<(), ArtifactError>;
}

/// Reads a key of a Secret of the workflow's namespace.
pub trait Secrets: Send + Sync + std::fmt::Debug {
    /// The value, or `None` where there is no such Secret or key.
    fn read(&self, name: &str, key: &str) -> Option<String>;
}

/// No secrets at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn read(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// Secrets as files, `<root>/<name>/<key>`: as they are mounted into pods.
#[derive(Debug, Clone)]
pub struct SecretFiles(pub std::path::PathBuf);

impl Secrets for SecretFiles {
    fn read(&self, name: &str, key: &str) -> Option<String> {
        let plain = |it: &str| !it.is_empty() && !it.contains('/') && it != "." && it != "..";
        let path = (plain(name) && plain(key)).then(|| self.0.join(name).join(key))?;
        std::fs::read_to_string(path).ok()
    }
}

/// Why an artifact could not be loaded or saved. The text holds no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ArtifactError {
    /// What went wrong.
    pub message: String,
    /// The kind of failure.
    pub category: Category,
}

impl ArtifactError {
    /// An error of this kind.
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        Self { message: message.into(), category }
    }

    /// Something that the driver can not do.
    pub fn unsupported(driver: &str, what: &str) -> Self {
        Self::new(Category::Invalid, format!("{what} is not supported for {driver} artifacts"))
    }

    pub(crate) fn io(action: &str, path: &Path, error: &std::io::Error) -> Self {
        let category = match error.kind() {
            std::io::ErrorKind::NotFound => Category::NotFound,
            std::io::ErrorKind::PermissionDenied => Category::Forbidden,
            std::io::ErrorKind::StorageFull => Category::LimitExceeded,
            _ => Category::Unavailable,
        };
        Self::new(category, super::io_message(action, &path.display().to_string(), error))
    }
}

impl Failure for ArtifactError {
    fn category(&self) -> Category {
        self.category
    }
}

/// Drivers by the location field they serve (`s3`, `git`, …).
#[derive(Debug, Clone, Default)]
pub struct Drivers(BTreeMap<String, Arc<dyn ArtifactDriver>>);

impl Drivers {
    /// Those that need no network: raw artifacts.
    #[must_use]
    pub fn local() -> Self {
        Self::default().with("raw", Arc::new(RawDriver))
    }

    /// With a driver for a location field, instead of an earlier one.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, driver: Arc<dyn ArtifactDriver>) -> Self {
        self.0.insert(field.into(), driver);
        self
    }

    /// The driver of an artifact's location.
    ///
    /// # Errors
    /// When nobody serves it.
    pub fn of(&self, artifact: &Artifact) -> Result<&Arc<dyn ArtifactDriver>, ArtifactError> {
        let unsupported =
            || ArtifactError::new(Category::Invalid, format!("Unsupported artifact driver for {}", artifact.name));
        kind(artifact).and_then(|it| self.0.get(it)).ok_or_else(unsupported)
    }
}

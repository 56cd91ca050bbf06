//! [`ClusterApplier`]: turns changes into cluster state.
//!
//! | implementation | what it does |
//! |---|---|
//! | `KubeApplier` (feature `runtime`) | writes to a Kubernetes API |
//! | [`Guarded`] | asks a policy first; a refusal is an error, nothing is written |
//! | [`Recording`] | writes nothing, remembers everything: dry runs and tests |

mod guarded;
#[cfg(feature = "runtime")]
mod kube;
mod recording;

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    error::{Category, Failure},
    object::{Object, ObjectRef},
    plan::{Change, Note},
};

pub use guarded::{Guarded, Verdict};
#[cfg(feature = "runtime")]
pub use kube::{KubeApplier, kube_error};
pub use recording::Recording;

/// Carries out changes. One call is one write; the order is the caller's.
///
/// Contract: `Create` of an object that exists is an error of category `AlreadyExists`; `Delete` of
/// one that is gone succeeds with `None`; a stale `resource_version` is a `Conflict`. Implementations
/// never retry on their own: the controller decides again from what it then observes.
#[async_trait::async_trait]
pub trait ClusterApplier: Send + Sync + fmt::Debug {
    /// Carries out one change; returns the object as it is afterwards, unless it is gone.
    ///
    /// # Errors
    /// See the contract above.
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError>;

    /// The same, made in another way than is usual. By default the applier refuses dry runs, and leaves it to the API server
    /// what it says of fields that it does not know.
    ///
    /// # Errors
    /// See the contract above.
    async fn apply_with(&self, change: &Change, options: WriteOptions) -> Result<Option<Object>, ApplyError> {
        if options.dry_run {
            return Err(ApplyError::new(change, Category::Invalid, "this applier can not make dry runs"));
        }
        self.apply(change).await
    }

    /// The same, acting as another user; `None` where that can not be done, in which case nothing may be written.
    fn impersonating(&self, _user: &str) -> Option<Arc<dyn ClusterApplier>> {
        None
    }

    /// Records an event. Losing one is not an error.
    async fn note(&self, regarding: &Object, note: &Note);
}

/// How a write is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// The API server checks, admits and answers as if it wrote, and writes nothing.
    pub dry_run: bool,
    /// What comes of fields that the API server does not know.
    pub fields: FieldValidation,
}

/// What comes of fields that the API server does not know, and of fields that are there twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldValidation {
    /// What the API server does by itself: it warns.
    #[default]
    Usual,
    /// They are dropped in silence.
    Ignore,
    /// They are errors.
    Strict,
}

impl WriteOptions {
    /// A write that only asks what would come of it.
    pub const DRY_RUN: Self = Self { dry_run: true, fields: FieldValidation::Usual };
}

/// A write that failed.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {object}: {message}")]
pub struct ApplyError {
    /// The verb.
    pub verb: &'static str,
    /// The object.
    pub object: Box<ObjectRef>,
    /// What the API server said.
    pub message: String,
    /// The kind of failure.
    pub category: Category,
    /// Not before this long.
    pub retry_after: Option<Duration>,
}

impl ApplyError {
    /// A failure of `change`.
    pub fn new(change: &Change, category: Category, message: impl Into<String>) -> Self {
        Self {
            verb: change.verb(),
            object: Box::new(change.target()),
            message: message.into(),
            category,
            retry_after: None,
        }
    }
}

impl Failure for ApplyError {
    fn category(&self) -> Category {
        self.category
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

//! How errors tell callers what to do: a category and whether trying again can help.

use std::error::Error;

/// What kind of thing went wrong. Callers act on this, never on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Category {
    /// The input is wrong; the user must change it.
    Invalid,
    /// Something named does not exist.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// Somebody else wrote first.
    Conflict,
    /// Not permitted, or not authenticated.
    Forbidden,
    /// Asked to slow down.
    Throttled,
    /// The other side is away, slow or failing.
    Unavailable,
    /// It took too long.
    Timeout,
    /// A limit on size, depth or count was passed.
    LimitExceeded,
    /// Everything else.
    Internal,
}

impl Category {
    /// Whether the same call may succeed later without anybody changing its input.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Conflict | Self::Throttled | Self::Unavailable | Self::Timeout)
    }
}

/// An error that says what to do about it. Implemented by the error enum of every crate here, so
/// that the controller runtime can choose between backing off and giving up.
pub trait Failure: Error + Send + Sync + 'static {
    /// The kind of error.
    fn category(&self) -> Category;

    /// Whether to try again with backoff. Defaults to [`Category::is_transient`].
    fn is_transient(&self) -> bool {
        self.category().is_transient()
    }

    /// Not before this long, when the other side said so (`Retry-After`).
    fn retry_after(&self) -> Option<std::time::Duration> {
        None
    }
}

/// A boxed [`Failure`].
pub type BoxFailure = Box<dyn Failure>;

impl<F: Failure> From<F> for BoxFailure {
    fn from(failure: F) -> Self {
        Box::new(failure)
    }
}

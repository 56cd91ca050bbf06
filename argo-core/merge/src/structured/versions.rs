//! Several versions of one kind.

use std::borrow::Cow;

use serde_json::Value;

use crate::Schema;

/// The versions of one kind: the type of each, and how an object of one becomes an object of another.
///
/// Field paths are of the version they were written in, so what others own is compared in their version. A plain [`Schema`] is the
/// implementation for kinds whose versions all have the same fields.
pub trait Versions {
    /// The type of objects of this version.
    fn schema(&self, api_version: &str) -> Schema;

    /// The object in another version.
    ///
    /// # Errors
    /// [`ConversionError::NoSuchVersion`] when the version is not served any more: what was owned in it is forgotten.
    fn convert<'v>(&self, object: &'v Value, to: &str) -> Result<Cow<'v, Value>, ConversionError>;
}

/// Why an object was not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// The kind has no such version.
    #[error("no such version: {0}")]
    NoSuchVersion(String),
    /// The conversion was refused.
    #[error("{0}")]
    Failed(String),
}

impl Versions for Schema {
    fn schema(&self, _: &str) -> Schema {
        self.clone()
    }

    fn convert<'v>(&self, object: &'v Value, _: &str) -> Result<Cow<'v, Value>, ConversionError> {
        Ok(Cow::Borrowed(object))
    }
}

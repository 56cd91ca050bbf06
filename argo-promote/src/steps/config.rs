//! Settings that several steps share.

use serde::Deserialize;

/// An author of commits.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuthorConfig {
    pub(super) name: String,
    pub(super) email: String,
    #[serde(default)]
    pub(super) signing_key: Option<String>,
}

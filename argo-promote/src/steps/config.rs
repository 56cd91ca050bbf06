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

/// A named text.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NameValue {
    pub(super) name: String,
    pub(super) value: String,
}

/// A value computed from a response.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OutputConfig {
    pub(super) name: String,
    pub(super) from_expression: String,
}

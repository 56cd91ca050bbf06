//! [`HttpTemplate`]: a call of an endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A call of an endpoint; the body of the answer is the step's result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpTemplate {
    /// Method; `GET` where it is absent or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where to.
    pub url: String,
    /// Headers of the request.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub headers: Vec<HttpHeader>,
    /// Seconds that it may take as a whole; without limit where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// An expr expression over `request` and `response`; without it a status of 2xx is a success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_condition: Option<String>,
    /// Body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Body of the request as bytes; goes before `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_from: Option<HttpBodySource>,
    /// Whether the server's certificate is taken as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A header of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeader {
    /// Name.
    pub name: String,
    /// Value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HttpHeaderSource>,
}

/// Where the value of a header comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeaderSource {
    /// A key of a Secret of the workflow's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeySelector>,
}

/// A key of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKeySelector {
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether it may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// The body of a request as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpBodySource {
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

//! Parameters and artifacts: what goes in and out of templates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scalar::AnyString;

/// Arguments of a workflow, step or task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Arguments {
    /// Parameters by name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub parameters: Vec<Parameter>,
    /// Artifacts by name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub artifacts: Vec<Artifact>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// What a template declares it takes; the same shape as [`Arguments`].
pub type Inputs = Arguments;

/// What a template gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outputs {
    /// Parameters by name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub parameters: Vec<Parameter>,
    /// Artifacts by name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub artifacts: Vec<Artifact>,
    /// Standard output of a step, without its trailing newline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Exit code of the main container, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Outputs {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A parameter by name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|it| it.name == name)
    }
}

/// A named value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parameter {
    /// Name, unique in its list.
    pub name: String,
    /// Value where none is supplied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<AnyString>,
    /// The value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<AnyString>,
    /// Where the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
    /// Also published as `workflow.outputs.parameters.<globalName>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_name: Option<String>,
    /// The only values allowed.
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<AnyString>>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<AnyString>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Parameter {
    /// A parameter with a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(AnyString(value.into())), ..Self::default() }
    }

    /// The value, or else the default.
    #[must_use]
    pub fn effective(&self) -> Option<&str> {
        self.value.as_ref().or(self.default.as_ref()).map(AnyString::as_str)
    }
}

/// Where a parameter's value comes from; which fields may be used depends on the template's type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    /// A file in the main container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// JSONPath over a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
    /// jq over a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jq_filter: Option<String>,
    /// An output of a step or task, as a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// An expr expression over the scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// An expr expression over the event of a WorkflowEventBinding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Supplied by a person while the workflow is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplied: Option<Value>,
    /// A key of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
    /// Value where reading fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<AnyString>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A key of a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapKeyRef {
    /// The ConfigMap, in the workflow's namespace.
    pub name: String,
    /// The key.
    pub key: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A file or directory that steps hand on. Locations (`s3`, `git`, …) stay in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Artifact {
    /// Name, unique in its list.
    pub name: String,
    /// Path in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// An output artifact of a step or task, as a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// An expr expression that gives an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_expression: Option<String>,
    /// Whether it may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
    /// Also published as `workflow.outputs.artifacts.<globalName>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Fields of an artifact that say where it is.
pub const LOCATIONS: &[&str] = &["s3", "gcs", "azure", "oss", "hdfs", "http", "artifactory", "git", "raw", "plugin"];

impl Artifact {
    /// Whether it says where it is.
    #[must_use]
    pub fn has_location(&self) -> bool {
        let named = |it: &str| match self.extra.get(it) {
            // An address that is not there is no place.
            Some(http) if it == "http" => http.get("url").and_then(Value::as_str).is_some_and(|it| !it.is_empty()),
            other => other.is_some(),
        };
        LOCATIONS.iter().any(|it| named(it))
    }
}

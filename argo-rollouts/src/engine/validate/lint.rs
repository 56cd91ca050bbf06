//! What upstream's `kubectl argo rollouts lint` says of a file, without a cluster.

use argo_core::Object;
use argo_lang::{quantity::Quantity, yaml};
use serde_json::Value;

use super::{Errors, Invalid, references, spec, strict};
use crate::api::{self, Rollout};

/// Why a file of manifests is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LintError {
    /// It is no YAML.
    #[error("{0}")]
    Yaml(yaml::YamlError),
    /// An object is not what its kind is.
    #[error("error unmarshaling JSON: while decoding JSON: {0}")]
    Decode(String),
    /// A Rollout is invalid.
    #[error("{path}: {body}")]
    Invalid {
        /// The field.
        path: String,
        /// What is wrong with it.
        body: String,
    },
}

impl From<Invalid> for LintError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid { body: invalid.body().to_owned(), path: invalid.path }
    }
}

/// Checks every Rollout in `text`, and the Services, Ingresses and VirtualServices beside it that it
/// refers to. Returns everything that is wrong, in upstream's order and words; the first is the
/// reason that upstream gives. Objects of other kinds are passed over.
///
/// # Example
/// ```
/// let wrong = argo_rollouts::lint("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\n");
/// assert_eq!(wrong[0].to_string(), "spec.selector: Required value: Rollout has missing field '.spec.selector'");
/// ```
#[must_use]
pub fn lint(text: &str) -> Vec<LintError> {
    let documents = match yaml::decode_all(text) {
        Ok(documents) => documents,
        Err(error) => return vec![LintError::Yaml(error)],
    };
    let (mut rollouts, mut objects) = (Vec::new(), Vec::new());
    for document in documents.into_iter().filter(|it| !it.is_null()) {
        if document.get("kind").and_then(Value::as_str).is_none_or(str::is_empty) {
            return vec![LintError::Decode(format!("Object 'Kind' is missing in '{}'", sorted(&document)))];
        }
        let object = Object::from_value(document);
        let gvk = object.gvk();
        if (gvk.group.as_str(), gvk.kind.as_str()) != (api::GROUP, "Rollout") {
            objects.push(object);
            continue;
        }
        match decode(&object) {
            Ok(ro) => rollouts.push(ro),
            Err(message) => return vec![LintError::Decode(message)],
        }
    }
    let mut errors = Errors::new();
    for ro in &rollouts {
        errors.extend(spec::check(ro, false));
        errors.extend(references::among(ro, &objects));
    }
    errors.into_iter().map(LintError::from).collect()
}

fn decode(object: &Object) -> Result<Rollout, String> {
    let ro: Rollout = object.decode().map_err(|it| it.source.to_string())?;
    if let Some(field) = strict::unknown(&ro) {
        return Err(format!("json: unknown field \"{field}\""));
    }
    let containers = ["containers", "initContainers"].iter();
    let containers = containers.filter_map(|it| object.pointer(&format!("/spec/template/spec/{it}"))?.as_array());
    for container in containers.flatten() {
        for kind in ["limits", "requests"] {
            let resources = container.pointer(&format!("/resources/{kind}")).and_then(Value::as_object);
            for value in resources.into_iter().flatten().map(|(_, it)| it) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Quantity::parse(&text).map_err(|it| it.to_string())?;
            }
        }
    }
    Ok(ro)
}

/// JSON as Go writes maps: by the order of their keys.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            let fields = keys.iter().map(|(key, it)| format!("{}:{}", Value::from(key.as_str()), sorted(it)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

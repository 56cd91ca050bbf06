//! Label selectors (equality and set based) and field selectors.

use serde_json::Value;

use super::status::ApiError;
use crate::resources::{ResourceDef, VersionDef};

/// A parsed label selector: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

/// A parsed field selector: all terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<FieldTerm>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldTerm {
    path: String,
    value: String,
    equal: bool,
}

// === impl LabelSelector ===

impl LabelSelector {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let terms = super::label_syntax::parse(text).map_err(ApiError::bad_request)?;
        let number = |values: &[String]| values.first().and_then(|value| value.parse().ok()).unwrap_or_default();
        let requirement = |(key, operator, values): super::label_syntax::Term| match operator {
            "=" | "in" => Requirement::In(key, values),
            "!=" | "notin" => Requirement::NotIn(key, values),
            "!" => Requirement::Absent(key),
            ">" => Requirement::Greater(key, number(&values)),
            "<" => Requirement::Less(key, number(&values)),
            _ => Requirement::Exists(key),
        };
        Ok(Self(terms.into_iter().map(requirement).collect()))
    }

    /// The selector of a workload's `matchLabels`/`matchExpressions`, or a plain map of labels. `None` for a malformed one.
    pub(crate) fn from_object(selector: &Value) -> Option<Self> {
        let mut requirements = Vec::new();
        let object = selector.as_object()?;
        let structured =
            object.contains_key("matchLabels") || object.contains_key("matchExpressions") || object.is_empty();
        let labels = if structured { object.get("matchLabels").and_then(Value::as_object) } else { Some(object) };
        for (key, value) in labels.into_iter().flatten() {
            requirements.push(Requirement::In(key.clone(), vec![value.as_str()?.to_owned()]));
        }
        if structured {
            for expression in object.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
                let key = expression.get("key")?.as_str()?.to_owned();
                let values: Vec<String> = expression
                    .get("values")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect();
                requirements.push(match expression.get("operator")?.as_str()? {
                    "In" => Requirement::In(key, values),
                    "NotIn" => Requirement::NotIn(key, values),
                    "Exists" => Requirement::Exists(key),
                    "DoesNotExist" => Requirement::Absent(key),
                    _ => return None,
                });
            }
        }
        Some(Self(requirements))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => label(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|unwanted| unwanted != value))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::Greater(key, bound) => {
                label(key).and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value > *bound)
            }
            Requirement::Less(key, bound) => {
                label(key).and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value < *bound)
            }
        })
    }

    /// The selector as text, in the canonical form of `status.selector` of a scale.
    pub(crate) fn text(&self) -> String {
        let set = |values: &[String]| {
            let mut values = values.to_vec();
            values.sort();
            values.join(",")
        };
        let mut parts: Vec<String> = self
            .0
            .iter()
            .map(|requirement| match requirement {
                Requirement::In(key, values) if values.len() == 1 => format!("{key}={}", values[0]),
                Requirement::In(key, values) => format!("{key} in ({})", set(values)),
                Requirement::NotIn(key, values) => format!("{key} notin ({})", set(values)),
                Requirement::Exists(key) => key.clone(),
                Requirement::Absent(key) => format!("!{key}"),
                Requirement::Greater(key, bound) => format!("{key}>{bound}"),
                Requirement::Less(key, bound) => format!("{key}<{bound}"),
            })
            .collect();
        parts.sort();
        parts.join(",")
    }
}

// === impl FieldSelector ===

impl FieldSelector {
    pub(crate) fn parse(text: &str, def: &ResourceDef, version: &VersionDef) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for part in split_unescaped(text).into_iter().filter(|part| !part.is_empty()) {
            let (path, value, equal) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, value, true)
            } else {
                return Err(ApiError::bad_request(format!("invalid selector: '{part}'; can't understand '{part}'")));
            };
            let value = unescape(value)?;
            if !supported(path, def, version) {
                return Err(ApiError::bad_request(match (def.group(), def.resource()) {
                    ("batch", "jobs") => format!("field label {path:?} not supported for Job"),
                    _ if def.builtin && extra_fields(def).is_empty() => {
                        format!(
                            "{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                        )
                    }
                    _ => format!("field label not supported: {path}"),
                }));
            }
            terms.push(FieldTerm { path: path.trim_start_matches('.').to_owned(), value, equal });
        }
        Ok(Self(terms))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| (field(object, &term.path) == term.value) == term.equal)
    }
}

/// Splits at commas that no backslash stands before.
fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> Result<String, ApiError> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => out.push(escaped),
                other => {
                    let rest = other.map(String::from).unwrap_or_default();
                    return Err(ApiError::bad_request(format!(
                        "invalid field selector: invalid escape sequence: \\{rest}"
                    )));
                }
            },
            ',' | '=' => {
                return Err(ApiError::bad_request(format!(
                    "invalid field selector: invalid unescaped character in value: {c}"
                )));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn field(object: &Value, path: &str) -> String {
    let mut current = object;
    for step in path.split('.') {
        match current.get(step) {
            Some(next) => current = next,
            None => return missing_default(path),
        }
    }
    match current {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// What an absent field counts as: Go's zero values of the fields that are not strings.
fn missing_default(path: &str) -> String {
    match path {
        "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
        "status.replicas" | "status.successful" => "0".to_owned(),
        _ => String::new(),
    }
}

fn supported(path: &str, def: &ResourceDef, version: &VersionDef) -> bool {
    matches!(path, "metadata.name" | "metadata.namespace")
        || extra_fields(def).contains(&path)
        || version
            .custom
            .as_ref()
            .is_some_and(|custom| custom.selectable_fields.iter().any(|field| field.trim_start_matches('.') == path))
}

fn extra_fields(def: &ResourceDef) -> &'static [&'static str] {
    match (def.served.group.as_ref(), def.served.resource.as_ref()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "secrets") => &["type"],
        ("", "replicationcontrollers") => &["status.replicas"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("batch", "jobs") => &["status.successful"],
        ("certificates.k8s.io", "certificatesigningrequests") => &["spec.signerName"],
        _ => &[],
    }
}

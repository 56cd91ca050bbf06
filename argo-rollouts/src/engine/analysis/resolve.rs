//! `{{args.name}}` in metrics.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::{Argument, Metric, SecretKeyRef};

/// What stands for a secret where its value is not needed.
const STAND_IN: &str = "temp-for-secret";

/// What stands for a secret where people read.
const REDACTED: &str = "*****";

/// Why arguments can not be filled in. The words are upstream's; none holds a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// An argument has no value.
    #[error("argument \"{0}\" was not supplied")]
    Missing(String),
    /// A tag names nothing, or has no end.
    #[error("failed to resolve {{{{{0}}}}}")]
    Unknown(String),
    /// A Secret does not exist.
    #[error("secrets \"{0}\" not found")]
    SecretMissing(String),
    /// A Secret may not be read.
    #[error("secrets \"{name}\" can not be read: {category:?}")]
    SecretUnreadable {
        /// The Secret.
        name: String,
        /// Why.
        category: argo_core::Category,
    },
    /// A secret has no such key.
    #[error("key '{key}' does not exist in secret '{name}'")]
    SecretKey {
        /// The Secret.
        name: String,
        /// The key.
        key: String,
    },
    /// The metric with its arguments is none any more.
    #[error("metric '{metric}' does not decode with its arguments: {message}")]
    Undecodable {
        /// The metric.
        metric: String,
        /// What is wrong.
        message: String,
    },
}

impl argo_core::Failure for ArgumentError {
    fn category(&self) -> argo_core::Category {
        match self {
            Self::SecretKey { .. } | Self::SecretMissing(_) => argo_core::Category::NotFound,
            Self::SecretUnreadable { category, .. } => *category,
            _ => argo_core::Category::Invalid,
        }
    }
}

/// The metric with the values of its arguments; `secrets` holds those that come from Secrets.
///
/// # Errors
/// When an argument has no value or a tag names none.
pub fn resolve(
    metric: &Metric,
    args: &[Argument],
    secrets: &BTreeMap<SecretKeyRef, String>,
) -> Result<Metric, ArgumentError> {
    let mut values = BTreeMap::new();
    for arg in args {
        let secret = arg.value_from.as_ref().and_then(|it| it.secret_key_ref.as_ref());
        let value = match secret {
            Some(key) => secrets
                .get(key)
                .cloned()
                .ok_or_else(|| ArgumentError::SecretKey { name: key.name.clone(), key: key.key.clone() })?,
            None => arg.value.clone().ok_or_else(|| ArgumentError::Missing(arg.name.clone()))?,
        };
        values.insert(format!("args.{}", arg.name), value);
    }
    let undecodable =
        |it: serde_json::Error| ArgumentError::Undecodable { metric: metric.name.clone(), message: classify(&it) };
    let mut json = serde_json::to_value(metric).map_err(undecodable)?;
    fill(&mut json, &values)?;
    serde_json::from_value(json).map_err(undecodable)
}

/// The kind of a decoding error without the value that did not fit: it may be a secret.
fn classify(error: &serde_json::Error) -> String {
    format!("{:?} error", error.classify()).to_lowercase()
}

/// All metrics, with a stand-in for every secret: enough to see when they are due.
pub(super) fn without_secrets(metrics: &[Metric], args: &[Argument]) -> Result<Vec<Metric>, ArgumentError> {
    let secrets = args
        .iter()
        .filter_map(|it| it.value_from.as_ref()?.secret_key_ref.clone())
        .map(|key| (key, STAND_IN.to_owned()))
        .collect();
    metrics.iter().map(|it| resolve(it, args, &secrets)).collect()
}

fn fill(value: &mut Value, values: &BTreeMap<String, String>) -> Result<(), ArgumentError> {
    match value {
        Value::String(text) if text.contains("{{") => *text = substitute(text, values)?,
        Value::Array(items) => items.iter_mut().try_for_each(|it| fill(it, values))?,
        Value::Object(map) => {
            map.values_mut().try_for_each(|it| fill(it, values))?;
            let tagged: Vec<String> = map.keys().filter(|it| it.contains("{{")).cloned().collect();
            for key in tagged {
                if let Some(value) = map.remove(&key) {
                    map.insert(substitute(&key, values)?, value);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// The text with the values of its tags.
pub(crate) fn substitute(text: &str, values: &BTreeMap<String, String>) -> Result<String, ArgumentError> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("{{") {
        // One without an end is refused rather than measured as it stands.
        let (tag, after) = after.split_once("}}").ok_or_else(|| ArgumentError::Unknown(after.to_owned()))?;
        out.push_str(before);
        out.push_str(values.get(tag.trim()).ok_or_else(|| ArgumentError::Unknown(tag.to_owned()))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The text without the secrets.
#[must_use]
pub fn redact(text: &str, secrets: &BTreeMap<SecretKeyRef, String>) -> String {
    let mut secrets: Vec<&String> = secrets.values().filter(|it| !it.is_empty()).collect();
    // A secret within a longer one must not leave the rest of the longer one behind.
    secrets.sort_by_key(|it| std::cmp::Reverse(it.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), REDACTED))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metric() -> Metric {
        serde_json::from_value(json!({"name": "m", "count": "{{args.n}}", "interval": "{{ args.i }}",
            "provider": {"web": {"url": "http://{{args.host}}/\"x\"", "headers": [{"key": "{{args.k}}", "value": "v"}]}}}))
        .unwrap()
    }

    fn arg(name: &str, value: &str) -> Argument {
        Argument { name: name.into(), value: Some(value.into()), ..Default::default() }
    }

    #[test]
    fn tags_are_filled_wherever_text_is() {
        let args = [arg("n", "3"), arg("i", "5s"), arg("host", "a\nb\""), arg("k", "K")];
        let metric = resolve(&metric(), &args, &BTreeMap::new()).unwrap();
        assert_eq!(metric.count.unwrap().as_int(), Some(3));
        assert_eq!(metric.interval.as_deref(), Some("5s"));
        let (name, web) = metric.provider.provider().unwrap();
        assert_eq!((name, &web["url"], &web["headers"][0]["key"]), ("web", &json!("http://a\nb\"/\"x\""), &json!("K")));
    }

    #[test]
    fn what_is_missing_is_said() {
        let error = resolve(&metric(), &[arg("n", "3")], &BTreeMap::new()).unwrap_err();
        assert_eq!(error.to_string(), "failed to resolve {{ args.i }}");
        let none = Argument { name: "n".into(), ..Default::default() };
        assert_eq!(
            resolve(&metric(), &[none], &BTreeMap::new()).unwrap_err().to_string(),
            "argument \"n\" was not supplied"
        );
    }

    #[test]
    fn secrets_are_never_shown() {
        let key = |key: &str| SecretKeyRef { name: "s".into(), key: key.into() };
        let secrets =
            BTreeMap::from([(key("a"), "abc".to_owned()), (key("b"), "abcdef".to_owned()), (key("c"), String::new())]);
        assert_eq!(redact("got abcdef and abc", &secrets), "got ***** and *****");
    }
}

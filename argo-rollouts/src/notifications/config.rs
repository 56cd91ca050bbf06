//! The configuration: a ConfigMap, and a Secret whose values it names.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::{Map, Value};

/// What is told to whom. Keys of the ConfigMap: `template.<name>`, `trigger.<name>`, `service.<kind>[.<name>]`,
/// `subscriptions`, `defaultTriggers`, `defaultTriggers.<service>`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// By name.
    pub services: BTreeMap<String, ServiceConfig>,
    /// Conditions of triggers, in order.
    pub triggers: BTreeMap<String, Vec<Condition>>,
    /// Templates; every text in them is a Go template.
    pub templates: BTreeMap<String, Map<String, Value>>,
    /// Who is told about every object.
    pub subscriptions: Vec<Subscription>,
    /// Triggers of subscriptions that name none.
    pub default_triggers: Vec<String>,
    /// The same for subscriptions to a service.
    pub service_default_triggers: BTreeMap<String, Vec<String>>,
}

/// A service and its settings, which may be secret.
#[derive(Clone, PartialEq)]
pub struct ServiceConfig {
    /// `webhook`, `slack`, `teams` …
    pub kind: String,
    /// Its settings, with the values of the Secret in place of `$key`.
    pub settings: Value,
}

impl fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceConfig").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// One condition of a trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// An expression whose value makes the notification another one; told once for each.
    pub once_per: String,
    /// An expression; without it what happens is reason enough.
    pub when: String,
    /// For people.
    pub description: String,
    /// Templates, one upon the other.
    pub send: Vec<String>,
}

/// Destinations of every object, or of those that labels select.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Subscription {
    /// `service:recipient`.
    pub recipients: Vec<String>,
    /// Of which triggers; absent means the default ones.
    pub triggers: Vec<String>,
    /// A label selector.
    pub selector: String,
}

/// Why a configuration can not be used. Holds no value of it: settings may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A key's text is not what the key wants.
    #[error("key \"{key}\" of the notification ConfigMap: {message}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A service's key has too many parts.
    #[error("invalid service key; expected 'service.<type>(.<name>)' but got '{0}'")]
    ServiceKey(String),
}

impl argo_core::Failure for ConfigError {
    fn category(&self) -> argo_core::Category {
        argo_core::Category::Invalid
    }
}

impl Config {
    /// Reads the data of a ConfigMap and the decoded data of a Secret. Keys that mean nothing are passed over.
    ///
    /// # Errors
    /// The first key whose text is not what it should be.
    pub fn parse(data: &BTreeMap<String, String>, secrets: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (key, text) in data {
            match key.split_once('.') {
                None if key == "subscriptions" => config.subscriptions = read(key, text)?,
                None if key == "defaultTriggers" => config.default_triggers = read(key, text)?,
                Some(("template", name)) => {
                    config.templates.insert(name.to_owned(), read(key, text)?);
                }
                Some(("trigger", name)) => {
                    config.triggers.insert(name.to_owned(), read(key, text)?);
                }
                Some(("defaultTriggers", name)) => {
                    config.service_default_triggers.insert(name.to_owned(), read(key, text)?);
                }
                Some(("service", name)) => {
                    let (kind, name) = name.split_once('.').unwrap_or((name, name));
                    if name.contains('.') {
                        return Err(ConfigError::ServiceKey(key.clone()));
                    }
                    let mut settings: Value = read(key, text)?;
                    reveal(&mut settings, secrets);
                    config.services.insert(name.to_owned(), ServiceConfig { kind: kind.to_owned(), settings });
                }
                _ => {}
            }
        }
        Ok(config)
    }
}

fn read<T: serde::de::DeserializeOwned + Default>(key: &str, text: &str) -> Result<T, ConfigError> {
    let refuse = |message: String| ConfigError::Value { key: key.to_owned(), message };
    // Its own messages quote what they do not understand, which may be a secret that somebody wrote in plain.
    let documents = argo_lang::yaml::decode_all(text).map_err(|_| refuse("is no YAML".to_owned()))?;
    match documents.into_iter().find(|it| !it.is_null()) {
        None => Ok(T::default()),
        Some(document) => serde_json::from_value(document).map_err(|_| refuse(format!("is no {}", wanted(key)))),
    }
}

fn wanted(key: &str) -> &'static str {
    match key.split('.').next() {
        Some("template") => "template: a map of `message` and of what services take",
        Some("trigger") => "trigger: a list of conditions with `when`, `oncePer` and `send`",
        Some("subscriptions") => "list of subscriptions with `recipients`, `triggers` and `selector`",
        Some("defaultTriggers") => "list of names of triggers",
        _ => "map of settings",
    }
}

/// Puts values of the Secret in place of `$key`, wherever text is. What it does not have stays.
fn reveal(value: &mut Value, secrets: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if text.contains('$') => *text = revealed(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|it| reveal(it, secrets)),
        Value::Object(map) => map.values_mut().for_each(|it| reveal(it, secrets)),
        _ => {}
    }
}

fn revealed(text: &str, secrets: &BTreeMap<String, String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('$') {
        let in_key = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        let end = after.find(|it| !in_key(it)).unwrap_or(after.len());
        let (key, left) = after.split_at(end);
        out.push_str(before);
        match secrets.get(key) {
            Some(value) => out.push_str(value),
            None => {
                out.push('$');
                out.push_str(key);
            }
        }
        rest = left;
    }
    out.push_str(rest);
    out
}

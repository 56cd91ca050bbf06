//! Values of events, put into triggers.

use serde_json::{Map, Value};

use super::{
    firing::Events,
    json_path::{self, Found, PathError},
    text::{self, TextError},
};
use crate::api::{Event, EventError, TriggerParameter, TriggerParameterSource};

/// A resolved value.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// As text.
    pub text: String,
    /// Set when it is something else than text: used with `useRawData`.
    pub raw: Option<Value>,
}

/// Why a parameter could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// Without a source.
    #[error("parameter source can't be empty")]
    NoSource,
    /// Neither the event nor the default gives a value.
    #[error("unable to resolve '{dependency}' parameter value{}", .detail.as_deref().map(|it| format!(": {it}")).unwrap_or_default())]
    Unresolved {
        /// The dependency.
        dependency: String,
        /// What went wrong on the way.
        detail: Option<String>,
    },
    /// The payload is not what it claims to be.
    #[error("failed to get the data of dependency '{dependency}': {source}")]
    Payload {
        /// The dependency.
        dependency: String,
        /// What was wrong.
        #[source]
        source: EventError,
    },
    /// An operation that does not exist.
    #[error("unsupported trigger parameter operation: {0:?}")]
    Operation(String),
    /// `dest` can not be written.
    #[error("parameter destination {dest:?}: {source}")]
    Destination {
        /// The path.
        dest: String,
        /// What was wrong.
        #[source]
        source: PathError,
    },
}

/// Resolves a source. `None` when its event is not there (as happens with `||`) and it has no default.
///
/// # Errors
/// When neither the event nor the default gives a value.
pub fn resolve(source: &TriggerParameterSource, events: &Events) -> Result<Option<Resolved>, ParameterError> {
    let default = || source.value.clone().map(Resolved::text);
    let Some(event) = events.get(&source.dependency_name) else {
        return Ok(default());
    };
    let context = !source.context_key.is_empty() || !source.context_template.is_empty();
    let data = !source.data_key.is_empty() || !source.data_template.is_empty();
    if !context && !data {
        return Ok(Some(default().unwrap_or_else(|| Resolved::text(event.whole_json()))));
    }
    let (key, template) =
        if data { (&source.data_key, &source.data_template) } else { (&source.context_key, &source.context_template) };
    let json = match payload(event, data) {
        Ok(json) => json,
        Err(error) => {
            let dependency = source.dependency_name.clone();
            return default().map(Some).ok_or(ParameterError::Payload { dependency, source: error });
        }
    };
    let mut detail = None;
    if !template.is_empty() {
        match render(template, &json, event) {
            Ok(text) => return Ok(Some(Resolved::text(text))),
            Err(error) => detail = Some(error.to_string()),
        }
    }
    if !key.is_empty() {
        match json_path::get(&json, key) {
            Ok(Some(found)) => return Ok(Some(Resolved::found(&found))),
            Ok(None) => detail = Some(format!("{key:?} is not in the event")),
            Err(error) => detail = Some(error.to_string()),
        }
    }
    let unresolved = || ParameterError::Unresolved { dependency: source.dependency_name.clone(), detail };
    default().map(Some).ok_or_else(unresolved)
}

fn payload(event: &Event, data: bool) -> Result<String, EventError> {
    if data { Ok(event.payload_json()?.into_owned()) } else { Ok(event.context_json().to_string()) }
}

fn render(template: &str, json: &str, event: &Event) -> Result<String, TextError> {
    let input: Value = serde_json::from_str(json).unwrap_or_default();
    text::render_input(template, input, event)
}

impl Resolved {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), raw: None }
    }

    fn found(found: &Found) -> Self {
        match found {
            Found::String(text) => Self::text(text.clone()),
            Found::Null => Self { text: "null".to_owned(), raw: Some(Value::Null) },
            other => Self { text: other.text(), raw: Some(other.value()) },
        }
    }

    fn into_value(self, raw: bool) -> Value {
        match self.raw {
            Some(value) if raw => value,
            _ => Value::String(self.text),
        }
    }
}

/// Puts parameters into a JSON object, in order. A parameter whose event is not there is skipped.
///
/// # Errors
/// When a value can not be resolved or a destination not be written.
pub fn apply(target: &mut Value, parameters: &[TriggerParameter], events: &Events) -> Result<(), ParameterError> {
    for parameter in parameters {
        let source = parameter.src.as_ref().ok_or(ParameterError::NoSource)?;
        let Some(mut resolved) = resolve(source, events)? else {
            continue;
        };
        let fail = |source| ParameterError::Destination { dest: parameter.dest.clone(), source };
        match parameter.operation.as_str() {
            "" | "overwrite" => {}
            operation @ ("append" | "prepend") => {
                let current = json_path::get(&target.to_string(), &parameter.dest).map_err(fail)?;
                if let Some(current) = current.map(|it| it.text()) {
                    let new = resolved.text;
                    let text = if operation == "append" { current + &new } else { new + &current };
                    resolved = Resolved::text(text);
                }
            }
            other => return Err(ParameterError::Operation(other.to_owned())),
        }
        let value = resolved.into_value(source.use_raw_data);
        json_path::set(target, &parameter.dest, value).map_err(fail)?;
    }
    Ok(())
}

/// Builds a payload from nothing. A parameter with an empty `dest` is the whole payload, as it is.
///
/// # Errors
/// As [`apply`]; `operation` is not looked at.
pub fn payload_of(parameters: &[TriggerParameter], events: &Events) -> Result<String, ParameterError> {
    let mut target = Value::Object(Map::new());
    for parameter in parameters {
        let source = parameter.src.as_ref().ok_or(ParameterError::NoSource)?;
        let Some(resolved) = resolve(source, events)? else {
            continue;
        };
        if parameter.dest.is_empty() {
            return Ok(resolved.text);
        }
        let value = resolved.into_value(source.use_raw_data);
        json_path::set(&mut target, &parameter.dest, value)
            .map_err(|source| ParameterError::Destination { dest: parameter.dest.clone(), source })?;
    }
    Ok(target.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn events() -> Events {
        let data = json!({"ref": "refs/heads/main", "n": 12, "f": 1.5, "null": null, "o": {"x": [1, 2]}, "b": true});
        let at = "2026-01-02T03:04:05.678Z".parse().unwrap();
        Events::from([("dep".to_owned(), Event::new("id1", "gh", "push", "github", at, &data))])
    }

    fn source(json: Value) -> TriggerParameterSource {
        serde_json::from_value(json).unwrap()
    }

    fn text(json: Value) -> Option<String> {
        resolve(&source(json), &events()).unwrap().map(|it| it.text)
    }

    #[test]
    fn keys_take_from_payload_or_attributes() {
        assert_eq!(text(json!({"dependencyName": "dep", "dataKey": "ref"})).unwrap(), "refs/heads/main");
        assert_eq!(text(json!({"dependencyName": "dep", "dataKey": "n"})).unwrap(), "12");
        assert_eq!(text(json!({"dependencyName": "dep", "dataKey": "null"})).unwrap(), "null");
        assert_eq!(text(json!({"dependencyName": "dep", "dataKey": "o"})).unwrap(), r#"{"x":[1,2]}"#);
        assert_eq!(text(json!({"dependencyName": "dep", "contextKey": "time"})).unwrap(), "2026-01-02T03:04:05Z");
        assert_eq!(text(json!({"dependencyName": "dep", "contextKey": "type"})).unwrap(), "github");
    }

    #[test]
    fn an_absent_event_is_skipped_or_replaced_by_the_default() {
        assert_eq!(text(json!({"dependencyName": "other", "dataKey": "ref"})), None);
        assert_eq!(text(json!({"dependencyName": "other", "dataKey": "ref", "value": "v"})).unwrap(), "v");
    }

    #[test]
    fn a_missing_value_is_an_error_unless_there_is_a_default() {
        let missing = resolve(&source(json!({"dependencyName": "dep", "dataKey": "nope"})), &events());
        let message = missing.unwrap_err().to_string();
        assert!(message.starts_with("unable to resolve 'dep' parameter value"), "{message}");
        assert_eq!(text(json!({"dependencyName": "dep", "dataKey": "nope", "value": "d"})).unwrap(), "d");
    }

    #[test]
    fn without_key_the_whole_event_is_the_value() {
        let whole: Value = serde_json::from_str(&text(json!({"dependencyName": "dep"})).unwrap()).unwrap();
        assert_eq!(whole["context"]["source"], "gh");
        assert!(whole["data"].is_string());
    }

    fn parameters(json: Value) -> Vec<TriggerParameter> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn operations_overwrite_append_and_prepend() {
        let mut target = json!({"metadata": {"name": "x-"}, "spec": {}});
        let list = parameters(json!([
            {"src": {"dependencyName": "dep", "dataKey": "n"}, "dest": "metadata.name", "operation": "append"},
            {"src": {"dependencyName": "dep", "value": "pre-"}, "dest": "metadata.name", "operation": "prepend"},
            {"src": {"dependencyName": "dep", "dataKey": "o"}, "dest": "spec.text"},
            {"src": {"dependencyName": "dep", "dataKey": "o", "useRawData": true}, "dest": "spec.raw"},
            {"src": {"dependencyName": "dep", "dataKey": "b", "useRawData": true}, "dest": "spec.flag"},
            {"src": {"dependencyName": "none", "dataKey": "b"}, "dest": "spec.skipped"},
        ]));
        apply(&mut target, &list, &events()).unwrap();
        assert_eq!(
            target,
            json!({"metadata": {"name": "pre-x-12"}, "spec": {"text": "{\"x\":[1,2]}", "raw": {"x": [1, 2]}, "flag": true}})
        );
        let bad = parameters(json!([{"src": {"dependencyName": "dep"}, "dest": "x", "operation": "delete"}]));
        assert!(matches!(apply(&mut target, &bad, &events()), Err(ParameterError::Operation(_))));
    }

    #[test]
    fn a_payload_without_destination_is_the_value_itself() {
        let list = parameters(json!([
            {"src": {"dependencyName": "none", "dataKey": "x"}, "dest": "skipped"},
            {"src": {"dependencyName": "dep", "dataKey": "ref"}, "dest": ""},
        ]));
        assert_eq!(payload_of(&list, &events()).unwrap(), "refs/heads/main");
        let list = parameters(json!([{"src": {"dependencyName": "dep", "dataKey": "n"}, "dest": "a.b"}]));
        assert_eq!(payload_of(&list, &events()).unwrap(), r#"{"a":{"b":"12"}}"#);
    }

    #[test]
    fn a_template_goes_first_and_falls_through_to_the_key() {
        let it = json!({"dependencyName": "dep", "dataTemplate": "{{ .Input.ref | replace \"refs/heads/\" \"\" }}", "dataKey": "n"});
        assert_eq!(text(it).unwrap(), "main");
        let it = json!({"dependencyName": "dep", "dataTemplate": "{{ .Input.nope }}", "dataKey": "n"});
        assert_eq!(text(it).unwrap(), "12");
    }
}

//! What Helm adds to Sprig.

mod durations;
mod toml;

use super::exec::Context;
use super::value::Val;
use crate::{gojson, yaml};

/// Names and parameters.
pub(super) const TABLE: [(&str, &str); 28] = [
    ("include", "sa"),
    ("tpl", "sa"),
    ("required", "sa"),
    ("lookup", "ssss"),
    ("toYaml", "a"),
    ("mustToYaml", "a"),
    ("toYamlPretty", "a"),
    ("fromYaml", "s"),
    ("fromYamlArray", "s"),
    ("toJson", "a"),
    ("mustToJson", "a"),
    ("fromJson", "s"),
    ("mustFromJson", "s"),
    ("fromJsonArray", "s"),
    ("toToml", "a"),
    ("mustToToml", "a"),
    ("fromToml", "s"),
    ("mustToDuration", "a"),
    ("durationSeconds", "a"),
    ("durationMilliseconds", "a"),
    ("durationMicroseconds", "a"),
    ("durationNanoseconds", "a"),
    ("durationMinutes", "a"),
    ("durationHours", "a"),
    ("durationDays", "a"),
    ("durationWeeks", "a"),
    ("durationRoundTo", "aa"),
    ("durationTruncateTo", "aa"),
];

pub(super) fn call(name: &str, context: &mut Context<'_>, args: &[Val]) -> Result<Val, String> {
    let text = |place: usize| match args.get(place) {
        Some(Val::Str(it)) => Ok(it.to_string()),
        _ => Err("invalid value; expected string".to_owned()),
    };
    let value = |place: usize| args.get(place).cloned().unwrap_or(Val::Nil);
    Ok(match name {
        "include" => Val::str(context.execute(&text(0)?, &value(1))?),
        "tpl" => {
            let text = text(0)?;
            Val::str(context.execute_text("gotpl", &text, &value(1))?.replace("<no value>", ""))
        }
        "required" => match value(1) {
            it if it.is_nil() || it.as_str() == Some("") => {
                context.mark_failed();
                return Err(text(0)?);
            }
            it => it,
        },
        "lookup" => Val::map([]),
        "toYaml" | "mustToYaml" => Val::str(yaml::to_yaml(&value(0).to_json()).trim_end_matches('\n')),
        "toYamlPretty" => Val::str(yaml::to_yaml_pretty(&value(0).to_json()).trim_end_matches('\n')),
        "fromYaml" => from_yaml(&text(0)?).unwrap_or_else(|error| Val::map([("Error".to_owned(), Val::from(error))])),
        "fromYamlArray" => from_yaml_array(&text(0)?).unwrap_or_else(|error| Val::list(vec![Val::from(error)])),
        "toJson" | "mustToJson" => Val::str(gojson::to_string(&value(0).to_json())),
        "fromJson" | "mustFromJson" => match serde_json::from_str::<serde_json::Value>(&text(0)?) {
            Ok(it @ serde_json::Value::Object(_)) => Val::from_json(&it),
            Ok(other) => Val::map([("Error".to_owned(), Val::str(wrong_kind(&other, "map[string]interface {}")))]),
            Err(error) => Val::map([("Error".to_owned(), Val::str(error.to_string()))]),
        },
        "fromJsonArray" => match serde_json::from_str::<serde_json::Value>(&text(0)?) {
            Ok(it @ serde_json::Value::Array(_)) => Val::from_json(&it),
            Ok(other) => Val::list(vec![Val::str(wrong_kind(&other, "[]interface {}"))]),
            Err(error) => Val::list(vec![Val::str(error.to_string())]),
        },
        // Go looks at the type of what is there before it writes
        "toToml" | "mustToToml" if value(0).is_nil() => {
            return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
        }
        "toToml" => Val::str(toml::encode(&value(0)).unwrap_or_else(|error| error)),
        "mustToToml" => Val::str(toml::encode(&value(0))?),
        "fromToml" => match toml::decode(&text(0)?) {
            Ok(it) => it,
            Err(error) => Val::map([("Error".to_owned(), Val::from(error))]),
        },
        name if name == "mustToDuration" || name.starts_with("duration") => return durations::call(name, args),
        _ => return Err(format!("{name} is not a function of Helm")),
    })
}

/// A map out of YAML.
pub(super) fn from_yaml(text: &str) -> Result<Val, String> {
    match yaml::decode_with(text, &yaml::Options::lenient()) {
        Ok(it @ serde_json::Value::Object(_)) => Ok(Val::from_json(&it)),
        Ok(serde_json::Value::Null) => Ok(Val::map([])),
        Ok(other) => Err(wrong_kind(&other, "map[string]interface {}")),
        Err(error) => Err(format!("error converting YAML to JSON: {error}")),
    }
}

/// A list out of YAML.
pub(super) fn from_yaml_array(text: &str) -> Result<Val, String> {
    match yaml::decode_with(text, &yaml::Options::lenient()) {
        Ok(it @ serde_json::Value::Array(_)) => Ok(Val::from_json(&it)),
        Ok(serde_json::Value::Null) => Ok(Val::list(Vec::new())),
        Ok(other) => Err(wrong_kind(&other, "[]interface {}")),
        Err(error) => Err(format!("error converting YAML to JSON: {error}")),
    }
}

fn wrong_kind(value: &serde_json::Value, wanted: &str) -> String {
    let kind = match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type {wanted}"
    )
}

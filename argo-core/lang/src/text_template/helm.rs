//! What Helm adds to Sprig.

use super::exec::Context;
use super::value::Val;
use crate::{gojson, yaml};

/// Name, fewest and most arguments.
pub(super) const TABLE: [(&str, usize, usize); 14] = [
    ("include", 2, 2),
    ("tpl", 2, 2),
    ("required", 2, 2),
    ("lookup", 4, 4),
    ("toYaml", 1, 1),
    ("mustToYaml", 1, 1),
    ("toYamlPretty", 1, 1),
    ("fromYaml", 1, 1),
    ("fromYamlArray", 1, 1),
    ("toJson", 1, 1),
    ("mustToJson", 1, 1),
    ("fromJson", 1, 1),
    ("mustFromJson", 1, 1),
    ("fromJsonArray", 1, 1),
];

pub(super) fn call(name: &str, context: &mut Context<'_>, args: &[Val]) -> Result<Val, String> {
    let text = |place: usize| match args.get(place) {
        Some(Val::Str(it)) => Ok(it.to_string()),
        _ => Err(format!("\0{place}\0string")),
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
        "fromYaml" => match yaml::decode_with(&text(0)?, &yaml::Options::lenient()) {
            Ok(it @ serde_json::Value::Object(_)) => Val::from_json(&it),
            Ok(serde_json::Value::Null) => Val::map([]),
            Ok(other) => Val::map([("Error".to_owned(), Val::str(wrong_kind(&other, "map[string]interface {}")))]),
            Err(error) => Val::map([("Error".to_owned(), Val::str(format!("error converting YAML to JSON: {error}")))]),
        },
        "fromYamlArray" => match yaml::decode_with(&text(0)?, &yaml::Options::lenient()) {
            Ok(it @ serde_json::Value::Array(_)) => Val::from_json(&it),
            Ok(serde_json::Value::Null) => Val::list(Vec::new()),
            Ok(other) => Val::list(vec![Val::str(wrong_kind(&other, "[]interface {}"))]),
            Err(error) => Val::list(vec![Val::str(format!("error converting YAML to JSON: {error}"))]),
        },
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
        _ => return Err(format!("{name} is not a function of Helm")),
    })
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

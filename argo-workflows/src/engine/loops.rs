//! `withItems`, `withParam` and `withSequence`: one step becomes many.

use argo_lang::{fmt, gojson, tags::Document};
use serde_json::Value;

use super::vars::{How, Scope};
use crate::api::{AnyString, Sequence, WorkflowStep};

/// Most items of one loop.
const MAX_ITEMS: i64 = 100_000;

/// Whether a step runs once an item.
pub(crate) fn is_loop(step: &WorkflowStep) -> bool {
    step.with_items.as_ref().is_some_and(|it| !it.is_empty())
        || step.with_param.as_ref().is_some_and(|it| !it.is_empty())
        || step.with_sequence.is_some()
}

/// The expansions of a resolved step: name and JSON with the item in place.
pub(crate) fn expand(step: &WorkflowStep, json: &Value) -> Result<Vec<(String, Value)>, String> {
    let items = items(step)?;
    let mut body = json.clone();
    if let Some(map) = body.as_object_mut() {
        for field in ["withItems", "withParam", "withSequence"] {
            map.remove(field);
        }
    }
    let document = Document::compile(&body);
    let mut expanded = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let mut scope = Scope::default();
        scope.set("item", text(item));
        if let Value::Object(map) = item {
            for (key, value) in map {
                scope.set(format!("item.{key}"), text(value));
            }
        }
        let name = format!("{}({index}:{})", step.name, describe(item).replace(['(', ')'], ""));
        let mut json = document.render(&scope, How::Keep.render()).map_err(|it| it.to_string())?;
        if let Some(map) = json.as_object_mut() {
            map.insert("name".into(), name.clone().into());
        }
        expanded.push((name, json));
    }
    Ok(expanded)
}

fn items(step: &WorkflowStep) -> Result<Vec<Value>, String> {
    if let Some(items) = step.with_items.as_ref().filter(|it| !it.is_empty()) {
        return Ok(items.clone());
    }
    if let Some(text) = step.with_param.as_ref().filter(|it| !it.is_empty()) {
        return serde_json::from_str(text)
            .map_err(|_| format!("withParam value could not be parsed as a JSON list: {text}"));
    }
    match &step.with_sequence {
        Some(sequence) => numbers(sequence),
        None => Ok(Vec::new()),
    }
}

fn numbers(sequence: &Sequence) -> Result<Vec<Value>, String> {
    let number = |field: &Option<crate::api::IntOrString>| match field {
        None => Ok(None),
        Some(it) => it.as_i64().map(Some).ok_or_else(|| format!("strconv.Atoi: parsing \"{it}\": invalid syntax")),
    };
    let start = number(&sequence.start)?.unwrap_or(0);
    let end = match (number(&sequence.count)?, number(&sequence.end)?) {
        (Some(count), _) if count <= 0 => return Ok(Vec::new()),
        (Some(count), _) => start.saturating_add(count - 1),
        (None, Some(end)) => end,
        (None, None) => return Err("must have one of count or end".to_owned()),
    };
    if (end.saturating_sub(start)).saturating_abs() >= MAX_ITEMS {
        return Err(format!("withSequence has more than {MAX_ITEMS} items"));
    }
    let format = sequence.format.as_deref().filter(|it| !it.is_empty()).unwrap_or("%d");
    let item = |it: i64| Value::String(fmt::sprintf_values(format, &[Value::from(it)]));
    Ok(if start <= end { (start..=end).map(item).collect() } else { (end..=start).rev().map(item).collect() })
}

/// What a tag becomes: scalars as text, everything else as JSON.
fn text(item: &Value) -> String {
    match item {
        Value::Array(_) | Value::Object(_) => gojson::to_string(item),
        scalar => AnyString::of(scalar).0,
    }
}

/// What stands in the name of an expansion.
fn describe(item: &Value) -> String {
    match item {
        Value::Object(map) => {
            let sorted: std::collections::BTreeMap<&String, &Value> = map.iter().collect();
            sorted.into_iter().map(|(key, value)| format!("{key}:{}", text(value))).collect::<Vec<_>>().join(",")
        }
        Value::Array(list) => format!("[{}]", list.iter().map(text).collect::<Vec<_>>().join(" ")),
        scalar => text(scalar),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(step: Value) -> Vec<String> {
        let typed: WorkflowStep = serde_json::from_value(step.clone()).unwrap();
        expand(&typed, &step).unwrap().into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn names_of_expansions_are_upstreams() {
        let step = json!({"name": "s", "withItems": ["a(b)", 1, 2.5, true, {"k": "v", "a": 1}, ["x", "y"]]});
        assert_eq!(names(step), ["s(0:ab)", "s(1:1)", "s(2:2.5)", "s(3:true)", "s(4:a:1,k:v)", "s(5:[x y])"]);
    }

    #[test]
    fn sequences_run_both_ways_and_are_formatted() {
        assert_eq!(
            names(json!({"name": "s", "withSequence": {"count": "2", "format": "n%02d"}})),
            ["s(0:n00)", "s(1:n01)"]
        );
        assert_eq!(names(json!({"name": "s", "withSequence": {"start": 2, "end": 0}})), ["s(0:2)", "s(1:1)", "s(2:0)"]);
        assert!(names(json!({"name": "s", "withSequence": {"count": 0}})).is_empty());
    }

    #[test]
    fn a_parameter_that_is_no_list_says_so() {
        let step = WorkflowStep { with_param: Some("nope".into()), ..WorkflowStep::default() };
        assert_eq!(expand(&step, &json!({})).unwrap_err(), "withParam value could not be parsed as a JSON list: nope");
    }
}

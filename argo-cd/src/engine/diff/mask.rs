//! Secrets with marks in place of their values. Equal values of a key get equal marks within one set of objects, so that
//! differences stay visible.

use std::collections::BTreeSet;

use argo_lang::gojson;
use serde_json::{Map, Value};

use crate::{api::names, engine::normalize::secret_data};

const MARK: &str = "++++++++";
const MORE: &str = "++++";

/// Replaces the values of Secrets by marks; other objects stay as they are.
pub fn mask_secret(values: &mut [&mut Value]) {
    mask_secrets(values, &[]);
}

/// Replaces the values of Secrets, and of the annotations that are named, by marks; in what was applied last, too.
/// Where that can not be read, a mark stands for the whole of it.
pub fn mask_secrets(values: &mut [&mut Value], annotations: &[String]) {
    let mut secrets: Vec<&mut Value> = values.iter_mut().map(|it| &mut **it).filter(|it| is_secret(it)).collect();
    for it in &mut secrets {
        secret_data(it);
    }
    // what was applied last, beside the objects, in the order of the objects
    let mut applied: Vec<Option<Value>> = secrets.iter().map(|it| last_applied(it)).collect();
    for it in applied.iter_mut().flatten() {
        secret_data(it);
    }
    for (path, keys) in [("/data", None), ("/metadata/annotations", Some(annotations))] {
        let mut all: BTreeSet<String> = keys.into_iter().flatten().cloned().collect();
        let lists = secrets.iter().map(|it| &**it).chain(applied.iter().flatten());
        if keys.is_none() {
            all.extend(lists.filter_map(|it| it.pointer(path)?.as_object()).flat_map(Map::keys).cloned());
        }
        for key in all {
            let mut marks: Vec<(String, String)> = Vec::new();
            let every = secrets.iter_mut().map(|it| &mut **it).chain(applied.iter_mut().flatten());
            for value in every {
                if let Some(it) = value.pointer_mut(path).and_then(|it| it.get_mut(&key)) {
                    *it = mark(&mut marks, it).into();
                }
            }
        }
    }
    for (value, applied) in secrets.into_iter().zip(applied) {
        let Some(place) = value.pointer_mut("/metadata/annotations").and_then(|it| it.get_mut(names::LAST_APPLIED))
        else {
            continue;
        };
        let whole = annotations.iter().any(|it| it == names::LAST_APPLIED);
        *place = match applied {
            Some(applied) if !whole => gojson::to_string(&applied).into(),
            _ => MARK.into(),
        };
    }
}

/// Replaces the values of the annotations that are named, of any objects, by marks.
pub fn mask_annotations(values: &mut [&mut Value], annotations: &[String]) {
    for key in annotations {
        let mut marks = Vec::new();
        for value in values.iter_mut() {
            if let Some(it) = value.pointer_mut("/metadata/annotations").and_then(|it| it.get_mut(key)) {
                *it = mark(&mut marks, it).into();
            }
        }
    }
}

fn is_secret(value: &Value) -> bool {
    value.get("kind").and_then(Value::as_str) == Some("Secret")
        && value.get("apiVersion").and_then(Value::as_str) == Some("v1")
}

fn last_applied(value: &Value) -> Option<Value> {
    let text = value.pointer("/metadata/annotations")?.get(names::LAST_APPLIED)?.as_str()?;
    serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
}

fn mark(marks: &mut Vec<(String, String)>, value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some((_, mark)) = marks.iter().find(|(known, _)| *known == text) {
        return mark.clone();
    }
    let mark = format!("{MARK}{}", MORE.repeat(marks.len()));
    marks.push((text, mark.clone()));
    mark
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(a: &str, b: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": a, "b": b}})
    }

    #[test]
    fn equal_values_of_a_key_look_equal_and_different_ones_do_not() {
        let (mut x, mut y) = (secret("MQ==", "Mg=="), secret("MQ==", "Mw=="));
        mask_secret(&mut [&mut x, &mut y]);
        assert_eq!(x["data"], json!({"a": "++++++++", "b": "++++++++"}));
        assert_eq!(y["data"], json!({"a": "++++++++", "b": "++++++++++++"}));
        let mut texts = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "hunter2"}});
        mask_secret(&mut [&mut texts]);
        assert_eq!(texts["data"], json!({"a": "++++++++"}));
        assert!(texts.get("stringData").is_none());
    }

    #[test]
    fn what_was_applied_last_and_named_annotations_are_masked_too() {
        let applied = |text: &str| {
            let mut it = secret("MQ==", "Mg==");
            it["metadata"] = json!({"annotations": {names::LAST_APPLIED: text, "token": "t1"}});
            it
        };
        let mut live = applied(&secret("MQ==", "OTk=").to_string());
        mask_secrets(&mut [&mut live], &["token".to_owned()]);
        let text = live["metadata"]["annotations"][names::LAST_APPLIED].as_str().unwrap();
        assert!(text.contains("\"a\":\"++++++++\"") && text.contains("\"b\":\"++++++++++++\""), "{text}");
        assert_eq!(live["metadata"]["annotations"]["token"], "++++++++");
        let mut broken = applied("{\"data\": {\"a\": \"MQ==");
        mask_secret(&mut [&mut broken]);
        assert_eq!(broken["metadata"]["annotations"][names::LAST_APPLIED], MARK);
        let mut whole = applied(&secret("MQ==", "OTk=").to_string());
        mask_secrets(&mut [&mut whole], &[names::LAST_APPLIED.to_owned()]);
        assert_eq!(whole["metadata"]["annotations"][names::LAST_APPLIED], MARK);
    }

    #[test]
    fn other_objects_stay_but_for_named_annotations() {
        let mut map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
            "metadata": {"annotations": {"token": "t", "plain": "p"}}});
        mask_secret(&mut [&mut map]);
        assert_eq!(map["data"]["a"], "1");
        mask_annotations(&mut [&mut map], &["token".to_owned()]);
        assert_eq!(map["metadata"]["annotations"], json!({"token": "++++++++", "plain": "p"}));
    }
}

//! Whether a live object is as its target says: a three-way comparison, like `kubectl apply` would see it.
//!
//! | live has | compared with |
//! |---|---|
//! | the last-applied annotation | three ways: what was applied, what is wanted, what is there; fields that left the source count |
//! | no such annotation | two ways: what is wanted acts as what was applied; fields that only the cluster has never count |

use argo_core::Object;
use argo_merge::{Schema, merge_patch, strategic};
use serde_json::Value;

use super::{
    ignored::Ignored,
    normalize::{self, normalize},
};
use crate::api::names;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// Whether applying the target would change the live object.
    pub modified: bool,
    /// The live object in the form that was compared; null when there is none.
    pub normalized_live: Value,
    /// What the live object would become; null when it would go.
    pub predicted_live: Value,
}

/// Two objects could not be compared.
#[derive(Debug, thiserror::Error)]
#[error("{object}: {source}")]
pub struct DiffError {
    /// The object.
    pub object: Box<argo_core::ObjectRef>,
    /// Why.
    #[source]
    pub source: strategic::StrategicError,
}

/// Compares one pair.
///
/// # Errors
/// When a list that merges by key lacks the key.
pub fn diff(target: Option<&Object>, live: Option<&Object>, ignored: &Ignored) -> Result<Diff, DiffError> {
    match (target, live) {
        (None, None) => Ok(Diff { modified: false, normalized_live: Value::Null, predicted_live: Value::Null }),
        (Some(target), None) => {
            let mut predicted = target.value().clone();
            normalize(&mut predicted, schema(target).is_some());
            Ok(Diff { modified: true, normalized_live: Value::Null, predicted_live: predicted })
        }
        (None, Some(live)) => {
            let mut live_value = live.value().clone();
            normalize(&mut live_value, schema(live).is_some());
            Ok(Diff { modified: false, normalized_live: live_value, predicted_live: Value::Null })
        }
        (Some(target), Some(live)) => compare(target, live, ignored),
    }
}

fn compare(target: &Object, live: &Object, ignored: &Ignored) -> Result<Diff, DiffError> {
    let schema = schema(live);
    let mut wanted = target.value().clone();
    normalize::drop_nulls(&mut wanted);
    // The object itself is the same whatever version and namespace its manifest names.
    let same = |value: &mut Value| {
        if let Some(map) = value.as_object_mut() {
            map.insert("apiVersion".into(), live.text("/apiVersion").into());
        }
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("namespace");
        }
    };
    same(&mut wanted);
    secret_data(&mut wanted);
    let mut original = last_applied(live);
    if let Some(original) = &mut original {
        normalize::drop_nulls(original);
        same(original);
        secret_data(original);
    }
    let mut current = live.value().clone();
    // Fields that the API server fills into the templates of claims were never ours to compare.
    if live.text("/kind") == "StatefulSet" {
        retain_known(&mut current, &wanted, "/spec/volumeClaimTemplates");
    }
    for value in [&mut wanted, &mut current].into_iter().chain(original.as_mut()) {
        forget(value, ignored, live);
    }
    let original = original.as_ref().unwrap_or(&wanted);
    let predicted = predict(original, &wanted, &current, schema.as_ref())
        .map_err(|source| DiffError { object: Box::new(live.reference()), source })?;
    let mut normalized_live = current;
    let mut predicted_live = predicted;
    for value in [&mut normalized_live, &mut predicted_live] {
        normalize(value, schema.is_some());
        forget(value, ignored, live);
    }
    let modified = normalized_live != predicted_live;
    Ok(Diff { modified, normalized_live, predicted_live })
}

/// What applying would make of `current`.
fn predict(
    original: &Value,
    wanted: &Value,
    current: &Value,
    schema: Option<&Schema>,
) -> Result<Value, strategic::StrategicError> {
    match schema {
        Some(schema) => {
            let patch = strategic::three_way(Some(original), wanted, current, schema)?;
            strategic::apply(current, &patch, schema)
        }
        None => {
            let patch = merge_patch::three_way(Some(original), wanted, current);
            let mut predicted = current.clone();
            merge_patch::apply(&mut predicted, &patch);
            Ok(predicted)
        }
    }
}

/// The schema of a built-in kind; custom kinds have none and are compared as plain JSON.
#[must_use]
pub fn schema(object: &Object) -> Option<Schema> {
    let gvk = object.gvk();
    Schema::builtin(&gvk.group, &gvk.kind)
}

/// What was applied last, if the live object says.
#[must_use]
pub fn last_applied(live: &Object) -> Option<Value> {
    let text = live.annotation(names::LAST_APPLIED)?;
    serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
}

/// Removes what does not count: status, the last-applied annotation, and what rules name.
fn forget(value: &mut Value, ignored: &Ignored, live: &Object) {
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
        let empty = meta.get_mut("annotations").and_then(Value::as_object_mut).is_some_and(|it| {
            it.remove(names::LAST_APPLIED);
            it.is_empty()
        });
        if empty {
            meta.remove("annotations");
        }
    }
    ignored.forget(value, live);
}

fn secret_data(value: &mut Value) {
    if value.get("kind").and_then(Value::as_str) == Some("Secret") && value.get("stringData").is_some() {
        normalize(value, true);
    }
}

/// Of the lists at `pointer`, keeps in `value` only the members that `known` has, item by item.
fn retain_known(value: &mut Value, known: &Value, pointer: &str) {
    let Some(Value::Array(known)) = known.pointer(pointer) else { return };
    let Some(Value::Array(items)) = value.pointer_mut(pointer) else { return };
    if items.len() == known.len() {
        items.iter_mut().zip(known).for_each(|(item, known)| retain(item, known));
    }
}

fn retain(value: &mut Value, known: &Value) {
    match (value, known) {
        (Value::Object(map), Value::Object(known)) => {
            map.retain(|key, _| known.contains_key(key));
            for (key, value) in map.iter_mut() {
                if let Some(known) = known.get(key) {
                    retain(value, known);
                }
            }
        }
        (Value::Array(list), Value::Array(known)) if list.len() == known.len() => {
            list.iter_mut().zip(known).for_each(|(value, known)| retain(value, known));
        }
        _ => {}
    }
}

/// Replaces the values of Secrets by marks: equal values get equal marks, within this pair.
pub fn mask_secret(values: &mut [&mut Value]) {
    let mut marks: Vec<(String, String)> = Vec::new();
    for value in values.iter_mut() {
        if value.get("kind").and_then(Value::as_str) != Some("Secret") {
            continue;
        }
        for field in ["data", "stringData"] {
            let Some(data) = value.get_mut(field).and_then(Value::as_object_mut) else { continue };
            for it in data.values_mut() {
                let text = it.to_string();
                let found = marks.iter().find(|(known, _)| *known == text).map(|(_, mark)| mark.clone());
                let mark = found.unwrap_or_else(|| {
                    let mark = "+".repeat(8 + 4 * marks.len());
                    marks.push((text, mark.clone()));
                    mark
                });
                *it = mark.into();
            }
        }
        if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove(names::LAST_APPLIED);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{api::IgnoreDifferences, engine::ignored::JQ_TIMEOUT};

    fn object(value: Value) -> Object {
        Object::from_value(value)
    }

    fn modified(target: &Value, live: &Value, ignored: &[IgnoreDifferences]) -> bool {
        let ignored = Ignored::compile(ignored, JQ_TIMEOUT).unwrap();
        diff(Some(&object(target.clone())), Some(&object(live.clone())), &ignored).unwrap().modified
    }

    fn deployment(replicas: i64) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "a", "image": "a:1",
                "resources": {"requests": {"cpu": "1000m"}}}]}}}})
    }

    fn live(mut value: Value, applied: Option<&Value>) -> Value {
        if let Some(applied) = applied {
            value["metadata"]["annotations"] = json!({names::LAST_APPLIED: applied.to_string()});
        }
        value["metadata"]["uid"] = json!("u");
        value["metadata"]["generation"] = json!(3);
        value["status"] = json!({"replicas": 1});
        value
    }

    #[test]
    fn defaults_and_spelling_of_the_api_server_are_no_difference() {
        let target = deployment(2);
        let mut there = live(target.clone(), Some(&target));
        there["spec"]["progressDeadlineSeconds"] = json!(600);
        let container = &mut there["spec"]["template"]["spec"]["containers"][0];
        container["terminationMessagePath"] = json!("/dev/termination-log");
        container["resources"]["requests"]["cpu"] = json!("1");
        assert!(!modified(&target, &there, &[]));
    }

    #[test]
    fn a_changed_and_a_removed_field_are_differences() {
        let before = {
            let mut it = deployment(2);
            it["spec"]["minReadySeconds"] = json!(5);
            it
        };
        assert!(modified(&deployment(3), &live(deployment(2), Some(&deployment(2))), &[]));
        assert!(modified(&deployment(2), &live(before.clone(), Some(&before)), &[]), "it left the source");
        assert!(!modified(&deployment(2), &live(before, None), &[]), "nobody says that it was ours");
    }

    #[test]
    fn sidecars_that_others_inject_stay_and_changed_lists_of_custom_kinds_count() {
        let target = deployment(2);
        let mut there = live(target.clone(), Some(&target));
        let containers = there["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        containers.push(json!({"name": "proxy", "image": "p:1"}));
        assert!(!modified(&target, &there, &[]));
        let custom = |list: Value| {
            json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"},
                "spec": {"list": list}})
        };
        let target = custom(json!([1]));
        assert!(modified(&target, &live(custom(json!([1, 2])), Some(&target)), &[]));
        assert!(!modified(&target, &live(custom(json!([1.0])), Some(&target)), &[]));
    }

    #[test]
    fn ignored_pointers_do_not_count_for_the_objects_they_name() {
        let rule = IgnoreDifferences {
            group: "apps".into(),
            kind: "Deployment".into(),
            json_pointers: vec!["/spec/replicas".into(), "/spec/nowhere".into()],
            ..Default::default()
        };
        let there = live(deployment(9), Some(&deployment(2)));
        assert!(!modified(&deployment(2), &there, std::slice::from_ref(&rule)));
        let other = IgnoreDifferences { name: "other".into(), ..rule.clone() };
        assert!(modified(&deployment(2), &there, &[other]));
        let jq = vec![".spec | select(.replicas > 5).replicas".into()];
        let rule = IgnoreDifferences { json_pointers: Vec::new(), jq_path_expressions: jq, ..rule };
        assert!(modified(&deployment(2), &there, std::slice::from_ref(&rule)), "the target is not above 5");
        let rule = IgnoreDifferences { jq_path_expressions: vec![".spec.replicas".into()], ..rule };
        assert!(!modified(&deployment(2), &there, &[rule]));
    }

    #[test]
    fn claims_of_stateful_sets_compare_what_was_asked_for() {
        let set = |template: Value| {
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"},
                "spec": {"volumeClaimTemplates": [template]}})
        };
        let target =
            set(json!({"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}));
        let there = live(
            set(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
                "spec": {"volumeMode": "Filesystem", "resources": {"requests": {"storage": "1Gi"}}},
                "status": {"phase": "Pending"}})),
            Some(&target),
        );
        assert!(!modified(&target, &there, &[]));
    }

    #[test]
    fn secrets_are_masked_and_equal_values_look_equal() {
        let secret = |a: &str, b: &str| json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": a, "b": b}});
        let (mut x, mut y) = (secret("1", "2"), secret("1", "3"));
        mask_secret(&mut [&mut x, &mut y]);
        assert_eq!(x["data"], json!({"a": "++++++++", "b": "++++++++++++"}));
        assert_eq!(y["data"], json!({"a": "++++++++", "b": "++++++++++++++++"}));
    }
}

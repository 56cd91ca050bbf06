//! Whether a live object is as its target says.
//!
//! | compared | when | how |
//! |---|---|---|
//! | [`How::LastApplied`] | by default | as `kubectl apply` would: three ways with the last-applied annotation, so that fields that left the source count; two ways without it, so that fields that only the cluster has never count |
//! | [`How::Structured`] | server-side apply is on | as a server-side apply would merge, by the owners of the fields |
//! | [`How::Server`] | the server is asked | with what its dry run of a server-side apply gave |

mod mask;
mod server;
mod structured;
mod trusted;

use argo_core::Object;
use argo_merge::{Schema, merge_patch, strategic};
use serde_json::Value;

use super::{
    defaults,
    ignored::Ignored,
    normalize::{self, normalize},
};
use crate::api::names;

pub use mask::{mask_annotations, mask_secret, mask_secrets};

/// How two objects are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum How<'a> {
    /// As `kubectl apply` would.
    #[default]
    LastApplied,
    /// As a server-side apply would merge.
    Structured,
    /// With what the server's dry run gave.
    Server {
        /// The object that the dry run of a server-side apply returned, with its managed fields.
        predicted: &'a Object,
        /// Whether what admission webhooks changed counts, too (`IncludeMutationWebhook=true`).
        webhooks: bool,
    },
}

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
    pub source: DiffFault,
}

/// Why two objects could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffFault {
    /// A list that merges by key lacks the key.
    #[error(transparent)]
    Strategic(#[from] strategic::StrategicError),
    /// A server-side apply would be refused.
    #[error("error calculating structured merge diff: {0}")]
    Structured(#[from] argo_merge::structured::ApplyError),
    /// What the server's dry run gave can not be used.
    #[error("error calculating server side diff: {0}")]
    Server(String),
}

/// Compares one pair as `kubectl apply` would.
///
/// # Errors
/// When a list that merges by key lacks the key.
pub fn diff(target: Option<&Object>, live: Option<&Object>, ignored: &Ignored) -> Result<Diff, DiffError> {
    diff_by(target, live, ignored, How::LastApplied)
}

/// Compares one pair. An object that is to be created or to go is compared without asking anybody.
///
/// # Errors
/// When the objects can not be merged.
pub fn diff_by(
    target: Option<&Object>,
    live: Option<&Object>,
    ignored: &Ignored,
    how: How<'_>,
) -> Result<Diff, DiffError> {
    match (target, live) {
        (None, None) => Ok(Diff { modified: false, normalized_live: Value::Null, predicted_live: Value::Null }),
        (Some(target), None) => {
            let mut predicted = target.value().clone();
            normalize(&mut predicted, schema(target).is_some());
            ignored.shape(&mut predicted, target);
            Ok(Diff { modified: true, normalized_live: Value::Null, predicted_live: predicted })
        }
        (None, Some(live)) => {
            let mut live_value = live.value().clone();
            normalize(&mut live_value, schema(live).is_some());
            Ok(Diff { modified: false, normalized_live: live_value, predicted_live: Value::Null })
        }
        (Some(target), Some(live)) => compare(target, live, ignored, how)
            .map_err(|source| DiffError { object: Box::new(live.reference()), source }),
    }
}

fn compare(target: &Object, live: &Object, ignored: &Ignored, how: How<'_>) -> Result<Diff, DiffFault> {
    let schema = schema(live);
    let mut wanted = target.value().clone();
    normalize::drop_nulls(&mut wanted);
    same_version(&mut wanted, live);
    let mut current = live.value().clone();
    trusted::leave_out(&mut wanted, &mut current, &ignored.managers(live), schema.as_ref());
    let (predicted, current) = match how {
        How::LastApplied => three_way(wanted, current, live, ignored, schema.as_ref())?,
        How::Structured => structured::predict(wanted, current, live, ignored, schema.as_ref())?,
        How::Server { predicted, webhooks } => {
            server::predict(predicted, current, webhooks, schema.as_ref()).map_err(DiffFault::Server)?
        }
    };
    let mut normalized_live = current;
    let mut predicted_live = predicted;
    for value in [&mut normalized_live, &mut predicted_live] {
        if schema.is_some() {
            defaults::fill(value);
        }
        normalize(value, schema.is_some());
        forget(value, ignored, live);
        if let (How::Server { .. }, Some(meta)) = (how, value.get_mut("metadata").and_then(Value::as_object_mut)) {
            meta.remove("resourceVersion");
        }
        ignored.shape(value, live);
    }
    let modified = normalized_live != predicted_live;
    Ok(Diff { modified, normalized_live, predicted_live })
}

/// The object itself is the same whatever version its manifest names.
fn same_version(value: &mut Value, live: &Object) {
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".into(), live.text("/apiVersion").into());
    }
}

/// And whatever namespace.
fn same_place(value: &mut Value, live: &Object) {
    same_version(value, live);
    if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("namespace");
    }
}

/// What `kubectl apply` would make of the live object, and the form of it that this is compared with.
fn three_way(
    mut wanted: Value,
    mut current: Value,
    live: &Object,
    ignored: &Ignored,
    schema: Option<&Schema>,
) -> Result<(Value, Value), DiffFault> {
    same_place(&mut wanted, live);
    secret_data(&mut wanted);
    let mut original = last_applied(live);
    if let Some(original) = &mut original {
        normalize::drop_nulls(original);
        same_place(original, live);
        secret_data(original);
    }
    // Fields that the API server fills into the templates of claims were never ours to compare.
    if live.text("/kind") == "StatefulSet" {
        retain_known(&mut current, &wanted, "/spec/volumeClaimTemplates");
    }
    for value in [&mut wanted, &mut current].into_iter().chain(original.as_mut()) {
        forget(value, ignored, live);
        ignored.shape(value, live);
    }
    // What was applied last may be of another shape than anything today; then it is no help, and two ways are enough.
    let by_annotation = original.as_ref().map(|it| predict(it, &wanted, &current, schema));
    let predicted = match by_annotation {
        Some(Ok(predicted)) => predicted,
        _ => predict(&wanted, &wanted, &current, schema)?,
    };
    Ok((predicted, current))
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

/// Removes what does not count: managed fields, the last-applied annotation, and what rules name.
fn forget(value: &mut Value, ignored: &Ignored, live: &Object) {
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
}

//! What the server's dry run of a server-side apply says, without what admission webhooks added to it.

use argo_core::Object;
use argo_merge::{
    Schema,
    structured::{FieldSet, PathElement, compare, field_set, merge, remove_items},
};
use serde_json::Value;

use crate::api::names;

/// The predicted object, and the live one that it is compared with.
pub(super) fn predict(
    predicted: &Object,
    current: Value,
    webhooks: bool,
    schema: Option<&Schema>,
) -> Result<(Value, Value), String> {
    if webhooks {
        return Ok((predicted.value().clone(), current));
    }
    let custom = Schema::custom();
    let schema = schema.unwrap_or(&custom);
    let mut ours = FieldSet::new();
    let entries = predicted.pointer("/metadata/managedFields").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        if entry.get("manager").and_then(Value::as_str) == Some(names::FIELD_MANAGER) {
            ours = ours.union(&FieldSet::parse(entry.get("fieldsV1").unwrap_or(&Value::Null)));
        }
    }
    if ours.is_empty() {
        return Err(format!("no managed fields found for manager: {}", names::FIELD_MANAGER));
    }
    let others = field_set(predicted.value(), schema).difference(&ours);
    let others = filtered(&others, |path| !is_above(path, &ours));
    let removed = compare(&current, predicted.value(), schema).removed.difference(&others);
    let others = filtered(&others, |path| !is_part_of_key(path));
    let mine = remove_items(predicted.value(), &others, schema);
    // what is not ours is as it is in the live object; what went because of us goes
    let merged = merge(&current, &mine, schema);
    Ok((remove_items(&merged, &removed, schema), current))
}

fn filtered(set: &FieldSet, keep: impl Fn(&[PathElement]) -> bool) -> FieldSet {
    let mut kept = FieldSet::new();
    for path in set.paths().iter().filter(|it| keep(it)) {
        kept.insert(path);
    }
    kept
}

/// Whether something of ours is below: removing the path would remove that, too.
fn is_above(path: &[PathElement], ours: &FieldSet) -> bool {
    ours.paths().iter().any(|it| it.len() > path.len() && it.starts_with(path))
}

/// Whether a field is one of several that tell an item of a list apart: without it nobody knows which item it is.
fn is_part_of_key(path: &[PathElement]) -> bool {
    let Some((PathElement::Field(name), above)) = path.split_last() else { return false };
    above
        .iter()
        .any(|it| matches!(it, PathElement::Key(keys) if keys.len() > 1 && keys.iter().any(|(key, _)| key == name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{How, diff_by};
    use super::*;
    use crate::engine::ignored::Ignored;

    fn deployment(image: &str, replicas: i64, sidecar: bool, managed: bool) -> Object {
        let mut containers = vec![json!({"name": "a", "image": image})];
        if sidecar {
            containers.push(json!({"name": "injected", "image": "proxy:1"}));
        }
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "d", "namespace": "n", "resourceVersion": "7"},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}}});
        if managed {
            object["metadata"]["managedFields"] = json!([{"manager": "argocd-controller", "operation": "Apply",
                "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:template": {"f:spec":
                {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}}}]);
        }
        Object::from_value(object)
    }

    fn modified(target: &Object, live: &Object, predicted: &Object, webhooks: bool) -> bool {
        let how = How::Server { predicted, webhooks };
        diff_by(Some(target), Some(live), &Ignored::default(), how).unwrap().modified
    }

    #[test]
    fn what_webhooks_change_counts_only_when_it_is_to() {
        let target = deployment("a:1", 1, false, false);
        let live = deployment("a:1", 1, false, true);
        let injected = deployment("a:1", 3, true, true);
        assert!(!modified(&target, &live, &injected, false), "replicas and sidecar are not ours");
        assert!(modified(&target, &live, &injected, true));
        let changed = deployment("a:2", 1, true, true);
        assert!(modified(&target, &live, &changed, false), "the image is");
    }

    #[test]
    fn versions_of_the_object_are_no_difference_and_a_dry_run_without_owners_is_an_error() {
        let mut newer = deployment("a:1", 1, false, true);
        newer.set(&["metadata", "resourceVersion"], "8");
        let live = deployment("a:1", 1, false, true);
        assert!(!modified(&live, &live, &newer, false));
        let bare = deployment("a:1", 1, false, false);
        let how = How::Server { predicted: &bare, webhooks: false };
        let error = diff_by(Some(&bare), Some(&live), &Ignored::default(), how).unwrap_err();
        assert!(error.to_string().contains("no managed fields found for manager: argocd-controller"), "{error}");
    }
}

//! From client-side to server-side apply: fields that `kubectl apply` owns become ours, so that those that leave the source
//! go from the cluster.

use argo_core::{
    Change, Object,
    plan::{Patch, PatchKind},
};
use argo_merge::structured::FieldSet;
use serde_json::{Value, json};

use crate::api::names;

/// The write that hands the fields of `manager` to us, as client-go's `csaupgrade` does; absent when it owns none. It is
/// refused with a conflict when somebody wrote in between.
#[must_use]
pub fn migration(live: &Object, manager: &str) -> Option<Change> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array)?;
    let is = |it: &Value, manager: &str, operation: &str| {
        it["manager"] == manager && it["operation"] == operation && it.get("subresource").is_none_or(|it| it == "")
    };
    let theirs = |it: &Value| is(it, manager, "Update");
    let first = entries.iter().position(theirs)?;
    let mut entries = entries.clone();
    // The newest of theirs becomes ours, unless we have one.
    let ours = entries.iter().position(|it| is(it, names::FIELD_MANAGER, "Apply")).unwrap_or(first);
    entries[ours]["manager"] = json!(names::FIELD_MANAGER);
    entries[ours]["operation"] = json!("Apply");
    let of_version = |it: &&Value| theirs(it) && it["apiVersion"] == entries[ours]["apiVersion"];
    let fields = |it: &Value| FieldSet::parse(it.get("fieldsV1").unwrap_or(&Value::Null));
    let mut all = fields(&entries[ours]);
    if let Some(same) = entries.iter().find(of_version) {
        all = all.union(&fields(same));
    }
    entries[ours]["fieldsV1"] = all.to_fields_v1();
    entries.retain(|it| !theirs(it));
    let body = json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version()},
    ]);
    let patch = Patch { kind: PatchKind::Json, body };
    Some(Change::Patch { target: live.reference(), patch, subresource: None, resource_version: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(entries: Value) -> Object {
        Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": "n", "resourceVersion": "7", "managedFields": entries}}))
    }

    fn entry(manager: &str, operation: &str, field: &str) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {field: {}}}})
    }

    fn after(entries: Value) -> Option<Value> {
        match migration(&live(entries), names::KUBECTL_MANAGER)? {
            Change::Patch { patch, .. } => {
                assert_eq!(patch.body[1]["value"], "7", "nobody's write in between is lost");
                Some(patch.body[0]["value"].clone())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_kubectl_owned_is_ours_and_the_rest_stays() {
        let (kubectl, ours) = (names::KUBECTL_MANAGER, names::FIELD_MANAGER);
        let others = entry("scaler", "Update", "f:c");
        assert_eq!(
            after(json!([entry(kubectl, "Update", "f:a"), others])),
            Some(json!([entry(ours, "Apply", "f:a"), others]))
        );
        let both = json!({"f:data": {"f:a": {}, "f:b": {}}});
        let merged = after(json!([others, entry(ours, "Apply", "f:b"), entry(kubectl, "Update", "f:a")])).unwrap();
        assert_eq!((&merged[0], &merged[1]["fieldsV1"], merged.as_array().unwrap().len()), (&others, &both, 2));
        let mut old = entry(kubectl, "Update", "f:old");
        old["apiVersion"] = json!("v1beta1");
        let merged = after(json!([entry(kubectl, "Update", "f:a"), old])).unwrap();
        assert_eq!(merged, json!([entry(ours, "Apply", "f:a")]), "fields of another version are nobody's");
    }

    #[test]
    fn there_is_nothing_to_hand_over_of_others_applies_and_subresources() {
        let kubectl = names::KUBECTL_MANAGER;
        let mut status = entry(kubectl, "Update", "f:a");
        status["subresource"] = json!("status");
        for entries in [json!([]), json!([entry(kubectl, "Apply", "f:a")]), json!([status]), Value::Null] {
            assert_eq!(after(entries), None);
        }
    }
}

//! Fields that trusted managers own (`managedFieldsManagers`).

use argo_merge::{
    Schema,
    structured::{FieldSet, compare, remove_items},
};
use serde_json::Value;

/// Leaves out of both objects what one of the managers owns and the target would change.
pub(super) fn leave_out(wanted: &mut Value, current: &mut Value, managers: &[&str], schema: Option<&Schema>) {
    if managers.is_empty() {
        return;
    }
    let deduced = Schema::deduced();
    let schema = schema.unwrap_or(&deduced);
    let modified = compare(current, wanted, schema).modified;
    let entries = current.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    for entry in entries {
        if !entry.get("manager").and_then(Value::as_str).is_some_and(|it| managers.contains(&it)) {
            continue;
        }
        let owned = FieldSet::parse(entry.get("fieldsV1").unwrap_or(&Value::Null)).intersection(&modified);
        if !owned.is_empty() {
            *wanted = remove_items(wanted, &owned, schema);
            *current = remove_items(current, &owned, schema);
        }
    }
}

#[cfg(test)]
mod tests {
    use argo_core::Object;
    use serde_json::json;

    use super::super::diff;
    use crate::{
        api::IgnoreDifferences,
        engine::ignored::{Ignored, JQ_TIMEOUT},
    };

    #[test]
    fn what_a_trusted_manager_owns_does_not_count() {
        let object = |replicas: i64, image: &str| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "a", "image": image}]}}}})
        };
        let mut live = object(5, "a:1");
        live["metadata"]["managedFields"] = json!([{"manager": "autoscaler", "operation": "Update",
            "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        let live = Object::from_value(live);
        let modified = |target: serde_json::Value, managers: &[&str]| {
            let rule = IgnoreDifferences {
                group: "*".into(),
                kind: "*".into(),
                managed_fields_managers: managers.iter().map(|it| (*it).to_owned()).collect(),
                ..Default::default()
            };
            let ignored = Ignored::compile(&[rule], JQ_TIMEOUT).unwrap();
            diff(Some(&Object::from_value(target)), Some(&live), &ignored).unwrap().modified
        };
        assert!(!modified(object(2, "a:1"), &["autoscaler"]));
        assert!(modified(object(2, "a:1"), &["somebody"]));
        assert!(modified(object(2, "a:1"), &[]));
        assert!(modified(object(2, "a:2"), &["autoscaler"]), "the image is not the autoscaler's");
    }
}

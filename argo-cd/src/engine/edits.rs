//! Changes of an Application's own object, as a narrow patch against what was read.

use argo_core::{Change, Object};
use serde_json::Value;

use crate::api::{ApplicationStatus, Operation, names};

/// What to change on an Application. Everything that is not named here is left as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    /// The whole next status; unknown fields in it are kept.
    pub status: Option<ApplicationStatus>,
    /// Sets the operation.
    pub operation: Option<Operation>,
    /// Removes the operation.
    pub clear_operation: bool,
    /// Removes the refresh annotation.
    pub clear_refresh: bool,
    /// Finalizers to add.
    pub add_finalizers: Vec<&'static str>,
    /// Finalizers to remove.
    pub remove_finalizers: Vec<&'static str>,
}

impl Edits {
    /// The object with the edits.
    #[must_use]
    pub fn apply_to(&self, object: &Object) -> Object {
        let mut object = object.clone();
        if let Some(status) = &self.status {
            // Plain data encodes; if it ever did not, the old status stays.
            if let Ok(status) = serde_json::to_value(status) {
                object.set(&["status"], status);
            }
        }
        if self.clear_operation {
            object.remove(&["operation"]);
        }
        if let Some(operation) = self.operation.as_ref().and_then(|it| serde_json::to_value(it).ok()) {
            object.set(&["operation"], operation);
        }
        if self.clear_refresh {
            object.remove(&["metadata", "annotations", names::REFRESH]);
            if object.pointer("/metadata/annotations").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
            {
                object.remove(&["metadata", "annotations"]);
            }
        }
        if !self.add_finalizers.is_empty() || !self.remove_finalizers.is_empty() {
            let mut finalizers: Vec<String> = object.finalizers().map(str::to_owned).collect();
            finalizers.retain(|it| !self.remove_finalizers.contains(&it.as_str()));
            for it in &self.add_finalizers {
                if !finalizers.iter().any(|have| have == it) {
                    finalizers.push((*it).to_owned());
                }
            }
            if finalizers.is_empty() {
                object.remove(&["metadata", "finalizers"]);
            } else {
                object.set(&["metadata", "finalizers"], finalizers);
            }
        }
        object
    }

    /// The patch that carries the edits out on `object`, if they change it. It is refused when the object changed since.
    #[must_use]
    pub fn change(&self, object: &Object) -> Option<Change> {
        Change::merge_between(object, &self.apply_to(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_patched_and_unknown_fields_survive() {
        let object = Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "a", "namespace": "n", "resourceVersion": "5", "finalizers": ["x"],
                "annotations": {names::REFRESH: "normal"}},
            "spec": {"odd": true}, "operation": {"sync": {}},
            "status": {"newer": 1, "reconciledAt": "2026-01-01T00:00:00Z"}}));
        let mut status: ApplicationStatus = serde_json::from_value(object.value()["status"].clone()).unwrap();
        status.source_type = "Directory".into();
        let edits = Edits {
            status: Some(status),
            clear_operation: true,
            clear_refresh: true,
            add_finalizers: vec!["y"],
            remove_finalizers: vec!["x"],
            ..Default::default()
        };
        let Some(Change::Patch { patch, resource_version, .. }) = edits.change(&object) else { panic!("no patch") };
        assert_eq!(
            patch.body,
            json!({"metadata": {"annotations": null, "finalizers": ["y"]}, "operation": null,
                "status": {"sourceType": "Directory"}})
        );
        assert_eq!(resource_version.as_deref(), Some("5"));
        assert_eq!(Edits::default().change(&object), None);
    }
}

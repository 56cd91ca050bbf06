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
    /// Writes the spec in its normal form: a project by its name, nothing that says nothing.
    pub normalize_spec: bool,
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
        if self.normalize_spec {
            normalize_spec(&mut object);
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

/// As upstream's: an empty project is the default one, zero-valued policies and tool options go.
fn normalize_spec(object: &mut Object) {
    if !object.get("spec").is_some_and(Value::is_object) {
        return;
    }
    if object.text("/spec/project").is_empty() {
        object.set(&["spec", "project"], names::DEFAULT_PROJECT);
    }
    if object.pointer("/spec/syncPolicy").is_some_and(is_zero) {
        object.remove(&["spec", "syncPolicy"]);
    }
    for tool in ["helm", "kustomize", "directory"] {
        if object.pointer(&format!("/spec/source/{tool}")).is_some_and(is_zero) {
            object.remove(&["spec", "source", tool]);
        }
    }
}

/// Whether Go reads a value as that of an empty struct.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(it) => it.as_f64() == Some(0.0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        // A pointer to an empty struct says something: `automated: {}` is on.
        Value::Object(it) => it.iter().all(|(key, value)| key != "automated" && key != "retry" && is_zero(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn specs_are_written_in_their_normal_form() {
        let of = |spec: Value| {
            let object = Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {"name": "a", "namespace": "n"}, "spec": spec}));
            let edits = Edits { normalize_spec: true, ..Default::default() };
            edits.apply_to(&object).value()["spec"].clone()
        };
        assert_eq!(
            of(json!({"project": "", "syncPolicy": {"syncOptions": []}, "odd": {},
                "source": {"repoURL": "r", "helm": {"values": ""}, "directory": {"recurse": false, "jsonnet": {}}}})),
            json!({"project": "default", "odd": {}, "source": {"repoURL": "r"}})
        );
        let whole =
            json!({"project": "p", "syncPolicy": {"automated": {}}, "source": {"directory": {"recurse": true}}});
        assert_eq!(of(whole.clone()), whole);
        assert_eq!(of(json!(7)), json!(7), "what is no spec is left alone");
    }

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

//! MutatingAdmissionPolicy: what a write is changed by, as a JSON patch or as a configuration that is applied.

use std::collections::BTreeSet;

use argo_merge::Schema;
use argo_merge::json_patch::JsonPatchError;
use argo_merge::schema::ListKind;
use argo_merge::structured;
use serde_json::{Value, json};

use super::{Bound, Misconfigured};
use crate::server::admission::review::Attempted;
use crate::server::meta;
use crate::server::state::State;
use crate::server::status::ApiError;

/// A policy, its binding, and namespace and name of its parameter.
type Key = (String, String, String, String);

/// Which policies changed a write so far.
#[derive(Debug, Default)]
pub(in crate::server::admission) struct Invoked {
    /// Those that have their word again if somebody changes the object after them.
    reinvocable: BTreeSet<Key>,
    /// Those for which somebody did.
    due: BTreeSet<Key>,
    /// What the last of them left.
    left: Value,
}

// === impl State ===

impl State {
    /// Has the policies change an object.
    pub(in crate::server::admission) fn mutate(
        &mut self,
        attempted: &Attempted<'_>,
        object: &mut Value,
    ) -> Result<Invoked, ApiError> {
        let mut invoked = Invoked::default();
        self.mutate_round(attempted, object, &mut invoked, false)?;
        invoked.left = object.clone();
        Ok(invoked)
    }

    /// Gives the word to those again that had it before others changed the object.
    pub(in crate::server::admission) fn mutate_again(
        &mut self,
        attempted: &Attempted<'_>,
        object: &mut Value,
        mut invoked: Invoked,
    ) -> Result<(), ApiError> {
        if invoked.left != *object {
            invoked.due.append(&mut invoked.reinvocable);
        }
        if invoked.due.is_empty() {
            return Ok(());
        }
        self.mutate_round(attempted, object, &mut invoked, true)
    }

    fn mutate_round(
        &mut self,
        attempted: &Attempted<'_>,
        object: &mut Value,
        invoked: &mut Invoked,
        again: bool,
    ) -> Result<(), ApiError> {
        let mut errors: Vec<(String, bool)> = Vec::new();
        for bound in self.bound(attempted, "mutatingadmissionpolicies", "mutatingadmissionpolicybindings") {
            let mut failed = |why: String, asked: bool| {
                if bound.fails() {
                    let (policy, binding) = (&bound.policy_name, &bound.binding_name);
                    errors.push((format!("policy '{policy}' with binding '{binding}' denied request: {why}"), asked));
                }
            };
            let params = match &bound.params {
                Ok(params) => params,
                Err(Misconfigured::Policy(why)) => {
                    failed(format!("failed to configure policy: {why}"), false);
                    continue;
                }
                Err(Misconfigured::Binding(why)) => {
                    failed(format!("failed to configure binding: {why}"), false);
                    continue;
                }
            };
            for params in params {
                let of = |field| meta::text(params, field).to_owned();
                let (space, name) = (of("/metadata/namespace"), of("/metadata/name"));
                let key = (bound.policy_name.clone(), bound.binding_name.clone(), space, name);
                if again && !invoked.due.contains(&key) {
                    continue;
                }
                let before = object.clone();
                match self.mutate_by(attempted, &bound, params, object) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(why) => {
                        why.into_iter().for_each(|why| failed(why, true));
                        continue;
                    }
                }
                if *object != before {
                    invoked.due.append(&mut invoked.reinvocable);
                }
                if meta::text(&bound.policy, "/spec/reinvocationPolicy") == "IfNeeded" {
                    invoked.reinvocable.insert(key);
                }
            }
        }
        refusal(attempted, &errors)
    }

    /// Whether the conditions of a policy held, and its mutations were done.
    ///
    /// The errors are those of each mutation that failed; the others are done.
    fn mutate_by(
        &self,
        attempted: &Attempted<'_>,
        bound: &Bound,
        params: &Value,
        object: &mut Value,
    ) -> Result<bool, Vec<String>> {
        let answer = |check: &crate::cel::Check| self.answer_check(attempted, check);
        let mut errors = Vec::new();
        for (index, mutation) in bound.list("mutations").iter().enumerate() {
            let now = object.clone();
            let attempted = Attempted { object: Some(&now), ..*attempted };
            let mut scope = self.scope(&attempted);
            scope.set("params", params);
            scope.authorize(attempted.as_check(), &answer);
            if index == 0 && !bound.matches(&scope).map_err(|why| vec![why])? {
                return Ok(false);
            }
            bound.define_variables(&mut scope);
            let done = match meta::text(mutation, "/patchType") {
                "JSONPatch" => {
                    scope.json(meta::text(mutation, "/jsonPatch/expression")).and_then(|patch| patched(object, &patch))
                }
                _ => scope.json(meta::text(mutation, "/applyConfiguration/expression")).and_then(|config| {
                    applied(object, config, &crate::fields::schema(attempted.call), attempted.call.def.builtin)
                }),
            };
            errors.extend(done.err());
        }
        if errors.is_empty() { Ok(true) } else { Err(errors) }
    }
}

/// Applies a JSON patch; one whose test fails does nothing.
fn patched(object: &mut Value, patch: &Value) -> Result<(), String> {
    let mut next = object.clone();
    match argo_merge::json_patch::apply(&mut next, patch) {
        Ok(()) => *object = next,
        Err(JsonPatchError::TestFailed(_)) => {}
        Err(error) => return Err(format!("JSON Patch: {error}")),
    }
    Ok(())
}

/// Lays a configuration over an object. Of built-in types every field is declared, even those that a schema for merging leaves out.
fn applied(object: &mut Value, mut config: Value, schema: &Schema, builtin: bool) -> Result<(), String> {
    let failed = |why: String| format!("error applying patch: {why}");
    for field in ["apiVersion", "kind"] {
        match object.get(field) {
            Some(value) if config.is_object() => config[field] = value.clone(),
            _ => return Err(format!("unsupported return type from ApplyConfiguration expression: {config}")),
        }
    }
    structured::validate(&config, schema, false)
        .map_err(|why| failed(format!("failed to convert patch object to typed object: {why}")))?;
    let mut atomics = Vec::new();
    find_atomics(&config, schema, builtin, &mut String::new(), &mut atomics);
    if !atomics.is_empty() {
        let all = atomics.join(", ");
        return Err(failed(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {all}"
        )));
    }
    *object = structured::merge(object, &config, schema);
    Ok(())
}

/// Where a configuration would replace a whole that it knows only a part of.
fn find_atomics(value: &Value, schema: &Schema, builtin: bool, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match value {
        Value::Object(members) => {
            if schema.is_atomic_map() {
                found.push(path.clone());
            }
            for (name, value) in members.iter().filter(|(name, _)| builtin || schema.declares(name)) {
                path.push('.');
                path.push_str(name);
                find_atomics(value, &schema.field(name), builtin, path, found);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            if *schema.list_kind() == ListKind::Atomic {
                found.push(path.clone());
            }
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                find_atomics(item, &schema.element(), builtin, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// All that went wrong; the first is the message.
fn refusal(attempted: &Attempted<'_>, errors: &[(String, bool)]) -> Result<(), ApiError> {
    let Some((message, asked)) = errors.first() else { return Ok(()) };
    let mut error = ApiError::forbidden(&attempted.call.def.served, &attempted.name(), message);
    error.message.clone_from(message);
    if *asked {
        error.reason = "Invalid".to_owned();
    }
    if let Some(details) = &mut error.details {
        details["causes"] = errors.iter().map(|(message, _)| json!({ "message": message })).collect();
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": {
            "replicas": 1, "template": { "spec": { "containers": [{ "name": "a", "image": "a" }] } },
        } })
    }

    #[test]
    fn a_configuration_is_laid_over_by_keys() {
        let schema = Schema::of("apps", "v1", "Deployment");
        let mut object = deployment();
        let config = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "template": { "spec": { "containers": [
            { "name": "a", "env": [{ "name": "X", "value": "1" }] }, { "name": "side", "image": "s" }] } } } });
        applied(&mut object, config, &schema, true).expect("applied");
        assert_eq!(object["spec"]["replicas"], 1);
        assert_eq!(
            object["spec"]["template"]["spec"]["containers"],
            json!([{ "name": "a", "image": "a", "env": [{ "name": "X", "value": "1" }] }, { "name": "side", "image": "s" }])
        );
        assert_eq!(object["metadata"]["labels"]["a"], "b");
    }

    #[test]
    fn wholes_are_not_changed_in_part() {
        let schema = Schema::of("apps", "v1", "Deployment");
        let config = json!({ "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": { "spec": { "containers": [{ "name": "a", "args": ["x"] }] } } } });
        let why = applied(&mut deployment(), config, &schema, true).expect_err("atomic");
        assert!(
            why.contains(
                "may not mutate atomic arrays, maps or structs: .spec.selector, .spec.template.spec.containers[0].args"
            ),
            "{why}"
        );
    }

    #[test]
    fn a_patch_whose_test_fails_does_nothing() {
        let mut object = deployment();
        let patch = json!([{ "op": "add", "path": "/metadata/labels", "value": {} }, { "op": "test", "path": "/spec/replicas", "value": 2 }]);
        assert_eq!(patched(&mut object, &patch), Ok(()));
        assert_eq!(object, deployment());
        let why = patched(&mut object, &json!([{ "op": "remove", "path": "/none" }])).expect_err("nothing there");
        assert!(why.starts_with("JSON Patch: "), "{why}");
    }
}

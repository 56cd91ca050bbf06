//! The RuntimeClass of a pod: what it costs, and where it runs.

use serde_json::{Value, json};

use super::Call;
use super::meta;
use super::state::State;
use super::status::ApiError;
use crate::store::{GroupResource, ObjectKey};

/// Takes over cost, node selector and tolerations of the class a new pod names.
///
/// # Errors
/// There is no such class, or it contradicts the pod.
pub(super) fn resolve(state: &State, call: &Call<'_>, object: &mut Value) -> Result<(), ApiError> {
    if !call.def.group().is_empty() || call.def.resource() != "pods" || call.subresource.is_some() {
        return Ok(());
    }
    let pod = meta::name(object).to_owned();
    let refuse = |why: String| Err(ApiError::forbidden(&call.def.served, &pod, &format!("pod rejected: {why}")));
    let name = meta::text(object, "/spec/runtimeClassName").to_owned();
    let overhead = object.pointer("/spec/overhead").filter(|overhead| !overhead.is_null()).cloned();
    let mut fixed = None;
    let mut scheduling = Value::Null;
    if !name.is_empty() {
        let classes = GroupResource::new("node.k8s.io", "runtimeclasses");
        let Some(class) = state.store.read(&classes, &ObjectKey::new(None, &name)) else {
            return refuse(format!("RuntimeClass {name:?} not found"));
        };
        fixed = class.pointer("/overhead/podFixed").cloned();
        scheduling = class.get("scheduling").cloned().unwrap_or_default();
    }
    match (&overhead, &fixed) {
        (Some(_), None) => {
            return refuse("Pod Overhead set without corresponding RuntimeClass defined Overhead".to_owned());
        }
        (Some(given), Some(fixed)) if given != fixed => {
            return refuse("Pod's Overhead doesn't match RuntimeClass's defined Overhead".to_owned());
        }
        _ => {}
    }
    for (key, value) in scheduling.get("nodeSelector").and_then(Value::as_object).into_iter().flatten() {
        let given = object.pointer("/spec/nodeSelector").and_then(|selector| selector.get(key));
        if given.is_some_and(|given| given != value) {
            return refuse(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                value.as_str().unwrap_or_default(),
                given.and_then(Value::as_str).unwrap_or_default()
            ));
        }
        object["spec"]["nodeSelector"][key] = value.clone();
    }
    let wanted = scheduling.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    if !wanted.is_empty() {
        let mut all = object.pointer("/spec/tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
        all.extend(wanted.into_iter().filter(|toleration| !all.contains(toleration)).collect::<Vec<_>>());
        object["spec"]["tolerations"] = json!(all);
    }
    if let Some(fixed) = fixed {
        object["spec"]["overhead"] = fixed;
    }
    Ok(())
}

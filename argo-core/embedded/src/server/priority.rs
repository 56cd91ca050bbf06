//! Priorities of pods, out of the PriorityClass they name, as the Priority admission plugin does.

use serde_json::{Value, json};

use super::Call;
use super::defaults::put;
use super::meta;
use super::state::State;
use super::status::ApiError;
use crate::store::{GroupResource, ObjectKey};

/// The classes that every cluster has.
const SYSTEM: [(&str, i64); 2] = [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Fills in priority and preemption policy of a new pod.
///
/// # Errors
/// There is no such class, or the pod names another priority than its class.
pub(super) fn resolve(state: &State, call: &Call<'_>, object: &mut Value) -> Result<(), ApiError> {
    if !call.def.group().is_empty() || call.def.resource() != "pods" || !object["spec"].is_object() {
        return Ok(());
    }
    let refused = |why: String| Err(ApiError::forbidden(&call.def.served, meta::name(object), &why));
    let classes = GroupResource::new("scheduling.k8s.io", "priorityclasses");
    let wanted = meta::text(object, "/spec/priorityClassName").to_owned();
    let (class, priority, policy) = if wanted.is_empty() {
        let default = state.store.objects(&classes, None).map(|(_, class)| class);
        let default = default
            .filter(|class| class.get("globalDefault") == Some(&Value::Bool(true)))
            .min_by_key(|class| class["value"].as_i64());
        default.map_or_else(
            || (String::new(), 0, Value::Null),
            |class| {
                (meta::name(class).to_owned(), class["value"].as_i64().unwrap_or(0), class["preemptionPolicy"].clone())
            },
        )
    } else if let Some(class) = state.store.read(&classes, &ObjectKey::new(None, &wanted)) {
        (wanted, class["value"].as_i64().unwrap_or(0), class["preemptionPolicy"].clone())
    } else if let Some((_, priority)) = SYSTEM.iter().find(|(name, _)| *name == wanted) {
        (wanted, *priority, Value::Null)
    } else {
        return refused(format!("no PriorityClass with name {wanted} was found"));
    };
    if object.pointer("/spec/priority").and_then(Value::as_i64).is_some_and(|given| given != priority) {
        let given = &object["spec"]["priority"];
        return refused(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
        ));
    }
    let computed = policy.as_str().unwrap_or("PreemptLowerPriority");
    let given = meta::text(object, "/spec/preemptionPolicy");
    if !given.is_empty() && given != computed {
        return refused(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {computed} from the given PriorityClass name"
        ));
    }
    if !class.is_empty() {
        put(object, &["spec", "priorityClassName"], json!(class));
    }
    put(object, &["spec", "priority"], json!(priority));
    if policy.is_string() {
        put(object, &["spec", "preemptionPolicy"], policy);
    }
    Ok(())
}

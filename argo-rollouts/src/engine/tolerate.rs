//! Pod templates with amounts that are none. The API server lets them into a Rollout, whose schema does
//! not look into the template, and refuses the ReplicaSet; typed clients then can not even list Rollouts.

use serde_json::{Map, Value};

/// The template without what does not decode, as upstream's tolerant decoding leaves it: requests and
/// limits that are no quantities go, and all ephemeral containers when one of them has such. `None`
/// when all is well.
#[must_use]
pub(super) fn repaired(template: &Value) -> Option<Value> {
    let mut repaired = template.clone();
    let spec = repaired.get_mut("spec").and_then(Value::as_object_mut)?;
    let mut changed = false;
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for container in containers {
            changed |= repair(container);
        }
    }
    let ephemeral = spec.get_mut("ephemeralContainers").and_then(Value::as_array_mut);
    if ephemeral.is_some_and(|list| list.iter_mut().any(repair)) {
        spec.remove("ephemeralContainers");
        changed = true;
    }
    changed.then_some(repaired)
}

/// Drops the amounts of a container that are none; whether there were any.
fn repair(container: &mut Value) -> bool {
    let resources = container.get_mut("resources").and_then(Value::as_object_mut);
    let mut changed = false;
    for amounts in resources.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        let before = amounts.len();
        amounts.retain(|_, amount| match amount {
            Value::String(text) => argo_lang::quantity::Quantity::parse(text).is_ok(),
            Value::Number(_) => true,
            _ => false,
        });
        changed |= amounts.len() != before;
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_no_amount_goes() {
        let good =
            json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"memory": "16Mi", "cpu": 1}}}]}});
        assert_eq!(repaired(&good), None);
        let mut bad = good.clone();
        bad["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": "invalid", "cpu": "500m"});
        bad["spec"]["ephemeralContainers"] = json!([{"name": "e", "resources": {"requests": {"cpu": "x"}}}]);
        let mut wanted = good;
        wanted["spec"]["containers"][0]["resources"]["limits"] = json!({"cpu": "500m"});
        assert_eq!(repaired(&bad), Some(wanted));
    }
}

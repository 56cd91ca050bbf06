//! Actions against what upstream's scripts say and do.

use std::collections::BTreeMap;

use argo_cd::engine::{
    Settings,
    actions::{self, ActionInfo, Operation},
};
use argo_core::Object;
use argo_merge::merge_patch;
use serde_json::{Value, json};

/// The time that the vectors were made at.
const NOW: &str = "2026-03-04T05:06:07Z";

/// `ARGO_ACTION_VECTORS` names a larger file of the same form (`tests/vectors/gen/actions` makes one).
#[test]
fn actions_are_upstreams() {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/actions.jsonl");
    let path = std::env::var_os("ARGO_ACTION_VECTORS").map_or(own, Into::into);
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        cases += 1;
        let object = Object::from_value(case["input"].clone());
        let (found, expected) = match case["action"].as_str() {
            Some(action) => (run(&object, action, &case["params"]), case["output"].clone()),
            None => (discover(&object), listed(&case["actions"])),
        };
        // what a script says when it fails names its own lines, but for errors it raises itself
        let equal = match (case["err"].as_str(), &found) {
            (Some(text), Err(_)) if text.starts_with("<string>") => true,
            (Some(text), Err(error)) => error == text,
            // where upstream stumbles over metadata that is empty, ours goes on
            (Some(text), Ok(_)) => case["action"] == "create-workflow" && text.contains("key 'workflows.argoproj.io/"),
            // and writes no list of annotations, which no API server takes
            (None, Ok(found)) if expected == json!({"metadata": {"annotations": []}}) => *found == json!({}),
            (None, Ok(found)) => *found == expected,
            _ => false,
        };
        if !equal {
            let told = case.get("err").unwrap_or(&expected);
            wrong.push(format!(
                "{} {}: {found:?}\n    expected {told}\n    {}",
                case["gk"], case["action"], case["input"]
            ));
        }
    }
    assert!(cases > 300, "{cases}");
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

fn discover(object: &Object) -> Result<Value, String> {
    let found = actions::discover(object, &Settings::default(), NOW.parse().unwrap());
    Ok(serde_json::to_value(found.map_err(|it| it.to_string())?).unwrap())
}

/// As a discovery's table reads: by name, disabled or not.
fn listed(table: &Value) -> Value {
    let mut list = Vec::new();
    for (name, value) in table.as_object().into_iter().flatten() {
        let info: ActionInfo =
            serde_json::from_value(if value.is_object() { value.clone() } else { json!({}) }).unwrap();
        list.push(serde_json::to_value(ActionInfo { name: name.clone(), ..info }).unwrap());
    }
    list.sort_by_key(|it| it["name"].to_string());
    Value::Array(list)
}

/// Changes as a merge patch, new objects as a list.
fn run(object: &Object, action: &str, params: &Value) -> Result<Value, String> {
    let params: BTreeMap<String, String> = serde_json::from_value(params.clone()).unwrap_or_default();
    let now = NOW.parse().unwrap();
    let impacts = actions::run(object, action, &params, &Settings::default(), now).map_err(|it| it.to_string())?;
    let created: Vec<Value> = impacts
        .iter()
        .filter(|it| it.operation == Operation::Create)
        .map(|it| json!({"operation": "create", "resource": it.object.value()}))
        .collect();
    if created.is_empty() {
        return Ok(merge_patch::diff(object.value(), impacts[0].object.value()));
    }
    Ok(Value::Array(created))
}

use argo_merge::Schema;
use argo_merge::structured::{self, ApplyError, FieldSet, Managed, Operation, Writer};
use serde_json::{Value, json};

use crate::support::{vectors, without_nulls};

const T0: &str = "2026-01-01T00:00:00Z";
const T1: &str = "2026-01-01T00:01:00Z";

fn schema() -> Schema {
    Schema::of("apps", "v1", "Deployment")
}

fn one(manager: &str) -> Writer<'_> {
    Writer::new(manager, "apps/v1", T0)
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "ns"}, "spec": spec})
}

/// The object with its managers sorted and without times, as the vectors are.
fn comparable(object: &Value) -> Value {
    let mut object = without_nulls(object);
    if let Some(Value::Array(entries)) = object.pointer_mut("/metadata/managedFields") {
        for entry in entries.iter_mut() {
            entry.as_object_mut().unwrap().remove("time");
        }
        entries.sort_by_key(|entry| {
            let text = |member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("operation"), text("manager"), text("apiVersion"), text("subresource"))
        });
    }
    object
}

#[test]
fn every_sequence_of_writes_ends_as_in_the_api_server() {
    let mut failures = Vec::new();
    let mut compared = 0;
    for (at, vector) in vectors("structured.jsonl").iter().enumerate() {
        let builtin = vector["kind"] == "Deployment";
        let (schema, version) = if builtin { (schema(), "apps/v1") } else { (Schema::deduced(), "example.com/v1") };
        let mut live: Option<Value> = None;
        for (step, op) in vector["ops"].as_array().unwrap().iter().enumerate() {
            let status = op.get("subresource").is_some();
            let ignored = if status {
                FieldSet::of_fields(&[&["spec"], &["metadata", "labels"]])
            } else {
                FieldSet::of_fields(&[&["status"]])
            };
            let writer = Writer::new(op["manager"].as_str().unwrap(), version, T0).ignoring(ignored);
            let writer = if status { writer.subresource("status") } else { writer };
            let outcome = match op["op"].as_str().unwrap() {
                "seed" => Ok(op["object"].clone()),
                "apply" => structured::apply(live.as_ref(), &op["object"], &writer, op["force"] == true, &schema),
                _ => Ok(structured::update(live.as_ref(), &op["object"], &writer, &schema)),
            };
            compared += 1;
            match (outcome, op.get("live")) {
                (Ok(mut object), Some(expected)) => {
                    object["metadata"]["uid"] = json!("seeded");
                    if comparable(&object) != comparable(expected) {
                        failures.push(format!(
                            "{at}.{step} {} by {}: {}\n ours {}\n go   {}",
                            op["op"],
                            op["manager"],
                            op["object"],
                            comparable(&object),
                            comparable(expected)
                        ));
                        break;
                    }
                    live = Some(object);
                }
                (Err(ApplyError::Conflicts(conflicts)), None) => {
                    if op["causes"] != json!(conflicts.0.len())
                        || sorted(&conflicts.to_string()) != sorted(op["error"].as_str().unwrap())
                    {
                        failures.push(format!("{at}.{step}: {conflicts}\n go {}", op["error"]));
                        break;
                    }
                }
                (Err(error), None) => {
                    let expected = op["error"].as_str().unwrap();
                    assert!(
                        expected.contains("duplicate") && error.to_string().contains("duplicate"),
                        "{error}\n go {expected}"
                    );
                }
                (outcome, expected) => {
                    failures.push(format!("{at}.{step}: {outcome:?}\n go {expected:?} {:?}", op.get("error")));
                    break;
                }
            }
        }
    }
    let shown: Vec<&str> = failures.iter().take(3).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {compared} differ:\n{}", failures.len(), shown.join("\n\n"));
}

fn sorted(message: &str) -> Vec<String> {
    let mut lines: Vec<String> = message.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_foreign_field_is_a_conflict_with_the_api_servers_message() {
    let live = structured::update(None, &deployment(json!({"replicas": 1})), &one("x"), &schema());
    let error = structured::apply(Some(&live), &deployment(json!({"replicas": 2})), &one("mine"), false, &schema())
        .unwrap_err();
    assert_eq!(error.to_string(), r#"Apply failed with 1 conflict: conflict with "x" using apps/v1: .spec.replicas"#);
    let ApplyError::Conflicts(conflicts) = error else { panic!("a conflict") };
    assert_eq!(conflicts.0[0].field(), ".spec.replicas");
}

#[test]
fn force_takes_the_field_and_the_other_loses_it() {
    let live = structured::apply(None, &deployment(json!({"replicas": 1})), &one("x"), false, &schema()).unwrap();
    let live =
        structured::apply(Some(&live), &deployment(json!({"replicas": 2})), &one("mine"), true, &schema()).unwrap();
    assert_eq!(live["spec"]["replicas"], 2);
    let managed = Managed::of(&live).unwrap();
    assert_eq!(managed.entries.keys().map(|id| id.manager.as_str()).collect::<Vec<_>>(), ["mine"]);
}

#[test]
fn a_field_no_longer_applied_goes_unless_somebody_shares_it() {
    let both = deployment(json!({"replicas": 1, "paused": true}));
    let live = structured::apply(None, &both, &one("a"), false, &schema()).unwrap();
    let live =
        structured::apply(Some(&live), &deployment(json!({"replicas": 1})), &one("b"), false, &schema()).unwrap();
    let live = structured::apply(Some(&live), &deployment(json!({})), &one("a"), false, &schema()).unwrap();
    assert_eq!(live["spec"], json!({"replicas": 1}));
}

#[test]
fn what_an_applier_states_is_extracted() {
    let mine =
        deployment(json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}));
    let live = structured::apply(None, &mine, &one("mine"), false, &schema()).unwrap();
    let theirs =
        deployment(json!({"paused": true, "template": {"spec": {"containers": [{"name": "b", "image": "b:1"}]}}}));
    let live = structured::apply(Some(&live), &theirs, &one("theirs"), false, &schema()).unwrap();
    assert_eq!(structured::extract(&live, "mine", "", &schema()).unwrap(), mine);
    assert_eq!(structured::extract(&live, "theirs", "", &schema()).unwrap(), theirs);
    assert_eq!(structured::extract(&live, "nobody", "", &schema()), None);
}

#[test]
fn an_apply_that_changes_nothing_returns_the_live_object() {
    let config = deployment(json!({"replicas": 1}));
    let live = structured::apply(None, &config, &one("a"), false, &schema()).unwrap();
    let again = structured::apply(Some(&live), &config, &Writer::new("a", "apps/v1", T1), false, &schema()).unwrap();
    assert_eq!(again, live);
}

#[test]
fn an_update_that_changes_nothing_keeps_all_times() {
    let live = structured::update(None, &deployment(json!({"replicas": 1})), &one("a"), &schema());
    assert_eq!(structured::update(Some(&live), &live, &Writer::new("b", "apps/v1", T1), &schema()), live);
    let changed = structured::update(
        Some(&live),
        &deployment(json!({"replicas": 2})),
        &Writer::new("b", "apps/v1", T1),
        &schema(),
    );
    let entries = changed["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(entries.last().unwrap()["time"], T1);
}

#[test]
fn the_oldest_of_more_than_ten_updaters_are_merged() {
    let mut live = structured::update(None, &deployment(json!({"template": {}})), &one("m00"), &schema());
    for at in 0..15 {
        let mut next = live.clone();
        next["metadata"]["labels"][format!("l{at}")] = json!("x");
        let (manager, time) = (format!("m{at:02}"), format!("2026-01-01T00:{at:02}:00Z"));
        live = structured::update(Some(&live), &next, &Writer::new(&manager, "apps/v1", &time), &schema());
    }
    let managed = Managed::of(&live).unwrap();
    assert_eq!(managed.entries.len(), 10);
    assert!(
        managed.entries.keys().any(|id| id.manager == structured::ANCIENT_CHANGES && id.operation == Operation::Update)
    );
}

#[test]
fn the_first_apply_finds_the_old_owner() {
    let live = deployment(json!({"replicas": 3}));
    let error =
        structured::apply(Some(&live), &deployment(json!({"replicas": 1})), &one("a"), false, &schema()).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"Apply failed with 1 conflict: conflict with "before-first-apply" using apps/v1: .spec.replicas"#
    );
}

#[test]
fn kubectl_takes_over_what_it_applied_client_side() {
    let applied = deployment(json!({"replicas": 1}));
    let mut live = applied.clone();
    live["metadata"]["annotations"] = json!({structured::LAST_APPLIED: applied.to_string()});
    let live = structured::update(None, &live, &one("kubectl-client-side-apply"), &schema());
    let config = deployment(json!({"replicas": 2}));
    assert!(structured::apply(Some(&live), &config, &one("other"), false, &schema()).is_err());
    let live = structured::apply(Some(&live), &config, &one("kubectl"), false, &schema()).unwrap();
    assert_eq!(live["spec"]["replicas"], 2);
    let kept: Value =
        serde_json::from_str(live["metadata"]["annotations"][structured::LAST_APPLIED].as_str().unwrap()).unwrap();
    assert_eq!(kept["spec"]["replicas"], 2);
}

#[test]
fn bad_configurations_are_refused() {
    let twice = deployment(json!({"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}));
    let error = structured::apply(None, &twice, &one("a"), false, &schema()).unwrap_err().to_string();
    assert!(error.ends_with(r#".spec.template.spec.containers: duplicate entries for key [name="a"]"#), "{error}");
    let mut managed = deployment(json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    assert!(matches!(structured::apply(None, &managed, &one("a"), false, &schema()), Err(ApplyError::BadRequest(_))));
    let old = json!({"apiVersion": "apps/v1beta1", "kind": "Deployment"});
    assert!(
        structured::apply(None, &old, &one("a"), false, &schema())
            .unwrap_err()
            .to_string()
            .starts_with("Incorrect version specified")
    );
    assert!(structured::apply(None, &json!("text"), &one("a"), false, &schema()).is_err());
}

#[test]
fn emptied_managed_fields_stop_the_tracking() {
    let live = structured::update(None, &deployment(json!({"replicas": 1})), &one("a"), &schema());
    let mut next = live.clone();
    next["metadata"]["managedFields"] = json!([{}]);
    let next = structured::update(Some(&live), &next, &one("a"), &schema());
    assert!(next["metadata"].get("managedFields").is_none());
    let again = structured::update(Some(&next), &deployment(json!({"replicas": 2})), &one("a"), &schema());
    assert!(again["metadata"].get("managedFields").is_none());
}

#[test]
fn malformed_fields_are_read_without_harm() {
    let set = FieldSet::parse(&json!({"f:a": {".": {}, "k:nonsense": {}, "x": 1, "v:": {}}, "f:b": {}}));
    assert_eq!(set.to_string(), ".a\n.b\n");
    let deep = (0..1000).fold(json!({}), |inner, _| json!({"f:a": inner}));
    assert_eq!(FieldSet::parse(&json!({"f:top": {}, "f:deep": deep})).to_string(), ".top\n");
}

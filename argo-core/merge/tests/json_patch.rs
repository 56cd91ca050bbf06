use argo_merge::json_patch::{self, JsonPatchError};
use serde_json::{Value, json};

use crate::support::vectors;

#[test]
fn every_vector_gives_gos_result_or_error() {
    let mut failures = Vec::new();
    for (at, vector) in vectors("json_patch.jsonl").iter().enumerate() {
        // Where Go panics there is nothing to be equal to; and a root replaced by a scalar is an error here, not ignored.
        let scalar_root = |op: &Value| {
            op["op"] == "replace" && op["path"] == "" && !op["value"].is_object() && !op["value"].is_array()
        };
        if vector.is_null() || vector["patch"].as_array().is_some_and(|ops| ops.iter().any(scalar_root)) {
            continue;
        }
        let mut document = vector["doc"].clone();
        let outcome = json_patch::apply(&mut document, &vector["patch"]);
        match (outcome, vector.get("result"), vector.get("error").and_then(Value::as_str)) {
            (Ok(()), Some(expected), _) if *expected == document => {}
            (Err(error), None, Some(expected)) if error.to_string() == expected => {
                assert_eq!(document, vector["doc"], "a failed patch changed the document");
            }
            (outcome, expected, error) => {
                failures
                    .push(format!("{at}: {} gave {outcome:?} {document}, Go {expected:?} {error:?}", vector["patch"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_missing_member_tests_as_null() {
    let mut document = json!({"metadata": {}});
    let patch = json!([{"op": "test", "path": "/metadata/finalizers", "value": null}, {"op": "add", "path": "/metadata/finalizers", "value": ["f"]}]);
    json_patch::apply(&mut document, &patch).unwrap();
    assert_eq!(document, json!({"metadata": {"finalizers": ["f"]}}));
}

#[test]
fn removing_what_is_not_there_names_the_path() {
    let mut document = json!({});
    let error = json_patch::apply(&mut document, &json!([{"op": "remove", "path": "/spec"}])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error in remove for path: '/spec': Unable to remove nonexistent key: spec: missing value"
    );
    assert!(matches!(error, JsonPatchError::Missing(_)));
}

#[test]
fn too_many_operations_are_refused() {
    let operations: Vec<Value> =
        (0..=json_patch::MAX_OPERATIONS).map(|_| json!({"op": "add", "path": "/a", "value": 1})).collect();
    let error = json_patch::apply(&mut json!({}), &Value::Array(operations)).unwrap_err();
    assert_eq!(error.to_string(), "The allowed maximum operations in a JSON patch is 10000, got 10001");
}

#[test]
fn copies_are_bounded() {
    let mut document = json!({"a": "x".repeat(1024 * 1024)});
    let copies: Vec<Value> = (0..4).map(|at| json!({"op": "copy", "from": "/a", "path": format!("/b{at}")})).collect();
    assert!(matches!(json_patch::apply(&mut document, &Value::Array(copies)), Err(JsonPatchError::TooLarge(_))));
}

#[test]
fn pointers_escape_what_they_must() {
    assert_eq!(json_patch::pointer(["metadata", "annotations", "a/b~c"]), "/metadata/annotations/a~1b~0c");
}

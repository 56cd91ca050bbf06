use argo_merge::{Schema, strategic};
use serde_json::{Value, json};

use crate::support::{vectors, without_nulls};

fn deployment() -> Schema {
    Schema::of("apps", "v1", "Deployment")
}

fn report(failures: &[String]) {
    let shown: Vec<&str> = failures.iter().take(5).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), shown.join("\n"));
}

#[test]
fn two_way_patches_and_their_results_are_those_of_apimachinery() {
    let mut failures = Vec::new();
    for (at, vector) in vectors("strategic.jsonl").iter().enumerate() {
        let patch = strategic::diff(&vector["original"], &vector["modified"], &deployment()).unwrap();
        if patch != vector["two"] {
            failures.push(format!("{at}: patch {patch}\n go {}", vector["two"]));
            continue;
        }
        let result = strategic::apply(&vector["original"], &patch, &deployment()).unwrap();
        if result != vector["twoResult"] {
            failures.push(format!("{at}: result {result}\n go {}", vector["twoResult"]));
        }
    }
    report(&failures);
}

#[test]
fn three_way_patches_and_their_results_are_those_of_apimachinery() {
    let mut failures = Vec::new();
    for (at, vector) in vectors("strategic.jsonl").iter().enumerate() {
        let patch =
            strategic::three_way(Some(&vector["original"]), &vector["modified"], &vector["current"], &deployment());
        let patch = match (patch, vector.get("three")) {
            (Ok(patch), Some(expected)) if patch == *expected => patch,
            (Err(_), None) => continue,
            (patch, expected) => {
                failures.push(format!("{at}: patch {patch:?}\n go {expected:?}"));
                continue;
            }
        };
        match (strategic::apply(&vector["current"], &patch, &deployment()), vector.get("threeResult")) {
            (Ok(result), Some(expected)) if result == *expected => {}
            (Err(_), None) => {}
            (result, expected) => failures.push(format!("{at}: result {result:?}\n go {expected:?}")),
        }
    }
    report(&failures);
}

#[test]
fn arbitrary_patches_with_directives_give_apimachinerys_result() {
    let mut failures = Vec::new();
    for (at, vector) in vectors("strategic.jsonl").iter().enumerate() {
        match (strategic::apply(&vector["original"], &vector["patch"], &deployment()), vector.get("patchResult")) {
            (Ok(result), Some(expected)) if result == *expected => {}
            (Err(_), None) => {}
            (result, expected) => {
                failures.push(format!(
                    "{at}: {}\n+ {}\n= {result:?}\n go {expected:?} {:?}",
                    vector["original"],
                    vector["patch"],
                    vector.get("patchError")
                ));
            }
        }
    }
    report(&failures);
}

#[test]
fn containers_merge_by_name_and_tolerations_are_replaced() {
    let live = json!({"spec": {"template": {"spec": {
        "containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}],
        "tolerations": [{"key": "x"}, {"key": "y"}],
    }}}});
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}], "tolerations": [{"key": "z"}]}}}});
    let result = strategic::apply(&live, &patch, &deployment()).unwrap();
    let pod = &result["spec"]["template"]["spec"];
    assert_eq!(pod["tolerations"], json!([{"key": "z"}]));
    assert_eq!(pod["containers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_item_is_deleted_by_directive() {
    let live = json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}}});
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}}});
    let result = strategic::apply(&live, &patch, &deployment()).unwrap();
    assert_eq!(result["spec"]["template"]["spec"]["containers"], json!([{"name": "b"}]));
}

#[test]
fn finalizers_leave_by_the_primitive_list_directive() {
    let live = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}});
    assert_eq!(
        strategic::apply(&live, &patch, &deployment()).unwrap(),
        json!({"metadata": {"finalizers": ["a", "c"]}})
    );
}

#[test]
fn retain_keys_drops_the_other_arm_of_a_union() {
    let live = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = strategic::diff(&live, &json!({"spec": {"strategy": {"type": "Recreate"}}}), &deployment()).unwrap();
    assert_eq!(
        patch,
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": null, "type": "Recreate"}}})
    );
    assert_eq!(
        strategic::apply(&live, &patch, &deployment()).unwrap(),
        json!({"spec": {"strategy": {"type": "Recreate"}}})
    );
}

#[test]
fn an_item_without_its_merge_key_is_an_error() {
    let live = json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}});
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}});
    let error = strategic::apply(&live, &patch, &deployment()).unwrap_err().to_string();
    assert_eq!(error, "map: map[image:x] does not contain declared merge key: name");
}

#[test]
fn unknown_kinds_merge_maps_and_replace_lists() {
    let live = json!({"spec": {"a": {"x": 1}, "l": [1, 2]}});
    let result = strategic::apply(&live, &json!({"spec": {"a": {"y": 2}, "l": [3]}}), &Schema::deduced()).unwrap();
    assert_eq!(result, json!({"spec": {"a": {"x": 1, "y": 2}, "l": [3]}}));
}

#[test]
fn applying_last_applied_keeps_what_controllers_set() {
    let original = json!({"metadata": {"labels": {"a": "1", "gone": "1"}}, "spec": {"replicas": 1}});
    let modified = json!({"metadata": {"labels": {"a": "2"}}, "spec": {}});
    let current = json!({"metadata": {"labels": {"a": "1", "gone": "1", "theirs": "1"}}, "spec": {"replicas": 5, "paused": true}});
    let patch = strategic::three_way(Some(&original), &modified, &current, &deployment()).unwrap();
    let result = strategic::apply(&current, &patch, &deployment()).unwrap();
    assert_eq!(
        without_nulls(&result),
        json!({"metadata": {"labels": {"a": "2", "theirs": "1"}}, "spec": {"paused": true}})
    );
    assert_eq!(patch.pointer("/spec/replicas"), Some(&Value::Null));
}

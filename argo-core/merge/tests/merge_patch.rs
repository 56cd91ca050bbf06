use argo_merge::merge_patch;
use serde_json::{Value, json};

use crate::support::vectors;

#[test]
fn the_table_of_the_rfc_holds() {
    for (original, patch, result) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        let mut target = original.clone();
        merge_patch::apply(&mut target, &patch);
        assert_eq!(target, result, "{original} with {patch}");
    }
}

#[test]
fn a_diff_names_only_what_changed() {
    let from = json!({"keep": 1, "spec": {"a": 1, "b": {"c": 1}}, "gone": true});
    let to = json!({"keep": 1, "spec": {"a": 2, "b": {"c": 1}}, "new": []});
    assert_eq!(merge_patch::diff(&from, &to), json!({"spec": {"a": 2}, "gone": null, "new": []}));
    assert_eq!(merge_patch::diff(&to, &to), json!({}));
}

#[test]
fn three_way_patches_are_those_of_kubectl() {
    for (at, vector) in vectors("strategic.jsonl").iter().enumerate() {
        let patch = merge_patch::three_way(Some(&vector["original"]), &vector["modified"], &vector["current"]);
        let (mut ours, mut theirs) = (vector["current"].clone(), vector["current"].clone());
        merge_patch::apply(&mut ours, &patch);
        merge_patch::apply(&mut theirs, &vector["mergeThree"]);
        assert_eq!(ours, theirs, "vector {at}");
        assert_eq!(patch, vector["mergeThree"], "vector {at}");
    }
}

#[test]
fn what_others_set_survives_three_ways() {
    let patch =
        merge_patch::three_way(Some(&json!({"a": 1, "b": 1})), &json!({"a": 2}), &json!({"a": 1, "b": 1, "other": 1}));
    let mut live = json!({"a": 1, "b": 1, "other": 1});
    merge_patch::apply(&mut live, &patch);
    assert_eq!(live, json!({"a": 2, "other": 1}));
    assert_eq!(patch, json!({"a": 2, "b": null}));
    assert_eq!(merge_patch::three_way(None, &Value::Object(serde_json::Map::new()), &live), json!({}));
}

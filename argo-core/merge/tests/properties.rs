use argo_merge::structured::{self, FieldSet, Writer};
use argo_merge::{Schema, json_patch, merge_patch, strategic};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::without_nulls;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4i64).prop_map(Value::from),
        "[ab/~]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[ab/~]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A Deployment with lists of every kind.
fn deployment() -> impl Strategy<Value = Value> {
    let names = prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle();
    let finalizers = prop::sample::subsequence(vec!["f/1", "f/2", "f/3"], 0..=3).prop_shuffle();
    let labels = prop::collection::btree_map("[xyz]", "[12]", 0..3);
    (names, finalizers, labels, prop::collection::vec((0..3u8, 0..3i64), 4), prop::option::of(1..4i64), any::<bool>()).prop_map(
        |(names, finalizers, labels, details, replicas, recreate)| {
            let containers: Vec<Value> = names
                .iter()
                .zip(details)
                .map(|(name, (image, port))| json!({"name": name, "image": format!("i:{image}"), "ports": [{"containerPort": port}], "args": [port, image]}))
                .collect();
            let strategy = if recreate { json!({"type": "Recreate"}) } else { json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}) };
            let mut object = json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "finalizers": finalizers, "labels": labels},
                "spec": {"strategy": strategy, "template": {"spec": {"containers": containers}}},
            });
            if let Some(replicas) = replicas {
                object["spec"]["replicas"] = json!(replicas);
            }
            object
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_json_patch_diff_leads_there(from in value(), to in value()) {
        // The root can only be replaced by a container.
        let (from, to) = (json!({"root": from}), json!({"root": to}));
        let mut target = from.clone();
        json_patch::apply(&mut target, &json_patch::diff(&from, &to)).unwrap();
        prop_assert_eq!(target, to);
    }

    #[test]
    fn a_merge_patch_diff_leads_there(from in value(), to in value()) {
        let (from, to) = (without_nulls(&from), without_nulls(&to));
        let mut target = from.clone();
        let patch = merge_patch::diff(&from, &to);
        merge_patch::apply(&mut target, &patch);
        prop_assert_eq!(&target, &to);
        merge_patch::apply(&mut target, &patch);
        prop_assert_eq!(&target, &to);
    }

    #[test]
    fn a_strategic_diff_leads_there(from in deployment(), to in deployment()) {
        let schema = Schema::of("apps", "v1", "Deployment");
        let patch = strategic::diff(&from, &to, &schema).unwrap();
        let result = strategic::apply(&from, &patch, &schema).unwrap();
        prop_assert_eq!(&result, &to);
        prop_assert_eq!(strategic::apply(&result, &patch, &schema).unwrap(), to);
    }

    #[test]
    fn kubectl_apply_twice_changes_nothing_the_second_time(original in deployment(), modified in deployment(), current in deployment()) {
        let schema = Schema::of("apps", "v1", "Deployment");
        let patch = strategic::three_way(Some(&original), &modified, &current, &schema).unwrap();
        let live = strategic::apply(&current, &patch, &schema).unwrap();
        let again = strategic::three_way(Some(&modified), &modified, &live, &schema).unwrap();
        prop_assert_eq!(strategic::apply(&live, &again, &schema).unwrap(), live);
    }

    #[test]
    fn applying_twice_is_applying_once(a in deployment(), b in deployment(), c in deployment()) {
        let schema = Schema::of("apps", "v1", "Deployment");
        let first = |manager| Writer::new(manager, "apps/v1", "2026-01-01T00:00:00Z");
        let later = |manager| Writer::new(manager, "apps/v1", "2026-01-01T01:00:00Z");
        let live = structured::update(None, &a, &first("updater"), &schema);
        let live = structured::apply(Some(&live), &b, &first("one"), true, &schema).unwrap();
        let live = structured::apply(Some(&live), &c, &first("two"), true, &schema).unwrap();
        let again = structured::apply(Some(&live), &c, &later("two"), false, &schema).unwrap();
        prop_assert_eq!(again, live);
    }

    #[test]
    fn the_last_applier_gets_what_it_states(a in deployment(), b in deployment()) {
        let schema = Schema::of("apps", "v1", "Deployment");
        let writer = Writer::new("one", "apps/v1", "2026-01-01T00:00:00Z");
        let live = structured::apply(None, &a, &writer, false, &schema).unwrap();
        let mut live = structured::apply(Some(&live), &b, &writer, false, &schema).unwrap();
        live["metadata"].as_object_mut().unwrap().remove("managedFields");
        // Empty lists are not kept where the last item was removed.
        let emptied = |object: &Value| {
            let mut object = object.clone();
            for path in ["/metadata", "/spec/template/spec"] {
                if let Some(Value::Object(members)) = object.pointer_mut(path) {
                    members.retain(|_, inner| inner.as_array().is_none_or(|list| !list.is_empty()) && inner.as_object().is_none_or(|map| !map.is_empty()));
                }
            }
            for path in ["/spec/template", "/spec"] {
                if let Some(Value::Object(members)) = object.pointer_mut(path) {
                    members.retain(|_, inner| inner.as_object().is_none_or(|map| !map.is_empty()));
                }
            }
            object
        };
        prop_assert_eq!(emptied(&live), emptied(&b));
    }

    #[test]
    fn field_sets_survive_their_serialization(a in deployment(), b in deployment()) {
        let schema = Schema::of("apps", "v1", "Deployment");
        let writer = Writer::new("one", "apps/v1", "2026-01-01T00:00:00Z");
        let sets: Vec<FieldSet> = [a, b].iter().map(|object| {
            let live = structured::update(None, object, &writer, &schema);
            FieldSet::parse(&live["metadata"]["managedFields"][0]["fieldsV1"])
        }).collect();
        let (a, b) = (&sets[0], &sets[1]);
        prop_assert_eq!(&FieldSet::parse(&a.to_fields_v1()), a);
        prop_assert_eq!(a.difference(b).union(&a.intersection(b)).paths(), a.paths());
        prop_assert!(a.difference(b).intersection(b).is_empty());
        prop_assert_eq!(a.union(b).paths(), b.union(a).paths());
    }
}

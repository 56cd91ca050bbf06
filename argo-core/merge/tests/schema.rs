use argo_merge::schema::{ListKind, Schema};
use serde_json::json;

fn at(schema: &Schema, path: &[&str]) -> Schema {
    path.iter().fold(schema.clone(), |schema, step| if *step == "[]" { schema.element() } else { schema.field(step) })
}

#[test]
fn built_in_kinds_know_their_lists() {
    let deployment = Schema::builtin("apps", "Deployment").unwrap();
    let pod = at(&deployment, &["spec", "template", "spec"]);
    let keys = |name: &str| pod.field(name).list_kind().clone();
    assert_eq!(keys("containers"), ListKind::Map(vec!["name".into()]));
    assert_eq!(keys("tolerations"), ListKind::Atomic);
    let container = at(&pod, &["containers", "[]"]);
    assert_eq!(*container.field("ports").list_kind(), ListKind::Map(vec!["containerPort".into(), "protocol".into()]));
    assert_eq!(container.patch_strategy("ports").merge_key, "containerPort");
    assert_eq!(*container.field("volumeMounts").list_kind(), ListKind::Map(vec!["mountPath".into()]));
    assert!(pod.field("nodeSelector").is_atomic_map());
    assert!(at(&deployment, &["spec", "selector"]).is_atomic_map());
    assert!(deployment.field("spec").patch_strategy("strategy").retain_keys);
    let metadata = deployment.field("metadata");
    assert_eq!(*metadata.field("finalizers").list_kind(), ListKind::Set);
    assert_eq!(*metadata.field("ownerReferences").list_kind(), ListKind::Map(vec!["uid".into()]));
    let service = Schema::builtin("", "Service").unwrap();
    assert_eq!(*at(&service, &["spec", "ports"]).list_kind(), ListKind::Map(vec!["port".into(), "protocol".into()]));
}

#[test]
fn the_preferred_version_answers_when_none_is_named() {
    let hpa = Schema::builtin("autoscaling", "HorizontalPodAutoscaler").unwrap();
    assert!(hpa.field("status").declares("conditions"));
    assert!(!Schema::of("autoscaling", "v1", "HorizontalPodAutoscaler").field("status").declares("conditions"));
    assert!(Schema::builtin("argoproj.io", "Rollout").is_none());
}

#[test]
fn custom_kinds_have_the_metadata_of_every_object() {
    let rollout = Schema::of("argoproj.io", "v1alpha1", "Rollout");
    assert_eq!(*at(&rollout, &["metadata", "finalizers"]).list_kind(), ListKind::Set);
    assert_eq!(*at(&rollout, &["spec", "anything"]).list_kind(), ListKind::Atomic);
    let read = Schema::of_object(&json!({"apiVersion": "v1", "kind": "Pod"}));
    assert!(read.field("spec").declares("containers"));
}

#[test]
fn crd_schemas_state_their_lists_and_maps() {
    let schema = Schema::from_openapi(&json!({"type": "object", "properties": {
        "metadata": {"type": "object"},
        "spec": {"type": "object", "properties": {
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"],
                "items": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "default": "x"}}}},
            "atomic": {"type": "object", "x-kubernetes-map-type": "atomic"},
            "merge": {"type": "array", "items": {"type": "object"}, "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "k"},
            "free": {"x-kubernetes-preserve-unknown-fields": true},
        }},
    }}));
    let spec = schema.field("spec");
    assert_eq!(*spec.field("set").list_kind(), ListKind::Set);
    assert_eq!(*spec.field("map").list_kind(), ListKind::Map(vec!["a".into(), "b".into()]));
    assert!(spec.field("atomic").is_atomic_map());
    let strategy = spec.patch_strategy("merge");
    assert!(strategy.merge && strategy.retain_keys && strategy.merge_key == "k");
    assert_eq!(*at(&schema, &["metadata", "ownerReferences"]).list_kind(), ListKind::Map(vec!["uid".into()]));
}

#[test]
fn endless_schemas_end() {
    let deep =
        (0..200).fold(json!({"type": "string"}), |inner, _| json!({"type": "object", "properties": {"a": inner}}));
    let schema = Schema::from_openapi(&deep);
    assert!(!at(&schema, &["a"; 150]).declares("a"));
}

//! The Rollouts that are run.

use serde_json::{Value, json};

/// Two pods and a step: half of them, for a second.
pub(crate) fn busy(at: usize, namespace: &str) -> Value {
    rollout(at, namespace, 2, &json!([{"setWeight": 50}, {"pause": {"duration": 1}}]))
}

/// One that has been scaled to nothing, so that only controllers of Rollouts have to do with it.
pub(crate) fn idle(at: usize, namespace: &str) -> Value {
    rollout(at, namespace, 0, &json!([]))
}

fn rollout(at: usize, namespace: &str, replicas: usize, steps: &Value) -> Value {
    let app = format!("app-{at}");
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": app, "namespace": namespace},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": containers("shop:v1")},
            "strategy": {"canary": {"steps": steps}},
        },
    })
}

/// What changes the image of a Rollout.
pub(crate) fn image(image: &str) -> Value {
    json!({"spec": {"template": {"spec": containers(image)}}})
}

fn containers(image: &str) -> Value {
    json!({"nodeSelector": {"type": "fake"}, "containers": [{"name": "shop", "image": image}]})
}

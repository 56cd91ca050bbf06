use argo_embedded::simulator::{MetricValue, SimulatorConfig};
use serde_json::{Value, json};

use super::{World, condition, deployment, world};

fn scaler(metric: Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 10,
            "metrics": [metric],
        },
    })
}

fn cpu(percent: i64) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

fn replicas(world: &World) -> i64 {
    world.get("deployments.apps", "web")["spec"]["replicas"].as_i64().unwrap()
}

async fn scaled() -> World {
    let world = world(SimulatorConfig::default());
    world.apply(deployment("web", 2, "web:1")).await;
    world.apply(scaler(cpu(50))).await;
    world
}

#[tokio::test(start_paused = true)]
async fn load_brings_more_pods_until_the_target_is_met() {
    let world = scaled().await;
    world.simulator.metric("default", "web", "cpu", MetricValue::Total(300.0));
    world.wait(60).await;
    assert_eq!(replicas(&world), 6);
    let hpa = world.get("horizontalpodautoscalers.autoscaling", "web");
    assert_eq!(
        (hpa["status"]["currentReplicas"].as_i64(), hpa["status"]["desiredReplicas"].as_i64()),
        (Some(6), Some(6))
    );
    assert_eq!(hpa["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"], 50);
    assert_eq!(condition(&hpa, "ScalingActive")["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn scaling_stays_within_its_bounds() {
    let world = scaled().await;
    world.simulator.metric("default", "web", "cpu", MetricValue::Total(5000.0));
    world.wait(120).await;
    assert_eq!(replicas(&world), 10);
    let hpa = world.get("horizontalpodautoscalers.autoscaling", "web");
    assert_eq!(condition(&hpa, "ScalingLimited")["reason"], "TooManyReplicas");
}

#[tokio::test(start_paused = true)]
async fn scaling_down_waits_for_the_window() {
    let world = scaled().await;
    world.simulator.metric("default", "web", "cpu", MetricValue::Total(300.0));
    world.wait(60).await;
    world.simulator.metric("default", "web", "cpu", MetricValue::Total(100.0));
    world.wait(240).await;
    assert_eq!(replicas(&world), 6);
    world.wait(90).await;
    assert_eq!(replicas(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn small_deviations_change_nothing() {
    let world = scaled().await;
    world.simulator.metric("default", "web", "cpu", MetricValue::PerPod(54.0));
    world.wait(60).await;
    assert_eq!(replicas(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_without_target_says_so() {
    let world = world(SimulatorConfig::default());
    world.apply(scaler(cpu(50))).await;
    let hpa = world.get("horizontalpodautoscalers.autoscaling", "web");
    assert_eq!(condition(&hpa, "AbleToScale")["reason"], "FailedGetScale");
}

#[tokio::test(start_paused = true)]
async fn policies_set_the_pace_of_scaling() {
    let world = world(SimulatorConfig::default());
    world.apply(deployment("web", 2, "web:1")).await;
    let mut hpa = scaler(cpu(50));
    hpa["spec"]["behavior"] = json!({
        "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]},
        "scaleDown": {
            "stabilizationWindowSeconds": 0, "selectPolicy": "Min",
            "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}, {"type": "Pods", "value": 1, "periodSeconds": 60}],
        },
    });
    world.apply(hpa).await;
    world.simulator.metric("default", "web", "cpu", MetricValue::Total(300.0));
    world.wait(50).await;
    assert_eq!(replicas(&world), 3, "one more in the first minute");
    let hpa = world.get("horizontalpodautoscalers.autoscaling", "web");
    assert_eq!(condition(&hpa, "ScalingLimited")["reason"], "ScaleUpLimit");
    world.wait(60).await;
    assert_eq!(replicas(&world), 4, "one more in the next");
    world.wait(300).await;
    assert_eq!(replicas(&world), 6);
    world.simulator.metric("default", "web", "cpu", MetricValue::Total(100.0));
    world.wait(50).await;
    assert_eq!(replicas(&world), 5, "the least that a policy allows");
    world
        .patch(
            "horizontalpodautoscalers.autoscaling",
            "web",
            json!({"spec": {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}}),
        )
        .await;
    world.wait(600).await;
    assert_eq!(replicas(&world), 5);
}

#[tokio::test(start_paused = true)]
async fn without_policies_it_doubles_at_most() {
    let world = world(SimulatorConfig::default());
    world.apply(deployment("web", 3, "web:1")).await;
    world.apply(scaler(cpu(50))).await;
    world.simulator.metric("default", "web", "cpu", MetricValue::PerPod(500.0));
    world.wait(16).await;
    assert_eq!(replicas(&world), 6);
    let hpa = world.get("horizontalpodautoscalers.autoscaling", "web");
    assert_eq!(condition(&hpa, "AbleToScale")["reason"], "SucceededRescale");
    assert_eq!(
        condition(&hpa, "ScalingActive")["message"],
        "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"
    );
    world.wait(20).await;
    assert_eq!(replicas(&world), 10);
}

use std::time::Duration;

use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
use serde_json::{Value, json};

use super::{condition, world};

fn job(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    spec["template"] = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "task:1"}]}});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

#[tokio::test(start_paused = true)]
async fn a_job_completes() {
    let world = world(SimulatorConfig::default());
    world.apply(job("j", json!({"completions": 5, "parallelism": 2}))).await;
    assert_eq!(world.get("jobs.batch", "j")["status"]["active"], 2);
    world.wait(10).await;
    let job = world.get("jobs.batch", "j");
    assert_eq!(job["status"]["succeeded"], 5, "{}", job["status"]);
    assert_eq!(condition(&job, "Complete")["status"], "True");
    assert!(job["status"]["completionTime"].is_string() && job["status"].get("active").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_job_gives_up_after_its_back_off_limit() {
    let script = PodScript::new().with(PodRule::any(), Behaviour::exits(Duration::from_secs(1), 1));
    let world = world(SimulatorConfig::scripted(script));
    world.apply(job("j", json!({"backoffLimit": 2}))).await;
    world.wait(600).await;
    let job = world.get("jobs.batch", "j");
    assert_eq!(condition(&job, "Failed")["reason"], "BackoffLimitExceeded");
    assert_eq!(job["status"]["failed"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_job_has_a_deadline() {
    let script = PodScript::new().with(PodRule::any(), Behaviour::exits(Duration::from_secs(1000), 0));
    let world = world(SimulatorConfig::scripted(script));
    world.apply(job("j", json!({"activeDeadlineSeconds": 60}))).await;
    world.wait(61).await;
    assert_eq!(condition(&world.get("jobs.batch", "j"), "Failed")["reason"], "DeadlineExceeded");
    assert!(world.names("pods").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_indexed_job_numbers_its_pods() {
    let world = world(SimulatorConfig::default());
    world.apply(job("j", json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"}))).await;
    let mut indexes: Vec<String> = world
        .list("pods", "")
        .iter()
        .map(|pod| {
            pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"].as_str().unwrap().to_owned()
        })
        .collect();
    indexes.sort();
    assert_eq!(indexes, ["0", "1", "2"]);
    world.wait(5).await;
    assert_eq!(world.get("jobs.batch", "j")["status"]["completedIndexes"], "0-2");
}

#[tokio::test(start_paused = true)]
async fn a_finished_job_goes_after_its_time_to_live() {
    let world = world(SimulatorConfig::default());
    world.apply(job("j", json!({"ttlSecondsAfterFinished": 30}))).await;
    world.wait(20).await;
    assert!(world.find("jobs.batch", "j").is_some());
    world.wait(20).await;
    assert!(world.find("jobs.batch", "j").is_none() && world.names("pods").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_suspended_job_waits() {
    let world = world(SimulatorConfig::default());
    world.apply(job("j", json!({"suspend": true}))).await;
    assert!(world.names("pods").is_empty());
    assert_eq!(condition(&world.get("jobs.batch", "j"), "Suspended")["status"], "True");
    world.patch("jobs.batch", "j", json!({"spec": {"suspend": false}})).await;
    world.wait(3).await;
    assert_eq!(condition(&world.get("jobs.batch", "j"), "Complete")["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_cron_job_makes_a_job_at_each_time() {
    let world = world(SimulatorConfig::default());
    let template = job("", json!({}))["spec"].clone();
    world
        .apply(json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "default"},
            "spec": {"schedule": "*/10 * * * *", "jobTemplate": {"spec": template}, "successfulJobsHistoryLimit": 2},
        }))
        .await;
    world.wait(605).await;
    assert_eq!(world.names("jobs.batch").len(), 1);
    world.wait(3600).await;
    let cron = world.get("cronjobs.batch", "c");
    assert_eq!(cron["status"]["lastScheduleTime"], "2026-01-01T01:10:00Z");
    assert_eq!(world.names("jobs.batch").len(), 2, "the history is limited");
}

/// Pods of an index and what becomes of them.
fn of_index(index: u32) -> PodRule {
    PodRule::labeled("batch.kubernetes.io/job-completion-index", index.to_string())
}

fn exits(code: i32) -> Behaviour {
    Behaviour::exits(Duration::from_secs(1), code)
}

#[tokio::test(start_paused = true)]
async fn an_exit_code_fails_the_whole_job() {
    let world = world(SimulatorConfig::scripted(PodScript::new().with(PodRule::any(), exits(42))));
    let rules =
        json!([{"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}}]);
    world.apply(job("j", json!({"backoffLimit": 6, "podFailurePolicy": {"rules": rules}}))).await;
    world.wait(600).await;
    let job = world.get("jobs.batch", "j");
    let pod = world.names("pods").remove(0);
    let failed = condition(&job, "Failed");
    assert_eq!(failed["reason"], "PodFailurePolicy");
    let message =
        format!("Container main for pod default/{pod} failed with exit code 42 matching FailJob rule at index 0");
    assert_eq!((&failed["message"], &job["status"]["failed"]), (&json!(message), &json!(1)));
    assert_eq!(condition(&job, "FailureTarget")["reason"], "PodFailurePolicy");
}

#[tokio::test(start_paused = true)]
async fn ignored_failures_do_not_count() {
    let script = PodScript::new().with(PodRule::any(), exits(7));
    let world = world(SimulatorConfig::scripted(script));
    let rules = json!([{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}}]);
    world.apply(job("j", json!({"backoffLimit": 0, "podFailurePolicy": {"rules": rules}}))).await;
    world.wait(60).await;
    let running = world.get("jobs.batch", "j");
    assert!(running["status"].get("failed").is_none() && world.names("pods").len() > 1, "{}", running["status"]);
    world.simulator.script(PodRule::any(), exits(8));
    world.wait(600).await;
    let job = world.get("jobs.batch", "j");
    assert_eq!(
        (&condition(&job, "Failed")["reason"], &job["status"]["failed"]),
        (&json!("BackoffLimitExceeded"), &json!(1))
    );
}

#[tokio::test(start_paused = true)]
async fn an_index_has_a_limit_of_its_own() {
    let script = PodScript::new().with(of_index(1), exits(1));
    let world = world(SimulatorConfig::scripted(script));
    let spec = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 2});
    world.apply(job("j", spec)).await;
    world.wait(600).await;
    let job = world.get("jobs.batch", "j");
    assert_eq!(condition(&job, "Failed")["reason"], "FailedIndexes", "{}", job["status"]);
    let status = &job["status"];
    assert_eq!((&status["completedIndexes"], &status["failedIndexes"]), (&json!("0,2"), &json!("1")));
    assert_eq!((&status["succeeded"], &status["failed"]), (&json!(2), &json!(3)));
    let mut failures: Vec<String> = world
        .list("pods", "batch.kubernetes.io/job-completion-index=1")
        .iter()
        .map(|pod| {
            pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"].as_str().unwrap().to_owned()
        })
        .collect();
    failures.sort();
    assert_eq!(failures, ["0", "1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn too_many_failed_indexes_end_the_job() {
    let script = PodScript::new()
        .with(PodRule::any(), Behaviour::exits(Duration::from_secs(900), 0))
        .with(of_index(0), exits(1));
    let world = world(SimulatorConfig::scripted(script));
    let rules = json!([{"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [2]}}]);
    let spec = json!({
        "completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 5, "maxFailedIndexes": 0,
        "podFailurePolicy": {"rules": rules},
    });
    world.apply(job("j", spec)).await;
    world.wait(10).await;
    let job = world.get("jobs.batch", "j");
    assert_eq!(condition(&job, "Failed")["reason"], "MaxFailedIndexesExceeded", "{}", job["status"]);
    assert_eq!((&job["status"]["failedIndexes"], &job["status"]["failed"]), (&json!("0"), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_succeeds_is_enough() {
    let script = PodScript::new()
        .with(PodRule::any(), Behaviour::exits(Duration::from_secs(900), 0))
        .with(of_index(0), exits(0));
    let world = world(SimulatorConfig::scripted(script));
    let policy = json!({"rules": [{"succeededIndexes": "1-2", "succeededCount": 2}, {"succeededIndexes": "0"}]});
    let spec = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "successPolicy": policy});
    world.apply(job("j", spec)).await;
    world.wait(10).await;
    let job = world.get("jobs.batch", "j");
    for kind in ["SuccessCriteriaMet", "Complete"] {
        let condition = condition(&job, kind);
        assert_eq!(
            (&condition["reason"], &condition["message"]),
            (&json!("SuccessPolicy"), &json!("Matched rules at index 1"))
        );
    }
    assert_eq!((&job["status"]["succeeded"], &job["status"]["completedIndexes"]), (&json!(1), &json!("0")));
    assert_eq!(world.names("pods").len(), 1, "the others were stopped");
}

#[tokio::test(start_paused = true)]
async fn pods_are_counted_once_and_then_let_go() {
    let world = world(SimulatorConfig::default());
    world.apply(job("j", json!({"completions": 2}))).await;
    let finalizers = |world: &super::World| -> Vec<Value> {
        world.list("pods", "").iter().map(|pod| pod["metadata"]["finalizers"].clone()).collect()
    };
    assert_eq!(finalizers(&world), [json!(["batch.kubernetes.io/job-tracking"])]);
    // A pod that is taken away is not lost on the count, although nobody sees it end.
    let pod = world.names("pods").remove(0);
    world.direct.delete("pods", "default", &pod, &Default::default()).expect("deleted");
    world.simulator.settled().await;
    assert_eq!(world.get("jobs.batch", "j")["status"]["failed"], 1);
    assert!(world.find("pods", &pod).is_none());
    world.wait(600).await;
    let job = world.get("jobs.batch", "j");
    assert_eq!((&job["status"]["succeeded"], &job["status"]["failed"]), (&json!(2), &json!(1)));
    assert_eq!(job["status"]["uncountedTerminatedPods"], json!({}));
    assert!(finalizers(&world).iter().all(Value::is_null));
    // Pods of a Job that goes are let go too.
    world.apply(super::jobs::job("k", json!({}))).await;
    world.delete("jobs.batch", "k", "Background").await;
    assert!(world.list("pods", "job-name=k").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_pods_are_limited_by_the_namespace_ends() {
    let world = world(SimulatorConfig::default());
    let limits = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "sizes", "namespace": "default"}, "spec": {"limits": [{"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "10m"}, "max": {"cpu": "2"}}]}});
    world.apply(limits).await;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "batch", "namespace": "default"}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "batch:1"}]}}}});
    world.apply(job).await;
    world.wait(30).await;
    assert_eq!(world.get("jobs.batch", "batch")["status"]["succeeded"], 1, "{}", world.list("pods", "")[0]);
}

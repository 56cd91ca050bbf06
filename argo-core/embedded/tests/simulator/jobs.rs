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

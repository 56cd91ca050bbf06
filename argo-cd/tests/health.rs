//! Health against upstream's own verdicts.

use argo_cd::{
    api::HealthState,
    engine::{Settings, health},
};
use argo_core::Object;
use jiff::Timestamp;
use serde_json::{Value, json};

#[test]
fn verdicts_are_upstreams() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/health");
    let mut cases = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "json") {
            continue;
        }
        let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (i, case) in file["cases"].as_array().unwrap().iter().enumerate() {
            cases += 1;
            let found =
                health::of(&Object::from_value(case["input"].clone()), &Settings::default(), Timestamp::UNIX_EPOCH);
            let found = found.map(|it| (it.status.as_str().to_owned(), it.message)).unwrap_or_default();
            let expect = &case["expect"];
            let text = |field: &str| expect[field].as_str().unwrap_or_default().to_owned();
            if found != (text("status"), text("message")) {
                wrong.push(format!("{} #{i}: {found:?}, expected {expect}", file["groupKind"]));
            }
        }
    }
    assert!(cases > 30, "{cases}");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Verdicts of upstream's scripts on changed objects: fields gone, other statuses, other generations, nothing left.
///
/// `ARGO_HEALTH_VECTORS` names a larger file of the same form (`tests/vectors/health` makes one).
#[test]
fn verdicts_on_changed_objects_are_upstreams() {
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/health/changed.jsonl");
    let path = std::env::var_os("ARGO_HEALTH_VECTORS").map_or(own, Into::into);
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let object = Object::from_value(case["input"].clone());
        let found = health::assess(&object, &Settings::default(), Timestamp::UNIX_EPOCH);
        let (status, message) = found.map(|it| (it.status.as_str(), it.message)).unwrap_or_default();
        let text = |field: &str| case["expect"][field].as_str().unwrap_or_default();
        cases += 1;
        // what a script says when it fails names its own lines
        let equal = match text("err") {
            "" => (status, message.as_str()) == (text("status"), text("message")),
            _ => status == "Unknown",
        };
        if !equal {
            wrong.push(format!(
                "{}: {status} {message:?}, expected {}\n    {}",
                case["gk"], case["expect"], case["input"]
            ));
        }
    }
    assert!(cases > 1000, "{cases}");
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong[..wrong.len().min(400)].join("\n"));
}

fn of(object: Value) -> Option<(HealthState, String)> {
    health::of(&Object::from_value(object), &Settings::default(), Timestamp::UNIX_EPOCH)
        .map(|it| (it.status, it.message))
}

#[test]
fn deployments_progress_until_new_pods_are_available_and_old_ones_gone() {
    let deployment = |status: Value, spec: Value| {
        of(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "generation": 2},
            "spec": spec, "status": status}))
        .unwrap()
    };
    let full = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
    assert_eq!(deployment(full.clone(), json!({"replicas": 2})).0, HealthState::Healthy);
    assert_eq!(deployment(full.clone(), json!({"replicas": 2, "paused": true})).0, HealthState::Suspended);
    for (field, value) in [("observedGeneration", 1), ("updatedReplicas", 1), ("replicas", 3), ("availableReplicas", 1)]
    {
        let mut status = full.clone();
        status[field] = json!(value);
        assert_eq!(deployment(status, json!({"replicas": 2})).0, HealthState::Progressing, "{field}");
    }
    let mut stuck = full;
    stuck["conditions"] = json!([{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]);
    let message = "Deployment \"d\" exceeded its progress deadline".to_owned();
    assert_eq!(deployment(stuck, json!({"replicas": 2})), (HealthState::Degraded, message));
}

#[test]
fn pods_are_judged_by_phase_restart_policy_and_containers() {
    let pod = |policy: &str, status: Value| {
        of(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"restartPolicy": policy},
            "status": status}))
        .unwrap()
    };
    let pulling = json!({"phase": "Pending", "containerStatuses": [{"name": "a",
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]});
    assert_eq!(pod("Always", pulling.clone()), (HealthState::Degraded, "no such image".into()));
    assert_eq!(pod("Never", pulling).0, HealthState::Progressing);
    let failed =
        json!({"phase": "Failed", "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 3}}}]});
    assert_eq!(pod("Never", failed), (HealthState::Degraded, "container \"a\" failed with exit code 3".into()));
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    assert_eq!(pod("Always", ready.clone()).0, HealthState::Healthy);
    assert_eq!(pod("Never", ready).0, HealthState::Progressing, "a job's pod is done when it has ended");
    let crashing = json!({"phase": "Running", "containerStatuses": [{"lastState": {"terminated": {}}}]});
    assert_eq!(pod("Always", crashing).0, HealthState::Degraded);
}

#[test]
fn jobs_sets_claims_services_and_scalers() {
    let job = |condition: Value| {
        of(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "status": {"conditions": condition}}))
            .unwrap()
            .0
    };
    assert_eq!(job(json!([])), HealthState::Progressing);
    assert_eq!(job(json!([{"type": "Complete", "status": "True"}])), HealthState::Healthy);
    assert_eq!(job(json!([{"type": "Failed", "status": "True"}])), HealthState::Degraded);
    assert_eq!(job(json!([{"type": "Suspended", "status": "True"}])), HealthState::Suspended);
    let set = of(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"generation": 1},
        "spec": {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
        "status": {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 1}}));
    assert_eq!(set.unwrap().1, "partitioned roll out complete: 1 new pods have been updated...");
    let claim =
        of(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {}, "status": {"phase": "Lost"}}));
    assert_eq!(claim.unwrap().0, HealthState::Degraded);
    let service =
        |spec: Value| of(json!({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": spec})).unwrap().0;
    assert_eq!(service(json!({"type": "LoadBalancer"})), HealthState::Progressing);
    assert_eq!(service(json!({"type": "ClusterIP"})), HealthState::Healthy);
    let scaler = of(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {},
        "status": {"conditions": [{"type": "AbleToScale", "status": "True", "message": "ready"},
            {"type": "ScalingActive", "reason": "InvalidSelector", "message": "bad selector"}]}}));
    assert_eq!(scaler.unwrap(), (HealthState::Degraded, "bad selector".into()));
    assert_eq!(of(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})), None);
}

#[test]
fn applications_have_health_only_when_asked_for_and_what_goes_is_progressing() {
    let app = Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {},
        "status": {"health": {"status": "Degraded"}}}));
    assert_eq!(health::of(&app, &Settings::default(), Timestamp::UNIX_EPOCH), None);
    let settings = Settings { application_health: true, ..Settings::default() };
    assert_eq!(health::of(&app, &settings, Timestamp::UNIX_EPOCH).unwrap().status, HealthState::Degraded);
    let going =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(of(going), Some((HealthState::Progressing, "Pending deletion".into())));
}

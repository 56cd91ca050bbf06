//! Containers that are processes of this machine, on the machine's clock.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use argo_embedded::process::LocalImage;
use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
use argo_embedded::{Cluster, Direct, ListFilter};
use serde_json::{Value, json};

use super::pod;

struct Machine {
    cluster: Cluster,
    direct: Direct,
    _image: tempfile::TempDir,
}

/// A cluster whose images `local:*` are a directory with one program, `greet`.
fn machine() -> Machine {
    let image = tempfile::tempdir().unwrap();
    std::fs::create_dir(image.path().join("bin")).unwrap();
    let greet = image.path().join("bin/greet");
    std::fs::write(&greet, "#!/bin/sh\necho \"hello $1 from $POD\"\n").unwrap();
    std::fs::set_permissions(&greet, std::fs::Permissions::from_mode(0o755)).unwrap();
    let local = LocalImage::at(image.path()).entrypoint(["greet"]).env("POD", "nobody");
    let script = PodScript::new().with(PodRule::image("local:*"), Behaviour::process(local));
    let cluster = Cluster::builder().simulator(SimulatorConfig::scripted(script)).build().unwrap();
    let direct = cluster.direct("test");
    Machine { cluster, direct, _image: image }
}

impl Machine {
    fn start(&self, name: &str, container: Value, more: Value) {
        let mut container = container;
        container["name"] = json!("main");
        container["image"] = json!("local:1");
        let mut spec = more;
        spec["containers"] = json!([container]);
        if spec.get("restartPolicy").is_none() {
            spec["restartPolicy"] = json!("Never");
        }
        self.direct.create(pod(name, spec)).unwrap();
    }

    /// Follows a pod until it is as wanted.
    async fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Arc<Value> {
        let filter = ListFilter { fields: format!("metadata.name={name}"), ..ListFilter::default() };
        let mut watch = self.direct.watch("pods", "default", &filter, None).unwrap();
        loop {
            let event = watch.next().await.expect("the watch goes on").unwrap();
            if wanted(&event.object) {
                return event.object;
            }
        }
    }

    async fn ended(&self, name: &str) -> Arc<Value> {
        self.until(name, |pod| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))).await
    }

    async fn log(&self, name: &str) -> String {
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::default_namespaced(self.cluster.client());
        pods.logs(name, &kube::api::LogParams::default()).await.unwrap()
    }
}

#[tokio::test]
async fn a_container_runs_its_image_with_its_variables() {
    let machine = machine();
    let env = json!([{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
    machine.start("p", json!({"args": ["world"], "env": env}), json!({}));
    assert_eq!(machine.ended("p").await["status"]["phase"], "Succeeded");
    assert_eq!(machine.log("p").await, "hello world from p\n");
}

#[tokio::test]
async fn exit_codes_and_messages_are_real() {
    let machine = machine();
    machine.start("p", json!({"command": ["sh", "-c", "echo gone wrong > $TERMINATION_LOG; exit 42"]}), json!({}));
    let ended = machine.ended("p").await["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    assert_eq!((ended["exitCode"].as_i64(), ended["message"].as_str()), (Some(42), Some("gone wrong\n")));
    machine.start("q", json!({"command": ["no-such-program"]}), json!({}));
    let ended = machine.ended("q").await["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    assert_eq!(ended["exitCode"], 128);
    assert!(ended["message"].as_str().unwrap().starts_with("failed to start container \"main\""), "{ended}");
}

#[tokio::test]
async fn volumes_are_linked_below_the_root() {
    let machine = machine();
    machine.direct.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": {"key": "value"}})).unwrap();
    let volumes = json!([{"name": "config", "configMap": {"name": "c"}}, {"name": "shared", "emptyDir": {}}]);
    let init = json!([{"name": "init", "image": "local:1", "command": ["sh", "-c", "echo from init > shared/file"],
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}]);
    let container = json!({"command": ["sh", "-c", "cat etc/config/key; echo; cat shared/file"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}, {"name": "shared", "mountPath": "/shared"}]});
    machine.start("p", container, json!({"volumes": volumes, "initContainers": init}));
    assert_eq!(machine.ended("p").await["status"]["phase"], "Succeeded", "{}", machine.log("p").await);
    assert_eq!(machine.log("p").await, "value\nfrom init\n");
}

#[tokio::test]
async fn what_is_missing_holds_the_container_back() {
    let machine = machine();
    let env = json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    machine.start("p", json!({"env": env}), json!({}));
    let waiting = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    let pod = machine.until("p", |pod| waiting(pod)["reason"] == "CreateContainerConfigError").await;
    assert_eq!(waiting(&pod)["message"], "secret \"s\" not found");
}

#[tokio::test]
async fn a_deleted_pod_is_told_to_stop() {
    let machine = machine();
    let trap = "trap 'echo stopping; exit 0' TERM; echo started; while :; do sleep 0.01; done";
    machine.start("p", json!({"command": ["sh", "-c", trap]}), json!({}));
    machine.until("p", |pod| pod["status"]["phase"] == "Running").await;
    while machine.log("p").await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let filter = ListFilter::default();
    let mut watch = machine.direct.watch("pods", "default", &filter, None).unwrap();
    machine.direct.delete("pods", "default", "p", &argo_embedded::DeleteParams::default()).unwrap();
    let last = loop {
        let event = watch.next().await.unwrap().unwrap();
        if event.kind == argo_embedded::WatchKind::Deleted {
            break event.object;
        }
    };
    assert_eq!(last["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
}

#[tokio::test]
async fn what_does_not_stop_is_killed_after_its_grace_period() {
    let machine = machine();
    machine.start(
        "p",
        json!({"command": ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.01; done"]}),
        json!({"terminationGracePeriodSeconds": 1}),
    );
    machine.until("p", |pod| pod["status"]["phase"] == "Running").await;
    // Running says that the process was started, not that its shell has come to the trap.
    while !machine.log("p").await.contains("deaf") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut watch = machine.direct.watch("pods", "default", &ListFilter::default(), None).unwrap();
    machine.direct.delete("pods", "default", "p", &argo_embedded::DeleteParams::default()).unwrap();
    let last = loop {
        let event = watch.next().await.unwrap().unwrap();
        if event.kind == argo_embedded::WatchKind::Deleted {
            break event.object;
        }
    };
    assert_eq!(last["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 137);
}

#[tokio::test]
async fn no_process_outlives_the_cluster() {
    let machine = machine();
    machine.start("p", json!({"command": ["sh", "-c", "echo $$$$; while :; do sleep 0.01; done"]}), json!({}));
    let mut log = String::new();
    while !log.ends_with('\n') {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        log = if machine.direct.get("pods", "default", "p").is_ok_and(|pod| pod["status"]["phase"] == "Running") {
            machine.log("p").await
        } else {
            String::new()
        };
    }
    let process = std::path::PathBuf::from(format!("/proc/{}", log.trim()));
    let alive = || std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
    assert!(alive());
    drop(machine);
    for _ in 0..500 {
        if !alive() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the process is still there");
}

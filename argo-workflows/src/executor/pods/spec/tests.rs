//! Pods as upstream makes them, field by field.

use serde_json::{Value, json};

use super::*;
use crate::executor::process::Image;

fn step(template: Value, spec: Value) -> StepRequest {
    serde_json::from_value(json!({
        "workflow": {"namespace": "ns", "name": "wf"}, "workflowUid": "uid-1",
        "nodeId": "wf-1", "nodeName": "wf.a", "podName": "wf-run-1",
        "template": template, "includeResult": true, "onExit": false, "spec": spec,
    }))
    .unwrap()
}

fn config() -> PodConfig {
    PodConfig { executor_image: "exec:1".into(), ..PodConfig::default() }
}

fn repository() -> ArtifactRepository {
    ArtifactRepository::read(&json!({"archiveLogs": true, "s3": {"bucket": "b", "endpoint": "e",
        "accessKeySecret": {"name": "cred", "key": "a"}, "secretKeySecret": {"name": "cred", "key": "s"}}}))
    .unwrap()
}

fn built(step: &StepRequest) -> Value {
    build(step, &config(), Some(&repository()), Timestamp::UNIX_EPOCH).unwrap().pod
}

fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let all = ["initContainers", "containers"].into_iter().filter_map(|it| pod["spec"][it].as_array()).flatten();
    all.into_iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no container {name}: {pod}"))
}

fn env(container: &Value, name: &str) -> Value {
    let found = container["env"].as_array().into_iter().flatten().find(|it| it["name"] == name);
    found.map_or(Value::Null, |it| it["value"].clone())
}

fn mounts(container: &Value) -> Vec<String> {
    let all = container["volumeMounts"].as_array().into_iter().flatten();
    all.map(|it| {
        let sub = it["subPath"].as_str().map(|it| format!("[{it}]")).unwrap_or_default();
        format!("{}{sub}:{}", it["name"].as_str().unwrap(), it["mountPath"].as_str().unwrap())
    })
    .collect()
}

#[test]
fn a_container_gets_init_and_wait_and_runs_under_the_executor() {
    let pod = built(&step(
        json!({"name": "run", "container": {"image": "busybox", "command": ["sh", "-c"], "args": ["echo hi"]}}),
        json!({}),
    ));
    assert_eq!(
        pod["metadata"],
        json!({
            "name": "wf-run-1", "namespace": "ns",
            "labels": {"workflows.argoproj.io/workflow": "wf", "workflows.argoproj.io/completed": "false"},
            "annotations": {"workflows.argoproj.io/node-name": "wf.a", "workflows.argoproj.io/node-id": "wf-1",
                "kubectl.kubernetes.io/default-container": "main"},
            "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "wf", "uid": "uid-1",
                "controller": true, "blockOwnerDeletion": true}],
        })
    );
    let names = |field: &str| -> Vec<Value> {
        pod["spec"][field].as_array().unwrap().iter().map(|it| it["name"].clone()).collect()
    };
    assert_eq!(
        (names("initContainers"), names("containers")),
        (vec![json!("init")], vec![json!("wait"), json!("main")])
    );
    assert_eq!(pod["spec"]["restartPolicy"], "Never");
    let main = container(&pod, "main");
    let options = ["--loglevel", "info", "--log-format", "text", "--gloglevel", "0", "--", "sh", "-c"];
    let mut command = vec!["/var/run/argo/argoexec", "emissary"];
    command.extend(options);
    assert_eq!((&main["command"], &main["args"]), (&json!(command), &json!(["echo hi"])));
    assert_eq!(mounts(main), ["var-run-argo:/var/run/argo"]);
    assert_eq!(env(main, "ARGO_CONTAINER_NAME"), "main");
    assert_eq!(env(main, "ARGO_INCLUDE_SCRIPT_OUTPUT"), "true");
    assert_eq!(env(main, "ARGO_DEADLINE"), "0001-01-01T00:00:00Z");
    assert_eq!(env(main, "ARGO_TEMPLATE"), Value::Null);
    let wait = container(&pod, "wait");
    assert_eq!(mounts(wait), ["cred:/argo/secret/cred", "tmp-dir-argo[0]:/tmp", "var-run-argo:/var/run/argo"]);
    assert_eq!(env(wait, "ARGO_WORKFLOW_UID"), "uid-1");
    let template: Value =
        serde_json::from_str(env(container(&pod, "init"), "ARGO_TEMPLATE").as_str().unwrap()).unwrap();
    assert_eq!(template["archiveLocation"]["s3"]["key"], "wf/wf-run-1");
    assert_eq!(template["archiveLocation"]["archiveLogs"], true);
}

#[test]
fn scripts_artifacts_and_volumes_are_mounted_where_they_belong() {
    let pod = built(&step(
        json!({
            "name": "run",
            "inputs": {"parameters": [{"name": "p", "value": "v"}], "artifacts": [{"name": "in", "path": "/in/", "raw": {"data": "x"}},
                {"name": "vol", "path": "/work/sub", "raw": {"data": "x"}}, {"name": "opt", "path": "/opt", "optional": true}]},
            "script": {"image": "busybox", "command": ["sh"], "source": "echo", "volumeMounts": [{"name": "w", "mountPath": "/work", "readOnly": true}]},
            "sidecars": [{"name": "side", "image": "nginx", "command": ["nginx"], "mirrorVolumeMounts": true}],
            "initContainers": [{"name": "first", "image": "busybox", "command": ["true"]}],
        }),
        json!({"volumes": [{"name": "w", "emptyDir": {}}, {"name": "unused", "emptyDir": {}}], "volumeClaimTemplates": []}),
    ));
    let main = container(&pod, "main");
    assert_eq!(main["args"], json!(["/argo/staging/script"]));
    assert_eq!(main.get("source"), None);
    assert_eq!(
        mounts(main),
        ["w:/work", "input-artifacts[in]:/in", "argo-staging:/argo/staging", "var-run-argo:/var/run/argo"]
    );
    assert_eq!(
        mounts(container(&pod, "init")),
        [
            "cred:/argo/secret/cred",
            "input-artifacts:/argo/inputs/artifacts",
            "w:/mainctrfs/work",
            "argo-staging:/argo/staging",
            "var-run-argo:/var/run/argo"
        ]
    );
    assert_eq!(
        mounts(container(&pod, "wait")),
        [
            "cred:/argo/secret/cred",
            "w:/mainctrfs/work",
            "input-artifacts[in]:/mainctrfs/in",
            "argo-staging:/mainctrfs/argo/staging",
            "tmp-dir-argo[0]:/tmp",
            "var-run-argo:/var/run/argo"
        ]
    );
    let side = container(&pod, "side");
    assert_eq!(mounts(side), ["w:/work", "var-run-argo:/var/run/argo"]);
    assert_eq!(side["command"][0], "/var/run/argo/argoexec");
    assert_eq!(container(&pod, "first")["command"], json!(["true"]));
    let names: Vec<&str> =
        pod["spec"]["volumes"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["var-run-argo", "tmp-dir-argo", "w", "cred", "input-artifacts", "argo-staging"]);
    let template: Value =
        serde_json::from_str(env(container(&pod, "init"), "ARGO_TEMPLATE").as_str().unwrap()).unwrap();
    assert_eq!(template["inputs"].get("parameters"), None);
}

#[test]
fn the_template_comes_before_its_boundary_and_the_workflow() {
    let mut it = step(
        json!({"container": {"image": "i", "command": ["x"]}, "nodeSelector": {"a": "template"}, "hostAliases": [{"ip": "2"}],
            "metadata": {"labels": {"l": "template"}}, "podSpecPatch": "containers: [{name: main, resources: {limits: {cpu: \"2\"}}}]"}),
        json!({"nodeSelector": {"a": "wf"}, "affinity": {"w": 1}, "tolerations": [{"key": "wf"}], "hostAliases": [{"ip": "1"}],
            "podMetadata": {"labels": {"l": "wf", "m": "wf"}}, "serviceAccountName": "sa", "podPriorityClassName": "high",
            "podGC": {"strategy": "OnPodSuccess"}, "podSpecPatch": "{\"terminationGracePeriodSeconds\": 7}",
            "volumeClaimTemplates": [{"metadata": {"name": "unused"}}]}),
    );
    it.boundary = [("affinity".to_owned(), json!({"b": 1}))].into();
    it.deadline = Some(argo_core::time::after(Timestamp::UNIX_EPOCH, std::time::Duration::from_millis(1500)));
    it.on_exit = true;
    let pod = built(&it);
    let spec = &pod["spec"];
    assert_eq!(spec["nodeSelector"], json!({"a": "template"}));
    assert_eq!(spec["affinity"], json!({"b": 1}));
    assert_eq!(spec["tolerations"], json!([{"key": "wf"}]));
    assert_eq!(spec["hostAliases"], json!([{"ip": "1"}, {"ip": "2"}]));
    assert_eq!((&spec["serviceAccountName"], &spec["priorityClassName"]), (&json!("sa"), &json!("high")));
    assert_eq!(spec["activeDeadlineSeconds"], 2);
    assert_eq!(container(&pod, "main")["resources"]["limits"]["cpu"], "2");
    assert_eq!(env(container(&pod, "main"), "ARGO_TERMINATION_GRACE_PERIOD_SECONDS"), "7");
    let labels = &pod["metadata"]["labels"];
    assert_eq!(
        (&labels["l"], &labels["m"], &labels["workflows.argoproj.io/on-exit"]),
        (&json!("template"), &json!("wf"), &json!("true"))
    );
    assert_eq!(pod["metadata"]["annotations"]["workflows.argoproj.io/pod-gc-strategy"], "OnPodSuccess/5s");
}

#[test]
fn sets_resources_and_data_have_their_own_main_containers() {
    let set = built(&step(
        json!({"containerSet": {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "containers": [
            {"name": "a", "image": "i", "command": ["x"]}, {"name": "b", "image": "i", "command": ["y"], "dependencies": ["a"]}]},
            "volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({}),
    ));
    assert_eq!(set["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"], "b");
    assert_eq!(container(&set, "b").get("dependencies"), None);
    assert_eq!(mounts(container(&set, "a")), ["v:/v", "var-run-argo:/var/run/argo"]);
    let resource = build(
        &step(json!({"resource": {"action": "create", "setOwnerReference": true, "manifest": "kind: Pod"}}), json!({})),
        &config(),
        None,
        Timestamp::UNIX_EPOCH,
    );
    let resource = resource.unwrap().pod;
    assert_eq!(resource["spec"]["containers"].as_array().unwrap().len(), 1);
    let main = container(&resource, "main");
    assert_eq!(main["image"], "exec:1");
    let template: Value =
        serde_json::from_str(env(container(&resource, "init"), "ARGO_TEMPLATE").as_str().unwrap()).unwrap();
    let manifest: Value = serde_json::from_str(template["resource"]["manifest"].as_str().unwrap()).unwrap();
    assert_eq!(manifest["metadata"]["ownerReferences"][0]["uid"], "uid-1");
    assert_eq!(
        main["command"].as_array().unwrap()[..4],
        json!(["/var/run/argo/argoexec", "emissary", "--loglevel", "info"]).as_array().unwrap()[..]
    );
    assert_eq!(main["securityContext"]["readOnlyRootFilesystem"], true);
}

#[test]
fn what_is_too_long_for_an_environment_goes_into_a_config_map() {
    let long = "x".repeat(140_000);
    let it = step(json!({"container": {"image": "i", "command": ["x"], "args": [long]}}), json!({}));
    let built = build(&it, &config(), None, Timestamp::UNIX_EPOCH).unwrap();
    let map = built.config_map.unwrap();
    assert_eq!(map["metadata"]["name"], "wf-run-1");
    assert!(map["data"]["ARGO_TEMPLATE"].as_str().unwrap().contains("xxx"));
    assert!(map["data"]["ARGO_CONTAINER_ARGS_FILE"].as_str().unwrap().starts_with("[\"xxx"));
    assert_eq!(env(container(&built.pod, "init"), "ARGO_TEMPLATE"), "offloaded");
    let main = container(&built.pod, "main");
    assert_eq!(main.get("args"), None);
    assert_eq!(env(main, "ARGO_CONTAINER_ARGS_FILE"), "/argo/config/ARGO_CONTAINER_ARGS_FILE");
    assert!(mounts(main).contains(&"argo-env-config:/argo/config".to_owned()));
}

#[test]
fn what_can_not_be_made_says_why() {
    let message = |template: Value, spec: Value| {
        build(&step(template, spec), &config(), None, Timestamp::UNIX_EPOCH).unwrap_err()
    };
    assert!(
        message(json!({"container": {"image": "i"}}), json!({}))
            .starts_with("failed to look-up entrypoint/cmd for image \"i\"")
    );
    assert_eq!(
        message(
            json!({"container": {"image": "i", "command": ["x"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}}),
            json!({})
        ),
        "volume 'v' not found in workflow spec"
    );
    assert_eq!(
        message(json!({"container": {"image": "i", "command": ["x"]}}), json!({"automountServiceAccountToken": false})),
        "executor.serviceAccountName must not be empty if automountServiceAccountToken is false"
    );
    let mut known = config();
    known.images.insert("i".into(), Image { cmd: vec!["run".into()], ..Image::default() });
    let pod =
        build(&step(json!({"container": {"image": "i"}}), json!({})), &known, None, Timestamp::UNIX_EPOCH).unwrap().pod;
    assert_eq!(container(&pod, "main")["args"], json!(["run"]));
}

#[test]
fn machines_to_avoid_are_added_to_the_affinity_that_is_there() {
    let of = |affinity: Value| {
        let mut it = step(
            json!({"name": "run", "container": {"image": "x", "command": ["x"]}, "affinity": affinity}),
            json!({}),
        );
        it.avoid_hosts = vec!["n1".into(), "n2".into()];
        let pod = built(&it);
        pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            .clone()
    };
    let own = json!({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n1", "n2"]});
    assert_eq!(of(Value::Null), json!([{"matchExpressions": [own]}]));
    let required = |terms: Value| json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
    let zone = json!({"key": "zone", "operator": "In", "values": ["a"]});
    assert_eq!(of(required(json!([{"matchExpressions": [zone]}]))), json!([{"matchExpressions": [zone, own]}]));
    let known = json!({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n0", "n1"]});
    let all = json!({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n0", "n1", "n2"]});
    assert_eq!(of(required(json!([{"matchExpressions": [known]}]))), json!([{"matchExpressions": [all]}]));
    let mut it = step(json!({"name": "run", "container": {"image": "x", "command": ["x"]}}), json!({}));
    it.avoid_hosts = vec!["n1".into()];
    let config = PodConfig { retry_host_label: "example.com/host".to_owned(), ..PodConfig::default() };
    let pod = build(&it, &config, None, Timestamp::UNIX_EPOCH).unwrap().pod;
    assert!(pod["spec"]["affinity"].to_string().contains(r#"{"key":"example.com/host","operator":"NotIn""#));
}

//! The pod of an agent, and the plugins beside it: pure.
//!
//! Source of the rules: upstream's `workflow/controller/agent.go` and `workflow/util/plugin` (v4.1.2).

use argo_core::Object;
use serde_json::{Map, Value, json};

use super::super::{PodConfig, spec::go_duration, text};
use crate::{
    api::{LABEL_COMPLETED, LABEL_CONTROLLER_INSTANCE_ID, LABEL_WORKFLOW, WorkflowTaskSet},
    engine::{StepRequest, node_id},
};

/// Label of a pod: what it is, where it does no step of a workflow.
pub const LABEL_COMPONENT: &str = "workflows.argoproj.io/component";
/// Value of that label.
pub const AGENT: &str = "agent";
/// A Secret with certificates that the agent trusts, where there is one.
pub const CA_SECRET: &str = "argo-workflows-agent-ca-certificates";
/// Where that Secret is mounted.
pub const CA_PATH: &str = "/etc/ssl/certs/ca-certificates/";
/// Value of the label `configmap-type` of a ConfigMap that holds a plugin.
pub const PLUGIN_TYPE: &str = "ExecutorPlugin";
/// What the names of such ConfigMaps, and of the plugins' ServiceAccounts, end with.
const PLUGIN_SUFFIX: &str = "-executor-plugin";
/// Where Kubernetes puts the token of a ServiceAccount.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// An executor plugin: a container beside the agent's.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginSpec {
    /// Name.
    pub name: String,
    /// Its container.
    pub container: Value,
    /// Whether it gets the token of the ServiceAccount `<name>-executor-plugin`.
    pub automount: bool,
}

impl PluginSpec {
    /// The plugin that a ConfigMap holds.
    ///
    /// # Errors
    /// When its container can not be read or lacks what upstream asks for.
    pub fn of_config_map(map: &Object) -> Result<Self, String> {
        let data = |key: &str| map.pointer("/data").and_then(|it| it.get(key)).and_then(Value::as_str);
        let yaml = data("sidecar.container").unwrap_or_default();
        let container = argo_lang::yaml::decode(yaml).map_err(|it| format!("sidecar.container: {it}"))?;
        let name = map.name().trim_end_matches(PLUGIN_SUFFIX).to_owned();
        Self { name, container, automount: data("sidecar.automountServiceAccountToken") == Some("true") }.checked()
    }

    /// The plugins that a workflow's spec brings along (`executorPlugins`).
    ///
    /// # Errors
    /// As [`PluginSpec::of_config_map`].
    pub fn of_workflow(list: &Value) -> Result<Vec<Self>, String> {
        let of = |it: &Value| {
            let sidecar = it.pointer("/spec/sidecar").cloned().unwrap_or_default();
            let name = it.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let automount = sidecar.get("automountServiceAccountToken") == Some(&Value::Bool(true));
            Self { name, container: sidecar.get("container").cloned().unwrap_or_default(), automount }.checked()
        };
        list.as_array().into_iter().flatten().map(of).collect()
    }

    fn checked(self) -> Result<Self, String> {
        let has = |pointer: &str| self.container.pointer(pointer).is_some_and(|it| !it.is_null());
        let missing = match () {
            () if !has("/ports/0/containerPort") => "at least one port is mandatory",
            () if !has("/resources/requests") => "resources requests are mandatory",
            () if !has("/resources/limits") => "resources limits are mandatory",
            () if !has("/securityContext") => "security context is mandatory",
            () => return Ok(self),
        };
        Err(format!("executor plugin {}: sidecar is invalid: {missing}", self.name))
    }

    /// ServiceAccount whose token it gets.
    #[must_use]
    pub fn service_account(&self) -> Option<String> {
        self.automount.then(|| format!("{}{PLUGIN_SUFFIX}", self.name))
    }

    fn address(&self) -> String {
        format!("http://localhost:{}", self.container["ports"][0]["containerPort"])
    }

    fn container_name(&self) -> &str {
        text(&self.container, "name").unwrap_or(&self.name)
    }
}

/// What is known of the cluster when an agent's pod is made.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The plugins, each with the Secret that holds its token.
    pub plugins: Vec<(PluginSpec, Option<String>)>,
    /// Whether there is a Secret with certificates.
    pub has_ca_secret: bool,
}

/// Name of the agent's pod of a workflow.
#[must_use]
pub fn pod_name(workflow: &str) -> String {
    format!("{}-agent", node_id(workflow, "agent"))
}

/// Makes the agent's pod of a step's workflow.
///
/// # Errors
/// When the workflow's `podSpecPatch` can not be applied.
pub fn pod(step: &StepRequest, config: &PodConfig, around: &Around) -> Result<Value, String> {
    let workflow = serde_json::to_value(&*step.spec).map_err(|it| it.to_string())?;
    let names: Vec<&str> = around.plugins.iter().map(|it| it.0.container_name()).collect();
    let addresses: Vec<String> = around.plugins.iter().map(|it| it.0.address()).collect();
    let env = json!([
        {"name": "ARGO_WORKFLOW_NAME", "value": step.workflow.name},
        {"name": "ARGO_WORKFLOW_UID", "value": step.workflow_uid},
        {"name": "ARGO_AGENT_PATCH_RATE", "value": go_duration(config.agent_patch)},
        {"name": "ARGO_PLUGIN_ADDRESSES", "value": json!(addresses).to_string()},
        {"name": "ARGO_PLUGIN_NAMES", "value": json!(names).to_string()},
    ]);
    let mut mounts = vec![
        json!({"name": "var-run-argo", "mountPath": "/var/run/argo"}),
        json!({"name": "kube-api-access", "mountPath": TOKEN_PATH, "readOnly": true}),
    ];
    let mut volumes = vec![json!({"name": "var-run-argo", "emptyDir": {}}), token_volume()];
    let mut sidecars = Vec::new();
    for (plugin, secret) in &around.plugins {
        let mut container = plugin.container.clone();
        container["name"] = plugin.container_name().into();
        let mut own = container.get("volumeMounts").and_then(Value::as_array).cloned().unwrap_or_default();
        // Its own token, and nobody else's.
        let token = json!({"name": "var-run-argo", "mountPath": "/var/run/argo", "readOnly": true,
            "subPath": plugin.container_name()});
        own.push(token);
        if let Some(secret) = secret {
            let name = format!("{}-token", plugin.name);
            own.push(json!({"name": name, "mountPath": TOKEN_PATH, "readOnly": true}));
            volumes.push(json!({"name": name, "secret": {"secretName": secret}}));
        }
        container["volumeMounts"] = own.into();
        sidecars.push(container);
    }
    if around.has_ca_secret {
        mounts.push(json!({"name": CA_SECRET, "mountPath": CA_PATH, "readOnly": true}));
        volumes.push(json!({"name": CA_SECRET, "secret": {"secretName": CA_SECRET}}));
    }
    let container = |name: &str, word: &str| {
        let mut args = vec!["agent".to_owned(), word.to_owned()];
        args.extend(["--loglevel", &config.log_level, "--log-format", "text", "--gloglevel", "0"].map(str::to_owned));
        let mut container = json!({
            "name": name, "image": config.executor_image, "command": ["argoexec"], "args": args, "env": env,
            "securityContext": super::super::spec::minimal_container(),
            "resources": {"requests": {"cpu": "10m", "memory": "64M"}, "limits": {"cpu": "100m", "memory": "256M"}},
            "volumeMounts": mounts,
        });
        if let Some(policy) = &config.executor_image_pull_policy {
            container["imagePullPolicy"] = policy.clone().into();
        }
        container
    };
    sidecars.push(container("main", "main"));
    let mut spec = json!({
        "restartPolicy": "OnFailure",
        "securityContext": super::super::spec::minimal_pod(),
        "automountServiceAccountToken": false,
        "volumes": volumes,
        "initContainers": [container("init", "init")],
        "containers": sidecars,
    });
    for field in [
        "serviceAccountName",
        "imagePullSecrets",
        "nodeSelector",
        "affinity",
        "tolerations",
        "schedulerName",
        "hostAliases",
        "dnsPolicy",
        "dnsConfig",
    ] {
        if let Some(value) = workflow.get(field).filter(|it| !it.is_null()) {
            spec[field] = value.clone();
        }
    }
    if let Some(class) = text(&workflow, "podPriorityClassName") {
        spec["priorityClassName"] = class.into();
    }
    if let Some(patch) = text(&workflow, "podSpecPatch") {
        spec = super::super::spec::patched(&spec, patch)?;
    }
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata(step, config, &workflow), "spec": spec}))
}

/// The token of the pod's own ServiceAccount, as Kubernetes itself mounts it: into the agent's containers
/// and not into those of plugins.
fn token_volume() -> Value {
    json!({"name": "kube-api-access", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace",
            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

fn metadata(step: &StepRequest, config: &PodConfig, workflow: &Value) -> Value {
    let mut labels = Map::new();
    labels.insert(LABEL_WORKFLOW.into(), step.workflow.name.clone().into());
    labels.insert(LABEL_COMPLETED.into(), "false".into());
    labels.insert(LABEL_COMPONENT.into(), AGENT.into());
    let mut annotations = Map::new();
    annotations.insert("kubectl.kubernetes.io/default-container".into(), "main".into());
    for (field, target) in [("labels", &mut labels), ("annotations", &mut annotations)] {
        let given = workflow.get("podMetadata").and_then(|it| it.get(field)).and_then(Value::as_object);
        target.extend(given.into_iter().flatten().map(|(key, it)| (key.clone(), it.clone())));
    }
    if let Some(id) = &config.instance_id {
        labels.insert(LABEL_CONTROLLER_INSTANCE_ID.into(), id.clone().into());
    }
    json!({
        "name": pod_name(&step.workflow.name), "namespace": step.workflow.namespace(),
        "labels": labels, "annotations": annotations, "ownerReferences": [super::super::spec::owner(step)],
    })
}

/// Makes the task set of a step's workflow, with this one task in it.
///
/// # Errors
/// When the template has no JSON form.
pub fn task_set(step: &StepRequest, config: &PodConfig) -> Result<Value, String> {
    let template = serde_json::to_value(&step.template).map_err(|it| it.to_string())?;
    let mut labels = Map::new();
    if let Some(id) = &config.instance_id {
        labels.insert(LABEL_CONTROLLER_INSTANCE_ID.into(), id.clone().into());
    }
    let kind = <WorkflowTaskSet as argo_core::Resource>::gvk();
    Ok(json!({
        "apiVersion": format!("{}/{}", kind.group, kind.version), "kind": kind.kind,
        "metadata": {
            "name": step.workflow.name, "namespace": step.workflow.namespace(), "labels": labels,
            "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
                "name": step.workflow.name, "uid": step.workflow_uid}],
        },
        "spec": {"tasks": {step.node_id.clone(): template}},
    }))
}

/// What is wrong with an agent's pod, where it is over.
#[must_use]
pub fn failure(pod: &Object) -> Option<String> {
    let phase = pod.text("/status/phase");
    let reason = match phase {
        "" | "Succeeded" | "Running" | "Pending" => return None,
        "Failed" => pod.text("/status/message").to_owned(),
        other => format!("Unexpected pod phase for {}: {other}", pod.name()),
    };
    Some(format!("agent pod failed with reason:\"{reason}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(spec: Value) -> StepRequest {
        serde_json::from_value(json!({
            "workflow": {"namespace": "ns", "name": "wf"}, "workflowUid": "uid-1",
            "nodeId": "wf-1", "nodeName": "wf.a", "podName": "wf-a",
            "template": {"name": "call", "http": {"url": "u"}}, "includeResult": true, "onExit": false, "spec": spec,
        }))
        .unwrap()
    }

    fn plugin(container: &str) -> Result<PluginSpec, String> {
        PluginSpec::of_config_map(&Object::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hello-executor-plugin"},
            "data": {"sidecar.container": container, "sidecar.automountServiceAccountToken": "true"},
        })))
    }

    const HELLO: &str = "name: hello-plugin\nimage: python\nports: [{containerPort: 4355}]\n\
        resources: {requests: {cpu: 1m}, limits: {cpu: 2m}}\nsecurityContext: {runAsNonRoot: true}\n";

    #[test]
    fn the_agents_pod_is_upstreams_but_for_the_token() {
        let spec = json!({"serviceAccountName": "sa", "nodeSelector": {"a": "b"}, "podSpecPatch": "nodeName: virtual"});
        let pod =
            pod(&step(spec), &PodConfig { instance_id: Some("i".into()), ..PodConfig::default() }, &Around::default())
                .unwrap();
        // The id of a node "agent".
        assert_eq!(pod["metadata"]["name"], format!("{}-agent", node_id("wf", "agent")));
        assert_eq!(
            pod["metadata"]["labels"],
            json!({"workflows.argoproj.io/workflow": "wf", "workflows.argoproj.io/completed": "false",
                "workflows.argoproj.io/component": "agent", "workflows.argoproj.io/controller-instanceid": "i"})
        );
        let spec = &pod["spec"];
        assert_eq!(
            (&spec["restartPolicy"], &spec["automountServiceAccountToken"], &spec["nodeName"]),
            (&json!("OnFailure"), &json!(false), &json!("virtual"))
        );
        assert_eq!((&spec["serviceAccountName"], &spec["nodeSelector"]["a"]), (&json!("sa"), &json!("b")));
        assert_eq!(spec["initContainers"][0]["args"][1], "init");
        assert_eq!(
            (&spec["containers"][0]["name"], &spec["containers"][0]["args"][1]),
            (&json!("main"), &json!("main"))
        );
        assert!(spec["volumes"][1]["projected"].is_object());
    }

    #[test]
    fn plugins_stand_beside_the_agent_with_their_own_token_only() {
        let around =
            Around { plugins: vec![(plugin(HELLO).unwrap(), Some("hello-token".into()))], has_ca_secret: true };
        let pod = pod(&step(json!({})), &PodConfig::default(), &around).unwrap();
        let (sidecar, main) = (&pod["spec"]["containers"][0], &pod["spec"]["containers"][1]);
        assert_eq!(sidecar["name"], "hello-plugin");
        assert_eq!(sidecar["volumeMounts"][0]["subPath"], "hello-plugin");
        assert_eq!(sidecar["volumeMounts"][1]["name"], "hello-token");
        let env = main["env"].as_array().unwrap();
        let value = |name: &str| env.iter().find(|it| it["name"] == name).unwrap()["value"].clone();
        assert_eq!(value("ARGO_PLUGIN_ADDRESSES"), "[\"http://localhost:4355\"]");
        assert_eq!(value("ARGO_PLUGIN_NAMES"), "[\"hello-plugin\"]");
        assert!(main["volumeMounts"].as_array().unwrap().iter().any(|it| it["mountPath"] == CA_PATH));
        assert_eq!(around.plugins[0].0.service_account().as_deref(), Some("hello-executor-plugin"));
    }

    #[test]
    fn a_plugin_that_lacks_something_is_refused_in_upstreams_words() {
        for (without, message) in [
            ("ports", "at least one port is mandatory"),
            ("requests", "resources requests are mandatory"),
            ("limits", "resources limits are mandatory"),
            ("securityContext", "security context is mandatory"),
        ] {
            let error = plugin(&HELLO.replace(without, "x")).unwrap_err();
            assert!(error.ends_with(&format!("sidecar is invalid: {message}")), "{error}");
        }
        let list = json!([{"metadata": {"name": "own"}, "spec": {"sidecar": {"container": {"ports": []}}}}]);
        assert!(PluginSpec::of_workflow(&list).unwrap_err().starts_with("executor plugin own:"));
    }
}

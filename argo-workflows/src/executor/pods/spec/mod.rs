//! A step as a Pod: pure.
//!
//! Source of the rules: upstream's `workflow/controller/workflowpod.go` (v4.1.2).

mod containers;
mod volumes;

use argo_core::{Timestamp, time};
use serde_json::{Map, Value, json};

pub(super) use volumes::secret_volumes;

use super::config::{ArtifactRepository, PodConfig};
use crate::{
    api::{Artifact, LABEL_COMPLETED, LABEL_CONTROLLER_INSTANCE_ID, LABEL_WORKFLOW, Template, TemplateType},
    engine::StepRequest,
    exec::{artifacts, outputs::MAIN},
};

/// Annotation of a pod: the name of its node.
pub const ANNOTATION_NODE_NAME: &str = "workflows.argoproj.io/node-name";
/// Annotation of a pod: the id of its node.
pub const ANNOTATION_NODE_ID: &str = "workflows.argoproj.io/node-id";
/// Annotation of a pod: when it is deleted, `<strategy>/<delay>`.
pub const ANNOTATION_POD_GC: &str = "workflows.argoproj.io/pod-gc-strategy";
/// Label of pods of exit handlers.
pub const LABEL_ON_EXIT: &str = "workflows.argoproj.io/on-exit";
/// Name of the executor's container that collects outputs.
pub const WAIT: &str = "wait";
/// Name of the executor's container that loads inputs.
pub const INIT: &str = "init";
/// Longest environment value; what is longer goes into a ConfigMap.
const MAX_ENV: usize = 131_072;
/// What the environment says instead of a value that is too long.
const OFFLOADED: &str = "offloaded";
/// Where that ConfigMap is mounted.
const CONFIG_PATH: &str = "/argo/config";

/// What a step becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The Pod.
    pub pod: Value,
    /// A ConfigMap with what is too long for it, to be made first.
    pub config_map: Option<Value>,
}

/// Makes the Pod of a step.
///
/// # Errors
/// Says what in the template or the workflow makes it impossible.
pub fn build(
    step: &StepRequest,
    config: &PodConfig,
    repository: Option<&ArtifactRepository>,
    now: Timestamp,
) -> Result<Built, String> {
    let workflow = serde_json::to_value(&*step.spec).map_err(|it| it.to_string())?;
    let template = with_archive_location(step, crate::executor::owned(step)?, &workflow, repository);
    let kind = template.kind().ok_or("the template has no type")?;
    let raw = serde_json::to_value(&template).map_err(|it| it.to_string())?;
    let either = |field: &str| set(raw.get(field)).or_else(|| set(workflow.get(field)));
    let mut spec = Map::new();
    spec.insert("restartPolicy".into(), "Never".into());
    if let Some(deadline) = step.deadline {
        let left = if deadline > now { time::between(now, deadline).as_secs_f64().ceil() } else { 0.0 };
        if left <= 0.0 {
            return Err("Step exceeded its deadline".to_owned());
        }
        // More than 2^31 seconds Kubernetes does not take.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by clamp")]
        spec.insert("activeDeadlineSeconds".into(), (left.clamp(1.0, 2_147_483_647.0) as i64).into());
    }
    for (field, value) in [
        ("imagePullSecrets", set(workflow.get("imagePullSecrets"))),
        ("hostNetwork", set(workflow.get("hostNetwork"))),
        ("dnsPolicy", set(workflow.get("dnsPolicy"))),
        ("dnsConfig", set(workflow.get("dnsConfig"))),
        ("schedulerName", either("schedulerName")),
        ("priorityClassName", set(raw.get("priorityClassName")).or_else(|| set(workflow.get("podPriorityClassName")))),
        ("securityContext", either("securityContext")),
        ("serviceAccountName", either("serviceAccountName")),
        ("resources", either("podResources")),
        ("resourceClaims", either("resourceClaims")),
    ] {
        if let Some(value) = value {
            spec.insert(field.into(), value.clone());
        }
    }
    for field in ["nodeSelector", "affinity", "tolerations"] {
        let value = set(raw.get(field)).or_else(|| set(step.boundary.get(field))).or_else(|| set(workflow.get(field)));
        if let Some(value) = value {
            spec.insert(field.into(), value.clone());
        }
    }
    if !step.avoid_hosts.is_empty() {
        let mut affinity = spec.remove("affinity").unwrap_or_else(|| json!({}));
        avoid(&mut affinity, &config.retry_host_label, &step.avoid_hosts);
        spec.insert("affinity".into(), affinity);
    }
    let aliases: Vec<Value> = [&workflow, &raw].iter().flat_map(|it| list(it.get("hostAliases"))).collect();
    if !aliases.is_empty() {
        spec.insert("hostAliases".into(), aliases.into());
    }
    let executor_account = ["/executor/serviceAccountName"]
        .iter()
        .find_map(|it| text(raw.pointer(it)).or_else(|| text(workflow.pointer(it))));
    if either("automountServiceAccountToken") == Some(&Value::Bool(false)) {
        spec.insert("automountServiceAccountToken".into(), false.into());
        if executor_account.is_none() {
            return Err(
                "executor.serviceAccountName must not be empty if automountServiceAccountToken is false".to_owned()
            );
        }
    }
    let mut pod = containers::Pod::new(step, config, &template, kind, executor_account);
    pod.add_main()?;
    pod.add_user_containers();
    volumes::add(&mut pod, &workflow)?;
    pod.add_environment(&env_template(&template)?);
    spec.insert("volumes".into(), std::mem::take(&mut pod.volumes).into());
    spec.insert("initContainers".into(), std::mem::take(&mut pod.inits).into());
    spec.insert("containers".into(), std::mem::take(&mut pod.containers).into());
    let mut spec = Value::Object(spec);
    for patch in [workflow.get("podSpecPatch"), raw.get("podSpecPatch")].into_iter().filter_map(text) {
        spec = patched(&spec, &patch)?;
    }
    containers::finish(&mut spec, config)?;
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(step, config, &workflow, &raw, &spec),
        "spec": spec,
    });
    let config_map = offload(&mut object);
    Ok(Built { pod: object, config_map })
}

fn set(value: Option<&Value>) -> Option<&Value> {
    value.filter(|it| match it {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    })
}

fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned)
}

/// Keeps a pod away from machines: where a term says so already it names them, too.
fn avoid(affinity: &mut Value, label: &str, hosts: &[String]) {
    const REQUIRED: &str = "/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let own = json!({"key": label, "operator": "NotIn", "values": hosts});
    let terms = affinity.pointer_mut(REQUIRED).and_then(Value::as_array_mut).filter(|it| !it.is_empty());
    let Some(terms) = terms else {
        if !affinity.get("nodeAffinity").is_some_and(Value::is_object) {
            affinity["nodeAffinity"] = json!({});
        }
        affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": [{"matchExpressions": [own]}]});
        return;
    };
    for term in terms.iter_mut() {
        let expressions = term.get_mut("matchExpressions").and_then(Value::as_array_mut);
        let Some(expressions) = expressions.filter(|it| !it.is_empty()) else {
            term["matchExpressions"] = json!([own]);
            return;
        };
        let known = expressions.iter_mut().find(|it| it["key"] == label && it["operator"] == "NotIn");
        if let Some(values) = known.and_then(|it| it.get_mut("values")).and_then(Value::as_array_mut) {
            let new: Vec<Value> = hosts.iter().map(|it| it.as_str().into()).filter(|it| !values.contains(it)).collect();
            values.extend(new);
            return;
        }
    }
    containers::push(&mut terms[0], "matchExpressions", own);
}

/// The template with the place where its outputs go, where anything needs one.
fn with_archive_location(
    step: &StepRequest,
    mut template: Template,
    workflow: &Value,
    repository: Option<&ArtifactRepository>,
) -> Template {
    let own = template.extra.get("archiveLocation").cloned().unwrap_or(Value::Null);
    if crate::api::LOCATIONS.iter().any(|it| own.get(*it).is_some_and(Value::is_object)) {
        return template;
    }
    let flag = |it: Option<&Value>| it.and_then(Value::as_bool);
    let logs = repository.is_some_and(|it| it.archive_logs)
        || flag(own.get("archiveLogs")).or_else(|| flag(workflow.get("archiveLogs"))).unwrap_or(false);
    let all = template.inputs.iter().flat_map(|it| &it.artifacts);
    let all = all.chain(template.outputs.iter().flat_map(|it| &it.artifacts));
    let needed = logs || template.data.is_some() || all.into_iter().any(|it| !artifacts::has_location(it));
    let (true, Some(repository)) = (needed, repository) else { return template };
    let mut probe = Artifact::default();
    for (kind, value) in repository.location.as_object().into_iter().flatten() {
        probe.extra.insert(kind.clone(), value.clone());
    }
    let key = repository
        .key_format
        .replace("{{workflow.name}}", &step.workflow.name)
        .replace("{{workflow.namespace}}", step.workflow.namespace())
        .replace("{{workflow.uid}}", &step.workflow_uid)
        .replace("{{node.name}}", &step.node_name)
        .replace("{{pod.name}}", &step.pod_name);
    if let Some(kind) = artifacts::kind(&probe) {
        artifacts::set_key(&mut probe, kind, &key);
        let mut location = json!({ kind: probe.extra.get(kind) });
        location["archiveLogs"] = logs.into();
        template.extra.insert("archiveLocation".to_owned(), location);
    }
    template
}

/// What the executor is told of the template: parameters are replaced in it already.
fn env_template(template: &Template) -> Result<String, String> {
    let mut template = template.clone();
    if let Some(inputs) = &mut template.inputs {
        inputs.parameters.clear();
    }
    serde_json::to_string(&template).map_err(|it| it.to_string())
}

fn metadata(step: &StepRequest, config: &PodConfig, workflow: &Value, template: &Value, spec: &Value) -> Value {
    let mut labels = Map::new();
    labels.insert(LABEL_WORKFLOW.into(), step.workflow.name.clone().into());
    labels.insert(LABEL_COMPLETED.into(), "false".into());
    if step.on_exit {
        labels.insert(LABEL_ON_EXIT.into(), "true".into());
    }
    if let Some(id) = &config.instance_id {
        labels.insert(LABEL_CONTROLLER_INSTANCE_ID.into(), id.clone().into());
    }
    let mut annotations = Map::new();
    annotations.insert(ANNOTATION_NODE_NAME.into(), step.node_name.clone().into());
    annotations.insert(ANNOTATION_NODE_ID.into(), step.node_id.clone().into());
    let names: Vec<&str> =
        spec["containers"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
    // The sidecars are not there yet when upstream chooses: the last one of the template's own containers.
    let own = crate::exec::outputs::main_containers(&step.template);
    let default = if names.contains(&MAIN) { Some(MAIN.to_owned()) } else { own.last().cloned() };
    if let Some(name) = default {
        annotations.insert("kubectl.kubernetes.io/default-container".into(), name.into());
    }
    if let Some(gc) = workflow.get("podGC").filter(|it| it.is_object()) {
        let strategy = text(gc.get("strategy")).unwrap_or_default();
        let delay = text(gc.get("deleteDelayDuration"));
        let delay = delay.and_then(|it| argo_lang::duration::parse_or_seconds(&it).ok()?.try_into().ok());
        let delay = go_duration(delay.unwrap_or(config.gc_delay));
        annotations.insert(ANNOTATION_POD_GC.into(), format!("{strategy}/{delay}").into());
    }
    for given in [workflow.get("podMetadata"), template.get("metadata")].into_iter().flatten() {
        for (field, target) in [("labels", &mut labels), ("annotations", &mut annotations)] {
            for (key, value) in given.get(field).and_then(Value::as_object).into_iter().flatten() {
                target.insert(key.clone(), value.clone());
            }
        }
    }
    let mut metadata = json!({
        "name": step.pod_name,
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": [owner(step)],
    });
    if !step.workflow.namespace().is_empty() {
        metadata["namespace"] = step.workflow.namespace().into();
    }
    metadata
}

pub(super) fn owner(step: &StepRequest) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": step.workflow.name,
        "uid": step.workflow_uid, "controller": true, "blockOwnerDeletion": true,
    })
}

/// Security context of the executor's own containers outside of the pods of steps.
pub(super) fn minimal_container() -> Value {
    json!({"capabilities": {"drop": ["ALL"]}, "privileged": false, "runAsNonRoot": true, "runAsUser": 8737,
        "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
        "seccompProfile": {"type": "RuntimeDefault"}})
}

/// Security context of the executor's own pods.
pub(super) fn minimal_pod() -> Value {
    json!({"runAsNonRoot": true, "runAsUser": 8737, "seccompProfile": {"type": "RuntimeDefault"}})
}

/// A duration as Go prints whole seconds.
pub(super) fn go_duration(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// A strategic merge patch, as YAML or JSON.
pub(super) fn patched(spec: &Value, patch: &str) -> Result<Value, String> {
    let error = |it: String| format!("Error applying PodSpecPatch: {it}");
    let patch = argo_lang::yaml::decode(patch).map_err(|it| error(it.to_string()))?;
    let schema = argo_merge::schema::Schema::of("", "v1", "Pod").field("spec");
    argo_merge::strategic::apply(spec, &patch, &schema).map_err(|it| error(it.to_string()))
}

/// Moves values that are too long for an environment into a ConfigMap of the pod's name.
fn offload(pod: &mut Value) -> Option<Value> {
    let mut data = Map::new();
    let meta = pod["metadata"].clone();
    let name = meta["name"].clone();
    for field in ["initContainers", "containers"] {
        for container in pod["spec"][field].as_array_mut().into_iter().flatten() {
            let mut moved = false;
            for env in container["env"].as_array_mut().into_iter().flatten() {
                let long = env["name"] == "ARGO_TEMPLATE" && env["value"].as_str().is_some_and(|it| it.len() > MAX_ENV);
                if long {
                    data.insert("ARGO_TEMPLATE".into(), env["value"].take());
                    env["value"] = OFFLOADED.into();
                    moved = true;
                }
            }
            let own = container["name"].as_str().unwrap_or_default().to_owned();
            let args = container.get("args").map(Value::to_string).filter(|it| it.len() > MAX_ENV);
            if let (Some(args), true) =
                (args, own != WAIT && own != INIT && data.get("ARGO_CONTAINER_ARGS_FILE").is_none())
            {
                data.insert("ARGO_CONTAINER_ARGS_FILE".into(), args.into());
                if let Some(map) = container.as_object_mut() {
                    map.remove("args");
                }
                let path = format!("{CONFIG_PATH}/ARGO_CONTAINER_ARGS_FILE");
                containers::push(container, "env", json!({"name": "ARGO_CONTAINER_ARGS_FILE", "value": path}));
                moved = true;
            }
            if moved {
                containers::push(
                    container,
                    "volumeMounts",
                    json!({"name": "argo-env-config", "mountPath": CONFIG_PATH}),
                );
            }
        }
    }
    if data.is_empty() {
        return None;
    }
    containers::push(&mut pod["spec"], "volumes", json!({"name": "argo-env-config", "configMap": {"name": name}}));
    let mut map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": data,
        "metadata": {"name": name, "labels": {LABEL_WORKFLOW: meta["labels"][LABEL_WORKFLOW]},
            "annotations": {ANNOTATION_NODE_NAME: meta["annotations"][ANNOTATION_NODE_NAME],
                ANNOTATION_NODE_ID: meta["annotations"][ANNOTATION_NODE_ID]},
            "ownerReferences": meta["ownerReferences"]},
    });
    if let Some(namespace) = meta.get("namespace") {
        map["metadata"]["namespace"] = namespace.clone();
    }
    Some(map)
}

/// Whether a container is the executor's.
fn is_argo(name: &str) -> bool {
    name == WAIT || name == "supervisor" || name.starts_with("artifact-plugin-")
}

#[cfg(test)]
mod tests;

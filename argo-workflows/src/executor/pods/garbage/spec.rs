//! The task that names artifacts to delete, and the pod that does it: pure.
//!
//! Source of the rules: upstream's `workflow/controller/artifact_gc.go` (v4.1.2).

use argo_core::Resource as _;
use serde_json::{Map, Value, json};

use super::super::{
    PodConfig,
    spec::{minimal_container, minimal_pod, secret_volumes},
};
use crate::{
    api::{Artifact, LABEL_COMPLETED, LABEL_CONTROLLER_INSTANCE_ID, LABEL_WORKFLOW, LOCATIONS, WorkflowArtifactGCTask},
    engine::{GarbageRequest, fnv32a},
};

/// Value of the label `component` of a pod that deletes artifacts.
pub const ARTIFACT_GC: &str = "artifact-gc";
/// Label of a task: whose pod does it.
pub const LABEL_POD: &str = "workflows.argoproj.io/artifact-gc-pod";
/// Annotation of a pod: the strategy it carries out.
pub const ANNOTATION_STRATEGY: &str = "workflows.argoproj.io/artifact-gc-strategy";
/// Environment of a pod: value of the label of its tasks.
pub const ENV_POD: &str = "ARGO_ARTIFACT_POD_NAME";

/// Name of the task of a pod.
#[must_use]
pub fn task_name(pod: &str) -> String {
    format!("{pod}-0")
}

/// Makes the task of a request; artifacts that give only a key get `repository` as their place.
///
/// # Errors
/// When an artifact has no JSON form.
pub fn task(request: &GarbageRequest, repository: Option<&Value>) -> Result<Value, String> {
    let mut spec = request.spec.clone();
    for node in spec.artifacts_by_node.values_mut() {
        let has = |it: &Value| LOCATIONS.iter().any(|kind| it.get(*kind).is_some_and(Value::is_object));
        if !node.archive_location.as_ref().is_some_and(has) {
            node.archive_location = repository.cloned();
        }
    }
    let kind = WorkflowArtifactGCTask::gvk();
    Ok(json!({
        "apiVersion": format!("{}/{}", kind.group, kind.version), "kind": kind.kind,
        "metadata": {
            "name": task_name(&request.name), "namespace": request.namespace,
            "labels": {LABEL_POD: fnv32a(&request.name).to_string()},
            "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": request.workflow,
                "uid": request.workflow_uid, "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": serde_json::to_value(&spec).map_err(|it| it.to_string())?,
    }))
}

/// Makes the pod of a task that was made with this uid.
///
/// # Errors
/// When the workflow's `podSpecPatch` can not be applied.
pub fn pod(request: &GarbageRequest, task: &Value, uid: &str, config: &PodConfig) -> Result<Value, String> {
    let nodes = task.pointer("/spec/artifactsByNode").and_then(Value::as_object);
    let mut locations = Vec::new();
    for node in nodes.into_iter().flat_map(Map::values) {
        let own = node.get("archiveLocation").and_then(Value::as_object);
        locations.extend(own.into_iter().flat_map(|it| LOCATIONS.iter().filter_map(|kind| it.get(*kind).cloned())));
        for artifact in node.get("artifacts").and_then(Value::as_object).into_iter().flat_map(Map::values) {
            let artifact: Artifact = serde_json::from_value(artifact.clone()).unwrap_or_default();
            locations.extend(LOCATIONS.iter().filter_map(|kind| artifact.extra.get(*kind).cloned()));
        }
    }
    let (volumes, mounts) = secret_volumes(&locations);
    let mut args = vec!["artifact".to_owned(), "delete".to_owned()];
    args.extend(["--loglevel", &config.log_level, "--log-format", "text", "--gloglevel", "0"].map(str::to_owned));
    let mut main = json!({
        "name": "main", "image": config.executor_image, "command": ["argoexec"], "args": args,
        "env": [
            {"name": "ARGO_POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "ARGO_TEMPLATE", "value": "{}"},
            {"name": ENV_POD, "value": fnv32a(&request.name).to_string()},
        ],
        "securityContext": minimal_container(),
        "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}, "requests": {"cpu": "50m", "memory": "32Mi"}},
        "volumeMounts": mounts,
    });
    if let Some(policy) = &config.executor_image_pull_policy {
        main["imagePullPolicy"] = policy.clone().into();
    }
    let mut spec = json!({
        "volumes": volumes, "securityContext": minimal_pod(), "containers": [main],
        "automountServiceAccountToken": true, "restartPolicy": "Never",
    });
    if let Some(patch) = request.pod_spec_patch.as_deref().filter(|it| !it.is_empty()) {
        spec = super::super::spec::patched(&spec, patch)?;
    }
    if !request.service_account.is_empty() {
        spec["serviceAccountName"] = request.service_account.clone().into();
    }
    let mut labels = json!({
        LABEL_WORKFLOW: request.workflow, super::super::agent::spec::LABEL_COMPONENT: ARTIFACT_GC,
        LABEL_COMPLETED: "false",
    });
    let mut annotations = json!({ANNOTATION_STRATEGY: request.strategy});
    for (given, target) in [(&request.metadata.labels, &mut labels), (&request.metadata.annotations, &mut annotations)]
    {
        given.iter().for_each(|(key, value)| target[key.as_str()] = value.clone().into());
    }
    if let Some(id) = &config.instance_id {
        labels[LABEL_CONTROLLER_INSTANCE_ID] = id.clone().into();
    }
    // It goes with its task, and that with the workflow.
    let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowArtifactGCTask",
        "name": task_name(&request.name), "uid": uid, "controller": true, "blockOwnerDeletion": true});
    Ok(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": request.name, "namespace": request.namespace, "labels": labels,
            "annotations": annotations, "ownerReferences": [owner]},
        "spec": spec,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_gets_the_secrets_of_what_it_deletes_and_goes_with_its_task() {
        let request: GarbageRequest = serde_json::from_value(json!({
            "name": "wf-artgc-wfcomp-1", "strategy": "OnWorkflowCompletion", "serviceAccount": "deleter",
            "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "podSpecPatch": "priority: 7",
            "namespace": "ns", "workflow": "wf", "workflowUid": "u",
            "spec": {"artifactsByNode": {"n": {"artifacts": {"x": {"name": "x", "s3": {"key": "k"}}}}}},
        }))
        .unwrap();
        let repository = json!({"s3": {"bucket": "b", "endpoint": "e",
            "accessKeySecret": {"name": "cred", "key": "a"}, "secretKeySecret": {"name": "cred", "key": "s"}}});
        let task = task(&request, Some(&repository)).unwrap();
        assert_eq!(task["metadata"]["name"], "wf-artgc-wfcomp-1-0");
        assert_eq!(task["metadata"]["labels"][LABEL_POD], fnv32a("wf-artgc-wfcomp-1").to_string());
        assert_eq!(task["spec"]["artifactsByNode"]["n"]["archiveLocation"], repository);
        let pod = pod(&request, &task, "uid-2", &PodConfig::default()).unwrap();
        assert_eq!(pod["metadata"]["labels"]["workflows.argoproj.io/component"], "artifact-gc");
        assert_eq!((&pod["metadata"]["labels"]["a"], &pod["metadata"]["annotations"]["c"]), (&json!("b"), &json!("d")));
        assert_eq!(pod["metadata"]["annotations"][ANNOTATION_STRATEGY], "OnWorkflowCompletion");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "uid-2");
        let spec = &pod["spec"];
        assert_eq!((&spec["serviceAccountName"], &spec["priority"]), (&json!("deleter"), &json!(7)));
        assert_eq!(spec["volumes"][0]["secret"]["secretName"], "cred");
        assert_eq!(spec["volumes"][0]["secret"]["items"].as_array().unwrap().len(), 2);
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["mountPath"], "/argo/secret/cred");
        assert_eq!(spec["containers"][0]["args"][1], "delete");
    }
}

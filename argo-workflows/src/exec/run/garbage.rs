//! `artifact delete`: deletes the artifacts that the tasks of this pod name.

use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::json;

use super::{Settings, report};
use crate::{
    api::{ArtifactGcSpec, GROUP, VERSION},
    exec::{artifacts::Drivers, garbage::delete},
};

/// Label of a task: whose pod does it.
const LABEL_POD: &str = "workflows.argoproj.io/artifact-gc-pod";

pub(super) async fn run(settings: &Settings) -> Result<(), String> {
    let hash = std::env::var("ARGO_ARTIFACT_POD_NAME").map_err(|_| "ARGO_ARTIFACT_POD_NAME is not set")?;
    delete_tasks(report::client().await?, &settings.namespace, &hash, &Settings::drivers()).await
}

/// Deletes the artifacts of the tasks of a pod, and says there what came of it.
///
/// # Errors
/// When the tasks can not be read or written.
pub async fn delete_tasks(client: Client, namespace: &str, pod: &str, drivers: &Drivers) -> Result<(), String> {
    let kind = GroupVersionKind::gvk(GROUP, VERSION, "WorkflowArtifactGCTask");
    let kind = ApiResource::from_gvk_with_plural(&kind, "workflowartifactgctasks");
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &kind);
    let tasks = api.list(&ListParams::default().labels(&format!("{LABEL_POD}={pod}"))).await;
    let tasks = tasks.map_err(|it| format!("listing the tasks: {}", report::explain(&it)))?;
    for task in tasks {
        let name = task.metadata.name.clone().unwrap_or_default();
        let spec = task.data.get("spec").cloned().unwrap_or_default();
        let spec: ArtifactGcSpec = serde_json::from_value(spec).map_err(|it| format!("task {name}: {it}"))?;
        let results = delete(&spec, None, drivers).await;
        let body = json!({"status": {"artifactResultsByNode": results}});
        let written = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&body)).await;
        written.map_err(|it| format!("task {name}: {}", report::explain(&it)))?;
    }
    Ok(())
}

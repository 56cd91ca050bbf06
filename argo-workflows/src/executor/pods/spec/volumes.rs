//! Volumes and what is mounted where.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    INIT, TemplateType, WAIT,
    containers::{Pod, push},
    is_argo, list, text,
};
use crate::{
    api::{Artifact, LOCATIONS},
    exec::{MAIN_FILES, artifacts::has_location_or_key, outputs::MAIN, overlapping},
};

/// Where inputs are staged for mounting.
const ARTIFACTS: &str = "/argo/inputs/artifacts";

/// Adds every volume that the containers mention, and the executor's own.
pub(super) fn add(pod: &mut Pod<'_>, workflow: &Value) -> Result<(), String> {
    pod.volumes.extend(list(pod.template.extra.get("volumes")));
    if let Some(account) = pod.executor_account.clone() {
        // Tokens of this name are made for the account by whoever installs.
        pod.volumes.push(
            json!({"name": "exec-sa-token", "secret": {"secretName": format!("{account}.service-account-token")}}),
        );
    }
    referenced(pod, workflow)?;
    secrets(pod);
    input_artifacts(pod)?;
    staging(pod);
    mirror(pod);
    Ok(())
}

fn referenced(pod: &mut Pod<'_>, workflow: &Value) -> Result<(), String> {
    let mut known = list(workflow.get("volumes"));
    for claim in list(workflow.get("volumeClaimTemplates")) {
        let name = text(claim.pointer("/metadata/name")).unwrap_or_default();
        let made = format!("{}-{name}", pod.step.workflow.name);
        known.push(json!({"name": name, "persistentVolumeClaim": {"claimName": made}}));
    }
    let mounts: Vec<String> = pod
        .containers
        .iter()
        .chain(&pod.inits)
        .filter(|it| !is_argo(it["name"].as_str().unwrap_or_default()) && it["name"] != INIT)
        .flat_map(|it| list(it.get("volumeMounts")))
        .filter_map(|it| text(it.get("name")))
        .collect();
    for name in mounts {
        if pod.volumes.iter().any(|it| it["name"] == name.as_str()) || name == "exec-sa-token" {
            continue;
        }
        let Some(volume) = known.iter().find(|it| it["name"] == name.as_str()) else {
            return Err(format!("volume '{name}' not found in workflow spec"));
        };
        pod.volumes.push(volume.clone());
    }
    Ok(())
}

/// Selectors of secrets that a location holds.
const SECRETS: &[&str] = &[
    "/accessKeySecret",
    "/secretKeySecret",
    "/sessionTokenSecret",
    "/encryptionOptions/serverSideCustomerKeySecret",
    "/caSecret",
    "/usernameSecret",
    "/passwordSecret",
    "/sshPrivateKeySecret",
    "/krbCCacheSecret",
    "/krbKeytabSecret",
    "/serviceAccountKeySecret",
    "/accountKeySecret",
    "/auth/basicAuth/usernameSecret",
    "/auth/basicAuth/passwordSecret",
    "/auth/clientCert/clientCertSecret",
    "/auth/clientCert/clientKeySecret",
    "/auth/oauth2/clientIDSecret",
    "/auth/oauth2/clientSecretSecret",
    "/auth/oauth2/tokenURLSecret",
];

/// Credentials of artifacts, mounted only into the executor's containers.
fn secrets(pod: &mut Pod<'_>) {
    let location = pod.template.extra.get("archiveLocation").and_then(Value::as_object);
    let outputs = pod.template.outputs.iter().flat_map(|it| &it.artifacts);
    let inputs = pod.template.inputs.iter().flat_map(|it| &it.artifacts);
    let data = pod.template.data.as_ref().and_then(|it| it.pointer("/source/artifactPaths")).and_then(Value::as_object);
    let of =
        |it: &Artifact| -> Vec<Value> { LOCATIONS.iter().filter_map(|kind| it.extra.get(*kind).cloned()).collect() };
    let maps = location.into_iter().chain(data);
    let all: Vec<Value> = maps
        .flat_map(|it| LOCATIONS.iter().filter_map(|kind| it.get(*kind).cloned()).collect::<Vec<_>>())
        .chain(outputs.flat_map(of))
        .chain(inputs.flat_map(of))
        .collect();
    let (volumes, mounts) = secret_volumes(&all);
    pod.volumes.extend(volumes);
    let is_data = pod.kind == TemplateType::Data;
    for mount in mounts {
        for container in pod.containers.iter_mut().chain(&mut pod.inits) {
            let own = container["name"].as_str().unwrap_or_default();
            if own == WAIT || own == INIT || is_data && own == MAIN {
                push(container, "volumeMounts", mount.clone());
            }
        }
    }
}

/// Volumes with the keys of Secrets that locations name, and where they are mounted.
pub(in super::super) fn secret_volumes(locations: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for location in locations {
        for pointer in SECRETS {
            let Some(selector) = location.pointer(pointer) else { continue };
            let (Some(name), Some(key)) = (text(selector.get("name")), text(selector.get("key"))) else { continue };
            let known = keys.entry(name).or_default();
            if !known.contains(&key) {
                known.push(key);
            }
        }
    }
    let mut made = (Vec::new(), Vec::new());
    for (name, keys) in keys {
        let items: Vec<Value> = keys.iter().map(|it| json!({"key": it, "path": it})).collect();
        made.0.push(json!({"name": name, "secret": {"secretName": name, "items": items}}));
        made.1.push(json!({"name": name, "mountPath": format!("/argo/secret/{name}"), "readOnly": true}));
    }
    made
}

fn input_artifacts(pod: &mut Pod<'_>) -> Result<(), String> {
    let artifacts: Vec<&Artifact> = pod.template.inputs.iter().flat_map(|it| &it.artifacts).collect();
    if artifacts.is_empty() {
        return Ok(());
    }
    pod.volumes.push(json!({"name": "input-artifacts", "emptyDir": {}}));
    let mounts: Vec<Value> = crate::exec::volume_mounts(pod.template).into_iter().cloned().collect();
    for container in pod.inits.iter_mut().filter(|it| it["name"] == INIT) {
        push(container, "volumeMounts", json!({"name": "input-artifacts", "mountPath": ARTIFACTS}));
        for mount in &mounts {
            push(container, "volumeMounts", below_main(mount));
        }
    }
    for container in pod.containers.iter_mut().filter(|it| it["name"] == MAIN) {
        for artifact in &artifacts {
            if artifact.optional == Some(true) && !has_location_or_key(artifact) {
                continue;
            }
            let path = artifact.path.as_deref().filter(|it| !it.is_empty());
            let Some(path) = path else {
                return Err(format!(
                    "error in inputs.artifacts.{}: Artifact '{}' did not specify a path",
                    artifact.name, artifact.name
                ));
            };
            if overlapping(pod.template, path).is_none() {
                let at = if path == "/" { path } else { path.trim_end_matches('/') };
                push(
                    container,
                    "volumeMounts",
                    json!({"name": "input-artifacts", "mountPath": at, "subPath": artifact.name}),
                );
            }
        }
    }
    Ok(())
}

fn below_main(mount: &Value) -> Value {
    let mut mount = mount.clone();
    let path = text(mount.get("mountPath")).unwrap_or_default();
    mount["mountPath"] = format!("{MAIN_FILES}/{}", path.trim_matches('/')).trim_end_matches('/').into();
    mount
}

fn staging(pod: &mut Pod<'_>) {
    if pod.kind != TemplateType::Script {
        return;
    }
    pod.volumes.push(json!({"name": "argo-staging", "emptyDir": {}}));
    let mount = json!({"name": "argo-staging", "mountPath": "/argo/staging"});
    for container in pod.inits.iter_mut().filter(|it| it["name"] == INIT) {
        push(container, "volumeMounts", mount.clone());
    }
    for container in pod.containers.iter_mut().filter(|it| it["name"] == MAIN) {
        push(container, "volumeMounts", mount.clone());
    }
}

/// What the main container mounts, the executor sees below [`MAIN_FILES`].
fn mirror(pod: &mut Pod<'_>) {
    if matches!(pod.kind, TemplateType::Resource | TemplateType::Data) {
        return;
    }
    let main = pod.containers.iter().find(|it| it["name"] == MAIN);
    let mounts = list(main.and_then(|it| it.get("volumeMounts")));
    for container in pod.containers.iter_mut().filter(|it| is_argo(it["name"].as_str().unwrap_or_default())) {
        for mount in &mounts {
            let mut mount = below_main(mount);
            if let Some(map) = mount.as_object_mut() {
                map.remove("readOnly");
            }
            let taken = list(container.get("volumeMounts")).iter().any(|it| it["mountPath"] == mount["mountPath"]);
            if !taken {
                push(container, "volumeMounts", mount);
            }
        }
    }
}

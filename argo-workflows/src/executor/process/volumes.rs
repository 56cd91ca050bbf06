//! Volumes as directories.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Config, isolation::Bind, lookup::Source};
use crate::{
    engine::StepRequest,
    exec::{Mount, relative},
};

/// The volumes of a step, by name.
#[derive(Debug, Default)]
pub(super) struct Volumes(Vec<(String, PathBuf)>);

impl Volumes {
    /// Makes the volumes that a step may mount: `own` is its directory, `shared` that of its workflow.
    pub(super) async fn make(config: &Config, step: &StepRequest, own: &Path, shared: &Path) -> Result<Self, String> {
        let mut all = Self::default();
        let template = step.template.extra.get("volumes").and_then(Value::as_array).into_iter().flatten();
        let workflow = step.spec.extra.get("volumes").and_then(Value::as_array).into_iter().flatten();
        for volume in template.chain(workflow) {
            let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
            if all.0.iter().any(|it| it.0 == name) || !used(step, name) {
                continue;
            }
            let at = Self::one(config, step, volume, name, own, shared).await?;
            all.0.push((name.to_owned(), at));
        }
        for claim in step.spec.volume_claim_templates.iter().flatten() {
            let name = claim.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            if !all.0.iter().any(|it| it.0 == name) {
                all.0.push((name.to_owned(), directory(shared.join("claims"), name)?));
            }
        }
        Ok(all)
    }

    async fn one(
        config: &Config,
        step: &StepRequest,
        volume: &Value,
        name: &str,
        own: &Path,
        shared: &Path,
    ) -> Result<PathBuf, String> {
        if let Some(claim) = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
            return directory(shared.join("claims"), claim);
        }
        let at = directory(own.join("volumes"), name)?;
        if volume.get("emptyDir").is_some() {
            return Ok(at);
        }
        for (key, field, source) in [("configMap", "name", Source::ConfigMap), ("secret", "secretName", Source::Secret)]
        {
            let Some(reference) = volume.get(key) else { continue };
            let object = reference.get(field).and_then(Value::as_str).unwrap_or_default();
            let Some(lookup) = &config.lookup else {
                return Err(format!("volumes.{name}.{key} is not supported by the process executor"));
            };
            let data = lookup.data(source, step.workflow.namespace(), object).await;
            let optional = reference.get("optional") == Some(&Value::Bool(true));
            let Some(data) = data else {
                if optional {
                    return Ok(at);
                }
                return Err(format!(
                    "MountVolume.SetUp failed for volume \"{name}\" : {} \"{object}\" not found",
                    key.to_lowercase()
                ));
            };
            let items = reference.get("items").and_then(Value::as_array).filter(|it| !it.is_empty());
            let wanted: Vec<(String, String)> = match items {
                None => data.keys().map(|it| (it.clone(), it.clone())).collect(),
                Some(items) => {
                    let text =
                        |it: &Value, field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                    items.iter().map(|it| (text(it, "key"), text(it, "path"))).collect()
                }
            };
            for (key, path) in wanted {
                let Some(value) = data.get(&key) else {
                    return Err(format!("volumes.{name}: {source} {object} has no key {key}"));
                };
                let path = relative(&path).ok_or_else(|| format!("volumes.{name}: path {path} leads out of it"))?;
                let file = at.join(path);
                let written =
                    file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&file, value));
                written.map_err(|it| format!("volumes.{name}: {it}"))?;
            }
            return Ok(at);
        }
        let kind = volume.as_object().and_then(|it| it.keys().find(|it| *it != "name")).cloned().unwrap_or_default();
        Err(format!("volumes.{name}.{kind} is not supported by the process executor"))
    }

    /// A mount of one of the volumes.
    pub(super) fn bind(&self, field: &str, mount: &Value) -> Result<Bind, String> {
        let text = |it: &str| mount.get(it).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        let Some((_, at)) = self.0.iter().find(|it| it.0 == name) else {
            return Err(format!("volume '{name}' not found in workflow spec"));
        };
        let outside = |it: &str| format!("{field}.volumeMounts.{name}: {it} leads out of it");
        let sub = text("subPath");
        let from = at.join(relative(sub).ok_or_else(|| outside(sub))?);
        if !from.exists() {
            std::fs::create_dir_all(&from).map_err(|it| format!("{field}.volumeMounts.{name}: {it}"))?;
        }
        let path = text("mountPath");
        let to = relative(path).filter(|it| !it.as_os_str().is_empty()).ok_or_else(|| outside(path))?;
        Ok(Bind {
            from,
            to: format!("/{}", to.display()),
            read_only: mount.get("readOnly") == Some(&Value::Bool(true)),
        })
    }

    /// Where mounts of the main container lie.
    pub(super) fn mounts(binds: &[Bind]) -> Vec<Mount> {
        binds.iter().map(|it| Mount { path: it.to.clone(), at: it.from.clone() }).collect()
    }
}

fn used(step: &StepRequest, name: &str) -> bool {
    let template = serde_json::to_value(&step.template).unwrap_or_default();
    let mut open = vec![&template];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                let mounts = map.get("volumeMounts").and_then(Value::as_array);
                if mounts.into_iter().flatten().any(|it| it.get("name").and_then(Value::as_str) == Some(name)) {
                    return true;
                }
                open.extend(map.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    false
}

fn directory(parent: PathBuf, name: &str) -> Result<PathBuf, String> {
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    if !plain {
        return Err(format!("volume '{name}' can not name a directory"));
    }
    let at = parent.join(name);
    std::fs::create_dir_all(&at).map_err(|it| format!("volumes.{name}: {it}"))?;
    // As an emptyDir: whoever runs may write.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o777))
        .map_err(|it| format!("volumes.{name}: {it}"))?;
    Ok(at)
}

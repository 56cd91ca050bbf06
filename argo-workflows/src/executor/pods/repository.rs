//! Where the artifacts of a workflow go: ConfigMaps of its namespace, or the controller's setting.

use std::{collections::BTreeMap, time::Duration};

use argo_core::{Failure as _, Timestamp};
use serde_json::Value;

use super::{ArtifactRepository, PodsExecutor, Unresolved, config_map, text};
use crate::{engine::StepRequest, executor::ExecutorError};

/// How long an answer is taken for true.
const FRESH: Duration = Duration::from_secs(10);
/// Name of the ConfigMap where nothing else is said.
const DEFAULT_MAP: &str = "artifact-repositories";
/// Annotation of that ConfigMap: the key where nothing else is said.
const ANNOTATION_DEFAULT: &str = "workflows.argoproj.io/default-artifact-repository";

/// Answers by namespace, ConfigMap and key.
#[derive(Debug, Default)]
pub(super) struct Memo(BTreeMap<(String, String, String), (Timestamp, Option<ArtifactRepository>)>);

impl PodsExecutor {
    /// The repository of a step's workflow.
    pub(super) async fn repository(&self, step: &StepRequest) -> Result<Option<ArtifactRepository>, Unresolved> {
        if let Some(found) = step.repository.as_ref().and_then(ArtifactRepository::read) {
            // Found when the workflow began, and kept in its status.
            return Ok(Some(found));
        }
        let reference = step.spec.extra.get("artifactRepositoryRef").filter(|it| it.is_object());
        let name = reference.and_then(|it| text(it, "configMap")).unwrap_or(DEFAULT_MAP);
        let key = reference.and_then(|it| text(it, "key")).unwrap_or_default();
        let place = (step.workflow.namespace().to_owned(), name.to_owned(), key.to_owned());
        let now = self.0.context.now();
        let mut memo = self.0.repositories.lock().await;
        if let Some((at, found)) = memo.0.get(&place)
            && argo_core::time::between(*at, now) < FRESH
        {
            return Ok(found.clone());
        }
        let map = self.0.context.get(&config_map(&place.0, name)).await;
        let map = map.map_err(|error| {
            Unresolved::Later(ExecutorError {
                node: step.node_id.clone(),
                message: format!("reading ConfigMap {name}: {error}"),
                category: error.category(),
            })
        })?;
        let found = match map {
            Some(map) => {
                let key = if key.is_empty() { map.annotation(ANNOTATION_DEFAULT).unwrap_or_default() } else { key };
                let yaml = map.pointer("/data").and_then(|it| it.get(key)).and_then(Value::as_str);
                match yaml {
                    Some(yaml) => {
                        let value = argo_lang::yaml::decode(yaml)
                            .map_err(|it| Unresolved::Never(format!("ConfigMap {name}, key {key}: {it}")))?;
                        ArtifactRepository::read(&value)
                    }
                    None if reference.is_some() => {
                        return Err(Unresolved::Never(format!(
                            "config map missing key {key} for artifact repository ref \"{}/{name}#{key}\"",
                            place.0
                        )));
                    }
                    None => self.0.config.repository.clone(),
                }
            }
            None if reference.is_some() => {
                return Err(Unresolved::Never(format!(
                    "failed to find any artifact repository for artifact repository ref \"{}/{name}#{key}\"",
                    place.0
                )));
            }
            None => self.0.config.repository.clone(),
        };
        memo.0.insert(place, (now, found.clone()));
        Ok(found)
    }
}

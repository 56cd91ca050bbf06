//! Where the artifacts of a workflow go that do not say it themselves: found once, and kept in its status.

use std::{collections::BTreeMap, time::Duration};

use argo_core::{Category, Failure as _, Gvk, Object, ObjectRef, Timestamp, error::BoxFailure, runtime::Context};
use serde_json::{Map, Value, json};

use crate::engine::Compiled;

/// How long an answer is taken for true.
const FRESH: Duration = Duration::from_secs(10);
/// Name of the ConfigMap where nothing else is said.
const DEFAULT_MAP: &str = "artifact-repositories";
/// Annotation of that ConfigMap: the key where nothing else is said.
const ANNOTATION_DEFAULT: &str = "workflows.argoproj.io/default-artifact-repository";

/// ConfigMaps by namespace and name, as they were a moment ago.
#[derive(Default)]
pub(super) struct Repositories(tokio::sync::Mutex<Known>);

type Known = BTreeMap<(String, String), (Timestamp, Option<Object>)>;

/// What is known of a workflow's repository.
pub(super) enum Resolved {
    /// An ArtifactRepositoryRefStatus.
    Found(Value),
    /// There is none of this name: the workflow can not run.
    Missing(String),
}

impl Repositories {
    /// The repository of a workflow of `namespace`; `own` is the controller's namespace, `default` its setting.
    pub(super) async fn resolve(
        &self,
        context: &Context,
        compiled: &Compiled,
        namespace: &str,
        own: Option<&str>,
        default: Option<&Value>,
    ) -> Result<Resolved, BoxFailure> {
        let reference = compiled.spec.extra.get("artifactRepositoryRef").filter(|it| it.is_object());
        let text = |field: &str| reference.and_then(|it| it.get(field)?.as_str()).filter(|it| !it.is_empty());
        let name = text("configMap").unwrap_or(DEFAULT_MAP);
        let places = [Some(namespace), own.filter(|it| reference.is_some() && *it != namespace)];
        for place in places.into_iter().flatten() {
            let Some(map) = self.map(context, place, name, reference.is_some()).await? else { continue };
            let key = text("key").or_else(|| map.annotation(ANNOTATION_DEFAULT)).unwrap_or_default();
            let Some(yaml) = map.pointer("/data").and_then(|it| it.get(key)).and_then(Value::as_str) else {
                continue;
            };
            let shown = format!("{place}/{name}#{key}");
            return Ok(match argo_lang::yaml::decode(yaml) {
                Ok(repository) => {
                    let repository = if repository.is_object() { repository } else { json!({}) };
                    let found =
                        json!({"configMap": name, "key": key, "namespace": place, "artifactRepository": repository});
                    Resolved::Found(found)
                }
                Err(error) => Resolved::Missing(format!(
                    "failed to resolve artifact repository: error getting config map for artifact repository ref \"{shown}\": failed to unmarshall config map key \"{key}\" for artifact repository ref \"{shown}\": {error}"
                )),
            });
        }
        if reference.is_some() {
            let shown = format!("{name}#{}", text("key").unwrap_or_default());
            return Ok(Resolved::Missing(format!(
                "failed to resolve artifact repository: failed to find any artifact repository for artifact repository ref \"{shown}\""
            )));
        }
        let mut found = Map::from_iter([("default".to_owned(), Value::Bool(true))]);
        if let Some(default) = default {
            found.insert("artifactRepository".to_owned(), default.clone());
        }
        Ok(Resolved::Found(found.into()))
    }

    async fn map(
        &self,
        context: &Context,
        namespace: &str,
        name: &str,
        is_named: bool,
    ) -> Result<Option<Object>, BoxFailure> {
        let now = context.now();
        let place = (namespace.to_owned(), name.to_owned());
        let mut memo = self.0.lock().await;
        if let Some((at, found)) = memo.get(&place)
            && argo_core::time::between(*at, now) < FRESH
        {
            return Ok(found.clone());
        }
        let target = ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some(namespace), name);
        let found = match context.get(&target).await {
            Ok(found) => found,
            // Who may not read what nobody named has none.
            Err(error) if error.category() == Category::Forbidden && !is_named => None,
            Err(error) => return Err(error.into()),
        };
        memo.insert(place, (now, found.clone()));
        Ok(found)
    }
}

//! `argocd-update`: changes Argo CD Applications, syncs them and waits for the operation.

use std::time::Duration;

use argo_core::{Note, Object, ObjectRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{HealthCheck, StepContext, StepDefaults, StepError, StepOutcome, StepResult, StepRunner};
use crate::{
    api::{LabelSelector, names},
    engine::argocd::{self, Initiator, Operation, SourceUpdate},
};

/// Syncs Argo CD Applications.
#[derive(Debug, Clone)]
pub struct ArgoCdUpdate {
    namespace: String,
}

impl ArgoCdUpdate {
    /// With the namespace of Applications that do not name one.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into() }
    }
}

impl Default for ArgoCdUpdate {
    fn default() -> Self {
        Self::new("argocd")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    apps: Vec<AppConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AppConfig {
    #[serde(default)]
    name: String,
    #[serde(default)]
    selector: Option<LabelSelector>,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    sources: Vec<SourceConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SourceConfig {
    #[serde(rename = "repoURL")]
    repo_url: String,
    #[serde(default)]
    chart: String,
    #[serde(default)]
    desired_revision: String,
    #[serde(default)]
    update_target_revision: bool,
    #[serde(default)]
    kustomize: Option<KustomizeConfig>,
    #[serde(default)]
    helm: Option<HelmConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KustomizeConfig {
    images: Vec<KustomizeImage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KustomizeImage {
    #[serde(rename = "repoURL")]
    repo_url: String,
    #[serde(default)]
    new_name: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HelmConfig {
    images: Vec<HelmImage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HelmImage {
    key: String,
    value: Value,
}

impl SourceConfig {
    fn update(&self) -> SourceUpdate {
        let image = |it: &KustomizeImage| {
            let mut text =
                if it.new_name.is_empty() { it.repo_url.clone() } else { format!("{}={}", it.repo_url, it.new_name) };
            if !it.digest.is_empty() {
                text.push_str(&format!("@{}", it.digest));
            } else if !it.tag.is_empty() {
                text.push_str(&format!(":{}", it.tag));
            }
            (it.repo_url.clone(), text)
        };
        let parameter = |it: &HelmImage| {
            let value = it.value.as_str().map_or_else(|| it.value.to_string(), str::to_owned);
            (it.key.clone(), value)
        };
        SourceUpdate {
            repo_url: self.repo_url.clone(),
            chart: self.chart.clone(),
            desired_revision: self.desired_revision.clone(),
            update_target_revision: self.update_target_revision,
            kustomize_images: self.kustomize.iter().flat_map(|it| it.images.iter().map(image)).collect(),
            helm_parameters: self.helm.iter().flat_map(|it| it.images.iter().map(parameter)).collect(),
        }
    }
}

#[async_trait::async_trait]
impl StepRunner for ArgoCdUpdate {
    fn kind(&self) -> &str {
        "argocd-update"
    }

    fn defaults(&self) -> StepDefaults {
        StepDefaults { timeout: Some(Duration::from_secs(300)), uses_files: false, ..StepDefaults::default() }
    }

    async fn run(&self, context: &StepContext<'_>) -> StepResult {
        let config: Config = context.parse(self.kind())?;
        if config.apps.is_empty() {
            return Err(StepError::failed("invalid argocd-update config: apps: at least one is required"));
        }
        let initiator = Initiator { promotion: context.promotion, actor: context.actor };
        // Everything is decided before anything is changed: one bad source stops all.
        let mut decided = Vec::new();
        for wanted in &config.apps {
            let updates: Vec<SourceUpdate> = wanted.sources.iter().map(SourceConfig::update).collect();
            for app in self.find(context, wanted).await? {
                let operation =
                    argocd::operate(&app, &updates, initiator).map_err(|it| StepError::failed(it.to_string()))?;
                let revisions = argocd::desired_revisions(&app, &updates);
                decided.push((app, operation, revisions));
            }
        }
        let mut waiting = Vec::new();
        let mut failed = None;
        for (app, operation, _) in &decided {
            match operation {
                Operation::Start(change) => {
                    context.cluster.apply(change).await.map_err(|it| StepError::from_failure(&it)).or_else(conflict)?;
                    let message = format!("initiated sync for promotion {}", context.promotion);
                    context.cluster.note(app, &Note::normal(names::events::OPERATION_STARTED, message)).await;
                    waiting.push(format!("operation of Argo CD Application {} started", app.key()));
                }
                Operation::Wait(why) => waiting.push(why.clone()),
                Operation::Failed(why) => failed = failed.or_else(|| Some(why.clone())),
                Operation::Succeeded => {}
            }
        }
        if let Some(why) = failed {
            return Err(StepError { terminal: true, ..StepError::retryable(why) });
        }
        if !waiting.is_empty() {
            return Ok(StepOutcome::pending(waiting.join("; ")));
        }
        let apps: Vec<Value> = decided
            .iter()
            .map(|(app, _, revisions)| {
                let mut target = json!({"name": app.name(), "namespace": app.namespace()});
                if revisions.iter().any(|it| !it.is_empty()) {
                    target["desiredRevisions"] = json!(revisions);
                }
                target
            })
            .collect();
        let check =
            HealthCheck { uses: self.kind().to_owned(), config: Some(json!({"apps": apps})), ..HealthCheck::default() };
        Ok(StepOutcome::Succeeded { output: None, health_check: Some(check), message: String::new() })
    }
}

/// Somebody else wrote first: look again at what they wrote.
fn conflict(error: StepError) -> Result<Option<Object>, StepError> {
    if error.message.contains("conflict") || error.message.contains("the object has been modified") {
        return Ok(None);
    }
    Err(error)
}

impl ArgoCdUpdate {
    /// The Applications that are meant. By name they must be there and allow it; by selector those that do not allow
    /// it are left out.
    async fn find(&self, context: &StepContext<'_>, wanted: &AppConfig) -> Result<Vec<Object>, StepError> {
        let namespace = if wanted.namespace.is_empty() { self.namespace.as_str() } else { wanted.namespace.as_str() };
        let allowed = |it: &Object| argocd::is_authorized(it, context.project, context.stage);
        if !wanted.name.is_empty() {
            let target = ObjectRef::new(argocd::application(), Some(namespace), &wanted.name);
            let app = context.cluster.get(&target).await?;
            let app = app.ok_or_else(|| {
                StepError::retryable(format!(
                    "unable to find Argo CD Application {:?} in namespace {namespace:?}",
                    wanted.name
                ))
            })?;
            if !allowed(&app) {
                return Err(StepError::terminal(format!(
                    "Argo CD Application {:?} in namespace {namespace:?} does not permit mutation by Kargo Stage {:?} in namespace {:?}",
                    wanted.name, context.stage, context.project
                )));
            }
            return Ok(vec![app]);
        }
        let Some(selector) = &wanted.selector else {
            return Err(StepError::failed("invalid argocd-update config: apps: one of name and selector is required"));
        };
        let mut apps = context.cluster.list(&argocd::application(), namespace).await?;
        apps.retain(|it| {
            let labels = it.labels().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            selector.matches(&labels) && allowed(it)
        });
        apps.sort_by(|a, b| a.name().cmp(b.name()));
        if apps.is_empty() {
            return Err(StepError::retryable(format!(
                "no Argo CD Applications that permit mutation by Kargo Stage {:?} match the selector in namespace {namespace:?}",
                context.stage
            )));
        }
        Ok(apps)
    }
}

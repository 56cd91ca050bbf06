//! Stages.

use std::sync::Arc;

use argo_core::{
    Change, Object, ObjectKey,
    runtime::{Cache, CacheEvent, Controller, Outcome, Reconcile, ReconcileResult},
};
use serde_json::json;

use super::{
    carry::Carrier,
    shared::{Shared, decoded},
};
use crate::{
    admission::validate_stage,
    api::{Freight, ProjectConfig, Promotion, Stage, names},
    engine::{
        argocd,
        expression::Data,
        names::label_value,
        stage::{self, Effect, Rollouts, World},
    },
};

const NAME: &str = "kargo-stages";
/// How often expressions may ask for more before the pass is given up.
const LOADS: usize = 8;

struct Stages(Arc<Shared>);

pub(super) fn controller(shared: &Arc<Shared>) -> Controller {
    let mut controller = Controller::new(NAME, shared.context.clone(), Arc::new(Stages(shared.clone())))
        .primary(shared.stages.clone())
        .watches(shared.promotions.clone(), |event| {
            let stage = event.object().map(|it| it.text("/spec/stage").to_owned()).unwrap_or_default();
            vec![ObjectKey::new(Some(event.key.namespace()), &stage)]
        });
    let stages = shared.stages.clone();
    controller = controller.watches(shared.freight.clone(), move |event| {
        let origin = event.object().map(|it| it.text("/origin/name").to_owned()).unwrap_or_default();
        let wants = |it: &Object| {
            let requests = it.pointer("/spec/requestedFreight").and_then(|it| it.as_array());
            requests.into_iter().flatten().any(|it| it["origin"]["name"] == origin.as_str())
        };
        keys(&stages, event.key.namespace(), wants)
    });
    for cache in [&shared.project_configs, &shared.warehouses] {
        let stages = shared.stages.clone();
        controller = controller.watches(cache.clone(), move |event| keys(&stages, event.key.namespace(), |_| true));
    }
    if let Some(runs) = &shared.runs {
        let stages = shared.stages.clone();
        controller = controller.watches(runs.clone(), move |event| {
            let label = event.object().and_then(|it| it.label(names::LABEL_STAGE).map(str::to_owned));
            let Some(label) = label else { return Vec::new() };
            keys(&stages, event.key.namespace(), |it| label_value(it.name()) == label)
        });
    }
    if let Some(applications) = &shared.applications {
        controller = controller.watches(applications.clone(), |event| {
            if event.old.as_ref().zip(event.new.as_ref()).is_some_and(|(old, new)| seen(old) == seen(new)) {
                return Vec::new();
            }
            event.object().map(|it| stage_keys(it)).unwrap_or_default()
        });
    }
    controller
}

fn keys(stages: &Cache, namespace: &str, wanted: impl Fn(&Object) -> bool) -> Vec<ObjectKey> {
    stages.in_namespace(namespace).iter().filter(|it| wanted(it)).map(|it| it.key()).collect()
}

/// The Stages that may change an Application.
fn stage_keys(app: &Object) -> Vec<ObjectKey> {
    argocd::authorized_stages(app).map(|(project, stage)| ObjectKey::new(Some(project), stage)).collect()
}

/// What of an Application matters to a Stage.
fn seen(app: &Object) -> Vec<Option<&serde_json::Value>> {
    let parts = [
        "/status/health",
        "/status/sync/revision",
        "/status/sync/revisions",
        "/status/operationState/phase",
        "/status/operationState/finishedAt",
        "/status/reconciledAt",
        "/status/conditions",
        "/metadata/annotations",
    ];
    parts.into_iter().map(|it| app.pointer(it)).collect()
}

#[async_trait::async_trait]
impl Reconcile for Stages {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let shared = &self.0;
        let carrier = Carrier { context: &shared.context, controller: NAME, key };
        let Some(read) = shared.stages.get(key) else { return Ok(Outcome::DONE) };
        let stage: Stage = match read.decode() {
            Ok(stage) => stage,
            Err(error) => {
                carrier.undecodable(&read, &error.to_string()).await?;
                return Ok(Outcome::DONE);
            }
        };
        if !shared.is_mine(&stage.spec.shard) {
            return Ok(Outcome::DONE);
        }
        let project = key.namespace();
        let freight: Vec<(Object, Freight)> = shared
            .freight
            .in_namespace(project)
            .iter()
            .filter_map(|it| Some(((**it).clone(), it.decode().ok()?)))
            .collect();
        let runs = shared.runs(project);
        if read.is_deleting() {
            let plan = stage::delete(&read, &stage, &freight, runs.as_deref().unwrap_or_default());
            for change in plan.changes() {
                carrier.change(change).await?;
            }
            return Ok(Outcome::DONE);
        }
        if !read.has_finalizer(names::FINALIZER) {
            let all: Vec<&str> = read.finalizers().chain([names::FINALIZER]).collect();
            let mut to = (*read).clone();
            to.set(&["metadata", "finalizers"], json!(all));
            if let Some(change) = Change::merge_between(&read, &to) {
                carrier.change(&change).await?;
            }
            // The write brings the next pass.
            return Ok(Outcome::wake_at(shared.now()));
        }
        if let Err(error) = validate_stage(&stage) {
            let status = stage::failed(&stage, &error.to_string(), shared.now());
            if status != stage.status {
                carrier.status(&read, &status).await?;
            }
            return Ok(Outcome::DONE);
        }
        let promotions: Vec<Promotion> = decoded(&shared.promotions, project)
            .into_iter()
            .filter(|it: &Promotion| it.spec.stage == key.name)
            .collect();
        let config = shared.project_configs.get(&ObjectKey::new(Some(project), project));
        let config = config.and_then(|it| it.decode::<ProjectConfig>().ok()).unwrap_or_default();
        let warehouses = shared.warehouses(project);
        let applications = shared.applications();
        let templates = shared.templates(project);
        let tasks = shared.tasks(project);
        let actor = shared.actor("stage-controller");
        let mut data = Data::default();
        for _ in 0..LOADS {
            let world = World {
                read: &read,
                stage: &stage,
                promotions: &promotions,
                freight: &freight,
                warehouses: &warehouses,
                policies: &config.spec.promotion_policies,
                applications: applications.as_ref(),
                rollouts: runs.as_deref().map(|runs| Rollouts { runs, templates: &templates }),
                tasks: &tasks,
                data: &data,
                actor: &actor,
                now: shared.now(),
            };
            let plan = stage::pass(&world);
            let needs = plan.effects().map(|Effect::Load(needs)| needs.clone()).next();
            if let Some(needs) = needs {
                shared.load(project, needs, &mut data).await?;
                continue;
            }
            for change in plan.changes() {
                carrier.change(change).await?;
            }
            let mut object = (*read).clone();
            if let Some(status) = &plan.status {
                object = carrier.status(&read, status).await?;
            }
            carrier.notes(&object, &plan.notes).await;
            return Ok(plan.wake.into());
        }
        let status = stage::failed(&stage, "expressions keep asking for more objects", shared.now());
        carrier.status(&read, &status).await?;
        Ok(Outcome::DONE)
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        let shared = &self.0;
        let carrier = Carrier { context: &shared.context, controller: NAME, key };
        let Some(read) = shared.stages.get(key) else { return };
        let Ok(stage) = read.decode::<Stage>() else { return };
        if let Err(error) = carrier.status(&read, &stage::failed(&stage, message, shared.now())).await {
            tracing::warn!(stage = %key, %error, "could not show a failure");
        }
    }
}

pub(super) fn current_promotion(stages: &Cache, event: &CacheEvent) -> Vec<ObjectKey> {
    let keys = event.object().map(|it| stage_keys(it)).unwrap_or_default();
    keys.into_iter()
        .filter_map(|key| {
            let stage = stages.get(&key)?;
            let name = stage.text("/status/currentPromotion/name");
            (!name.is_empty()).then(|| ObjectKey::new(key.namespace.as_deref(), name))
        })
        .collect()
}

//! Promotions: passes of the engine, and the steps it wants run.

use std::{panic::AssertUnwindSafe, sync::Arc};

use argo_core::{
    Object, ObjectKey, Time,
    runtime::{CacheEvent, Controller, Outcome, Reconcile, ReconcileResult},
};
use futures::FutureExt;

use super::{
    carry::Carrier,
    shared::{ContextCluster, Shared},
    stage::current_promotion,
};
use crate::{
    api::{Promotion, PromotionPhase, names},
    engine::{
        expression::Data,
        promotion::{self, Effect, Kinds, StepCall, StepError, StepResult, World},
    },
    steps::{Folder, StepContext},
};

const NAME: &str = "kargo-promotions";
/// Most turns of one pass: each runs a step or loads objects.
const TURNS: usize = 1000;

struct Promotions(Arc<Shared>);

pub(super) fn controller(shared: &Arc<Shared>) -> Controller {
    let poke = |shared: &Arc<Shared>, keys: Vec<ObjectKey>| {
        for key in &keys {
            shared.waits.poke(key);
        }
        keys
    };
    let by_stage = {
        let shared = shared.clone();
        move |event: &CacheEvent| {
            let current = |it: &Option<Arc<Object>>| {
                it.as_ref().map(|it| it.text("/status/currentPromotion/name").to_owned()).unwrap_or_default()
            };
            let name = current(&event.new);
            if name.is_empty() || name == current(&event.old) {
                return Vec::new();
            }
            poke(&shared, vec![ObjectKey::new(Some(event.key.namespace()), &name)])
        }
    };
    let mut controller = Controller::new(NAME, shared.context.clone(), Arc::new(Promotions(shared.clone())))
        .workers(8)
        .primary(shared.promotions.clone())
        .watches(shared.stages.clone(), by_stage);
    if let Some(applications) = &shared.applications {
        let shared = shared.clone();
        controller = controller
            .watches(applications.clone(), move |event| poke(&shared, current_promotion(&shared.stages, event)));
    }
    controller
}

#[async_trait::async_trait]
impl Reconcile for Promotions {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let shared = &self.0;
        let carrier = Carrier { context: &shared.context, controller: NAME, key };
        let Some(read) = shared.promotions.get(key) else {
            shared.waits.forget(key);
            return Ok(Outcome::DONE);
        };
        let mut promotion: Promotion = match read.decode() {
            Ok(promotion) => promotion,
            Err(error) => {
                carrier.undecodable(&read, &error.to_string()).await?;
                return Ok(Outcome::DONE);
            }
        };
        let stage = shared.stage(key.namespace(), &promotion.spec.stage);
        if !shared.is_mine(stage.as_ref().map_or("", |it| it.spec.shard.as_str())) {
            return Ok(Outcome::DONE);
        }
        let folder = shared.workspace.folder(read.uid());
        if promotion.status.phase.is_terminal() || read.is_deleting() {
            shared.waits.forget(key);
            folder.remove()?;
            return Ok(Outcome::DONE);
        }
        if let Some(until) = shared.waits.until(key, read.resource_version(), shared.now()) {
            return Ok(Outcome::wake_at(until));
        }
        let mut read = (*read).clone();
        let mut data = Data::default();
        for _ in 0..TURNS {
            let stage = shared.stage(key.namespace(), &promotion.spec.stage);
            let (freight, warehouses) = (shared.freight(key.namespace()), shared.warehouses(key.namespace()));
            let tasks = shared.tasks(key.namespace());
            let world = World {
                read: &read,
                promotion: &promotion,
                stage: stage.as_ref(),
                freight: &freight,
                warehouses: &warehouses,
                tasks: &tasks,
                data: &data,
                kinds: &shared.registry,
                files_present: folder.exists(),
                ui_base_url: &shared.settings.ui_base_url,
                now: shared.now(),
            };
            let mut plan = promotion::pass(&world);
            for change in plan.changes() {
                let written = carrier.change(change).await?;
                // A change of the Promotion itself brings the next pass.
                if written.is_some_and(|it| it.reference() == read.reference()) {
                    return Ok(Outcome::DONE);
                }
            }
            if let Some(status) = plan.status.take() {
                read = carrier.status(&read, &status).await?;
                promotion.status = status;
            }
            carrier.notes(&read, &plan.notes).await;
            match plan.actions.into_iter().find_map(|it| match it {
                argo_core::plan::Action::Effect(effect) => Some(effect),
                argo_core::plan::Action::Change(_) => None,
            }) {
                None => {
                    if promotion.status.phase.is_terminal() {
                        folder.remove()?;
                    }
                    return Ok(plan.wake.into());
                }
                Some(Effect::Load(needs)) => shared.load(key.namespace(), needs, &mut data).await?,
                Some(Effect::Run(call)) => {
                    folder.create()?;
                    if let Some(until) = self.run(&carrier, &mut read, &mut promotion, &call, &folder).await? {
                        return Ok(Outcome::wake_at(until));
                    }
                    // A step may have taken long: what expressions read is read afresh for the next.
                    data = Data::default();
                    if self.is_aborted(key) {
                        return Ok(Outcome::wake_at(shared.now()));
                    }
                }
            }
        }
        Ok(Outcome::wake_at(shared.now()))
    }

    async fn failed(&self, key: &ObjectKey, message: &str) {
        let shared = &self.0;
        let carrier = Carrier { context: &shared.context, controller: NAME, key };
        let Some(read) = shared.promotions.get(key) else { return };
        let Ok(promotion) = read.decode::<Promotion>() else { return };
        let mut status = promotion.status;
        if status.phase.is_terminal() {
            return;
        }
        status.phase = PromotionPhase::Errored;
        status.message = crate::api::bounded(message);
        status.finished_at = Some(Time::new(shared.now()));
        if let Err(error) = carrier.status(&read, &status).await {
            tracing::warn!(promotion = %key, %error, "could not show a failure");
        }
    }
}

impl Promotions {
    /// Whether somebody has asked for the end since this pass began.
    fn is_aborted(&self, key: &ObjectKey) -> bool {
        self.0.promotions.get(key).is_some_and(|it| it.annotation(names::ANNOTATION_ABORT).is_some())
    }

    /// Runs one step and writes how it went; returns until when the promotion waits, if it does.
    async fn run(
        &self,
        carrier: &Carrier<'_>,
        read: &mut Object,
        promotion: &mut Promotion,
        call: &StepCall,
        folder: &Folder,
    ) -> Result<Option<argo_core::Timestamp>, argo_core::BoxFailure> {
        let shared = &self.0;
        let result = self.call(carrier, promotion, call, folder).await;
        let Some(step) = promotion.spec.steps.get(call.index) else { return Ok(None) };
        let defaults = shared.registry.defaults(&call.uses).unwrap_or_default();
        if let Err(error) = &result {
            let message = call.evaluator.redact(&error.message);
            tracing::info!(promotion = %carrier.key, step = call.alias, message, "step did not succeed");
        }
        let now = shared.now();
        let recorded = promotion::record(promotion.status.clone(), step, call, defaults, result, now);
        *read = carrier.status(read, &recorded.status).await?;
        promotion.status = recorded.status;
        if let Some(until) = recorded.wake {
            shared.waits.set(carrier.key, read.resource_version(), until);
        }
        Ok(recorded.wake)
    }

    async fn call(&self, carrier: &Carrier<'_>, promotion: &Promotion, call: &StepCall, folder: &Folder) -> StepResult {
        let shared = &self.0;
        let Some(runner) = shared.registry.get(&call.uses) else {
            return Err(StepError::terminal(format!("step kind {:?} is not registered on this controller", call.uses)));
        };
        let cluster = ContextCluster {
            context: &shared.context,
            controller: NAME,
            key: carrier.key,
            applications: shared.applications.is_some(),
        };
        let author = shared.author();
        let context = StepContext {
            project: promotion.namespace(),
            stage: &promotion.spec.stage,
            promotion: promotion.name(),
            alias: &call.alias,
            config: &call.config,
            earlier_output: call.earlier_output.as_ref(),
            freight: &call.freight,
            actor: &call.actor,
            folder,
            cluster: &cluster,
            credentials: shared.credentials.as_ref(),
            author: &author,
            ui_base_url: &shared.settings.ui_base_url,
            now: shared.now(),
        };
        // A bug in one step ends its promotion, not the controller.
        let run = AssertUnwindSafe(runner.run(&context)).catch_unwind();
        run.await
            .unwrap_or_else(|_| Err(StepError::terminal(format!("internal error: step {:?} panicked", call.alias))))
    }
}

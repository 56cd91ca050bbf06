//! One pass over a Promotion: wait for the turn, run the steps in order, end.
//!
//! ```text
//!  ""  -> Pending -> Running -> Succeeded | Failed | Errored
//!            └──────────┴─────> Aborted
//! ```
//! A step is run by the shell ([`Effect::Run`]); [`record`] takes its result into the status. A step that waits says
//! what wakes it; nothing here blocks.

mod context;
mod record;
mod steps;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt};

use argo_core::{Change, Note, Object, Plan, Time, Timestamp};
use serde_json::{Value, json};

use super::{
    expression::{Data, Evaluator, Need},
    freight,
};
use crate::{
    admission::{Tasks, complete_promotion},
    api::{Freight, FreightReference, Promotion, PromotionPhase, PromotionStatus, Stage, StepStatus, Warehouse, names},
};

pub use record::{HealthCheck, Recorded, StepError, StepOutcome, StepResult, record};

/// What is known of a kind of step before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepDefaults {
    /// How long a step may take when its `retry` does not say; absent means as long as it likes.
    pub timeout: Option<std::time::Duration>,
    /// Errors until it fails when its `retry` does not say.
    pub error_threshold: u32,
    /// Whether it reads or writes files of the promotion. One that does not is not run again when the files are lost.
    pub uses_files: bool,
}

impl Default for StepDefaults {
    fn default() -> Self {
        Self { timeout: None, error_threshold: 1, uses_files: true }
    }
}

/// The kinds of steps there are.
pub trait Kinds: Send + Sync {
    /// What is known of a kind; `None` when it is not registered.
    fn defaults(&self, kind: &str) -> Option<StepDefaults>;
}

/// Everything that a pass looks at.
pub struct World<'a> {
    /// The Promotion as it was read.
    pub read: &'a Object,
    /// The same, decoded, with the status as far as it is known.
    pub promotion: &'a Promotion,
    /// Its Stage.
    pub stage: Option<&'a Stage>,
    /// The project's Freight.
    pub freight: &'a [Freight],
    /// The project's Warehouses.
    pub warehouses: &'a [Warehouse],
    /// Tasks that the template may name.
    pub tasks: &'a Tasks,
    /// What expressions have asked for so far.
    pub data: &'a Data,
    /// The kinds of steps.
    pub kinds: &'a dyn Kinds,
    /// Whether the folder of the promotion is there, with what earlier steps put into it.
    pub files_present: bool,
    /// For links to the UI; empty when there is none.
    pub ui_base_url: &'a str,
    /// The time.
    pub now: Timestamp,
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("promotion", &self.promotion.name())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// What a pass wants from outside the cluster.
#[derive(Debug)]
pub enum Effect {
    /// Objects that expressions read; run the pass again with them.
    Load(BTreeSet<Need>),
    /// Run this step and [`record`] how it went.
    Run(Box<StepCall>),
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(needs) => write!(f, "load {} object(s) that expressions read", needs.len()),
            Self::Run(call) => write!(f, "run step {:?} ({})", call.alias, call.uses),
        }
    }
}

/// A step that is to be run. Its configuration may hold secrets and is not printed.
pub struct StepCall {
    /// Its place, from 0.
    pub index: usize,
    /// Its alias.
    pub alias: String,
    /// Its kind.
    pub uses: String,
    /// Its settings, evaluated.
    pub config: Value,
    /// What the step itself gave the last time it ran.
    pub earlier_output: Option<Value>,
    /// The Freight of all origins that the Stage will hold.
    pub freight: Vec<FreightReference>,
    /// The user it was made by, without prefix; empty when automatic.
    pub actor: String,
    /// Knows which texts are secret.
    pub evaluator: Evaluator,
}

impl fmt::Debug for StepCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepCall")
            .field("index", &self.index)
            .field("alias", &self.alias)
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}

/// Decides what is to be done about a Promotion.
#[must_use]
pub fn pass(world: &World<'_>) -> Plan<PromotionStatus, Effect> {
    let mut plan = Plan::default();
    let promotion = world.promotion;
    if promotion.status.phase.is_terminal() {
        return plan;
    }
    let mut status = promotion.status.clone();
    if let Some(token) = promotion.metadata.annotation(names::ANNOTATION_REFRESH) {
        token.clone_into(&mut status.last_handled_refresh);
    }
    if let Some(actor) = abort_request(promotion) {
        abort(&mut status, &actor, world.now);
        return ended(world, plan, status);
    }
    match admitted(world) {
        Ok(None) => {}
        Ok(Some(change)) => {
            plan.push(change);
            return plan;
        }
        Err(message) => {
            fail(&mut status, PromotionPhase::Errored, &message, world.now);
            return ended(world, plan, status);
        }
    }
    if status.phase == PromotionPhase::New {
        status.phase = PromotionPhase::Pending;
    }
    let Some(stage) = world.stage else {
        let message = format!("Stage {:?} not found in namespace {:?}", promotion.spec.stage, promotion.namespace());
        fail(&mut status, PromotionPhase::Errored, &message, world.now);
        return ended(world, plan, status);
    };
    let acknowledged = stage.status.current_promotion.as_ref().is_some_and(|it| it.name == promotion.name());
    if !acknowledged {
        // The Stage names whose turn it is; its change brings the next pass.
        write(world, &mut plan, status);
        return plan;
    }
    let target = world.freight.iter().find(|it| it.name() == promotion.spec.freight);
    let Some(target) = target.filter(|it| freight::is_available(stage, it, world.now)) else {
        let message = match target {
            None => format!("Freight {:?} not found in namespace {:?}", promotion.spec.freight, promotion.namespace()),
            Some(it) => format!("Freight {:?} is not available to Stage {:?}", it.name(), stage.name()),
        };
        fail(&mut status, PromotionPhase::Errored, &message, world.now);
        return ended(world, plan, status);
    };
    if status.phase == PromotionPhase::Pending {
        status.phase = PromotionPhase::Running;
        status.started_at = Some(Time::new(world.now));
        status.freight = Some(FreightReference::from(target));
    }
    if status.freight_collection.is_none() {
        status.freight_collection = Some(freight::target_collection(stage, target));
    }
    if !world.files_present {
        steps::restart(&mut status, &promotion.spec.steps, world.kinds);
    }
    match steps::advance(world, stage, target, &mut status) {
        steps::Advance::Load(needs) => {
            write(world, &mut plan, status);
            plan.effect(Effect::Load(needs));
            plan
        }
        steps::Advance::Run(call) => {
            write(world, &mut plan, status);
            plan.effect(Effect::Run(call));
            plan
        }
        steps::Advance::Finished(phase, message) => {
            fail(&mut status, phase, &message, world.now);
            if phase == PromotionPhase::Succeeded {
                plan.actions.extend(reverify(stage, &status, promotion).map(Into::into));
            }
            ended(world, plan, status)
        }
    }
}

fn write(world: &World<'_>, plan: &mut Plan<PromotionStatus, Effect>, status: PromotionStatus) {
    if status != world.promotion.status {
        plan.status = Some(status);
    }
}

/// Sets the final phase.
fn fail(status: &mut PromotionStatus, phase: PromotionPhase, message: &str, now: Timestamp) {
    status.phase = phase;
    status.message = crate::api::bounded(message);
    status.finished_at = Some(Time::new(now));
}

fn ended(
    world: &World<'_>,
    mut plan: Plan<PromotionStatus, Effect>,
    status: PromotionStatus,
) -> Plan<PromotionStatus, Effect> {
    let promotion = world.promotion;
    let (reason, text) = match status.phase {
        PromotionPhase::Succeeded => (names::events::PROMOTION_SUCCEEDED, "Promotion succeeded"),
        PromotionPhase::Failed => (names::events::PROMOTION_FAILED, "Promotion failed"),
        PromotionPhase::Aborted => (names::events::PROMOTION_ABORTED, "Promotion aborted"),
        _ => (names::events::PROMOTION_ERRORED, "Promotion errored"),
    };
    let text = if status.message.is_empty() { text.to_owned() } else { status.message.clone() };
    let mut note = if status.phase == PromotionPhase::Succeeded {
        Note::normal(reason, text)
    } else {
        Note::warning(reason, text)
    };
    let created = promotion.metadata.creation_timestamp.map(|it| it.to_string()).unwrap_or_default();
    for (key, value) in [
        ("actor", promotion.metadata.annotation(names::ANNOTATION_CREATE_ACTOR).unwrap_or_default()),
        ("project", promotion.namespace()),
        ("promotion-name", promotion.name()),
        ("promotion-create-time", &created),
        ("freight-name", &promotion.spec.freight),
        ("stage-name", &promotion.spec.stage),
    ] {
        if !value.is_empty() {
            note.annotations.insert(format!("{}{key}", names::EVENT_PREFIX), value.to_owned());
        }
    }
    plan.note(note);
    plan.status = Some(status);
    plan
}

/// Who asks for the end, if anybody does: `terminate`, or JSON with that as `action` and an `actor`.
fn abort_request(promotion: &Promotion) -> Option<String> {
    let text = promotion.metadata.annotation(names::ANNOTATION_ABORT)?;
    if text == names::ABORT_TERMINATE {
        return Some(String::new());
    }
    let json: Value = serde_json::from_str(text).ok()?;
    (json["action"] == names::ABORT_TERMINATE).then(|| json["actor"].as_str().unwrap_or_default().to_owned())
}

fn abort(status: &mut PromotionStatus, actor: &str, now: Timestamp) {
    let by = if actor.is_empty() { "user" } else { actor };
    fail(status, PromotionPhase::Aborted, &format!("Promotion terminated by {by}"), now);
    let current = usize::try_from(status.current_step).unwrap_or_default();
    if let Some(meta) = status.step_execution_metadata.get_mut(current).filter(|it| it.finished_at.is_none()) {
        meta.status = StepStatus::Aborted;
        meta.finished_at = Some(Time::new(now));
    }
}

/// What admission would have done to an object that skipped it.
fn admitted(world: &World<'_>) -> Result<Option<Change>, String> {
    let promotion = world.promotion;
    let is_labelled = promotion.metadata.label(names::LABEL_STAGE).is_some();
    if is_labelled && !promotion.spec.steps.is_empty() {
        return Ok(None);
    }
    let missing = || format!("Stage {:?} not found in namespace {:?}", promotion.spec.stage, promotion.namespace());
    let stage = world.stage.ok_or_else(missing)?;
    let mut complete = promotion.clone();
    if complete.spec.freight.is_empty()
        && let Some(origin) = &complete.spec.origin
    {
        let found = freight::candidate(stage, origin, world.freight, world.now);
        let none = || format!("no Freight from origin {origin} is available to Stage {:?}", stage.name());
        complete.spec.freight = found.ok_or_else(none)?.name().to_owned();
    }
    if stage.status.auto_promotion_enabled {
        hold_or_resume(&mut complete, stage, world);
    }
    // Nobody vouches for who made it.
    complete_promotion(&mut complete, stage, world.tasks, "unknown actor").map_err(|it| it.to_string())?;
    let mut to = world.read.clone();
    let wire = complete.object();
    to.set(&["metadata", "labels"], wire.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})));
    for field in ["annotations", "ownerReferences"] {
        if let Some(value) = wire.pointer(&format!("/metadata/{field}")) {
            to.set(&["metadata", field], value.clone());
        }
    }
    to.set(&["spec"], wire.get("spec").cloned().unwrap_or_else(|| json!({})));
    Ok(Change::merge_between(world.read, &to))
}

/// A promotion made by hand pauses automatic promotion of its origin, unless it is what would come anyway.
fn hold_or_resume(promotion: &mut Promotion, stage: &Stage, world: &World<'_>) {
    let Some(target) = world.freight.iter().find(|it| it.name() == promotion.spec.freight) else { return };
    let next = freight::candidate(stage, &target.origin, world.freight, world.now);
    let same = next.is_some_and(|it| it.name() == target.name());
    let (set, clear) = if same {
        (names::ANNOTATION_AUTO_PROMOTION_RESUME, names::ANNOTATION_AUTO_PROMOTION_HOLD)
    } else {
        (names::ANNOTATION_AUTO_PROMOTION_HOLD, names::ANNOTATION_AUTO_PROMOTION_RESUME)
    };
    promotion.metadata.annotations.remove(clear);
    promotion.metadata.annotations.insert(set.to_owned(), target.origin.to_string());
}

/// Freight that was there already is verified again.
fn reverify(stage: &Stage, status: &PromotionStatus, promotion: &Promotion) -> Option<Change> {
    let current = stage.current_freight()?;
    let verification = current.verification_history.first()?;
    if status.freight_collection.as_ref()?.id != current.id {
        return None;
    }
    let actor = promotion.metadata.annotation(names::ANNOTATION_CREATE_ACTOR).unwrap_or_default();
    let request = json!({"id": verification.id, "actor": actor, "controlPlane": true}).to_string();
    let patch = json!({"metadata": {"annotations": {names::ANNOTATION_REVERIFY: request}}});
    Some(Change::merge(stage.reference(), patch))
}

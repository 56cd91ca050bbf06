//! Which step runs next, and how the promotion ends when none does.

use std::collections::BTreeSet;

use argo_core::Time;
use serde_json::{Value, json};

use super::{Kinds, StepCall, World, context};
use crate::{
    api::{Freight, PromotionPhase, PromotionStatus, PromotionStep, Stage, StepExecutionMetadata, StepStatus},
    engine::expression::{EvalError, Need},
};

/// What comes next.
#[derive(Debug)]
pub(super) enum Advance {
    /// Objects that expressions read.
    Load(BTreeSet<Need>),
    /// A step.
    Run(Box<StepCall>),
    /// No step is left.
    Finished(PromotionPhase, String),
}

/// The files are lost: steps that use files run again, with what they gave before. Those that do not use any have
/// done their work outside, and it is not done twice.
pub(super) fn restart(status: &mut PromotionStatus, steps: &[PromotionStep], kinds: &dyn Kinds) {
    if status.step_execution_metadata.is_empty() {
        return;
    }
    for (meta, step) in status.step_execution_metadata.iter_mut().zip(steps) {
        let uses_files = kinds.defaults(&step.uses).is_none_or(|it| it.uses_files);
        if uses_files || meta.finished_at.is_none() {
            *meta = entry(step);
        }
    }
    status.current_step = 0;
}

fn entry(step: &PromotionStep) -> StepExecutionMetadata {
    StepExecutionMetadata {
        alias: step.alias.clone(),
        continue_on_error: step.continue_on_error,
        ..StepExecutionMetadata::default()
    }
}

fn is_done(meta: &StepExecutionMetadata) -> bool {
    meta.finished_at.is_some() || meta.status == StepStatus::Skipped
}

/// Goes on from the current step to the next that is to be run; those that are skipped or can not be built are
/// settled on the way.
pub(super) fn advance(world: &World<'_>, stage: &Stage, target: &Freight, status: &mut PromotionStatus) -> Advance {
    let steps = &world.promotion.spec.steps;
    let now = Time::new(world.now);
    let first = usize::try_from(status.current_step).unwrap_or_default();
    for (index, step) in steps.iter().enumerate().skip(first) {
        status.current_step = i64::try_from(index).unwrap_or(i64::MAX);
        if status.step_execution_metadata.len() <= index {
            status.step_execution_metadata.push(entry(step));
        }
        if status.step_execution_metadata[index..].first().is_some_and(is_done) {
            continue;
        }
        match prepare(world, stage, target, status, index, step) {
            Ok(Some(call)) => {
                if let Some(meta) = status.step_execution_metadata.get_mut(index) {
                    meta.started_at = meta.started_at.or(Some(now));
                    if meta.status == StepStatus::NotStarted {
                        meta.status = StepStatus::Running;
                    }
                }
                return Advance::Run(Box::new(call));
            }
            Ok(None) => {
                if let Some(meta) = status.step_execution_metadata.get_mut(index) {
                    meta.status = StepStatus::Skipped;
                }
            }
            Err(Stop::Needs(needs)) => return Advance::Load(needs),
            Err(Stop::Errored(message)) => {
                if let Some(meta) = status.step_execution_metadata.get_mut(index) {
                    meta.status = StepStatus::Errored;
                    meta.message = crate::api::bounded(&message);
                    meta.finished_at = Some(now);
                }
            }
        }
    }
    let (phase, message) = verdict(&status.step_execution_metadata);
    Advance::Finished(phase, message)
}

enum Stop {
    Needs(BTreeSet<Need>),
    Errored(String),
}

fn stop(prefix: &'static str) -> impl Fn(EvalError) -> Stop {
    move |error| match error {
        EvalError::Needs(needs) => Stop::Needs(needs),
        EvalError::Expression(message) => Stop::Errored(format!("{prefix}{message}")),
    }
}

/// The call of a step; `None` when it is to be skipped.
fn prepare(
    world: &World<'_>,
    stage: &Stage,
    target: &Freight,
    status: &PromotionStatus,
    index: usize,
    step: &PromotionStep,
) -> Result<Option<StepCall>, Stop> {
    let evaluator = context::evaluator(world, stage, status).with(&context::status_functions(step, status, index));
    let environment = || context::environment(world, stage, target, status, step, &evaluator);
    let started = status.step_execution_metadata.get(index).is_some_and(|it| it.started_at.is_some());
    if !started {
        if step.condition.is_empty() {
            if context::has_failed(status, index) {
                return Ok(None);
            }
        } else {
            let env = environment().map_err(stop("failed to evaluate step condition: "))?;
            let value =
                evaluator.evaluate_text(&step.condition, &env).map_err(stop("failed to evaluate step condition: "))?;
            match value {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok(None),
                _ => return Err(Stop::Errored("expression must evaluate to a boolean".to_owned())),
            }
        }
    }
    if world.kinds.defaults(&step.uses).is_none() {
        return Err(Stop::Errored(format!("step kind {:?} is not registered on this controller", step.uses)));
    }
    let build = stop("failed to build step context: ");
    let env = environment().map_err(&build)?;
    let config = step.config.clone().filter(|it| !it.is_null()).unwrap_or_else(|| json!({}));
    let config = evaluator.evaluate(&config, &env).map_err(&build)?;
    let collection = status.freight_collection.as_ref();
    Ok(Some(StepCall {
        index,
        alias: step.alias.clone(),
        uses: step.uses.clone(),
        config,
        earlier_output: status.state.get(&step.alias).cloned(),
        freight: collection.into_iter().flat_map(|it| it.freight.values().cloned()).collect(),
        actor: context::user(world),
        evaluator,
    }))
}

/// The worst step that counts decides; the first that is as bad gives the message.
fn verdict(metas: &[StepExecutionMetadata]) -> (PromotionPhase, String) {
    let counting = || metas.iter().filter(|it| !it.continue_on_error);
    let Some(worst) = counting().map(|it| it.status).max() else {
        return (PromotionPhase::Succeeded, String::new());
    };
    let message = counting().find(|it| it.status == worst).map(|it| it.message.clone()).unwrap_or_default();
    match worst {
        StepStatus::Errored => (PromotionPhase::Errored, message),
        StepStatus::Failed => (PromotionPhase::Failed, message),
        StepStatus::Aborted => (PromotionPhase::Aborted, message),
        StepStatus::Running | StepStatus::NotStarted | StepStatus::Succeeded | StepStatus::Skipped => {
            (PromotionPhase::Succeeded, String::new())
        }
    }
}

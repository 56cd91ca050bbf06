//! What expressions in steps see.

use argo_lang::expr::Functions;
use serde_json::{Map, Value, json};

use super::World;
use crate::{
    api::{Freight, PromotionStatus, PromotionStep, Stage, StepStatus, Variable, names},
    engine::expression::{EvalError, Evaluator, FreightScope},
};

/// The user behind an actor: what stands after its one colon.
pub(super) fn actor_name(actor: &str) -> &str {
    match actor.split_once(':') {
        Some((_, name)) if !name.contains(':') => name,
        _ => "",
    }
}

/// The user a Promotion was made by; empty for controllers and the unknown.
pub(super) fn user(world: &World<'_>) -> String {
    let actor = world.promotion.metadata.annotation(names::ANNOTATION_CREATE_ACTOR).unwrap_or_default();
    if actor.starts_with("controller:") { String::new() } else { actor_name(actor).to_owned() }
}

pub(super) fn evaluator(world: &World<'_>, stage: &Stage, status: &PromotionStatus) -> Evaluator {
    let collection = status.freight_collection.as_ref();
    let items = collection.into_iter().flat_map(|it| it.freight.values().cloned());
    Evaluator::new(FreightScope::new(stage, world.warehouses, items), world.data.clone())
}

/// `always()`, `success()`, `failure()` and `status(alias)`: for `if` and `config`.
pub(super) fn status_functions(step: &PromotionStep, status: &PromotionStatus, index: usize) -> Functions {
    let mut all = Functions::new();
    let failed = has_failed(status, index);
    all.insert("always", |_| Ok(Value::Bool(true)));
    all.insert("success", move |_| Ok(Value::Bool(!failed)));
    all.insert("failure", move |_| Ok(Value::Bool(failed)));
    let metas = status.step_execution_metadata.iter();
    let known: Vec<(String, StepStatus)> = metas.map(|it| (it.alias.clone(), it.status)).collect();
    let task = task_of(&step.alias).map(str::to_owned);
    all.insert("status", move |args| {
        let alias = args.first().and_then(Value::as_str).ok_or("status: expected the alias of a step")?;
        let full = task.as_ref().map_or_else(|| alias.to_owned(), |it| format!("{it}::{alias}"));
        let found = known.iter().find(|(it, _)| *it == full);
        Ok(Value::String(found.map_or("", |(_, status)| status.as_str()).to_owned()))
    });
    all
}

/// Whether a step before `index` failed without being allowed to.
pub(super) fn has_failed(status: &PromotionStatus, index: usize) -> bool {
    let before = status.step_execution_metadata.iter().take(index);
    before.into_iter().any(|it| {
        !it.continue_on_error && matches!(it.status, StepStatus::Failed | StepStatus::Errored | StepStatus::Aborted)
    })
}

/// The task that a written-out step belongs to.
pub(super) fn task_of(alias: &str) -> Option<&str> {
    alias.split_once("::").map(|(task, _)| task)
}

/// The environment of one step: context, outputs so far and variables, later ones seeing earlier ones.
pub(super) fn environment(
    world: &World<'_>,
    stage: &Stage,
    target: &Freight,
    status: &PromotionStatus,
    step: &PromotionStep,
    evaluator: &Evaluator,
) -> Result<Value, EvalError> {
    let meta = &world.promotion.metadata;
    let actor = meta.annotation(names::ANNOTATION_CREATE_ACTOR).unwrap_or_default();
    let mut env = json!({
        "ctx": {
            "uiBaseUrl": world.ui_base_url,
            "project": world.promotion.namespace(),
            "promotion": world.promotion.name(),
            "stage": stage.name(),
            "targetFreight": {
                "name": target.name(), "alias": target.alias, "origin": {"kind": target.origin.kind, "name": target.origin.name},
            },
            "meta": {
                "promotion": {
                    "actor": actor_name(actor),
                    "rollback": meta.annotation(names::ANNOTATION_ROLLBACK) == Some(names::TRUE),
                },
                "step": {"alias": step.alias},
            },
        },
        "vars": {},
    });
    add_vars(&mut env, &world.promotion.spec.vars, evaluator)?;
    env["outputs"] = Value::Object(status.state.iter().map(|(key, value)| (key.clone(), value.clone())).collect());
    if let Some(task) = task_of(&step.alias) {
        let prefix = format!("{task}::");
        let own =
            status.state.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())));
        env["task"] = json!({"outputs": own.collect::<Map<_, _>>()});
    }
    let metas = status.step_execution_metadata.iter().map(|it| {
        json!({"Alias": it.alias, "Status": it.status.as_str(), "Message": it.message, "ErrorCount": it.error_count,
            "StartedAt": it.started_at, "FinishedAt": it.finished_at, "ContinueOnError": it.continue_on_error})
    });
    env["stepMetas"] = metas.collect();
    add_vars(&mut env, &step.vars, evaluator)?;
    Ok(env)
}

fn add_vars(env: &mut Value, vars: &[Variable], evaluator: &Evaluator) -> Result<(), EvalError> {
    for var in vars {
        let value = evaluator.evaluate_text(&var.value, env).map_err(|it| match it {
            EvalError::Expression(message) => EvalError::Expression(format!("variable {:?}: {message}", var.name)),
            needs => needs,
        })?;
        env["vars"][&var.name] = value;
    }
    Ok(())
}

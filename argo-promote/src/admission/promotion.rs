//! Promotions: name, labels, owner, and steps copied from the Stage with tasks written out.

use std::collections::BTreeMap;

use argo_core::{OwnerReference, Resource, Timestamp};

use super::{AdmissionError, ulid};
use crate::{
    api::{
        API_VERSION, ClusterPromotionTask, Promotion, PromotionStep, PromotionTask, PromotionTaskSpec, Stage, Variable,
        names,
    },
    engine::names::label_value,
};

/// Most characters of a Stage's name in a Promotion's.
const STAGE_PART: usize = 218;

/// The tasks that templates may name.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    namespaced: BTreeMap<String, PromotionTaskSpec>,
    cluster: BTreeMap<String, PromotionTaskSpec>,
}

impl Tasks {
    /// Of one project and of the cluster.
    pub fn new(
        tasks: impl IntoIterator<Item = PromotionTask>,
        cluster: impl IntoIterator<Item = ClusterPromotionTask>,
    ) -> Self {
        Self {
            namespaced: tasks.into_iter().map(|it| (it.name().to_owned(), it.spec)).collect(),
            cluster: cluster.into_iter().map(|it| (it.name().to_owned(), it.spec)).collect(),
        }
    }

    fn find(&self, kind: &str, name: &str, namespace: &str) -> Result<&PromotionTaskSpec, AdmissionError> {
        let (kind, found) = match kind {
            "" | PromotionTask::KIND => (PromotionTask::KIND, self.namespaced.get(name)),
            ClusterPromotionTask::KIND => (ClusterPromotionTask::KIND, self.cluster.get(name)),
            other => return Err(AdmissionError::field("task.kind", format!("unknown task reference kind {other:?}"))),
        };
        let missing = || AdmissionError::NotFound { kind, name: name.to_owned(), namespace: namespace.to_owned() };
        found.ok_or_else(missing)
    }
}

/// The name of a Promotion: it sorts by the time it was made and tells Stage and Freight.
#[must_use]
pub fn promotion_name(stage: &str, freight: &str, now: Timestamp, seed: &str) -> String {
    let end = (0..=STAGE_PART.min(stage.len())).rev().find(|it| stage.is_char_boundary(*it)).unwrap_or_default();
    let short: String = freight.chars().take(7).collect();
    format!("{}.{}.{short}", &stage[..end], ulid(now, seed)).to_lowercase()
}

/// Who wants what promoted, and when.
#[derive(Debug, Clone, Copy)]
pub struct PromotionRequest<'a> {
    /// Name of the Freight.
    pub freight: &'a str,
    /// Who asks: `controller:<name>`, `kubernetes:<user>`, `admin`…
    pub actor: &'a str,
    /// When.
    pub now: Timestamp,
    /// What the name's random part is drawn from.
    pub seed: &'a str,
}

/// A complete Promotion of Freight to a Stage.
///
/// # Errors
/// When the Stage has no steps, or a task or one of its variables is missing.
pub fn new_promotion(stage: &Stage, tasks: &Tasks, request: PromotionRequest<'_>) -> Result<Promotion, AdmissionError> {
    let name = promotion_name(stage.name(), request.freight, request.now, request.seed);
    let mut promotion = Promotion::named(stage.namespace(), &name);
    promotion.spec.stage = stage.name().to_owned();
    promotion.spec.freight = request.freight.to_owned();
    complete_promotion(&mut promotion, stage, tasks, request.actor)?;
    Ok(promotion)
}

/// Gives a Promotion what admission gives it, its name excepted: steps and variables always come from the Stage.
///
/// # Errors
/// As [`new_promotion`].
pub fn complete_promotion(
    promotion: &mut Promotion,
    stage: &Stage,
    tasks: &Tasks,
    actor: &str,
) -> Result<(), AdmissionError> {
    let template = stage.spec.promotion_template.as_ref().filter(|it| !it.spec.steps.is_empty());
    let Some(template) = template else {
        return Err(AdmissionError::NoSteps(stage.name().to_owned()));
    };
    promotion.spec.vars = stage.spec.vars.iter().chain(&template.spec.vars).cloned().collect();
    promotion.spec.steps = inflate(&template.spec.steps, &promotion.spec.vars, tasks, stage.namespace())?;
    let meta = &mut promotion.metadata;
    if !stage.spec.shard.is_empty() {
        meta.labels.insert(names::LABEL_SHARD.to_owned(), stage.spec.shard.clone());
    }
    meta.labels.insert(names::LABEL_STAGE.to_owned(), label_value(stage.name()));
    meta.annotations.insert(names::ANNOTATION_STAGE.to_owned(), stage.name().to_owned());
    if !actor.is_empty() {
        meta.annotations.entry(names::ANNOTATION_CREATE_ACTOR.to_owned()).or_insert_with(|| actor.to_owned());
    }
    if let Some(uid) = stage.metadata.uid.as_deref().filter(|it| !it.is_empty()) {
        let owner = OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: Stage::KIND.to_owned(),
            name: stage.name().to_owned(),
            uid: uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        };
        if !meta.owner_references.iter().any(|it| it.uid == owner.uid) {
            meta.owner_references.push(owner);
        }
    }
    Ok(())
}

/// Steps with tasks written out and aliases filled in.
///
/// # Errors
/// When a task or one of its variables is missing.
pub fn inflate(
    steps: &[PromotionStep],
    promotion_vars: &[Variable],
    tasks: &Tasks,
    namespace: &str,
) -> Result<Vec<PromotionStep>, AdmissionError> {
    let mut out = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let position = index + 1;
        let Some(reference) = &step.task else {
            let mut step = step.clone();
            if step.alias.is_empty() {
                step.alias = format!("step-{position}");
            }
            out.push(step);
            continue;
        };
        let task = tasks.find(&reference.kind, &reference.name, namespace)?;
        let alias = if step.alias.is_empty() { format!("task-{position}") } else { step.alias.clone() };
        let given = |name: &str, vars: &[Variable]| vars.iter().any(|it| it.name == name && !it.value.is_empty());
        let mut defaults = Vec::new();
        for var in &task.vars {
            if given(&var.name, promotion_vars) {
                continue;
            }
            if !var.value.is_empty() {
                defaults.push(var.clone());
            } else if !given(&var.name, &step.vars) {
                return Err(AdmissionError::MissingVariable(var.name.clone()));
            }
        }
        for (inner_index, inner) in task.steps.iter().enumerate() {
            if inner.task.is_some() {
                let path = format!("{}.steps[{inner_index}].task", reference.name);
                return Err(AdmissionError::field(path, "tasks may not contain tasks"));
            }
            let mut inner = inner.clone();
            let own = if inner.alias.is_empty() { format!("step-{}", inner_index + 1) } else { inner.alias.clone() };
            inner.alias = format!("{alias}::{own}");
            inner.vars = defaults.iter().chain(&step.vars).chain(&inner.vars).cloned().collect();
            out.push(inner);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stage(steps: serde_json::Value) -> Stage {
        serde_json::from_value(json!({
            "metadata": {"name": "dev", "namespace": "p", "uid": "u1"},
            "spec": {"vars": [{"name": "a", "value": "1"}],
                "promotionTemplate": {"spec": {"vars": [{"name": "b", "value": "2"}], "steps": steps}}},
        }))
        .unwrap()
    }

    fn request(freight: &str) -> PromotionRequest<'_> {
        PromotionRequest { freight, actor: "admin", now: Timestamp::from_second(1_700_000_000).unwrap(), seed: "s" }
    }

    #[test]
    fn a_promotion_is_complete_when_it_is_made() {
        let stage = stage(json!([{"uses": "git-clone"}, {"uses": "fail", "as": "stop"}]));
        let made = new_promotion(&stage, &Tasks::default(), request("0123456789abcdef")).unwrap();
        assert!(made.name().starts_with("dev.01hf7yat00"), "{}", made.name());
        assert!(made.name().ends_with(".0123456"));
        let aliases: Vec<_> = made.spec.steps.iter().map(|it| it.alias.as_str()).collect();
        assert_eq!(aliases, ["step-1", "stop"]);
        let vars: Vec<_> = made.spec.vars.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(vars, ["a", "b"]);
        assert_eq!(made.metadata.controller().unwrap().name, "dev");
        assert_eq!(made.metadata.label(names::LABEL_STAGE), Some("dev"));
        assert_eq!(made.metadata.annotation(names::ANNOTATION_CREATE_ACTOR), Some("admin"));
    }

    #[test]
    fn completing_twice_changes_nothing() {
        let stage = stage(json!([{"uses": "git-clone"}]));
        let mut made = new_promotion(&stage, &Tasks::default(), request("f")).unwrap();
        let once = made.clone();
        complete_promotion(&mut made, &stage, &Tasks::default(), "kubernetes:bob").unwrap();
        assert_eq!(made, once);
    }

    #[test]
    fn a_stage_without_steps_is_not_promotable() {
        let error = new_promotion(&stage(json!([])), &Tasks::default(), request("f")).unwrap_err();
        assert_eq!(error.to_string(), "stage \"dev\" defines no promotion steps");
    }

    #[test]
    fn tasks_are_written_out_with_their_variables() {
        let task: PromotionTask = serde_json::from_value(json!({
            "metadata": {"name": "t", "namespace": "p"},
            "spec": {"vars": [{"name": "a"}, {"name": "x", "value": "dx"}, {"name": "y"}],
                "steps": [{"uses": "one", "vars": [{"name": "x", "value": "own"}]}, {"uses": "two", "as": "second"}]},
        }))
        .unwrap();
        let tasks = Tasks::new([task], []);
        let with = |vars: serde_json::Value| stage(json!([{"uses": "z"}, {"task": {"name": "t"}, "vars": vars}]));
        let made = new_promotion(&with(json!([{"name": "y", "value": "ry"}])), &tasks, request("f")).unwrap();
        let aliases: Vec<_> = made.spec.steps.iter().map(|it| it.alias.as_str()).collect();
        assert_eq!(aliases, ["step-1", "task-2::step-1", "task-2::second"]);
        // `a` has a promotion-level value, `x` its default, `y` what the reference gives; own variables come last.
        let vars: Vec<_> = made.spec.steps[1].vars.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
        assert_eq!(vars, [("x", "dx"), ("y", "ry"), ("x", "own")]);
        let error = new_promotion(&with(json!([])), &tasks, request("f")).unwrap_err();
        assert_eq!(error.to_string(), "missing value for variable \"y\"");
        let error = new_promotion(&with(json!([])), &Tasks::default(), request("f")).unwrap_err();
        assert_eq!(error.to_string(), "PromotionTask \"t\" not found in namespace \"p\"");
    }
}

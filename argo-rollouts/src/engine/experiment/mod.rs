//! Experiments: short-lived ReplicaSets side by side, measured and taken away.
//!
//! ```text
//!   World (experiment, ReplicaSets, Services, AnalysisRuns, templates) + now ──> reconcile ──> Plan<ExperimentStatus>
//!   template:   Progressing ─> Running ─> Successful | Failed (out of time) | Error (can not be made)
//!   experiment: Pending ─> Running (all templates run: its analyses begin) ─> the worst of templates and analyses
//! ```

mod analyses;
mod assess;
mod conditions;
mod services;
pub(crate) mod step;
mod templates;
mod validate;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{Change, Note, Object, Plan, Timestamp, time};
use serde_json::json;

use super::world::ReplicaSet;
use crate::api::{AnalysisPhase, Experiment, ExperimentStatus, ExperimentTemplate, PROGRESS_DEADLINE, names};

pub use assess::is_terminating;

/// Everything a pass over one Experiment looks at. Lists may hold more than belongs to it.
#[derive(Debug, Clone)]
pub struct World {
    /// The Experiment, as read.
    pub experiment: Arc<Object>,
    /// ReplicaSets of its namespace.
    pub replica_sets: Vec<Arc<Object>>,
    /// Services of its namespace.
    pub services: Vec<Arc<Object>>,
    /// AnalysisRuns of its namespace.
    pub analysis_runs: Vec<Arc<Object>>,
    /// AnalysisTemplates of its namespace.
    pub templates: Vec<Arc<Object>>,
    /// ClusterAnalysisTemplates.
    pub cluster_templates: Vec<Arc<Object>>,
}

impl World {
    /// A world with nothing but the Experiment.
    #[must_use]
    pub fn new(experiment: impl Into<Arc<Object>>) -> Self {
        Self {
            experiment: experiment.into(),
            replica_sets: Vec::new(),
            services: Vec::new(),
            analysis_runs: Vec::new(),
            templates: Vec::new(),
            cluster_templates: Vec::new(),
        }
    }
}

/// One pass over an Experiment at `now`.
#[must_use]
pub fn reconcile(world: &World, now: Timestamp) -> Plan<ExperimentStatus> {
    if world.experiment.is_deleting() {
        return Plan::default();
    }
    let ex: Experiment = match world.experiment.decode() {
        Ok(ex) => ex,
        Err(error) => return invalid(&world.experiment, &error.source.to_string(), now),
    };
    if let Some(message) = validate::experiment(&ex) {
        return invalid(&world.experiment, &message, now);
    }
    let mut pass = Pass::observe(world, ex, now);
    pass.run();
    pass.plan
}

/// The patch that writes `status`: Experiment has no status subresource, and nobody else writes it
/// but a client that tries again by removing it; then nothing of what was decided before counts.
#[must_use]
pub fn status_change(experiment: &Object, status: &ExperimentStatus) -> Option<Change> {
    let empty = json!({});
    let old = experiment.get("status").filter(|it| it.is_object()).unwrap_or(&empty);
    let new = serde_json::to_value(status).unwrap_or_default();
    let patch = argo_merge::merge_patch::diff(old, &new);
    if patch.as_object().is_none_or(|it| it.is_empty()) {
        return None;
    }
    let change = Change::merge(experiment.reference(), json!({"status": patch}));
    Some(match change {
        Change::Patch { target, patch, subresource, .. } => {
            let version = Some(experiment.resource_version().to_owned()).filter(|it| !it.is_empty());
            Change::Patch { target, patch, subresource, resource_version: version }
        }
        other => other,
    })
}

/// The status of an Experiment for which the API server refuses to make or size `object`; `None`
/// when it is nothing of the Experiment's.
#[must_use]
pub fn refused_status(world: &World, object: &Object, message: &str) -> Option<ExperimentStatus> {
    let ex: Experiment = world.experiment.decode().ok()?;
    let mut status = ex.status;
    let name = object.name();
    if object.gvk().kind == "AnalysisRun" {
        let run = status.analysis_runs.iter_mut().find(|it| it.analysis_run == name)?;
        run.message = format!("Failed to create AnalysisRun for analysis '{}': {message}", run.name);
        run.phase = AnalysisPhase::Error;
        return Some(status);
    }
    let template = object.annotation(names::EXPERIMENT_TEMPLATE)?.to_owned();
    let message = match object.gvk().kind.as_str() {
        "Service" => format!("Failed to create Service {name} for template '{template}': {message}"),
        _ => format!("Failed to create ReplicaSet for template '{template}': {message}"),
    };
    let mut of_template = status.template(&template).cloned().unwrap_or_default();
    of_template.name = template;
    of_template.phase = crate::api::TemplatePhase::Error;
    of_template.message = message;
    templates::put(&mut status, of_template);
    Some(status)
}

/// The status of an Experiment whose pass failed for good; `None` when it is over already.
#[must_use]
pub fn failed_status(experiment: &Object, message: &str) -> Option<ExperimentStatus> {
    let status = experiment.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut status: ExperimentStatus = serde_json::from_value(status).unwrap_or_default();
    if status.phase.is_complete() {
        return None;
    }
    status.phase = AnalysisPhase::Error;
    status.message = message.to_owned();
    Some(status)
}

/// Says on the status why nothing is done.
fn invalid(experiment: &Object, message: &str, now: Timestamp) -> Plan<ExperimentStatus> {
    let mut plan = Plan::default();
    let status = experiment.get("status").cloned().unwrap_or_else(|| json!({}));
    let Ok(old) = serde_json::from_value::<ExperimentStatus>(status) else {
        plan.note(Note::warning(names::reason::INVALID_SPEC, message));
        return plan;
    };
    let mut next = old.clone();
    conditions::set_invalid(&mut next, message, now);
    plan.status = (next != old).then_some(next);
    plan
}

/// One pass: what was read, what was picked from it, and what was decided so far.
struct Pass<'w> {
    world: &'w World,
    now: Timestamp,
    ex: Experiment,
    /// Its ReplicaSets by template.
    sets: BTreeMap<String, ReplicaSet>,
    /// Its Services by template.
    services: BTreeMap<String, Arc<Object>>,
    terminating: bool,
    next: ExperimentStatus,
    plan: Plan<ExperimentStatus>,
}

impl<'w> Pass<'w> {
    fn observe(world: &'w World, ex: Experiment, now: Timestamp) -> Self {
        let uid = world.experiment.uid();
        let mine = |it: &&Arc<Object>| {
            !it.is_deleting()
                && it.is_controlled_by(uid)
                && it.annotation(names::EXPERIMENT_NAME) == Some(world.experiment.name())
        };
        let by_template = |list: &[Arc<Object>]| {
            let mine = list.iter().filter(mine);
            let named = mine.filter_map(|it| Some((it.annotation(names::EXPERIMENT_TEMPLATE)?.to_owned(), it.clone())));
            named.collect::<BTreeMap<String, Arc<Object>>>()
        };
        let sets = by_template(&world.replica_sets).into_iter().map(|(name, it)| (name, ReplicaSet::of(&it))).collect();
        let services = by_template(&world.services);
        let terminating = is_terminating(&ex);
        let next = ex.status.clone();
        Self { world, now, ex, sets, services, terminating, next, plan: Plan::default() }
    }

    fn run(&mut self) {
        for template in self.ex.spec.templates.clone() {
            self.reconcile_template(&template);
        }
        for analysis in self.ex.spec.analyses.clone() {
            self.reconcile_analysis(&analysis);
        }
        self.assess();
        self.calculate_conditions();
        self.wake();
        let before = self.ex.status.phase;
        if self.next.phase != before {
            let message = format!("Experiment transitioned from {before} -> {}", self.next.phase);
            self.plan.note(note(format!("Experiment{}", self.next.phase), message, self.next.phase));
        }
        if self.next != self.ex.status {
            self.plan.status = Some(self.next.clone());
        }
    }

    /// Looks again when its time is over, or a template is out of time.
    fn wake(&mut self) {
        let after = Experiment { status: self.next.clone(), ..self.ex.clone() };
        if is_terminating(&after) {
            return;
        }
        if let Some(end) = end(&after).filter(|it| *it > self.now) {
            self.plan.wake_at(end);
        }
        let deadline = self.deadline();
        for template in &after.spec.templates {
            let Some(status) = after.status.template(&template.name) else { continue };
            if status.available_replicas != desired(&after, template)
                && let Some(since) = status.last_transition_time
            {
                // One second more: it is late when the time is over, not when it is reached.
                self.plan.wake_at(time::after(since.timestamp(), deadline + Duration::from_secs(1)));
            }
        }
    }

    fn deadline(&self) -> Duration {
        let seconds = self.ex.spec.progress_deadline_seconds.unwrap_or(PROGRESS_DEADLINE);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    fn is_over(&self) -> bool {
        end(&self.ex).is_some_and(|it| self.now >= it)
    }
}

/// Pods that a template is to have now: none once it or the experiment ended.
fn desired(ex: &Experiment, template: &ExperimentTemplate) -> i64 {
    let done = ex.status.template(&template.name).is_some_and(|it| it.phase.is_complete());
    if done || is_terminating(ex) { 0 } else { template.replicas() }
}

/// When its duration is over, once that runs.
fn end(ex: &Experiment) -> Option<Timestamp> {
    let duration = argo_lang::duration::parse(ex.spec.duration.as_deref()?).ok()?;
    let duration = Duration::try_from(duration).unwrap_or_default();
    Some(time::after(ex.status.available_at?.timestamp(), duration))
}

fn note(reason: String, message: String, phase: AnalysisPhase) -> Note {
    match phase {
        AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive => Note::warning(reason, message),
        _ => Note::normal(reason, message),
    }
}

//! AnalysisRuns: which metrics are due, and what their measurements come to.
//!
//! ```text
//!   reconcile(run, [], now)            ──> Plan with the measurements to take
//!   (the shell measures, by providers) ──> observations
//!   reconcile(run, observations, now)  ──> Plan with the next status and when to look again
//! ```

mod assess;
mod condition;
pub mod flatten;
mod resolve;
mod schedule;
mod validate;

use std::collections::BTreeMap;

use argo_core::{Change, Note, Object, Plan, Timestamp, time};
use serde_json::{Value, json};

use crate::api::{
    AnalysisPhase, AnalysisRun, AnalysisRunStatus, Measurement, MeasurementRetention, Metric, MetricResult,
};

pub use condition::{ConditionError, Reading, judge};
pub(crate) use resolve::substitute;
pub use resolve::{ArgumentError, redact, resolve};

/// Measurements of a metric kept by default.
const MEASUREMENTS_KEPT: usize = 10;

/// A measurement to take, end or clear away: an effect, carried out by a metric provider.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measure {
    /// The metric, with its arguments not yet filled in.
    pub metric: Metric,
    /// What to do.
    pub action: MeasureAction,
}

/// What to do with a measurement.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MeasureAction {
    /// Begin one.
    Run,
    /// Look after one that is under way.
    Resume(Measurement),
    /// End one that is under way.
    Terminate(Measurement),
    /// Drop what belongs to measurements that are forgotten; all but the last `n`.
    GarbageCollect(usize),
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match &self.action {
            MeasureAction::Run => "measure",
            MeasureAction::Resume(_) => "look after",
            MeasureAction::Terminate(_) => "end",
            MeasureAction::GarbageCollect(_) => "clear away",
        };
        write!(f, "{verb} metric {}", self.metric.name)
    }
}

/// What came of a [`Measure`].
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The metric.
    pub metric: String,
    /// The measurement, begun or ended.
    pub measurement: Measurement,
    /// What the provider says of the metric as a whole.
    pub metadata: BTreeMap<String, String>,
}

impl Observation {
    /// A measurement of a metric.
    pub fn new(metric: impl Into<String>, measurement: Measurement) -> Self {
        Self { metric: metric.into(), measurement, metadata: BTreeMap::new() }
    }
}

/// One pass over an AnalysisRun at `now`, with what was measured for it.
#[must_use]
pub fn reconcile(run: &Object, observations: &[Observation], now: Timestamp) -> Plan<AnalysisRunStatus, Measure> {
    if run.is_deleting() {
        return Plan::default();
    }
    let typed: AnalysisRun = match run.decode() {
        Ok(typed) => typed,
        Err(error) => return undecodable(run, &error.source.to_string(), now),
    };
    if typed.status.phase.is_complete() {
        return expire(run, &typed, now);
    }
    match Pass::new(&typed, now) {
        Ok(pass) => pass.run(observations),
        Err(message) => {
            let mut status = typed.status.clone();
            end(&mut status, AnalysisPhase::Error, message, now);
            let mut plan = Plan::default();
            plan.note(completion(AnalysisPhase::Error));
            plan.status = Some(status);
            plan
        }
    }
}

/// The patch that writes `status`. AnalysisRun has no status subresource, and nobody else writes
/// its status: the patch goes to the object itself and takes nothing of what others write.
#[must_use]
pub fn status_change(run: &Object, status: &AnalysisRunStatus) -> Option<Change> {
    let empty = json!({});
    let old = run.get("status").filter(|it| it.is_object()).unwrap_or(&empty);
    let new = serde_json::to_value(status).unwrap_or_default();
    let patch = argo_merge::merge_patch::diff(old, &new);
    let changed = patch.as_object().is_some_and(|it| !it.is_empty());
    changed.then(|| Change::merge(run.reference(), json!({"status": patch})))
}

/// Ends a run whose arguments can not be filled in.
#[must_use]
pub fn fail(run: &AnalysisRun, error: &ArgumentError, now: Timestamp) -> Plan<AnalysisRunStatus, Measure> {
    let mut status = run.status.clone();
    end(&mut status, AnalysisPhase::Error, format!("Unable to resolve metric arguments: {error}"), now);
    let mut plan = Plan::default();
    plan.note(completion(AnalysisPhase::Error));
    plan.status = Some(status);
    plan
}

/// The status of a run whose pass failed for good; `None` when it is over already.
#[must_use]
pub fn failed_status(run: &Object, message: &str, now: Timestamp) -> Option<AnalysisRunStatus> {
    let status = run.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut status: AnalysisRunStatus = serde_json::from_value(status).unwrap_or_default();
    if status.phase.is_complete() {
        return None;
    }
    end(&mut status, AnalysisPhase::Error, message.to_owned(), now);
    Some(status)
}

/// Ends a run that can not be read; its status is all that can say so.
fn undecodable(run: &Object, reason: &str, now: Timestamp) -> Plan<AnalysisRunStatus, Measure> {
    let mut plan = Plan::default();
    let status = run.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut status: AnalysisRunStatus = serde_json::from_value(status).unwrap_or_default();
    if !status.phase.is_complete() {
        end(&mut status, AnalysisPhase::Error, format!("Analysis spec invalid: {reason}"), now);
        plan.note(completion(AnalysisPhase::Error));
        plan.status = Some(status);
    }
    plan
}

fn end(status: &mut AnalysisRunStatus, phase: AnalysisPhase, message: String, now: Timestamp) {
    status.phase = phase;
    status.message = message;
    if phase.is_complete() && status.completed_at.is_none() {
        status.completed_at = Some(now.into());
    }
}

fn completion(phase: AnalysisPhase) -> Note {
    let (reason, message) = (format!("AnalysisRun{phase}"), format!("Analysis Completed. Result: {phase}"));
    match phase {
        AnalysisPhase::Error | AnalysisPhase::Failed => Note::warning(reason, message),
        _ => Note::normal(reason, message),
    }
}

/// Deletes a finished run when its time is over.
fn expire(run: &Object, typed: &AnalysisRun, now: Timestamp) -> Plan<AnalysisRunStatus, Measure> {
    let mut plan = Plan::default();
    let (Some(ttl), Some(completed)) = (&typed.spec.ttl_strategy, typed.status.completed_at) else {
        return plan;
    };
    let specific = match typed.status.phase {
        AnalysisPhase::Successful => ttl.seconds_after_success,
        AnalysisPhase::Failed => ttl.seconds_after_failure,
        _ => None,
    };
    let Some(seconds) = specific.or(ttl.seconds_after_completion) else {
        return plan;
    };
    let seconds = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let end = time::after(completed.timestamp(), seconds);
    if now >= end {
        plan.push(Change::delete(run));
    } else {
        plan.wake_at(end);
    }
    plan
}

/// One pass: the run, its metrics with arguments filled in (secrets by a stand-in), its rules.
pub(super) struct Pass<'r> {
    run: &'r AnalysisRun,
    now: Timestamp,
    /// As `run.spec.metrics`, with values for arguments.
    metrics: Vec<Metric>,
    dry: Vec<bool>,
    kept: Vec<usize>,
    status: AnalysisRunStatus,
    plan: Plan<AnalysisRunStatus, Measure>,
}

impl<'r> Pass<'r> {
    fn new(run: &'r AnalysisRun, now: Timestamp) -> Result<Self, String> {
        let metrics = resolve::without_secrets(&run.spec.metrics, &run.spec.args)
            .map_err(|it| format!("Unable to resolve metric arguments: {it}"))?;
        let invalid = |it: String| format!("Analysis spec invalid: {it}");
        validate::metrics(&metrics).map_err(invalid)?;
        let rules: Vec<&str> = run.spec.dry_run.iter().map(|it| it.metric_name.as_str()).collect();
        let dry = validate::rules("dryRun", &rules, &metrics).map_err(invalid)?;
        let retention = &run.spec.measurement_retention;
        let rules: Vec<&str> = retention.iter().map(|it| it.metric_name.as_str()).collect();
        let kept = validate::rules("measurementRetention", &rules, &metrics).map_err(invalid)?;
        Ok(Self {
            run,
            now,
            dry: dry.iter().map(Option::is_some).collect(),
            kept: kept.iter().map(|rule| kept_measurements(rule.and_then(|at| retention.get(at)))).collect(),
            metrics,
            status: run.status.clone(),
            plan: Plan::default(),
        })
    }

    fn run(mut self, observations: &[Observation]) -> Plan<AnalysisRunStatus, Measure> {
        if observations.is_empty() {
            let due = self.due();
            if !due.is_empty() {
                due.into_iter().for_each(|it| self.plan.effect(it));
                return self.plan;
            }
        }
        for observation in observations {
            self.record(observation);
        }
        let (phase, message) = self.assess();
        if phase != self.status.phase {
            end(&mut self.status, phase, message, self.now);
            if phase.is_complete() {
                self.plan.note(completion(phase));
            }
        }
        self.forget();
        if !self.status.phase.is_complete() {
            if self.is_terminating() && !self.was_terminating() {
                // What is still under way is ended at once.
                self.plan.wake_at(self.now);
            } else if let Some(at) = self.next_time() {
                self.plan.wake_at(at.max(self.now));
            }
        }
        if self.status != self.run.status {
            self.plan.status = Some(self.status);
        }
        self.plan
    }

    /// Counts one measurement in.
    fn record(&mut self, observation: &Observation) {
        let Some(at) = self.metrics.iter().position(|it| it.name == observation.metric) else {
            return;
        };
        let mut measurement = observation.measurement.clone();
        measurement.started_at = measurement.started_at.or_else(|| Some(self.now.into()));
        if measurement.phase.is_complete() {
            measurement.finished_at = measurement.finished_at.or_else(|| Some(self.now.into()));
        }
        let (dry_run, phase) = (self.dry[at], measurement.phase);
        let result = self.result_mut(&observation.metric, dry_run, &observation.metadata);
        match phase {
            AnalysisPhase::Successful => {
                result.successful += 1;
                result.consecutive_success += 1;
            }
            AnalysisPhase::Failed => result.failed += 1,
            AnalysisPhase::Inconclusive => result.inconclusive += 1,
            AnalysisPhase::Error => {
                result.error += 1;
                result.consecutive_error += 1;
            }
            _ => {}
        }
        if phase.is_complete() {
            if phase != AnalysisPhase::Error {
                result.count += 1;
                result.consecutive_error = 0;
            }
            if phase != AnalysisPhase::Successful {
                result.consecutive_success = 0;
            }
        }
        match result.measurements.last_mut().filter(|it| it.finished_at.is_none()) {
            Some(last) => *last = measurement,
            None => result.measurements.push(measurement),
        }
    }

    fn result_mut(&mut self, name: &str, dry_run: bool, metadata: &BTreeMap<String, String>) -> &mut MetricResult {
        let results = &mut self.status.metric_results;
        let at = results.iter().position(|it| it.name == name).unwrap_or_else(|| {
            results.push(MetricResult {
                name: name.to_owned(),
                phase: AnalysisPhase::Running,
                dry_run,
                metadata: metadata.clone(),
                ..Default::default()
            });
            results.len() - 1
        });
        &mut results[at]
    }

    /// Drops measurements beyond what is kept.
    fn forget(&mut self) {
        for (at, metric) in self.metrics.iter().enumerate() {
            let kept = self.kept[at];
            let Some(result) = self.status.metric_results.iter_mut().find(|it| it.name == metric.name) else {
                continue;
            };
            let surplus = result.measurements.len().saturating_sub(kept);
            if surplus > 0 {
                result.measurements.drain(..surplus);
                let metric = self.run.spec.metrics[at].clone();
                self.plan.effect(Measure { metric, action: MeasureAction::GarbageCollect(kept) });
            }
        }
    }

    fn was_terminating(&self) -> bool {
        assess::terminates(self.run.spec.terminate, &self.run.status)
    }

    fn is_terminating(&self) -> bool {
        assess::terminates(self.run.spec.terminate, &self.status)
    }
}

fn kept_measurements(rule: Option<&MeasurementRetention>) -> usize {
    rule.and_then(|it| usize::try_from(it.limit).ok()).filter(|it| *it > 0).unwrap_or(MEASUREMENTS_KEPT)
}

/// A value as providers write it into a measurement: compact JSON.
#[must_use]
pub fn value_text(value: &Value) -> String {
    value.to_string()
}

//! What measurements come to: per metric, and for the run.

use argo_core::Note;

use super::{Pass, schedule::effective_count};
use crate::api::{AnalysisPhase, AnalysisRunStatus, IntOrString, Metric, MetricResult, RunSummary};

/// Whether a run is to end: asked for, or decided by a metric that counts.
pub(super) fn terminates(asked: bool, status: &AnalysisRunStatus) -> bool {
    asked
        || status
            .metric_results
            .iter()
            .filter(|it| !it.dry_run)
            .any(|it| matches!(it.phase, AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive))
}

impl Pass<'_> {
    /// Phases of all metrics, the summaries, and the phase of the run with its message.
    pub(super) fn assess(&mut self) -> (AnalysisPhase, String) {
        let terminating = self.is_terminating();
        self.status.started_at = self.status.started_at.or_else(|| Some(self.now.into()));
        let mut worst: Option<AnalysisPhase> = None;
        let mut message = if self.run.spec.terminate { "Run Terminated".to_owned() } else { String::new() };
        let (mut counted, mut dry) = (RunSummary::default(), RunSummary::default());
        let mut all_complete = true;
        for at in 0..self.metrics.len() {
            let metric = &self.metrics[at];
            let is_dry = self.dry[at];
            let summary = if is_dry { &mut dry } else { &mut counted };
            summary.count += 1;
            let Some(result) = self.status.metric_results.iter_mut().find(|it| it.name == metric.name) else {
                all_complete = false;
                continue;
            };
            let phase = phase_of(metric, result, terminating);
            if result.phase != phase {
                if let Some(last) = result.measurements.last() {
                    result.message.clone_from(&last.message);
                }
                result.phase = phase;
                if phase.is_complete() {
                    let (reason, text) =
                        (format!("Metric{phase}"), format!("Metric '{}' Completed. Result: {phase}", metric.name));
                    self.plan.note(match phase {
                        AnalysisPhase::Error | AnalysisPhase::Failed => Note::warning(reason, text),
                        _ => Note::normal(reason, text),
                    });
                }
            }
            if !phase.is_complete() {
                all_complete = false;
                continue;
            }
            let trouble = trouble_of(metric, result);
            match trouble.as_ref().map(|it| it.0) {
                Some(AnalysisPhase::Error) => summary.error += 1,
                Some(AnalysisPhase::Failed) => summary.failed += 1,
                Some(AnalysisPhase::Inconclusive) => summary.inconclusive += 1,
                _ => summary.successful += 1,
            }
            if is_dry {
                worst = worst.or(Some(AnalysisPhase::Successful));
                if let Some((_, why)) = trouble {
                    result.message = format!("Metric assessed {phase} due to {why}");
                }
            } else if worst.is_none_or(|it| phase.severity() > it.severity()) {
                worst = Some(phase);
                if let Some((_, why)) = trouble {
                    message = format!("Metric \"{}\" assessed {phase} due to {why}", metric.name);
                    if !result.message.is_empty() {
                        message = format!("{message}: \"Error Message: {}\"", result.message);
                    }
                }
            }
        }
        self.status.run_summary = Some(counted);
        self.status.dry_run_summary = Some(dry);
        let message = message.trim().to_owned();
        match worst {
            worst if terminating => (worst.unwrap_or(AnalysisPhase::Successful), message),
            Some(worst) if all_complete => (worst, message),
            _ => (AnalysisPhase::Running, String::new()),
        }
    }
}

fn limit(field: &Option<IntOrString>) -> Option<i64> {
    field.as_ref().map(|it| it.as_int().unwrap_or_default())
}

/// The phase of one metric.
fn phase_of(metric: &Metric, result: &MetricResult, terminating: bool) -> AnalysisPhase {
    if result.phase.is_complete() {
        return result.phase;
    }
    let Some(last) = result.measurements.last() else {
        return if terminating { AnalysisPhase::Successful } else { AnalysisPhase::Pending };
    };
    if !last.phase.is_complete() {
        return AnalysisPhase::Running;
    }
    if let Some((phase, _)) = trouble_of(metric, result) {
        return phase;
    }
    let in_a_row = limit(&metric.consecutive_success_limit).filter(|it| *it > 0);
    if in_a_row.is_some_and(|it| result.consecutive_success >= it) {
        return AnalysisPhase::Successful;
    }
    if effective_count(metric).is_some_and(|it| result.count >= it) {
        let failure_limited = limit(&metric.failure_limit).unwrap_or_default() >= 0;
        return match (in_a_row, failure_limited) {
            (Some(_), true) => AnalysisPhase::Inconclusive,
            (Some(_), false) => AnalysisPhase::Failed,
            (None, _) => AnalysisPhase::Successful,
        };
    }
    if terminating { AnalysisPhase::Successful } else { AnalysisPhase::Running }
}

/// The limit that was passed; errors outweigh what is inconclusive, that outweighs failures.
fn trouble_of(metric: &Metric, result: &MetricResult) -> Option<(AnalysisPhase, String)> {
    let errors = limit(&metric.consecutive_error_limit).unwrap_or(4);
    if result.consecutive_error > errors {
        let text = format!("consecutiveErrors ({}) > consecutiveErrorLimit ({errors})", result.consecutive_error);
        return Some((AnalysisPhase::Error, text));
    }
    let inconclusive = limit(&metric.inconclusive_limit).unwrap_or_default();
    if result.inconclusive > inconclusive {
        let text = format!("inconclusive ({}) > inconclusiveLimit ({inconclusive})", result.inconclusive);
        return Some((AnalysisPhase::Inconclusive, text));
    }
    let failures = limit(&metric.failure_limit).unwrap_or_default();
    (failures >= 0 && result.failed > failures)
        .then(|| (AnalysisPhase::Failed, format!("failed ({}) > failureLimit ({failures})", result.failed)))
}

//! After the writes.

use argo_core::{Change, Failure, Timestamp};

use super::{
    Conclusion, Draft, Pass,
    operate::{TIMEOUT, settle_state},
};
use crate::{
    api::{ApplicationStatus, ConditionType, OperationPhase},
    engine::{conditions, conditions::condition, edits::Edits, operation, sync},
};

impl Pass {
    /// A pass that writes and then edits, without a synchronisation.
    pub(in crate::engine) fn of(changes: Vec<Change>, edits: Edits, status: ApplicationStatus, now: Timestamp) -> Self {
        let mut pass = Self::default();
        for change in changes {
            pass.plan.push(change);
            pass.runs.push(0);
        }
        pass.draft.edits = edits;
        pass.draft.status = status;
        pass.draft.now = now;
        pass
    }

    /// Whether more has to be observed first.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.plan.effects().next().is_some()
    }

    /// The run of the change at `index`.
    #[must_use]
    pub fn run_of(&self, index: usize) -> usize {
        self.runs.get(index).copied().unwrap_or_default()
    }

    /// The run after which the pass ends, when the change at `index` failed so.
    #[must_use]
    pub fn ends_after(&self, index: usize, error: &argo_core::ApplyError) -> Option<usize> {
        let run = self.run_of(index);
        sync::ends_run(run, error).then_some(run)
    }

    /// Reads what came of the plan's changes, one outcome each in their order, and gives what is left to write.
    #[must_use]
    pub fn finish(mut self, outcomes: Vec<sync::Outcome>) -> Conclusion {
        let mut conclusion = Conclusion::default();
        let Draft { mut edits, mut status, spec, state, now } = std::mem::take(&mut self.draft);
        let mut outcomes = outcomes.into_iter();
        if let (Some(step), Some(mut state)) = (self.step.take(), state) {
            // Writes that had nothing to change went well without a change.
            let mut blocked = None;
            let all = step
                .writes
                .iter()
                .map(|write| {
                    if blocked.is_some_and(|run| write.run > run) {
                        if write.change.is_some() {
                            outcomes.next();
                        }
                        return sync::Outcome::Skipped;
                    }
                    let outcome = match &write.change {
                        Some(_) => outcomes.next().unwrap_or(sync::Outcome::Skipped),
                        None => sync::Outcome::Done,
                    };
                    match &outcome {
                        sync::Outcome::Failed(error) if !sync::ends_run(write.run, error) => {}
                        sync::Outcome::Done => {}
                        _ => blocked = Some(write.run),
                    }
                    outcome
                })
                .collect();
            let finish = sync::finish(step, all);
            if let Some(result) = &mut state.sync_result {
                result.resources = finish.results;
            }
            conclusion.cleanup = finish.cleanup;
            conclusion.settle = finish.settle;
            conclusion.retry = finish.retry;
            let phase = if finish.phase == OperationPhase::Running { state.phase } else { finish.phase };
            let mut message = finish.message;
            if state.phase == OperationPhase::Terminating && state.message == TIMEOUT {
                message.push_str(TIMED_OUT);
            }
            let state = operation::conclude(state, phase, message, now);
            operation::record(&mut status, &spec, &state, now);
            let mut rest = Pass::default();
            settle_state(state, &mut status, &mut rest);
            edits.clear_operation |= rest.draft.edits.clear_operation;
            self.plan.notes.extend(rest.plan.notes);
            if let Some(at) = rest.plan.wake {
                self.plan.wake_at(at);
            }
        } else {
            conclusion.retry = outcomes.find_map(|it| match it {
                sync::Outcome::Failed(error) => Some(error),
                _ => None,
            });
            // Only deletions write without a step. What says something about the objects is shown.
            let error = conclusion.retry.as_ref().filter(|it| !it.is_transient());
            if error.is_some() || self.clears_error && conclusion.retry.is_none() {
                let shown = error.map(|it| condition(ConditionType::DeletionError, it.message.clone()));
                let evaluated = [ConditionType::DeletionError];
                status.conditions = conditions::set(&status.conditions, shown.into_iter().collect(), &evaluated, now);
            }
        }
        edits.status = Some(status);
        conclusion.edits = edits;
        conclusion.notes = self.plan.notes;
        conclusion.wake = self.plan.wake;
        conclusion
    }
}

/// Ends the message of an operation that the controller's own limit ended.
const TIMED_OUT: &str = ", triggered by controller sync timeout";

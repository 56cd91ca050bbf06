//! Conditions of a Rollout.

use std::time::Duration;

use argo_core::{Note, Timestamp, time};
use serde_json::Value;

use super::pass::{Pass, new_condition};
use crate::api::{Condition, RolloutStatus, names};
use names::{condition as kind, reason};

const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

/// Sets a condition; returns whether it changed. The same status and reason is no change; the time
/// of transition moves with the status only.
pub(crate) fn set(status: &mut RolloutStatus, condition: Condition) -> bool {
    put(&mut status.conditions, condition)
}

/// As [`set`], in any list of conditions.
pub(crate) fn put(conditions: &mut Vec<Condition>, mut condition: Condition) -> bool {
    if let Some(current) = conditions.iter().find(|it| it.kind == condition.kind) {
        if current.status == condition.status && current.reason == condition.reason {
            return false;
        }
        if current.status == condition.status {
            condition.last_transition_time = current.last_transition_time;
        }
    }
    conditions.retain(|it| it.kind != condition.kind);
    conditions.push(condition);
    true
}

fn remove(status: &mut RolloutStatus, kind: &str) {
    status.conditions.retain(|it| it.kind != kind);
}

/// Sets InvalidSpec, also when only its message is another.
pub(crate) fn set_invalid(status: &mut RolloutStatus, message: &str, now: Timestamp) {
    if status.condition(kind::INVALID_SPEC).is_some_and(|it| it.message != message) {
        remove(status, kind::INVALID_SPEC);
    }
    set(status, new_condition(kind::INVALID_SPEC, TRUE, reason::INVALID_SPEC, message, now));
}

impl Pass<'_> {
    /// Makes the conditions of the next status follow a pause, a resume or a retry; whether anything changed.
    pub(crate) fn sync_paused_conditions(&mut self) -> bool {
        let status = &self.next;
        let progressing = status.condition(kind::PROGRESSING).map(|it| it.reason.clone());
        let says_paused = progressing.as_deref() == Some(reason::PAUSED);
        let says_aborted = progressing.as_deref() == Some(reason::ABORTED);
        let is_paused = !status.pause_conditions.is_empty() || self.ro.spec.paused;
        let paused_true = status.condition(kind::PAUSED).is_some_and(|it| it.status == TRUE);
        let (is_abort, is_complete) = (status.abort, completed(status));
        let mut changed = false;
        if is_paused != says_paused && !says_aborted && !is_complete {
            let (why, message) =
                if is_paused { (reason::PAUSED, "Rollout is paused") } else { (reason::RESUMED, "Rollout is resumed") };
            changed |= self.set_condition(kind::PROGRESSING, UNKNOWN, why, message);
        }
        if !is_abort && says_aborted {
            changed |= self.set_condition(kind::PROGRESSING, UNKNOWN, reason::RETRY, "Retrying Rollout after abort");
        }
        if is_paused != paused_true && !says_aborted {
            let value = if is_paused { TRUE } else { FALSE };
            changed |= self.set_condition(kind::PAUSED, value, reason::PAUSED, "Rollout is paused");
        }
        changed
    }

    /// The pause that this pass begins or ends shows in the conditions of the same write, and one that goes on while
    /// pods come and go stays as it is.
    pub(crate) fn follow_pause(&mut self) {
        self.sync_paused_conditions();
        let same =
            |it: &&Condition| self.next.condition(kind::PROGRESSING).is_some_and(|next| next.reason == it.reason);
        let goes_on = self.ro.status.condition(kind::PROGRESSING).filter(|it| it.reason == reason::PAUSED);
        if let Some(before) = goes_on.filter(same).cloned() {
            set_plain(&mut self.next, before);
        }
    }

    /// Writes a status of which only conditions changed.
    pub(crate) fn finish_conditions_only(&mut self) {
        self.next.observed_generation = self.generation();
        let (phase, message) = super::phase::phase_of(&self.ro.spec, &self.next);
        (self.next.phase, self.next.message) = (phase.to_owned(), message);
        self.track_duration();
        self.write();
    }

    /// Aborts an update that is out of time, where the spec asks for it.
    pub(crate) fn evaluate_deadline_abort(&mut self) {
        if !self.ro.spec.progress_deadline_abort
            || self.is_aborted()
            || completed(&self.next)
            || self.progressed()
            || self.waits_without_limit()
            || !self.timed_out(&self.ro.status)
        {
            return;
        }
        let message = self.timeout_message();
        self.pauses.abort(message.clone());
        self.plan.note(Note::warning(reason::ABORTED, message));
    }

    /// Looks again when the deadline for progress passes.
    pub(crate) fn wake_for_deadline(&mut self) {
        let status = &self.ro.status;
        let Some(current) = status.condition(kind::PROGRESSING) else { return };
        if self.is_healthy(&self.next)
            || current.reason == reason::TIMED_OUT
            || !status.pause_conditions.is_empty()
            || self.ro.spec.paused
            || status.abort
            || self.waits_without_limit()
        {
            return;
        }
        let since = current.last_update_time.map_or(self.now, |it| it.timestamp());
        let deadline = time::after(since, self.deadline() + Duration::from_secs(1));
        if deadline > self.now {
            self.plan.wake_at(deadline);
        }
    }

    /// Composes the conditions of the next status.
    pub(crate) fn calculate_conditions(&mut self) {
        remove(&mut self.next, kind::INVALID_SPEC);
        let is_paused = !self.next.pause_conditions.is_empty() || self.ro.spec.paused;
        let is_aborted = self.is_aborted();
        let healthy = self.is_healthy(&self.next);
        let mut became_unhealthy = false;
        if healthy && !is_paused {
            self.set_condition(kind::HEALTHY, TRUE, reason::HEALTHY, "Rollout is healthy");
        } else if self.ro.status.condition(kind::HEALTHY).is_some() {
            became_unhealthy = self.set_condition(kind::HEALTHY, FALSE, reason::HEALTHY, "Rollout is not healthy");
        }
        if is_aborted {
            let mut message = format!("Rollout aborted update to revision {}", self.revision());
            if let Some(why) = self.pauses.abort_message() {
                message = format!("{message}: {why}");
            }
            if self.set_condition(kind::PROGRESSING, FALSE, reason::ABORTED, &message) {
                self.plan.note(Note::warning(reason::ABORTED, message));
            }
        } else {
            // While it is paused in the middle of an update its reason stays the pause; else the two would
            // be written in turns.
            let through = healthy && (!is_paused || completed(&self.next));
            self.calculate_progress(through, became_unhealthy);
        }
        let (value, message) = if self.has_minimum_availability() {
            (TRUE, "Rollout has minimum availability")
        } else {
            (FALSE, "Rollout does not have minimum availability")
        };
        self.set_condition(kind::AVAILABLE, value, reason::AVAILABLE, message);
        match self.replica_failure() {
            Some(failure) => {
                set(&mut self.next, failure);
            }
            None => remove(&mut self.next, kind::REPLICA_FAILURE),
        }
        if completed(&self.next) {
            self.set_condition(kind::COMPLETED, TRUE, reason::COMPLETED, reason::COMPLETED);
        } else if self.set_condition(kind::COMPLETED, FALSE, reason::COMPLETED, reason::COMPLETED) {
            let hash = &self.next.current_pod_hash;
            let message = format!("Rollout not completed, started update to revision {} ({hash})", self.revision());
            self.plan.note(Note::normal(reason::NOT_COMPLETED, message));
        }
    }

    fn calculate_progress(&mut self, healthy: bool, became_unhealthy: bool) {
        let set = self.new_set().map(|it| it.name().to_owned()).unwrap_or_default();
        if healthy {
            let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
            self.set_condition(kind::PROGRESSING, TRUE, reason::RS_AVAILABLE, &message);
        } else if self.progressed() || became_unhealthy {
            let (why, message) = if completed(&self.next) && became_unhealthy {
                (reason::RS_NOT_AVAILABLE, "Rollout does not have minimum availability".to_owned())
            } else {
                (reason::RS_UPDATED, format!("ReplicaSet \"{set}\" is progressing."))
            };
            // Progress refreshes the time even when the reason stays.
            let mut condition = new_condition(kind::PROGRESSING, TRUE, why, &message, self.now);
            if let Some(current) = self.ro.status.condition(kind::PROGRESSING) {
                if current.status == TRUE {
                    condition.last_transition_time = current.last_transition_time;
                }
                remove(&mut self.next, kind::PROGRESSING);
            }
            set_plain(&mut self.next, condition);
        } else if !self.waits_without_limit() && self.timed_out(&self.next) {
            let message = self.timeout_message();
            self.set_condition(kind::PROGRESSING, FALSE, reason::TIMED_OUT, &message);
        }
    }

    /// All pods asked for are there: of all ReplicaSets, or of the active one.
    fn has_minimum_availability(&self) -> bool {
        if self.blue_green().is_some() {
            let active = self.sets.iter().find(|it| it.hash == self.next.blue_green.active_selector);
            return active.is_some_and(|it| self.is_saturated(it));
        }
        self.sets.iter().map(|it| it.available).sum::<i64>() >= self.replicas()
    }

    /// Whether the next status shows that something moved.
    fn progressed(&self) -> bool {
        let (old, new) = (&self.ro.status, &self.next);
        let selectors =
            |it: &RolloutStatus| (it.blue_green.active_selector.clone(), it.blue_green.preview_selector.clone());
        if self.blue_green().is_some() && selectors(old) != selectors(new) {
            return true;
        }
        let step = match (old.current_step_index, new.current_step_index) {
            (Some(old), Some(new)) => old != new,
            _ => false,
        };
        new.updated_replicas != old.updated_replicas
            || new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
            || new.ready_replicas > old.ready_replicas
            || new.available_replicas > old.available_replicas
            || new.stable_rs != old.stable_rs && self.strategy().is_some()
            || step
            || new.current_step_hash != old.current_step_hash
    }

    /// Everything as specified: all pods updated and available, all steps done, nothing left over.
    pub(crate) fn is_healthy(&self, status: &RolloutStatus) -> bool {
        let replicas = self.replicas();
        let full = status.updated_replicas == replicas && status.available_replicas == replicas;
        if let Some(strategy) = self.blue_green() {
            let (current, selectors) = (&status.current_pod_hash, &status.blue_green);
            let preview = strategy.preview_service.as_deref().unwrap_or_default();
            let switched =
                selectors.active_selector == *current && (preview.is_empty() || selectors.preview_selector == *current);
            return full && switched && self.generation_is_observed();
        }
        let steps = i64::try_from(self.ro.spec.steps().len()).unwrap_or(i64::MAX);
        let steps_done = steps == 0 || status.current_step_index.is_none_or(|it| it == steps);
        full && self.generation_is_observed() && steps_done && completed(status) && status.replicas == replicas
    }

    /// A step that may take any time, or old pods that stay for a while on purpose.
    fn waits_without_limit(&self) -> bool {
        let (_, step) = self.current_step();
        step.is_some_and(|it| it.experiment.is_some() || it.analysis.is_some() || it.pause.is_some())
            || self.ro.status.condition(kind::PAUSED).is_some_and(|it| it.status == TRUE)
            // One without pods has a deadline left from an abort: nothing waits for that.
            || self.others().any(|it| it.has_deadline && it.spec > 0)
    }

    fn timed_out(&self, status: &RolloutStatus) -> bool {
        let Some(current) = status.condition(kind::PROGRESSING) else {
            return false;
        };
        match current.reason.as_str() {
            reason::ABORTED | reason::PAUSED => false,
            reason::TIMED_OUT => true,
            _ => current.last_update_time.is_some_and(|it| time::after(it.timestamp(), self.deadline()) < self.now),
        }
    }

    fn deadline(&self) -> Duration {
        let seconds = self.ro.spec.progress_deadline_seconds.unwrap_or(600);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    fn timeout_message(&self) -> String {
        match self.new_set() {
            Some(set) => format!("ReplicaSet \"{}\" has timed out progressing.", set.name()),
            None => format!("Rollout \"{}\" has timed out progressing.", self.name()),
        }
    }

    /// The first ReplicaSet that can not make pods, the new one before others.
    fn replica_failure(&self) -> Option<Condition> {
        let sets = self.new_set().into_iter().chain(&self.sets);
        sets.filter_map(|set| {
            let conditions = set.object.pointer("/status/conditions").and_then(Value::as_array)?;
            let failure = conditions.iter().find(|it| it["type"] == kind::REPLICA_FAILURE)?;
            let mut failure: Condition = serde_json::from_value(failure.clone()).ok()?;
            failure.last_update_time = failure.last_transition_time;
            Some(failure)
        })
        .next()
    }

    /// Events of pauses that begin and end with this status.
    pub(crate) fn note_pause_changes(&mut self) {
        let before = !self.ro.status.pause_conditions.is_empty();
        match self.next.pause_conditions.first() {
            Some(pause) if !before => {
                let message = format!("Rollout is paused ({})", pause.reason);
                self.plan.note(Note::normal(reason::PAUSED, message));
            }
            None if before && self.next.aborted_at.is_none() => {
                self.plan.note(Note::normal(reason::RESUMED, "Rollout is resumed"));
            }
            _ => {}
        }
    }
}

fn completed(status: &RolloutStatus) -> bool {
    !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash
}

fn set_plain(status: &mut RolloutStatus, condition: Condition) {
    remove(status, &condition.kind);
    status.conditions.push(condition);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_status_and_reason_is_no_change() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut status = RolloutStatus::default();
        assert!(set(&mut status, new_condition("A", TRUE, "R", "m", at(1))));
        assert!(!set(&mut status, new_condition("A", TRUE, "R", "other", at(2))));
        assert!(set(&mut status, new_condition("A", TRUE, "S", "m", at(3))));
        let condition = status.condition("A").unwrap();
        assert_eq!(condition.last_transition_time, Some(at(1).into()));
        assert_eq!(condition.last_update_time, Some(at(3).into()));
    }
}

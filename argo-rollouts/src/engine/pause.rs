//! Pauses and aborts that a pass adds or takes away.

use argo_core::{Time, Timestamp};

use super::pass::Pass;
use crate::api::{PauseCondition, RolloutPause, RolloutStatus, names};

/// What a pass decides about pausing and aborting, until the status is composed.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    add: Vec<&'static str>,
    remove: Vec<&'static str>,
    clear: bool,
    abort: Option<String>,
    remove_abort: bool,
}

impl Pauses {
    pub(crate) fn add(&mut self, reason: &'static str) {
        self.add.push(reason);
    }

    pub(crate) fn remove(&mut self, reason: &'static str) {
        self.remove.push(reason);
    }

    pub(crate) fn clear(&mut self) {
        self.clear = true;
    }

    pub(crate) fn abort(&mut self, message: String) {
        self.abort = Some(message);
    }

    pub(crate) fn remove_abort(&mut self) {
        self.remove_abort = true;
    }

    pub(crate) fn has_added(&self) -> bool {
        !self.add.is_empty()
    }

    pub(crate) fn abort_message(&self) -> Option<&str> {
        self.abort.as_deref().filter(|it| !it.is_empty())
    }

    pub(crate) fn is_aborted(&self, observed: &RolloutStatus) -> bool {
        !self.remove_abort && (self.abort.is_some() || observed.abort)
    }

    /// Writes abort and pauses into the next status. The first time of an abort is kept. A pause that
    /// the controller adds sets `controllerPause`; when none is left that falls away with it.
    pub(crate) fn apply(&self, observed: &RolloutStatus, next: &mut RolloutStatus, now: Timestamp) {
        next.pause_conditions.clear();
        next.controller_pause = false;
        if self.is_aborted(observed) {
            next.abort = true;
            next.aborted_at = observed.aborted_at.or_else(|| Some(now.into()));
            return;
        }
        next.abort = false;
        next.aborted_at = None;
        if self.clear {
            return;
        }
        let kept = observed.pause_conditions.iter().filter(|it| !self.remove.contains(&it.reason.as_str()));
        let mut conditions: Vec<PauseCondition> = kept.cloned().collect();
        let mut controller = observed.controller_pause;
        for reason in &self.add {
            if observed.pause(reason).is_none() {
                conditions.push(PauseCondition { reason: (*reason).to_owned(), start_time: Time::new(now) });
                controller = true;
            }
        }
        if conditions.is_empty() {
            return;
        }
        next.controller_pause = controller;
        next.pause_conditions = conditions;
    }
}

impl Pass<'_> {
    /// Whether a pause step is over: its time has passed, or a client took the pause away.
    pub(crate) fn is_pause_over(&self, pause: &RolloutPause) -> bool {
        let status = &self.ro.status;
        let condition = status.pause(names::pause::CANARY_STEP);
        match (condition, pause_end(condition, pause)) {
            (None, _) => status.controller_pause,
            (Some(_), Some(end)) => self.now >= end,
            (Some(_), None) => false,
        }
    }
}

/// When a pause that has begun ends by itself.
pub(crate) fn pause_end(condition: Option<&PauseCondition>, pause: &RolloutPause) -> Option<Timestamp> {
    let seconds = u64::try_from(pause.seconds()?).unwrap_or_default();
    Some(argo_core::time::after(condition?.start_time.timestamp(), std::time::Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_pause_added_twice_keeps_its_start() {
        let mut pauses = Pauses::default();
        pauses.add(names::pause::CANARY_STEP);
        let (observed, mut first) = (RolloutStatus::default(), RolloutStatus::default());
        pauses.apply(&observed, &mut first, at(10));
        assert!(first.controller_pause);
        let mut second = first.clone();
        pauses.apply(&first, &mut second, at(20));
        assert_eq!(first, second);
    }

    #[test]
    fn taking_the_last_pause_away_ends_the_controllers_pause() {
        let mut pauses = Pauses::default();
        pauses.add(names::pause::CANARY_STEP);
        let mut paused = RolloutStatus::default();
        pauses.apply(&RolloutStatus::default(), &mut paused, at(10));
        let mut pauses = Pauses::default();
        pauses.remove(names::pause::CANARY_STEP);
        let mut next = paused.clone();
        pauses.apply(&paused, &mut next, at(20));
        assert_eq!(next, RolloutStatus::default());
    }

    #[test]
    fn an_abort_keeps_its_first_time_and_drops_pauses() {
        let mut pauses = Pauses::default();
        pauses.abort("why".to_owned());
        let observed = RolloutStatus { abort: true, aborted_at: Some(at(5).into()), ..Default::default() };
        let mut next = observed.clone();
        pauses.apply(&observed, &mut next, at(20));
        assert_eq!(next.aborted_at, Some(at(5).into()));
        assert!(next.pause_conditions.is_empty());
    }
}

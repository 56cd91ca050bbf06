//! How long an update takes, and how much of that it waited for somebody.

use argo_core::{Time, Timestamp, time};

use super::pass::Pass;
use crate::api::{DurationStatus, RolloutStatus, names};

/// Ways in which an attempt ends.
const PROMOTED: &str = "Promoted";
const FAST_PROMOTED: &str = "FastPromoted";
const ABORTED: &str = "Aborted";
const SUPERSEDED: &str = "Superseded";
const ROLLED_BACK: &str = "RolledBack";
const FAST_ROLLED_BACK: &str = "FastRolledBack";

/// An attempt that ended, for metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// How.
    pub status: String,
    /// All of it, in seconds.
    pub total: f64,
    /// What of it was waiting for somebody, in seconds.
    pub paused: f64,
}

/// The attempt that ended with the write of `next` over `old` at `now`, if one did. A superseded one
/// is only seen here: the status speaks of the next attempt at once.
#[must_use]
pub fn finished(old: &RolloutStatus, next: &RolloutStatus, now: Timestamp) -> Option<Finished> {
    let before = old.duration.as_ref().filter(|it| it.is_under_way())?;
    let after = next.duration.as_ref()?;
    let ended = if after.is_finished() {
        after.clone()
    } else if after.rollout_started_at != before.rollout_started_at {
        let mut ended = before.clone();
        finish(&mut ended, SUPERSEDED, now);
        ended
    } else {
        return None;
    };
    let (from, to) = (ended.rollout_started_at?.timestamp(), ended.finished_at?.timestamp());
    Some(Finished {
        status: ended.completion_status,
        total: time::between(from, to).as_secs_f64(),
        paused: ended.total_manual_pause_duration_seconds.unwrap_or_default() as f64,
    })
}

impl Pass<'_> {
    /// Notes how the attempt will have ended when it is promoted.
    pub(crate) fn note_promotion(&mut self) {
        let how = if self.ro.status.promote_full { FAST_PROMOTED } else { PROMOTED };
        if let Some(duration) = self.next.duration.as_mut().filter(|it| it.completion_status.is_empty()) {
            how.clone_into(&mut duration.completion_status);
        }
    }

    /// Brings `status.duration` up to the rest of the next status, which is composed before.
    pub(crate) fn track_duration(&mut self) {
        if self.next.condition(names::condition::INVALID_SPEC).is_some() {
            return;
        }
        let (status, now) = (&self.ro.status, self.now);
        let before = status.duration.as_ref();
        let changed = status.current_pod_hash.is_empty() || self.is_changed();
        let available = self.new_set().is_some_and(|it| it.available >= self.replicas());
        let settled = self.next.stable_rs == self.next.current_pod_hash && available;
        let aborted = self.is_aborted();
        let progressing = status.condition(names::condition::PROGRESSING);
        let retried = !aborted && progressing.is_some_and(|it| it.reason == names::reason::ABORTED);
        let mut was_paused = before.is_some_and(|it| it.manual_pause_started_at.is_some());
        let mut duration = self.next.duration.clone();

        if let Some(current) = duration.as_mut().filter(|_| before.is_some_and(DurationStatus::is_under_way)) {
            if changed {
                if self.is_rollback() {
                    let how = if self.is_fast_rollback() { FAST_ROLLED_BACK } else { ROLLED_BACK };
                    how.clone_into(&mut current.completion_status);
                } else {
                    finish(current, SUPERSEDED, now);
                }
            }
            if !current.is_finished() && (settled || aborted) {
                let how = if settled { PROMOTED } else { ABORTED };
                let known = Some(current.completion_status.clone()).filter(|it| !it.is_empty());
                finish(current, &known.unwrap_or_else(|| how.to_owned()), now);
                if settled {
                    self.next.duration = duration;
                    return;
                }
            }
        }
        if duration.as_ref().is_none_or(|it| it.is_finished() && !settled) {
            was_paused = false;
            if changed && !settled || retried {
                duration = Some(DurationStatus { rollout_started_at: Some(now.into()), ..Default::default() });
            }
        }
        let waits = self.waits_for_somebody();
        if let Some(current) = duration.as_mut().filter(|it| !it.is_finished()) {
            if was_paused && !waits {
                end_pause(current, now);
            } else if !was_paused && waits && current.manual_pause_started_at.is_none() {
                current.manual_pause_started_at = Some(now.into());
            }
        }
        self.next.duration = duration;
    }

    /// Paused until somebody does something.
    fn waits_for_somebody(&self) -> bool {
        let by_hand = |reason: &str| match reason {
            names::pause::INCONCLUSIVE | names::pause::INCONCLUSIVE_EXPERIMENT => true,
            names::pause::CANARY_STEP => {
                // The step that the next status stands at: its pause may begin with the end of the one before.
                let index = self.next.current_step_index.and_then(|it| usize::try_from(it).ok());
                let step = index.and_then(|it| self.ro.spec.steps().get(it));
                step.and_then(|it| it.pause.as_ref()).is_some_and(|it| it.duration.is_none())
            }
            names::pause::BLUE_GREEN => self.blue_green().is_some_and(|it| it.auto_promotion_enabled == Some(false)),
            _ => false,
        };
        self.ro.spec.paused || self.next.pause_conditions.iter().any(|it| by_hand(&it.reason))
    }
}

fn end_pause(duration: &mut DurationStatus, now: Timestamp) {
    let Some(since) = duration.manual_pause_started_at.take().map(Time::timestamp) else { return };
    let seconds = i64::try_from(time::between(since, now).as_secs()).unwrap_or(i64::MAX);
    let sum = duration.total_manual_pause_duration_seconds.unwrap_or_default();
    duration.total_manual_pause_duration_seconds = Some(sum.saturating_add(seconds));
}

fn finish(duration: &mut DurationStatus, how: &str, now: Timestamp) {
    end_pause(duration, now);
    duration.finished_at = Some(now.into());
    how.clone_into(&mut duration.completion_status);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn status(started: i64, finished: Option<i64>, how: &str) -> RolloutStatus {
        let duration = DurationStatus {
            rollout_started_at: Some(at(started).into()),
            finished_at: finished.map(|it| at(it).into()),
            completion_status: how.to_owned(),
            ..Default::default()
        };
        RolloutStatus { duration: Some(duration), ..Default::default() }
    }

    #[test]
    fn an_end_is_told_once() {
        let (running, done) = (status(10, None, ""), status(10, Some(70), PROMOTED));
        let told = finished(&running, &done, at(70)).unwrap();
        assert_eq!((told.status.as_str(), told.total, told.paused), (PROMOTED, 60.0, 0.0));
        assert_eq!(finished(&done, &done, at(80)), None);
        assert_eq!(finished(&running, &running, at(80)), None);
    }

    #[test]
    fn one_that_the_next_takes_over_is_superseded() {
        let mut running = status(10, None, "");
        running.duration.as_mut().unwrap().manual_pause_started_at = Some(at(30).into());
        let told = finished(&running, &status(50, None, ""), at(50)).unwrap();
        assert_eq!((told.status.as_str(), told.total, told.paused), (SUPERSEDED, 40.0, 20.0));
    }
}

//! Counts of pods change many times while pods come and go; they are told in steps.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argo_core::{ObjectKey, Timestamp, time};

/// A status that differs in counts only is written no sooner than this after the last one of its Rollout.
const APART: Duration = Duration::from_millis(500);
/// So many are remembered before those that no longer matter are forgotten.
const MANY: usize = 1024;

/// When the statuses of Rollouts were last written.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<ObjectKey, Timestamp>>);

impl Counts {
    /// A status was written.
    pub(super) fn wrote(&self, key: &ObjectKey, now: Timestamp) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() >= MANY {
            written.retain(|_, at| time::after(*at, APART) > now);
        }
        written.insert(key.clone(), now);
    }

    /// When counts may be written, if that is not now.
    pub(super) fn later(&self, key: &ObjectKey, now: Timestamp) -> Option<Timestamp> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(key).map(|at| time::after(*at, APART)).filter(|it| *it > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_wait_for_a_while_and_not_for_ever() {
        let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap();
        let (counts, key) = (Counts::default(), ObjectKey::new(Some("n"), "shop"));
        assert_eq!(counts.later(&key, at(0)), None);
        counts.wrote(&key, at(0));
        assert_eq!(counts.later(&key, at(100)), Some(at(500)));
        assert_eq!(counts.later(&key, at(500)), None);
        for other in 0..3_000 {
            counts.wrote(&ObjectKey::new(Some("n"), &format!("other-{other}")), at(other));
        }
        assert!(counts.0.lock().unwrap().len() <= MANY);
    }
}

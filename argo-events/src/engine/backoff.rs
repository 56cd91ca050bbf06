//! How long to wait between attempts.

use std::time::Duration;

use crate::api::{Backoff, BackoffDuration};

/// Attempts and delays of a [`Backoff`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempts {
    delay: f64,
    factor: f64,
    jitter: f64,
    left: u32,
}

/// No wait is longer than this: a day.
const MAX_DELAY: f64 = 86_400.0;

impl Attempts {
    /// The attempts of a backoff; absent fields have upstream's defaults (1 s, 1.0, 1, 5 attempts).
    #[must_use]
    pub fn of(backoff: Option<&Backoff>) -> Self {
        let default = Backoff::default();
        let backoff = backoff.unwrap_or(&default);
        let delay = match &backoff.duration {
            Some(BackoffDuration::Nanos(it)) => Duration::from_nanos((*it).try_into().unwrap_or(0)).as_secs_f64(),
            Some(BackoffDuration::Text(it)) => argo_lang::duration::parse(it).map_or(1.0, |it| it.as_secs_f64()),
            None => 1.0,
        };
        let number = |it: &Option<serde_json::Number>| it.as_ref().and_then(serde_json::Number::as_f64).unwrap_or(1.0);
        Self {
            delay: delay.max(0.0),
            factor: number(&backoff.factor),
            jitter: number(&backoff.jitter).max(0.0),
            left: backoff.steps.and_then(|it| u32::try_from(it).ok()).filter(|it| *it > 0).unwrap_or(5),
        }
    }

    /// One attempt.
    #[must_use]
    pub fn once() -> Self {
        Self { delay: 0.0, factor: 1.0, jitter: 0.0, left: 1 }
    }

    /// Counts an attempt that failed: the wait before the next, or `None` when there is none left.
    /// `random` is between 0 and 1.
    pub fn failed(&mut self, random: f64) -> Option<Duration> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return None;
        }
        let wait = self.delay + random * self.jitter * self.delay;
        self.delay = (self.delay * self.factor).clamp(0.0, MAX_DELAY);
        Some(Duration::from_secs_f64(if wait.is_finite() { wait.clamp(0.0, MAX_DELAY) } else { MAX_DELAY }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn waits(json: serde_json::Value, random: f64) -> Vec<f64> {
        let backoff: Backoff = serde_json::from_value(json).unwrap();
        let mut attempts = Attempts::of(Some(&backoff));
        std::iter::from_fn(|| attempts.failed(random)).map(|it| it.as_secs_f64()).collect()
    }

    #[test]
    fn defaults_are_five_attempts_a_second_apart() {
        assert_eq!(waits(json!({}), 0.0), [1.0; 4]);
        assert_eq!(waits(json!({"steps": 0}), 0.5), [1.5; 4]);
    }

    #[test]
    fn durations_are_text_or_nanoseconds_and_grow_by_the_factor() {
        assert_eq!(waits(json!({"duration": "2s", "factor": 2.0, "jitter": 0, "steps": 4}), 0.9), [2.0, 4.0, 8.0]);
        assert_eq!(waits(json!({"duration": 500_000_000, "jitter": 0, "steps": 2}), 0.0), [0.5]);
        assert_eq!(waits(json!({"duration": "1s", "steps": 1}), 0.0), [0.0; 0]);
        assert_eq!(waits(json!({"duration": "1h", "factor": 1e300, "jitter": 0, "steps": 3}), 0.0), [3600.0, 86_400.0]);
    }
}

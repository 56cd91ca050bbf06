//! A leaky bucket in front of a trigger.

use std::time::Duration;

use argo_core::{Timestamp, time};

use crate::api::RateLimit;

/// How many unused slots accumulate.
const SLACK: u32 = 10;

/// When the next firing may be.
#[derive(Debug)]
pub(super) struct Limiter {
    spacing: Duration,
    next: Option<Timestamp>,
}

impl Limiter {
    pub(super) fn new(limit: Option<&RateLimit>) -> Self {
        let unit = match limit.map(|it| it.unit.as_str()) {
            Some("Minute") => 60,
            Some("Hour") => 3600,
            _ => 1,
        };
        let requests = limit.and_then(|it| u32::try_from(it.requests_per_unit).ok()).unwrap_or(0);
        let spacing = if requests == 0 { Duration::ZERO } else { Duration::from_secs(unit) / requests };
        Self { spacing, next: None }
    }

    /// Takes a slot: when it is.
    pub(super) fn take(&mut self, now: Timestamp) -> Timestamp {
        if self.spacing.is_zero() {
            return now;
        }
        let back = jiff::SignedDuration::try_from(self.spacing * SLACK).unwrap_or_default();
        let earliest = now.checked_sub(back).unwrap_or(now);
        // The first firing is never made to wait, and starts the count.
        let slot = self.next.map_or(now, |it| it.max(earliest));
        self.next = Some(time::after(slot, self.spacing));
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firings_are_spaced_and_unused_slots_accumulate_to_ten() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let mut limiter = Limiter::new(Some(&RateLimit { unit: "Minute".into(), requests_per_unit: 6 }));
        assert_eq!(limiter.take(at(0)), at(0));
        assert_eq!(limiter.take(at(1)), at(10));
        assert_eq!(limiter.take(at(1)), at(20));
        let slots: Vec<Timestamp> = (0..12).map(|_| limiter.take(at(1000))).collect();
        assert_eq!(slots.iter().filter(|it| **it <= at(1000)).count(), 11);
        assert_eq!(slots[11], at(1010));
        let mut free = Limiter::new(None);
        assert_eq!((free.take(at(5)), free.take(at(5))), (at(5), at(5)));
    }
}

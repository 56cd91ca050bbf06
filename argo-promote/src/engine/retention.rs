//! Which Promotions and Freight are old enough to go.

use std::{collections::BTreeSet, time::Duration};

use argo_core::{Time, Timestamp, time};

use super::freight::discovered_at;
use crate::api::{Freight, Promotion, Stage};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// This many beyond what is in use; 20 by default.
    pub keep: usize,
    /// Nothing younger than this goes; 336 h by default.
    pub least_age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep: 20, least_age: Duration::from_secs(336 * 3600) }
    }
}

impl Retention {
    /// Names of the Promotions of one Stage that may go: those older than the oldest that has not ended, the number
    /// kept and the least age.
    #[must_use]
    pub fn promotions(&self, promotions: &[Promotion], now: Timestamp) -> Vec<String> {
        let mut list: Vec<&Promotion> = promotions.iter().collect();
        list.sort_by(|a, b| (made(b), b.name()).cmp(&(made(a), a.name())));
        let in_use = list.iter().rposition(|it| !it.status.phase.is_terminal());
        let rest = list.iter().skip(in_use.map_or(0, |it| it + 1) + self.keep);
        rest.filter(|it| self.is_old(made(it), now)).map(|it| it.name().to_owned()).collect()
    }

    /// Names of the Freight of one Warehouse that may go: those older than the oldest that a Stage holds, the number
    /// kept and the least age.
    #[must_use]
    pub fn freight(&self, freight: &[Freight], stages: &[Stage], now: Timestamp) -> Vec<String> {
        let held: BTreeSet<&str> = stages
            .iter()
            .filter_map(Stage::current_freight)
            .flat_map(|it| it.freight.values().map(|it| it.name.as_str()))
            .collect();
        let mut list: Vec<&Freight> = freight.iter().collect();
        list.sort_by(|a, b| (discovered_at(b), b.name()).cmp(&(discovered_at(a), a.name())));
        let in_use = list.iter().rposition(|it| held.contains(it.name()));
        let rest = list.iter().skip(in_use.map_or(0, |it| it + 1) + self.keep);
        rest.filter(|it| self.is_old(discovered_at(it), now)).map(|it| it.name().to_owned()).collect()
    }

    fn is_old(&self, at: Option<Time>, now: Timestamp) -> bool {
        at.is_some_and(|it| time::between(it.timestamp(), now) >= self.least_age)
    }
}

fn made(promotion: &Promotion) -> Option<Time> {
    promotion.metadata.creation_timestamp
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::PromotionPhase;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_is_in_use_and_all_that_is_newer_stays() {
        let retention = Retention { keep: 2, least_age: Duration::from_secs(50) };
        let list: Vec<Promotion> = (0..10)
            .map(|i| {
                let mut it = Promotion::named("p", &i.to_string());
                it.metadata.creation_timestamp = Some(Time::new(at(i * 10)));
                it.status.phase = if i == 7 { PromotionPhase::Pending } else { PromotionPhase::Succeeded };
                it
            })
            .collect();
        assert_eq!(retention.promotions(&list, at(1000)), ["4", "3", "2", "1", "0"]);
        assert_eq!(retention.promotions(&list, at(80)), ["3", "2", "1", "0"], "too young stays");
    }
}

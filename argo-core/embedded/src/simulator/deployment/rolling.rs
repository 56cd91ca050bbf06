//! The arithmetic of rolling updates and of proportional scaling.

use super::{MAX_REPLICAS, Rollout};
use crate::simulator::read::{annotation, count, text};

impl Rollout<'_> {
    /// One step of a rolling update: up, else down, else clean up.
    pub(super) fn roll(&mut self) {
        self.sync_new(true);
        if self.scale_new() || self.scale_old() {
            return;
        }
        if self.is_complete() {
            self.clean_up();
        }
    }

    fn total(&self) -> i64 {
        self.all().map(super::Set::replicas).sum()
    }

    /// The size the new ReplicaSet may have, given how many it has.
    pub(super) fn size_of_new(&self, has: i64) -> i64 {
        let wanted = self.replicas();
        if text(self.deployment, "/spec/strategy/type") == "Recreate" {
            return wanted;
        }
        let room = wanted + self.max_surge() - self.total();
        if room <= 0 { has } else { has + room.min(wanted - has) }
    }

    fn scale_new(&mut self) -> bool {
        let (wanted, max) = (self.replicas(), self.replicas() + self.max_surge());
        let Some(has) = self.new.as_ref().map(super::Set::replicas) else { return false };
        let size = match has {
            has if has == wanted => has,
            has if has > wanted => wanted,
            has => self.size_of_new(has),
        };
        // A set made in this pass already has its size.
        let made = self.new.as_ref().is_some_and(|new| new.live.is_null());
        if let Some(new) = self.new.as_mut().filter(|_| size != has) {
            Self::resize(new, size, wanted, max);
        }
        size != has || (made && size > 0)
    }

    fn scale_old(&mut self) -> bool {
        let old_total: i64 = self.old.iter().map(super::Set::replicas).sum();
        if old_total == 0 {
            return false;
        }
        let min_available = self.replicas() - self.max_unavailable();
        let new_unavailable = self.new.as_ref().map_or(0, |new| new.replicas() - new.available());
        let may_go = self.total() - min_available - new_unavailable;
        if may_go <= 0 {
            return false;
        }
        let (desired, max) = (self.replicas(), self.replicas() + self.max_surge());

        // Those that do not work go first: they take nothing from what is available.
        let mut gone = 0;
        for set in &mut self.old {
            let (has, available) = (set.replicas(), set.available());
            if gone >= may_go || has == 0 || has == available {
                continue;
            }
            let cut = (may_go - gone).min(has - available).max(0);
            if cut > 0 {
                Self::resize(set, has - cut, desired, max);
                gone += cut;
            }
        }

        let available: i64 = self.all().map(super::Set::available).sum();
        let mut spare = available - min_available;
        for set in &mut self.old {
            if spare <= 0 {
                break;
            }
            let cut = set.replicas().min(spare);
            if cut > 0 {
                Self::resize(set, set.replicas() - cut, desired, max);
                spare -= cut;
                gone += cut;
            }
        }
        gone > 0
    }

    /// Brings the ReplicaSets to the Deployment's size outside of a rollout step, each in proportion to what it has.
    pub(super) fn scale(&mut self) {
        let (wanted, surge) = (self.replicas(), self.max_surge());
        let max = wanted + surge;
        let active = self.all().filter(|set| set.replicas() > 0).count();
        if active <= 1 {
            let set = match (self.old.iter().position(|set| set.replicas() > 0), &self.new) {
                (Some(at), _) => Some(&mut self.old[at]),
                (None, Some(_)) => self.new.as_mut(),
                (None, None) => self.old.last_mut(),
            };
            if let Some(set) = set.filter(|set| {
                set.replicas() != wanted
                    || annotation(&set.live, super::DESIRED_REPLICAS) != Some(wanted.to_string().as_str())
            }) {
                Self::resize(set, wanted, wanted, max);
            }
            return;
        }
        let saturated = self.new.as_ref().is_some_and(|new| {
            new.replicas() == wanted
                && annotation(&new.live, super::DESIRED_REPLICAS) == Some(wanted.to_string().as_str())
                && new.available() == wanted
        });
        if saturated {
            for set in self.old.iter_mut().filter(|set| set.replicas() > 0) {
                Self::resize(set, 0, wanted, max);
            }
            return;
        }
        if text(self.deployment, "/spec/strategy/type") == "Recreate" {
            return;
        }
        self.scale_in_proportion(wanted, max);
    }

    fn scale_in_proportion(&mut self, wanted: i64, max: i64) {
        let allowed = if wanted > 0 { max } else { 0 };
        let to_add = allowed - self.total();
        let before = count(self.deployment, "/status/replicas");
        // Grow the larger sets first; among equals the newer when growing, the older when shrinking.
        let mut order: Vec<(usize, i64)> =
            self.all().map(super::Set::replicas).enumerate().filter(|(_, size)| *size > 0).collect();
        let newest_first = to_add > 0;
        order.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| if newest_first { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) }));
        let mut added = 0;
        let mut sizes = Vec::with_capacity(order.len());
        for (at, size) in &order {
            let Some(set) = self.all().nth(*at) else { continue };
            let mut share = 0;
            if to_add != 0 && added != to_add {
                let annotated =
                    annotation(&set.live, MAX_REPLICAS).and_then(|it| it.parse::<i64>().ok()).unwrap_or(before);
                let fraction = if wanted == 0 { -size } else { rounded(size * max, annotated) - size };
                let left = to_add - added;
                share = if to_add > 0 { fraction.min(left) } else { fraction.max(left) };
            }
            added += share;
            sizes.push((*at, size + share));
        }
        for (turn, (at, size)) in sizes.into_iter().enumerate() {
            let size = if turn == 0 { (size + to_add - added).max(0) } else { size.max(0) };
            let old = self.old.len();
            let set = if at < old { self.old.get_mut(at) } else { self.new.as_mut() };
            if let Some(set) = set {
                Self::resize(set, size, wanted, max);
            }
        }
    }
}

/// A quotient rounded half away from zero; the dividend for a divisor of zero.
fn rounded(dividend: i64, divisor: i64) -> i64 {
    if divisor == 0 { dividend } else { (2 * dividend + divisor) / (2 * divisor) }
}

//! How large ReplicaSets are to be, and bringing them there.

use std::time::Duration;

use argo_core::{Change, Note, time};

use super::{
    pass::Pass,
    replicas::{self, Basic, Count},
    world::ReplicaSet,
};
use crate::api::{TrafficWeights, names};
use names::reason;

/// Seconds a ReplicaSet stays after it lost its traffic, by default.
const SCALE_DOWN_DELAY: i64 = 30;

impl Pass<'_> {
    /// `spec.replicas` changed since the ReplicaSets in use were last scaled.
    pub(crate) fn is_scaling_event(&self) -> bool {
        let used = self.new_set().into_iter().chain(self.stable_set());
        used.filter(|it| it.spec > 0).any(|it| it.desired.is_some_and(|it| it != self.replicas()))
    }

    /// Sums over all ReplicaSets, into the next status.
    pub(crate) fn count_pods(&mut self) {
        self.next.available_replicas = self.sets.iter().map(|it| it.available).sum();
        self.next.hpa_replicas = self.sets.iter().map(|it| it.replicas).sum();
    }

    /// Brings stable, then new, then the others one step closer; whether anything was scaled.
    pub(crate) fn reconcile_replica_sets(&mut self) -> bool {
        if self.in_place.is_some() {
            return self.reconcile_in_place();
        }
        if self.is_halted() {
            return false;
        }
        if self.remove_deadlines() {
            return true;
        }
        if let Some(stable) = self.stable.filter(|_| self.distinct_stable().is_some()) {
            // By the weights that the status has: stable is made smaller a pass after its traffic left.
            let (_, count) = self.counts(self.ro.status.canary.weights.as_ref());
            if self.scale(stable, count) {
                return true;
            }
        }
        self.reconcile_new_set() || self.reconcile_others()
    }

    pub(crate) fn remove_deadlines(&mut self) -> bool {
        let keep_new = self.delays_scale_down_on_abort();
        let used: Vec<usize> = self.new.filter(|_| !keep_new).into_iter().chain(self.stable).collect();
        let mut removed = false;
        for set in used.into_iter().map(|it| &self.sets[it]).filter(|it| it.has_deadline) {
            let mut free = (*set.object).clone();
            free.remove(&["metadata", "annotations", names::SCALE_DOWN_DEADLINE]);
            if !removed && let Some(change) = Change::merge_between(&set.object, &free) {
                self.plan.push(change);
                removed = true;
            }
        }
        removed
    }

    pub(crate) fn reconcile_new_set(&mut self) -> bool {
        let Some(at) = self.new else { return false };
        let mut count = if self.blue_green().is_some() {
            self.preview_count()
        } else {
            self.counts(self.next.canary.weights.as_ref()).0
        };
        if self.delays_scale_down_on_abort() {
            let set = &self.sets[at];
            let size = set.spec;
            match set.deadline {
                Some(deadline) if deadline > self.now => {
                    self.plan.wake_at(deadline);
                    return self.scale(at, size);
                }
                Some(_) => count = 0,
                None => {
                    if set.desired != Some(self.replicas()) {
                        self.scale(at, size);
                        return true;
                    }
                    if self.stable_set().is_some_and(|it| it.available >= self.replicas()) {
                        self.set_deadline(at, self.abort_delay().unwrap_or(SCALE_DOWN_DELAY));
                    }
                    return false;
                }
            }
        }
        let scaled = self.scale(at, count);
        self.shrink_workload(count);
        scaled
    }

    fn set_deadline(&mut self, at: usize, seconds: i64) {
        let delay = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let deadline = time::after(self.now, delay);
        let set = &self.sets[at];
        let mut marked = (*set.object).clone();
        marked.set_annotation(names::SCALE_DOWN_DEADLINE, time::rfc3339(deadline));
        if let Some(change) = Change::merge_between(&set.object, &marked) {
            self.plan.push(change);
        }
        self.plan.wake_at(deadline);
    }

    /// Seconds that an aborted canary or preview stays; `None` for ever, because the user said 0.
    fn abort_delay(&self) -> Option<i64> {
        let canary = self.strategy().and_then(|it| it.abort_scale_down_delay_seconds);
        match canary.or_else(|| self.blue_green().and_then(|it| it.abort_scale_down_delay_seconds)) {
            Some(0) => None,
            Some(seconds) => Some(seconds),
            None => Some(SCALE_DOWN_DELAY),
        }
    }

    /// An aborted canary that gets no traffic any more may stay for a while. Without routing it still
    /// gets traffic, so it goes.
    fn delays_scale_down_on_abort(&self) -> bool {
        let apart = self.is_routed() || self.blue_green().is_some();
        let drains = self.is_dynamic() && !self.has_explicit_abort_delay();
        self.is_aborted() && self.stable.is_some() && apart && self.abort_delay().is_some() && !drains
    }

    /// Takes old ReplicaSets down as far as the pods that are available allow; broken pods first.
    fn reconcile_others(&mut self) -> bool {
        let mut old: Vec<usize> = self.others_at().filter(|it| self.sets[*it].spec > 0).collect();
        if old.is_empty() {
            return false;
        }
        let mut scaled = false;
        for at in &old {
            let set = &self.sets[*at];
            if set.available < set.spec {
                let available = set.available;
                scaled |= self.scale(*at, available);
            }
        }
        if scaled {
            return true;
        }
        if self.is_routed() && !self.targets_are_verified() {
            return false;
        }
        let available: i64 = self.sets.iter().map(|it| it.available).sum();
        let mut budget = available - (self.replicas() - self.ro.spec.max_unavailable());
        old.sort_by_key(|it| std::cmp::Reverse(self.sets[*it].revision));
        let mut delayed = 0;
        for at in old {
            if budget <= 0 {
                break;
            }
            let set = &self.sets[at];
            let size = set.spec;
            let wanted = if !self.is_routed() {
                (size - budget).max(0)
            } else if self.is_referenced(set) {
                continue;
            } else if (self.is_fully_promoted() || set.has_deadline) && !self.is_dynamic() {
                self.delayed(at, &mut delayed)
            } else {
                0
            };
            if wanted != size {
                scaled |= self.scale(at, wanted);
                budget -= size - wanted;
            }
        }
        scaled
    }

    /// Size of an old ReplicaSet that stays for a while: kept until its deadline, which is set on first
    /// sight, unless too many stay already.
    pub(crate) fn delayed(&mut self, at: usize, delayed: &mut i64) -> i64 {
        let (size, deadline) = (self.sets[at].spec, self.sets[at].deadline);
        let (canary, blue_green) = (self.strategy(), self.blue_green());
        let limit = canary.and_then(|it| it.scale_down_delay_revision_limit);
        let limit = limit.or_else(|| blue_green?.scale_down_delay_revision_limit).unwrap_or(i64::MAX);
        let seconds = canary.and_then(|it| it.scale_down_delay_seconds);
        let seconds = seconds.or_else(|| blue_green?.scale_down_delay_seconds).unwrap_or(SCALE_DOWN_DELAY);
        match deadline {
            Some(deadline) if deadline > self.now => {
                *delayed += 1;
                if *delayed > limit {
                    return 0;
                }
                self.plan.wake_at(deadline);
                size
            }
            Some(_) => 0,
            None if *delayed < limit && seconds > 0 => {
                *delayed += 1;
                self.set_deadline(at, seconds);
                size
            }
            None => 0,
        }
    }

    /// Sizes a ReplicaSet and notes for how many replicas that was; whether its size changed. On
    /// reaching zero its deadline goes.
    pub(crate) fn scale(&mut self, at: usize, to: i64) -> bool {
        let set = &self.sets[at];
        let mut scaled = (*set.object).clone();
        scaled.set(&["spec", "replicas"], to);
        scaled.set_annotation(names::DESIRED_REPLICAS, self.replicas().to_string());
        if to == 0 && !self.delays_scale_down_on_abort() {
            scaled.remove(&["metadata", "annotations", names::SCALE_DOWN_DEADLINE]);
        }
        if set.spec == to && set.desired == Some(self.replicas()) {
            return false;
        }
        let Some(change) = Change::merge_between(&set.object, &scaled) else {
            return false;
        };
        let (from, direction) = (set.spec, if set.spec < to { "up" } else { "down" });
        let message =
            format!("Scaled {direction} ReplicaSet {} (revision {}) from {from} to {to}", set.name(), set.revision);
        self.plan.push(change);
        if from == to {
            return false;
        }
        self.plan.note(Note::normal(reason::SCALING, message));
        true
    }

    // === how many pods ===

    fn count(set: &ReplicaSet) -> Count {
        Count { spec: set.spec, available: set.available }
    }

    /// Pods for new and stable: by their ratio, or beside a router that carries `weights`.
    pub(crate) fn counts(&self, weights: Option<&TrafficWeights>) -> (i64, i64) {
        if self.is_routed() {
            return self.routed_counts(weights);
        }
        replicas::basic(&Basic {
            replicas: self.replicas(),
            weight: self.canary_weight(),
            max_weight: self.max_weight(),
            surge: self.ro.spec.max_surge(),
            unavailable: self.ro.spec.max_unavailable(),
            new: self.new_set().map(Self::count),
            stable: self.distinct_stable().map(Self::count),
            others: self.others().map(|it| it.spec).sum(),
        })
    }

    /// Beside a router stable stays whole and the canary has pods for its share. Where stable follows
    /// its traffic, either side has pods for what it carries and for what it is to carry.
    fn routed_counts(&self, weights: Option<&TrafficWeights>) -> (i64, i64) {
        let (replicas, max) = (self.replicas(), self.max_weight());
        let weight = self.canary_weight();
        let explicit = self.canary_scale().and_then(|it| it.replicas);
        let canary = explicit.unwrap_or_else(|| self.at_least_min(replicas::of_weight(replicas, weight, max)));
        if !self.is_dynamic() {
            return (canary, replicas);
        }
        let (mut canary, mut stable) = (canary, replicas::of_weight(replicas, max - weight, max));
        if let Some(weights) = weights {
            stable = stable.max(replicas::of_weight(replicas, weights.stable.weight, max));
            // Pods go after their traffic: on the way back to stable, and when a retry begins anew while
            // traffic of the attempt before still comes.
            let is_its = self.new_set().is_some_and(|it| it.hash == weights.canary.pod_template_hash);
            let drains = explicit.is_none() && is_its && weight < weights.canary.weight;
            if self.ro.status.abort || drains {
                canary = canary.max(replicas::of_weight(replicas, weights.canary.weight, max));
            }
        }
        canary = self.at_least_min(canary);
        if self.ro.status.abort {
            // What was given up never grows again, also when stable lacks pods.
            canary = canary.min(self.new_set().map_or(0, |it| it.spec));
        }
        (canary, self.at_least_min(stable))
    }

    fn at_least_min(&self, count: i64) -> i64 {
        let least = self.strategy().and_then(|it| it.min_pods_per_replica_set).unwrap_or_default();
        if count == 0 { 0 } else { count.max(least.min(self.replicas())) }
    }

    /// Whether new and stable are as large as the weight wants, available, and nobody else serves.
    pub(crate) fn is_at_desired_counts(&self, weights: Option<&TrafficWeights>) -> bool {
        if self.in_place.is_some() {
            return self.is_in_place_there();
        }
        let (new, stable) = self.counts(weights);
        let new_there = self.new_set().is_some_and(|it| self.meets_threshold(it, new));
        let stable_there =
            self.is_dynamic() || self.stable_set().is_some_and(|it| it.spec == stable && it.replicas == stable);
        // Also those that never became ready: while they are asked for they take the place of the canary's.
        let others_gone = self.is_routed() || self.others().all(|it| it.available == 0 && it.spec == 0);
        new_there && stable_there && others_gone
    }
}

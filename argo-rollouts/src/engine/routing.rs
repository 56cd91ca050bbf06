//! Traffic beside replicas: which share the canary gets from the routers.

use std::time::Duration;

use argo_core::{Note, time};

use super::{Effect, RouteTraffic, pass::Pass};
use crate::api::{CanaryStep, Rollout, TrafficWeights, WeightDestination, names};

/// How soon weights that are not yet in effect are looked at again.
const VERIFY_RETRY: Duration = Duration::from_secs(10);

/// Whether the weights that the status names are worth asking the routers about: at a `setWeight`
/// step, and at the end before old pods go.
pub(super) fn should_verify(ro: &Rollout, weight: i64, max: i64) -> bool {
    let status = &ro.status;
    if status.stable_rs.is_empty() || status.stable_rs == status.current_pod_hash {
        return false;
    }
    let index = usize::try_from(status.current_step_index.unwrap_or_default()).unwrap_or_default();
    match ro.spec.steps().get(index) {
        Some(CanaryStep { set_weight: Some(_), .. }) => true,
        Some(_) => false,
        None => weight == max,
    }
}

impl Pass<'_> {
    /// Gives the canary its share. Returns false when old pods must stay because the routers have
    /// not yet taken all traffic to the new ones.
    pub(crate) fn reconcile_traffic(&mut self) -> bool {
        if !self.is_routed() {
            self.next.canary.weights = None;
            return true;
        }
        let carried = self.ro.status.canary.weights.clone();
        let wanted = self.weights(self.wanted_weight(carried.as_ref()));
        let same = |it: &TrafficWeights| (&it.canary, &it.stable) == (&wanted.canary, &wanted.stable);
        if carried.as_ref().is_some_and(same) {
            let verified = self.world.weights_verified;
            self.next.canary.weights = Some(TrafficWeights { verified, ..wanted.clone() });
            if verified == Some(false) {
                self.plan.effect(self.effect(&wanted));
                self.plan.wake_at(time::after(self.now, VERIFY_RETRY));
                return wanted.canary.weight != self.max_weight();
            }
            return true;
        }
        if !self.stable_can_take(wanted.stable.weight) {
            return true;
        }
        let before = carried.map_or(0, |it| it.canary.weight);
        if before != wanted.canary.weight {
            let message = format!("Traffic weight updated from {before} to {}", wanted.canary.weight);
            self.plan.note(Note::normal(names::reason::TRAFFIC_UPDATED, message));
        }
        self.plan.effect(self.effect(&wanted));
        self.next.canary.weights = Some(wanted);
        true
    }

    /// Whether the shares are those of the last pass: a step that sets them is not done before.
    pub(crate) fn traffic_is_settled(&self) -> bool {
        let plain = |it: &Option<TrafficWeights>| it.as_ref().map(|it| (it.canary.clone(), it.stable.clone()));
        let (old, new) = (&self.ro.status.canary.weights, &self.next.canary.weights);
        plain(old) == plain(new) && new.as_ref().is_none_or(|it| it.verified != Some(false))
    }

    fn effect(&self, weights: &TrafficWeights) -> Effect {
        Effect::SetWeight(RouteTraffic {
            weight: weights.canary.weight,
            max_weight: self.max_weight(),
            canary_hash: weights.canary.pod_template_hash.clone(),
            stable_hash: weights.stable.pod_template_hash.clone(),
        })
    }

    fn wanted_weight(&self, carried: Option<&TrafficWeights>) -> i64 {
        let available = self.new_set().map_or(0, |it| it.available);
        if self.ro.status.stable_rs.is_empty() || self.is_fully_promoted() || self.is_aborted() || available == 0 {
            return 0;
        }
        if self.ro.status.promote_full {
            return carried.map_or(0, |it| it.canary.weight);
        }
        let steps = self.ro.spec.steps();
        let (index, step) = self.current_step();
        if steps.is_empty() {
            return 0;
        }
        if !self.is_at_desired_counts() {
            // The pods for the next share are not there yet.
            return steps[..index.min(steps.len())].iter().rev().find_map(|it| it.set_weight).unwrap_or(0);
        }
        if step.is_some() { self.set_weight() } else { self.max_weight() }
    }

    fn weights(&self, weight: i64) -> TrafficWeights {
        let strategy = self.strategy();
        let service = |name: Option<&String>| name.cloned().unwrap_or_default();
        let over = self.is_aborted() || self.is_fully_promoted();
        let additional = if over { Vec::new() } else { self.experiment_destinations() };
        let beside: i64 = additional.iter().map(|it| it.weight).sum();
        let canary_hash = self.current_hash();
        let stable_hash = self.stable_set().map(|it| it.hash.clone()).unwrap_or_default();
        TrafficWeights {
            canary: WeightDestination {
                weight,
                service_name: service(strategy.and_then(|it| it.canary_service.as_ref())),
                pod_template_hash: canary_hash,
                ..Default::default()
            },
            stable: WeightDestination {
                weight: self.max_weight() - weight - beside,
                service_name: service(strategy.and_then(|it| it.stable_service.as_ref())),
                pod_template_hash: stable_hash,
                ..Default::default()
            },
            additional,
            ..Default::default()
        }
    }

    /// Stable has the pods for its share.
    fn stable_can_take(&self, weight: i64) -> bool {
        let needed = (weight * self.replicas()).div_euclid(self.max_weight());
        self.stable_set().is_none_or(|it| it.available >= needed)
    }
}

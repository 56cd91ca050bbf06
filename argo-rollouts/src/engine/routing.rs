//! Traffic beside replicas: which share the canary gets from the routers.

use std::time::Duration;

use argo_core::{Note, time};

use super::{Effect, RouteTraffic, dynamic, pass::Pass, replicas};
use crate::api::{CanaryStep, Rollout, SetHeaderRoute, SetMirrorRoute, TrafficWeights, WeightDestination, names};

/// How soon weights that are not yet in effect are looked at again.
const VERIFY_RETRY: Duration = Duration::from_secs(10);

/// Whether the weights that the status names are worth asking the routers about: at a `setWeight`
/// step, and at the end before old pods go.
pub(super) fn should_verify(ro: &Rollout, weight: i64, max: i64) -> bool {
    let status = &ro.status;
    if status.stable_rs.is_empty() || status.stable_rs == status.current_pod_hash {
        return false;
    }
    match step_of(ro) {
        Some(CanaryStep { set_weight: Some(_), .. }) => true,
        Some(_) => false,
        None => weight == max,
    }
}

fn step_of(ro: &Rollout) -> Option<&CanaryStep> {
    let index = usize::try_from(ro.status.current_step_index.unwrap_or_default()).unwrap_or_default();
    ro.spec.steps().get(index)
}

/// The route that the step under way sets; not in the first revision, which has no canary.
fn routes_of(ro: &Rollout) -> (Option<SetHeaderRoute>, Option<SetMirrorRoute>) {
    let revision: i64 = ro.metadata.annotation(names::REVISION).and_then(|it| it.parse().ok()).unwrap_or_default();
    let step = step_of(ro).filter(|_| revision > 1);
    (step.and_then(|it| it.set_header_route.clone()), step.and_then(|it| it.set_mirror_route.clone()))
}

/// The traffic that the status says the routers carry.
pub(super) fn carried(ro: &Rollout) -> Option<RouteTraffic> {
    let routing = ro.spec.strategy.canary.as_ref()?.traffic_routing.as_ref()?;
    let weights = ro.status.canary.weights.clone()?;
    let status = &ro.status;
    let promoted = !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash;
    let remove_routes = promoted || status.abort || status.promote_full;
    let (header_route, mirror_route) = if remove_routes { (None, None) } else { routes_of(ro) };
    Some(RouteTraffic {
        weight: weights.canary.weight,
        max_weight: routing.max_traffic_weight.filter(|it| *it > 0).unwrap_or(100),
        canary_hash: weights.canary.pod_template_hash,
        stable_hash: weights.stable.pod_template_hash,
        additional: weights.additional,
        header_route,
        mirror_route,
        remove_routes,
        ..Default::default()
    })
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
        let mut traffic = self.wanted_traffic(carried.as_ref());
        if !self.has_replicas_for(self.max_weight() - traffic.weight) {
            return true;
        }
        let empty = self.new_set().is_none_or(|it| it.available == 0);
        traffic.weight_first = empty && carried.as_ref().is_some_and(|it| it.canary.weight > 0);
        let wanted = self.weights(&traffic);
        self.note_albs();
        let same = |it: &TrafficWeights| {
            (&it.canary, &it.stable, &it.additional) == (&wanted.canary, &wanted.stable, &wanted.additional)
        };
        if carried.as_ref().is_some_and(same) {
            let verified = self.world.weights_verified;
            self.next.canary.weights = Some(TrafficWeights { verified, ..wanted.clone() });
            let route_step = traffic.header_route.is_some() || traffic.mirror_route.is_some();
            let aborts = self.is_aborted() && !self.says_aborted();
            if verified == Some(false)
                || self.world.routes_in_place == Some(false)
                || route_step && !self.ro.spec.paused
                || aborts
            {
                self.plan.effect(Effect::Route(traffic));
            }
            if verified == Some(false) {
                self.plan.wake_at(time::after(self.now, VERIFY_RETRY));
                return wanted.canary.weight != self.max_weight();
            }
            return true;
        }
        self.note_weights(carried.as_ref(), &wanted);
        self.plan.effect(Effect::Route(traffic));
        self.next.canary.weights = Some(wanted);
        true
    }

    fn note_weights(&mut self, carried: Option<&TrafficWeights>, wanted: &TrafficWeights) {
        let (before, now) = (carried.map(|it| it.canary.weight), wanted.canary.weight);
        let mut details = match before {
            None => vec![format!("to {now}")],
            Some(before) if before != now => vec![format!("from {before} to {now}")],
            Some(_) => vec![],
        };
        if carried.is_some_and(|it| it.additional != wanted.additional) {
            let list: Vec<_> =
                wanted.additional.iter().map(|it| format!("{}: {}", it.service_name, it.weight)).collect();
            details.push(format!("additional: [{}]", list.join(", ")));
        }
        if !details.is_empty() {
            let message = format!("Traffic weight updated {}", details.join(", "));
            self.plan.note(Note::normal(names::reason::TRAFFIC_UPDATED, message));
        }
    }

    /// Load balancers as the routers found them.
    fn note_albs(&mut self) {
        if let Some(albs) = &self.world.albs {
            self.next.alb = albs.last().cloned();
            self.next.albs.clone_from(albs);
        }
    }

    /// Whether the shares are those of the last pass: a step that sets them is not done before.
    pub(crate) fn traffic_is_settled(&self) -> bool {
        let plain = |it: &Option<TrafficWeights>| it.as_ref().map(|it| (it.canary.clone(), it.stable.clone()));
        let (old, new) = (&self.ro.status.canary.weights, &self.next.canary.weights);
        plain(old) == plain(new) && new.as_ref().is_none_or(|it| it.verified != Some(false))
    }

    /// How traffic is to flow now.
    fn wanted_traffic(&self, carried: Option<&TrafficWeights>) -> RouteTraffic {
        let mut traffic = RouteTraffic {
            max_weight: self.max_weight(),
            canary_hash: self.current_hash(),
            stable_hash: self.stable_set().map(|it| it.hash.clone()).unwrap_or_default(),
            ..Default::default()
        };
        let available = self.new_set().map_or(0, |it| it.available);
        let steps = self.ro.spec.steps();
        let (index, step) = self.current_step();
        if let Some(hash) = self.leaves_dynamically() {
            traffic.weight = self.weight_back();
            // The other side is what was on its way before, not what is wanted now.
            traffic.canary_hash = hash;
            traffic.returns_to_stable = true;
        } else if self.ro.status.stable_rs.is_empty() || self.is_fully_promoted() {
            traffic.remove_routes = true;
        } else if self.is_aborted() {
            traffic.weight = self.weight_back();
            traffic.remove_routes = true;
        } else if available == 0 {
            // Routes of an update before this one would lead to pods that are not there.
            traffic.additional = self.experiment_destinations();
            traffic.remove_routes = true;
        } else if self.ro.status.promote_full {
            traffic.weight = if self.is_dynamic() {
                let share = self.max_weight() * available / self.replicas().max(1);
                share.min(self.max_weight())
            } else {
                carried.map_or(0, |it| it.canary.weight)
            };
            traffic.remove_routes = true;
        } else if !steps.is_empty() {
            if !self.is_at_desired_counts(None) {
                // The pods for the next share are not there yet.
                let before = &steps[..index.min(steps.len())];
                let reached = before.iter().rev().find_map(|it| it.set_weight).unwrap_or(0);
                // A client may have skipped the step that waits for them: what is carried stays.
                traffic.weight = reached.min(carried.map_or(0, |it| it.canary.weight));
                traffic.additional = self.experiment_destinations();
            } else if step.is_some() {
                traffic.weight = self.set_weight();
                traffic.additional = self.experiment_destinations();
            } else {
                traffic.weight = self.max_weight();
            }
        }
        if !traffic.remove_routes && !traffic.returns_to_stable {
            (traffic.header_route, traffic.mirror_route) = routes_of(&self.ro);
        }
        traffic
    }

    fn weights(&self, traffic: &RouteTraffic) -> TrafficWeights {
        let strategy = self.strategy();
        let service = |name: Option<&String>| name.cloned().unwrap_or_default();
        let beside: i64 = traffic.additional.iter().map(|it| it.weight).sum();
        TrafficWeights {
            canary: WeightDestination {
                weight: traffic.weight,
                service_name: service(strategy.and_then(|it| it.canary_service.as_ref())),
                pod_template_hash: traffic.canary_hash.clone(),
                ..Default::default()
            },
            stable: WeightDestination {
                weight: traffic.max_weight - traffic.weight - beside,
                service_name: service(strategy.and_then(|it| it.stable_service.as_ref())),
                pod_template_hash: traffic.stable_hash.clone(),
                ..Default::default()
            },
            additional: traffic.additional.clone(),
            ..Default::default()
        }
    }

    /// Stable has the pods for a share.
    fn has_replicas_for(&self, weight: i64) -> bool {
        let Some(stable) = self.stable_set() else { return true };
        let needed = (weight * self.replicas()).div_euclid(self.max_weight());
        stable.available >= needed || self.meets_threshold(stable, needed)
    }

    /// Whether enough of `desired` pods are available for the next step.
    pub(crate) fn meets_threshold(&self, set: &super::world::ReplicaSet, desired: i64) -> bool {
        let threshold = self.strategy().and_then(|it| it.replica_progress_threshold.as_ref());
        replicas::meets_threshold(threshold, set.spec, set.available, desired)
    }

    // === scaling stable along with its traffic ===

    /// Stable is scaled down as traffic leaves it.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.is_routed() && self.strategy().is_some_and(|it| it.dynamic_stable_scale)
    }

    /// The user said how long an aborted canary stays.
    pub(crate) fn has_explicit_abort_delay(&self) -> bool {
        self.strategy().and_then(|it| it.abort_scale_down_delay_seconds).is_some_and(|it| it != 0)
    }

    /// Back to stable from an update under way, while stable is still too small to take everything:
    /// the hash of what was on its way.
    pub(crate) fn leaves_dynamically(&self) -> Option<String> {
        let carried = &self.ro.status.canary.weights.as_ref()?.canary.pod_template_hash;
        let new = self.new_set()?;
        let too_small = new.available < self.replicas();
        (self.is_dynamic() && self.is_fully_promoted() && *carried != new.hash && too_small).then(|| carried.clone())
    }

    /// What the canary keeps on the way back to stable: as much as stable has no pods for yet.
    fn weight_back(&self) -> i64 {
        let (Some(stable), Some(new)) = (self.stable_set(), self.new_set()) else { return 0 };
        if !self.is_dynamic() {
            return 0;
        }
        dynamic::weight_back(&dynamic::Back {
            replicas: self.replicas(),
            max_weight: self.max_weight(),
            stable: stable.available,
            canary: new.available,
            holds_canary: self.has_explicit_abort_delay(),
            is_aborted: self.ro.status.abort,
            current_weight: self.set_weight(),
            weights: self.ro.spec.steps().iter().filter_map(|it| it.set_weight).collect(),
            carried: self.ro.status.canary.weights.as_ref().map(|it| it.canary.weight),
        })
    }

    /// Whether the status already says that the update was given up.
    fn says_aborted(&self) -> bool {
        let progressing = self.ro.status.condition(names::condition::PROGRESSING);
        progressing.is_some_and(|it| it.reason == names::reason::ABORTED)
    }
}

//! Target groups of AWS: pods that a load balancer does not know yet serve nobody, so those before them stay.

use std::{sync::Arc, time::Duration};

use argo_core::{Object, Timestamp, time};

use super::{World, pass::Pass, services::selector_hash, workload};
use crate::api::Rollout;

/// How soon pods that are not registered are looked for again.
const RETRY: Duration = Duration::from_secs(10);

/// The Service whose pods AWS must know before the Rollout goes on, if it is one of those moments: the active
/// Service has been switched, or the old pods of a canary behind an ALB are to go. For [`World::targets_verified`].
#[must_use]
pub fn targets_to_verify(world: &World, now: Timestamp) -> Option<Arc<Object>> {
    let mut ro: Rollout = world.rollout.decode().ok()?;
    workload::resolve(&mut ro, world).ok()?;
    Pass::observe(world, ro, now).service_to_verify()
}

impl Pass<'_> {
    fn service_to_verify(&self) -> Option<Arc<Object>> {
        let new = self.new_set()?;
        let promoted = self.ro.status.stable_rs == new.hash;
        if let Some(strategy) = self.blue_green() {
            let active = self.service(&strategy.active_service)?;
            return (self.switch_is_new() && selector_hash(&active) == new.hash).then_some(active);
        }
        let routing = self.strategy()?.traffic_routing.as_ref()?;
        let behind_alb = routing.extra.get("alb").is_some_and(|it| !it.is_null());
        // A deadline was only set once the targets were verified.
        let leave = self.others().any(|it| it.spec > 0 && !it.has_deadline);
        (behind_alb && promoted && leave).then(|| self.service(self.ro.services(true).0)).flatten()
    }

    /// Whether nothing has been built on the switch of the active Service yet.
    fn switch_is_new(&self) -> bool {
        let status = &self.ro.status;
        status.stable_rs != self.current_hash() && status.blue_green.post_promotion_analysis_run_status.is_none()
    }

    /// Whether AWS knows the pods that serve now, as far as this controller asks; if not, it is asked again soon.
    pub(crate) fn targets_are_verified(&mut self) -> bool {
        if !self.world.verifies_targets {
            return true;
        }
        let verified = match self.service_to_verify() {
            Some(_) => self.world.targets_verified == Some(true),
            // Switched in this very pass.
            None => self.blue_green().is_none() || !self.switch_is_new(),
        };
        if !verified {
            self.plan.wake_at(time::after(self.now, RETRY));
        }
        verified
    }
}

//! The blue-green strategy.

use super::{Errors, Invalid, canary::anti_affinity};
use crate::api::{BlueGreenStrategy, Rollout};

const SAME_SERVICES: &str =
    "This rollout uses the same service for the active and preview services, but two different services are required.";
const HISTORY: &str = "This rollout's revision history limit can not be smaller than the rollout's scale down limit";

pub(super) fn check(ro: &Rollout, strategy: &BlueGreenStrategy) -> Errors {
    let mut errors = Errors::new();
    let active = &strategy.active_service;
    if *active == strategy.preview_service.clone().unwrap_or_default() {
        errors.push(Invalid::value("spec.strategy.activeService", active, SAME_SERVICES));
    }
    let history = ro.spec.revision_history_limit.unwrap_or(10);
    if let Some(limit) = strategy.scale_down_delay_revision_limit.filter(|it| history < *it) {
        errors.push(Invalid::value("spec.strategy.scaleDownDelayRevisionLimit", &limit, HISTORY));
    }
    errors.extend(anti_affinity(strategy.anti_affinity.as_ref()));
    errors
}

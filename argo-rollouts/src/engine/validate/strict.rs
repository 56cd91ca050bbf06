//! Fields that nobody knows: upstream's linter refuses them, its controller passes over them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::{CanaryStep, Rollout, RolloutAnalysisStep};

type Extra = BTreeMap<String, Value>;

/// Routers that `trafficRouting` may name.
const ROUTERS: [&str; 8] = ["istio", "nginx", "alb", "smi", "ambassador", "appMesh", "traefik", "apisix"];

/// The first field that is not known.
pub(super) fn unknown(ro: &Rollout) -> Option<&str> {
    let spec = &ro.spec;
    let mut all: Vec<&Extra> = vec![&ro.extra, &spec.extra, &spec.strategy.extra];
    all.extend(spec.selector.iter().map(|it| &it.extra));
    all.extend(spec.rollback_window.iter().map(|it| &it.extra));
    all.extend(spec.analysis.iter().map(|it| &it.extra));
    if let Some(canary) = &spec.strategy.canary {
        all.push(&canary.extra);
        all.extend(canary.ping_pong.iter().map(|it| &it.extra));
        all.extend(canary.replica_progress_threshold.iter().map(|it| &it.extra));
        all.extend(canary.anti_affinity.iter().map(|it| &it.extra));
        all.extend(canary.traffic_routing.iter().flat_map(|it| it.managed_routes.iter().flatten()).map(|it| &it.extra));
        // The start of background analysis stands among the fields of an analysis.
        canary.analysis.iter().for_each(|it| analysis(&it.analysis, &mut all));
        canary.steps.iter().for_each(|it| step(it, &mut all));
        let routing = canary.traffic_routing.iter().flat_map(|it| it.extra.keys());
        if let Some(name) = routing.into_iter().find(|it| !ROUTERS.contains(&it.as_str())) {
            return Some(name);
        }
    }
    if let Some(blue_green) = &spec.strategy.blue_green {
        all.push(&blue_green.extra);
        all.extend(blue_green.anti_affinity.iter().map(|it| &it.extra));
        let runs = blue_green.pre_promotion_analysis.iter().chain(&blue_green.post_promotion_analysis);
        runs.for_each(|it| analysis(it, &mut all));
    }
    all.into_iter().flat_map(BTreeMap::keys).next().map(String::as_str)
}

fn analysis<'a>(it: &'a RolloutAnalysisStep, all: &mut Vec<&'a Extra>) {
    all.push(&it.extra);
    all.extend(it.args.iter().map(|it| &it.extra));
}

fn step<'a>(it: &'a CanaryStep, all: &mut Vec<&'a Extra>) {
    all.push(&it.extra);
    all.extend(it.pause.iter().map(|it| &it.extra));
    all.extend(it.set_canary_scale.iter().map(|it| &it.extra));
    all.extend(it.set_header_route.iter().map(|it| &it.extra));
    all.extend(it.set_mirror_route.iter().map(|it| &it.extra));
    if let Some(experiment) = &it.experiment {
        all.push(&experiment.extra);
        all.extend(experiment.templates.iter().map(|it| &it.extra));
        all.extend(experiment.analyses.iter().map(|it| &it.extra));
    }
    it.analysis.iter().for_each(|it| analysis(it, all));
}

//! Numaplane: rollouts of Numaflow's objects.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, unknown};

pub(super) const KINDS: &[Entry] = &[
    ("numaplane.numaproj.io", "ISBServiceRollout", Rule::Code(buffer_service)),
    ("numaplane.numaproj.io", "MonoVertexRollout", Rule::Code(mono_vertex)),
    ("numaplane.numaproj.io", "NumaflowControllerRollout", Rule::Code(controller)),
    ("numaplane.numaproj.io", "PipelineRollout", Rule::Code(pipeline)),
];

/// What differs between the kinds.
struct Shape {
    /// Reason of unhealthy children that is a failure; every other than `Progressing` where there is none.
    failure: Option<&'static str>,
    /// Whether progressive upgrades are told.
    upgrades: bool,
    paused: Option<&'static str>,
    unknown: &'static str,
}

fn buffer_service(object: Look<'_>) -> Judged {
    judge(object, &Shape { failure: Some("ISBSvcFailed"), upgrades: true, paused: None, unknown: "Unknown status" })
}

fn mono_vertex(object: Look<'_>) -> Judged {
    let paused = Some("MonoVertexPausingOrPaused");
    let unknown = "Unknown MonoVertex status";
    judge(object, &Shape { failure: Some("MonoVertexFailed"), upgrades: true, paused, unknown })
}

fn pipeline(object: Look<'_>) -> Judged {
    let paused = Some("PipelinePausingOrPaused");
    let unknown = "Unknown Pipeline status";
    judge(object, &Shape { failure: Some("PipelineFailed"), upgrades: true, paused, unknown })
}

fn controller(object: Look<'_>) -> Judged {
    judge(object, &Shape { failure: None, upgrades: false, paused: None, unknown: "Unknown status" })
}

fn judge(object: Look<'_>, shape: &Shape) -> Judged {
    let status = object.get("status");
    let reconciled =
        status.present() && object.at("metadata")?.get("generation").same(status.get("observedGeneration"));
    if !reconciled {
        return progressing("Not yet reconciled");
    }
    let failed_upgrade = |it: &Look<'_>| shape.upgrades && it.has("ProgressiveUpgradeSucceeded", "False");
    let upgrade = status.get("upgradeInProgress");
    let moves = (upgrade.present() && !upgrade.is("")) || status.get("phase").is("Pending");
    if moves && !object.conditions().any(|it| failed_upgrade(&it)) {
        return progressing("Update in progress");
    }
    let unwell = |it: &Look<'_>| it.has("ChildResourcesHealthy", "False");
    if object.conditions().any(|it| unwell(&it) && it.get("reason").is("Progressing")) {
        return progressing("Child Progressing");
    }
    if status.get("phase").is("Failed") {
        return degraded(status.get("message").message());
    }
    for condition in object.conditions() {
        let reason = condition.get("reason");
        let failed = shape.failure.map_or_else(|| !reason.is("Progressing"), |it| reason.is(it));
        if unwell(&condition) && failed {
            return degraded(condition.get("message").message());
        }
        if failed_upgrade(&condition) {
            return degraded("Progressive upgrade failed");
        }
    }
    if let Some(paused) = shape.paused.and_then(|kind| object.conditions().find(|it| it.has(kind, "True"))) {
        return healthy(paused.get("message").message());
    }
    if object.conditions().any(|it| it.has("ChildResourcesHealthy", "True")) {
        return healthy("Healthy");
    }
    unknown(shape.unknown)
}

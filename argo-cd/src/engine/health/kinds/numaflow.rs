//! Numaflow: pipelines and their parts.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule};

pub(super) const KINDS: &[Entry] = &[
    ("numaflow.numaproj.io", "InterStepBufferService", Rule::Named("InterStepBufferService", buffer_service)),
    ("numaflow.numaproj.io", "MonoVertex", Rule::Named("MonoVertex", mono_vertex)),
    ("numaflow.numaproj.io", "Pipeline", Rule::Named("Pipeline", pipeline)),
    ("numaflow.numaproj.io", "Vertex", Rule::Named("Vertex", vertex)),
];

fn buffer_service(object: Look<'_>, name: &'static str) -> Judged {
    judge(object, name, true, None, &[])
}

fn mono_vertex(object: Look<'_>, name: &'static str) -> Judged {
    judge(object, name, true, Some("Subresources are unhealthy"), &["Paused"])
}

fn pipeline(object: Look<'_>, name: &'static str) -> Judged {
    judge(object, name, true, Some("Subresources are unhealthy"), &["Paused", "Pausing"])
}

fn vertex(object: Look<'_>, name: &'static str) -> Judged {
    judge(object, name, false, None, &["Paused"])
}

fn judge(object: Look<'_>, name: &str, upgrades: bool, bad_parts: Option<&str>, paused: &[&str]) -> Judged {
    let (status, metadata) = (object.get("status"), object.get("metadata"));
    let waiting = format!("Waiting for {name} status");
    if status.absent() {
        return progressing(waiting);
    }
    let state = "numaplane.numaproj.io/progressive-result-state";
    let failed_upgrade = upgrades && metadata.at("labels")?.get(state).is("failed");
    if !metadata.at("generation")?.same(status.get("observedGeneration")) {
        return progressing(waiting);
    }
    let phase = status.get("phase");
    let bad = object.conditions().filter(|it| it.get("status").is("False")).last();
    if phase.is("Failed") {
        return degraded(status.get("message").message());
    }
    if failed_upgrade {
        return degraded("Failed progressive upgrade");
    }
    if let Some(condition) = bad {
        return degraded(bad_parts.map_or_else(|| condition.get("message").message(), str::to_owned));
    }
    if phase.is_one(paused) {
        return healthy(format!("{name} is paused"));
    }
    if phase.is("Running") { healthy(format!("{name} is healthy")) } else { progressing(waiting) }
}

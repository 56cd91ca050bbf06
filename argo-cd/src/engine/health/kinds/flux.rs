//! Flux: a Ready condition, one that says whether it works, and for sources one that says whether there is an artifact.

use super::{Entry, Judged, Look, Unjudged, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] = &[
    ("helm.toolkit.fluxcd.io", "HelmRelease", Rule::Code(helm_release)),
    ("image.toolkit.fluxcd.io", "ImagePolicy", Rule::Code(image_policy)),
    ("image.toolkit.fluxcd.io", "ImageRepository", Rule::Code(image_repository)),
    ("image.toolkit.fluxcd.io", "ImageUpdateAutomation", Rule::Code(kustomization)),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", Rule::Code(kustomization)),
    ("notification.toolkit.fluxcd.io", "Receiver", Rule::Code(receiver)),
    ("source.toolkit.fluxcd.io", "Bucket", Rule::Code(source)),
    ("source.toolkit.fluxcd.io", "GitRepository", Rule::Code(source)),
    ("source.toolkit.fluxcd.io", "HelmChart", Rule::Code(source)),
    ("source.toolkit.fluxcd.io", "HelmRepository", Rule::Code(helm_repository)),
    ("source.toolkit.fluxcd.io", "OCIRepository", Rule::Code(source)),
];

/// What of an object counts.
struct Shape {
    suspends: bool,
    /// Status of Ready that counts as work in progress.
    waiting: &'static str,
    /// Reasons of Reconciling that count; all where there are none.
    reasons: &'static [&'static str],
    /// Other conditions that count as success.
    good: &'static [&'static str],
    /// How many successes make it healthy.
    enough: usize,
    /// Whether two waits are a failure.
    waits_fail: bool,
}

const PLAIN: Shape =
    Shape { suspends: true, waiting: "Unknown", reasons: &[], good: &[], enough: 1, waits_fail: false };

fn helm_release(object: Look<'_>) -> Judged {
    judge(object, &Shape { good: &["Released", "TestSuccess"], enough: 2, ..PLAIN })
}

fn image_policy(object: Look<'_>) -> Judged {
    let reasons = &["NewGeneration", "AccessingRepository", "ApplyingPolicy"];
    judge(object, &Shape { suspends: false, waiting: "False", reasons, ..PLAIN })
}

fn image_repository(object: Look<'_>) -> Judged {
    judge(object, &Shape { waiting: "False", reasons: &["NewGeneration", "Scanning"], ..PLAIN })
}

fn kustomization(object: Look<'_>) -> Judged {
    judge(object, &PLAIN)
}

fn receiver(object: Look<'_>) -> Judged {
    judge(object, &Shape { waiting: "False", waits_fail: true, ..PLAIN })
}

fn source(object: Look<'_>) -> Judged {
    judge(object, &Shape { good: &["ArtifactInStorage"], enough: 2, ..PLAIN })
}

fn helm_repository(object: Look<'_>) -> Judged {
    if object.get("spec").at("type")?.is("oci") && !is_suspended(object)? {
        return healthy("Helm repositories of type 'oci' do not contain any information in the status.");
    }
    source(object)
}

fn is_suspended(object: Look<'_>) -> Result<bool, Unjudged> {
    Ok(object.get("spec").at("suspend")?.is_bool(true))
}

fn judge(object: Look<'_>, shape: &Shape) -> Judged {
    if shape.suspends && is_suspended(object)? {
        return suspended(format!("{} is suspended", object.get("kind").text()?));
    }
    if object.path("status.conditions").absent() {
        return progressing("Status unknown");
    }
    let (mut waits, mut successes) = (0, 0);
    let mut message = Some(String::new());
    for condition in object.conditions() {
        let (kind, status, reason) = (condition.get("type"), condition.get("status"), condition.get("reason"));
        if kind.is("Ready") {
            successes += usize::from(status.is("True"));
            waits += usize::from(status.is(shape.waiting));
            message = reason.str().map(str::to_owned);
        } else if kind.is("Reconciling") && status.is("True") {
            waits += usize::from(shape.reasons.is_empty() || reason.is_one(shape.reasons));
        } else if kind.is("ArtifactOutdated") && status.is("True") && shape.good.contains(&"ArtifactInStorage") {
            let before = message.ok_or(Unjudged::Text("nil"))?;
            message = Some(format!("{before} {}", reason.text()?));
        } else if kind.is_one(shape.good) && status.is("True") {
            successes += 1;
        }
    }
    let message = message.unwrap_or_default();
    if waits == 2 && !shape.waits_fail {
        progressing(message)
    } else if successes == shape.enough && waits != 2 {
        healthy(message)
    } else {
        degraded(message)
    }
}

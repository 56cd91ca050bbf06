//! KEDA: ready, paused, fallen back. The message is that of the last condition that counts.

use super::{Entry, Judged, Look, degraded, healthy, progressing, shape::Rule, suspended};

pub(super) const KINDS: &[Entry] =
    &[("keda.sh", "ScaledJob", Rule::Code(scaled_job)), ("keda.sh", "ScaledObject", Rule::Code(scaled_object))];

fn scaled_job(object: Look<'_>) -> Judged {
    judge(object, ("Ready", "Unknown"), "Waiting for ScaledJob")
}

fn scaled_object(object: Look<'_>) -> Judged {
    judge(object, ("Fallback", "True"), "Creating HorizontalPodAutoscaler Object")
}

fn judge(object: Look<'_>, bad: (&str, &str), waiting: &str) -> Judged {
    let (mut is_ready, mut is_bad, mut is_paused) = (false, false, false);
    let mut message = String::new();
    for condition in object.conditions() {
        let ready = condition.has("Ready", "True");
        let failed = condition.has("Ready", "False") || condition.has(bad.0, bad.1);
        let paused = condition.has("Paused", "True");
        if ready || failed || paused {
            message = condition.get("message").message();
        }
        is_ready |= ready;
        is_bad |= failed;
        is_paused |= paused;
    }
    match (is_bad, is_ready, is_paused) {
        (true, ..) => degraded(message),
        (_, true, false) => healthy(message),
        (_, true, true) => suspended(message),
        _ => progressing(waiting),
    }
}

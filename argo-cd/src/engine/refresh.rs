//! When and how deep to look.

use std::time::Duration;

use argo_core::{Timestamp, time};
use sha2::{Digest, Sha256};

use super::settings::Settings;
use crate::api::{Application, ConditionType, OperationPhase, SyncState, names};

/// Wait after a comparison that failed. Ours: upstream waits for its timers.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// How deep a refresh goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Compares again at the revision that was compared last.
    Recent,
    /// Resolves revisions again.
    Latest,
    /// Resolves revisions again, past every cache.
    Forced,
}

/// A refresh that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// How deep.
    pub level: Level,
    /// Renders past every cache.
    pub hard: bool,
}

/// What is due at `now`. A pass without a reason of its own still compares, at the revision it knows.
#[must_use]
pub fn due(app: &Application, settings: &Settings, now: Timestamp) -> Refresh {
    let at = |level| Refresh { level, hard: false };
    if let Some(request) = app.metadata.annotation(names::REFRESH) {
        return Refresh { level: Level::Forced, hard: request == names::REFRESH_HARD };
    }
    let Some(status) = &app.status else { return at(Level::Latest) };
    let Some(sync) = &status.sync else { return at(Level::Latest) };
    let multi = app.spec.is_multi_source();
    let sources = app.spec.effective_sources();
    let compared =
        if multi { sync.compared_to.sources == sources } else { sync.compared_to.source.iter().eq(sources.iter()) };
    if !compared {
        return at(Level::Forced);
    }
    let Some(reconciled) = status.reconciled_at.map(|it| it.timestamp()) else { return at(Level::Latest) };
    let hard = settings.hard_reconciliation;
    if !hard.is_zero() && time::after(reconciled, hard) <= now {
        return Refresh { level: Level::Latest, hard: true };
    }
    if !settings.reconciliation.is_zero() && expiry(app, settings, reconciled) <= now {
        return at(Level::Latest);
    }
    if sync.compared_to.destination != app.spec.destination
        || sync.compared_to.ignore_differences != app.spec.ignore_differences
        || namespace_metadata_changed(app)
    {
        return at(Level::Latest);
    }
    // What an operation deployed is seen by the next look.
    if let Some(state) = status.operation_state.as_ref().filter(|it| it.is_completed())
        && let Some(finished) = state.finished_at.map(|it| it.timestamp())
    {
        let other_revision = state.phase == OperationPhase::Succeeded
            && state.sync_result.as_ref().is_some_and(|it| it.revision != sync.revision && !it.revision.is_empty());
        if reconciled < finished || (reconciled == finished && other_revision) {
            let automated = state.operation.initiated_by.automated;
            return at(if automated { Level::Latest } else { Level::Forced });
        }
    }
    at(Level::Recent)
}

/// Whether the labels and annotations of the namespace are others than the last operation was told of.
#[must_use]
pub fn namespace_metadata_changed(app: &Application) -> bool {
    let wanted = app.spec.sync_policy.as_ref().and_then(|it| it.managed_namespace_metadata.as_ref());
    let state = app.status.as_ref().and_then(|it| it.operation_state.as_ref());
    let (Some(wanted), Some(result)) = (wanted, state.and_then(|it| it.sync_result.as_ref())) else { return false };
    result.managed_namespace_metadata.as_ref() != Some(wanted)
}

/// When the next look is due by the timers alone.
#[must_use]
pub fn next(app: &Application, settings: &Settings, reconciled: Timestamp) -> Option<Timestamp> {
    let soft = (!settings.reconciliation.is_zero()).then(|| expiry(app, settings, reconciled));
    let hard = (!settings.hard_reconciliation.is_zero()).then(|| time::after(reconciled, settings.hard_reconciliation));
    soft.into_iter().chain(hard).min()
}

/// The end of a revision's time, spread by the Application's identity so that not all ask git at once. What could not be
/// compared at all is tried again sooner.
fn expiry(app: &Application, settings: &Settings, reconciled: Timestamp) -> Timestamp {
    let broken = app.status.as_ref().is_some_and(|it| {
        it.sync_state() == SyncState::Unknown
            && it.conditions.iter().any(|it| it.kind == ConditionType::ComparisonError)
    });
    if broken {
        return time::after(reconciled, settings.reconciliation.min(AFTER_FAILURE));
    }
    let mut hash = Sha256::new();
    hash.update(app.metadata.uid.as_deref().unwrap_or_default());
    hash.update(app.metadata.name.as_deref().unwrap_or_default());
    let byte = hash.finalize()[0];
    let spread = settings.jitter.mul_f64(f64::from(byte) / 256.0);
    time::after(reconciled, settings.reconciliation + Duration::from_secs(spread.as_secs()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn app(change: impl FnOnce(&mut serde_json::Value)) -> Application {
        let mut json = json!({
            "metadata": {"name": "a", "uid": "u"},
            "spec": {"project": "default", "destination": {"namespace": "n"}, "source": {"repoURL": "r", "path": "p"}},
            "status": {"reconciledAt": "2026-01-01T00:59:00Z", "sync": {"status": "Synced", "revision": "abc",
                "comparedTo": {"destination": {"namespace": "n"}, "source": {"repoURL": "r", "path": "p"}}}}
        });
        change(&mut json);
        serde_json::from_value(json).unwrap()
    }

    fn level(change: impl FnOnce(&mut serde_json::Value)) -> (Level, bool) {
        let it = due(&app(change), &Settings::default(), NOW.parse().unwrap());
        (it.level, it.hard)
    }

    #[test]
    fn a_fresh_comparison_is_only_repeated_at_its_revision() {
        assert_eq!(level(|_| {}), (Level::Recent, false));
    }

    #[test]
    fn annotations_changed_sources_timers_and_finished_operations_ask_for_more() {
        assert_eq!(level(|it| it["metadata"]["annotations"] = json!({names::REFRESH: "hard"})), (Level::Forced, true));
        assert_eq!(level(|it| it["spec"]["source"]["path"] = json!("q")), (Level::Forced, false));
        assert_eq!(level(|it| it["status"]["reconciledAt"] = json!("2026-01-01T00:50:00Z")), (Level::Latest, false));
        assert_eq!(level(|it| it["spec"]["destination"]["namespace"] = json!("m")), (Level::Latest, false));
        let ignore = json!([{"kind": "X"}]);
        assert_eq!(level(|it| it["spec"]["ignoreDifferences"] = ignore), (Level::Latest, false));
        let state = |at: &str, revision: &str| {
            json!({"operation": {"sync": {}}, "phase": "Succeeded", "startedAt": at, "finishedAt": at,
                "syncResult": {"revision": revision}})
        };
        let after = state("2026-01-01T00:59:30Z", "abc");
        assert_eq!(level(|it| it["status"]["operationState"] = after), (Level::Forced, false));
        let same = state("2026-01-01T00:59:00Z", "def");
        assert_eq!(level(|it| it["status"]["operationState"] = same), (Level::Forced, false));
        let seen = state("2026-01-01T00:59:00Z", "abc");
        assert_eq!(level(|it| it["status"]["operationState"] = seen), (Level::Recent, false));
    }

    #[test]
    fn the_next_look_is_within_the_timeout_and_its_jitter() {
        let from: Timestamp = NOW.parse().unwrap();
        let next = next(&app(|_| {}), &Settings::default(), from).unwrap();
        let wait = time::between(from, next).as_secs();
        assert!((120..=180).contains(&wait), "{wait}");
    }
}

//! Synchronisation without being asked.

use argo_core::{Timestamp, time};

use super::settings::Settings;
use crate::api::{
    Application, ApplicationStatus, InitiatedBy, Operation, OperationPhase, ResourceStatus, Retry, SyncOperation,
    SyncResource, SyncState,
};

/// Attempts of an automated synchronisation whose policy names none.
const DEFAULT_RETRIES: i64 = 5;

/// What automation wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing.
    Idle,
    /// To synchronise.
    Sync(Box<Operation>),
    /// To heal, but not yet.
    Later(Timestamp),
    /// Nothing; a person should know why (a SyncError).
    Refused(String),
}

/// Decides from the status that a comparison just made.
#[must_use]
pub fn decide(app: &Application, status: &ApplicationStatus, settings: &Settings, now: Timestamp) -> Verdict {
    let Some(policy) = app.spec.sync_policy.as_ref() else { return Verdict::Idle };
    let Some(automated) = policy.enabled() else { return Verdict::Idle };
    if app.operation.is_some() || app.metadata.deletion_timestamp.is_some() {
        return Verdict::Idle;
    }
    let Some(sync) = status.sync.as_ref().filter(|it| it.status == SyncState::OutOfSync) else {
        return Verdict::Idle;
    };
    let out: Vec<&ResourceStatus> =
        status.resources.iter().filter(|it| it.status.is_some_and(|it| it != SyncState::Synced)).collect();
    if !automated.prunes() && !out.is_empty() && out.iter().all(|it| it.requires_pruning) {
        return Verdict::Idle;
    }
    let sources = app.spec.effective_sources();
    let multi = app.spec.is_multi_source();
    let mut operation = SyncOperation {
        prune: automated.prunes(),
        sync_options: policy.sync_options.clone(),
        ..SyncOperation::default()
    };
    if multi {
        (operation.sources, operation.revisions) = (sources.clone(), sync.revisions.clone());
    } else {
        (operation.source, operation.revision) = (sources.first().cloned(), sync.revision.clone());
    }
    let shown = if multi { sync.revisions.join(", ") } else { sync.revision.clone() };
    if let Some(state) = status.operation_state.as_ref().filter(|it| it.is_completed())
        && let Some(result) = &state.sync_result
        && state.operation.sync.is_some()
    {
        let same_revision = if multi { result.revisions == sync.revisions } else { result.revision == sync.revision };
        let same_sources = if multi { result.sources == sources } else { result.source.as_ref() == sources.first() };
        if same_revision && same_sources {
            if state.phase != OperationPhase::Succeeded {
                return Verdict::Refused(format!("Failed last sync attempt to [{shown}]: {}", state.message));
            }
            if !automated.heals() {
                return Verdict::Idle;
            }
            let attempts = state.operation.sync.as_ref().map_or(0, |it| it.auto_heal_attempts_count);
            let finished = state.finished_at.map_or(now, |it| it.timestamp());
            let at = time::after(finished, settings.self_heal.wait(attempts));
            if at > now {
                return Verdict::Later(at);
            }
            operation.auto_heal_attempts_count = attempts + 1;
            operation.resources = out.iter().map(|it| identity(it)).collect();
        }
    }
    if automated.prunes() && !automated.allows_empty() {
        let mut counting = status.resources.iter().filter(|it| it.status.is_some()).peekable();
        if counting.peek().is_some() && counting.all(|it| it.requires_pruning) {
            return Verdict::Refused(format!(
                "Skipping sync attempt to [{shown}]: auto-sync will wipe out all resources"
            ));
        }
    }
    Verdict::Sync(Box::new(Operation {
        sync: Some(operation),
        initiated_by: InitiatedBy { automated: true, username: String::new() },
        retry: policy.retry.clone().unwrap_or_else(|| Retry { limit: DEFAULT_RETRIES, ..Retry::default() }),
        ..Operation::default()
    }))
}

fn identity(resource: &ResourceStatus) -> SyncResource {
    SyncResource {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        name: resource.name.clone(),
        namespace: resource.namespace.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn verdict(automated: Value, status: Value) -> Verdict {
        let app: Application = serde_json::from_value(json!({
            "metadata": {"name": "a"},
            "spec": {"project": "", "destination": {}, "source": {"repoURL": "r"},
                "syncPolicy": {"automated": automated, "syncOptions": ["CreateNamespace=true"]}},
        }))
        .unwrap();
        let status: ApplicationStatus = serde_json::from_value(status).unwrap();
        decide(&app, &status, &Settings::default(), NOW.parse().unwrap())
    }

    fn status(resources: &[(&str, &str, bool)], state: Value) -> Value {
        let list: Vec<Value> = resources
            .iter()
            .map(|(name, status, prune)| json!({"kind": "ConfigMap", "name": name, "status": status, "requiresPruning": prune}))
            .collect();
        let mut it = json!({"sync": {"status": "OutOfSync", "revision": "abc", "comparedTo": {"destination": {}}},
            "resources": list});
        if !state.is_null() {
            it["operationState"] = state;
        }
        it
    }

    fn state(phase: &str, finished: &str, attempts: i64) -> Value {
        json!({"phase": phase, "message": "boom", "startedAt": finished, "finishedAt": finished,
            "operation": {"sync": {"autoHealAttemptsCount": attempts}},
            "syncResult": {"revision": "abc", "source": {"repoURL": "r"}}})
    }

    #[test]
    fn a_new_revision_is_synchronised_whole_with_the_policys_options() {
        let Verdict::Sync(operation) = verdict(json!({}), status(&[("a", "OutOfSync", false)], Value::Null)) else {
            panic!("no sync")
        };
        let sync = operation.sync.unwrap();
        assert!(sync.resources.is_empty() && !sync.prune && sync.revision == "abc");
        assert_eq!(sync.sync_options, ["CreateNamespace=true"]);
        assert!(operation.initiated_by.automated && operation.retry.limit == 5);
    }

    #[test]
    fn only_pruning_needed_and_no_prune_is_left_alone() {
        let only = status(&[("a", "OutOfSync", true), ("b", "Synced", false)], Value::Null);
        assert_eq!(verdict(json!({}), only.clone()), Verdict::Idle);
        assert!(matches!(verdict(json!({"prune": true}), only), Verdict::Sync(_)));
        let all = status(&[("a", "OutOfSync", true)], Value::Null);
        let refused = "Skipping sync attempt to [abc]: auto-sync will wipe out all resources";
        assert_eq!(verdict(json!({"prune": true}), all.clone()), Verdict::Refused(refused.into()));
        assert!(matches!(verdict(json!({"prune": true, "allowEmpty": true}), all), Verdict::Sync(_)));
        let off = status(&[("a", "OutOfSync", false)], Value::Null);
        assert_eq!(verdict(json!({"enabled": false}), off), Verdict::Idle);
    }

    #[test]
    fn drift_is_healed_in_part_after_growing_waits_and_failures_are_not_repeated() {
        let out = [("a", "OutOfSync", false), ("b", "Synced", false)];
        let done = |attempts| status(&out, state("Succeeded", "2026-01-01T00:59:59Z", attempts));
        assert_eq!(verdict(json!({}), done(0)), Verdict::Idle);
        let Verdict::Sync(heal) = verdict(json!({"selfHeal": true}), done(0)) else { panic!("no heal") };
        let sync = heal.sync.unwrap();
        assert_eq!((sync.resources.len(), sync.auto_heal_attempts_count), (1, 1));
        assert_eq!(
            verdict(json!({"selfHeal": true}), done(1)),
            Verdict::Later("2026-01-01T01:00:01Z".parse().unwrap())
        );
        assert_eq!(
            verdict(json!({"selfHeal": true}), status(&out, state("Failed", NOW, 0))),
            Verdict::Refused("Failed last sync attempt to [abc]: boom".into())
        );
    }
}

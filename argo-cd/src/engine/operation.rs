//! Operations: how they begin, are tried again and end.

use std::time::Duration;

use argo_core::{Time, Timestamp, time};

use crate::api::{
    ApplicationSpec, ApplicationStatus, Operation, OperationPhase, OperationState, RevisionHistory, Source, SyncResult,
};

/// Entries of `status.history` that are kept by default.
const HISTORY_LIMIT: i64 = 10;

/// The sources of an operation: its own, or the spec's.
#[must_use]
pub fn sources(operation: &Operation, spec: &ApplicationSpec) -> Vec<Source> {
    let sync = operation.sync.clone().unwrap_or_default();
    if !sync.sources.is_empty() {
        return sync.sources;
    }
    match sync.source {
        Some(source) => vec![source],
        None => spec.effective_sources(),
    }
}

/// The revision asked for of a source; empty means the source's own.
#[must_use]
pub fn wanted_revision(operation: &Operation, sources: &[Source], index: usize) -> String {
    let sync = operation.sync.as_ref();
    let asked = sync.and_then(|it| {
        let of_list = it.revisions.get(index).filter(|it| !it.is_empty());
        of_list.or_else(|| (sources.len() == 1 && !it.revision.is_empty()).then_some(&it.revision))
    });
    asked.cloned().unwrap_or_else(|| sources[index].target_revision.clone())
}

/// An operation that begins now, with its sources and revisions pinned.
#[must_use]
pub fn begin(
    operation: &Operation,
    spec: &ApplicationSpec,
    sources: Vec<Source>,
    revisions: Vec<String>,
    now: Timestamp,
) -> OperationState {
    let multi = operation.sync.as_ref().is_some_and(|it| !it.sources.is_empty())
        || (operation.sync.as_ref().is_none_or(|it| it.source.is_none()) && spec.is_multi_source());
    let mut result = SyncResult {
        managed_namespace_metadata: spec.sync_policy.as_ref().and_then(|it| it.managed_namespace_metadata.clone()),
        ..SyncResult::default()
    };
    if multi {
        (result.sources, result.revisions) = (sources, revisions);
    } else {
        result.source = sources.into_iter().next();
        result.revision = revisions.into_iter().next().unwrap_or_default();
    }
    OperationState {
        operation: operation.clone(),
        phase: OperationPhase::Running,
        message: String::new(),
        sync_result: Some(result),
        started_at: Time::new(now),
        finished_at: None,
        retry_count: 0,
        extra: Default::default(),
    }
}

/// The sources and revisions that an operation is pinned to.
#[must_use]
pub fn pinned(state: &OperationState) -> (Vec<Source>, Vec<String>) {
    let Some(result) = &state.sync_result else { return (vec![], vec![]) };
    if result.sources.is_empty() {
        (result.source.iter().cloned().collect(), vec![result.revision.clone()])
    } else {
        (result.sources.clone(), result.revisions.clone())
    }
}

/// The wait before attempt number `attempt` (from 1): `duration·factor^attempt`, at most `maxDuration`.
#[must_use]
pub fn backoff(operation: &Operation, attempt: i64) -> Duration {
    let backoff = operation.retry.backoff.clone().unwrap_or_default();
    let read = |text: &str, default: u64| {
        let parsed = argo_lang::duration::parse_or_seconds(text).ok().and_then(|it| Duration::try_from(it).ok());
        parsed.unwrap_or_else(|| Duration::from_secs(default))
    };
    let base = read(&backoff.duration, 5);
    let cap = read(&backoff.max_duration, 180);
    #[allow(clippy::cast_precision_loss, reason = "small factors")]
    let factor = backoff.factor.unwrap_or(2).max(1) as f64;
    let power = i32::try_from(attempt.max(0)).unwrap_or(i32::MAX);
    let seconds = base.as_secs_f64() * factor.powi(power);
    let longest = if cap.is_zero() { 365.0 * 86_400.0 } else { cap.as_secs_f64() };
    Duration::from_secs_f64(if seconds.is_finite() { seconds.min(longest) } else { longest })
}

/// When the next attempt of an operation that waits for it is due.
#[must_use]
pub fn retry_at(state: &OperationState) -> Option<Timestamp> {
    if state.phase != OperationPhase::Running {
        return None;
    }
    Some(time::after(state.finished_at?.timestamp(), backoff(&state.operation, state.retry_count)))
}

/// The next attempt begins.
#[must_use]
pub fn retry(mut state: OperationState) -> OperationState {
    let refresh = state.operation.retry.refresh;
    state.finished_at = None;
    if let Some(result) = &mut state.sync_result {
        result.resources.clear();
        if refresh {
            result.revision.clear();
            result.revisions.clear();
        }
    }
    let latest = if refresh { " with latest revisions" } else { "" };
    state.message = format!("Retrying operation{latest}. Attempt #{}", state.retry_count);
    state
}

/// A pass ended in `phase`: a failure with attempts left waits for the next one, anything else that is complete ends.
#[must_use]
pub fn conclude(mut state: OperationState, phase: OperationPhase, message: String, now: Timestamp) -> OperationState {
    let terminating = state.phase == OperationPhase::Terminating;
    state.phase = phase;
    state.message = message;
    if !phase.is_completed() {
        return state;
    }
    let limit = state.operation.retry.limit;
    state.finished_at = Some(Time::new(now));
    if phase.is_failure() && !terminating && (limit < 0 || state.retry_count < limit) {
        let shown = time::after(now, backoff(&state.operation, state.retry_count));
        state.phase = OperationPhase::Running;
        state.retry_count += 1;
        let (count, at) = (state.retry_count, shown.strftime("%-I:%M%p"));
        state.message = format!("{}. Retrying attempt #{count} at {at}.", state.message);
    } else if phase.is_failure() && state.retry_count > 0 {
        state.message = format!("{} (retried {} times).", state.message, state.retry_count);
    }
    state
}

/// Adds a successful synchronisation to the history, unless it was partial or a dry run.
pub fn record(status: &mut ApplicationStatus, spec: &ApplicationSpec, state: &OperationState, now: Timestamp) {
    let Some(sync) = &state.operation.sync else { return };
    if state.phase != OperationPhase::Succeeded || sync.dry_run || !sync.resources.is_empty() {
        return;
    }
    let Some(result) = &state.sync_result else { return };
    status.history.push(RevisionHistory {
        id: status.history.last().map_or(0, |it| it.id + 1),
        revision: result.revision.clone(),
        revisions: result.revisions.clone(),
        source: result.source.clone(),
        sources: result.sources.clone(),
        deploy_started_at: Some(state.started_at),
        deployed_at: Some(Time::new(now)),
        initiated_by: state.operation.initiated_by.clone(),
        ..RevisionHistory::default()
    });
    let limit = spec.revision_history_limit.unwrap_or(HISTORY_LIMIT).max(0);
    let surplus = status.history.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    status.history.drain(..surplus);
}

/// The operation that brings back an entry of the history, without hooks.
///
/// # Errors
/// In upstream's words: when synchronisation is automated, or the entry is not there or has no source.
pub fn rollback(spec: &ApplicationSpec, status: &ApplicationStatus, id: i64, prune: bool) -> Result<Operation, String> {
    use crate::api::{StrategyApply, SyncOperation, SyncStrategy};
    if spec.sync_policy.as_ref().is_some_and(|it| it.enabled().is_some()) {
        return Err("rollback cannot be initiated when auto-sync is enabled".to_owned());
    }
    let entry = status.history.iter().find(|it| it.id == id);
    let entry = entry.ok_or_else(|| format!("application does not have deployment history with id {id}"))?;
    if entry.source.is_none() && entry.sources.is_empty() {
        return Err("cannot rollback to revision deployed without source".to_owned());
    }
    let sync = SyncOperation {
        revision: entry.revision.clone(),
        revisions: entry.revisions.clone(),
        source: entry.source.clone(),
        sources: entry.sources.clone(),
        prune,
        sync_strategy: Some(SyncStrategy { apply: Some(StrategyApply::default()), hook: None }),
        sync_options: spec.sync_policy.as_ref().map(|it| it.sync_options.clone()).unwrap_or_default(),
        ..SyncOperation::default()
    };
    Ok(Operation { sync: Some(sync), ..Operation::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(retry: serde_json::Value) -> OperationState {
        serde_json::from_value(json!({"operation": {"sync": {}, "retry": retry}, "phase": "Running",
            "startedAt": "2026-01-01T15:00:00Z", "syncResult": {"revision": "abc"}}))
        .unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-01T15:04:00Z".parse().unwrap()
    }

    #[test]
    fn failures_wait_longer_each_time_until_the_limit() {
        let retry = json!({"limit": 2, "backoff": {"duration": "10", "factor": 3, "maxDuration": "1m"}});
        let first = conclude(state(retry), OperationPhase::Failed, "boom".into(), now());
        assert_eq!((first.phase, first.retry_count), (OperationPhase::Running, 1));
        assert_eq!(first.message, "boom. Retrying attempt #1 at 3:04PM.");
        assert_eq!(time::between(now(), retry_at(&first).unwrap()).as_secs(), 30);
        let again = retry_of(first);
        assert_eq!(again.message, "Retrying operation. Attempt #1");
        let second = conclude(again, OperationPhase::Error, "boom".into(), now());
        assert_eq!(time::between(now(), retry_at(&second).unwrap()).as_secs(), 60, "capped");
        let last = conclude(retry_of(second), OperationPhase::Failed, "boom".into(), now());
        assert_eq!((last.phase, last.message.as_str()), (OperationPhase::Failed, "boom (retried 2 times)."));
        assert_eq!(retry_at(&last), None);
    }

    fn retry_of(state: OperationState) -> OperationState {
        let state = retry(state);
        assert_eq!(state.finished_at, None);
        assert_eq!(state.sync_result.as_ref().unwrap().revision, "abc", "the revision stays pinned");
        state
    }

    #[test]
    fn defaults_are_five_seconds_doubling_to_three_minutes() {
        let state = state(json!({"limit": -1}));
        let waits: Vec<u64> = (0..8).map(|it| backoff(&state.operation, it).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 180, 180]);
    }

    #[test]
    fn terminated_operations_are_not_tried_again() {
        let mut state = state(json!({"limit": 5}));
        state.phase = OperationPhase::Terminating;
        let ended = conclude(state, OperationPhase::Failed, "Operation terminated".into(), now());
        assert_eq!((ended.phase, ended.message.as_str()), (OperationPhase::Failed, "Operation terminated"));
    }

    #[test]
    fn history_counts_up_and_is_trimmed_and_rolls_back() {
        let mut spec = ApplicationSpec { revision_history_limit: Some(2), ..Default::default() };
        let mut status = ApplicationStatus::default();
        let mut done = state(json!({}));
        done.phase = OperationPhase::Succeeded;
        done.sync_result.as_mut().unwrap().source = Some(Source { repo_url: "r".into(), ..Default::default() });
        for _ in 0..3 {
            record(&mut status, &spec, &done, now());
        }
        assert_eq!(status.history.iter().map(|it| it.id).collect::<Vec<_>>(), [1, 2]);
        let back = rollback(&spec, &status, 1, true).unwrap().sync.unwrap();
        assert!(back.skips_hooks() && back.revision == "abc" && back.source.is_some());
        assert!(rollback(&spec, &status, 7, true).is_err());
        spec.sync_policy = serde_json::from_value(json!({"automated": {}})).unwrap();
        assert_eq!(
            rollback(&spec, &status, 1, true).unwrap_err(),
            "rollback cannot be initiated when auto-sync is enabled"
        );
    }
}

//! Pods and ControllerRevisions of a workload, as they were found.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{Object, Timestamp, time};
use serde_json::Value;

use super::Version;

/// Label of pods with their ControllerRevision: its name in a StatefulSet, its hash in a DaemonSet.
const REVISION: &str = "controller-revision-hash";

/// One pod.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) object: Arc<Object>,
    /// Of its version.
    pub(super) hash: String,
    pub(super) ready: bool,
    pub(super) available: bool,
    pub(super) leaving: bool,
}

/// A workload with what belongs to it.
#[derive(Debug)]
pub struct Seen {
    pub(super) object: Arc<Object>,
    /// By their number, oldest first.
    pub(super) revisions: Vec<Arc<Object>>,
    /// By name.
    pub(super) pods: Vec<Pod>,
    wake: Option<Timestamp>,
}

/// The hash of a pod's version.
pub(super) fn hash_of(pod: &Object) -> &str {
    hash_in(pod.label(REVISION).unwrap_or_default())
}

/// The hash at the end of a ControllerRevision's name.
pub(super) fn hash_in(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or_default()
}

impl Seen {
    /// Picks what `object` controls.
    #[must_use]
    pub fn of(
        object: &Arc<Object>,
        revisions: &[Arc<Object>],
        pods: &[Arc<Object>],
        min_ready: i64,
        now: Timestamp,
    ) -> Self {
        let uid = object.uid();
        let least = min_ready.max(object.integer("/spec/minReadySeconds").unwrap_or_default());
        let least = Duration::from_secs(u64::try_from(least).unwrap_or_default());
        let mut wake: Option<Timestamp> = None;
        let mut revisions: Vec<Arc<Object>> = revisions.iter().filter(|it| it.is_controlled_by(uid)).cloned().collect();
        revisions.sort_by_cached_key(|it| (it.integer("/revision").unwrap_or_default(), it.name().to_owned()));
        let mut found: Vec<Pod> = Vec::new();
        for pod in pods.iter().filter(|it| it.is_controlled_by(uid)) {
            let since = ready_since(pod);
            let available_at = since.map(|it| time::after(it, least));
            if let Some(at) = available_at.filter(|it| *it > now) {
                wake = wake.into_iter().chain([at]).min();
            }
            let leaving = pod.is_deleting();
            found.push(Pod {
                object: pod.clone(),
                hash: hash_of(pod).to_owned(),
                ready: since.is_some() && !leaving,
                available: available_at.is_some_and(|it| it <= now) && !leaving,
                leaving,
            });
        }
        found.sort_by(|a, b| a.object.name().cmp(b.object.name()));
        Self { object: object.clone(), revisions, pods: found, wake }
    }

    pub(super) fn versions(&self) -> Vec<Version> {
        let mut counts: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
        for pod in self.pods.iter().filter(|it| !it.leaving) {
            let count = counts.entry(&pod.hash).or_default();
            count.0 += 1;
            count.1 += i64::from(pod.ready);
            count.2 += i64::from(pod.available);
        }
        let version = |revision: &Arc<Object>| {
            let hash = hash_in(revision.name()).to_owned();
            let (pods, ready, available) = counts.get(hash.as_str()).copied().unwrap_or_default();
            Version { hash, revision: revision.clone(), pods, ready, available }
        };
        self.revisions.iter().map(version).collect()
    }

    pub(super) fn revision(&self, hash: &str) -> Option<&Arc<Object>> {
        self.revisions.iter().find(|it| hash_in(it.name()) == hash)
    }

    /// Whether the workload's own controller has seen it as it is.
    pub(super) fn is_observed(&self) -> bool {
        self.object.integer("/status/observedGeneration").unwrap_or_default() >= self.object.generation()
    }

    pub(super) fn available(&self) -> i64 {
        count(self.pods.iter().filter(|it| it.available))
    }

    pub(super) fn wake(&self) -> Option<Timestamp> {
        self.wake
    }
}

pub(super) fn count(pods: impl Iterator) -> i64 {
    i64::try_from(pods.count()).unwrap_or(i64::MAX)
}

/// Those of `wrong` that may be deleted now: what does not serve at once, and of the others as many as may be missing.
pub(super) fn replaceable<'p>(wrong: &[&'p Pod], available: i64, replicas: i64, unavailable: i64) -> Vec<&'p Pod> {
    let staying = wrong.iter().copied().filter(|it| !it.leaving);
    let (serving, broken): (Vec<&Pod>, Vec<&Pod>) = staying.partition(|it| it.available);
    let room = usize::try_from(available - (replicas - unavailable)).unwrap_or_default();
    // What does not serve comes first: it may be what holds up the rest.
    broken.into_iter().chain(serving.into_iter().take(room)).collect()
}

fn ready_since(pod: &Object) -> Option<Timestamp> {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array)?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready" && it["status"] == "True")?;
    let since = ready["lastTransitionTime"].as_str().and_then(|it| time::parse(it).ok());
    Some(since.unwrap_or(Timestamp::UNIX_EPOCH))
}

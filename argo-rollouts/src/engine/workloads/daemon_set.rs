//! DaemonSets, by `OnDelete` and deleting pods node by node.
//!
//! Why not a second DaemonSet beside: both would want the same node, its host ports and paths, and to keep them apart
//! the node affinity in the user's own template had to change with every step. Why not the DaemonSet's rolling update: it
//! has no partition, `maxUnavailable` bounds how many pods are replaced at once, not how many in all. So the update
//! strategy is `OnDelete`, under which no pod is replaced unless it is deleted, and pods are deleted here: as many as
//! the weight says, and no more at once than may be missing. A DaemonSet makes pods of one template only: a pod that is
//! lost, or a node that joins, in the middle of an update gets the new one. Where that makes more of them than the
//! weight says, they are taken back.
//!
//! Pods are taken back, also on abort and when another template comes before an update is over, by putting the stable
//! template back from its ControllerRevision for that time, and deleting them. An annotation says which version is
//! held back meanwhile, so that the Rollout goes on to speak of it, and `retry` knows what to go back to.

use argo_core::{Change, Object, Timestamp};

use super::{
    Goal, Version, Workload,
    pods::{Pod, Seen, count, hash_in, replaceable},
    template_of,
};
use crate::{api::names::HELD_REVISION, engine::template};

/// A DaemonSet as a [`Workload`].
#[derive(Debug)]
pub struct DaemonSet {
    seen: Seen,
}

impl DaemonSet {
    /// A DaemonSet as it was seen.
    #[must_use]
    pub fn of(seen: Seen) -> Self {
        Self { seen }
    }

    /// Hash of the version whose template stands in the DaemonSet.
    fn written(&self) -> Option<&str> {
        let own = self.seen.object.pointer("/spec/template")?;
        let found = self.seen.revisions.iter().rev().find(|it| template::equal(&template_of(it), own))?;
        Some(hash_in(found.name()))
    }

    /// Hash of the version that is wanted though the template of another was put back.
    fn held(&self) -> Option<&str> {
        let (held, by) = self.seen.object.annotation(HELD_REVISION)?.split_once('>')?;
        // Another template is another wish.
        (self.written() == Some(by) && self.seen.revision(held).is_some()).then_some(held)
    }

    /// The DaemonSet with replacing pods left to us.
    fn ours(&self) -> Object {
        let mut next: Object = (*self.seen.object).clone();
        if next.text("/spec/updateStrategy/type") != "OnDelete" {
            next.remove(&["spec", "updateStrategy", "rollingUpdate"]);
            next.set(&["spec", "updateStrategy", "type"], "OnDelete");
        }
        next
    }

    /// The change that puts the template of `version` into it; `held` is wanted, but held back meanwhile.
    fn set(&self, version: &str, held: Option<&str>) -> Vec<Change> {
        let mut next = self.ours();
        if let Some(revision) = self.seen.revision(version).filter(|_| self.written() != Some(version)) {
            next.set(&["spec", "template"], template_of(revision));
        }
        match held {
            Some(held) => next.set_annotation(HELD_REVISION, format!("{held}>{version}")),
            None => {
                next.remove(&["metadata", "annotations", HELD_REVISION]);
            }
        }
        Change::merge_between(&self.seen.object, &next).into_iter().collect()
    }
}

impl Workload for DaemonSet {
    fn object(&self) -> &Object {
        &self.seen.object
    }

    fn versions(&self) -> Vec<Version> {
        self.seen.versions()
    }

    fn wanted(&self) -> Option<String> {
        self.held().or_else(|| self.written()).map(str::to_owned)
    }

    fn replicas(&self) -> i64 {
        self.seen.object.integer("/status/desiredNumberScheduled").unwrap_or_default()
    }

    fn is_through(&self) -> bool {
        false
    }

    fn forgets(&self) -> bool {
        false
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn hold(&self) -> Vec<Change> {
        Change::merge_between(&self.seen.object, &self.ours()).into_iter().collect()
    }

    fn advance(&self, goal: &Goal) -> Vec<Change> {
        let Some(wanted) = self.wanted().filter(|_| !goal.halted) else { return self.hold() };
        let staying = || self.seen.pods.iter().filter(|it| !it.leaving);
        let new = count(staying().filter(|it| it.hash == wanted));
        let can_go_back = goal.stable != wanted && self.seen.revision(&goal.stable).is_some();
        // Neither stable nor wanted: of an update that was given up for this one.
        let left_over = staying().any(|it| it.hash != wanted && it.hash != goal.stable);
        let goes_back = can_go_back && (goal.aborted || left_over || new > goal.updated);
        let set = if goes_back { self.set(&goal.stable, Some(&wanted)) } else { self.set(&wanted, None) };
        if !set.is_empty() || !self.seen.is_observed() {
            // Pods are deleted when the DaemonSet's controller knows what is to come in their place.
            return set;
        }
        let replicas = self.replicas();
        let (wrong, most): (Vec<&Pod>, i64) = if goes_back {
            let of_wanted = staying().filter(|it| it.hash == wanted).collect::<Vec<_>>();
            let excess = usize::try_from(new - goal.updated).unwrap_or_default();
            // Those that do not serve are the first to be given up.
            let mut excess_first = of_wanted;
            excess_first.sort_by_key(|it| it.available);
            let others = staying().filter(|it| it.hash != wanted && it.hash != goal.stable);
            (others.chain(excess_first.into_iter().take(excess)).collect(), i64::MAX)
        } else {
            // A node whose pod is going will have a new one as well.
            let coming = (replicas - count(staying())).max(0);
            (staying().filter(|it| it.hash != wanted).collect(), goal.updated - new - coming)
        };
        let now = replaceable(&wrong, self.seen.available(), replicas, goal.unavailable);
        now.into_iter().take(usize::try_from(most).unwrap_or_default()).map(|it| Change::delete(&it.object)).collect()
    }

    fn wake(&self) -> Option<Timestamp> {
        self.seen.wake()
    }
}

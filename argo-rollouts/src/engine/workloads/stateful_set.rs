//! StatefulSets, by the partition of their rolling update.
//!
//! The partition is a gate. It is shut (above every ordinal) whenever no pod is to pass: then a template that somebody
//! writes, a change of `replicas` or a pod that is lost touches nothing but the version that is stable, for that is what
//! a StatefulSet gives to ordinals below its partition. It is open, down to the first ordinal that is to be new, only
//! while pods there have yet to become new; the StatefulSet replaces them itself, the last ordinal first. On the way
//! back the gate is shut and new pods are deleted: they come back as stable, since the StatefulSet's current revision
//! stays what it was until every pod is new. A pod that never comes up does not block that way.

use argo_core::{Change, Object, Timestamp};
use serde_json::json;

use super::{
    Goal, Version, Workload,
    pods::{Pod, Seen, count, hash_in, replaceable},
    template_of,
};
use crate::engine::template;

/// Above every ordinal: the largest that the field holds.
const SHUT: i64 = i32::MAX as i64;

/// A StatefulSet as a [`Workload`].
#[derive(Debug)]
pub struct StatefulSet {
    seen: Seen,
}

impl StatefulSet {
    /// A StatefulSet as it was seen.
    #[must_use]
    pub fn of(seen: Seen) -> Self {
        Self { seen }
    }

    fn start(&self) -> i64 {
        self.seen.object.integer("/spec/ordinals/start").unwrap_or_default()
    }

    fn ordinal(&self, pod: &Pod) -> Option<i64> {
        pod.object.name().strip_prefix(self.seen.object.name())?.strip_prefix('-')?.parse().ok()
    }

    fn update(&self) -> &str {
        hash_in(self.seen.object.text("/status/updateRevision"))
    }

    /// What ordinals below the partition come back as.
    fn current(&self) -> &str {
        hash_in(self.seen.object.text("/status/currentRevision"))
    }

    fn partition(&self) -> i64 {
        self.seen.object.integer("/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default()
    }

    /// The change that brings gate and size to what they are to be, if they are not.
    fn set(&self, partition: i64, replicas: Option<i64>) -> Vec<Change> {
        let mut next: Object = (*self.seen.object).clone();
        if next.text("/spec/updateStrategy/type") != "RollingUpdate" {
            next.set(&["spec", "updateStrategy", "type"], "RollingUpdate");
        }
        if next.integer("/spec/updateStrategy/rollingUpdate/partition") != Some(partition) {
            next.set(&["spec", "updateStrategy", "rollingUpdate", "partition"], partition);
        }
        if let Some(replicas) = replicas.filter(|it| *it != self.replicas()) {
            next.set(&["spec", "replicas"], json!(replicas));
        }
        Change::merge_between(&self.seen.object, &next).into_iter().collect()
    }
}

impl Workload for StatefulSet {
    fn object(&self) -> &Object {
        &self.seen.object
    }

    fn versions(&self) -> Vec<Version> {
        self.seen.versions()
    }

    fn wanted(&self) -> Option<String> {
        let update = self.update();
        // Our own changes of partition and size are no other template.
        let own = self.seen.object.pointer("/spec/template")?;
        let known = || self.seen.revision(update).is_some_and(|it| template::equal(&template_of(it), own));
        (!update.is_empty() && (self.seen.is_observed() || known())).then(|| update.to_owned())
    }

    fn replicas(&self) -> i64 {
        self.seen.object.integer("/spec/replicas").unwrap_or(1)
    }

    fn is_through(&self) -> bool {
        self.seen.is_observed() && self.update() == self.current()
    }

    fn forgets(&self) -> bool {
        true
    }

    fn is_settled(&self) -> bool {
        self.is_through() && self.hold().is_empty()
    }

    fn hold(&self) -> Vec<Change> {
        self.set(SHUT, None)
    }

    fn advance(&self, goal: &Goal) -> Vec<Change> {
        if goal.halted {
            return self.hold();
        }
        // Sized with the gate shut: what is added is stable.
        if goal.replicas.is_some_and(|it| it != self.replicas()) {
            return self.set(SHUT, goal.replicas);
        }
        let (replicas, start) = (self.replicas(), self.start());
        let (update, current) = (self.update(), self.current());
        let first_new = start + replicas - goal.updated;
        let within = |it: &&Pod| self.ordinal(it).is_some_and(|it| (start..start + replicas).contains(&it));
        let at = |it: &&Pod| self.ordinal(it).unwrap_or_default();
        let pods: Vec<&Pod> = self.seen.pods.iter().filter(within).collect();
        let available = self.seen.available();
        let replace = |wrong: Vec<&Pod>| -> Vec<Change> {
            let mut wrong = wrong;
            wrong.sort_by_key(|it| std::cmp::Reverse(at(it)));
            let now = replaceable(&wrong, available, replicas, goal.unavailable);
            now.into_iter().map(|it| Change::delete(&it.object)).collect()
        };
        let observed = self.seen.is_observed();
        let comes_back_stable = update != current && current == goal.stable;
        let wrong: Vec<&Pod> = if update == current {
            // Whatever is deleted comes back as this one.
            pods.iter().copied().filter(|it| it.hash != update).collect()
        } else if comes_back_stable {
            pods.iter().copied().filter(|it| at(it) < first_new && it.hash != goal.stable).collect()
        } else {
            Vec::new()
        };
        if update == current || !wrong.is_empty() {
            let shut = self.hold();
            return if shut.is_empty() && observed { replace(wrong) } else { shut };
        }
        let range = || pods.iter().filter(|it| at(it) >= first_new);
        let new = count(range().filter(|it| it.hash == update && !it.leaving));
        if goal.updated == 0 || new == goal.updated && goal.updated < replicas {
            return self.hold();
        }
        let broken = range().filter(|it| it.hash != update && !it.available && !it.leaving);
        let broken: Vec<Change> = broken.map(|it| Change::delete(&it.object)).collect();
        let has_room = available > replicas - goal.unavailable || !broken.is_empty() || new == goal.updated;
        let partition = replicas - goal.updated;
        if !has_room && self.partition() > partition {
            return Vec::new();
        }
        // All of them: only when every pod is ready the StatefulSet takes the new revision for its current one.
        let open = self.set(partition, None);
        // One of an older version that never comes up would block its own replacement.
        if open.is_empty() && observed { broken } else { open }
    }

    fn wake(&self) -> Option<Timestamp> {
        self.seen.wake()
    }
}

//! What a Rollout delivers without ReplicaSets of its own: StatefulSets and DaemonSets that its `workloadRef` names.
//!
//! ```text
//!   workload + ControllerRevisions + pods ──> Workload ──> versions ──> steps, pauses, analysis, abort: as for ReplicaSets
//!   how many pods are to be new (Goal)    ──> Workload::advance ──> the next changes of the workload and its pods
//! ```
//!
//! Such a workload has as many pods as it has places (ordinals, nodes), so nothing surges: a place is given to another
//! version by replacing its pod. The workload stays the user's: the wanted template is what stands in it, as upstream
//! has it for Deployments, and every version is one of its ControllerRevisions.
//!
//! ```yaml
//! apiVersion: argoproj.io/v1alpha1
//! kind: Rollout
//! metadata: {name: db}
//! spec:
//!   workloadRef: {apiVersion: apps/v1, kind: StatefulSet, name: db}   # or a DaemonSet
//!   strategy: {canary: {steps: [{setWeight: 20}, {pause: {duration: 10m}}, {setWeight: 50}, {pause: {}}]}}
//! ```
//!
//! - A new template written into the StatefulSet or DaemonSet begins an update; the old one again, by hand or
//!   `kubectl rollout undo`, skips the steps. Pause, promote, abort and retry are those of any Rollout.
//! - A weight is a number of pods, [`share`]. `maxUnavailable` bounds how many are missing where pods are deleted here; a
//!   StatefulSet's own update adds what its own `maxUnavailable` says, one by default. `maxSurge` means nothing.
//! - The first pod of a StatefulSet stays stable until all steps are done, also at weight 100: a StatefulSet whose pods
//!   are all new knows no way back. One that is aborted after its last pod was replaced is promoted.
//! - `spec.replicas` of the Rollout sizes a StatefulSet where it is written; else the StatefulSet's own counts.
//! - The controller needs rights to list and delete pods, to list ControllerRevisions, and to patch the workload.
//! - What delivers the workload's manifest must leave `spec.updateStrategy` alone, and of a DaemonSet must not put
//!   `spec.template` back by itself while an update was given up.
//! - A Rollout that is deleted leaves the workload held: set `partition` to 0, or the strategy to `RollingUpdate`.

mod daemon_set;
mod pods;
mod stateful_set;

use std::{fmt, sync::Arc};

use argo_core::{Change, Note, Object, Timestamp, time};
use serde_json::Value;

pub use daemon_set::DaemonSet;
pub use pods::Seen;
pub use stateful_set::StatefulSet;

use super::{
    pass::{Flow, Pass},
    validate::Invalid,
    workload::workload_of,
    world::{ReplicaSet, World},
};
use crate::api::{CanaryStep, Rollout, names};
use names::reason;

/// How soon a workload is looked at again whose own controller has yet to see its template.
const UNSEEN: std::time::Duration = std::time::Duration::from_secs(5);

/// One version of a workload's pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// What tells it from others: the hash at the end of its ControllerRevision's name.
    pub hash: String,
    /// Its ControllerRevision.
    pub revision: Arc<Object>,
    /// Pods of it, without those that are going.
    pub pods: i64,
    /// Those that are ready.
    pub ready: i64,
    /// Those that have been ready for `minReadySeconds`.
    pub available: i64,
}

/// Where a workload is to be brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// Hash of the version that everybody is to come back to; empty when there is none yet.
    pub stable: String,
    /// How many pods are to be of the wanted version; the others are stable.
    pub updated: i64,
    /// How many pods may be missing while pods are replaced; at least 1.
    pub unavailable: i64,
    /// `spec.replicas` of the Rollout, where it says so.
    pub replicas: Option<i64>,
    /// Nothing may move; what could move by itself is held.
    pub halted: bool,
    /// The wanted version was given up.
    pub aborted: bool,
}

/// A workload whose pods are replaced where they are, one version by another.
///
/// Implementations only decide. [`Workload::advance`] must be idempotent: asked again about the world that its changes
/// lead to, it goes on from there, and where the goal is reached it answers with nothing. It must not replace a pod
/// that is available while [`Goal::unavailable`] or more are not, and never gives a place to the wanted version beyond
/// [`Goal::updated`].
pub trait Workload: fmt::Debug {
    /// The workload.
    fn object(&self) -> &Object;

    /// Every version that the workload remembers, oldest first.
    fn versions(&self) -> Vec<Version>;

    /// Hash of the version that the user wants; absent until the workload's own controller has seen its template.
    fn wanted(&self) -> Option<String>;

    /// How many pods there are to be.
    fn replicas(&self) -> i64;

    /// Whether every pod is of the wanted version and the workload forgot how to go back.
    fn is_through(&self) -> bool;

    /// Whether it forgets how to go back as soon as every pod is new.
    fn forgets(&self) -> bool;

    /// Whether nothing is left to do for the wanted version to become the stable one.
    fn is_settled(&self) -> bool;

    /// The next changes on the way to a goal; none when it is reached, or while pods are waited for.
    fn advance(&self, goal: &Goal) -> Vec<Change>;

    /// What has to be done at once when the template changed, before anything is decided about it.
    fn hold(&self) -> Vec<Change>;

    /// When a pod that is ready counts as available, if that is all that is waited for.
    fn wake(&self) -> Option<Timestamp>;
}

/// How many of `replicas` pods `weight` of `max` stands for: the nearest, at least one for any weight, and all of them
/// only for all of the weight. A single pod is not parted: below the whole weight it stays stable.
#[must_use]
pub fn share(replicas: i64, weight: i64, max: i64) -> i64 {
    if weight <= 0 || replicas <= 0 || max <= 0 {
        return 0;
    }
    if weight >= max {
        return replicas;
    }
    if replicas == 1 {
        return 0;
    }
    let (replicas, weight, max) = (i128::from(replicas), i128::from(weight), i128::from(max));
    let nearest = (2 * replicas * weight + max) / (2 * max);
    i64::try_from(nearest.clamp(1, replicas - 1)).unwrap_or_default()
}

/// The workload that a Rollout replaces pods of, if it is one.
pub(super) fn of(ro: &Rollout, world: &World, now: Timestamp) -> Option<Box<dyn Workload>> {
    let target = workload_of(ro)?;
    let object = world.workload.as_ref().filter(|it| it.reference() == target)?;
    let ready = ro.spec.min_ready_seconds.unwrap_or_default();
    let seen = pods::Seen::of(object, &world.revisions, &world.pods, ready, now);
    match (target.gvk.group.as_str(), target.gvk.kind.as_str()) {
        ("apps", "StatefulSet") => Some(Box::new(StatefulSet::of(seen))),
        ("apps", "DaemonSet") => Some(Box::new(DaemonSet::of(seen))),
        _ => None,
    }
}

/// Whether pods are replaced where they are: what the controller lists pods and ControllerRevisions for.
#[must_use]
pub fn is_in_place(ro: &Rollout) -> bool {
    workload_of(ro)
        .is_some_and(|it| it.gvk.group == "apps" && matches!(it.gvk.kind.as_str(), "StatefulSet" | "DaemonSet"))
}

/// What such a workload can not do.
pub(super) fn supported(ro: &Rollout, world: &World) -> Result<(), Invalid> {
    if !is_in_place(ro) {
        return Ok(());
    }
    let kind = workload_of(ro).map(|it| it.gvk.kind).unwrap_or_default();
    let refuse = |path: &str, what: &str| {
        let text = format!("pods of a {kind} are replaced where they are: {what}");
        Err(Invalid::value(path, &path.rsplit('.').next().unwrap_or_default(), text))
    };
    let Some(canary) = &ro.spec.strategy.canary else {
        return refuse("spec.strategy.blueGreen", "there is no second set of them to switch to; use canary");
    };
    let path = |field: &str| format!("spec.strategy.canary.{field}");
    let apart = "versions have no Services and no metadata of their own";
    for (field, is_set) in [
        ("trafficRouting", canary.traffic_routing.is_some()),
        ("canaryService", canary.canary_service.is_some()),
        ("stableService", canary.stable_service.is_some()),
        ("pingPong", canary.ping_pong.is_some()),
        ("canaryMetadata", canary.canary_metadata.is_some()),
        ("stableMetadata", canary.stable_metadata.is_some()),
        ("antiAffinity", canary.anti_affinity.is_some()),
    ] {
        if is_set {
            return refuse(&path(field), apart);
        }
    }
    let unfit = |it: &CanaryStep| {
        [
            (it.experiment.is_some(), "experiment"),
            (it.set_canary_scale.is_some(), "setCanaryScale"),
            (it.set_header_route.is_some(), "setHeaderRoute"),
            (it.set_mirror_route.is_some(), "setMirrorRoute"),
        ]
        .into_iter()
        .find_map(|(is_set, name)| is_set.then_some(name))
    };
    for (index, step) in canary.steps.iter().enumerate() {
        if let Some(name) = unfit(step) {
            return refuse(&path(&format!("steps[{index}].{name}")), "steps are weights, pauses, analyses and plugins");
        }
    }
    if kind == "DaemonSet" && world.rollout.integer("/spec/replicas").is_some() {
        return refuse("spec.replicas", "it has a pod on every node; leave replicas away");
    }
    Ok(())
}

impl Version {
    /// As the engine counts versions of any kind.
    pub(super) fn counted(&self) -> ReplicaSet {
        ReplicaSet::of_version(&self.revision, &self.hash, self.pods, self.ready, self.available)
    }
}

impl Pass<'_> {
    /// The template is another, or not yet seen: what could move by itself is held.
    pub(crate) fn hold_workload(&mut self) {
        let Some(workload) = &self.in_place else { return };
        workload.hold().into_iter().for_each(|it| self.plan.push(it));
    }

    /// The workload's own controller has not told yet which version is wanted.
    pub(crate) fn await_version(&mut self) {
        self.hold_workload();
        self.plan.wake_at(time::after(self.now, UNSEEN));
    }

    /// Writes on the Rollout which revision of the workload is wanted.
    pub(crate) fn sync_workload_revision(&mut self) -> Flow {
        let Some(revision) = self.new_set().map(|it| it.revision.to_string()) else { return Flow::Continue };
        if self.revision() != revision {
            let body = serde_json::json!({"metadata": {"annotations": {names::REVISION: revision}}});
            self.plan.push(Change::merge(self.world.rollout.reference(), body));
            self.plan.note(Note::normal(reason::UPDATED, format!("Rollout updated to revision {revision}")));
            return Flow::Stop;
        }
        let name = self.new_set().map(|it| it.name().to_owned()).unwrap_or_default();
        if self.ro.status.condition(names::condition::PROGRESSING).is_none() {
            let message = format!("Found new revision \"{name}\"");
            self.set_condition(names::condition::PROGRESSING, "True", reason::FOUND_RS, &message);
        }
        Flow::Continue
    }

    /// How many pods are to be of the wanted version.
    pub(crate) fn in_place_count(&self) -> i64 {
        let count = share(self.replicas(), self.canary_weight(), self.max_weight());
        let status = &self.ro.status;
        let last = self.current_step().1.is_none()
            || status.promote_full
            || status.stable_rs.is_empty()
            || status.stable_rs == status.current_pod_hash;
        let forgets = self.in_place.as_ref().is_some_and(|it| it.forgets());
        // While steps are left there must be a way back.
        if forgets && !last { count.min(self.replicas() - 1).max(0) } else { count }
    }

    fn goal(&self) -> Goal {
        let written = self.world.rollout.integer("/spec/replicas");
        Goal {
            stable: self.ro.status.stable_rs.clone(),
            updated: self.in_place_count(),
            unavailable: self.ro.spec.max_unavailable().max(1),
            replicas: written,
            halted: self.is_halted(),
            aborted: self.is_aborted(),
        }
    }

    /// Brings the workload one step closer; whether anything was to be done.
    pub(crate) fn reconcile_in_place(&mut self) -> bool {
        let Some(workload) = &self.in_place else { return false };
        let goal = self.goal();
        let changes = workload.advance(&goal);
        if let Some(at) = workload.wake() {
            self.plan.wake_at(at);
        }
        let moved = !changes.is_empty();
        if moved && !goal.halted {
            let object = workload.object();
            let message = format!(
                "Updating {} {}: {} of {} pods are to be of revision {}",
                object.gvk().kind,
                object.name(),
                goal.updated,
                self.replicas(),
                self.revision(),
            );
            self.plan.note(Note::normal(reason::SCALING, message));
        }
        changes.into_iter().for_each(|it| self.plan.push(it));
        moved
    }

    /// Whether every pod that is to be of the wanted version is, and nothing more moves.
    pub(crate) fn is_in_place_there(&self) -> bool {
        let Some(workload) = &self.in_place else { return false };
        if workload.is_through() {
            return self.new_set().is_some_and(|it| it.available >= self.replicas());
        }
        let wanted = self.in_place_count();
        let others_gone = self.others().all(|it| it.spec == 0);
        self.new_set().is_some_and(|it| self.meets_threshold(it, wanted))
            && others_gone
            && workload.advance(&self.goal()).is_empty()
    }

    /// Who owns the pods of a version.
    pub(crate) fn owner_of_pods<'s>(&'s self, set: &'s ReplicaSet) -> &'s str {
        self.in_place.as_ref().map_or_else(|| set.object.uid(), |it| it.object().uid())
    }

    /// Whether a pod is of a version; ReplicaSets own theirs.
    pub(crate) fn is_pod_of(&self, set: &ReplicaSet, pod: &Object) -> bool {
        self.in_place.is_none() || pods::hash_of(pod) == set.hash
    }
}

/// The template that a ControllerRevision keeps.
fn template_of(revision: &Object) -> Value {
    let mut template = revision.pointer("/data/spec/template").cloned().unwrap_or_default();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_nearest_that_leaves_both_versions_a_pod() {
        for (replicas, weight, pods) in [
            (10, 0, 0),
            (10, 20, 2),
            (10, 25, 3),
            (10, 1, 1),
            (10, 99, 9),
            (10, 100, 10),
            (1, 99, 0),
            (1, 100, 1),
            (2, 1, 1),
            (2, 99, 1),
            (0, 100, 0),
            (3, 50, 2),
            (i64::MAX, 50, i64::MAX / 2 + 1),
        ] {
            assert_eq!(share(replicas, weight, 100), pods, "{weight} of {replicas}");
        }
    }
}

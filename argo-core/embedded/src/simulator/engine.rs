//! Which controllers look at what, and when: the queue of passes to make.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use argo_core::time::Timestamp;
use serde_json::Value;

use super::autoscaler::{Autoscaler, Metrics};
use super::config::SimulatorConfig;
use super::kinds::{
    AUTOSCALERS, BUDGETS, CLAIMS, CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, JOBS, Kind, NODES, PODS, REPLICA_SETS, SERVICES,
    STATEFUL_SETS,
};
use super::pass::{Pass, Write};
use super::pods::Kubelet;
use super::read::{controller_of, is_deleting, list, namespace, text, uid};
use super::script::PodScript;
use super::world::{Place, World};
use super::{budget, cronjob, daemonset, deployment, garbage, job, pods, replicaset, service, statefulset};
use crate::process::Exited;

/// A controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Claim,
    Scheduler,
    Kubelet,
    Node,
    Service,
    Budget,
    Autoscaler,
    Garbage,
}

/// A pass to make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Task {
    pub(super) role: Role,
    pub(super) place: Place,
}

/// The controllers with their view of the cluster.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) config: SimulatorConfig,
    pub(super) script: PodScript,
    failures: BTreeMap<Place, String>,
    metrics: Metrics,
    autoscaler: Autoscaler,
    world: World,
    kubelet: Kubelet,
    /// Passes to make, by how far they look: what looks at many objects waits until those have settled.
    queues: [VecDeque<Task>; 4],
    queued: BTreeSet<Task>,
    wakes: BTreeMap<Task, Timestamp>,
    alarms: BTreeSet<(Timestamp, Task)>,
}

impl Role {
    /// Which of the queues is its: pods, then what owns them, then what owns that, then what only counts.
    fn tier(self) -> usize {
        match self {
            Self::Scheduler | Self::Kubelet | Self::Node | Self::Garbage | Self::Claim => 0,
            Self::ReplicaSet | Self::StatefulSet | Self::DaemonSet | Self::Job => 1,
            Self::Deployment | Self::CronJob => 2,
            Self::Service | Self::Budget | Self::Autoscaler => 3,
        }
    }

    /// The client it is to the API server.
    pub(super) fn client(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Scheduler => "kube-scheduler",
            _ => "kube-controller-manager",
        }
    }

    /// The part of that client that its Events name.
    pub(super) fn component(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Scheduler => "default-scheduler",
            Self::Deployment => "deployment-controller",
            Self::ReplicaSet => "replicaset-controller",
            Self::StatefulSet => "statefulset-controller",
            Self::DaemonSet => "daemonset-controller",
            Self::Job => "job-controller",
            Self::CronJob => "cronjob-controller",
            Self::Autoscaler => "horizontal-pod-autoscaler",
            _ => "kube-controller-manager",
        }
    }
}

impl Engine {
    pub(super) fn new(config: SimulatorConfig) -> Self {
        Self {
            script: config.script.clone(),
            failures: BTreeMap::new(),
            metrics: Metrics::default(),
            autoscaler: Autoscaler::default(),
            config,
            world: World::default(),
            kubelet: Kubelet::default(),
            queues: Default::default(),
            queued: BTreeSet::new(),
            wakes: BTreeMap::new(),
            alarms: BTreeSet::new(),
        }
    }

    // === the queue ===

    fn enqueue(&mut self, role: Role, place: Place) {
        let on = match role {
            Role::Garbage => self.config.garbage_collection,
            Role::Scheduler | Role::Kubelet | Role::Node | Role::Claim => self.config.pods,
            _ => self.config.workloads,
        };
        let task = Task { role, place };
        if on {
            self.push(task);
        }
    }

    fn push(&mut self, task: Task) {
        if self.queued.insert(task.clone()) {
            self.queues[task.role.tier()].push_back(task);
        }
    }

    fn enqueue_all(&mut self, role: Role, kind: &Kind, space: Option<&str>, wanted: impl Fn(&Value) -> bool) {
        let places: Vec<Place> = match space {
            Some(space) => self
                .world
                .within(kind, space)
                .filter(|it| wanted(it))
                .map(|it| Place::of(kind, namespace(it), super::read::name(it)))
                .collect(),
            None => self
                .world
                .all(kind)
                .filter(|it| wanted(it))
                .map(|it| Place::of(kind, namespace(it), super::read::name(it)))
                .collect(),
        };
        places.into_iter().for_each(|place| self.enqueue(role, place));
    }

    /// The next pass to make, if one is due.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Task> {
        while let Some((at, task)) = self.alarms.first().cloned() {
            if at > now {
                break;
            }
            self.alarms.remove(&(at, task.clone()));
            self.wakes.remove(&task);
            self.push(task);
        }
        let task = self.queues.iter_mut().find_map(VecDeque::pop_front)?;
        self.queued.remove(&task);
        Some(task)
    }

    /// When the next pass is due, if none is now.
    pub(super) fn alarm(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Looks again at this time, in the place of what was set before.
    pub(super) fn set_alarm(&mut self, task: &Task, at: Option<Timestamp>) {
        if let Some(before) = self.wakes.remove(task) {
            self.alarms.remove(&(before, task.clone()));
        }
        if let Some(at) = at {
            self.wakes.insert(task.clone(), at);
            self.alarms.insert((at, task.clone()));
        }
    }

    /// Takes a new script; every pod is looked at again.
    pub(super) fn set_script(&mut self, script: PodScript) {
        if self.script != script {
            self.script = script;
            self.enqueue_all(Role::Kubelet, &PODS, None, |_| true);
        }
    }

    /// Remembers why what a pass wanted to create was refused; the object's status tells of it.
    pub(super) fn set_failure(&mut self, task: &Task, why: Option<String>) {
        if task.role == Role::ReplicaSet && self.failures.get(&task.place) != why.as_ref() {
            match why {
                Some(why) => self.failures.insert(task.place.clone(), why),
                None => self.failures.remove(&task.place),
            };
            self.push(task.clone());
        }
    }

    /// The process of a container ended.
    pub(super) fn exited(&mut self, exited: Exited, now: Timestamp) {
        let place = self.world.by_uid(&exited.uid).map(|(place, _)| place.clone());
        self.kubelet.exited(exited, now);
        place.into_iter().for_each(|place| self.enqueue(Role::Kubelet, place));
    }

    /// Takes new metrics; every autoscaler looks at them at its next turn.
    pub(super) fn set_metrics(&mut self, metrics: Metrics) {
        self.metrics = metrics;
    }

    // === changes ===

    /// Begins anew with what the store holds.
    pub(super) fn reset(&mut self, objects: impl IntoIterator<Item = (Place, Arc<Value>)>) {
        let stale: Vec<Place> = self.world.places().collect();
        let mut fresh = BTreeSet::new();
        for (place, object) in objects {
            fresh.insert(place.clone());
            self.put(&place, object);
        }
        for place in stale.into_iter().filter(|place| !fresh.contains(place)) {
            self.remove(&place);
        }
    }

    /// An object was created or changed.
    pub(super) fn put(&mut self, place: &Place, object: Arc<Value>) {
        let before = self.world.at(place).cloned();
        if before.as_ref().is_some_and(|before| uid(before) != uid(&object)) {
            self.remove(place);
        }
        self.world.put(place, object.clone());
        self.notice(place, &object);
        if let Some(before) = before {
            // Whom it belonged to hears of it too.
            self.notice_owner(&before);
        }
        if is_deleting(&object) {
            let dependents: Vec<Place> = self.world.dependents(uid(&object)).map(|(place, _)| place.clone()).collect();
            dependents.into_iter().for_each(|place| self.enqueue(Role::Garbage, place));
        }
        if is_deleting(&object) || !list(&object, "/metadata/ownerReferences").is_empty() {
            self.enqueue(Role::Garbage, place.clone());
        }
    }

    /// An object is gone.
    pub(super) fn remove(&mut self, place: &Place) {
        let Some(object) = self.world.remove(place) else { return };
        self.failures.remove(place);
        self.kubelet.forget(uid(&object));
        self.autoscaler.forget(uid(&object));
        self.notice(place, &object);
        if place.resource == PODS.resource {
            // A Deployment that recreates waits for the last of its old pods.
            let set = controller_of(&object)
                .and_then(|owner| self.world.by_uid(text(owner, "/uid")))
                .map(|(_, set)| set.clone());
            set.into_iter().for_each(|set| self.notice_owner(&set));
        }
        let dependents: Vec<Place> = self.world.dependents(uid(&object)).map(|(place, _)| place.clone()).collect();
        dependents.into_iter().for_each(|place| self.enqueue(Role::Garbage, place));
        for owner in list(&object, "/metadata/ownerReferences") {
            let owner = self
                .world
                .by_uid(text(owner, "/uid"))
                .filter(|(_, owner)| is_deleting(owner))
                .map(|(place, _)| place.clone());
            owner.into_iter().for_each(|place| self.enqueue(Role::Garbage, place));
        }
    }

    /// Tells everybody whose business an object is.
    fn notice(&mut self, place: &Place, object: &Arc<Value>) {
        let space = namespace(object).to_owned();
        let is = |kind: &Kind| place.resource == kind.resource;
        let own = [
            (Role::Deployment, &*DEPLOYMENTS),
            (Role::ReplicaSet, &*REPLICA_SETS),
            (Role::StatefulSet, &*STATEFUL_SETS),
            (Role::DaemonSet, &*DAEMON_SETS),
            (Role::Job, &*JOBS),
            (Role::CronJob, &*CRON_JOBS),
            (Role::Service, &*SERVICES),
            (Role::Budget, &*BUDGETS),
            (Role::Autoscaler, &*AUTOSCALERS),
            (Role::Claim, &*CLAIMS),
            (Role::Node, &*NODES),
        ];
        for (role, kind) in own {
            if is(kind) {
                self.enqueue(role, place.clone());
            }
        }
        self.notice_owner(object);
        if is(&PODS) {
            self.enqueue(Role::Scheduler, place.clone());
            self.enqueue(Role::Kubelet, place.clone());
            self.enqueue_tainted(text(object, "/spec/nodeName"));
            self.enqueue_all(Role::Service, &SERVICES, Some(&space), |_| true);
            self.enqueue_all(Role::Budget, &BUDGETS, Some(&space), |_| true);
            if controller_of(object).is_none() {
                self.enqueue_all(Role::ReplicaSet, &REPLICA_SETS, Some(&space), |_| true);
                self.enqueue_all(Role::StatefulSet, &STATEFUL_SETS, Some(&space), |_| true);
            }
            if matches!(super::read::phase(object), "Succeeded" | "Failed") || is_deleting(object) {
                self.retry_unscheduled();
            }
        }
        if is(&REPLICA_SETS) && controller_of(object).is_none() {
            self.enqueue_all(Role::Deployment, &DEPLOYMENTS, Some(&space), |_| true);
        }
        if is(&NODES) {
            self.retry_unscheduled();
            self.enqueue_all(Role::DaemonSet, &DAEMON_SETS, None, |_| true);
        }
        if is(&super::kinds::ENDPOINT_SLICES) || is(&super::kinds::ENDPOINTS) {
            let service = super::read::label(object, "kubernetes.io/service-name")
                .unwrap_or_else(|| super::read::name(object))
                .to_owned();
            self.enqueue(Role::Service, Place::of(&SERVICES, &space, &service));
        }
    }

    /// A pod is on a node: one with a taint that drives pods away looks at it.
    fn enqueue_tainted(&mut self, node: &str) {
        let node = self.world.find(&NODES, "", node).filter(|node| !list(node, "/spec/taints").is_empty());
        let place = node.map(|node| Place::of(&NODES, "", super::read::name(node)));
        place.into_iter().for_each(|place| self.enqueue(Role::Node, place));
    }

    fn notice_owner(&mut self, object: &Value) {
        let Some(owner) = controller_of(object) else { return };
        let (kind, name) = (text(owner, "/kind"), text(owner, "/name"));
        let roles = [
            (Role::Deployment, &*DEPLOYMENTS),
            (Role::ReplicaSet, &*REPLICA_SETS),
            (Role::StatefulSet, &*STATEFUL_SETS),
            (Role::DaemonSet, &*DAEMON_SETS),
            (Role::Job, &*JOBS),
            (Role::CronJob, &*CRON_JOBS),
        ];
        if let Some((role, kind)) =
            roles.into_iter().find(|(_, it)| it.kind == kind && it.api_version == text(owner, "/apiVersion"))
        {
            self.enqueue(role, Place::of(kind, namespace(object), name));
        }
    }

    /// Room was made: pods that found none try again.
    fn retry_unscheduled(&mut self) {
        self.enqueue_all(Role::Scheduler, &PODS, None, |pod| text(pod, "/spec/nodeName").is_empty());
    }

    /// An object as it is known.
    pub(super) fn object(&self, place: &Place) -> Option<&Arc<Value>> {
        self.world.at(place)
    }

    /// The object a write will change, as it is before.
    pub(super) fn changed_by(&self, write: &Write) -> Option<&Arc<Value>> {
        match write {
            Write::Update { kind, object } | Write::Status { kind, object } => {
                self.world.at(&Place::of(kind, namespace(object), super::read::name(object)))
            }
            _ => None,
        }
    }

    // === passes ===

    /// Makes a pass, and survives one that breaks: an object that no controller can make sense of is left alone, the others go on.
    /// `served` knows which kinds the server serves.
    pub(super) fn pass(&mut self, task: &Task, served: &dyn Fn(&str, &str) -> bool, now: Timestamp) -> Pass {
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.decide(task, served, now)));
        attempt.unwrap_or_else(|_| {
            tracing::error!(role = ?task.role, object = %task.place.key, "a simulated controller broke on an object");
            Pass::default()
        })
    }

    fn decide(&mut self, task: &Task, served: &dyn Fn(&str, &str) -> bool, now: Timestamp) -> Pass {
        let world = &self.world;
        let Some(object) = world.at(&task.place).cloned() else {
            return match task.role {
                Role::Service => service::pass(world, &task.place),
                Role::Node => pods::lost(world, &task.place.key.name),
                Role::Job => job::orphaned(world, &task.place),
                _ => Pass::default(),
            };
        };
        match task.role {
            Role::Deployment => deployment::pass(world, &object, now),
            Role::ReplicaSet => {
                replicaset::pass(world, &object, self.failures.get(&task.place).map(String::as_str), now)
            }
            Role::StatefulSet => statefulset::pass(world, &object, now),
            Role::DaemonSet => daemonset::pass(world, &object, now),
            Role::Job => job::pass(world, &object, now),
            Role::CronJob => cronjob::pass(world, &object, now),
            Role::Claim => statefulset::claim_pass(&object),
            Role::Scheduler => pods::schedule(world, &object, now),
            Role::Kubelet => self.kubelet.pass(world, &object, &self.script, &self.config, now),
            Role::Node => pods::evict(world, &object, now),
            Role::Service => service::pass(world, &task.place),
            Role::Budget => budget::pass(world, &object, now),
            Role::Autoscaler => self.autoscaler.pass(world, &object, &self.metrics, now),
            Role::Garbage => garbage::pass(world, &task.place, &object, served),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_out_of_shape_does_not_stop_the_others() {
        let mut engine = Engine::new(SimulatorConfig::default());
        let metadata = |name: &str| json!({"name": name, "namespace": "d", "uid": name});
        let selector = json!({"matchLabels": {"app": "web"}});
        let bad =
            json!({"metadata": metadata("bad"), "spec": {"selector": "text", "template": ["text"], "strategy": 7}});
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {}});
        let good =
            json!({"metadata": metadata("good"), "spec": {"replicas": 1, "selector": selector, "template": template}});
        engine.put(&Place::of(&DEPLOYMENTS, "d", "bad"), Arc::new(bad));
        engine.put(&Place::of(&DEPLOYMENTS, "d", "good"), Arc::new(good));
        let now = argo_core::time::parse("2026-01-01T00:00:00Z").expect("a time");
        let mut creates = Vec::new();
        while let Some(task) = engine.next(now) {
            let pass = engine.pass(&task, &|_, _| true, now);
            let is_create = |write: &Write| matches!(write, Write::Create { .. });
            creates.extend(pass.writes.iter().filter(|write| is_create(write)).map(|_| task.place.key.name.clone()));
        }
        assert_eq!(creates, ["good"]);
    }
}

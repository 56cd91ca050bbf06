//! What the controller counts, and where it is told: `/metrics`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use argo_core::{
    Object, Timestamp,
    runtime::{Cache, Context, Queue},
};

use super::shared::Shared;
use crate::{
    api::{NodePhase, NodeStatus, NodeType, Workflow},
    engine::{StatusChange, World, realtime},
    metrics::{Counted, Custom, Gauges},
};

/// A pod counts as started recently for so many seconds, as upstream has it.
const RECENTLY: f64 = 10.0;

/// What is counted, shared by all passes.
#[derive(Default)]
pub(super) struct Counting {
    pub(super) custom: Custom,
    pub(super) counted: Counted,
}

impl Counting {
    /// Tells it at every scrape. `pods` are those of steps, where steps are pods.
    pub(super) fn serve(
        self: &Arc<Self>,
        context: &Context,
        workflows: Arc<Cache>,
        pods: Option<Arc<Cache>>,
        queues: [(&'static str, Arc<Queue>); 2],
        ttl: Option<Duration>,
        shared: Shared,
    ) {
        let (gone, mut events) = (Arc::downgrade(self), workflows.subscribe());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Some(this) = gone.upgrade() else { return };
                if let (Some(old), None) = (&event.old, &event.new) {
                    this.custom.forget(old.uid());
                }
            }
        });
        let (this, clock) = (self.clone(), context.clock().clone());
        context.metrics().add_source(move |out| {
            let now = clock.now();
            if let Some(ttl) = ttl {
                this.custom.expire(ttl, now);
            }
            let mut gauges = Gauges {
                queues: queues.iter().map(|(name, it)| (*name, it.depth())).collect(),
                locks: shared.locks(),
                pods: pods.as_ref().map(|it| by_phase(it)),
                phases: by_phase(&workflows),
                ..Gauges::default()
            };
            for object in workflows.list() {
                let all = object.pointer("/status/conditions").and_then(|it| it.as_array());
                for it in all.into_iter().flatten().filter(|it| it["type"] == crate::api::CONDITION_POD_RUNNING) {
                    let status = it["status"].as_str().unwrap_or_default().to_owned();
                    let key = (crate::api::CONDITION_POD_RUNNING.to_owned(), status);
                    *gauges.conditions.entry(key).or_default() += 1.0;
                }
            }
            gauges.write(out);
            this.counted.write(out);
            this.custom.write(out, now);
        });
    }

    /// A status was written: what it says that was not so before.
    pub(super) fn written(&self, workflow: &Workflow, change: &StatusChange, now: Timestamp) {
        self.pods(workflow, change, now);
        let held = workflow.status.synchronization.as_ref();
        let held: BTreeSet<_> = held.iter().flat_map(|it| it.held()).collect();
        for (lock, _) in change.synchronization.iter().flat_map(|it| it.held()).filter(|it| !held.contains(it)) {
            self.counted.lock_taken(lock);
        }
        let Some(phase) = change.phase.filter(|it| *it != workflow.status.phase) else { return };
        self.counted.workflow(workflow.namespace(), phase.as_str());
        let Some(reference) = &workflow.spec.workflow_template_ref else { return };
        let started = change.started_at.or(workflow.status.started_at).filter(|_| phase.is_completed());
        let seconds = started.map(|it| it.seconds_until(now));
        let is_cluster = reference.cluster_scope == Some(true);
        self.counted.template(&reference.name, workflow.namespace(), is_cluster, phase.as_str(), seconds);
    }

    /// Pods as their nodes tell of them.
    fn pods(&self, workflow: &Workflow, change: &StatusChange, now: Timestamp) {
        let namespace = workflow.namespace();
        for (id, node) in change.nodes.iter().filter(|(_, it)| it.kind == NodeType::Pod) {
            let before = workflow.status.nodes.get(id);
            let phase = node.phase();
            let restarts = |it: Option<&NodeStatus>| it.and_then(|it| it.failed_pod_restarts).unwrap_or_default();
            if restarts(Some(node)) > restarts(before) {
                let cause = node.message().strip_prefix("Pod auto-restarting due to ").unwrap_or_default();
                let (reason, message) = cause.split_once(": ").unwrap_or((cause, ""));
                let condition = message.split_once('[').and_then(|it| it.1.split_once(']')).map(|it| it.0);
                self.counted.pod_restarted(reason, condition.unwrap_or_default(), namespace);
            }
            if before.map(NodeStatus::phase) != Some(phase) {
                self.counted.pod(namespace, phase.as_str());
            }
            let said = before.is_none_or(|it| it.phase() != phase || it.message() != node.message());
            let reason = node.message().split(':').next().unwrap_or_default();
            if phase == NodePhase::Pending && said && !matches!(reason, "" | "PodInitializing") {
                self.counted.pod_pending(reason, namespace);
            }
            if phase == NodePhase::Error && node.message() == "pod deleted" && said {
                let recently = node.started_at.is_some_and(|it| it.seconds_until(now) < RECENTLY);
                self.counted.pod_missing(before.map_or(NodePhase::Pending, NodeStatus::phase).as_str(), recently);
            }
        }
    }

    /// A workflow is seen for the first time since the controller began: its realtime gauges go on.
    pub(super) fn take_up(&self, world: &World<'_>, compiled: &crate::engine::Compiled, now: Timestamp) {
        for it in realtime(world, compiled, now) {
            if let Err(error) = self.custom.count(world.workflow.uid(), &it, now) {
                tracing::warn!(workflow = world.workflow.name(), error, "a metric is not told");
            }
        }
    }
}

fn by_phase(cache: &Cache) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    for object in cache.list() {
        let phase = phase_of(&object);
        if !phase.is_empty() {
            *all.entry(phase).or_default() += 1.0;
        }
    }
    all
}

fn phase_of(object: &Object) -> String {
    object.text("/status/phase").to_owned()
}

//! What is known of the steps of a workflow: read when their pods or reports change, not when it is asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argo_core::{Object, ObjectKey, Timestamp};

use super::{BY_WORKFLOW, PodsExecutor, agent, gc, node_of, owner};
use crate::{engine::StepState, executor::WorkflowId};

/// The steps of one workflow.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Whether the pods that were there before anybody asked were looked at.
    is_read: bool,
    /// By node. What is finished stays so.
    pub(super) states: BTreeMap<String, StepState>,
    /// Pods by node.
    pods: BTreeMap<String, ObjectKey>,
    /// Steps to look at again at a time, whatever comes.
    due: BTreeMap<String, Timestamp>,
    /// Steps that are over for the workflow, while their pods are not.
    settled: BTreeSet<String>,
}

impl Steps {
    fn forget(&mut self, node: &str) {
        self.states.remove(node);
        self.pods.remove(node);
        self.due.remove(node);
        self.settled.remove(node);
    }

    /// Takes in what was seen. Says whether it is news.
    fn see(&mut self, node: &str, state: StepState) -> bool {
        match self.states.get_mut(node) {
            Some(StepState::Finished(_)) => false,
            Some(known) if *known == state => false,
            Some(known) => {
                *known = state;
                true
            }
            None => {
                self.states.insert(node.to_owned(), state);
                true
            }
        }
    }
}

/// Whether a pod's containers have ended.
pub(super) fn is_over(pod: &Object) -> bool {
    matches!(pod.text("/status/phase"), "Succeeded" | "Failed")
}

impl PodsExecutor {
    /// A pod is there or changed.
    pub(super) fn seen(&self, pod: &Arc<Object>) {
        let (Some(id), Some(node)) = (owner(pod), node_of(pod)) else { return };
        let now = self.0.context.now();
        let mut news = true;
        {
            let mut state = self.0.state.lock();
            if state.released.contains(&id) {
                return;
            }
            let wake = state.wake.clone();
            // Nobody asked yet: everything is read when somebody does.
            if let Some(steps) = state.steps.get_mut(&id).filter(|it| it.is_read) {
                let over = is_over(pod);
                if steps.settled.contains(&node) {
                    if over {
                        self.leave(steps, &node, pod);
                    }
                    return;
                }
                news = self.note(steps, pod, &node, now);
            }
            if let Some(wake) = wake.filter(|_| news) {
                drop(state);
                wake(&id.key);
            }
        }
    }

    /// Reads a pod into the steps of its workflow. Says whether that is news.
    fn note(&self, steps: &mut Steps, pod: &Object, node: &str, now: Timestamp) -> bool {
        steps.pods.insert(node.to_owned(), pod.key());
        if matches!(steps.states.get(node), Some(StepState::Finished(_))) {
            return false;
        }
        let observed = self.read(pod, now);
        match observed.wake {
            Some(at) => drop(steps.due.insert(node.to_owned(), at)),
            None => drop(steps.due.remove(node)),
        }
        steps.see(node, observed.state)
    }

    /// The executor of a step reported.
    pub(super) fn reported(&self, report: &Object) {
        let node = report.name();
        let Some(owner) = report.owner_references().into_iter().find(|it| it.kind == "Workflow") else { return };
        let id = WorkflowId { key: ObjectKey::new(report.namespace(), &owner.name), uid: owner.uid };
        let place = self.0.state.lock().steps.get(&id).and_then(|it| it.pods.get(node).cloned());
        // One that comes before its pod is read with it.
        if let Some(pod) = place.and_then(|it| self.0.pods.get(&it)) {
            self.seen(&pod);
        }
    }

    /// A pod is no longer on the watch: deleted, or labelled as completed.
    pub(super) fn gone(&self, pod: &Object) {
        let (Some(id), Some(node)) = (owner(pod), node_of(pod)) else { return };
        let last = self.read(pod, self.0.context.now()).state;
        self.0.templates.lock().remove(pod.uid());
        let mut state = self.0.state.lock();
        let cleaned = state.cleaned.remove(pod.uid());
        if state.released.contains(&id) {
            return;
        }
        let wake = state.wake.clone();
        let steps = state.steps.entry(id.clone()).or_default();
        if cleaned || steps.settled.contains(&node) {
            steps.forget(&node);
            return;
        }
        steps.pods.remove(&node);
        steps.due.remove(&node);
        let news = match last {
            finished @ StepState::Finished(_) => steps.see(&node, finished),
            // Nothing of it ran: it is made again, unless its workflow wants it no more.
            StepState::Pending(_) | StepState::Displaced(_) => {
                steps.forget(&node);
                true
            }
            // Labelled as completed by somebody else, it is over for its workflow, too.
            _ => steps.see(&node, StepState::Lost("pod deleted".to_owned())),
        };
        drop(state);
        if let Some(wake) = wake.filter(|_| news) {
            wake(&id.key);
        }
    }

    /// The states of the steps of a workflow.
    pub(super) fn states(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        let now = self.0.context.now();
        let tasks = self.tasks(workflow);
        let pods = |is_read: bool| if is_read { Vec::new() } else { self.pods_of(workflow) };
        let mut state = self.0.state.lock();
        if state.released.contains(workflow) {
            return BTreeMap::new();
        }
        let wake = state.wake.clone();
        let steps = state.steps.entry(workflow.clone()).or_default();
        for pod in pods(steps.is_read) {
            if let Some(node) = node_of(&pod) {
                self.note(steps, &pod, &node, now);
            }
        }
        steps.is_read = true;
        let due: Vec<String> = steps.due.iter().filter(|(_, at)| **at <= now).map(|(node, _)| node.clone()).collect();
        for node in due {
            steps.due.remove(&node);
            if let Some(pod) = steps.pods.get(&node).and_then(|it| self.0.pods.get(it)) {
                self.note(steps, &pod, &node, now);
            }
        }
        let mut all = steps.states.clone();
        for (node, state) in tasks {
            match (steps.states.get(&node), state) {
                (Some(StepState::Finished(_)), _) => {}
                (_, finished @ StepState::Finished(_)) => {
                    steps.states.insert(node.clone(), finished.clone());
                    all.insert(node, finished);
                }
                (_, other) => drop(all.insert(node, other)),
            }
        }
        if let (Some(at), Some(wake)) = (steps.due.values().min().copied(), wake) {
            let (clock, key) = (self.0.context.clock().clone(), workflow.key.clone());
            tokio::spawn(async move {
                clock.sleep(argo_core::time::between(now, at)).await;
                wake(&key);
            });
        }
        all
    }

    /// Steps are over for their workflow: their pods are labelled or deleted once they are over, too, and what is
    /// known of them is dropped.
    pub(super) fn settle_steps(&self, workflow: &WorkflowId, nodes: &[&str]) {
        let mut state = self.0.state.lock();
        let Some(steps) = state.steps.get_mut(workflow) else { return };
        for node in nodes {
            let pod = steps.pods.get(*node).and_then(|it| self.0.pods.get(it));
            match pod {
                Some(pod) if !is_over(&pod) => drop(steps.settled.insert((*node).to_owned())),
                Some(pod) => self.leave(steps, node, &pod),
                None => steps.forget(node),
            }
        }
    }

    /// Forgets a step whose pod is over, and sees to the pod in the background.
    fn leave(&self, steps: &mut Steps, node: &str, pod: &Arc<Object>) {
        steps.forget(node);
        if gc::waits_for_workflow(pod) {
            // It stays on the watch.
            steps.settled.insert(node.to_owned());
        } else {
            // The receiver goes with the runtime.
            let _ = self.0.tidy.send(pod.clone());
        }
    }

    /// Whether a step is known, or its pod is there.
    pub(super) fn knows(&self, workflow: &WorkflowId, node: &str, pod: &ObjectKey) -> bool {
        let known = self.0.state.lock().steps.get(workflow).is_some_and(|it| it.states.contains_key(node));
        let is_own = |it: &Object| {
            node_of(it).as_deref() == Some(node) && owner(it).is_some_and(|it| it == *workflow) && !agent::is_agent(it)
        };
        known || self.0.pods.get(pod).is_some_and(|it| is_own(&it))
    }

    /// The pod of a step.
    pub(super) fn pod_of(&self, workflow: &WorkflowId, node: &str) -> Option<Arc<Object>> {
        let place = self.0.state.lock().steps.get(workflow).and_then(|it| it.pods.get(node).cloned());
        let found = place.and_then(|it| self.0.pods.get(&it)).filter(|it| node_of(it).as_deref() == Some(node));
        found.or_else(|| self.pods_of(workflow).into_iter().find(|it| node_of(it).as_deref() == Some(node)))
    }

    /// Sets what is known of a step, and tells.
    pub(super) fn remember(&self, workflow: &WorkflowId, node: &str, known: StepState) {
        let wake = {
            let mut state = self.0.state.lock();
            state.steps.entry(workflow.clone()).or_default().states.insert(node.to_owned(), known);
            state.wake.clone()
        };
        if let Some(wake) = wake {
            wake(&workflow.key);
        }
    }

    /// A pod was made: one that came and went before is known as lost already.
    pub(super) fn made(&self, workflow: &WorkflowId, node: &str) {
        let mut state = self.0.state.lock();
        let states = &mut state.steps.entry(workflow.clone()).or_default().states;
        states.entry(node.to_owned()).or_insert_with(|| StepState::Pending(String::new()));
    }

    /// The workflows of this name that steps are known of.
    pub(super) fn known_workflows(&self, key: &ObjectKey) -> BTreeSet<WorkflowId> {
        let pods = self.0.pods.indexed(BY_WORKFLOW, &format!("{}/{}", key.namespace(), key.name));
        let mut all: BTreeSet<WorkflowId> = pods.iter().filter_map(|it| owner(it)).collect();
        let state = self.0.state.lock();
        let from = WorkflowId { key: key.clone(), uid: String::new() };
        let named = state.steps.range(from..).take_while(|(it, _)| it.key == *key);
        all.extend(named.filter(|(_, it)| !it.states.is_empty()).map(|(it, _)| it.clone()));
        all.retain(|it| !state.released.contains(it));
        all
    }

    /// Tidies pods up, some at a time, for as long as the context lives.
    pub(super) async fn tidy_up(self, mut pods: tokio::sync::mpsc::UnboundedReceiver<Arc<Object>>) {
        use futures::StreamExt;
        let pods = futures::stream::poll_fn(|context| pods.poll_recv(context));
        pods.for_each_concurrent(TOGETHER, |pod| {
            let this = self.clone();
            async move { this.tidy_pod(&pod).await }
        })
        .await;
    }

    async fn tidy_pod(&self, pod: &Object) {
        let workflow = owner(pod).and_then(|it| self.0.workflows.get(&it.key));
        let selector = workflow.as_ref().and_then(|it| it.pointer("/spec/podGC/labelSelector"));
        let fate = gc::fate(pod, gc::selects(selector, pod), None);
        for pause in RETRIES {
            let Err(error) = self.end(pod, fate.clone()).await else { return };
            tracing::debug!(pod = %pod.key(), %error, "a pod that is over can not be cleaned up yet");
            self.0.context.clock().sleep(*pause).await;
        }
        if let Err(error) = self.end(pod, fate).await {
            tracing::warn!(pod = %pod.key(), %error, "a pod that is over is cleaned up at the end of its workflow only");
        }
    }
}

/// Most pods that are tidied up at the same time.
pub(super) const TOGETHER: usize = 16;
/// Pauses before another try.
const RETRIES: &[std::time::Duration] =
    &[std::time::Duration::from_millis(200), std::time::Duration::from_secs(2), std::time::Duration::from_secs(15)];

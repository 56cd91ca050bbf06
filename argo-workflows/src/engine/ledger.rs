//! [`Ledger`]: what earlier passes over a workflow found out, so that a pass costs what changed.
//!
//! ```text
//! statuses of all nodes ──once──> Ledger ──> pass ──> changed nodes ──> Ledger of the next pass
//! ```
//! A group is walked again where one of its nodes changed, or where the last walk of it left something that
//! waits for more than its own nodes: a place, a lock, a point of time. Everything else is as it was.

use std::collections::{BTreeMap, BTreeSet};

use super::{children::Children, pass::Nodes};
use crate::api::{NodePhase, NodeStatus, NodeType};

/// What passes over one workflow found out, for the next to build on. All of it follows from the statuses of
/// the nodes: with an empty one a pass comes to the same plan, by looking at every node.
///
/// It belongs to the statuses as the last plan leaves them. Where that plan was not written and carried out as
/// a whole, or somebody else changed the workflow since, an empty one must take its place.
#[derive(Debug, Default)]
pub struct Ledger {
    counts: Option<Counts>,
    /// Children of dags and loops under way, by the id of the dag, or of the group and its step.
    pub(super) children: BTreeMap<String, Children>,
}

/// Sums and sets over all nodes.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Nodes of pods, and those of them that run.
    pods: usize,
    running: usize,
    /// Steps of the executor that have not ended.
    open: BTreeSet<String>,
    daemons: BTreeSet<String>,
    active: Active,
}

/// Counts of active nodes, for parallelism.
#[derive(Debug, Default)]
pub(super) struct Active {
    pub(super) pods: i64,
    /// Active children (pods, steps, dags) by boundary.
    pub(super) children: BTreeMap<String, i64>,
    /// Active pods by boundary.
    pub(super) boundary_pods: BTreeMap<String, i64>,
    /// Failed children by boundary.
    pub(super) failed: BTreeMap<String, i64>,
}

impl Active {
    /// Counts a node in or out, as it is.
    pub(super) fn count(&mut self, node: &NodeStatus, by: i64) {
        if !matches!(node.phase(), NodePhase::Pending | NodePhase::Running) {
            return;
        }
        let boundary = node.boundary_id.as_deref().unwrap_or_default();
        if node.kind == NodeType::Pod && !node.is_waiting_for_lock() {
            self.pods += by;
            add(&mut self.boundary_pods, boundary, by);
        }
        if matches!(node.kind, NodeType::Pod | NodeType::Steps | NodeType::DAG) {
            add(&mut self.children, boundary, by);
        }
    }

    pub(super) fn count_failed(&mut self, node: &NodeStatus, phase: NodePhase, by: i64) {
        if phase.is_failed() {
            add(&mut self.failed, node.boundary_id.as_deref().unwrap_or_default(), by);
        }
    }
}

fn add(map: &mut BTreeMap<String, i64>, key: &str, by: i64) {
    match map.get_mut(key) {
        Some(it) => *it += by,
        None => drop(map.insert(key.to_owned(), by)),
    }
}

/// Whether an executor works on nodes of this type.
pub(super) fn is_step(kind: &NodeType) -> bool {
    matches!(kind, NodeType::Pod | NodeType::HTTP | NodeType::Plugin)
}

fn is_open(node: &NodeStatus) -> bool {
    is_step(&node.kind) && !node.phase().is_fulfilled()
}

impl Counts {
    fn count(&mut self, node: &NodeStatus, by: i64) {
        let change = |it: &mut usize| *it = it.saturating_add_signed(isize::try_from(by).unwrap_or_default());
        if node.kind == NodeType::Pod {
            change(&mut self.pods);
            if node.phase() == NodePhase::Running {
                change(&mut self.running);
            }
        }
        let keep = |set: &mut BTreeSet<String>| {
            if by > 0 {
                set.insert(node.id.clone())
            } else {
                set.remove(&node.id)
            };
        };
        if is_open(node) {
            keep(&mut self.open);
        }
        if node.is_daemoned() {
            keep(&mut self.daemons);
        }
        self.active.count(node, by);
        self.active.count_failed(node, node.phase(), by);
    }
}

impl Ledger {
    /// Whether nothing is known yet.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.counts.is_none()
    }

    /// Takes in the nodes as they were read, unless that was done before.
    pub(super) fn open(&mut self, nodes: &BTreeMap<String, NodeStatus>) {
        if self.counts.is_none() {
            let mut counts = Counts::default();
            nodes.values().for_each(|it| counts.count(it, 1));
            self.counts = Some(counts);
        }
    }

    /// Takes in what a pass changed.
    pub(super) fn absorb(&mut self, nodes: &Nodes<'_>) {
        let Some(counts) = &mut self.counts else { return };
        for (before, after) in nodes.changes() {
            if let Some(before) = before {
                counts.count(before, -1);
            }
            counts.count(after, 1);
        }
    }

    /// Active nodes as they were read.
    pub(super) fn active(&self) -> Option<&Active> {
        self.counts.as_ref().map(|it| &it.active)
    }

    /// Whether a pod runs; `None` where there was none yet.
    pub(super) fn pod_running(&self, nodes: &Nodes<'_>) -> Option<bool> {
        let is = |it: Option<&NodeStatus>| it.is_some_and(|it| it.kind == NodeType::Pod);
        let runs = |it: Option<&NodeStatus>| is(it) && it.is_some_and(|it| it.phase() == NodePhase::Running);
        let counts = self.counts.as_ref()?;
        let (mut pods, mut running) = (counts.pods, counts.running);
        for (before, after) in nodes.changes() {
            pods = pods + usize::from(is(Some(after))) - usize::from(is(before));
            running = running + usize::from(runs(Some(after))) - usize::from(runs(before));
        }
        (pods > 0).then_some(running > 0)
    }

    /// Steps of the executor that have not ended.
    pub(super) fn open_steps(&self, nodes: &Nodes<'_>) -> Vec<String> {
        self.now(nodes, |it| &it.open, is_open)
    }

    /// Daemons that are up.
    pub(super) fn daemons(&self, nodes: &Nodes<'_>) -> Vec<String> {
        self.now(nodes, |it| &it.daemons, NodeStatus::is_daemoned)
    }

    /// A set as it was, with what changed since, in order.
    fn now<'c>(
        &'c self,
        nodes: &Nodes<'_>,
        set: impl Fn(&'c Counts) -> &'c BTreeSet<String>,
        is: impl Fn(&NodeStatus) -> bool,
    ) -> Vec<String> {
        let Some(counts) = &self.counts else { return Vec::new() };
        let before = set(counts);
        let new = nodes.changes().map(|it| it.1).filter(|it| is(it) && !before.contains(&it.id));
        let new: BTreeSet<&String> = new.map(|it| &it.id).collect();
        let kept = before.iter().filter(|it| nodes.changed(it).is_none_or(&is));
        if new.is_empty() {
            return kept.cloned().collect();
        }
        let all: BTreeSet<&String> = kept.chain(new).collect();
        all.into_iter().cloned().collect()
    }
}

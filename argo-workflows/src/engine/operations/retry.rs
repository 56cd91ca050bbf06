//! `argo retry`: what failed runs again, what succeeded stays.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use argo_core::Timestamp;

use super::{NodeSelector, OperationError, override_parameters};
use crate::{
    api::{
        ANNOTATION_POD_NAME_FORMAT, CONDITION_COMPLETED, Condition, LABEL_COMPLETED, NodePhase, NodeStatus, NodeType,
        Parameter, ValueFrom, Workflow, WorkflowPhase,
    },
    engine::{PodNameFormat, names},
};

/// Label that says how far a workflow's archiving is.
const LABEL_ARCHIVING: &str = "workflows.argoproj.io/workflow-archiving-status";

/// How to retry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    /// Also runs the nodes again that match `selector`, though they succeeded.
    pub restart_successful: bool,
    /// Field selector of those nodes.
    pub selector: Option<String>,
    /// Parameters to change, as `name=value`.
    pub parameters: Vec<String>,
}

/// A workflow made ready to run again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retried {
    /// The workflow.
    pub workflow: Workflow,
    /// Pods to delete before it is written: their nodes are gone from it.
    pub pods: Vec<String>,
}

/// The workflow with what failed taken out, and what is around it under way again.
///
/// # Errors
/// When it did not fail, or its nodes are no graph.
pub fn retry(workflow: &Workflow, how: &Retry, now: Timestamp) -> Result<Retried, OperationError> {
    let selector = how.selector.as_deref().filter(|it| how.restart_successful && !it.is_empty());
    match workflow.status.phase {
        WorkflowPhase::Failed | WorkflowPhase::Error => {}
        WorkflowPhase::Succeeded if selector.is_none() => return Err(OperationError::RetrySucceeded),
        WorkflowPhase::Succeeded => {}
        other => return Err(OperationError::RetryPhase(other.as_str().to_owned())),
    }
    let graph = Graph::new(workflow)?;
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    if let Some(selector) = selector.map(NodeSelector::parse).transpose()? {
        wanted.extend(graph.nodes.values().filter(|it| selector.matches(it)).map(|it| it.id.as_str()));
    }
    let failed: Vec<&str> = graph.failed(&wanted);
    wanted.extend(failed);
    let mut reset = BTreeSet::new();
    let mut delete = BTreeSet::new();
    for id in graph.by_depth().into_iter().filter(|it| wanted.contains(it)) {
        if !delete.contains(id) {
            graph.reset_path(id, &mut reset, &mut delete)?;
        }
    }
    if !how.parameters.is_empty() {
        // Groups expand again, with the new values.
        let groups: Vec<&str> = reset.iter().copied().filter(|it| !delete.contains(it)).collect();
        for id in groups {
            if matches!(graph.nodes[id].kind, NodeType::TaskGroup | NodeType::StepGroup) {
                graph.below(id, &mut delete);
            }
        }
    }
    let exit = names::on_exit_name(workflow.name());
    let gone: BTreeSet<&str> = graph
        .nodes
        .values()
        .filter(|it| delete.contains(it.id.as_str()) || it.name.starts_with(&exit))
        .map(|it| it.id.as_str())
        .collect();
    let mut next = again(workflow, now);
    override_parameters(&mut next, &how.parameters)?;
    let kept = graph.nodes.values().filter(|it| !gone.contains(it.id.as_str()));
    next.status.nodes = kept
        .map(|it| {
            let mut node = (*it).clone();
            if reset.contains(it.id.as_str()) {
                reset_node(&mut node, now);
            }
            node.children.retain(|it| !gone.contains(it.as_str()));
            node.outbound_nodes.retain(|it| !gone.contains(it.as_str()));
            (node.id.clone(), node)
        })
        .collect();
    crate::engine::progress::recount(next.metadata.name.as_deref().unwrap_or_default(), &mut next.status.nodes);
    let pods = gone.iter().map(|it| graph.nodes[it]).filter(|it| it.kind == NodeType::Pod);
    let pods = pods.map(|it| pod_name(workflow, it)).collect::<BTreeSet<_>>().into_iter().collect();
    Ok(Retried { workflow: next, pods })
}

fn pod_name(workflow: &Workflow, node: &NodeStatus) -> String {
    let template = node.template_ref.as_ref().and_then(|it| it.template.as_deref()).or(node.template_name.as_deref());
    let format = match workflow.metadata.annotation(ANNOTATION_POD_NAME_FORMAT) {
        Some("v1") => PodNameFormat::V1,
        _ => PodNameFormat::V2,
    };
    names::pod_name(workflow.name(), &node.name, template.unwrap_or_default(), format)
}

/// The workflow as if it had not ended.
fn again(workflow: &Workflow, now: Timestamp) -> Workflow {
    let mut next = workflow.clone();
    next.metadata.labels.remove(LABEL_COMPLETED);
    next.metadata.labels.remove(LABEL_ARCHIVING);
    next.spec.shutdown = None;
    if next.spec.active_deadline_seconds.as_ref().and_then(crate::api::IntOrString::as_i64) == Some(0) {
        next.spec.active_deadline_seconds = None;
    }
    let status = &mut next.status;
    match status.conditions.iter_mut().find(|it| it.kind == CONDITION_COMPLETED) {
        Some(it) => it.status = "False".to_owned(),
        None => status.conditions.push(Condition {
            kind: CONDITION_COMPLETED.to_owned(),
            status: "False".to_owned(),
            message: None,
        }),
    }
    status.phase = WorkflowPhase::Unset;
    status.message = None;
    status.started_at = Some(now.into());
    status.finished_at = None;
    // Counted anew from what is left.
    status.progress = None;
    status.persistent_volume_claims.clear();
    if let Some(stored) = &mut status.stored_workflow_template_spec {
        stored.shutdown = None;
    }
    next
}

fn reset_node(node: &mut NodeStatus, now: Timestamp) {
    if node.kind == NodeType::Suspend {
        for it in node.outputs.iter_mut().flat_map(|it| &mut it.parameters) {
            let supplied = Some(serde_json::Value::Object(serde_json::Map::new()));
            let value_from = Some(ValueFrom { supplied, ..ValueFrom::default() });
            *it = Parameter { name: it.name.clone(), value_from, ..Parameter::default() };
        }
    }
    if node.phase() != NodePhase::Skipped {
        node.phase = Some(NodePhase::Running);
    }
    node.message = None;
    node.started_at = Some(now.into());
    node.finished_at = None;
}

/// The nodes with the edges in both directions.
struct Graph<'w> {
    nodes: BTreeMap<&'w str, &'w NodeStatus>,
    /// Of several parents the one with the last id.
    parents: BTreeMap<&'w str, &'w NodeStatus>,
    root: &'w str,
}

impl<'w> Graph<'w> {
    fn new(workflow: &'w Workflow) -> Result<Self, OperationError> {
        let nodes: BTreeMap<&str, &NodeStatus> =
            workflow.status.nodes.iter().map(|(id, it)| (id.as_str(), it)).collect();
        let mut parents = BTreeMap::new();
        for node in nodes.values() {
            parents.extend(node.children.iter().map(|it| (it.as_str(), *node)));
        }
        let root = workflow.name();
        let exit = names::on_exit_name(root);
        let hooks = format!("{root}.hooks.");
        for node in nodes.values() {
            let is_root = node.name == root || node.name.starts_with(&exit) || node.name.starts_with(&hooks);
            if !is_root && !parents.contains_key(node.id.as_str()) {
                return Err(OperationError::NoParent(node.id.clone()));
            }
        }
        Ok(Self { nodes, parents, root })
    }

    fn children(&self, id: &str) -> impl Iterator<Item = &'w NodeStatus> {
        let node: Option<&'w NodeStatus> = self.nodes.get(id).copied();
        node.into_iter().flat_map(|it| &it.children).filter_map(|it| self.nodes.get(it.as_str()).copied())
    }

    fn parent(&self, id: &str) -> Option<&'w NodeStatus> {
        self.parents.get(id).copied()
    }

    /// Everything below a node.
    fn below(&self, id: &str, into: &mut BTreeSet<&'w str>) {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&NodeStatus> = self.children(id).collect();
        while let Some(node) = open.pop() {
            if seen.insert(&node.id) {
                into.insert(&node.id);
                open.extend(self.children(&node.id));
            }
        }
    }

    /// The failed steps after which nothing succeeded; of an attempt, after its Retry node.
    fn failed(&self, restarted: &BTreeSet<&str>) -> Vec<&'w str> {
        let is_work = |it: &&&NodeStatus| {
            matches!(it.kind, NodeType::Pod | NodeType::Container | NodeType::HTTP | NodeType::Plugin)
        };
        let failed = self.nodes.values().filter(|it| it.phase().is_failed()).filter(is_work);
        failed
            .filter(|it| {
                let at = if it.is_retried() { self.parent(&it.id).unwrap_or(it) } else { it };
                let mut below = BTreeSet::new();
                self.below(&at.id, &mut below);
                let succeeded =
                    |id: &&&str| !restarted.contains(**id) && self.nodes[**id].phase() == NodePhase::Succeeded;
                !below.iter().any(|it| succeeded(&it))
            })
            .map(|it| it.id.as_str())
            .collect()
    }

    /// The ids of the graph below the root, breadth first.
    fn by_depth(&self) -> Vec<&'w str> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<&NodeStatus> = self.nodes.get(self.root).copied().into_iter().collect();
        while let Some(node) = queue.pop_front() {
            if seen.insert(node.id.as_str()) {
                order.push(node.id.as_str());
                queue.extend(self.children(&node.id));
            }
        }
        order
    }

    /// Takes out `start` with everything below it, and sets going again what is around it.
    fn reset_path(
        &self,
        start: &'w str,
        reset: &mut BTreeSet<&'w str>,
        delete: &mut BTreeSet<&'w str>,
    ) -> Result<(), OperationError> {
        delete.insert(start);
        self.below(start, delete);
        if start == self.root {
            return Ok(());
        }
        let mut at = self.nodes.get(start).copied();
        let mut steps = 0;
        while let Some(node) = at {
            steps += 1;
            if steps > self.nodes.len() * 2 + 2 {
                // Edges in a circle: no graph.
                return Err(OperationError::NoParent(start.to_owned()));
            }
            at = match node.kind {
                NodeType::Steps | NodeType::StepGroup | NodeType::DAG | NodeType::TaskGroup => {
                    reset.insert(&node.id);
                    self.reset_boundaries(node, reset)?
                }
                NodeType::Container => {
                    let pod = self.up(node, |it| it.kind == NodeType::Pod)?;
                    delete.insert(&pod.id);
                    self.below(&pod.id, delete);
                    Some(pod).and_then(|it| self.parent(&it.id))
                }
                _ => {
                    if node.kind == NodeType::Retry && node.phase().is_failed() {
                        reset.insert(&node.id);
                    }
                    self.parent(&node.id)
                }
            };
        }
        Ok(())
    }

    /// Sets the enclosing nodes of `node` going again, up to the outermost; returns what that hangs under.
    fn reset_boundaries(
        &self,
        node: &'w NodeStatus,
        reset: &mut BTreeSet<&'w str>,
    ) -> Result<Option<&'w NodeStatus>, OperationError> {
        let mut at = node;
        loop {
            if let Some(retry) = self.parent(&at.id).filter(|it| it.kind == NodeType::Retry) {
                reset.insert(&retry.id);
                at = retry;
            }
            if let Some(group) = self.parent(&at.id)
                && matches!(group.kind, NodeType::StepGroup | NodeType::TaskGroup)
            {
                reset.insert(&group.id);
            }
            let Some(boundary) = at.boundary_id.as_deref().filter(|it| !it.is_empty()) else {
                return Ok(self.parent(&at.id));
            };
            at = self.up(at, |it| it.id == boundary)?;
            reset.insert(&at.id);
        }
    }

    fn up(&self, from: &'w NodeStatus, is: impl Fn(&NodeStatus) -> bool) -> Result<&'w NodeStatus, OperationError> {
        let mut at = Some(from);
        for _ in 0..=self.nodes.len() {
            match at {
                Some(node) if is(node) => return Ok(node),
                Some(node) => at = self.parent(&node.id),
                None => break,
            }
        }
        Err(OperationError::NoParent(from.id.clone()))
    }
}

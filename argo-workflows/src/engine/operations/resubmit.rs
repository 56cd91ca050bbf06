//! `argo resubmit`: the same once more, as another workflow.

use std::collections::{BTreeMap, BTreeSet};

use argo_core::{ObjectMeta, Timestamp};

use super::{OperationError, override_parameters};
use crate::{
    api::{
        CONDITION_COMPLETED, Condition, LABEL_COMPLETED, LABEL_PHASE, NodePhase, NodeStatus, NodeType, Workflow,
        WorkflowPhase, WorkflowStatus,
    },
    engine::names,
};

/// Label with the workflow that another was made from.
const LABEL_PREVIOUS: &str = "workflows.argoproj.io/resubmitted-from-workflow";

/// Labels of the run, not of the work.
const LEFT: &[&str] = &[
    LABEL_PHASE,
    LABEL_COMPLETED,
    "workflows.argoproj.io/creator",
    "workflows.argoproj.io/creator-email",
    "workflows.argoproj.io/creator-preferred-username",
    "workflows.argoproj.io/workflow-archiving-status",
];

/// How to resubmit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resubmit {
    /// Takes over what succeeded instead of running it again. The text is appended to the name, which must be
    /// fixed then: ids of nodes follow from it.
    pub memoized: Option<String>,
    /// Parameters to change, as `name=value`.
    pub parameters: Vec<String>,
}

/// A new workflow that does the same.
///
/// # Errors
/// When it is to take over what succeeded and did not fail.
pub fn resubmit(workflow: &Workflow, how: &Resubmit, now: Timestamp) -> Result<Workflow, OperationError> {
    let meta = &workflow.metadata;
    let prefix = meta.generate_name.clone().filter(|it| !it.is_empty());
    let prefix = prefix.unwrap_or_else(|| format!("{}-", workflow.name()));
    let mut labels: BTreeMap<String, String> = meta
        .labels
        .iter()
        .filter(|(key, _)| !LEFT.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    labels.insert(LABEL_PREVIOUS.to_owned(), workflow.name().to_owned());
    let mut next = Workflow {
        api_version: workflow.api_version.clone(),
        kind: workflow.kind.clone(),
        metadata: ObjectMeta {
            name: how.memoized.as_ref().map(|it| format!("{prefix}{it}")),
            generate_name: Some(prefix),
            namespace: meta.namespace.clone(),
            labels,
            annotations: meta.annotations.clone(),
            owner_references: meta.owner_references.clone(),
            ..ObjectMeta::default()
        },
        spec: workflow.spec.clone(),
        ..Workflow::default()
    };
    next.spec.shutdown = None;
    if next.spec.active_deadline_seconds.as_ref().and_then(crate::api::IntOrString::as_i64) == Some(0) {
        next.spec.active_deadline_seconds = None;
    }
    override_parameters(&mut next, &how.parameters)?;
    if how.memoized.is_none() {
        return Ok(next);
    }
    if !matches!(workflow.status.phase, WorkflowPhase::Failed | WorkflowPhase::Error) {
        return Err(OperationError::Memoized);
    }
    next.status = taken_over(workflow, next.name(), now);
    Ok(next)
}

/// The nodes under their new names: what succeeded is skipped, the rest is to run.
fn taken_over(workflow: &Workflow, name: &str, now: Timestamp) -> WorkflowStatus {
    let old = &workflow.status.nodes;
    let exit = names::on_exit_name(workflow.name());
    let renamed = |it: &str| format!("{name}{}", it.strip_prefix(workflow.name()).unwrap_or(it));
    let new_id = |id: &str| old.get(id).map(|it| names::node_id(name, &renamed(&it.name)));
    let is_gone = |it: &NodeStatus| {
        it.name.starts_with(&exit) || it.kind == NodeType::Skipped && !it.phase().is_failed() && !ran_below(it, old)
    };
    let gone: BTreeSet<&str> = old.values().filter(|it| is_gone(it)).map(|it| it.id.as_str()).collect();
    let ids = |list: &[String]| -> Vec<String> {
        list.iter().filter(|it| !gone.contains(it.as_str())).filter_map(|it| new_id(it)).collect()
    };
    let nodes = old.values().filter(|it| !gone.contains(it.id.as_str())).map(|it| {
        let mut node = it.clone();
        node.name = renamed(&it.name);
        node.display_name = if it.display_name == it.name { node.name.clone() } else { it.display_name.clone() };
        node.id = names::node_id(name, &node.name);
        node.boundary_id = it.boundary_id.as_deref().and_then(new_id);
        node.children = ids(&it.children);
        node.outbound_nodes = ids(&it.outbound_nodes);
        let own = format!("local/{}", workflow.name());
        if it.template_scope.as_deref() == Some(own.as_str()) {
            node.template_scope = Some(format!("local/{name}"));
        }
        let failed_pod = it.phase().is_failed() && it.kind == NodeType::Pod;
        node.started_at = (!failed_pod).then(|| now.into());
        node.finished_at = node.started_at;
        if !it.phase().is_failed() && it.kind == NodeType::Pod {
            node.phase = Some(NodePhase::Skipped);
            node.kind = NodeType::Skipped;
            node.message = Some(format!("original pod: {}", it.id));
        } else if it.kind == NodeType::Skipped && !it.phase().is_failed() {
            // What did not run does not run now, either: what came after it counts on that.
        } else {
            node.phase = Some(NodePhase::Pending);
            node.message = None;
            node.finished_at = None;
        }
        (node.id.clone(), node)
    });
    let completed = Condition { kind: CONDITION_COMPLETED.to_owned(), status: "False".to_owned(), message: None };
    let mut nodes = nodes.collect();
    crate::engine::progress::recount(name, &mut nodes);
    WorkflowStatus {
        nodes,
        stored_templates: workflow.status.stored_templates.clone(),
        conditions: vec![completed],
        ..WorkflowStatus::default()
    }
}

/// Whether anything below a node was more than skipped: it hangs under what is above.
fn ran_below(node: &NodeStatus, nodes: &BTreeMap<String, NodeStatus>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = node.children.iter().collect();
    while let Some(id) = open.pop() {
        let Some(node) = nodes.get(id).filter(|_| seen.insert(id)) else { continue };
        if node.kind != NodeType::Skipped || node.phase().is_failed() {
            return true;
        }
        open.extend(&node.children);
    }
    false
}

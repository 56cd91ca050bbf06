//! What clients do to workflows, as functions from a workflow to a workflow: suspend, resume, stop,
//! terminate, set, retry, resubmit. The controller has no part in them; whoever calls them writes the
//! difference.

mod backfill;
mod credit;
mod resubmit;
mod retry;
mod selector;

use std::collections::BTreeMap;

use argo_core::Timestamp;

pub use self::{
    backfill::{Backfill, backfill},
    credit::{ActionKind, Identity, label_actor, label_creator},
    resubmit::{Resubmit, resubmit},
    retry::{Retried, Retry, retry},
    selector::NodeSelector,
};
use crate::api::{
    AnyString, Arguments, NodePhase, NodeStatus, NodeType, Outputs, Parameter, SHUTDOWN_STOP, SHUTDOWN_TERMINATE,
    Workflow,
};

/// Why an operation was refused; the texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// A schedule can not be followed.
    #[error("the schedule can not be filled up: {0}")]
    Schedule(String),
    /// The workflow has ended.
    #[error("cannot suspend completed workflows")]
    Completed,
    /// The workflow has ended.
    #[error("cannot shutdown a completed workflow: workflow: \"{name}\", namespace: \"{namespace}\"")]
    ShutdownCompleted {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// No node is meant.
    #[error("currently, set only targets suspend nodes: no suspend nodes matching nodeFieldSelector: {0}")]
    NoNode(String),
    /// A selector can not be read.
    #[error("invalid selector: '{0}'; can't understand")]
    Selector(String),
    /// An output without value.
    #[error("raw output parameter '{0}' has not been set and does not have a default value")]
    NotSupplied(String),
    /// A node that takes no outputs from people.
    #[error("cannot set output parameters because node is not expecting any raw parameters")]
    NoOutputs,
    /// An output that is not for people to set, or is set.
    #[error("cannot set output parameter '{0}' because it does not use valueFrom.raw or it was already set")]
    NotRaw(String),
    /// An output that the node does not have.
    #[error("node is not expecting output parameter '{0}'")]
    UnknownOutput(String),
    /// A success is retried only in part, and on purpose.
    #[error("To retry a succeeded workflow, set the options restartSuccessful and nodeFieldSelector")]
    RetrySucceeded,
    /// Only what ended badly is retried.
    #[error("Cannot retry a workflow in phase {0}")]
    RetryPhase(String),
    /// Only what ended badly is resubmitted with what it did.
    #[error("workflow must be Failed/Error to resubmit in memoized mode")]
    Memoized,
    /// The node graph is not one.
    #[error("couldn't find parent node for {0}")]
    NoParent(String),
    /// A parameter that is not `name=value`.
    #[error("expected parameter of the form: NAME=VALUE. Received: {0}")]
    Parameter(String),
}

/// Starts nothing new from now on.
///
/// # Errors
/// When it has ended.
pub fn suspend(workflow: &Workflow) -> Result<Workflow, OperationError> {
    if workflow.status.phase.is_completed() {
        return Err(OperationError::Completed);
    }
    let mut next = workflow.clone();
    next.spec.suspend = Some(true);
    Ok(next)
}

/// Goes on: whoever waits for a person has waited enough. With a selector only those nodes that match.
///
/// # Errors
/// When an output that a person should supply has no default, or no node matches the selector.
pub fn resume(
    workflow: &Workflow,
    selector: Option<&str>,
    message: Option<&str>,
    now: Timestamp,
) -> Result<Workflow, OperationError> {
    let mut next = workflow.clone();
    let parsed = selector.map(NodeSelector::parse).transpose()?;
    if parsed.is_none() {
        next.spec.suspend = None;
    }
    let mut any = false;
    let ids: Vec<String> = next.status.nodes.keys().cloned().collect();
    for id in ids {
        let Some(node) = next.status.nodes.get_mut(&id).filter(|it| is_waiting(it)) else { continue };
        if parsed.as_ref().is_some_and(|it| !it.matches(node)) {
            continue;
        }
        any = true;
        take_defaults(node.outputs.as_mut())?;
        node.phase = Some(NodePhase::Succeeded);
        node.progress = node.progress.take().map(|it| if it == "0/1" { "1/1".to_owned() } else { it });
        node.finished_at = Some(now.into());
        add_message(node, message);
        let published = node.outputs.clone();
        publish(&mut next, published.as_ref());
    }
    match selector {
        Some(selector) if !any => Err(OperationError::NoNode(selector.to_owned())),
        _ => Ok(next),
    }
}

/// Ends what runs; exit handlers still run. With a selector only fails the waiting nodes that match.
///
/// # Errors
/// When it has ended, or no node matches the selector.
pub fn stop(
    workflow: &Workflow,
    selector: Option<&str>,
    message: Option<&str>,
    now: Timestamp,
) -> Result<Workflow, OperationError> {
    match selector {
        Some(selector) => {
            let values = SetValues {
                phase: Some(NodePhase::Failed),
                message: message.map(str::to_owned),
                ..SetValues::default()
            };
            set(workflow, selector, &values, now)
        }
        None => shut_down(workflow, SHUTDOWN_STOP),
    }
}

/// Ends everything, exit handlers too.
///
/// # Errors
/// When it has ended.
pub fn terminate(workflow: &Workflow) -> Result<Workflow, OperationError> {
    shut_down(workflow, SHUTDOWN_TERMINATE)
}

fn shut_down(workflow: &Workflow, how: &str) -> Result<Workflow, OperationError> {
    if workflow.status.phase.is_completed() {
        let (name, namespace) = (workflow.name().to_owned(), workflow.namespace().to_owned());
        return Err(OperationError::ShutdownCompleted { name, namespace });
    }
    let mut next = workflow.clone();
    next.spec.shutdown = Some(how.to_owned());
    Ok(next)
}

/// What a person sets of a waiting node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetValues {
    /// Its phase from now on.
    pub phase: Option<NodePhase>,
    /// Its message.
    pub message: Option<String>,
    /// Outputs that people supply, by name.
    pub parameters: BTreeMap<String, String>,
}

/// Sets the waiting nodes that match.
///
/// # Errors
/// When none matches, or an output is not one that people supply.
pub fn set(
    workflow: &Workflow,
    selector: &str,
    values: &SetValues,
    now: Timestamp,
) -> Result<Workflow, OperationError> {
    let parsed = NodeSelector::parse(selector)?;
    let mut next = workflow.clone();
    let mut any = false;
    let ids: Vec<String> = next.status.nodes.keys().cloned().collect();
    for id in ids {
        let Some(node) = next.status.nodes.get_mut(&id).filter(|it| is_waiting(it) && parsed.matches(it)) else {
            continue;
        };
        any = true;
        if let Some(phase) = values.phase {
            node.phase = Some(phase);
            if phase.is_fulfilled() {
                node.finished_at = Some(now.into());
            }
        }
        if let Some(message) = values.message.as_ref().filter(|it| !it.is_empty()) {
            node.message = Some(message.clone());
        }
        if values.parameters.is_empty() {
            continue;
        }
        let outputs = node.outputs.as_mut().ok_or(OperationError::NoOutputs)?;
        for (name, value) in &values.parameters {
            let found = outputs.parameters.iter_mut().find(|it| it.name == *name);
            let it = found.ok_or_else(|| OperationError::UnknownOutput(name.clone()))?;
            if it.value_from.as_ref().is_none_or(|it| it.supplied.is_none()) {
                return Err(OperationError::NotRaw(name.clone()));
            }
            it.value = Some(AnyString(value.clone()));
            it.value_from = None;
        }
        let published = node.outputs.clone();
        publish(&mut next, published.as_ref());
    }
    if any { Ok(next) } else { Err(OperationError::NoNode(selector.to_owned())) }
}

/// Whether a node waits for a person or for time to pass.
fn is_waiting(node: &NodeStatus) -> bool {
    node.kind == NodeType::Suspend && node.phase() == NodePhase::Running
}

fn take_defaults(outputs: Option<&mut Outputs>) -> Result<(), OperationError> {
    for it in outputs.into_iter().flat_map(|it| &mut it.parameters) {
        let Some(from) = it.value_from.as_ref().filter(|it| it.supplied.is_some()) else { continue };
        let default = from.default.clone().ok_or_else(|| OperationError::NotSupplied(it.name.clone()))?;
        it.value = Some(default);
        it.value_from = None;
    }
    Ok(())
}

fn add_message(node: &mut NodeStatus, message: Option<&str>) {
    let Some(message) = message.filter(|it| !it.is_empty()) else { return };
    node.message = Some(match node.message() {
        "" => message.to_owned(),
        before => format!("{before}; {message}"),
    });
}

/// Publishes what has a `globalName`.
fn publish(workflow: &mut Workflow, outputs: Option<&Outputs>) {
    for it in outputs.into_iter().flat_map(|it| &it.parameters) {
        let (Some(name), Some(value)) = (it.global_name.as_ref().filter(|it| !it.is_empty()), &it.value) else {
            continue;
        };
        let all = workflow.status.outputs.get_or_insert_with(Outputs::default);
        let new = Parameter::new(name, value.as_str());
        match all.parameters.iter_mut().find(|it| it.name == *name) {
            Some(old) => *old = new,
            None => all.parameters.push(new),
        }
    }
}

/// Puts `name=value` texts into the workflow's arguments.
fn override_parameters(workflow: &mut Workflow, texts: &[String]) -> Result<(), OperationError> {
    for text in texts {
        let (name, value) = text.split_once('=').ok_or_else(|| OperationError::Parameter(text.clone()))?;
        let set = |arguments: &mut Option<Arguments>| {
            let list = &mut arguments.get_or_insert_with(Arguments::default).parameters;
            match list.iter_mut().find(|it| it.name == name) {
                Some(it) => it.value = Some(value.into()),
                None => list.push(Parameter::new(name, value)),
            }
        };
        set(&mut workflow.spec.arguments);
        if let Some(stored) = &mut workflow.status.stored_workflow_template_spec {
            set(&mut stored.arguments);
        }
    }
    Ok(())
}

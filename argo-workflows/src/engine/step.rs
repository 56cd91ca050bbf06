//! What passes between the engine and an executor: requests, what was observed, results.

use std::{collections::BTreeMap, fmt};

use argo_core::{Change, ObjectKey, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{artifact_gc::GarbageRequest, metrics::Emission, synchronization::DatabaseClaim};
use crate::api::{AnyString, Artifact, NodePhase, NodeResult, Outputs, Parameter, Template, WorkflowSpec};

/// How pods are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodNameFormat {
    /// The node id.
    V1,
    /// Workflow, template and hash.
    #[default]
    V2,
}

/// One step to carry out: a node with everything an executor needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRequest {
    /// The workflow.
    pub workflow: ObjectKey,
    /// Its uid.
    pub workflow_uid: String,
    /// Id of the node; starting the same id twice is starting it once.
    pub node_id: String,
    /// Name of the node.
    pub node_name: String,
    /// Name for its pod.
    pub pod_name: String,
    /// The template, every tag in it resolved.
    pub template: Template,
    /// Whether somebody reads the step's standard output.
    pub include_result: bool,
    /// Whether it belongs to an exit handler.
    pub on_exit: bool,
    /// Whether the status says that it ran already: where nothing is to be found of it, it is lost.
    #[serde(default)]
    pub was_running: bool,
    /// When it must be over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<Timestamp>,
    /// ServiceAccount of the workflow.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub service_account: Option<String>,
    /// The spec that runs, global variables in it replaced, without its templates: volumes, pod
    /// metadata, scheduling and everything else that a pod takes from the workflow.
    #[serde(default)]
    pub spec: Box<WorkflowSpec>,
    /// The workflow's artifact repository, as its status has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repository: Option<Value>,
    /// Machines where earlier attempts failed, where the retry strategy keeps away from them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub avoid_hosts: Vec<String>,
    /// `nodeSelector`, `affinity` and `tolerations` of the enclosing steps or dag template.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub boundary: BTreeMap<String, Value>,
}

/// What an executor knows of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    /// Taken, not running yet; the message says what it waits for.
    Pending(String),
    /// Under way.
    Running,
    /// Under way, and more is known of it.
    Live(LiveStep),
    /// Over.
    Finished(StepResult),
    /// Its pod failed before the work began, for a reason outside of it: another one may be made.
    Displaced(Box<Displaced>),
    /// It was there and is gone without a result.
    Lost(String),
}

/// A pod that failed before its work began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Displaced {
    /// Uid of the pod: each counts once.
    pub pod_uid: String,
    /// Why, as `<reason>: <message>`.
    pub cause: String,
    /// How many pods may be made again for one node.
    pub limit: u32,
    /// How the step has ended where the limit is reached.
    pub result: StepResult,
}

impl StepState {
    /// Whether it still costs something.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Pending(_) | Self::Running | Self::Live(_))
    }
}

/// A step under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveStep {
    /// Whether all its containers are ready; a daemon counts as done then.
    pub ready: bool,
    /// Address of its pod.
    #[serde(rename = "podIP", skip_serializing_if = "Option::is_none")]
    pub pod_ip: Option<String>,
    /// Machine it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// `done/all`, as the step itself reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What a plugin says of it meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a container of a containerSet ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerResult {
    /// Exit code: 0 Succeeded, 64 Error, else Failed. Absent where it never ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why, where it did not succeed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How a step ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepResult {
    /// Succeeded, Failed (the work) or Error (what is around it).
    pub phase: NodePhase,
    /// Why, where it did not succeed.
    pub message: String,
    /// Exit code of the main container.
    pub exit_code: Option<i32>,
    /// Standard output without its last newline, if it was asked for.
    pub result: Option<String>,
    /// Output parameters by name.
    pub parameters: BTreeMap<String, String>,
    /// Output artifacts.
    pub artifacts: Vec<Artifact>,
    /// Containers of a containerSet by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, ContainerResult>,
    /// `done/all`, as the step itself reported it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What it has used up: seconds times the unit of each resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, i64>,
    /// Whether an executor of its own has reported everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_reported: bool,
    /// Whether it could not even begin, as its executor can not make what the template asks for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Machine it ran on.
    pub host: Option<String>,
    /// When it ended; the time it is seen by default.
    pub finished_at: Option<Timestamp>,
}

impl StepResult {
    /// Exit code 0, nothing given.
    #[must_use]
    pub fn succeeded() -> Self {
        Self { phase: NodePhase::Succeeded, exit_code: Some(0), ..Self::default() }
    }

    /// The main container ended with `code`; the message is upstream's.
    #[must_use]
    pub fn exited(code: i32) -> Self {
        if code == 0 {
            return Self::succeeded();
        }
        Self {
            phase: NodePhase::Failed,
            exit_code: Some(code),
            message: format!("main: Error (exit code {code})"),
            ..Self::default()
        }
    }

    /// Something around the work went wrong.
    pub fn error(message: impl Into<String>) -> Self {
        Self { phase: NodePhase::Error, message: message.into(), ..Self::default() }
    }

    /// What the template asks for can not be made.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self { refused: true, ..Self::error(message) }
    }

    /// With an output parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// With a standard output.
    #[must_use]
    pub fn result(mut self, result: impl Into<String>) -> Self {
        self.result = Some(result.into());
        self
    }
}

impl From<StepResult> for NodeResult {
    fn from(it: StepResult) -> Self {
        let parameters = it.parameters.into_iter().map(|(name, value)| Parameter::new(name, value)).collect();
        let outputs = Outputs {
            parameters,
            artifacts: it.artifacts,
            result: it.result,
            exit_code: it.exit_code.map(|it| it.to_string()),
            ..Outputs::default()
        };
        Self {
            phase: Some(it.phase),
            message: Some(it.message).filter(|it| !it.is_empty()),
            outputs: Some(outputs).filter(|it| !it.is_empty()),
            progress: it.progress,
        }
    }
}

impl From<NodeResult> for StepResult {
    fn from(it: NodeResult) -> Self {
        let outputs = it.outputs.unwrap_or_default();
        let values = outputs.parameters.into_iter();
        let parameters = values.filter_map(|it| Some((it.name, it.value.map(|AnyString(it)| it)?))).collect();
        Self {
            phase: it.phase.unwrap_or_default(),
            message: it.message.unwrap_or_default(),
            exit_code: outputs.exit_code.and_then(|it| it.parse().ok()),
            result: outputs.result,
            parameters,
            artifacts: outputs.artifacts,
            progress: it.progress,
            ..Self::default()
        }
    }
}

/// What the engine wants from an executor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Start a step, unless it was started before.
    Start(Box<StepRequest>),
    /// End a step that nobody waits for any more.
    Stop {
        /// Id of its node.
        node_id: String,
    },
    /// A change of the cluster that must have been made before the status is written: it does not say
    /// that there is something that is not. Carried out first; creating what is there already, or
    /// deleting what is gone, is done.
    Ensure(Box<Change>),
    /// Count metrics: once, after the status is written.
    Emit(Vec<Emission>),
    /// Delete artifacts, unless that was asked for before.
    Collect(Box<GarbageRequest>),
    /// Ask the database for locks, unless they were asked for before.
    Claim(Box<DatabaseClaim>),
    /// Locks of the database are not wanted any longer, or not yet.
    Disclaim {
        /// Who asked for them.
        holder: String,
    },
    /// The workflow is over: drop what is kept of its steps.
    Release,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(step) => write!(f, "start {} ({})", step.node_name, step.template.name()),
            Self::Stop { node_id } => write!(f, "stop {node_id}"),
            Self::Emit(list) => {
                let names: Vec<&str> = list.iter().map(|it| it.name.as_str()).collect();
                write!(f, "count {}", names.join(", "))
            }
            Self::Collect(request) => write!(f, "delete artifacts {} ({})", request.name, request.strategy),
            Self::Ensure(change) => write!(f, "first {change}"),
            Self::Claim(claim) => {
                let locks: Vec<String> = claim.locks.iter().map(ToString::to_string).collect();
                write!(f, "claim {} for {}", locks.join(", "), claim.holder)
            }
            Self::Disclaim { holder } => write!(f, "claim nothing for {holder}"),
            Self::Release => f.write_str("release the steps"),
        }
    }
}

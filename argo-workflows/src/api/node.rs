//! [`NodeStatus`]: one invocation of a template in `status.nodes`.

use std::{collections::BTreeMap, fmt};

use argo_core::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    params::{Inputs, Outputs},
    synchronization::NodeSynchronizationStatus,
    template::TemplateRef,
};

/// Type of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeType {
    /// A step of an executor.
    #[default]
    Pod,
    /// A container of a containerSet.
    Container,
    /// A steps template.
    Steps,
    /// A group of a steps template.
    StepGroup,
    /// A dag template.
    DAG,
    /// The expansions of a loop in a dag.
    TaskGroup,
    /// The attempts of a node with a retry strategy.
    Retry,
    /// Did not run.
    Skipped,
    /// Waits.
    Suspend,
    /// An HTTP call.
    HTTP,
    /// An executor plugin.
    Plugin,
    /// Of a newer version.
    #[serde(untagged)]
    Other(String),
}

/// Phase of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodePhase {
    /// To be started.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Done well.
    Succeeded,
    /// Its condition was false.
    Skipped,
    /// The work failed.
    Failed,
    /// It could not be done.
    Error,
    /// What it depends on turned out otherwise.
    Omitted,
}

impl NodePhase {
    /// Whether it is an end: nothing leaves it.
    #[must_use]
    pub fn is_fulfilled(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// Succeeded, Failed or Error.
    #[must_use]
    pub fn is_completed(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Error)
    }

    /// Failed or Error.
    #[must_use]
    pub fn is_failed(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }

    /// As it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Skipped => "Skipped",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Omitted => "Omitted",
        }
    }
}

impl fmt::Display for NodePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a node exists, where that is not its place in the template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeFlag {
    /// Made by a hook.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hooked: bool,
    /// An attempt of a Retry node.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
}

/// Where outputs of an earlier run were looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemoizationStatus {
    /// Whether they were there.
    pub hit: bool,
    /// Under which key.
    pub key: String,
    /// In which ConfigMap.
    pub cache_name: String,
}

/// One invocation of a template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// See [`crate::engine::node_id`].
    pub id: String,
    /// Unique name that tells the place in the tree.
    pub name: String,
    /// Name for people: without the name of the enclosing node.
    pub display_name: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: NodeType,
    /// Template it runs, unless inline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_name: Option<String>,
    /// Template of a WorkflowTemplate that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// `local/<workflow>`, `namespaced/<template>` or `cluster/<template>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_scope: Option<String>,
    /// Phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<NodePhase>,
    /// Id of the enclosing steps or dag node.
    #[serde(rename = "boundaryID", skip_serializing_if = "Option::is_none")]
    pub boundary_id: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// `done/all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Address of a daemon.
    #[serde(rename = "podIP", skip_serializing_if = "Option::is_none")]
    pub pod_ip: Option<String>,
    /// Whether it is a running daemon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemoned: Option<bool>,
    /// Why it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_flag: Option<NodeFlag>,
    /// What it got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// What it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// Ids of the nodes that come after it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub children: Vec<String>,
    /// Ids of the last nodes inside it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "super::null_default")]
    pub outbound_nodes: Vec<String>,
    /// Seconds that it will take, as far as an earlier run tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_duration: Option<i64>,
    /// What it has used up: seconds times the unit of each resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_default")]
    pub resources_duration: BTreeMap<String, i64>,
    /// Whether its executor has reported everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_result_synced: Option<bool>,
    /// How often its pod was made again, as it failed before its work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_pod_restarts: Option<u32>,
    /// Uid of the pod that another one is to follow.
    #[serde(rename = "restartingPodUID", skip_serializing_if = "Option::is_none")]
    pub restarting_pod_uid: Option<String>,
    /// Machine it ran on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_node_name: Option<String>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization_status: Option<NodeSynchronizationStatus>,
    /// Whether its outputs are those of an earlier run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memoization_status: Option<MemoizationStatus>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl NodeStatus {
    /// The phase; absent reads as Pending.
    #[must_use]
    pub fn phase(&self) -> NodePhase {
        self.phase.unwrap_or_default()
    }

    /// Whether it is done for whoever waits for it: ended, or a daemon that is up.
    #[must_use]
    pub fn is_fulfilled(&self) -> bool {
        self.phase().is_fulfilled() || self.is_daemoned() && self.phase() != NodePhase::Pending
    }

    /// Whether it is a daemon that is up.
    #[must_use]
    pub fn is_daemoned(&self) -> bool {
        self.daemoned == Some(true)
    }

    /// Whether it waits for a lock.
    #[must_use]
    pub fn is_waiting_for_lock(&self) -> bool {
        self.synchronization_status.as_ref().is_some_and(|it| !it.waiting.is_empty())
    }

    /// Whether a hook made it.
    #[must_use]
    pub fn is_hooked(&self) -> bool {
        self.node_flag.is_some_and(|it| it.hooked)
    }

    /// Whether it is an attempt of a Retry node.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        self.node_flag.is_some_and(|it| it.retried)
    }

    /// Message, or an empty text.
    #[must_use]
    pub fn message(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }
}

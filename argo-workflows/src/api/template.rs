//! [`Template`]: what one node does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    params::{Arguments, Inputs, Outputs},
    scalar::{AnyString, IntOrString},
    synchronization::Synchronization,
};

/// A named piece of work. Exactly one of the type fields is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Template {
    /// Name, unique in the workflow; absent for inline templates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// What it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// Runs a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Value>,
    /// Runs several containers in one pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_set: Option<Value>,
    /// Runs a script in a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<Value>,
    /// Acts on a Kubernetes object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Value>,
    /// Transforms lists of artifact keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Waits for a duration or for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<SuspendTemplate>,
    /// Calls an HTTP endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Value>,
    /// Calls an executor plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Value>,
    /// Groups of steps; groups run one after another, the steps of a group together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Vec<WorkflowStep>>>,
    /// A graph of tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dag: Option<DagTemplate>,
    /// How it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_strategy: Option<RetryStrategy>,
    /// How many children of a steps or dag template run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i64>,
    /// Fails a steps or dag template as soon as a child failed and none is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<bool>,
    /// Seconds that a pod may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<IntOrString>,
    /// Longest life of the node, waiting included; a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Longest time the node may stay Pending; a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_timeout: Option<String>,
    /// Whether the node counts as done once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon: Option<bool>,
    /// Reuses outputs of an earlier run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memoize: Option<Memoize>,
    /// Locks to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<Synchronization>,
    /// Of the template itself; `workflows.argoproj.io/display-name` names the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Type of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TemplateType {
    /// A container.
    Container,
    /// Several containers in one pod.
    ContainerSet,
    /// A script in a container.
    Script,
    /// An action on a Kubernetes object.
    Resource,
    /// A transformation of artifact keys.
    Data,
    /// A wait.
    Suspend,
    /// An HTTP call.
    Http,
    /// An executor plugin.
    Plugin,
    /// Groups of steps.
    Steps,
    /// A graph of tasks.
    Dag,
}

impl TemplateType {
    /// As the manifest's field spells it.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::ContainerSet => "containerSet",
            Self::Script => "script",
            Self::Resource => "resource",
            Self::Data => "data",
            Self::Suspend => "suspend",
            Self::Http => "http",
            Self::Plugin => "plugin",
            Self::Steps => "steps",
            Self::Dag => "dag",
        }
    }

    /// Whether it is the work of an executor (one step, no children of its own).
    #[must_use]
    pub fn is_leaf(self) -> bool {
        !matches!(self, Self::Steps | Self::Dag)
    }
}

impl Template {
    /// Every type field that is set.
    #[must_use]
    pub fn types(&self) -> Vec<TemplateType> {
        let set = [
            (self.container.is_some(), TemplateType::Container),
            (self.container_set.is_some(), TemplateType::ContainerSet),
            (self.steps.is_some(), TemplateType::Steps),
            (self.script.is_some(), TemplateType::Script),
            (self.resource.is_some(), TemplateType::Resource),
            (self.data.is_some(), TemplateType::Data),
            (self.dag.is_some(), TemplateType::Dag),
            (self.suspend.is_some(), TemplateType::Suspend),
            (self.http.is_some(), TemplateType::Http),
            (self.plugin.is_some(), TemplateType::Plugin),
        ];
        set.into_iter().filter_map(|(is, kind)| is.then_some(kind)).collect()
    }

    /// Its type, if it has exactly one.
    #[must_use]
    pub fn kind(&self) -> Option<TemplateType> {
        match self.types().as_slice() {
            [kind] => Some(*kind),
            _ => None,
        }
    }

    /// The name, or an empty text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The parameters it takes.
    #[must_use]
    pub fn input_parameters(&self) -> &[super::params::Parameter] {
        self.inputs.as_ref().map_or(&[], |it| &it.parameters)
    }
}

/// Waits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SuspendTemplate {
    /// Seconds as digits, or a Go duration; absent waits for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<AnyString>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A graph of tasks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DagTemplate {
    /// Names of the tasks to reach, separated by spaces; default those nobody depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The tasks.
    pub tasks: Vec<DagTask>,
    /// Whether the first failure fails the graph; default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// What steps and tasks have in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowStep {
    /// Name, unique in its template.
    pub name: String,
    /// The template to run, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The template itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<Box<Template>>,
    /// A template of a WorkflowTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// What the template gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// One run an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_items: Option<Vec<Value>>,
    /// One run an item of a JSON list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_param: Option<String>,
    /// One run a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_sequence: Option<Sequence>,
    /// Runs only when this govaluate expression is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_on: Option<ContinueOn>,
    /// Template to run after it (older form of `hooks.exit`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exit: Option<String>,
    /// Templates to run at points of its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<BTreeMap<String, LifecycleHook>>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A task of a graph.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DagTask {
    /// What it has in common with a step.
    #[serde(flatten)]
    pub step: WorkflowStep,
    /// Tasks that must succeed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Vec<String>>,
    /// A boolean expression over results of tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depends: Option<String>,
}

/// A template of a WorkflowTemplate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateRef {
    /// The WorkflowTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The template in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Whether it is a ClusterWorkflowTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_scope: Option<bool>,
}

/// Numbers to run over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sequence {
    /// How many, starting at `start`; not with `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<IntOrString>,
    /// First number; default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<IntOrString>,
    /// Last number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<IntOrString>,
    /// Go's printf format of an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// Which failures of a child do not fail its parent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContinueOn {
    /// Phase Error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub error: bool,
    /// Phase Failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// A template that runs at a point of a node's or workflow's life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LifecycleHook {
    /// The template to run, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A template of a WorkflowTemplate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// What the template gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// When it runs; required of every hook but `exit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// How a template is tried again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryStrategy {
    /// Most retries after the first attempt; absent means without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<IntOrString>,
    /// `OnFailure` (default), `OnError`, `Always` (default with an expression) or `OnTransientError`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<String>,
    /// Waits between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Where further attempts run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Value>,
    /// Tries again only while this expr expression is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
}

/// Reuses outputs of an earlier run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memoize {
    /// What stands for the inputs: letters, digits and `-`.
    pub key: String,
    /// Where outputs are kept: `configMap: {name}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Value>,
    /// Oldest that outputs may be, as a Go duration; absent means of any age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Waits between attempts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    /// First wait: seconds as digits, or a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<AnyString>,
    /// Each wait is this many times the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<IntOrString>,
    /// No attempt starts later than this after the first one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<AnyString>,
    /// Longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<AnyString>,
}

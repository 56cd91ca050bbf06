//! Wire types, as they stand in manifests. Embedded Kubernetes types (containers, volumes, …) stay
//! JSON; unknown fields are kept in `extra`.

mod cron_workflow;
mod event_binding;
mod garbage;
mod http;
mod node;
mod params;
mod scalar;
pub mod schema;
mod synchronization;
mod tasks;
mod template;
mod workflow;
mod workflow_template;

use argo_core::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use cron_workflow::{CronWorkflow, CronWorkflowSpec, CronWorkflowStatus, StopStrategy};
pub use event_binding::{EventSelector, Submit, WorkflowEventBinding, WorkflowEventBindingSpec};
pub use garbage::{
    ArtGcStatus, ArtifactGc, FINALIZER_ARTIFACT_GC, NEVER, ON_WORKFLOW_COMPLETION, ON_WORKFLOW_DELETION, PodMetadata,
};
pub use http::{HttpBodySource, HttpHeader, HttpHeaderSource, HttpTemplate, SecretKeySelector};
pub use node::{MemoizationStatus, NodeFlag, NodePhase, NodeStatus, NodeType};
pub use params::{Arguments, Artifact, ConfigMapKeyRef, Inputs, LOCATIONS, Outputs, Parameter, ValueFrom};
pub use scalar::{AnyString, IntOrString};
pub use synchronization::{
    DatabaseKey, Mutex, MutexHolding, MutexStatus, NodeSynchronizationStatus, SemaphoreHolding, SemaphoreRef,
    SemaphoreStatus, Synchronization, SynchronizationStatus,
};
pub use tasks::{
    ArtifactGcSpec, ArtifactGcStatus, ArtifactNodeSpec, ArtifactResult, ArtifactResultNodeStatus, NodeResult,
    WorkflowArtifactGCTask, WorkflowTaskResult, WorkflowTaskSet, WorkflowTaskSetSpec, WorkflowTaskSetStatus,
};
pub use template::{
    Backoff, ContinueOn, DagTask, DagTemplate, LifecycleHook, Memoize, RetryStrategy, Sequence, SuspendTemplate,
    Template, TemplateRef, TemplateType, WorkflowStep,
};
pub use workflow::{
    Condition, LabelValueFrom, TtlStrategy, Workflow, WorkflowMetadata, WorkflowPhase, WorkflowSpec, WorkflowStatus,
    WorkflowTemplateRef,
};
pub use workflow_template::{ClusterWorkflowTemplate, WorkflowTemplate};

/// API group of every kind here.
pub const GROUP: &str = "argoproj.io";
/// Version of every kind here.
pub const VERSION: &str = "v1alpha1";

/// Label of a workflow: how far it is archived.
pub const LABEL_ARCHIVING_STATUS: &str = "workflows.argoproj.io/workflow-archiving-status";
/// It is to be archived.
pub const ARCHIVING_PENDING: &str = "Pending";
/// It is archived.
pub const ARCHIVING_ARCHIVED: &str = "Archived";
/// It was read from an archive.
pub const ARCHIVING_PERSISTED: &str = "Persisted";
/// Label with the phase of a workflow.
pub const LABEL_PHASE: &str = "workflows.argoproj.io/phase";
/// Label that says whether a workflow, or a pod of one, is done with.
pub const LABEL_COMPLETED: &str = "workflows.argoproj.io/completed";
/// Label on pods: the workflow.
pub const LABEL_WORKFLOW: &str = "workflows.argoproj.io/workflow";
/// Label with the instance id of the controller that runs a workflow.
pub const LABEL_CONTROLLER_INSTANCE_ID: &str = "workflows.argoproj.io/controller-instanceid";
/// Label of workflows that a CronWorkflow made: its name.
pub const LABEL_CRON_WORKFLOW: &str = "workflows.argoproj.io/cron-workflow";
/// Label of a CronWorkflow that has stopped for good.
pub const LABEL_CRON_COMPLETED: &str = "cronworkflows.argoproj.io/completed";
/// Annotation of a CronWorkflow: the schedules that were last looked at.
pub const ANNOTATION_LAST_USED_SCHEDULE: &str = "cronworkflows.argoproj.io/last-used-schedule";
/// Label with the WorkflowTemplate that the spec comes from.
pub const LABEL_WORKFLOW_TEMPLATE: &str = "workflows.argoproj.io/workflow-template";
/// Label with the ClusterWorkflowTemplate that the spec comes from.
pub const LABEL_CLUSTER_WORKFLOW_TEMPLATE: &str = "workflows.argoproj.io/cluster-workflow-template";
/// Label with the type of a ConfigMap that the controller reads.
pub const LABEL_CONFIGMAP_TYPE: &str = "workflows.argoproj.io/configmap-type";
/// Annotation of a template: the display name of its nodes.
pub const ANNOTATION_DISPLAY_NAME: &str = "workflows.argoproj.io/display-name";
/// Annotation of a workflow: how pods are named (`v1`, `v2`).
pub const ANNOTATION_POD_NAME_FORMAT: &str = "workflows.argoproj.io/pod-name-format";
/// Annotation of a workflow: the time that a CronWorkflow made it for.
pub const ANNOTATION_SCHEDULED_TIME: &str = "workflows.argoproj.io/scheduled-time";
/// Condition of a workflow that has ended.
pub const CONDITION_COMPLETED: &str = "Completed";
/// Condition that tells whether a pod runs.
pub const CONDITION_POD_RUNNING: &str = "PodRunning";
/// Condition: a metric could not be counted.
pub const CONDITION_METRICS_ERROR: &str = "MetricsError";
/// Condition: an artifact could not be deleted.
pub const CONDITION_ARTIFACT_GC_ERROR: &str = "ArtifactGCError";
/// `spec.shutdown`: starts nothing but exit handlers.
pub const SHUTDOWN_STOP: &str = "Stop";
/// `spec.shutdown`: ends everything.
pub const SHUTDOWN_TERMINATE: &str = "Terminate";

/// The CustomResourceDefinitions of the kinds here.
#[must_use]
pub fn crds() -> Vec<Value> {
    vec![
        Workflow::crd(),
        WorkflowTemplate::crd(),
        ClusterWorkflowTemplate::crd(),
        CronWorkflow::crd(),
        WorkflowTaskSet::crd(),
        WorkflowTaskResult::crd(),
        WorkflowArtifactGCTask::crd(),
        WorkflowEventBinding::crd(),
    ]
}

/// Reads `null` as the default: upstream writes nulls for empty lists and maps.
fn null_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

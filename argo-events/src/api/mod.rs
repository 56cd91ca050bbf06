//! Wire types: what users write and what upstream clients read. Serde only.

mod common;
mod event;
mod event_bus;
mod event_source;
mod sensor;
mod sources;
mod trigger;

use argo_core::Resource;
use serde_json::Value;

pub use common::{
    Backoff, BackoffDuration, BasicAuth, Condition, ConditionStatus, ConfigMapKeySelector, EventSourceFilter, Metadata,
    SecretKeySelector, Status,
};
pub use event::{Event, EventError};
pub use event_bus::{BusKind, EventBus, EventBusSpec, EventBusStatus, JetStreamBus, NatsBus};
pub use event_source::{EventSource, EventSourceSpec, SourceEvent};
pub use sensor::{
    ConditionsReset, ConditionsResetByTime, DataFilter, Dependency, DependencyFilter, DependencyTransformer,
    EventContext, ExprFilter, PayloadField, Sensor, SensorSpec, TimeFilter,
};
pub use sources::{
    CalendarConfig, CatchupConfig, GithubConfig, OwnedRepositories, PersistenceConfig, PersistenceConfigMap,
    ResourceConfig, ResourceFilter, Selector, WebhookConfig, WebhookContext,
};
pub use trigger::{
    ArgoWorkflowTrigger, ArtifactLocation, ConfigMapSource, HttpTrigger, K8sPolicy, K8sTrigger, LogTrigger, RateLimit,
    SecureHeader, StatusPolicy, Trigger, TriggerParameter, TriggerParameterSource, TriggerPolicy, TriggerTemplate,
    ValueFrom,
};

/// API group of the three kinds.
pub const GROUP: &str = "argoproj.io";
/// Version of the three kinds.
pub const VERSION: &str = "v1alpha1";
/// The bus that objects without `eventBusName` use.
pub const DEFAULT_EVENT_BUS: &str = "default";

/// Label on objects that a trigger creates: the Sensor's name. argo-workflows' UI lists by it.
pub const LABEL_SENSOR: &str = "events.argoproj.io/sensor";
/// Label on objects that a trigger creates: the trigger's name. argo-workflows' UI lists by it.
pub const LABEL_TRIGGER: &str = "events.argoproj.io/trigger";
/// Label on objects that a trigger creates: when, in Unix milliseconds.
pub const LABEL_ACTION_TIMESTAMP: &str = "events.argoproj.io/action-timestamp";
/// Annotation on objects that a trigger creates: which firing made it, so that a repeat after a
/// crash recognises its own work. Ours; upstream has none.
pub const ANNOTATION_FIRING: &str = "events.argoproj.io/firing";

/// The CustomResourceDefinitions of the three kinds.
#[must_use]
pub fn crds() -> Vec<Value> {
    vec![EventBus::crd(), EventSource::crd(), Sensor::crd()]
}

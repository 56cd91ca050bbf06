//! [`Trigger`]: what a Sensor does.
//!
//! | type | file | does |
//! |---|---|---|
//! | `k8s` | `k8s.rs` | creates, updates, patches, deletes an object |
//! | `argoWorkflow` | `workflow.rs` | submits a Workflow; stops, terminates or suspends one |
//! | `http` | `http.rs` | sends a request |
//! | `log` | `log.rs` | writes the events into the log |

mod artifact;
#[cfg(feature = "http")]
mod http;
mod k8s;
mod log;
mod workflow;

use std::{collections::BTreeMap, fmt, sync::Arc};

use argo_core::{ApplyError, Category, Failure};
use serde_json::Value;

use crate::{
    api::{TriggerPolicy, TriggerTemplate},
    engine::{firing::Firing, parameters::ParameterError},
    plane::Services,
    secrets::SecretError,
};

#[cfg(feature = "http")]
pub use http::HttpTrigger;
pub use k8s::K8sTrigger;
pub use log::LogTrigger;
pub use workflow::ArgoWorkflowTrigger;

/// One call of a trigger.
#[derive(Debug)]
pub struct Call<'a> {
    /// The type's configuration, with the trigger's parameters put in.
    pub config: &'a Value,
    /// Which firing; its id is the same when the same events are delivered again.
    pub firing: &'a Firing,
    /// When it counts as a success.
    pub policy: Option<&'a TriggerPolicy>,
    /// Clock, secrets, Kubernetes.
    pub services: &'a Services,
}

/// A type of trigger. One value serves every trigger of its type.
///
/// # Example
/// ```
/// use argo_events::triggers::{Call, Trigger, TriggerError};
/// use serde_json::Value;
///
/// #[derive(Debug)]
/// struct Bell;
///
/// #[async_trait::async_trait]
/// impl Trigger for Bell {
///     fn kind(&self) -> &'static str {
///         "bell"
///     }
///     fn validate(&self, _config: &Value) -> Result<(), String> {
///         Ok(())
///     }
///     async fn execute(&self, call: &Call<'_>) -> Result<(), TriggerError> {
///         println!("\x07 {}", call.firing.trigger);
///         Ok(())
///     }
/// }
/// ```
#[async_trait::async_trait]
pub trait Trigger: Send + Sync + fmt::Debug + 'static {
    /// Key in a trigger template.
    fn kind(&self) -> &'static str;

    /// Checks a configuration before parameters are put in. Called often; no I/O.
    ///
    /// # Errors
    /// What is wrong, in a sentence for the one who wrote it.
    fn validate(&self, config: &Value) -> Result<(), String>;

    /// Carries a firing out. With `atLeastOnce` the same firing may come again after a crash: an
    /// implementation makes the second time do nothing where it can, by the firing's id.
    ///
    /// # Errors
    /// The attempt failed; it is repeated as `retryStrategy` says, whatever the error.
    async fn execute(&self, call: &Call<'_>) -> Result<(), TriggerError>;
}

/// An attempt that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// The configuration can not work.
    #[error("{0}")]
    Invalid(String),
    /// A parameter has no value or no place.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// Kubernetes refused.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A Secret or ConfigMap is missing.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It was carried out, but the policy says that it failed.
    #[error("policy: {0}")]
    Policy(String),
    /// The other side is away or refused.
    #[error("{message}")]
    Failed {
        /// What happened.
        message: String,
        /// The kind of failure.
        category: Category,
    },
}

impl TriggerError {
    pub(crate) fn failed(category: Category, message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), category }
    }
}

impl Failure for TriggerError {
    fn category(&self) -> Category {
        match self {
            Self::Invalid(_) | Self::Parameter(_) => Category::Invalid,
            Self::Apply(error) => error.category(),
            Self::Secret(error) => error.category(),
            Self::Policy(_) => Category::Internal,
            Self::Failed { category, .. } => *category,
        }
    }
}

/// The types that are known, by their keys.
#[derive(Debug, Clone, Default)]
pub struct Triggers(BTreeMap<&'static str, Arc<dyn Trigger>>);

impl Triggers {
    /// Those that are built in.
    #[must_use]
    pub fn builtin() -> Self {
        let mut triggers = Self::default();
        triggers.add(Arc::new(K8sTrigger));
        triggers.add(Arc::new(ArgoWorkflowTrigger));
        #[cfg(feature = "http")]
        triggers.add(Arc::new(HttpTrigger::default()));
        triggers.add(Arc::new(LogTrigger::default()));
        triggers
    }

    /// Adds a type; one with the same key is replaced.
    pub fn add(&mut self, trigger: Arc<dyn Trigger>) {
        self.0.insert(trigger.kind(), trigger);
    }

    /// The implementation and configuration that count in a template.
    ///
    /// # Errors
    /// When there is none, or upstream's type is not built in.
    pub fn of<'a>(&self, template: &'a TriggerTemplate) -> Result<(&Arc<dyn Trigger>, &'a Value), String> {
        let known: Vec<&str> = self.0.keys().copied().collect();
        let (kind, config) = template.kind(&known).ok_or("trigger does not contain a trigger type that is known")?;
        let found = self.0.get(kind);
        found.map(|it| (it, config)).ok_or_else(|| format!("trigger type {kind:?} is not built in"))
    }

    /// Checks a template.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self, template: &TriggerTemplate) -> Result<(), String> {
        let (trigger, config) = self.of(template)?;
        trigger.validate(config)
    }
}

fn decode<T: serde::de::DeserializeOwned>(config: &Value) -> Result<T, String> {
    serde_json::from_value(config.clone()).map_err(|it| it.to_string())
}

//! [`Work`]: what is not a process.

use std::fmt;

use crate::engine::{StepRequest, StepResult};

/// Does steps of one type of template inside this process. A step whose process is gone is done again:
/// what it does must bear that.
#[async_trait::async_trait]
pub trait Work: Send + Sync + fmt::Debug {
    /// Does the step; dropped when nobody waits for it any more.
    async fn run(&self, step: &StepRequest) -> StepResult;
}

/// Does `http` and `plugin` templates with the network of this process, where upstream has a pod for it.
#[cfg(feature = "http")]
#[derive(Debug)]
pub struct AgentWork {
    lookup: Option<std::sync::Arc<dyn super::Lookup>>,
    plugins: Vec<crate::exec::agent::Plugin>,
}

#[cfg(feature = "http")]
impl AgentWork {
    /// Reads Secrets for headers from `lookup`; without one there are none.
    #[must_use]
    pub fn new(lookup: Option<std::sync::Arc<dyn super::Lookup>>) -> Self {
        Self { lookup, plugins: Vec::new() }
    }

    /// Asks these plugins for templates of type `plugin`, the first one first.
    #[must_use]
    pub fn plugins(mut self, plugins: Vec<crate::exec::agent::Plugin>) -> Self {
        self.plugins = plugins;
        self
    }
}

/// Secrets of one namespace.
#[cfg(feature = "http")]
#[derive(Debug)]
struct Within {
    lookup: std::sync::Arc<dyn super::Lookup>,
    namespace: String,
}

#[cfg(feature = "http")]
#[async_trait::async_trait]
impl crate::exec::agent::HeaderSecrets for Within {
    async fn read(&self, name: &str, key: &str) -> Result<Vec<u8>, String> {
        let data = self.lookup.data(super::Source::Secret, &self.namespace, name).await;
        let mut data = data.ok_or_else(|| format!("secrets \"{name}\" not found"))?;
        data.remove(key).ok_or_else(|| format!("secret '{name}' does not have the key '{key}'"))
    }
}

#[cfg(feature = "http")]
#[async_trait::async_trait]
impl Work for AgentWork {
    async fn run(&self, step: &StepRequest) -> StepResult {
        use std::sync::Arc;

        use crate::exec::agent::{Agent, HeaderSecrets, NoHeaderSecrets, Workflow};

        let secrets: Arc<dyn HeaderSecrets> = match &self.lookup {
            Some(lookup) => {
                Arc::new(Within { lookup: lookup.clone(), namespace: step.workflow.namespace().to_owned() })
            }
            None => Arc::new(NoHeaderSecrets),
        };
        let workflow = Workflow { key: step.workflow.clone(), uid: step.workflow_uid.clone() };
        Agent::new(secrets).plugins(self.plugins.clone()).finish(&workflow, &step.template).await
    }
}

/// Does resource templates with the client of this process, where upstream makes a pod for each.
#[cfg(feature = "exec")]
pub struct ResourceWork(argo_core::runtime::Context);

#[cfg(feature = "exec")]
impl ResourceWork {
    /// On the cluster of this context.
    #[must_use]
    pub fn new(context: argo_core::runtime::Context) -> Self {
        Self(context)
    }
}

#[cfg(feature = "exec")]
impl fmt::Debug for ResourceWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResourceWork")
    }
}

#[cfg(feature = "exec")]
#[async_trait::async_trait]
impl Work for ResourceWork {
    async fn run(&self, step: &StepRequest) -> StepResult {
        use crate::{
            api::NodePhase,
            exec::{Layout, run::resource},
        };

        let template = match crate::executor::owned(step) {
            Ok(template) => template,
            Err(message) => return StepResult::error(message),
        };
        let action =
            template.resource.as_ref().and_then(|it| it.get("action")?.as_str()).unwrap_or_default().to_owned();
        let layout = Layout::below(std::path::Path::new("/nonexistent"), Vec::new());
        match resource::run(&self.0, &template, &action, step.workflow.namespace(), &layout).await {
            Ok(outputs) => {
                let values =
                    outputs.parameters.into_iter().filter_map(|it| Some((it.name, it.value?.as_str().to_owned())));
                StepResult { parameters: values.collect(), ..StepResult::succeeded() }
            }
            Err(message) => StepResult {
                phase: NodePhase::Failed,
                exit_code: Some(64),
                message: format!("main: Error (exit code 64): {message}"),
                ..StepResult::default()
            },
        }
    }
}

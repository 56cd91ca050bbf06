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

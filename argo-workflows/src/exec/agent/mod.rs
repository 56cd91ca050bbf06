//! [`Agent`]: does `http` and `plugin` templates. The same code serves `argo-exec agent` in a pod and the
//! executors that work in this process.

mod http;
mod plugin;

use std::{fmt, sync::Arc, time::Duration};

use argo_core::ObjectKey;

pub use plugin::Plugin;

use crate::{
    api::{HttpTemplate, NodePhase, NodeResult, Template, TemplateType},
    engine::StepResult,
};

/// Reads Secrets of the workflow's namespace for headers.
#[async_trait::async_trait]
pub trait HeaderSecrets: Send + Sync + fmt::Debug {
    /// The value of a key.
    ///
    /// # Errors
    /// Says why it can not be read; never what is in it.
    async fn read(&self, name: &str, key: &str) -> Result<Vec<u8>, String>;
}

/// No Secrets at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHeaderSecrets;

#[async_trait::async_trait]
impl HeaderSecrets for NoHeaderSecrets {
    async fn read(&self, name: &str, _: &str) -> Result<Vec<u8>, String> {
        Err(format!("secrets \"{name}\" not found"))
    }
}

/// Names the workflow that a task belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Uid.
    pub uid: String,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is known of it.
    pub result: NodeResult,
    /// When it is to be looked at again; absent where it is over.
    pub again: Option<Duration>,
}

/// Does `http` and `plugin` templates.
#[derive(Debug)]
pub struct Agent {
    secrets: Arc<dyn HeaderSecrets>,
    plugins: Vec<Plugin>,
    /// Certificates to trust besides the usual ones, in PEM form.
    roots: Vec<u8>,
}

impl Agent {
    /// Reads Secrets from here; without plugins.
    #[must_use]
    pub fn new(secrets: Arc<dyn HeaderSecrets>) -> Self {
        Self { secrets, plugins: Vec::new(), roots: Vec::new() }
    }

    /// Asks these plugins, the first one first.
    #[must_use]
    pub fn plugins(mut self, plugins: Vec<Plugin>) -> Self {
        self.plugins = plugins;
        self
    }

    /// Trusts these certificates (PEM) besides the usual ones.
    #[must_use]
    pub fn roots(mut self, pem: Vec<u8>) -> Self {
        self.roots = pem;
        self
    }

    /// Does a task, or asks how far it is. Never fails: what goes wrong is the task's result.
    pub async fn run(&self, workflow: &Workflow, template: &Template) -> Progress {
        match template.kind() {
            Some(TemplateType::Http) => {
                let result = match HttpTemplate::of(template) {
                    Ok(http) => self.call(&http).await,
                    Err(message) => failed(message),
                };
                Progress { result: result.into(), again: None }
            }
            Some(TemplateType::Plugin) => self.ask(workflow, template).await,
            other => {
                let kind = other.map_or("Unknown", TemplateType::field);
                let message = format!("error processing task: agent cannot execute: unknown task type: {kind}");
                Progress { result: StepResult::error(message).into(), again: None }
            }
        }
    }

    /// Does a task until it is over.
    pub async fn finish(&self, workflow: &Workflow, template: &Template) -> StepResult {
        loop {
            let progress = self.run(workflow, template).await;
            match progress.again {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return progress.result.into(),
            }
        }
    }
}

fn failed(message: impl Into<String>) -> StepResult {
    StepResult { phase: NodePhase::Failed, message: message.into(), ..StepResult::default() }
}

//! Steps of a promotion: the trait and one file for each kind.
//!
//! | kind | does |
//! |---|---|
//! | `argocd-update` | syncs Argo CD Applications and waits for the operation |
//! | `compose-output` | gives values to later steps |
//! | `copy` | copies files |
//! | `fail` | ends the promotion |
//! | `git-clear`, `git-clone`, `git-commit`, `git-push` | work on repositories |
//! | `http` | calls an HTTP endpoint |
//! | `yaml-update` | changes values in YAML, leaving comments and layout alone |

mod argocd_update;
mod cluster;
mod config;
mod control;
mod copy;
mod credentials;
mod folder;
mod git;
#[cfg(feature = "http")]
mod http;
mod ignore;
mod registry;
mod yaml_update;

use std::fmt;

use argo_core::{Timestamp, git::Author};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::FreightReference;
pub use crate::engine::promotion::{HealthCheck, StepDefaults, StepError, StepOutcome, StepResult};

pub use argocd_update::ArgoCdUpdate;
pub use cluster::StepCluster;
pub use control::{ComposeOutput, Fail};
pub use copy::Copy;
pub use credentials::{CredentialKind, CredentialSource, NoCredentials, UserPassword, choose};
pub use folder::{Folder, FolderError, Workspace};
pub use git::{GitClear, GitClone, GitCommit, GitPush};
#[cfg(feature = "http")]
pub use http::HttpStep;
pub use registry::Registry;
pub use yaml_update::YamlUpdate;

/// A kind of step.
///
/// # Contract
/// - `run` never waits for something to happen: it returns [`StepOutcome::Pending`] and is called again.
/// - It may be called again after a crash with nothing remembered but what is in the folder and outside: a repeat must
///   not do things twice.
/// - Messages and outputs may hold what the configuration holds; values of secrets are taken out afterwards.
#[async_trait::async_trait]
pub trait StepRunner: Send + Sync + fmt::Debug {
    /// The kind, as `uses` names it.
    fn kind(&self) -> &str;

    /// Timeout, error threshold and whether it uses files.
    fn defaults(&self) -> StepDefaults {
        StepDefaults::default()
    }

    /// Runs the step, or looks how far it is.
    ///
    /// # Errors
    /// [`StepError`] says whether another attempt may help.
    async fn run(&self, context: &StepContext<'_>) -> StepResult;
}

/// What a step may use.
#[derive(Clone, Copy)]
pub struct StepContext<'a> {
    /// The project.
    pub project: &'a str,
    /// The Stage.
    pub stage: &'a str,
    /// The Promotion.
    pub promotion: &'a str,
    /// The step's alias.
    pub alias: &'a str,
    /// Its settings, evaluated. May hold secrets.
    pub config: &'a Value,
    /// What the step gave when it last ran.
    pub earlier_output: Option<&'a Value>,
    /// The Freight of all origins that the Stage will hold.
    pub freight: &'a [FreightReference],
    /// The user the promotion was made by; empty when automatic.
    pub actor: &'a str,
    /// The folder of the promotion; paths do not lead out of it.
    pub folder: &'a Folder,
    /// Objects of the cluster.
    pub cluster: &'a dyn StepCluster,
    /// How to get into repositories.
    pub credentials: &'a dyn CredentialSource,
    /// Who commits when nobody is named.
    pub author: &'a Author,
    /// For links; empty when there is no UI.
    pub ui_base_url: &'a str,
    /// The time when this attempt began.
    pub now: Timestamp,
}

impl fmt::Debug for StepContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepContext")
            .field("promotion", &self.promotion)
            .field("alias", &self.alias)
            .finish_non_exhaustive()
    }
}

impl StepContext<'_> {
    /// The settings as a type; `kind` is for the message.
    ///
    /// # Errors
    /// A failure for good that names the field.
    pub fn parse<T: DeserializeOwned>(&self, kind: &str) -> Result<T, StepError> {
        T::deserialize(self.config).map_err(|it| StepError::failed(format!("invalid {kind} config: {it}")))
    }
}

/// Runs what touches many files away from the threads that drive everything else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StepError> + Send + 'static,
) -> Result<T, StepError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StepError::retryable(format!("internal error: {error}"))),
    }
}

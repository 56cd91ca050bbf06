//! The controllers: caches -> observed world -> engine -> writes. Thin.
//!
//! | controller | primary | also brought up by |
//! |---|---|---|
//! | projects | Project | Namespaces, Warehouses, Stages |
//! | warehouses | Warehouse | |
//! | stages | Stage | Promotions, Freight, ProjectConfigs, Applications, AnalysisRuns |
//! | promotions | Promotion | its Stage, Applications |

mod carry;
mod credentials;
mod project;
mod promotion;
mod shared;
mod stage;
mod wait;
mod warehouse;

use std::{fmt, path::PathBuf, sync::Arc};

use argo_core::{
    git::{GitSource, GitWriter},
    runtime::{self, Context, Shutdown},
};

use crate::{
    steps::{CredentialSource, Registry, StepRunner, Workspace},
    subscriptions::{GitSubscriber, ImageSource, ImageSubscriber, Subscriber, Subscribers},
};
use shared::Shared;

/// Settings that are no implementations.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The shard this controller looks after; absent means what no shard claims.
    pub shard: Option<String>,
    /// Whether Argo CD is there.
    pub argocd: bool,
    /// Where Applications live that do not say; `argocd` by default.
    pub argocd_namespace: String,
    /// Whether Argo Rollouts is there.
    pub rollouts: bool,
    /// Where shared Secrets and ConfigMaps live; `kargo-shared-resources` by default.
    pub shared_namespace: String,
    /// Address of the UI, for links; empty when there is none.
    pub ui_base_url: String,
    /// The least time between two looks at a repository; 0 by default.
    pub least_interval: std::time::Duration,
    /// How much is kept of what is over.
    pub retention: crate::engine::retention::Retention,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shard: None,
            argocd: true,
            argocd_namespace: "argocd".to_owned(),
            rollouts: true,
            shared_namespace: "kargo-shared-resources".to_owned(),
            ui_base_url: String::new(),
            least_interval: std::time::Duration::ZERO,
            retention: crate::engine::retention::Retention::default(),
        }
    }
}

/// Why a controller can not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No git implementation was given and the feature `git` is off.
    #[error("no git implementation: give one or enable the feature `git`")]
    NoGit,
    /// The default registry client can not be made.
    #[error("image registry client: {0}")]
    Images(#[from] crate::subscriptions::ImageError),
}

/// Reading and writing.
type Git = (Arc<dyn GitSource>, Arc<dyn GitWriter>);

/// Builds a [`Controller`].
#[must_use]
pub struct Builder {
    context: Context,
    settings: Settings,
    folder: PathBuf,
    git_source: Option<Arc<dyn GitSource>>,
    git_writer: Option<Arc<dyn GitWriter>>,
    images: Option<Arc<dyn ImageSource>>,
    credentials: Option<Arc<dyn CredentialSource>>,
    steps: Vec<Arc<dyn StepRunner>>,
    subscribers: Vec<Arc<dyn Subscriber>>,
}

impl Builder {
    /// Where promotions keep their files and repositories their mirrors; a folder `argo-promote` in the system's
    /// temporary folder by default. One that outlives the process lets promotions go on where they were.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Other settings.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Another way to read git repositories.
    pub fn git_source(mut self, git: Arc<dyn GitSource>) -> Self {
        self.git_source = Some(git);
        self
    }

    /// Another way to write git repositories.
    pub fn git_writer(mut self, git: Arc<dyn GitWriter>) -> Self {
        self.git_writer = Some(git);
        self
    }

    /// Another way to read image repositories.
    pub fn image_source(mut self, images: Arc<dyn ImageSource>) -> Self {
        self.images = Some(images);
        self
    }

    /// Another way to find credentials than Secrets.
    pub fn credentials(mut self, credentials: Arc<dyn CredentialSource>) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// One more kind of step; it replaces a built-in one of the same name.
    pub fn step(mut self, step: Arc<dyn StepRunner>) -> Self {
        self.steps.push(step);
        self
    }

    /// One more kind of subscription; it replaces a built-in one of the same name.
    pub fn subscriber(mut self, subscriber: Arc<dyn Subscriber>) -> Self {
        self.subscribers.push(subscriber);
        self
    }

    /// The controller.
    ///
    /// # Errors
    /// When a default implementation can not be made.
    pub fn build(self) -> Result<Controller, BuildError> {
        let (source, writer) = self.git()?;
        let mut registry = Registry::built_in()
            .with(Arc::new(crate::steps::ArgoCdUpdate::new(self.settings.argocd_namespace.clone())))
            .with_git(writer);
        for step in self.steps {
            registry = registry.with(step);
        }
        let mut subscribers = Subscribers::new().with(Arc::new(GitSubscriber::new(source)));
        if let Some(images) = images(self.images)? {
            subscribers = subscribers.with(Arc::new(ImageSubscriber::new(images)));
        }
        for subscriber in self.subscribers {
            subscribers = subscribers.with(subscriber);
        }
        Ok(Controller {
            context: self.context,
            settings: self.settings,
            workspace: Workspace::new(self.folder.join("promotions")),
            registry,
            subscribers,
            credentials: self.credentials,
        })
    }

    fn git(&self) -> Result<Git, BuildError> {
        if let (Some(source), Some(writer)) = (&self.git_source, &self.git_writer) {
            return Ok((source.clone(), writer.clone()));
        }
        #[cfg(feature = "git")]
        {
            use argo_core::git::{GitRepos, GitReposConfig};
            let repos = Arc::new(GitRepos::new(GitReposConfig::new(self.folder.join("git"))));
            let source = self.git_source.clone().unwrap_or_else(|| repos.clone());
            Ok((source, self.git_writer.clone().unwrap_or(repos)))
        }
        #[cfg(not(feature = "git"))]
        Err(BuildError::NoGit)
    }
}

fn images(given: Option<Arc<dyn ImageSource>>) -> Result<Option<Arc<dyn ImageSource>>, BuildError> {
    if given.is_some() {
        return Ok(given);
    }
    #[cfg(feature = "image")]
    {
        use crate::subscriptions::{OciRegistry, OciRegistryConfig};
        Ok(Some(Arc::new(OciRegistry::new(OciRegistryConfig::default())?)))
    }
    #[cfg(not(feature = "image"))]
    Ok(None)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("settings", &self.settings)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Runs projects, warehouses, stages and promotions on one Kubernetes API.
///
/// # Example
/// ```no_run
/// # async fn f(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use argo_core::runtime::Shutdown;
/// use argo_promote::controller::Controller;
/// Controller::builder(client).folder("/var/lib/argo-promote").build()?.run(Shutdown::new()).await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Controller {
    context: Context,
    settings: Settings,
    workspace: Workspace,
    registry: Registry,
    subscribers: Subscribers,
    credentials: Option<Arc<dyn CredentialSource>>,
}

impl Controller {
    /// On this API server; a `Context` shares watches with other controllers.
    pub fn builder(context: impl Into<Context>) -> Builder {
        Builder {
            context: context.into(),
            settings: Settings::default(),
            folder: std::env::temp_dir().join("argo-promote"),
            git_source: None,
            git_writer: None,
            images: None,
            credentials: None,
            steps: Vec::new(),
            subscribers: Vec::new(),
        }
    }

    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: Shutdown) {
        let shared = tokio::select! {
            () = shutdown.cancelled() => return,
            shared = Shared::open(self) => Arc::new(shared),
        };
        let controllers: Vec<runtime::Controller> = vec![
            project::controller(&shared),
            warehouse::controller(&shared),
            stage::controller(&shared),
            promotion::controller(&shared),
        ];
        futures::future::join_all(controllers.into_iter().map(|it| it.run(shutdown.clone()))).await;
    }
}

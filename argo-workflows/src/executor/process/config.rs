//! How processes run.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{ProcessExecutor, isolation::Isolation, lookup::Lookup, work::Work};
use crate::{
    api::TemplateType,
    exec::artifacts::{Drivers, FolderDriver, GitDriver, NoSecrets},
};

/// How processes run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where working directories, logs and results are kept.
    pub root: PathBuf,
    /// Whether the steps of a workflow share one working directory. Default true. Isolated steps never do.
    pub shared_workspace: bool,
    /// What a step sees of this machine's files. Default everything.
    pub isolation: Isolation,
    /// What is known of images, by name.
    pub images: BTreeMap<String, Image>,
    /// Environment of every step, beside the minimal one.
    pub env: BTreeMap<String, String>,
    /// `PATH` of every step. Default that of this process.
    pub path: String,
    /// Where output artifacts without a location go. Default nowhere: they are refused.
    pub repository: Option<Repository>,
    /// Who loads and saves artifacts. Default `raw` and `git`.
    pub drivers: Drivers,
    /// Who knows ConfigMaps and Secrets. Default nobody.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// Who does templates of other types, by their field (`resource`, `data`, …). Default nobody; `http` and
    /// `plugin` are done by this process itself where the feature `http` is on.
    pub work: BTreeMap<&'static str, Arc<dyn Work>>,
    /// Who is asked to do templates of type `plugin`, the first one first. Default nobody.
    #[cfg(feature = "http")]
    pub plugins: Vec<crate::exec::agent::Plugin>,
    /// Longest standard output or error of a step in bytes; more ends it. Default 64 MiB.
    pub max_log: u64,
    /// How long a stopped step has before it is killed. Default 10 s.
    pub grace: Duration,
    /// Whether directories stay after a workflow is over. Default false.
    pub keep: bool,
    /// Whether running steps are ended by [`ProcessExecutor::shutdown`]. Default true.
    pub kill_on_shutdown: bool,
}

/// An image as far as processes go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Directories that come first in `PATH`.
    pub path: Vec<PathBuf>,
    /// Command where the container names none; with neither, the arguments are the command.
    pub entrypoint: Vec<String>,
    /// Arguments where the container names neither command nor arguments.
    pub cmd: Vec<String>,
}

/// Where output artifacts go that do not say it themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// The location without its key: `{"s3": {"bucket": "b"}}`.
    pub location: Value,
    /// First part of keys. Default `{{workflow.name}}/{{pod.name}}`, the only tags that it may hold.
    pub key_format: String,
    /// Whether the output of containers becomes an artifact. Default false.
    pub archive_logs: bool,
}

impl Repository {
    /// A repository at this location, with the default keys.
    #[must_use]
    pub fn new(location: Value) -> Self {
        Self { location, key_format: "{{workflow.name}}/{{pod.name}}".to_owned(), archive_logs: false }
    }
}

impl Config {
    /// Keeps everything below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            shared_workspace: true,
            isolation: Isolation::None,
            images: BTreeMap::new(),
            env: BTreeMap::new(),
            path: std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned()),
            repository: None,
            drivers: Drivers::local().with("git", Arc::new(GitDriver::new(Arc::new(NoSecrets)))),
            lookup: None,
            work: BTreeMap::new(),
            #[cfg(feature = "http")]
            plugins: Vec::new(),
            max_log: 64 << 20,
            grace: Duration::from_secs(10),
            keep: false,
            kill_on_shutdown: true,
        }
    }

    /// One working directory a step.
    #[must_use]
    pub fn separate_workspaces(mut self) -> Self {
        self.shared_workspace = false;
        self
    }

    /// Shuts steps off from this machine's files.
    #[must_use]
    pub fn isolated(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Puts a directory of programs first in the `PATH` of every step, whatever its image.
    #[must_use]
    pub fn tools(mut self, directory: impl AsRef<std::path::Path>) -> Self {
        self.path = format!("{}:{}", directory.as_ref().display(), self.path);
        self
    }

    /// Makes an image known.
    #[must_use]
    pub fn image(mut self, name: impl Into<String>, image: Image) -> Self {
        self.images.insert(name.into(), image);
        self
    }

    /// Sets a variable for every step.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Keeps artifacts of every location with a key in a directory of this machine, as the bucket
    /// `bucket` of an object store would.
    #[must_use]
    pub fn artifacts(mut self, directory: impl Into<PathBuf>, bucket: &str) -> Self {
        let driver = Arc::new(FolderDriver::new(directory));
        for kind in ["s3", "gcs", "azure", "oss", "hdfs", "artifactory"] {
            self.drivers = self.drivers.with(kind, driver.clone());
        }
        self.repository = Some(Repository::new(json!({"s3": {"bucket": bucket}})));
        self
    }

    /// Makes the output of containers an artifact, where there is a repository.
    #[must_use]
    pub fn archive_logs(mut self) -> Self {
        if let Some(repository) = &mut self.repository {
            repository.archive_logs = true;
        }
        self
    }

    /// Knows ConfigMaps and Secrets from here.
    #[must_use]
    pub fn lookup(mut self, lookup: Arc<dyn Lookup>) -> Self {
        self.lookup = Some(lookup);
        self
    }

    /// Has templates of another type done.
    #[must_use]
    pub fn work(mut self, kind: TemplateType, work: Arc<dyn Work>) -> Self {
        self.work.insert(kind.field(), work);
        self
    }

    /// Keeps directories after a workflow is over.
    #[must_use]
    pub fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Opens the executor and takes up what an earlier one left. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// When the root can not be made or read.
    pub fn open(self) -> Result<ProcessExecutor, std::io::Error> {
        std::fs::create_dir_all(&self.root)?;
        ProcessExecutor::with(Self { root: self.root.canonicalize()?, ..self })
    }
}

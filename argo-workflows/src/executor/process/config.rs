//! How processes run.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::ProcessExecutor;

/// How processes run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where working directories, logs and results are kept.
    pub root: PathBuf,
    /// Whether the steps of a workflow share one working directory. Default true.
    pub shared_workspace: bool,
    /// What is known of images, by name.
    pub images: BTreeMap<String, Image>,
    /// Environment of every step, beside the minimal one.
    pub env: BTreeMap<String, String>,
    /// `PATH` of every step. Default that of this process.
    pub path: String,
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
    /// Command where the container names none.
    pub entrypoint: Vec<String>,
}

impl Config {
    /// Keeps everything below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            shared_workspace: true,
            images: BTreeMap::new(),
            env: BTreeMap::new(),
            path: std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned()),
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

//! Pods as local processes: containers of scripted images run their commands on this machine, with their own output and exit codes.
//!
//! ```no_run
//! use argo_embedded::process::LocalImage;
//! use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};
//!
//! // Containers of the image `tools:*` run programs of this directory (and of the machine).
//! let script = PodScript::new().with(PodRule::image("tools:*"), Behaviour::process(LocalImage::at("images/tools")));
//! let config = SimulatorConfig::scripted(script);
//! ```
//!
//! What a container gets: its own root directory, in which it starts; the volumes of its pod (`emptyDir`, `configMap`, `secret`,
//! `downwardAPI`, `hostPath`) linked at their mount paths below that root; the environment of its spec; `PATH` with the image's directory
//! and its `bin` first; its output in the logs, its exit code in the status, its termination message. There is no other isolation: absolute
//! paths are those of the machine, which is why the root is told in `POD_ROOT`. A container is told to stop with TERM and killed after its
//! grace period; everything is killed with the cluster. Needs a clock that runs by itself ([`Clock::system`] or [`Clock::scaled`]).
//!
//! [`Clock::system`]: argo_core::clock::Clock::system
//! [`Clock::scaled`]: argo_core::clock::Clock::scaled

mod launch;
mod runner;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use launch::{Launch, Source};
pub(crate) use runner::{Exited, Identity, Processes, code_of, program_of};

/// An image in a directory of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalImage {
    /// Where its programs are: the directory itself and `bin` below it go first in `PATH`.
    pub directory: PathBuf,
    /// What runs when a container names no `command`.
    pub entrypoint: Vec<String>,
    /// Its arguments when a container names neither `command` nor `args`.
    pub cmd: Vec<String>,
    /// Variables of the image; those of the container go over them.
    pub env: BTreeMap<String, String>,
}

impl LocalImage {
    /// An image without an entry point of its own.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), entrypoint: Vec::new(), cmd: Vec::new(), env: BTreeMap::new() }
    }

    /// Sets what runs when a container names no `command`.
    #[must_use]
    pub fn entrypoint(mut self, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.entrypoint = command.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
}

//! What scripted containers answer.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::simulator::PodRule;

/// A command to run in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether a terminal was asked for.
    pub tty: bool,
}

/// The streams of a running command. Those that the client did not ask for are empty, or lead nowhere.
pub struct ExecIo {
    /// What the client types; ends when it closes its side.
    pub stdin: Box<dyn AsyncRead + Send + Unpin>,
    /// What the command prints.
    pub stdout: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it complains of.
    pub stderr: Box<dyn AsyncWrite + Send + Unpin>,
}

/// Runs commands of scripted containers.
pub trait ExecHandler: Send + Sync + Debug + 'static {
    /// Runs a command to its end and returns its exit code. Dropped when the client goes away.
    ///
    /// An error is told to the client as an internal one of the container runtime.
    fn run(&self, request: ExecRequest, io: ExecIo) -> BoxFuture<'static, Result<i32, String>>;
}

/// What a command in a scripted container does.
#[derive(Clone, Debug)]
pub enum ExecAnswer {
    /// Prints and exits.
    Prints {
        /// On standard output.
        stdout: String,
        /// On standard error.
        stderr: String,
        /// Its exit code.
        code: i32,
    },
    /// Prints what it reads, as `cat` does, and succeeds.
    Echo,
    /// Does what code does.
    Code(Arc<dyn ExecHandler>),
}

/// A connection to a port of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// The port.
    pub port: u16,
}

/// Serves ports of scripted pods.
pub trait PortHandler: Send + Sync + Debug + 'static {
    /// Serves one connection to its end.
    fn serve(&self, request: PortRequest, stream: tokio::io::DuplexStream) -> BoxFuture<'static, ()>;
}

/// What listens at a port of a scripted pod.
#[derive(Clone, Debug)]
pub enum PortAnswer {
    /// Sends this at once and closes the connection.
    Sends(String),
    /// Sends this and closes the connection once the client has said something, as a server of HTTP/1.0 does.
    Replies(String),
    /// Sends back what it receives.
    Echo,
    /// Somebody else, at an address of this machine.
    Address(SocketAddr),
    /// Code.
    Code(Arc<dyn PortHandler>),
}

/// What scripted containers answer to exec and port-forward. Clones are handles on the same script.
#[derive(Clone, Debug, Default)]
pub struct PodStreams(Arc<Mutex<Rules>>);

#[derive(Debug, Default)]
struct Rules {
    execs: Vec<(PodRule, String, ExecAnswer)>,
    ports: Vec<(PodRule, u16, PortAnswer)>,
}

// === impl ExecAnswer ===

impl ExecAnswer {
    /// Prints a text and succeeds.
    pub fn prints(text: impl Into<String>) -> Self {
        Self::Prints { stdout: text.into(), stderr: String::new(), code: 0 }
    }

    /// Complains and fails.
    pub fn fails(code: i32, text: impl Into<String>) -> Self {
        Self::Prints { stdout: String::new(), stderr: text.into(), code }
    }
}

impl Debug for ExecIo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecIo").finish_non_exhaustive()
    }
}

// === impl PodStreams ===

impl PodStreams {
    /// Commands that match a pattern, in containers that match a rule. The pattern is about program and arguments, joined by blanks;
    /// `*` stands for any text. Later rules go before earlier ones.
    pub fn on_exec(&self, rule: PodRule, pattern: impl Into<String>, answer: ExecAnswer) -> &Self {
        self.0.lock().execs.push((rule, pattern.into(), answer));
        self
    }

    /// A port of the pods that match a rule. Later rules go before earlier ones.
    pub fn on_port(&self, rule: PodRule, port: u16, answer: PortAnswer) -> &Self {
        self.0.lock().ports.push((rule, port, answer));
        self
    }

    pub(super) fn exec(&self, pod: &Value, container: &Value, command: &[String]) -> Option<ExecAnswer> {
        let line = command.join(" ");
        let rules = self.0.lock();
        let found = rules
            .execs
            .iter()
            .rev()
            .find(|(rule, pattern, _)| crate::simulator::glob(pattern, &line) && rule.matches(pod, container));
        found.map(|(_, _, answer)| answer.clone())
    }

    pub(super) fn port(&self, pod: &Value, port: u16) -> Option<PortAnswer> {
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        let containers = containers.map_or(&[] as &[Value], Vec::as_slice);
        let rules = self.0.lock();
        let found = rules.ports.iter().rev().find(|(rule, its_port, _)| {
            *its_port == port && containers.iter().any(|container| rule.matches(pod, container))
        });
        found.map(|(_, _, answer)| answer.clone())
    }
}

//! What a request for a stream is about: found and checked under the lock, carried out after it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::script::{ExecAnswer, PodStreams};
use crate::server::{ApiError, Call, State, Verb};
use crate::store::ObjectKey;

/// What a running process of a container runs with: commands run beside it get the same.
#[derive(Clone)]
pub(crate) struct RunningProcess {
    pub(crate) root: PathBuf,
    pub(crate) image: PathBuf,
    pub(crate) working_dir: PathBuf,
    pub(crate) path: OsString,
    /// May hold secrets.
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) started: Instant,
    pub(crate) turns: Arc<Turns>,
}

/// When commands beside a container start.
#[derive(Debug, Default)]
pub(crate) struct Turns(tokio::sync::Mutex<Option<(Instant, watch::Receiver<()>)>>);

/// How far apart commands start at least, unless the one before has ended: a container's runtime needs that long for one, and clients
/// count on what they told a command before being done.
const APART: Duration = Duration::from_millis(150);

// === impl Turns ===

impl Turns {
    /// Waits for the next command's turn; its end is when the answer is dropped.
    pub(super) async fn begin(&self) -> watch::Sender<()> {
        let mut last = self.0.lock().await;
        if let Some((begun, mut ended)) = last.take() {
            // Either way it is the next one's turn.
            let _ = tokio::time::timeout_at(begun + APART, ended.changed()).await;
        }
        let (running, ended) = watch::channel(());
        *last = Some((Instant::now(), ended));
        running
    }
}

impl std::fmt::Debug for RunningProcess {
    /// Without the environment, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningProcess").field("root", &self.root).finish_non_exhaustive()
    }
}

/// What the client wants of the pod.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// A command.
    Exec(Vec<String>),
    /// The output of the container.
    Attach,
    /// Connections; ports are named here only in the form of one stream per port.
    Forward(Vec<u16>),
}

/// What the client wants, and in which form.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) purpose: Purpose,
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) tty: bool,
}

/// A stream that may be opened.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) wanted: Wanted,
    pub(crate) pod: Arc<Value>,
    pub(crate) key: ObjectKey,
    pub(crate) container: String,
    pub(crate) process: Option<RunningProcess>,
    pub(crate) streams: PodStreams,
}

// === impl Opened ===

impl Opened {
    pub(super) fn answer(&self, command: &[String]) -> Option<ExecAnswer> {
        let containers = ["containers", "initContainers", "ephemeralContainers"];
        let container = containers
            .iter()
            .filter_map(|list| self.pod.pointer(&format!("/spec/{list}"))?.as_array())
            .flatten()
            .find(|it| it.get("name").and_then(Value::as_str) == Some(self.container.as_str()))?;
        self.streams.exec(&self.pod, container, command)
    }
}

// === impl State ===

impl State {
    /// Checks a request for a stream.
    pub(crate) fn open_stream(&mut self, call: &Call<'_>, subresource: &str) -> Result<Opened, ApiError> {
        if !matches!(call.verb, Verb::Get | Verb::Create) {
            return Err(ApiError::method_not_allowed());
        }
        let query = &call.request.query;
        let pod = self.current(call)?;
        let name = call.name_or_empty();
        let forward = subresource == "portforward";
        let container = if forward { String::new() } else { self.container_of(call, &pod, query.get("container"))? };
        let purpose = match subresource {
            "exec" => {
                let command: Vec<String> = query.all("command").map(str::to_owned).collect();
                if command.is_empty() {
                    return Err(ApiError::bad_request("you must specify at least 1 command for the container"));
                }
                Purpose::Exec(command)
            }
            "attach" => Purpose::Attach,
            _ => {
                let ports = query.all("ports").flat_map(|ports| ports.split(','));
                let ports = ports.map(|port| {
                    port.parse::<u16>()
                        .ok()
                        .filter(|port| *port > 0)
                        .ok_or_else(|| ApiError::bad_request(format!("unable to parse {port:?} as a port")))
                });
                Purpose::Forward(ports.collect::<Result<_, _>>()?)
            }
        };
        let wanted = Wanted {
            purpose,
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            tty: query.flag("tty"),
        };
        if !forward && !wanted.stdin && !wanted.stdout && !wanted.stderr {
            return Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
        }
        let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
        let node = pod.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
        if node.is_empty() {
            return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
        }
        if phase != "Running" {
            let place = call.namespace.unwrap_or_default();
            return Err(ApiError::internal(&if forward {
                format!("unable to forward port because pod is not running. Current status={phase}")
            } else {
                format!(
                    "error executing command in container: container not found (\"{container}\") in pod {place}/{name}"
                )
            }));
        }
        let key = ObjectKey::new(call.namespace, name);
        let process = self.process_of(&key, (!forward).then_some(container.as_str()));
        Ok(Opened { wanted, pod, key, container, process, streams: self.streams.clone() })
    }

    /// A connection to a port of a pod.
    pub(crate) fn open_port(&self, key: ObjectKey, pod: Arc<Value>, port: u16) -> Opened {
        let purpose = Purpose::Forward(vec![port]);
        let wanted = Wanted { purpose, stdin: false, stdout: false, stderr: false, tty: false };
        let process = self.process_of(&key, None);
        Opened { wanted, pod, key, container: String::new(), process, streams: self.streams.clone() }
    }

    /// The process of a container, or of any container of a pod.
    fn process_of(&self, key: &ObjectKey, container: Option<&str>) -> Option<RunningProcess> {
        let mut processes = self.processes.iter();
        let found = processes.find(|((namespace, pod, its), _)| {
            *namespace == key.namespace && *pod == key.name && container.is_none_or(|wanted| wanted == its)
        });
        found.map(|(_, process)| process.clone())
    }
}

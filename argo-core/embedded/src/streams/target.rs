//! What a request for a stream is about: found and checked under the lock, carried out after it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

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
        let process = self
            .processes
            .iter()
            .find(|((namespace, pod, its), _)| {
                *namespace == key.namespace && *pod == key.name && (forward || *its == container)
            })
            .map(|(_, process)| process.clone());
        Ok(Opened { wanted, pod, key, container, process, streams: self.streams.clone() })
    }
}

//! Starts, watches and stops the processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Launch, Source};
use crate::server::Server;
use crate::store::GroupResource;
use crate::streams::RunningProcess;

/// The longest termination message, as of the kubelet.
const MESSAGE_LIMIT: usize = 4096;
/// The longest message taken from logs.
const LOG_MESSAGE_LIMIT: usize = 2048;
/// The exit code for a program that could not be started.
const NOT_STARTED: i32 = 128;

/// A process that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exited {
    /// The pod.
    pub(crate) uid: String,
    pub(crate) container: String,
    /// Which start of the container it was.
    pub(crate) attempt: u32,
    pub(crate) code: i32,
    pub(crate) message: String,
}

/// All running processes. They are killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Processes {
    root: PathBuf,
    /// Process groups by pod and container.
    running: Arc<Mutex<BTreeMap<(String, String), u32>>>,
    tasks: JoinSet<()>,
    ended: mpsc::UnboundedSender<Exited>,
}

/// Which container of which pod.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) attempt: u32,
}

impl Processes {
    /// Runs processes below a directory and tells when they end.
    pub(crate) fn new(root: PathBuf, ended: mpsc::UnboundedSender<Exited>) -> Self {
        Self { root, running: Arc::default(), tasks: JoinSet::new(), ended }
    }

    /// Starts a container. That it could not be started is told as its end.
    pub(crate) fn start(&mut self, server: Arc<Server>, identity: Identity, launch: Launch) {
        // Ended ones are of no use any more.
        while self.tasks.try_join_next().is_some() {}
        let (root, running, ended) = (self.root.clone(), self.running.clone(), self.ended.clone());
        self.tasks.spawn(async move {
            let (code, message) = match spawn(&root, &launch) {
                Ok((child, message_file, process)) => {
                    let key = (identity.namespace.clone(), identity.pod.clone(), identity.container.clone());
                    server.state.lock().processes.insert(key.clone(), process);
                    let ended = live(child, &server, &identity, &launch, &message_file, &running).await;
                    server.state.lock().processes.remove(&key);
                    ended
                }
                Err(error) => (NOT_STARTED, format!("failed to start container {:?}: {error}", identity.container)),
            };
            let Identity { uid, container, attempt, .. } = identity;
            // Nobody listens any more when the simulator is gone.
            let _ = ended.send(Exited { uid, container, attempt, code, message });
        });
    }

    /// Sends TERM, or KILL, to a container's processes.
    pub(crate) fn stop(&mut self, uid: &str, container: &str, kill: bool) {
        let group = self.running.lock().get(&(uid.to_owned(), container.to_owned())).copied();
        if let Some(group) = group {
            self.tasks.spawn(signal(group, kill));
        }
    }

    /// Kills what is left of a pod and removes its directories.
    pub(crate) fn forget(&mut self, uid: &str, directory: &str) {
        let groups: Vec<u32> =
            self.running.lock().iter().filter(|((pod, _), _)| pod == uid).map(|(_, group)| *group).collect();
        let directory = self.root.join(directory);
        self.tasks.spawn(async move {
            for group in groups {
                signal(group, true).await;
            }
            // The directory may never have been.
            let _ = std::fs::remove_dir_all(directory);
        });
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The tasks kill their own child; what those started goes with the group.
        for group in self.running.lock().values() {
            let kill = format!("kill -KILL -{group}");
            let _ = std::process::Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
        }
    }
}

async fn signal(group: u32, kill: bool) {
    let signal = if kill { "KILL" } else { "TERM" };
    let sent =
        Command::new("sh").args(["-c", &format!("kill -{signal} -{group}")]).stderr(Stdio::null()).status().await;
    if let Err(error) = sent {
        tracing::warn!(group, %error, "a process could not be signalled");
    }
}

/// A path of a container, below its root. Steps upwards lead nowhere.
fn below(root: &Path, path: &str) -> PathBuf {
    path.split('/').filter(|step| !matches!(*step, "" | "." | "..")).fold(root.to_owned(), |path, step| path.join(step))
}

fn spawn(root: &Path, launch: &Launch) -> io::Result<(Child, PathBuf, RunningProcess)> {
    let pod = root.join(&launch.pod);
    let home = pod.join("containers").join(&launch.container);
    std::fs::create_dir_all(&home)?;
    for mount in &launch.mounts {
        let volume = match &mount.source {
            Source::Host(path) => PathBuf::from(path),
            Source::Empty | Source::Files(_) => pod.join("volumes").join(&mount.volume),
        };
        std::fs::create_dir_all(&volume)?;
        if let Source::Files(files) = &mount.source {
            for (name, data) in files {
                let file = below(&volume, name);
                std::fs::create_dir_all(file.parent().unwrap_or(&volume))?;
                std::fs::write(file, data)?;
            }
        }
        let target = below(&volume, &mount.sub_path);
        if !target.exists() {
            std::fs::create_dir_all(&target)?;
        }
        let place = below(&home, &mount.path);
        std::fs::create_dir_all(place.parent().unwrap_or(&home))?;
        if place.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(&target, &place)?;
        }
    }
    let message_file = below(&home, &launch.termination_path);
    std::fs::create_dir_all(message_file.parent().unwrap_or(&home))?;
    let _ = std::fs::remove_file(&message_file);
    let working_dir = below(&home, &launch.working_dir);
    std::fs::create_dir_all(&working_dir)?;

    let image = std::path::absolute(&launch.image.directory)?;
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths([image.join("bin"), image.clone()].into_iter().chain(std::env::split_paths(&inherited)))
            .map_err(io::Error::other)?;
    let (program, args) = launch.command.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let program = program_of(program, &home, &image, &path);
    let mut env: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path.clone()),
        ("HOME".into(), home.clone().into()),
        ("HOSTNAME".into(), launch.pod.split('_').nth(1).unwrap_or_default().into()),
        ("POD_ROOT".into(), home.clone().into()),
        ("TERMINATION_LOG".into(), message_file.clone().into()),
    ];
    env.extend(launch.env.iter().map(|(name, value)| (name.into(), value.into())));
    let child = Command::new(program)
        .args(args)
        .current_dir(&working_dir)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    Ok((
        child,
        message_file,
        RunningProcess {
            root: home,
            image,
            working_dir,
            path,
            env,
            started: tokio::time::Instant::now(),
            turns: Arc::default(),
        },
    ))
}

/// An absolute program is looked for in the container, in the image, and on the machine; any other in the path.
pub(crate) fn program_of(program: &str, home: &Path, image: &Path, path: &std::ffi::OsStr) -> PathBuf {
    if program.starts_with('/') {
        return [below(home, program), below(image, program)]
            .into_iter()
            .find(|it| it.is_file())
            .unwrap_or_else(|| PathBuf::from(program));
    }
    if program.contains('/') {
        return [below(home, program), below(image, program)]
            .into_iter()
            .find(|it| it.is_file())
            .unwrap_or_else(|| PathBuf::from(program));
    }
    std::env::split_paths(path)
        .map(|it| it.join(program))
        .find(|it| it.is_file())
        .unwrap_or_else(|| PathBuf::from(program))
}

/// Follows a process to its end.
async fn live(
    mut child: Child,
    server: &Arc<Server>,
    identity: &Identity,
    launch: &Launch,
    message_file: &Path,
    running: &Mutex<BTreeMap<(String, String), u32>>,
) -> (i32, String) {
    let key = (identity.uid.clone(), identity.container.clone());
    if let Some(group) = child.id() {
        running.lock().insert(key.clone(), group);
    }
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ((), (), status) = tokio::join!(copy(out, server, identity), copy(err, server, identity), child.wait());
    running.lock().remove(&key);
    let code = status.as_ref().map_or(NOT_STARTED, |status| code_of(*status));
    let mut message = std::fs::read(message_file).map(|bytes| tail(&bytes, MESSAGE_LIMIT)).unwrap_or_default();
    if message.is_empty() && code != 0 && launch.message_from_logs {
        let log = server
            .state
            .lock()
            .logs
            .current(&(identity.namespace.clone(), identity.pod.clone(), identity.container.clone()))
            .map(|run| run.text().to_owned());
        message = tail(log.unwrap_or_default().as_bytes(), LOG_MESSAGE_LIMIT);
    }
    (code, message)
}

pub(crate) fn code_of(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(NOT_STARTED)
}

fn tail(bytes: &[u8], limit: usize) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(limit)..]).into_owned()
}

/// Copies what a process prints to its log, as it comes.
async fn copy(stream: Option<impl AsyncRead + Unpin>, server: &Arc<Server>, identity: &Identity) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 8192];
    let mut rest = Vec::new();
    loop {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        rest.extend_from_slice(&buffer[..read]);
        // Only whole characters, unless nothing more comes.
        let whole = if read == 0 { rest.len() } else { whole_characters(&rest) };
        if whole > 0 {
            let text = String::from_utf8_lossy(&rest[..whole]).into_owned();
            rest.drain(..whole);
            let key = (identity.namespace.clone(), identity.pod.clone(), identity.container.clone());
            let mut state = server.state.lock();
            state.logs.append(key, identity.attempt, &text, server.clock.now());
            state.wake(&GroupResource::new("", "pods"));
        }
        if read == 0 {
            return;
        }
    }
}

fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

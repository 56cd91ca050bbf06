//! [`ProcessExecutor`]: every step is a process of this machine.
//!
//! ```text
//! <root>/<workflow uid>/workspace/          shared by the steps of a workflow (or one a step)
//!                       <node id>/record    what was started, and the process
//!                                 stdout stderr   as they are written
//!                                 exit      written by a small shell around the command when it ends
//!                                 result    the step's result; once it is there it stays
//! ```
//! The shell outlives this process: a controller that starts again finds the exit code, or the process
//! still running, and goes on from there.

mod command;
mod config;
mod files;
mod outputs;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argo_core::{Category, Timestamp};
use tokio::process::Command;

pub use self::config::{Config, Image};
use self::files::{Record, StepDir};
use super::{Executor, ExecutorError, Wake, WorkflowId};
use crate::{
    api::NodePhase,
    engine::{StepRequest, StepResult, StepState},
};

/// Runs steps as local processes. An image is just a name: its directories of programs can be given,
/// otherwise the machine's `PATH` serves.
///
/// A step runs in its working directory with a minimal environment (`PATH`, `HOME`, `TMPDIR`, `LANG`,
/// `ARGO_*`) and the container's own, in a process group of its own, without standard input.
/// `valueFrom.path` of outputs, `workingDir` and raw input artifacts are taken below the working
/// directory; nothing outside of it is read or written by the executor. What it can not do (volume
/// mounts, secrets, sidecars, artifacts of a repository) ends the step with phase Error and a message
/// that names the field.
#[derive(Clone)]
pub struct ProcessExecutor(Arc<Inner>);

struct Inner {
    config: Config,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    workflows: BTreeMap<WorkflowId, BTreeMap<String, Entry>>,
    wake: Option<Wake>,
}

#[derive(Debug, Clone)]
struct Entry {
    state: StepState,
    /// Leader of the process group.
    group: Option<u32>,
}

impl fmt::Debug for ProcessExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessExecutor").field("root", &self.0.config.root).finish_non_exhaustive()
    }
}

impl ProcessExecutor {
    fn with(config: Config) -> Result<Self, std::io::Error> {
        let executor = Self(Arc::new(Inner { config, state: Mutex::default() }));
        executor.take_up()?;
        Ok(executor)
    }

    /// Opens an executor with the defaults.
    ///
    /// # Errors
    /// As [`Config::open`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, std::io::Error> {
        Config::new(root).open()
    }

    /// The last bytes of a step's standard output, then of its standard error.
    ///
    /// # Errors
    /// When there is no such step.
    pub fn logs(&self, workflow: &WorkflowId, node_id: &str) -> Result<String, std::io::Error> {
        let dir = self.dir(workflow, node_id)?;
        let mut text = outputs::tail(&dir.stdout(), outputs::MAX_RESULT)?;
        text.push_str(&outputs::tail(&dir.stderr(), outputs::MAX_RESULT)?);
        Ok(text)
    }

    /// The directory that the steps of a workflow share.
    #[must_use]
    pub fn workspace(&self, workflow: &WorkflowId) -> PathBuf {
        self.0.config.root.join(&workflow.uid).join("workspace")
    }

    /// Ends every running step and waits until they are gone.
    pub async fn shutdown(&self) {
        if !self.0.config.kill_on_shutdown {
            return;
        }
        let groups: Vec<u32> = {
            let state = self.lock();
            let open = state.workflows.values().flat_map(BTreeMap::values).filter(|it| it.state.is_active());
            open.filter_map(|it| it.group).collect()
        };
        for group in &groups {
            signal("TERM", *group).await;
        }
        for _ in 0..20 {
            if groups.iter().all(|it| !files::is_alive(*it, None)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for group in groups {
            signal("KILL", group).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dir(&self, workflow: &WorkflowId, node_id: &str) -> Result<StepDir, std::io::Error> {
        StepDir::new(&self.0.config.root, &workflow.uid, node_id)
    }

    fn set(&self, workflow: &WorkflowId, node_id: &str, entry: Entry) {
        let wake = {
            let mut state = self.lock();
            state.workflows.entry(workflow.clone()).or_default().insert(node_id.to_owned(), entry);
            state.wake.clone()
        };
        if let Some(wake) = wake {
            wake(&workflow.key);
        }
    }

    /// Finds the steps that an earlier executor started.
    fn take_up(&self) -> Result<(), std::io::Error> {
        for record in files::records(&self.0.config.root)? {
            let workflow = WorkflowId::of(&record.step);
            let dir = self.dir(&workflow, &record.step.node_id)?;
            if let Some(result) = dir.result() {
                let entry = Entry { state: StepState::Finished(result), group: None };
                self.set(&workflow, &record.step.node_id, entry);
            } else if dir.exit_code().is_some() || record.is_alive() {
                let entry = Entry { state: StepState::Running, group: Some(record.pid) };
                self.set(&workflow, &record.step.node_id, entry);
                tracing::info!(node = record.step.node_id, pid = record.pid, "took up a running step");
                self.watch(workflow, dir, record, None);
            }
            // Neither: it is unknown, and the engine starts it again.
        }
        Ok(())
    }

    /// Waits for the end of a step in the background.
    fn watch(&self, workflow: WorkflowId, dir: StepDir, record: Record, child: Option<tokio::process::Child>) {
        let this = self.clone();
        tokio::spawn(async move {
            let mut over = None;
            let mut child = child;
            loop {
                let pause = tokio::time::sleep(Duration::from_millis(100));
                match &mut child {
                    Some(owned) => tokio::select! {
                        _ = owned.wait() => child = None,
                        () = pause => {}
                    },
                    None => {
                        if dir.exit_code().is_some() || !record.is_alive() {
                            break;
                        }
                        pause.await;
                    }
                }
                if over.is_none() && dir.log_size() > this.0.config.max_log {
                    over = Some(format!("output is longer than {} bytes", this.0.config.max_log));
                    signal("KILL", record.pid).await;
                }
            }
            let result = match over {
                Some(message) => StepResult::error(message),
                None => this.result_of(&workflow, &dir, &record.step),
            };
            if let Err(error) = dir.save_result(&result) {
                tracing::warn!(node = record.step.node_id, %error, "the result of a step could not be kept");
            }
            let entry = Entry { state: StepState::Finished(result), group: None };
            this.set(&workflow, &record.step.node_id, entry);
        });
    }

    fn result_of(&self, workflow: &WorkflowId, dir: &StepDir, step: &StepRequest) -> StepResult {
        // A shell that was killed with its command could not write the code.
        let code = dir.exit_code().unwrap_or(137);
        let mut result = StepResult::exited(code);
        let work = self.work_dir(workflow, dir);
        if let Err(message) = outputs::collect(step, dir, &work, &mut result)
            && result.phase == NodePhase::Succeeded
        {
            result.phase = NodePhase::Error;
            result.message = message;
        }
        result
    }

    fn work_dir(&self, workflow: &WorkflowId, dir: &StepDir) -> PathBuf {
        if self.0.config.shared_workspace { self.workspace(workflow) } else { dir.path().join("work") }
    }

    fn spawn(&self, workflow: &WorkflowId, step: &StepRequest, dir: &StepDir) -> Result<Entry, String> {
        let io = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
        dir.reset().map_err(io("preparing the step's directory"))?;
        let work = self.work_dir(workflow, dir);
        std::fs::create_dir_all(&work).map_err(io("making the working directory"))?;
        let line = command::prepare(&self.0.config, step, dir, &work)?;
        if let Some(missing) = line.missing {
            let mut result = StepResult::exited(64);
            result.message = format!(
                "main: Error (exit code 64): failed to find name in PATH: exec: \"{missing}\": executable file not found in $PATH"
            );
            let _ = dir.save_result(&result);
            return Ok(Entry { state: StepState::Finished(result), group: None });
        }
        let mut shell = Command::new("/bin/sh");
        shell
            .arg("-c")
            .arg(files::SUPERVISOR)
            .arg("argo-step")
            .arg(dir.path())
            .args(&line.argv)
            .current_dir(&line.directory)
            .env_clear()
            .envs(&line.env)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .process_group(0);
        dir.save_record(&Record::intended(step.clone())).map_err(io("keeping the step's record"))?;
        let child = shell.spawn().map_err(io("starting the step's process"))?;
        let pid = child.id().ok_or("the step's process ended before it was seen")?;
        let record = Record::new(step.clone(), pid);
        dir.save_record(&record).map_err(io("keeping the step's record"))?;
        self.watch(workflow.clone(), dir.clone(), record, Some(child));
        Ok(Entry { state: StepState::Running, group: Some(pid) })
    }
}

#[async_trait::async_trait]
impl Executor for ProcessExecutor {
    async fn start(&self, step: &StepRequest, _now: Timestamp) -> Result<(), ExecutorError> {
        let workflow = WorkflowId::of(step);
        {
            // Claimed before anything is done: two starts of one id are one.
            let mut state = self.lock();
            let steps = state.workflows.entry(workflow.clone()).or_default();
            if steps.contains_key(&step.node_id) {
                return Ok(());
            }
            steps.insert(step.node_id.clone(), Entry { state: StepState::Pending(String::new()), group: None });
        }
        let prepared = match self.dir(&workflow, &step.node_id) {
            Ok(dir) => self.spawn(&workflow, step, &dir),
            Err(error) => Err(error.to_string()),
        };
        let entry = prepared
            .unwrap_or_else(|message| Entry { state: StepState::Finished(StepResult::error(message)), group: None });
        // The watcher may have seen the end already.
        let ended = {
            let state = self.lock();
            let known = state.workflows.get(&workflow).and_then(|it| it.get(&step.node_id));
            known.is_some_and(|it| matches!(it.state, StepState::Finished(_)))
        };
        if !ended {
            self.set(&workflow, &step.node_id, entry);
        }
        Ok(())
    }

    async fn stop(&self, workflow: &WorkflowId, node_id: &str) -> Result<(), ExecutorError> {
        let group = {
            let state = self.lock();
            let entry = state.workflows.get(workflow).and_then(|it| it.get(node_id));
            entry.filter(|it| it.state.is_active()).and_then(|it| it.group)
        };
        let Some(group) = group else { return Ok(()) };
        signal("TERM", group).await;
        let this = self.clone();
        let (workflow, node_id) = (workflow.clone(), node_id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(this.0.config.grace).await;
            let running = {
                let state = this.lock();
                let entry = state.workflows.get(&workflow).and_then(|it| it.get(&node_id));
                entry.is_some_and(|it| it.group == Some(group) && it.state.is_active())
            };
            if running {
                signal("KILL", group).await;
            }
        });
        Ok(())
    }

    fn observe(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        let state = self.lock();
        let steps = state.workflows.get(workflow).into_iter().flatten();
        steps.map(|(id, entry)| (id.clone(), entry.state.clone())).collect()
    }

    fn workflows(&self, key: &argo_core::ObjectKey) -> Vec<WorkflowId> {
        self.lock().workflows.keys().filter(|it| it.key == *key).cloned().collect()
    }

    async fn release(&self, workflow: &WorkflowId) -> Result<(), ExecutorError> {
        self.lock().workflows.remove(workflow);
        let root = self.0.config.root.join(&workflow.uid);
        let released = files::release(&root, self.0.config.keep);
        released.map_err(|error| ExecutorError {
            node: workflow.key.to_string(),
            message: format!("removing the workflow's directories: {error}"),
            category: Category::Unavailable,
        })
    }

    fn announce_to(&self, wake: Wake) {
        let keys: Vec<_> = {
            let mut state = self.lock();
            state.wake = Some(wake.clone());
            state.workflows.keys().map(|it| it.key.clone()).collect()
        };
        keys.iter().for_each(|it| wake(it));
    }

    async fn shutdown(&self) {
        Self::shutdown(self).await;
    }
}

/// Signals a process group. The shell's `kill` does it without unsafe code here.
async fn signal(name: &str, group: u32) {
    let script = format!("kill -s {name} -- -{group}");
    let mut kill = Command::new("/bin/sh");
    kill.arg("-c").arg(script).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    // A group that is gone already is what was wanted.
    let _ = kill.stderr(std::process::Stdio::null()).status().await;
}

/// Whether `path` stays below `root` once links are followed.
fn is_below(root: &Path, path: &Path) -> bool {
    match (root.canonicalize(), path.canonicalize()) {
        (Ok(root), Ok(path)) => path.starts_with(root),
        _ => false,
    }
}

//! [`ProcessExecutor`]: every step is a group of processes of this machine.
//!
//! ```text
//! <root>/<workflow uid>/workspace/          shared by the steps of a workflow (or one a step)
//!                       <node id>/record    what was started, and the process
//!                                 c/        a script a container
//!                                 root/     a root directory a container, where steps are isolated
//!                                 argo/ctr/ what containers leave: stdout, stderr, exitcode
//!                                 inputs/ volumes/ staging/
//!                                 exit      written by a small shell around the containers when they end
//!                                 result    the step's result; once it is there it stays
//! ```
//! The shell outlives this process: a controller that starts again finds the exit code, or the processes
//! still running, and goes on from there.

mod command;
mod config;
mod files;
mod garbage;
pub mod isolation;
mod lookup;
mod pod;
mod volumes;
mod work;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argo_core::{Category, Timestamp};
use tokio::process::Command;

#[cfg(feature = "controller")]
pub use self::lookup::ClusterLookup;
#[cfg(feature = "http")]
pub use self::work::AgentWork;
#[cfg(feature = "exec")]
pub use self::work::ResourceWork;
pub use self::{
    config::{Config, Image, Repository},
    isolation::Isolation,
    lookup::{Lookup, Source},
    work::Work,
};
use self::{
    files::{Record, StepDir},
    pod::{Pod, Refused},
};
use super::{Executor, ExecutorError, Wake, WorkflowId};
use crate::{
    api::TemplateType,
    engine::{GarbageRequest, GarbageState, StepRequest, StepResult, StepState},
    exec::outputs,
};

/// Runs steps as local processes. An image is just a name: its directories of programs can be given,
/// otherwise the machine's `PATH` serves.
///
/// A step runs in its working directory with a minimal environment (`PATH`, `HOME`, `TMPDIR`, `LANG`,
/// `ARGO_*`) and the container's own, in a process group of its own, without standard input.
/// `valueFrom.path` of outputs, `workingDir` and input artifacts are taken below the working directory;
/// nothing outside of it is read or written by the executor. Init containers, containerSets and sidecars
/// are further processes. With [`Isolation`] every container has a root directory of its own, and volumes
/// (`emptyDir`, claims, ConfigMaps, Secrets) are mounted where the manifest says. What concerns scheduling,
/// resources and users of containers has no meaning here and is passed over; what it can not do otherwise
/// ends the step with phase Error and a message that names the field.
#[derive(Clone)]
pub struct ProcessExecutor(Arc<Inner>);

struct Inner {
    config: Config,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    workflows: BTreeMap<WorkflowId, BTreeMap<String, Entry>>,
    garbage: BTreeMap<WorkflowId, BTreeMap<String, GarbageState>>,
    wake: Option<Wake>,
}

#[derive(Debug)]
struct Entry {
    state: StepState,
    /// Leader of the process group.
    group: Option<u32>,
    /// Somebody asked for its end.
    stopped: bool,
    /// What goes on in this process.
    task: Option<tokio::task::AbortHandle>,
}

impl Entry {
    fn new(state: StepState) -> Self {
        Self { state, group: None, stopped: false, task: None }
    }
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
        let mut text = String::new();
        for it in ["stdout", "stderr"] {
            match outputs::tail(&dir.container(outputs::MAIN).join(it), outputs::MAX_RESULT) {
                Ok(tail) => text.push_str(&tail),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
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

    fn set(&self, workflow: &WorkflowId, node_id: &str, state: StepState, group: Option<u32>) {
        let wake = {
            let mut all = self.lock();
            let steps = all.workflows.entry(workflow.clone()).or_default();
            let entry = steps.entry(node_id.to_owned()).or_insert_with(|| Entry::new(StepState::Running));
            if matches!(entry.state, StepState::Finished(_)) {
                return;
            }
            entry.state = state;
            entry.group = group;
            all.wake.clone()
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
                self.set(&workflow, &record.step.node_id, StepState::Finished(result), None);
            } else if dir.exit_code().is_some() || record.is_alive() {
                self.set(&workflow, &record.step.node_id, StepState::Running, Some(record.pid));
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
                None => {
                    // A shell that was killed with its commands could not write the code.
                    let code = dir.exit_code().unwrap_or(137);
                    let work = this.work_dir(&workflow, &dir);
                    Pod::new(&this.0.config, &record.step, &dir, work).collect(code).await
                }
            };
            if let Err(error) = dir.save_result(&result) {
                tracing::warn!(node = record.step.node_id, %error, "the result of a step could not be kept");
            }
            this.set(&workflow, &record.step.node_id, StepState::Finished(result), None);
        });
    }

    fn work_dir(&self, workflow: &WorkflowId, dir: &StepDir) -> PathBuf {
        if self.0.config.shared_workspace { self.workspace(workflow) } else { dir.path().join("work") }
    }

    /// Starts the processes of a step, or says how it ends without any.
    async fn spawn(&self, workflow: &WorkflowId, step: &StepRequest, dir: &StepDir) -> Result<u32, StepResult> {
        let io = |what: &'static str| move |error: std::io::Error| StepResult::error(format!("{what}: {error}"));
        dir.reset().map_err(io("preparing the step's directory"))?;
        let work = self.work_dir(workflow, dir);
        std::fs::create_dir_all(&work).map_err(io("making the working directory"))?;
        let prepared = Pod::new(&self.0.config, step, dir, work).prepare().await;
        let names = prepared.map_err(|it| match it {
            Refused::Error(message) => StepResult::error(message),
            Refused::Failed(message) => StepResult { message, ..StepResult::exited(64) },
        })?;
        let mut shell = Command::new("/bin/sh");
        shell
            .arg("-c")
            .arg(files::SUPERVISOR)
            .arg("argo-step")
            .arg(dir.path())
            .args([&names.inits, &names.mains, &names.sidecars].map(|it| it.join(" ")))
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", &self.0.config.path)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .process_group(0);
        dir.save_record(&Record::intended(step.clone())).map_err(io("keeping the step's record"))?;
        let child = shell.spawn().map_err(io("starting the step's process"))?;
        let pid = child.id().ok_or_else(|| StepResult::error("the step's process ended before it was seen"))?;
        let record = Record::new(step.clone(), pid);
        dir.save_record(&record).map_err(io("keeping the step's record"))?;
        self.watch(workflow.clone(), dir.clone(), record, Some(child));
        Ok(pid)
    }

    /// Does a step from its beginning, in the background.
    async fn run(&self, workflow: &WorkflowId, step: &StepRequest) {
        let dir = match self.dir(workflow, &step.node_id) {
            Ok(dir) => dir,
            Err(error) => {
                self.set(workflow, &step.node_id, StepState::Finished(StepResult::error(error.to_string())), None);
                return;
            }
        };
        let kind = step.template.kind();
        let work = kind.and_then(|it| self.0.config.work.get(it.field()).cloned());
        #[cfg(feature = "http")]
        let work = work.or_else(|| match kind {
            Some(TemplateType::Http | TemplateType::Plugin) => {
                let work = AgentWork::new(self.0.config.lookup.clone()).plugins(self.0.config.plugins.clone());
                Some(Arc::new(work) as Arc<dyn Work>)
            }
            _ => None,
        });
        let ended = match (work, kind) {
            (Some(work), _) => {
                self.set(workflow, &step.node_id, StepState::Running, None);
                let ended = work.run(step).await;
                Pod::new(&self.0.config, step, &dir, self.work_dir(workflow, &dir)).logged(ended).await
            }
            (None, Some(TemplateType::Container | TemplateType::Script | TemplateType::ContainerSet)) => {
                match self.spawn(workflow, step, &dir).await {
                    Ok(pid) => {
                        let stopped = {
                            let state = self.lock();
                            let entry = state.workflows.get(workflow).and_then(|it| it.get(&step.node_id));
                            entry.is_some_and(|it| it.stopped)
                        };
                        self.set(workflow, &step.node_id, StepState::Running, Some(pid));
                        if stopped {
                            self.end_group(workflow, &step.node_id, pid).await;
                        }
                        return;
                    }
                    Err(result) => result,
                }
            }
            (None, kind) => {
                let kind = kind.map_or("unknown", TemplateType::field);
                StepResult::error(format!("templates of type {kind} are not supported by the process executor"))
            }
        };
        if let Err(error) = dir.save_record(&Record::intended(step.clone())).and_then(|()| dir.save_result(&ended)) {
            tracing::warn!(node = step.node_id, %error, "the result of a step could not be kept");
        }
        self.set(workflow, &step.node_id, StepState::Finished(ended), None);
    }

    /// Politely first, then by force.
    async fn end_group(&self, workflow: &WorkflowId, node_id: &str, group: u32) {
        if let Ok(dir) = self.dir(workflow, node_id) {
            let _ = std::fs::write(dir.path().join("stop"), b"");
        }
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
    }
}

#[async_trait::async_trait]
impl Executor for ProcessExecutor {
    async fn start(&self, step: &StepRequest, _now: Timestamp) -> Result<(), ExecutorError> {
        let workflow = WorkflowId::of(step);
        // Claimed before anything is done: two starts of one id are one.
        let mut state = self.lock();
        let steps = state.workflows.entry(workflow.clone()).or_default();
        if steps.contains_key(&step.node_id) {
            return Ok(());
        }
        let mut entry = Entry::new(StepState::Pending(String::new()));
        let (this, own) = (self.clone(), step.clone());
        let task = tokio::spawn(async move { this.run(&workflow, &own).await });
        entry.task = Some(task.abort_handle());
        steps.insert(step.node_id.clone(), entry);
        Ok(())
    }

    async fn stop(&self, workflow: &WorkflowId, node_id: &str) -> Result<(), ExecutorError> {
        let (group, works) = {
            let mut state = self.lock();
            let entry = state.workflows.get_mut(workflow).and_then(|it| it.get_mut(node_id));
            let Some(entry) = entry.filter(|it| it.state.is_active() && !it.stopped) else { return Ok(()) };
            entry.stopped = true;
            let works = entry.group.is_none() && entry.state == StepState::Running;
            if works && let Some(task) = &entry.task {
                task.abort();
            }
            (entry.group, works)
        };
        if let Some(group) = group {
            self.end_group(workflow, node_id, group).await;
        } else if works {
            self.set(workflow, node_id, StepState::Finished(StepResult::exited(143)), None);
        }
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

    fn collects_garbage(&self) -> bool {
        true
    }

    async fn collect_garbage(&self, request: &GarbageRequest) -> Result<(), ExecutorError> {
        self.delete_artifacts(request);
        Ok(())
    }

    fn garbage(&self, workflow: &WorkflowId) -> BTreeMap<String, GarbageState> {
        self.lock().garbage.get(workflow).cloned().unwrap_or_default()
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

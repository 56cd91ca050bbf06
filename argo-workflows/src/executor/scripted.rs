//! [`ScriptedExecutor`]: steps end as a script says, at the times it says.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argo_core::{Timestamp, time};

#[cfg(feature = "process")]
use super::process::Work;
use super::{Executor, ExecutorError, Wake, WorkflowId};
use crate::{
    api::{Artifact, ArtifactResult, HttpTemplate},
    engine::{GarbageRequest, GarbageResult, GarbageState, HttpAnswer, LiveStep, StepRequest, StepResult, StepState},
};

/// How one step goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// How long it runs; zero by default.
    pub takes: Duration,
    /// How it ends.
    pub result: StepResult,
}

impl Script {
    /// Succeeds at once.
    #[must_use]
    pub fn succeeds() -> Self {
        Self { takes: Duration::ZERO, result: StepResult::succeeded() }
    }

    /// The main container ends with this code at once.
    #[must_use]
    pub fn exits(code: i32) -> Self {
        Self { takes: Duration::ZERO, result: StepResult::exited(code) }
    }

    /// An HTTP step gets this answer at once; its own `successCondition` decides what it comes to.
    #[must_use]
    pub fn answers(step: &StepRequest, answer: &HttpAnswer) -> Self {
        Self::ends(match HttpTemplate::of(&step.template) {
            Ok(http) => http.judge(answer),
            Err(message) => StepResult::error(message),
        })
    }

    /// Ends as given.
    #[must_use]
    pub fn ends(result: StepResult) -> Self {
        Self { takes: Duration::ZERO, result }
    }

    /// Runs this long.
    #[must_use]
    pub fn after(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }
}

type Answer = Arc<dyn Fn(&StepRequest) -> Script + Send + Sync>;

/// A step that is done for real is due when it is done.
#[cfg(feature = "process")]
const OPEN: Timestamp = Timestamp::MAX;

/// Steps end as a script says. The script is asked by node name (`wf.build(0)`, display names too), by
/// template, then for everything else; without an answer a step succeeds at once. A step gives the
/// output parameters that its template declares: those that the script sets, else an empty text. A daemon
/// is ready at once, at 127.0.0.1. An HTTP step can be given an answer ([`Script::answers`]), which its own
/// `successCondition` judges.
///
/// Time is the caller's: [`ScriptedExecutor::advance`] moves it.
pub struct ScriptedExecutor {
    answers: BTreeMap<String, Answer>,
    otherwise: Option<Answer>,
    deletes: Option<Deletes>,
    #[cfg(feature = "process")]
    work: BTreeMap<&'static str, Arc<dyn Work>>,
    state: Arc<Mutex<State>>,
}

type Deletes = Arc<dyn Fn(&str, &Artifact) -> Result<(), String> + Send + Sync>;

#[derive(Default)]
struct State {
    garbage: BTreeMap<WorkflowId, BTreeMap<String, GarbageState>>,
    deleted: Vec<String>,
    now: Option<Timestamp>,
    steps: BTreeMap<WorkflowId, BTreeMap<String, Step>>,
    started: Vec<String>,
    wake: Option<Wake>,
}

struct Step {
    due: Timestamp,
    result: StepResult,
    stopped: bool,
    is_daemon: bool,
}

impl ScriptedExecutor {
    /// Every step succeeds at once.
    #[must_use]
    pub fn new() -> Self {
        Self {
            answers: BTreeMap::new(),
            otherwise: None,
            deletes: None,
            #[cfg(feature = "process")]
            work: BTreeMap::new(),
            state: Arc::default(),
        }
    }

    /// Has templates of this type done for real where no script names them: `http` with the network of this
    /// process, say. Only a controller in a tokio runtime can: [`ScriptedExecutor::begin`] does not.
    #[cfg(feature = "process")]
    #[must_use]
    pub fn work(mut self, kind: crate::api::TemplateType, work: Arc<dyn Work>) -> Self {
        self.work.insert(kind.field(), work);
        self
    }

    /// Steps of this node or template go so.
    #[must_use]
    pub fn on(self, name: impl Into<String>, script: Script) -> Self {
        self.with(name, move |_| script.clone())
    }

    /// Steps of this node or template go as the function says.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        answer: impl Fn(&StepRequest) -> Script + Send + Sync + 'static,
    ) -> Self {
        self.answers.insert(name.into(), Arc::new(answer));
        self
    }

    /// All other steps go as the function says.
    #[must_use]
    pub fn otherwise(mut self, answer: impl Fn(&StepRequest) -> Script + Send + Sync + 'static) -> Self {
        self.otherwise = Some(Arc::new(answer));
        self
    }

    /// Artifacts are deleted as the function says, given a node's id and an artifact; by default they are.
    #[must_use]
    pub fn deletes(mut self, answer: impl Fn(&str, &Artifact) -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.deletes = Some(Arc::new(answer));
        self
    }

    /// Names of the artifacts that were deleted, in order.
    #[must_use]
    pub fn deleted(&self) -> Vec<String> {
        self.lock().deleted.clone()
    }

    /// Names of the nodes started, in order; a node twice would be a fault.
    #[must_use]
    pub fn started(&self) -> Vec<String> {
        self.lock().started.clone()
    }

    /// When the next step ends.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let state = self.lock();
        let now = state.now?;
        let open = state.steps.values().flat_map(BTreeMap::values).filter(|it| !it.stopped && it.due > now);
        open.map(|it| it.due).filter(|it| *it < Timestamp::MAX).min()
    }

    /// Moves time on.
    pub fn advance(&self, now: Timestamp) {
        let mut state = self.lock();
        let before = state.now.replace(now);
        let due: Vec<_> = state
            .steps
            .iter()
            .filter(|(_, steps)| {
                steps.values().any(|it| !it.stopped && it.due <= now && before.is_none_or(|before| it.due > before))
            })
            .map(|(workflow, _)| workflow.key.clone())
            .collect();
        let wake = state.wake.clone();
        drop(state);
        if let Some(wake) = wake {
            due.iter().for_each(|it| wake(it));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, step: &StepRequest) -> Option<&Answer> {
        let display = step.node_name.rsplit(['.', ']']).next().unwrap_or_default();
        let base = display.split('(').next().unwrap_or_default();
        let template = step.template.name();
        let named = [step.node_name.as_str(), display, template, base];
        named.iter().find_map(|it| self.answers.get(*it)).or(self.otherwise.as_ref())
    }

    fn script(&self, step: &StepRequest) -> Script {
        self.answer(step).map_or_else(Script::succeeds, |it| it(step))
    }

    /// Does a step for real, where somebody is there for it. Says whether.
    #[cfg(feature = "process")]
    fn do_it(&self, step: &StepRequest, now: Timestamp) -> bool {
        let work = step.template.kind().and_then(|it| self.work.get(it.field())).cloned();
        let Some(work) = work.filter(|_| self.answer(step).is_none()) else { return false };
        let workflow = WorkflowId::of(step);
        let mut state = self.lock();
        state.now = Some(state.now.map_or(now, |it| it.max(now)));
        let steps = state.steps.entry(workflow.clone()).or_default();
        if steps.contains_key(&step.node_id) {
            return true;
        }
        let open = Step { due: OPEN, result: StepResult::default(), stopped: false, is_daemon: false };
        steps.insert(step.node_id.clone(), open);
        state.started.push(step.node_name.clone());
        drop(state);
        let (step, state) = (step.clone(), self.state.clone());
        tokio::spawn(async move {
            let result = work.run(&step).await;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let due = state.now.unwrap_or(now);
            let own = state.steps.get_mut(&workflow).and_then(|it| it.get_mut(&step.node_id));
            if let Some(own) = own.filter(|it| !it.stopped) {
                (own.due, own.result) = (due, result);
            }
            let wake = state.wake.clone();
            drop(state);
            if let Some(wake) = wake {
                wake(&step.workflow);
            }
        });
        true
    }
}

impl Default for ScriptedExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ScriptedExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedExecutor").field("answers", &self.answers.keys()).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Executor for ScriptedExecutor {
    async fn start(&self, step: &StepRequest, now: Timestamp) -> Result<(), ExecutorError> {
        #[cfg(feature = "process")]
        if self.do_it(step, now) {
            return Ok(());
        }
        self.begin(step, now);
        Ok(())
    }

    async fn stop(&self, workflow: &WorkflowId, node_id: &str) -> Result<(), ExecutorError> {
        self.end(workflow, node_id);
        Ok(())
    }

    fn observe(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        let state = self.lock();
        let Some(steps) = state.steps.get(workflow) else { return BTreeMap::new() };
        let now = state.now;
        let of = |it: &Step| {
            if it.stopped || now.is_some_and(|now| it.due <= now) {
                StepState::Finished(it.result.clone())
            } else if it.is_daemon {
                let pod_ip = Some("127.0.0.1".to_owned());
                StepState::Live(LiveStep { ready: true, pod_ip, ..LiveStep::default() })
            } else {
                StepState::Running
            }
        };
        steps.iter().map(|(id, it)| (id.clone(), of(it))).collect()
    }

    fn workflows(&self, key: &argo_core::ObjectKey) -> Vec<WorkflowId> {
        self.lock().steps.keys().filter(|it| it.key == *key).cloned().collect()
    }

    async fn release(&self, workflow: &WorkflowId) -> Result<(), ExecutorError> {
        self.forget(workflow);
        Ok(())
    }

    fn collects_garbage(&self) -> bool {
        true
    }

    async fn collect_garbage(&self, request: &GarbageRequest) -> Result<(), ExecutorError> {
        self.collect(request);
        Ok(())
    }

    fn garbage(&self, workflow: &WorkflowId) -> BTreeMap<String, GarbageState> {
        self.lock().garbage.get(workflow).cloned().unwrap_or_default()
    }

    fn announce_to(&self, wake: Wake) {
        self.lock().wake = Some(wake);
    }
}

impl ScriptedExecutor {
    /// [`Executor::start`] without waiting.
    pub fn begin(&self, step: &StepRequest, now: Timestamp) {
        let workflow = WorkflowId::of(step);
        let script = self.script(step);
        let mut state = self.lock();
        state.now = Some(state.now.map_or(now, |it| it.max(now)));
        let steps = state.steps.entry(workflow).or_default();
        if steps.contains_key(&step.node_id) {
            return;
        }
        let due = time::after(now, script.takes);
        let mut result = script.result;
        if step.template.http.is_some() || step.template.plugin.is_some() {
            // There is no container that could have a code, and the answer is always kept.
            result.exit_code = None;
        } else if !step.include_result {
            result.result = None;
        } else if result.result.is_none() && result.exit_code.is_some() {
            result.result = Some(String::new());
        }
        if result.phase == crate::api::NodePhase::Succeeded {
            for it in step.template.outputs.iter().flat_map(|it| &it.parameters) {
                let default = it.value_from.as_ref().and_then(|it| it.default.as_ref());
                if default.is_none() {
                    result.parameters.entry(it.name.clone()).or_default();
                }
            }
        }
        result.finished_at = result.finished_at.or(Some(due));
        steps.insert(
            step.node_id.clone(),
            Step { due, result, stopped: false, is_daemon: step.template.daemon == Some(true) },
        );
        state.started.push(step.node_name.clone());
        let wake = state.wake.clone();
        drop(state);
        if let Some(wake) = wake {
            wake(&step.workflow);
        }
    }

    /// [`Executor::collect_garbage`] without waiting.
    pub fn collect(&self, request: &GarbageRequest) {
        let workflow = WorkflowId { key: request.key(), uid: request.workflow_uid.clone() };
        let mut state = self.lock();
        let mut result = GarbageResult::default();
        for (id, node) in &request.spec.artifacts_by_node {
            let results = &mut result.nodes.entry(id.clone()).or_default().artifact_results;
            for (name, artifact) in &node.artifacts {
                let done = self.deletes.as_ref().map_or(Ok(()), |it| it(id, artifact));
                if done.is_ok() {
                    state.deleted.push(name.clone());
                }
                let one = ArtifactResult { name: name.clone(), success: done.is_ok(), error: done.err() };
                results.insert(name.clone(), one);
            }
        }
        let known = state.garbage.entry(workflow).or_default();
        known.entry(request.name.clone()).or_insert(GarbageState::Finished(result));
        let wake = state.wake.clone();
        drop(state);
        if let Some(wake) = wake {
            wake(&request.key());
        }
    }

    /// [`Executor::stop`] without waiting.
    pub fn end(&self, workflow: &WorkflowId, node_id: &str) {
        let mut state = self.lock();
        let now = state.now;
        let step = state.steps.get_mut(workflow).and_then(|it| it.get_mut(node_id));
        if let Some(step) = step.filter(|it| now.is_none_or(|now| it.due > now)) {
            step.stopped = true;
            step.result = StepResult::exited(143);
        }
    }

    /// [`Executor::release`] without waiting.
    pub fn forget(&self, workflow: &WorkflowId) {
        self.lock().steps.remove(workflow);
    }
}

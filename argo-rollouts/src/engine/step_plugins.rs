//! Steps of somebody else's making: when a plugin is called, and what its answers mean.

use std::time::Duration;

use argo_core::{Note, Timestamp, time};
use argo_lang::duration;
use serde_json::Value;

use super::{Effect, pass::Pass};
use crate::api::{StepPluginStatus, names};
use names::{plugin as phase, reason};

/// How soon a plugin that failed to answer, or could not be called, is called again.
const ERROR_BACKOFF: Duration = Duration::from_secs(30);
/// How soon a plugin that has more to do is called again, by default and at least.
const RUNNING_BACKOFF: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// What a plugin is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum StepOperation {
    /// Its step.
    Run,
    /// Stop, as the update is promoted in full.
    Terminate,
    /// Undo, as the update was given up.
    Abort,
}

impl StepOperation {
    /// As it stands in the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "Run",
            Self::Terminate => "Terminate",
            Self::Abort => "Abort",
        }
    }
}

/// A call of a step plugin.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepCall {
    /// The step.
    pub index: i64,
    /// The plugin.
    pub name: String,
    /// What it is to do.
    pub operation: StepOperation,
    /// The step's `config`.
    pub config: Value,
    /// What the plugin remembered of its last run.
    pub status: Option<Value>,
}

/// What a step plugin answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepAnswer {
    /// `Running`, `Successful`, `Failed` or `Error`; empty for no change.
    pub phase: String,
    /// Why.
    pub message: String,
    /// When to be called again while it runs; 30 s, at least 10 s.
    pub requeue_after: Option<Duration>,
    /// What to remember.
    pub status: Option<Value>,
}

impl Pass<'_> {
    /// Calls the plugins that are due, and takes in what they answered.
    pub(crate) fn reconcile_step_plugins(&mut self) {
        let mut statuses = self.ro.status.canary.step_plugin_statuses.clone();
        if self.is_aborted() {
            let runs: Vec<_> =
                statuses.iter().filter(|it| it.operation == StepOperation::Run.as_str()).cloned().collect();
            for run in runs.iter().rev().filter(|it| !it.disabled) {
                if [phase::RUNNING, phase::SUCCESSFUL].contains(&run.phase.as_str()) {
                    self.end_step(run, StepOperation::Abort, &mut statuses);
                }
            }
        } else if self.ro.status.promote_full || self.is_fully_promoted() {
            let last = statuses.iter().rposition(|it| it.operation == "Run" && it.phase == phase::RUNNING);
            if let Some(run) = last.map(|it| statuses[it].clone()) {
                self.end_step(&run, StepOperation::Terminate, &mut statuses);
            }
        } else {
            self.run_step(&mut statuses);
        }
        self.next.canary.step_plugin_statuses = statuses;
    }

    /// Whether the plugin of the step under way is done.
    pub(crate) fn is_step_plugin_done(&self) -> bool {
        let index = i64::try_from(self.current_step().0).unwrap_or(i64::MAX);
        let statuses = &self.next.canary.step_plugin_statuses;
        let of = |operation: StepOperation| {
            statuses.iter().find(|it| it.index == index && it.operation == operation.as_str())
        };
        let Some(run) = of(StepOperation::Run) else { return false };
        let ended = of(StepOperation::Terminate).is_some() || of(StepOperation::Abort).is_some();
        run.disabled
            || [phase::FAILED, phase::SUCCESSFUL].contains(&run.phase.as_str())
            || run.phase == phase::RUNNING && ended
    }

    fn run_step(&mut self, statuses: &mut Vec<StepPluginStatus>) {
        let (index, step) = self.current_step();
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let plugin = step.and_then(|it| it.plugin.clone());
        let first = |it: &StepPluginStatus| it.index == 0 && it.operation == "Run";
        let ended =
            |it: &StepPluginStatus| it.disabled || [phase::FAILED, phase::SUCCESSFUL].contains(&it.phase.as_str());
        // At the first step again after an abort: what was done then does not count.
        if index == 0 && step.is_some() && (plugin.is_none() || statuses.iter().any(|it| first(it) && ended(it))) {
            statuses.clear();
        }
        let Some(plugin) = plugin else { return };
        if self.ro.status.phase != names::phase::PROGRESSING {
            return;
        }
        let name = plugin.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let found = statuses.iter().position(|it| it.index == index && it.operation == "Run" && it.name == name);
        let mut status = found.map(|it| statuses[it].clone()).unwrap_or_else(|| StepPluginStatus {
            index,
            name: name.clone(),
            operation: StepOperation::Run.as_str().to_owned(),
            phase: phase::RUNNING.to_owned(),
            started_at: Some(self.now.into()),
            ..Default::default()
        });
        if self.world.step_plugins.get(&name) == Some(&false) {
            status =
                StepPluginStatus { disabled: true, index, name, operation: "Run".to_owned(), ..Default::default() };
            return put(statuses, status);
        }
        if [phase::FAILED, phase::SUCCESSFUL].contains(&status.phase.as_str()) {
            return self.fail_step(&status);
        }
        if let Some(due) = due(&status).filter(|it| *it > self.now) {
            return self.plan.wake_at(due);
        }
        let call = StepCall {
            index,
            name,
            operation: StepOperation::Run,
            config: plugin.get("config").cloned().unwrap_or_default(),
            status: status.status.clone(),
        };
        let Some(answer) = self.answer_of(&call) else { return };
        let before = found.map(|_| status.phase.clone());
        status.backoff.clear();
        status.updated_at = Some(self.now.into());
        status.executions += 1;
        match answer {
            Ok(answer) => {
                status.message = answer.message;
                if !answer.phase.is_empty() {
                    status.phase = answer.phase;
                }
                if status.phase != phase::ERROR {
                    status.status = answer.status;
                }
                if status.phase == phase::RUNNING {
                    let wait = answer.requeue_after.filter(|it| *it > RUNNING_BACKOFF.1).unwrap_or(RUNNING_BACKOFF.0);
                    status.backoff = text(wait);
                }
            }
            Err(message) => {
                status.phase = phase::ERROR.to_owned();
                status.message = message;
            }
        }
        if status.phase == phase::ERROR {
            status.backoff = text(ERROR_BACKOFF);
        }
        if [phase::FAILED, phase::SUCCESSFUL].contains(&status.phase.as_str()) {
            status.finished_at = Some(self.now.into());
        }
        if before.as_ref() != Some(&status.phase) && status.phase != phase::SUCCESSFUL {
            self.note_step(&status, "transitioned to {phase}");
        }
        if let Some(due) = due(&status) {
            self.plan.wake_at(due);
        }
        self.fail_step(&status);
        put(statuses, status);
    }

    fn fail_step(&mut self, status: &StepPluginStatus) {
        if status.phase == phase::FAILED {
            let (step, name, message) = (status.index + 1, &status.name, &status.message);
            self.pauses.abort(format!("Step Plugin {step} ({name}) failed: {message}"));
        }
    }

    /// Terminates or aborts what a plugin began; once.
    fn end_step(&mut self, run: &StepPluginStatus, operation: StepOperation, statuses: &mut Vec<StepPluginStatus>) {
        let at = usize::try_from(run.index).unwrap_or(usize::MAX);
        let plugin = self.ro.spec.steps().get(at).and_then(|it| it.plugin.clone());
        let known = statuses.iter().any(|it| it.index == run.index && it.operation == operation.as_str());
        let Some(plugin) = plugin.filter(|_| !known) else { return };
        let call = StepCall {
            index: run.index,
            name: run.name.clone(),
            operation,
            config: plugin.get("config").cloned().unwrap_or_default(),
            status: run.status.clone(),
        };
        let Some(answer) = self.answer_of(&call) else { return };
        let (phase, message) = match answer {
            Err(message) => (phase::ERROR.to_owned(), message),
            Ok(it) if it.phase.is_empty() => (phase::SUCCESSFUL.to_owned(), it.message),
            // It can not take its time.
            Ok(it) if it.phase == phase::RUNNING => (phase::FAILED.to_owned(), it.message),
            Ok(it) => (it.phase, it.message),
        };
        let status = StepPluginStatus {
            index: run.index,
            name: run.name.clone(),
            operation: operation.as_str().to_owned(),
            phase,
            message,
            started_at: Some(self.now.into()),
            finished_at: Some(self.now.into()),
            ..Default::default()
        };
        let how = if operation == StepOperation::Abort { "aborted ({phase})" } else { "terminated ({phase})" };
        self.note_step(&status, how);
        put(statuses, status);
    }

    /// What the plugin answered; it is asked when it has not been.
    fn answer_of(&mut self, call: &StepCall) -> Option<Result<StepAnswer, String>> {
        let answer = self.world.step_answers.iter().find(|it| it.0 == *call);
        if answer.is_none() {
            self.plan.effect(Effect::Step(call.clone()));
        }
        answer.map(|it| it.1.clone())
    }

    fn note_step(&mut self, status: &StepPluginStatus, how: &str) {
        let how = how.replace("{phase}", &status.phase);
        let message = format!("Step plugin {} (step {}) {how}", status.name, status.index + 1);
        let bad = [phase::ERROR, phase::FAILED].contains(&status.phase.as_str());
        self.plan.note(if bad {
            Note::warning(reason::STEP_PLUGIN, message)
        } else {
            Note::normal(reason::STEP_PLUGIN, message)
        });
    }
}

/// When a plugin that was called is to be called again.
fn due(status: &StepPluginStatus) -> Option<Timestamp> {
    let wait = duration::parse(&status.backoff).ok()?;
    let wait = u64::try_from(wait.as_millis()).ok()?;
    Some(time::after(status.updated_at?.timestamp(), Duration::from_millis(wait)))
}

fn text(wait: Duration) -> String {
    duration::parse(&format!("{}ms", wait.as_millis())).map(duration::format).unwrap_or_default()
}

fn put(statuses: &mut Vec<StepPluginStatus>, status: StepPluginStatus) {
    match statuses.iter_mut().find(|it| it.index == status.index && it.operation == status.operation) {
        Some(known) => *known = status,
        None => statuses.push(status),
    }
}

//! [`StepPlugin`]: steps of a canary that somebody else makes.
//!
//! | implementation | does | name |
//! |---|---|---|
//! | [`Scripted`] | nothing; answers as it is told | any |
//!
//! A plugin is registered under the name that `plugin.name` of a step uses.

use std::{collections::BTreeMap, fmt, sync::Arc};

use argo_core::{BoxFailure, Object};

pub use crate::engine::{StepAnswer, StepCall, StepOperation};

/// Carries out a step of a canary.
///
/// Contract: a call may be repeated, as another process may make it anew after a crash; what a plugin
/// must remember between calls it returns as `status`, which comes back with the next call. No call
/// may take long: what takes its time answers `Running` and is called again.
#[async_trait::async_trait]
pub trait StepPlugin: Send + Sync + fmt::Debug {
    /// Begins the step, or looks how far it is.
    ///
    /// # Errors
    /// When the call failed; it is made again after 30 s. A step that went wrong answers `Failed`,
    /// which aborts the update.
    async fn run(&self, rollout: &Object, call: &StepCall) -> Result<StepAnswer, BoxFailure>;

    /// Stops the step, as the update is promoted in full.
    ///
    /// # Errors
    /// When the call failed; it is not made again.
    async fn terminate(&self, _: &Object, _: &StepCall) -> Result<StepAnswer, BoxFailure> {
        Ok(StepAnswer::default())
    }

    /// Undoes the step, as the update was given up; the last step first.
    ///
    /// # Errors
    /// When the call failed; it is not made again.
    async fn abort(&self, _: &Object, _: &StepCall) -> Result<StepAnswer, BoxFailure> {
        Ok(StepAnswer::default())
    }
}

/// The step plugins of a controller, by name. One that is switched off counts as done.
#[derive(Debug, Clone, Default)]
pub struct StepPlugins(BTreeMap<String, Option<Arc<dyn StepPlugin>>>);

impl StepPlugins {
    /// Adds or replaces the plugin of a name.
    pub fn register(&mut self, name: impl Into<String>, plugin: Arc<dyn StepPlugin>) {
        self.0.insert(name.into(), Some(plugin));
    }

    /// Steps of this name count as done at once.
    pub fn disable(&mut self, name: impl Into<String>) {
        self.0.insert(name.into(), None);
    }

    /// The names, and whether each is switched on.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, bool> {
        self.0.iter().map(|(name, it)| (name.clone(), it.is_some())).collect()
    }

    /// Makes a call.
    ///
    /// # Errors
    /// What went wrong, as text.
    pub async fn call(&self, rollout: &Object, call: &StepCall) -> Result<StepAnswer, String> {
        let Some(Some(plugin)) = self.0.get(&call.name) else {
            return Err(format!("no step plugin is registered under the name \"{}\"", call.name));
        };
        let answer = match call.operation {
            StepOperation::Run => plugin.run(rollout, call).await,
            StepOperation::Terminate => plugin.terminate(rollout, call).await,
            StepOperation::Abort => plugin.abort(rollout, call).await,
        };
        answer.map_err(|it| it.to_string())
    }
}

/// Answers one after the other, the last one over and over, and remembers its calls; for tests.
#[derive(Debug, Default)]
pub struct Scripted {
    answers: Vec<StepAnswer>,
    calls: std::sync::Mutex<Vec<StepCall>>,
}

impl Scripted {
    /// Answers to `Run`.
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = StepAnswer>) -> Self {
        Self { answers: answers.into_iter().collect(), calls: std::sync::Mutex::default() }
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<StepCall> {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn note(&self, call: &StepCall) -> usize {
        let mut calls = self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        calls.push(call.clone());
        calls.iter().filter(|it| it.operation == StepOperation::Run).count()
    }
}

#[async_trait::async_trait]
impl StepPlugin for Scripted {
    async fn run(&self, _: &Object, call: &StepCall) -> Result<StepAnswer, BoxFailure> {
        let at = self.note(call).min(self.answers.len());
        Ok(self.answers.get(at.wrapping_sub(1)).cloned().unwrap_or_default())
    }

    async fn terminate(&self, _: &Object, call: &StepCall) -> Result<StepAnswer, BoxFailure> {
        self.note(call);
        Ok(StepAnswer::default())
    }

    async fn abort(&self, _: &Object, call: &StepCall) -> Result<StepAnswer, BoxFailure> {
        self.note(call);
        Ok(StepAnswer::default())
    }
}

//! What passes over different workflows share: locks and places.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use argo_core::{ObjectKey, runtime::Cache};
use serde::Deserialize;

use crate::{
    api::Workflow,
    engine::{Admission, AdmissionLimits, Claims, Locks},
};

/// Holds nothing that is not in a status: made from the workflows when the controller starts.
#[derive(Clone)]
pub(super) struct Shared {
    state: Arc<Mutex<State>>,
    is_unlimited: Arc<AtomicBool>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) locks: Locks,
    /// What was asked of the database: in no status, and asked again where it is lost.
    pub(super) claims: Claims,
    pub(super) admission: Admission,
    restored: bool,
}

impl Shared {
    pub(super) fn new(limits: AdmissionLimits) -> Self {
        let is_unlimited = limits.is_unlimited();
        let state = State { admission: Admission::new(limits), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), is_unlimited: Arc::new(AtomicBool::new(is_unlimited)) }
    }

    /// Whether any number of workflows may run.
    pub(super) fn is_unlimited(&self) -> bool {
        self.is_unlimited.load(Ordering::Relaxed)
    }

    /// Changes how many workflows may run; returns those that may begin now.
    pub(super) fn set_limits(&self, limits: AdmissionLimits) -> Vec<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !limits.is_unlimited() && self.is_unlimited() {
            // Who runs was not looked at so far.
            state.restored = false;
        }
        self.is_unlimited.store(limits.is_unlimited(), Ordering::Relaxed);
        state.admission.set_limits(limits)
    }

    /// The table, to look at, decide by and put the result back in one go. The first to come makes it.
    pub(super) fn enter(&self, workflows: &Cache, instance_id: Option<&str>) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.restored {
            state.restored = true;
            for object in workflows.list() {
                if object.label(crate::api::LABEL_CONTROLLER_INSTANCE_ID) != instance_id {
                    continue;
                }
                if let Ok(workflow) = Workflow::deserialize(object.value()) {
                    let _ = state.observe(&workflow);
                }
            }
        }
        state
    }

    /// The workflows that a change of a ConfigMap may let go on.
    pub(super) fn waiting_for(&self, config_map: &ObjectKey) -> BTreeSet<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.locks.waiting_for_config_map(config_map.namespace(), &config_map.name)
    }

    /// Every lock that is held or waited for: its name, how many hold it, how many wait.
    pub(super) fn locks(&self) -> Vec<(String, usize, usize)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.locks.iter().map(|(lock, held, waiting)| (lock.to_owned(), held, waiting)).collect()
    }

    /// Forgets a workflow that is gone.
    pub(super) fn forget(&self, key: &ObjectKey) -> BTreeSet<String> {
        let key = text(key);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = state.locks.forget(&key);
        woken.extend(state.admission.forget(&key));
        woken
    }
}

impl State {
    /// Takes in the state of a workflow; returns whom to look at again.
    pub(super) fn observe(&mut self, workflow: &Workflow) -> BTreeSet<String> {
        let mut woken = self.locks.observe(workflow);
        woken.extend(self.admission.observe(workflow));
        woken
    }
}

fn text(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace(), key.name)
}

/// The key of `namespace/name`.
pub(super) fn key_of(text: &str) -> ObjectKey {
    let (namespace, name) = text.split_once('/').unwrap_or(("", text));
    ObjectKey::new(Some(namespace).filter(|it| !it.is_empty()), name)
}

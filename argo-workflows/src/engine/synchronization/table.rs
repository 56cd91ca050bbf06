//! [`Locks`]: who holds what and who waits for it, over all workflows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use argo_core::Timestamp;

use crate::api::{Workflow, WorkflowSpec};

/// A place in the queue of every lock a workflow waits for: higher priority first, then the older, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    priority: Reverse<i64>,
    created: Timestamp,
    /// `<namespace>/<name>`.
    pub(super) workflow: String,
}

impl Turn {
    /// The turn of `workflow`, which runs `spec`.
    pub(super) fn of(workflow: &Workflow, spec: &WorkflowSpec) -> Self {
        let created = workflow.metadata.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, argo_core::Time::timestamp);
        Self { priority: Reverse(spec.priority.unwrap_or_default()), created, workflow: key_of(workflow) }
    }
}

impl Turn {
    pub(super) fn priority(&self) -> i64 {
        self.priority.0
    }

    pub(super) fn created(&self) -> Timestamp {
        self.created
    }
}

/// `<namespace>/<name>` of a workflow.
pub(super) fn key_of(workflow: &Workflow) -> String {
    format!("{}/{}", workflow.namespace(), workflow.name())
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Lock {
    /// Holder by holder, with its workflow.
    holders: BTreeMap<String, String>,
    waiting: BTreeSet<Turn>,
}

/// Who holds which lock, and who waits for it: an index over `status.synchronization` of all workflows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locks {
    locks: BTreeMap<String, Lock>,
    /// What a workflow is in.
    workflows: BTreeMap<String, BTreeSet<String>>,
}

impl Locks {
    /// No lock is held.
    #[must_use]
    pub fn none() -> &'static Self {
        static NONE: OnceLock<Locks> = OnceLock::new();
        NONE.get_or_init(Self::default)
    }

    /// Takes in what a workflow holds and waits for now, in place of what was known of it. Returns the
    /// workflows (`namespace/name`) that should be looked at again because a place or a turn came to them.
    pub fn observe(&mut self, workflow: &Workflow) -> BTreeSet<String> {
        let key = key_of(workflow);
        let status = workflow.status.synchronization.as_ref().filter(|_| !workflow.status.phase.is_completed());
        let Some(status) = status else { return self.forget(&key) };
        let before = self.remove(&key);
        let spec = workflow.status.stored_workflow_template_spec.as_ref().unwrap_or(&workflow.spec);
        let turn = Turn::of(workflow, spec);
        let mut member = BTreeSet::new();
        for (lock, holder) in status.held() {
            let holder = current_form(holder, workflow);
            self.locks.entry(lock.to_owned()).or_default().holders.insert(holder, key.clone());
            member.insert(lock.to_owned());
        }
        for lock in status.awaited() {
            self.locks.entry(lock.to_owned()).or_default().waiting.insert(turn.clone());
            member.insert(lock.to_owned());
        }
        if !member.is_empty() {
            self.workflows.insert(key.clone(), member);
        }
        self.woken(&before, &key)
    }

    /// Forgets a workflow that is gone or over; returns whom to look at again.
    pub fn forget(&mut self, workflow: &str) -> BTreeSet<String> {
        let before = self.remove(workflow);
        self.woken(&before, workflow)
    }

    /// Takes a workflow out; returns what its locks were: `(lock, holders, first in the queue)`.
    fn remove(&mut self, workflow: &str) -> Vec<(String, usize, Option<Turn>)> {
        let mut before = Vec::new();
        for name in self.workflows.remove(workflow).unwrap_or_default() {
            let Some(lock) = self.locks.get_mut(&name) else { continue };
            before.push((name.clone(), lock.holders.len(), lock.waiting.first().cloned()));
            lock.holders.retain(|_, it| it != workflow);
            lock.waiting.retain(|it| it.workflow != workflow);
            if lock.holders.is_empty() && lock.waiting.is_empty() {
                self.locks.remove(&name);
            }
        }
        before
    }

    /// The first waiters of locks that have fewer holders or another first waiter than `before`.
    fn woken(&self, before: &[(String, usize, Option<Turn>)], but: &str) -> BTreeSet<String> {
        let mut woken = BTreeSet::new();
        for (name, holders, first) in before {
            let Some(lock) = self.locks.get(name) else { continue };
            if (lock.holders.len() < *holders || lock.waiting.first() != first.as_ref())
                && let Some(next) = lock.waiting.first().filter(|it| it.workflow != but)
            {
                woken.insert(next.workflow.clone());
            }
        }
        woken
    }

    /// The workflows that wait for a semaphore of this ConfigMap: its limit may have changed.
    #[must_use]
    pub fn waiting_for_config_map(&self, namespace: &str, name: &str) -> BTreeSet<String> {
        let prefix = format!("{namespace}/ConfigMap/{name}/");
        let named = self.locks.range(prefix.clone()..).take_while(|(lock, _)| lock.starts_with(&prefix));
        named.flat_map(|(_, it)| it.waiting.iter().map(|it| it.workflow.clone())).collect()
    }

    /// The holders of a lock (`namespace/workflow[/node id]`), sorted.
    #[must_use]
    pub fn holders(&self, lock: &str) -> Vec<&str> {
        self.locks.get(lock).map(|it| it.holders.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The workflows that wait for a lock, in the order of their turns.
    #[must_use]
    pub fn waiting(&self, lock: &str) -> Vec<&str> {
        self.locks.get(lock).map(|it| it.waiting.iter().map(|it| it.workflow.as_str()).collect()).unwrap_or_default()
    }

    /// Every lock that is held or waited for: `(lock, holders, waiters)`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.locks.iter().map(|(name, it)| (name.as_str(), it.holders.len(), it.waiting.len()))
    }

    /// The holders of a lock that are not of `workflow`.
    pub(super) fn others<'a>(&'a self, lock: &str, workflow: &'a str) -> impl Iterator<Item = &'a str> {
        let holders = self.locks.get(lock).into_iter().flat_map(|it| &it.holders);
        holders.filter(move |(_, it)| *it != workflow).map(|(holder, _)| holder.as_str())
    }

    /// Whether another workflow's turn comes before `turn`.
    pub(super) fn is_before(&self, lock: &str, turn: &Turn) -> bool {
        let first = self.locks.get(lock).and_then(|it| it.waiting.iter().find(|it| it.workflow != turn.workflow));
        first.is_some_and(|first| first < turn)
    }
}

/// Holders of versions before 3.6 do not name their workflow.
fn current_form(holder: &str, workflow: &Workflow) -> String {
    if holder.contains('/') {
        return holder.to_owned();
    }
    if holder == workflow.name() { key_of(workflow) } else { format!("{}/{holder}", key_of(workflow)) }
}

//! The locks of the workflow that a pass is about.

use super::{
    name::{LockKind, LockName},
    table::{Locks, Turn, key_of},
};
use crate::{
    api::{
        MutexHolding, MutexStatus, SemaphoreHolding, SemaphoreStatus, Synchronization, SynchronizationStatus, Workflow,
        WorkflowSpec,
    },
    engine::References,
};

/// Why locks were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Somebody else has one of them, or is first.
    Waiting {
        /// The first lock that is not to be had.
        lock: String,
        /// For people.
        message: String,
    },
    /// They can not be taken at all.
    Error(String),
}

/// What the workflow of a pass holds and waits for, as it changes under the pass.
pub(crate) struct OwnLocks<'a> {
    table: &'a Locks,
    references: &'a dyn References,
    namespace: String,
    workflow: String,
    turn: Turn,
    before: Option<&'a SynchronizationStatus>,
    status: SynchronizationStatus,
    /// Whether the lists of what is waited for were begun anew.
    fresh: bool,
}

impl<'a> OwnLocks<'a> {
    pub(crate) fn new(
        table: &'a Locks,
        references: &'a dyn References,
        workflow: &'a Workflow,
        spec: &WorkflowSpec,
    ) -> Self {
        let before = workflow.status.synchronization.as_ref();
        Self {
            table,
            references,
            namespace: workflow.namespace().to_owned(),
            workflow: key_of(workflow),
            turn: Turn::of(workflow, spec),
            before,
            status: before.cloned().unwrap_or_default(),
            fresh: false,
        }
    }

    fn holder(&self, node: &str) -> String {
        if node.is_empty() { self.workflow.clone() } else { format!("{}/{node}", self.workflow) }
    }

    /// The templates are walked: whoever still waits says so again.
    pub(crate) fn begin_walk(&mut self) {
        if self.fresh {
            return;
        }
        self.fresh = true;
        if let Some(it) = &mut self.status.semaphore {
            it.waiting.clear();
        }
        if let Some(it) = &mut self.status.mutex {
            it.waiting.clear();
        }
    }

    /// Takes all locks of `wanted` for the node `node` (the workflow itself: empty), or none of them.
    pub(crate) fn acquire(&mut self, node: &str, wanted: &Synchronization) -> Result<(), Refused> {
        let invalid = |it| Refused::Error(format!("requested configuration is invalid: {it}"));
        let names = LockName::all_of(wanted, &self.namespace).map_err(invalid)?;
        let holder = self.holder(node);
        let mut refused: Option<Refused> = None;
        for name in &names {
            if matches!(name.kind, LockKind::Database { .. }) {
                return Err(Refused::Error("synchronization database session is not available".to_owned()));
            }
            let key = name.to_string();
            if self.holds(&key, &holder) {
                continue;
            }
            let held = self.table.others(&key, &self.workflow).count() + self.held_here(&key);
            let limit = match self.limit(name) {
                Ok(limit) => limit,
                // Nobody has it: there is nothing to wait for.
                Err(_) if held == 0 => {
                    return Err(Refused::Error(format!("failed to initialize semaphore {key} with limit")));
                }
                Err(_) => {
                    let message = format!("Failed to get semaphore limit for {key}");
                    refused.get_or_insert(Refused::Waiting { lock: key, message });
                    continue;
                }
            };
            let held = i64::try_from(held).unwrap_or(i64::MAX);
            if held >= limit || self.table.is_before(&key, &self.turn) {
                let message = format!("Waiting for {key} lock. Lock status: {}/{limit}", limit - held);
                refused.get_or_insert(Refused::Waiting { lock: key, message });
            }
        }
        for name in &names {
            match &refused {
                None => self.hold(name, &holder),
                Some(_) => self.wait(name),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn limit(&self, name: &LockName) -> Result<i64, String> {
        match &name.kind {
            LockKind::Mutex { .. } | LockKind::Database { .. } => Ok(1),
            LockKind::ConfigMap { name: config_map, key } => {
                let limit = self.references.semaphore_limit(&name.namespace, config_map, key)?;
                if limit > 0 { Ok(limit) } else { Err(format!("the limit of {name} is {limit}")) }
            }
        }
    }

    fn holds(&self, lock: &str, holder: &str) -> bool {
        self.status.held().any(|it| it == (lock, holder))
    }

    fn held_here(&self, lock: &str) -> usize {
        self.status.held().filter(|(it, _)| *it == lock).count()
    }

    fn hold(&mut self, name: &LockName, holder: &str) {
        let key = name.to_string();
        if name.is_mutex() {
            let list = &mut self.status.mutex.get_or_insert_with(MutexStatus::default).holding;
            match list.iter_mut().find(|it| it.mutex == key) {
                Some(it) => it.holder = holder.to_owned(),
                None => list.push(MutexHolding { mutex: key, holder: holder.to_owned() }),
            }
            return;
        }
        let list = &mut self.status.semaphore.get_or_insert_with(SemaphoreStatus::default).holding;
        match list.iter_mut().find(|it| it.semaphore == key) {
            Some(it) if it.holders.iter().any(|it| it == holder) => {}
            Some(it) => it.holders.push(holder.to_owned()),
            None => list.push(SemaphoreHolding { semaphore: key, holders: vec![holder.to_owned()] }),
        }
    }

    fn wait(&mut self, name: &LockName) {
        let key = name.to_string();
        let mut holders: Vec<String> = self.table.others(&key, &self.workflow).map(str::to_owned).collect();
        holders.extend(self.status.held().filter(|(it, _)| *it == key).map(|it| it.1.to_owned()));
        holders.sort();
        if name.is_mutex() {
            let list = &mut self.status.mutex.get_or_insert_with(MutexStatus::default).waiting;
            let holder = holders.into_iter().next().unwrap_or_default();
            match list.iter_mut().find(|it| it.mutex == key) {
                Some(it) => it.holder = holder,
                None => list.push(MutexHolding { mutex: key, holder }),
            }
            return;
        }
        let list = &mut self.status.semaphore.get_or_insert_with(SemaphoreStatus::default).waiting;
        match list.iter_mut().find(|it| it.semaphore == key) {
            Some(it) => it.holders = holders,
            None => list.push(SemaphoreHolding { semaphore: key, holders }),
        }
    }

    /// Gives back whatever the node `node` holds.
    pub(crate) fn release(&mut self, node: &str) {
        if self.status.semaphore.is_none() && self.status.mutex.is_none() {
            return;
        }
        let holder = self.holder(node);
        // Holders of versions before 3.6 are the bare node id.
        let is = |it: &str| it == holder || !node.is_empty() && it == node;
        if let Some(it) = &mut self.status.mutex {
            it.holding.retain(|it| !is(&it.holder));
        }
        for it in self.status.semaphore.iter_mut().flat_map(|it| &mut it.holding) {
            it.holders.retain(|it| !is(it));
        }
    }

    /// The next `status.synchronization`, if it changes; an empty one is to be removed.
    pub(crate) fn into_change(self, is_over: bool) -> Option<SynchronizationStatus> {
        let next = if is_over { SynchronizationStatus::default() } else { self.status };
        let unset = SynchronizationStatus::default();
        (next != *self.before.unwrap_or(&unset)).then_some(next)
    }
}

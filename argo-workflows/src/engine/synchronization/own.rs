//! The locks of the workflow that a pass is about.

use super::{
    claims::{ClaimAnswer, Claims, DatabaseClaim},
    name::{LockKind, LockName},
    table::{Locks, Turn, key_of},
};
use crate::{
    api::{
        MutexHolding, MutexStatus, SemaphoreHolding, SemaphoreStatus, Synchronization, SynchronizationStatus, Workflow,
        WorkflowSpec,
    },
    engine::{Effect, References, World},
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
    claims: Option<&'a Claims>,
    /// Claims to make and to take back.
    effects: Vec<Effect>,
    namespace: String,
    workflow: String,
    turn: Turn,
    before: Option<&'a SynchronizationStatus>,
    status: SynchronizationStatus,
    /// Whether the lists of what is waited for were begun anew.
    fresh: bool,
}

impl<'a> OwnLocks<'a> {
    pub(crate) fn new(world: &World<'a>, spec: &WorkflowSpec) -> Self {
        let workflow: &'a Workflow = world.workflow;
        let before = workflow.status.synchronization.as_ref();
        Self {
            table: world.locks,
            references: world.references,
            claims: world.claims,
            effects: Vec::new(),
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
        let (shared, own): (Vec<_>, Vec<_>) = names.iter().partition(|it| matches!(it.kind, LockKind::Database { .. }));
        for name in own {
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
        let shared: Vec<LockName> =
            shared.into_iter().filter(|it| !self.holds(&it.to_string(), &holder)).cloned().collect();
        let mut known = None;
        if !shared.is_empty() {
            refused = match refused {
                // What is not to be had together is not held alone.
                Some(refused) => {
                    self.disclaim(&holder);
                    Some(refused)
                }
                None => self.claim(&holder, shared, &mut known)?,
            };
        }
        for name in &names {
            match &refused {
                None => self.hold(name, &holder),
                Some(_) if self.holds(&name.to_string(), &holder) => {}
                Some(_) => self.wait(name, known.as_ref()),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Asks the database for locks, or takes its answer in. `known`: a lock whose holders it told.
    fn claim(
        &mut self,
        holder: &str,
        locks: Vec<LockName>,
        known: &mut Option<(String, Vec<String>)>,
    ) -> Result<Option<Refused>, Refused> {
        let Some(claims) = self.claims else {
            return Err(Refused::Error("synchronization database session is not available".to_owned()));
        };
        match claims.get(holder).filter(|(claim, _)| claim.locks == locks).map(|it| it.1) {
            Some(Some(ClaimAnswer::Granted)) => return Ok(None),
            Some(Some(ClaimAnswer::Refused(message))) => {
                self.disclaim(holder);
                return Err(Refused::Error(message.clone()));
            }
            Some(Some(ClaimAnswer::Waiting { lock, message, holders })) => {
                *known = Some((lock.clone(), holders.clone()));
                return Ok(Some(Refused::Waiting { lock: lock.clone(), message: message.clone() }));
            }
            Some(None) => {}
            None => self.effects.push(Effect::Claim(Box::new(DatabaseClaim {
                holder: holder.to_owned(),
                workflow: self.workflow.clone(),
                locks: locks.clone(),
                priority: self.turn.priority(),
                created: self.turn.created(),
            }))),
        }
        let lock = locks.first().map(ToString::to_string).unwrap_or_default();
        Ok(Some(Refused::Waiting { message: format!("Waiting for {lock} lock"), lock }))
    }

    fn disclaim(&mut self, holder: &str) {
        let holds = || self.status.held().any(|(lock, it)| it == holder && lock.contains("/Database/"));
        if self.claims.is_some_and(|it| it.get(holder).is_some() || holds()) {
            self.effects.push(Effect::Disclaim { holder: holder.to_owned() });
        }
    }

    /// What is to be asked of the database.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
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

    fn wait(&mut self, name: &LockName, known: Option<&(String, Vec<String>)>) {
        let key = name.to_string();
        let holders = match known.filter(|it| it.0 == key) {
            Some((_, holders)) => holders.clone(),
            None => {
                let mut holders: Vec<String> = self.table.others(&key, &self.workflow).map(str::to_owned).collect();
                holders.extend(self.status.held().filter(|(it, _)| *it == key).map(|it| it.1.to_owned()));
                holders.sort();
                holders
            }
        };
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
        let holder = self.holder(node);
        self.disclaim(&holder);
        if self.status.semaphore.is_none() && self.status.mutex.is_none() {
            return;
        }
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

//! [`Admission`]: how many workflows run at once, in all and in a namespace.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use argo_core::Timestamp;

use crate::api::{Workflow, WorkflowPhase};

/// Most workflows that run at once; 0 means without limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// In all (`parallelism` of the controller's configuration).
    pub total: usize,
    /// In every namespace (`namespaceParallelism`).
    pub namespace: usize,
    /// In single namespaces (label `workflows.argoproj.io/parallelism-limit`), whatever `namespace` says.
    pub namespaces: BTreeMap<String, usize>,
}

impl AdmissionLimits {
    /// Whether there is any limit.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.total == 0 && self.namespace == 0 && self.namespaces.values().all(|it| *it == 0)
    }

    fn of(&self, namespace: &str) -> usize {
        self.namespaces.get(namespace).copied().unwrap_or(self.namespace)
    }
}

/// Higher priority first, then the older, then by name.
type Turn = (Reverse<i64>, Timestamp, String);

/// Which workflows run and which wait for a place: an index over their statuses, made again from them
/// when a controller starts. Whoever runs goes on; a place that becomes free goes to the first of those
/// whose namespace has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    limits: AdmissionLimits,
    /// Running workflows by namespace.
    running: BTreeMap<String, BTreeSet<String>>,
    waiting: BTreeMap<String, BTreeSet<Turn>>,
    turns: BTreeMap<String, (String, Turn)>,
}

impl Admission {
    /// No workflow yet.
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &AdmissionLimits {
        &self.limits
    }

    /// Changes the limits; returns the workflows (`namespace/name`) that may run now.
    pub fn set_limits(&mut self, limits: AdmissionLimits) -> Vec<String> {
        self.limits = limits;
        self.next()
    }

    /// Takes in what a workflow is doing now; returns the workflows that should be looked at again because
    /// a place is free for them.
    pub fn observe(&mut self, workflow: &Workflow) -> Vec<String> {
        let key = format!("{}/{}", workflow.namespace(), workflow.name());
        let had = self.remove(&key);
        let status = &workflow.status;
        let namespace = workflow.namespace().to_owned();
        let runs = status.phase == WorkflowPhase::Running
            // It has its place and waits for its locks.
            || status.phase == WorkflowPhase::Pending && (status.synchronization.is_some() || status.started_at.is_some());
        if runs {
            self.running.entry(namespace).or_default().insert(key);
        } else if !status.phase.is_completed() {
            let created =
                workflow.metadata.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, argo_core::Time::timestamp);
            let spec = status.stored_workflow_template_spec.as_ref().unwrap_or(&workflow.spec);
            let turn = (Reverse(spec.priority.unwrap_or_default()), created, key.clone());
            self.waiting.entry(namespace.clone()).or_default().insert(turn.clone());
            self.turns.insert(key, (namespace, turn));
        }
        if had && !runs { self.next() } else { Vec::new() }
    }

    /// Forgets a workflow that is gone; returns whom to look at again.
    pub fn forget(&mut self, key: &str) -> Vec<String> {
        if self.remove(key) { self.next() } else { Vec::new() }
    }

    /// Takes a workflow out; says whether a place may have become free, or the turn another's.
    fn remove(&mut self, key: &str) -> bool {
        if let Some((namespace, turn)) = self.turns.remove(key) {
            if let Some(queue) = self.waiting.get_mut(&namespace) {
                queue.remove(&turn);
                if queue.is_empty() {
                    self.waiting.remove(&namespace);
                }
            }
            return true;
        }
        let namespace = key.split('/').next().unwrap_or_default();
        let Some(running) = self.running.get_mut(namespace) else { return false };
        let was = running.remove(key);
        if running.is_empty() {
            self.running.remove(namespace);
        }
        was
    }

    /// Whether a workflow that has not begun may: there is a place, and nobody with an earlier turn can take it.
    #[must_use]
    pub fn admits(&self, workflow: &Workflow) -> bool {
        if self.limits.is_unlimited() {
            return true;
        }
        let key = format!("{}/{}", workflow.namespace(), workflow.name());
        if self.running.get(workflow.namespace()).is_some_and(|it| it.contains(&key)) {
            return true;
        }
        let mut table = self.clone_waiting_for(workflow, &key);
        table.sort();
        let free = self.free();
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        let mut places = 0;
        for (turn, namespace) in &table {
            if places >= free {
                return false;
            }
            let limit = self.limits.of(namespace);
            let running = self.running.get(namespace.as_str()).map_or(0, BTreeSet::len);
            let taken = taken.entry(namespace.as_str()).or_default();
            if limit != 0 && running + *taken >= limit {
                continue;
            }
            if turn.2 == key {
                return true;
            }
            *taken += 1;
            places += 1;
        }
        false
    }

    /// Everybody who waits, with the workflow in question.
    fn clone_waiting_for(&self, workflow: &Workflow, key: &str) -> Vec<(Turn, String)> {
        let queues = self.waiting.iter();
        let mut all: Vec<(Turn, String)> =
            queues.flat_map(|(namespace, it)| it.iter().map(move |turn| (turn.clone(), namespace.clone()))).collect();
        if !self.turns.contains_key(key) {
            let created =
                workflow.metadata.creation_timestamp.map_or(Timestamp::UNIX_EPOCH, argo_core::Time::timestamp);
            let turn = (Reverse(workflow.spec.priority.unwrap_or_default()), created, key.to_owned());
            all.push((turn, workflow.namespace().to_owned()));
        }
        all
    }

    fn free(&self) -> usize {
        if self.limits.total == 0 {
            return usize::MAX;
        }
        self.limits.total.saturating_sub(self.running.values().map(BTreeSet::len).sum())
    }

    /// Those who may run now, the first first.
    fn next(&self) -> Vec<String> {
        let mut all: Vec<(&Turn, &String)> =
            self.waiting.iter().flat_map(|(namespace, it)| it.iter().map(move |turn| (turn, namespace))).collect();
        all.sort();
        let free = self.free();
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        let mut next = Vec::new();
        for (turn, namespace) in all {
            if next.len() >= free {
                break;
            }
            let limit = self.limits.of(namespace);
            let running = self.running.get(namespace).map_or(0, BTreeSet::len);
            let taken = taken.entry(namespace).or_default();
            if limit == 0 || running + *taken < limit {
                *taken += 1;
                next.push(turn.2.clone());
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workflow(namespace: &str, name: &str, age: i64, priority: i64, phase: &str) -> Workflow {
        let created = argo_core::time::rfc3339(Timestamp::from_second(1_700_000_000 + age).unwrap());
        serde_json::from_value(json!({
            "metadata": {"namespace": namespace, "name": name, "creationTimestamp": created},
            "spec": {"priority": priority}, "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn places_go_by_priority_and_age_to_those_whose_namespace_has_one() {
        let limits = AdmissionLimits { total: 2, namespace: 1, namespaces: [("wide".to_owned(), 5)].into() };
        let mut it = Admission::new(limits);
        it.observe(&workflow("a", "runs", 0, 0, "Running"));
        let same = workflow("a", "blocked", 1, 9, "");
        let old = workflow("b", "old", 2, 0, "Pending");
        let urgent = workflow("wide", "urgent", 3, 5, "");
        for waiting in [&same, &old, &urgent] {
            it.observe(waiting);
        }
        assert!(!it.admits(&same), "its namespace is full");
        assert!(!it.admits(&old), "the one place is another's");
        assert!(it.admits(&urgent));
        it.observe(&workflow("wide", "urgent", 3, 5, "Running"));
        assert!(!it.admits(&old));
        assert_eq!(it.observe(&workflow("a", "runs", 0, 0, "Succeeded")), ["a/blocked"]);
        assert_eq!(it.set_limits(AdmissionLimits::default()), ["a/blocked", "b/old"]);
        assert!(it.admits(&old));
    }

    #[test]
    fn what_runs_goes_on_over_a_restart_even_above_a_lowered_limit() {
        let mut it = Admission::new(AdmissionLimits { total: 1, ..AdmissionLimits::default() });
        let running: Vec<_> = (0..3).map(|i| workflow("a", &format!("r{i}"), i, 0, "Running")).collect();
        running.iter().for_each(|workflow| drop(it.observe(workflow)));
        assert!(running.iter().all(|workflow| it.admits(workflow)));
        assert!(!it.admits(&workflow("a", "new", 9, 0, "")));
        assert!(it.forget("a/r0").is_empty());
    }
}

//! The children of a dag or a loop under way, and which of them a walk has to look at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{pass::Pass, steps::Expanded};
use crate::api::{NodePhase, NodeStatus};

/// Where a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has no node.
    Absent,
    /// It has one, and is not done.
    Open,
    /// It and its hooks are done.
    Done,
}

/// Children by their place: tasks of a dag, or expansions of a loop.
#[derive(Debug)]
pub(super) struct Children {
    /// Ids of their nodes.
    pub(super) ids: Vec<String>,
    index: HashMap<String, usize>,
    states: Vec<State>,
    /// Those to look at whatever happens.
    restless: BTreeSet<usize>,
    open: usize,
    done: usize,
    /// What expansions run as, while they may have to be executed again.
    pub(super) steps: BTreeMap<usize, Expanded>,
    /// Expansions that failed.
    pub(super) failed: BTreeMap<usize, NodePhase>,
    /// Of a dag: the tasks to reach.
    pub(super) targets: Vec<usize>,
    /// Of a dag: those and everything they depend on, dependencies first.
    pub(super) order: Vec<usize>,
    /// Of a dag: where a task is in `order`.
    pub(super) position: Vec<usize>,
}

impl Children {
    pub(super) fn new(ids: Vec<String>) -> Self {
        let index = ids.iter().enumerate().map(|(at, id)| (id.clone(), at)).collect();
        let states = vec![State::Absent; ids.len()];
        Self {
            ids,
            index,
            states,
            restless: BTreeSet::new(),
            open: 0,
            done: 0,
            steps: BTreeMap::new(),
            failed: BTreeMap::new(),
            targets: Vec::new(),
            order: Vec::new(),
            position: Vec::new(),
        }
    }

    pub(super) fn is_done(&self, child: usize) -> bool {
        self.states[child] == State::Done
    }

    pub(super) fn are_done(&self) -> bool {
        self.done == self.states.len()
    }

    /// Whether a child has a node and is not done.
    pub(super) fn has_open(&self) -> bool {
        self.open > 0
    }

    pub(super) fn set(&mut self, child: usize, state: State, restless: bool) {
        let count = |it: State, open: &mut usize, done: &mut usize, by: isize| match it {
            State::Absent => {}
            State::Open => *open = open.saturating_add_signed(by),
            State::Done => *done = done.saturating_add_signed(by),
        };
        count(self.states[child], &mut self.open, &mut self.done, -1);
        count(state, &mut self.open, &mut self.done, 1);
        self.states[child] = state;
        if restless && state != State::Done {
            self.restless.insert(child);
        } else {
            self.restless.remove(&child);
        }
    }

    /// The children to look at: the restless ones, and those that changed. `None` where one that was done is not
    /// any more: all of them have to be looked at.
    pub(super) fn due(&self, pass: &Pass<'_>, boundary: &str) -> Option<BTreeSet<usize>> {
        let mut due = self.restless.clone();
        for id in pass.dirty.get(boundary).into_iter().flatten() {
            let Some(child) = self.index.get(id).copied() else { continue };
            if !self.is_done(child) {
                due.insert(child);
            } else if !pass.nodes.get(id).is_some_and(NodeStatus::is_fulfilled) {
                return None;
            }
        }
        Some(due)
    }
}

impl Pass<'_> {
    /// Finds out which groups the changes so far concern.
    pub(super) fn find_dirty(&mut self) {
        if self.ledger.children.is_empty() {
            return;
        }
        let changed: Vec<String> = self.nodes.changes().map(|it| it.1.id.clone()).collect();
        for id in changed {
            self.soil(&id);
        }
    }

    /// Marks a node, what it is an attempt or an expansion of, and the groups that it is in as changed.
    pub(super) fn soil(&mut self, id: &str) {
        let mut next = Some(id.to_owned());
        while let Some(id) = next.take() {
            let Some(node) = self.nodes.get(&id) else { return };
            let boundary = node.boundary_id.clone().unwrap_or_default();
            let mut ids = vec![id];
            let mut name = node.name.as_str();
            while let Some((outer, _)) = name.strip_suffix(')').and_then(|it| it.rsplit_once('(')) {
                ids.push(self.id(outer));
                name = outer;
            }
            let set = self.dirty.entry(boundary.clone()).or_default();
            let mut is_new = false;
            for it in ids {
                is_new |= set.insert(it);
            }
            next = Some(boundary).filter(|it| is_new && !it.is_empty());
        }
    }

    /// Does something, and says whether it left anything that waits for more than a change of its nodes.
    pub(super) fn watched<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let outer = std::mem::replace(&mut self.restless, false);
        let result = work(self);
        let restless = std::mem::replace(&mut self.restless, outer);
        self.restless |= restless;
        (result, restless)
    }
}

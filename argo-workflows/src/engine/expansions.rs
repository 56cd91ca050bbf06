//! The expansions of a loop: made once, then looked at where something came of them.

use std::rc::Rc;

use super::{
    children::{Children, State},
    ledger::is_step,
    pass::{Boundary, Pass},
    steps::Expanded,
    vars::Scope,
};
use crate::api::{NodePhase, NodeStatus, WorkflowStep};

/// Where a loop is.
pub(crate) struct Loop<'l> {
    /// What the ledger knows it by.
    pub(crate) key: String,
    /// The node that its expansions hang under.
    pub(crate) parent: &'l str,
    /// What the names of its nodes begin with.
    pub(crate) prefix: &'l str,
    /// `steps` or `tasks`.
    pub(crate) kind: &'static str,
}

/// How far a loop is.
pub(crate) struct Ran {
    /// Whether all expansions and their hooks are done.
    pub(crate) complete: bool,
    /// Those that failed, in order: node and phase.
    pub(crate) failed: Vec<(String, NodePhase)>,
}

impl Pass<'_> {
    /// Executes the expansions of a loop that have something to do. `expand` says what they are, where that is
    /// not known yet.
    pub(crate) fn run_loop(
        &mut self,
        boundary: &Boundary,
        source: &WorkflowStep,
        place: &Loop<'_>,
        siblings: &Rc<Scope>,
        expand: impl FnOnce(&mut Self) -> Result<Vec<Expanded>, String>,
    ) -> Result<Ran, String> {
        let known = self.ledger.children.remove(&place.key);
        let known = known.and_then(|it| it.due(self, &boundary.id).map(|due| (it, due)));
        let known =
            known.filter(|(it, due)| due.iter().all(|at| it.steps.contains_key(at) || self.rests(&it.ids[*at])));
        let (mut children, due) = match known {
            Some(known) => known,
            None => {
                let expanded = expand(self)?;
                let ids = expanded.iter().map(|it| self.id(&format!("{}{}", place.prefix, it.name))).collect();
                let mut children = Children::new(ids);
                let due = (0..expanded.len()).collect();
                children.steps = expanded.into_iter().enumerate().collect();
                (children, due)
            }
        };
        let mut full = false;
        for at in due {
            let absent = self.nodes.get(&children.ids[at]).is_none();
            if full && absent {
                children.set(at, State::Absent, true);
                continue;
            }
            let (done, restless) = match children.steps.remove(&at) {
                None => (self.nodes.get(&children.ids[at]).is_some_and(NodeStatus::is_fulfilled), false),
                Some(step) => {
                    let name = format!("{}{}", place.prefix, step.name);
                    let run = |it: &mut Self| {
                        it.run_child(boundary, &step, source, &name, place.parent, place.kind, siblings)
                    };
                    let (done, restless) = self.watched(run);
                    let done = match (done, place.kind) {
                        (Ok(done), _) => done,
                        (Err(message), "steps") => return Err(message),
                        (Err(_), _) => true,
                    };
                    children.steps.insert(at, step);
                    (done, restless)
                }
            };
            let has_hooks = source.hooks.is_some() || source.on_exit.is_some();
            let (state, keep, phase) = match self.nodes.get(&children.ids[at]) {
                None => (State::Absent, true, None),
                Some(node) => {
                    let state = if done { State::Done } else { State::Open };
                    (state, has_hooks || !is_step(&node.kind) || node.is_daemoned(), Some(node.phase()))
                }
            };
            // Where one finds no place, those after it find none: what takes a place gives it back in a later pass.
            full |= state == State::Absent && restless;
            let restless = restless || state == State::Absent;
            self.restless |= restless && state != State::Done;
            children.set(at, state, restless);
            if state == State::Done || !keep {
                children.steps.remove(&at);
            }
            if let Some(phase) = phase.filter(|it| it.is_failed()) {
                children.failed.insert(at, phase);
            }
        }
        let complete = children.are_done();
        let failed = children.failed.iter().map(|(at, phase)| (children.ids[*at].clone(), *phase)).collect();
        if !complete {
            self.ledger.children.insert(place.key.clone(), children);
        }
        Ok(Ran { complete, failed })
    }

    /// Whether nothing has to be done for a node: it has ended, or the executor works on it.
    fn rests(&self, id: &str) -> bool {
        self.nodes.get(id).is_some_and(|it| self.is_settled(it))
    }
}

//! Runs a program: a value, what is still to be done with it, and the alternatives that are open. Everything that may
//! grow lies on the heap and is counted, so neither recursion of a program nor its input can exhaust the stack.

pub(super) mod env;
mod eval;
pub(super) mod frames;
mod redo;
mod resume;
mod simple;
mod substitute;

use std::rc::Rc;

use super::budget::Budget;
use super::error::{Exc, Res};
use super::ir::{Node, Program};
use super::value::Val;
use env::{Cont, ContNode, Env, Item, Slot, extend};
use frames::{Fork, Frame};

/// What comes next.
enum Go<'a> {
    Eval(&'a Node, Env<'a>, Item<'a>, Cont<'a>),
    Return(Item<'a>, Cont<'a>),
    Back,
    Raise(Exc<'a>),
}

/// A run that is under way.
pub(super) struct Machine<'a> {
    program: &'a Program,
    budget: Budget,
    forks: Vec<Fork<'a>>,
    start: Option<(Env<'a>, Val<'a>)>,
}

impl<'a> Machine<'a> {
    /// A run on a value; `globals` are in the order they were declared.
    pub(super) fn new(program: &'a Program, budget: Budget, globals: Vec<Val<'a>>, input: Val<'a>) -> Self {
        let mut env = None;
        for place in 0..program.globals {
            env = extend(&env, Slot::Val(globals.get(place).cloned().unwrap_or(Val::Null)));
        }
        Self { program, budget, forks: Vec::new(), start: Some((env, input)) }
    }

    /// The next value, or the error that ends the run.
    pub(super) fn next(&mut self) -> Option<Res<'a>> {
        let mut go = match self.start.take() {
            Some((env, input)) => Go::Eval(&self.program.main, env, Item::plain(input), None),
            None => Go::Back,
        };
        loop {
            go = match go {
                Go::Eval(node, env, it, cont) => match self.eval(node, env, it, cont) {
                    Ok(next) => next,
                    Err(error) => Go::Raise(error),
                },
                Go::Return(it, None) => return Some(Ok(it.val)),
                Go::Return(it, Some(cont)) => match self.resume(cont, it) {
                    Ok(next) => next,
                    Err(error) => Go::Raise(error),
                },
                Go::Back => match self.forks.pop() {
                    None => return None,
                    Some(fork) => match self.budget.step().and_then(|()| self.redo(fork)) {
                        Ok(next) => next,
                        Err(error) => Go::Raise(error),
                    },
                },
                Go::Raise(error) => match self.unwind(error) {
                    Ok(next) => next,
                    Err(error) => return Some(Err(error)),
                },
            };
        }
    }

    /// Finds the nearest `try` (or attempt at destructuring) that takes the error.
    fn unwind(&mut self, error: Exc<'a>) -> Result<Go<'a>, Exc<'a>> {
        if !error.is_caught() {
            self.forks.clear();
            return Err(error);
        }
        let mut left = 0usize;
        while let Some(fork) = self.forks.pop() {
            match fork {
                Fork::TryLeft => left += 1,
                Fork::Try(..) if left > 0 => left -= 1,
                Fork::Try(catch, env, it, cont) => {
                    return Ok(match catch {
                        Some(catch) => {
                            let val = error.into_value();
                            Go::Eval(catch, env, Item { val, trace: it.trace }, cont)
                        }
                        None => Go::Back,
                    });
                }
                Fork::Attempts(rest, env, it, cont) => {
                    return self.attempt(rest, env, it, cont);
                }
                _ => {}
            }
        }
        Err(error)
    }

    /// Tries the first of some ways to destructure; the others wait for an error.
    fn attempt(&mut self, ways: &'a [Node], env: Env<'a>, it: Item<'a>, cont: Cont<'a>) -> Res<'a, Go<'a>> {
        match ways.split_first() {
            None => Ok(Go::Back),
            Some((first, rest)) => {
                if !rest.is_empty() {
                    self.fork(Fork::Attempts(rest, env.clone(), it.clone(), cont.clone()))?;
                }
                Ok(Go::Eval(first, env, it, cont))
            }
        }
    }

    fn fork(&mut self, fork: Fork<'a>) -> Res<'a, ()> {
        self.forks.push(fork);
        self.budget.check_depth(self.forks.len())
    }

    /// `frame` before the rest.
    fn then(&self, frame: Frame<'a>, next: Cont<'a>) -> Res<'a, Cont<'a>> {
        let depth = next.as_ref().map_or(0, |it| it.depth) + 1;
        self.budget.check_depth(depth)?;
        Ok(Some(Rc::new(ContNode { frame, next, depth })))
    }
}

//! Going back to what is still open.

use super::super::error::Res;
use super::super::ops;
use super::super::paths;
use super::super::value::Val;
use super::env::Item;
use super::frames::Fork;
use super::{Go, Machine};

impl<'a> Machine<'a> {
    pub(super) fn redo(&mut self, fork: Fork<'a>) -> Res<'a, Go<'a>> {
        Ok(match fork {
            Fork::Eval(node, env, it, cont) => Go::Eval(node, env, it, cont),
            Fork::Items { mut items, of, cont } => match items.next(&of) {
                None => Go::Back,
                Some(next) => {
                    if !items.is_empty() {
                        self.fork(Fork::Items { items, of, cont: cont.clone() })?;
                    }
                    Go::Return(next, cont)
                }
            },
            Fork::Recurse(mut open, cont) => match open.pop() {
                None => Go::Back,
                Some(next) => {
                    paths::push_children(&next, &mut open)?;
                    self.budget.check_depth(open.len() / 64)?;
                    if !open.is_empty() {
                        self.fork(Fork::Recurse(open, cont.clone()))?;
                    }
                    Go::Return(next, cont)
                }
            },
            Fork::Range { at, to, step, of, cont } => match ops::range_next(&mut self.budget, &at, &to, &step)? {
                None => Go::Back,
                Some(next) => {
                    self.fork(Fork::Range { at: next, to, step, of: of.clone(), cont: cont.clone() })?;
                    Go::Return(of.with(at), cont)
                }
            },
            Fork::Collected(items, trace, cont) => {
                let val = self.budget.list(items.take())?;
                Go::Return(Item { val, trace }, cont)
            }
            Fork::Done(cell, trace, cont) => {
                let val = cell.replace(Val::Null);
                Go::Return(Item { val, trace }, cont)
            }
            Fork::AltEnd(found, node, env, it, cont) => {
                if found.get() {
                    Go::Back
                } else {
                    Go::Eval(node, env, it, cont)
                }
            }
            Fork::LastEnd(cell, trace, cont) => match cell.take() {
                Some(val) => Go::Return(Item { val, trace }, cont),
                None => Go::Back,
            },
            Fork::Empty(trace, cont) => Go::Return(Item { val: Val::Bool(true), trace }, cont),
            Fork::Modified(change, trace, cont) => {
                let val = change.val.replace(Val::Null);
                let val = paths::delete(&mut self.budget, val, change.gone.take())?;
                Go::Return(Item { val, trace }, cont)
            }
            Fork::Gone(change, keys) => {
                let path = self.budget.list(keys.as_ref().clone())?;
                change.gone.borrow_mut().push(path);
                Go::Back
            }
            Fork::Try(..) | Fork::TryLeft | Fork::Attempts(..) => Go::Back,
        })
    }
}

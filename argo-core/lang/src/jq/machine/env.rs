//! What a running program holds on to: environments, traces of paths, and what is still to be done with a value.
//!
//! All three are shared lists that only grow at their head. They may be long, so dropping them never recurses.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::ir::Node;
use super::super::value::Val;
use super::frames::Frame;

/// One entry of an environment.
#[derive(Clone)]
pub(in crate::jq) enum Slot<'a> {
    Val(Val<'a>),
    Closure(&'a Node, Env<'a>),
    /// Alternatives that stay when the label is left.
    Label(usize),
    Cell(Rc<RefCell<Val<'a>>>),
}

pub(in crate::jq) type Env<'a> = Option<Rc<EnvNode<'a>>>;

pub(in crate::jq) struct EnvNode<'a> {
    slot: Slot<'a>,
    up: Env<'a>,
}

/// An environment with one entry more.
pub(in crate::jq) fn extend<'a>(env: &Env<'a>, slot: Slot<'a>) -> Env<'a> {
    Some(Rc::new(EnvNode { slot, up: env.clone() }))
}

/// The entry so many places up.
pub(in crate::jq) fn lookup<'e, 'a>(env: &'e Env<'a>, place: usize) -> Option<&'e Slot<'a>> {
    let mut at = env.as_ref()?;
    for _ in 0..place {
        at = at.up.as_ref()?;
    }
    Some(&at.slot)
}

/// The environment so many entries up.
pub(in crate::jq) fn above<'a>(env: &Env<'a>, count: usize) -> Env<'a> {
    let mut at = env.as_ref();
    for _ in 0..count {
        at = at?.up.as_ref();
    }
    at.cloned()
}

impl<'a> EnvNode<'a> {
    /// Takes what this entry alone holds, so that it is not dropped inside of this one.
    fn unlink(&mut self, work: &mut Vec<Rc<EnvNode<'a>>>) {
        let closed = match &mut self.slot {
            Slot::Closure(_, env) => env.take(),
            _ => None,
        };
        work.extend([closed, self.up.take()].into_iter().flatten().filter(|it| Rc::strong_count(it) == 1));
    }
}

impl Drop for EnvNode<'_> {
    fn drop(&mut self) {
        let mut work = Vec::new();
        self.unlink(&mut work);
        while let Some(next) = work.pop() {
            if let Some(mut node) = Rc::into_inner(next) {
                node.unlink(&mut work);
            }
        }
    }
}

/// How a value was reached, when paths are asked for. The root has no key.
pub(in crate::jq) type Trace<'a> = Option<Rc<TraceNode<'a>>>;

pub(in crate::jq) struct TraceNode<'a> {
    pub(in crate::jq) key: Option<Val<'a>>,
    /// What is at that place.
    pub(in crate::jq) val: Val<'a>,
    up: Trace<'a>,
}

impl<'a> TraceNode<'a> {
    pub(in crate::jq) fn root(val: Val<'a>) -> Trace<'a> {
        Some(Rc::new(Self { key: None, val, up: None }))
    }

    pub(in crate::jq) fn below(trace: &Trace<'a>, key: Val<'a>, val: Val<'a>) -> Trace<'a> {
        trace.as_ref().map(|up| Rc::new(Self { key: Some(key), val, up: Some(Rc::clone(up)) }))
    }

    /// The keys from the root on.
    pub(in crate::jq) fn keys(self: &Rc<Self>) -> Vec<Val<'a>> {
        let mut keys = Vec::new();
        let mut at = Some(self);
        while let Some(node) = at {
            keys.extend(node.key.clone());
            at = if node.key.is_some() { node.up.as_ref() } else { None };
        }
        keys.reverse();
        keys
    }
}

impl Drop for TraceNode<'_> {
    fn drop(&mut self) {
        let mut next = self.up.take();
        while let Some(mut node) = next.and_then(Rc::into_inner) {
            next = node.up.take();
        }
    }
}

/// A value on its way, with its trace where paths are asked for.
#[derive(Clone)]
pub(in crate::jq) struct Item<'a> {
    pub(in crate::jq) val: Val<'a>,
    pub(in crate::jq) trace: Trace<'a>,
}

impl<'a> Item<'a> {
    pub(in crate::jq) fn plain(val: Val<'a>) -> Self {
        Self { val, trace: None }
    }

    /// Another value in the same place: one that is not reached by a path.
    pub(in crate::jq) fn with(&self, val: Val<'a>) -> Self {
        Self { val, trace: self.trace.clone() }
    }

    /// Whether the value is what its trace leads to.
    pub(in crate::jq) fn is_intact(&self) -> bool {
        self.trace.as_ref().is_none_or(|it| it.val.is_same_place(&self.val))
    }

    /// A value inside of this one.
    pub(in crate::jq) fn child(&self, key: impl FnOnce() -> Val<'a>, val: Val<'a>) -> Self {
        let trace = match &self.trace {
            None => None,
            trace => TraceNode::below(trace, key(), val.clone()),
        };
        Self { val, trace }
    }
}

/// What is to be done with a value, the nearest first.
pub(in crate::jq) type Cont<'a> = Option<Rc<ContNode<'a>>>;

pub(in crate::jq) struct ContNode<'a> {
    pub(in crate::jq) frame: Frame<'a>,
    pub(in crate::jq) next: Cont<'a>,
    pub(in crate::jq) depth: usize,
}

impl Drop for ContNode<'_> {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut node) = next.and_then(Rc::into_inner) {
            next = node.next.take();
        }
    }
}

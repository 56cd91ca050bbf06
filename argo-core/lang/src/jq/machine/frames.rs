//! What waits for a value ([`Frame`]), and what is tried when nothing more comes ([`Fork`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::super::ast::Op;
use super::super::ir::Node;
use super::super::value::Val;
use super::env::{Cont, Env, Item, Trace};

/// What is done with the next value.
pub(in crate::jq) enum Frame<'a> {
    /// Evaluates a part on it.
    Then(&'a Node, Env<'a>),
    /// Puts it into the environment of a part.
    Bind(&'a Node, Env<'a>, Item<'a>),
    Field(&'a str),
    ItemOf(i64),
    /// It is a key: the term comes next.
    Key(&'a Node, Env<'a>, Item<'a>),
    KeyOf(Val<'a>),
    /// It is the start of a slice: the end comes next.
    SliceFrom(&'a Node, Env<'a>, Item<'a>),
    SliceTo(&'a Node, Env<'a>, Item<'a>, Val<'a>),
    SliceOf(Val<'a>, Val<'a>),
    Iter,
    Plus,
    Minus,
    /// It is the right operand: the left one comes next.
    Right(Op, &'a Node, Env<'a>, Item<'a>),
    Left(Op, Val<'a>, Trace<'a>),
    And(&'a Node, Env<'a>, Item<'a>),
    Or(&'a Node, Env<'a>, Item<'a>),
    /// It becomes true or false.
    Truth,
    If(&'a Node, Env<'a>, Item<'a>),
    /// The left side of `//`.
    Alt(Rc<Cell<bool>>),
    TryEnd,
    /// It goes into an array.
    Collect(Rc<RefCell<Vec<Val<'a>>>>),
    ObjectKey(&'a Node, Env<'a>, Item<'a>, usize, Vec<(Val<'a>, Val<'a>)>),
    ObjectVal(&'a Node, Env<'a>, Item<'a>, usize, Vec<(Val<'a>, Val<'a>)>, Val<'a>),
    /// Operands that are evaluated from the last to the first.
    Args(&'a Node, Env<'a>, Item<'a>, usize, Vec<Val<'a>>),
    FoldInit(&'a Node, Env<'a>, Item<'a>),
    FoldItem(&'a Node, Env<'a>),
    Store(Rc<RefCell<Val<'a>>>),
    Step(Rc<RefCell<Val<'a>>>, Option<&'a Node>, Env<'a>),
    RangeFrom(&'a Node, Env<'a>, Item<'a>),
    RangeTo(&'a Node, Env<'a>, Item<'a>, Val<'a>),
    RangeStep(Item<'a>, Val<'a>, Val<'a>),
    Limit(Rc<Cell<i64>>, usize),
    /// The first value: what else there is, is given up.
    Cut(usize),
    Last(Rc<RefCell<Option<Val<'a>>>>),
    Found(usize, Trace<'a>),
    PathEnd(Trace<'a>),
    GetPath(Item<'a>),
    Assign(Rc<RefCell<Val<'a>>>, Val<'a>),
    Modify(Rc<Change<'a>>, &'a Node, Env<'a>),
    ModifyStore(Rc<Change<'a>>, Rc<Vec<Val<'a>>>, usize),
    SetAt(&'a [Node], Item<'a>),
}

/// The work of `|=`.
pub(in crate::jq) struct Change<'a> {
    pub(in crate::jq) val: RefCell<Val<'a>>,
    /// Places where the right side gave nothing.
    pub(in crate::jq) gone: RefCell<Vec<Val<'a>>>,
}

/// What is tried next when a way has ended.
pub(in crate::jq) enum Fork<'a> {
    Eval(&'a Node, Env<'a>, Item<'a>, Cont<'a>),
    /// The rest of `.[]`.
    Items {
        items: Rest<'a>,
        of: Item<'a>,
        cont: Cont<'a>,
    },
    /// The rest of `..`, the next one last.
    Recurse(Vec<Item<'a>>, Cont<'a>),
    Range {
        at: Val<'a>,
        to: Val<'a>,
        step: Val<'a>,
        of: Item<'a>,
        cont: Cont<'a>,
    },
    /// All are collected.
    Collected(Rc<RefCell<Vec<Val<'a>>>>, Trace<'a>, Cont<'a>),
    /// The content of the cell is the result.
    Done(Rc<RefCell<Val<'a>>>, Trace<'a>, Cont<'a>),
    AltEnd(Rc<Cell<bool>>, &'a Node, Env<'a>, Item<'a>, Cont<'a>),
    Try(Option<&'a Node>, Env<'a>, Item<'a>, Cont<'a>),
    /// A value has left a `try`, which does not catch what happens to it.
    TryLeft,
    Attempts(&'a [Node], Env<'a>, Item<'a>, Cont<'a>),
    LastEnd(Rc<RefCell<Option<Val<'a>>>>, Trace<'a>, Cont<'a>),
    Empty(Trace<'a>, Cont<'a>),
    Modified(Rc<Change<'a>>, Trace<'a>, Cont<'a>),
    /// The right side of `|=` gave nothing for this path.
    Gone(Rc<Change<'a>>, Rc<Vec<Val<'a>>>),
}

/// Items of a container that are still to come.
pub(in crate::jq) enum Rest<'a> {
    List(Val<'a>, usize),
    Map(serde_json::map::Iter<'a>),
    Entries(std::vec::IntoIter<(Val<'a>, Val<'a>)>),
}

impl<'a> Rest<'a> {
    /// The items of a container; `None` for what is none.
    pub(in crate::jq) fn of(val: &Val<'a>) -> Option<Self> {
        if val.as_list().is_some() {
            return Some(Self::List(val.clone(), 0));
        }
        if let Val::MapRef(map) = val {
            let mut keys = map.keys();
            let first = keys.next();
            // maps are sorted unless the build has switched that off
            if first.is_none() || map.len() < 2 || map.keys().is_sorted() {
                return Some(Self::Map(map.iter()));
            }
        }
        let map = val.as_map()?;
        let all: Vec<_> = map.iter().map(|(key, val)| (Val::Str(key), val)).collect();
        Some(Self::Entries(all.into_iter()))
    }

    pub(in crate::jq) fn is_empty(&self) -> bool {
        match self {
            Self::List(val, at) => val.as_list().is_none_or(|it| it.len() <= *at),
            Self::Map(it) => it.len() == 0,
            Self::Entries(it) => it.len() == 0,
        }
    }

    /// The next item with its key.
    pub(in crate::jq) fn next(&mut self, of: &Item<'a>) -> Option<Item<'a>> {
        match self {
            Self::List(val, at) => {
                let item = val.as_list()?.get(*at)?;
                let place = *at;
                *at += 1;
                Some(of.child(|| Val::len(place), item))
            }
            Self::Map(it) => {
                let (key, val) = it.next()?;
                Some(of.child(|| Val::literal(key), Val::from(val)))
            }
            Self::Entries(it) => {
                let (key, val) = it.next()?;
                Some(of.child(|| key, val))
            }
        }
    }
}

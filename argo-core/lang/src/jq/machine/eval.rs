//! Evaluating a part whose value is not direct: it is taken apart into frames and forks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::super::error::Res;
use super::super::ir::{Kind, Node};
use super::super::paths;
use super::super::value::Val;
use super::env::{Cont, Env, Item, Slot, TraceNode, above, extend, lookup};
use super::frames::{Change, Fork, Frame};
use super::{Go, Machine};

impl<'a> Machine<'a> {
    pub(super) fn eval(&mut self, node: &'a Node, env: Env<'a>, it: Item<'a>, cont: Cont<'a>) -> Res<'a, Go<'a>> {
        if node.direct {
            return Ok(match self.direct(node, &env, it)? {
                Some(it) => Go::Return(it, cont),
                None => Go::Back,
            });
        }
        self.budget.step()?;
        let (part, frame): (&'a Node, Frame<'a>) = match &node.kind {
            Kind::Pipe(a, b) => {
                if a.direct {
                    return Ok(match self.direct(a, &env, it)? {
                        Some(it) => Go::Eval(b, env, it, cont),
                        None => Go::Back,
                    });
                }
                (a, Frame::Then(b, env.clone()))
            }
            Kind::Comma(a, b) => {
                self.fork(Fork::Eval(b, env.clone(), it.clone(), cont.clone()))?;
                return Ok(Go::Eval(a, env, it, cont));
            }
            Kind::Param(place) => {
                return Ok(match lookup(&env, *place) {
                    Some(Slot::Closure(body, inside)) => Go::Eval(body, inside.clone(), it, cont),
                    _ => Go::Back,
                });
            }
            Kind::Call { function, up, args } => return self.enter(*function, *up, args, env, it, cont),
            Kind::Field(term, name) => (term, Frame::Field(name)),
            Kind::Item(term, place) => (term, Frame::ItemOf(*place)),
            Kind::Iter(term) => (term, Frame::Iter),
            Kind::Plus(term) => (term, Frame::Plus),
            Kind::Minus(term) => (term, Frame::Minus),
            Kind::If(when, then, _) => {
                if when.direct {
                    let _ = then;
                    return Ok(match self.value(when, &env, it.val.clone())? {
                        Some(test) => Self::choose(node, &test, env, it, cont),
                        None => Go::Back,
                    });
                }
                (when, Frame::If(node, env.clone(), it.clone()))
            }
            Kind::Bind(source, body) => {
                if source.direct {
                    return Ok(match self.value(source, &env, it.val.clone())? {
                        Some(val) => Go::Eval(body, extend(&env, Slot::Val(val)), it, cont),
                        None => Go::Back,
                    });
                }
                (source, Frame::Bind(body, env.clone(), it.clone()))
            }
            _ => return self.eval_more(node, env, it, cont),
        };
        // operands and sources are values, what is gone through is a path
        let it = match frame {
            Frame::If(..) | Frame::Bind(..) => Item::plain(it.val),
            _ => it,
        };
        let cont = self.then(frame, cont)?;
        Ok(Go::Eval(part, env, it, cont))
    }

    /// Calls a function.
    fn enter(
        &mut self,
        function: usize,
        up: usize,
        args: &'a [Node],
        env: Env<'a>,
        it: Item<'a>,
        cont: Cont<'a>,
    ) -> Res<'a, Go<'a>> {
        let Some(function) = self.program.functions.get(function) else { return Ok(Go::Back) };
        let mut inside = if up == usize::MAX { None } else { above(&env, up) };
        for arg in args {
            // an argument that is a closure already is passed on as it is
            let slot = match &arg.kind {
                Kind::Param(place) => lookup(&env, *place).cloned(),
                _ => None,
            };
            inside = extend(&inside, slot.unwrap_or_else(|| Slot::Closure(arg, env.clone())));
        }
        Ok(Go::Eval(&function.body, inside, it, cont))
    }

    pub(super) fn choose(node: &'a Node, test: &Val<'a>, env: Env<'a>, it: Item<'a>, cont: Cont<'a>) -> Go<'a> {
        let Kind::If(_, then, other) = &node.kind else { return Go::Back };
        match other {
            _ if test.is_true() => Go::Eval(then, env, it, cont),
            Some(other) => Go::Eval(other, env, it, cont),
            None => Go::Return(it, cont),
        }
    }

    fn eval_more(&mut self, node: &'a Node, env: Env<'a>, it: Item<'a>, cont: Cont<'a>) -> Res<'a, Go<'a>> {
        let value = |it: &Item<'a>| Item::plain(it.val.clone());
        let (part, start, frame): (&'a Node, Item<'a>, Frame<'a>) = match &node.kind {
            Kind::Index(term, key) => (key, value(&it), Frame::Key(term, env.clone(), it)),
            Kind::Slice(_, Some(from), _) => (from, value(&it), Frame::SliceFrom(node, env.clone(), it)),
            Kind::Slice(_, None, _) => return self.slice_to(node, env, it, Val::Null, cont),
            Kind::Binary(op, a, b) => (b, value(&it), Frame::Right(*op, a, env.clone(), it)),
            Kind::And(a, b) => (a, value(&it), Frame::And(b, env.clone(), it)),
            Kind::Or(a, b) => (a, value(&it), Frame::Or(b, env.clone(), it)),
            Kind::Alt(a, b) => {
                let found = Rc::new(Cell::new(false));
                self.fork(Fork::AltEnd(Rc::clone(&found), b, env.clone(), it.clone(), cont.clone()))?;
                (a, it, Frame::Alt(found))
            }
            Kind::Try(body, catch) => {
                self.fork(Fork::Try(catch.as_deref(), env.clone(), it.clone(), cont.clone()))?;
                (body, it, Frame::TryEnd)
            }
            Kind::Array(body) => {
                let items = Rc::new(RefCell::new(Vec::new()));
                self.fork(Fork::Collected(Rc::clone(&items), it.trace.clone(), cont.clone()))?;
                (body, Item::plain(it.val), Frame::Collect(items))
            }
            Kind::Object(_) => return self.object_key(node, env, it, 0, Vec::new(), cont),
            Kind::Concat(parts) | Kind::Native(_, parts) => {
                let place = parts.len();
                return self.next_arg(node, env, it, place, vec![Val::Null; place], cont);
            }
            Kind::Attempts(ways) => return self.attempt(ways, env, it, cont),
            Kind::Fold { init, .. } => (init, value(&it), Frame::FoldInit(node, env.clone(), it)),
            Kind::Store(update, place) => {
                let Some(Slot::Cell(cell)) = lookup(&env, *place) else { return Ok(Go::Back) };
                let cell = Rc::clone(cell);
                let before = cell.borrow().clone();
                (update, it.with(before), Frame::Store(cell))
            }
            Kind::Step(update, extract, place) => {
                let Some(Slot::Cell(cell)) = lookup(&env, *place) else { return Ok(Go::Back) };
                let cell = Rc::clone(cell);
                let before = cell.borrow().clone();
                (update, it.with(before), Frame::Step(cell, extract.as_deref(), env.clone()))
            }
            Kind::Label(body) => {
                let inside = extend(&env, Slot::Label(self.forks.len()));
                return Ok(Go::Eval(body, inside, it, cont));
            }
            Kind::Break(place) => {
                if let Some(Slot::Label(open)) = lookup(&env, *place) {
                    self.forks.truncate(*open);
                }
                return Ok(Go::Back);
            }
            _ => return self.eval_source(node, env, it, cont),
        };
        let cont = self.then(frame, cont)?;
        Ok(Go::Eval(part, env, start, cont))
    }

    fn eval_source(&mut self, node: &'a Node, env: Env<'a>, it: Item<'a>, cont: Cont<'a>) -> Res<'a, Go<'a>> {
        let open = self.forks.len();
        let (part, start, frame): (&'a Node, Item<'a>, Frame<'a>) = match &node.kind {
            Kind::Recurse => {
                self.fork(Fork::Recurse(vec![it], cont))?;
                return Ok(Go::Back);
            }
            Kind::Range(from, ..) => (from, Item::plain(it.val.clone()), Frame::RangeFrom(node, env.clone(), it)),
            Kind::Limit(source) => {
                let Some(Slot::Val(count)) = lookup(&env, 0) else { return Ok(Go::Back) };
                let count = Rc::new(Cell::new(Self::count(count)));
                (source, it, Frame::Limit(count, open))
            }
            Kind::First(source) => (source, it, Frame::Cut(open)),
            Kind::Last(source) => {
                let cell = Rc::new(RefCell::new(None));
                self.fork(Fork::LastEnd(Rc::clone(&cell), it.trace.clone(), cont.clone()))?;
                (source, Item::plain(it.val), Frame::Last(cell))
            }
            Kind::IsEmpty(source) => {
                self.fork(Fork::Empty(it.trace.clone(), cont.clone()))?;
                (source, Item::plain(it.val), Frame::Found(open, it.trace))
            }
            Kind::Path(body) => {
                let start = Item { trace: TraceNode::root(it.val.clone()), val: it.val };
                (body, start, Frame::PathEnd(it.trace))
            }
            Kind::GetPath(path) => (path, Item::plain(it.val.clone()), Frame::GetPath(it)),
            Kind::SetAt(keys, value) => (value, Item::plain(it.val.clone()), Frame::SetAt(keys, it)),
            Kind::Assign(path) => {
                let Some(Slot::Val(new)) = lookup(&env, 0) else { return Ok(Go::Back) };
                let cell = Rc::new(RefCell::new(it.val.clone()));
                let frame = Frame::Assign(Rc::clone(&cell), new.clone());
                self.fork(Fork::Done(cell, it.trace, cont.clone()))?;
                (path, Item { trace: TraceNode::root(it.val.clone()), val: it.val }, frame)
            }
            Kind::Modify(path, f) => {
                let change = Rc::new(Change { val: RefCell::new(it.val.clone()), gone: RefCell::new(Vec::new()) });
                self.fork(Fork::Modified(Rc::clone(&change), it.trace, cont.clone()))?;
                let start = Item { trace: TraceNode::root(it.val.clone()), val: it.val };
                (path, start, Frame::Modify(change, f, env.clone()))
            }
            _ => return Ok(Go::Back),
        };
        let cont = self.then(frame, cont)?;
        Ok(Go::Eval(part, env, start, cont))
    }

    /// The key of the next entry of an object, or the object.
    pub(super) fn object_key(
        &mut self,
        node: &'a Node,
        env: Env<'a>,
        it: Item<'a>,
        place: usize,
        made: Vec<(Val<'a>, Val<'a>)>,
        cont: Cont<'a>,
    ) -> Res<'a, Go<'a>> {
        let Kind::Object(entries) = &node.kind else { return Ok(Go::Back) };
        match entries.get(place) {
            Some((key, _)) => {
                let start = Item::plain(it.val.clone());
                let cont = self.then(Frame::ObjectKey(node, env.clone(), it, place, made), cont)?;
                Ok(Go::Eval(key, env, start, cont))
            }
            None => {
                let val = self.object(made)?;
                Ok(Go::Return(it.with(val), cont))
            }
        }
    }

    /// The operand before `place`, or what the operands make.
    pub(super) fn next_arg(
        &mut self,
        node: &'a Node,
        env: Env<'a>,
        it: Item<'a>,
        place: usize,
        mut values: Vec<Val<'a>>,
        cont: Cont<'a>,
    ) -> Res<'a, Go<'a>> {
        let parts: &'a [Node] = match &node.kind {
            Kind::Concat(parts) | Kind::Native(_, parts) => parts,
            _ => return Ok(Go::Back),
        };
        if let Some(before) = place.checked_sub(1) {
            let start = Item::plain(it.val.clone());
            let cont = self.then(Frame::Args(node, env.clone(), it, before, values), cont)?;
            return Ok(Go::Eval(&parts[before], env, start, cont));
        }
        let val = match &node.kind {
            Kind::Native(native, _) => (native.run)(&mut self.budget, it.val.clone(), &mut values)?,
            _ => self.concat(&values)?,
        };
        Ok(Go::Return(it.with(val), cont))
    }

    /// A slice whose start is known.
    pub(super) fn slice_to(
        &mut self,
        node: &'a Node,
        env: Env<'a>,
        it: Item<'a>,
        from: Val<'a>,
        cont: Cont<'a>,
    ) -> Res<'a, Go<'a>> {
        let Kind::Slice(term, _, to) = &node.kind else { return Ok(Go::Back) };
        if let Some(to) = to {
            let start = Item::plain(it.val.clone());
            let cont = self.then(Frame::SliceTo(node, env.clone(), it, from), cont)?;
            return Ok(Go::Eval(to, env, start, cont));
        }
        let cont = self.then(Frame::SliceOf(from, Val::Null), cont)?;
        Ok(Go::Eval(term, env, it, cont))
    }

    /// A value that was reached by going through something, as `path` gives it.
    pub(super) fn keys_of(it: Item<'a>) -> Res<'a, Vec<Val<'a>>> {
        paths::keys(it)
    }
}

//! Direct evaluation: parts that give at most one value, and loops over such parts. No alternatives are kept, and the
//! stack grows only with the height of the program, which is bounded.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::error::{Exc, Res};
use super::super::ir::{Const, Kind, Node};
use super::super::ops;
use super::super::paths;
use super::super::value::{Text, Val, compare, normal_big, type_preview};
use super::Machine;
use super::env::{Env, Item, Slot, TraceNode, extend, lookup};
use super::frames::Rest;

pub(super) type Maybe<'a> = Res<'a, Option<Item<'a>>>;
type Out<'o, 'a> = &'o mut dyn FnMut(&mut Machine<'a>, Item<'a>) -> Res<'a, ()>;

pub(super) fn constant(it: &Const) -> Val<'_> {
    match it {
        Const::Json(it) => Val::from(it),
        Const::Float(it) => Val::Float(*it),
        Const::Big(it) => normal_big(it.clone()),
    }
}

impl<'a> Machine<'a> {
    /// The value of a part that gives exactly one, without a trace.
    pub(super) fn value(&mut self, node: &'a Node, env: &Env<'a>, val: Val<'a>) -> Res<'a, Option<Val<'a>>> {
        Ok(self.direct(node, env, Item::plain(val))?.map(|it| it.val))
    }

    /// Evaluates a direct part.
    pub(super) fn direct(&mut self, node: &'a Node, env: &Env<'a>, it: Item<'a>) -> Maybe<'a> {
        self.budget.step()?;
        match &node.kind {
            Kind::Id => Ok(Some(it)),
            Kind::Const(value) => Ok(Some(Item { val: constant(value), trace: it.trace })),
            Kind::Var(place) => match lookup(env, *place) {
                Some(Slot::Val(val)) => Ok(Some(Item { val: val.clone(), trace: it.trace })),
                _ => Ok(Some(Item { val: Val::Null, trace: it.trace })),
            },
            Kind::Empty => Ok(None),
            Kind::Field(term, name) => match self.direct(term, env, it)? {
                Some(it) => paths::field(it, name).map(Some),
                None => Ok(None),
            },
            Kind::Pipe(a, b) => match self.direct(a, env, it)? {
                Some(it) => self.direct(b, env, it),
                None => Ok(None),
            },
            Kind::If(when, then, other) => self.direct_if(when, then, other.as_deref(), env, it),
            Kind::Binary(op, a, b) => {
                let Some(right) = self.value(b, env, it.val.clone())? else { return Ok(None) };
                let Some(left) = self.value(a, env, it.val)? else { return Ok(None) };
                let val = ops::binary(&mut self.budget, *op, left, right)?;
                Ok(Some(Item { val, trace: it.trace }))
            }
            Kind::And(a, b) => self.direct_logic(a, b, env, it, false),
            Kind::Or(a, b) => self.direct_logic(a, b, env, it, true),
            Kind::Native(native, args) => self.direct_native(native, args, env, it),
            Kind::Bind(source, body) => match self.value(source, env, it.val.clone())? {
                Some(val) => self.direct(body, &extend(env, Slot::Val(val)), it),
                None => Ok(None),
            },
            _ => self.direct_more(node, env, it),
        }
    }

    fn direct_more(&mut self, node: &'a Node, env: &Env<'a>, it: Item<'a>) -> Maybe<'a> {
        match &node.kind {
            Kind::Item(term, place) => match self.direct(term, env, it)? {
                Some(it) => paths::item(it, *place).map(Some),
                None => Ok(None),
            },
            Kind::Index(term, key) => {
                let Some(key) = self.value(key, env, it.val.clone())? else { return Ok(None) };
                match self.direct(term, env, it)? {
                    Some(it) => paths::child(&mut self.budget, it, key).map(Some),
                    None => Ok(None),
                }
            }
            Kind::Slice(term, from, to) => self.direct_slice(term, from.as_deref(), to.as_deref(), env, it),
            Kind::Plus(term) | Kind::Minus(term) => {
                let Some(val) = self.value(term, env, it.val.clone())? else { return Ok(None) };
                let val = ops::sign(val, matches!(node.kind, Kind::Minus(_)))?;
                Ok(Some(Item { val, trace: it.trace }))
            }
            Kind::Alt(a, b) => {
                if let Some(found) = self.direct(a, env, it.clone())?
                    && found.val.is_true()
                {
                    return Ok(Some(found));
                }
                self.direct(b, env, it)
            }
            Kind::Otherwise(other) => {
                if it.val.is_true() {
                    Ok(Some(it))
                } else {
                    self.direct(other, env, it)
                }
            }
            Kind::Try(body, catch) => match self.direct(body, env, it.clone()) {
                Err(error) if error.is_caught() => match catch {
                    Some(catch) => {
                        let val = error.into_value();
                        self.direct(catch, env, Item { val, trace: it.trace })
                    }
                    None => Ok(None),
                },
                other => other,
            },
            Kind::Array(body) => {
                let mut items = Vec::new();
                let trace = it.trace;
                self.each(body, env, Item::plain(it.val), &mut |machine, found| {
                    machine.budget.charge_items(1)?;
                    items.push(found.val);
                    Ok(())
                })?;
                let val = self.budget.list(items)?;
                Ok(Some(Item { val, trace }))
            }
            Kind::Object(entries) => self.direct_object(entries, env, it),
            Kind::Concat(parts) => self.direct_concat(parts, env, it),
            Kind::IsEmpty(source) => {
                let val = match self.each(source, env, Item::plain(it.val), &mut |_, _| Err(Exc::Stop)) {
                    Ok(()) => true,
                    Err(Exc::Stop) => false,
                    Err(error) => return Err(error),
                };
                Ok(Some(Item { val: Val::Bool(val), trace: it.trace }))
            }
            Kind::First(source) => {
                let mut first = None;
                let ended = self.each(source, env, it, &mut |_, found| {
                    first = Some(found);
                    Err(Exc::Stop)
                });
                match ended {
                    Ok(()) | Err(Exc::Stop) => Ok(first),
                    Err(error) => Err(error),
                }
            }
            Kind::Last(source) => {
                let mut last = None;
                let trace = it.trace;
                self.each(source, env, Item::plain(it.val), &mut |_, found| {
                    last = Some(found.val);
                    Ok(())
                })?;
                Ok(last.map(|val| Item { val, trace }))
            }
            Kind::Path(body) => {
                let outer = it.trace;
                let start = Item { trace: TraceNode::root(it.val.clone()), val: it.val };
                match self.direct(body, env, start)? {
                    Some(found) => {
                        let val = paths::finish(&mut self.budget, found)?;
                        Ok(Some(Item { val, trace: outer }))
                    }
                    None => Ok(None),
                }
            }
            Kind::GetPath(path) => match self.value(path, env, it.val.clone())? {
                Some(path) => paths::at(&mut self.budget, it, &path).map(Some),
                None => Ok(None),
            },
            _ => self.direct_change(node, env, it),
        }
    }

    fn direct_change(&mut self, node: &'a Node, env: &Env<'a>, it: Item<'a>) -> Maybe<'a> {
        match &node.kind {
            Kind::Fold { source, init, body, .. } => {
                let Kind::Store(update, _) = &body.kind else { return Ok(None) };
                let Some(start) = self.value(init, env, it.val.clone())? else { return Ok(None) };
                let cell = Rc::new(RefCell::new(start));
                let inside = extend(env, Slot::Cell(Rc::clone(&cell)));
                let trace = it.trace.clone();
                self.each(source, env, it, &mut |machine, found| {
                    let env = extend(&inside, Slot::Val(found.val));
                    // what gives a value for certain may take the old one apart
                    let before = if update.one { cell.replace(Val::Null) } else { cell.borrow().clone() };
                    if let Some(after) = machine.direct(update, &env, Item { val: before, trace: found.trace })? {
                        cell.replace(after.val);
                    }
                    Ok(())
                })?;
                let val = cell.replace(Val::Null);
                Ok(Some(Item { val, trace }))
            }
            Kind::SetAt(keys, value) => {
                let Some(new) = self.value(value, env, it.val.clone())? else { return Ok(None) };
                let keys = self.keys(keys, env, &it.val)?;
                let trace = it.trace;
                let val = paths::set(&mut self.budget, it.val, &keys, new)?;
                Ok(Some(Item { val, trace }))
            }
            Kind::ModifyAt(keys, f) => {
                let keys = self.keys(keys, env, &it.val)?;
                let Item { mut val, trace } = it;
                paths::get(&mut self.budget, &val, &keys)?;
                let old = paths::take(&mut self.budget, &mut val, &keys)?;
                let val = match self.value(f, env, old)? {
                    Some(new) => paths::set(&mut self.budget, val, &keys, new)?,
                    None => {
                        let path = self.budget.list(keys)?;
                        paths::delete(&mut self.budget, val, vec![path])?
                    }
                };
                Ok(Some(Item { val, trace }))
            }
            Kind::Assign(path) => {
                let Some(Slot::Val(new)) = lookup(env, 0) else { return Ok(None) };
                let Item { val, trace } = it;
                let start = Item { trace: TraceNode::root(val.clone()), val: val.clone() };
                let mut changed = val;
                self.each(path, env, start, &mut |machine, found| {
                    let keys = paths::keys(found)?;
                    let before = std::mem::replace(&mut changed, Val::Null);
                    changed = paths::set(&mut machine.budget, before, &keys, new.clone())?;
                    Ok(())
                })?;
                Ok(Some(Item { val: changed, trace }))
            }
            Kind::Modify(path, f) => {
                let Item { val, trace } = it;
                let start = Item { trace: TraceNode::root(val.clone()), val: val.clone() };
                let mut changed = val;
                let mut gone = Vec::new();
                self.each(path, env, start, &mut |machine, found| {
                    let keys = paths::keys(found)?;
                    let old = paths::get(&mut machine.budget, &changed, &keys)?;
                    match machine.value(f, env, old)? {
                        Some(new) => {
                            let before = std::mem::replace(&mut changed, Val::Null);
                            changed = paths::set(&mut machine.budget, before, &keys, new)?;
                        }
                        None => gone.push(machine.budget.list(keys)?),
                    }
                    Ok(())
                })?;
                let val = paths::delete(&mut self.budget, changed, gone)?;
                Ok(Some(Item { val, trace }))
            }
            Kind::Sub { pattern, flags, with } => {
                let Some(flags) = self.value(flags, env, it.val.clone())? else { return Ok(None) };
                let Some(pattern) = self.value(pattern, env, it.val.clone())? else { return Ok(None) };
                let val = self.substitute(&it.val, &pattern, &flags, with, env)?;
                Ok(Some(Item { val, trace: it.trace }))
            }
            // loops that give one value at most do not come here
            _ => Ok(None),
        }
    }

    /// The keys of a chain.
    pub(super) fn keys(&mut self, keys: &'a [Node], env: &Env<'a>, val: &Val<'a>) -> Res<'a, Vec<Val<'a>>> {
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            out.push(self.value(key, env, val.clone())?.unwrap_or(Val::Null));
        }
        Ok(out)
    }

    fn direct_if(
        &mut self,
        when: &'a Node,
        then: &'a Node,
        other: Option<&'a Node>,
        env: &Env<'a>,
        it: Item<'a>,
    ) -> Maybe<'a> {
        match self.value(when, env, it.val.clone())? {
            None => Ok(None),
            Some(test) if test.is_true() => self.direct(then, env, it),
            Some(_) => match other {
                Some(other) => self.direct(other, env, it),
                None => Ok(Some(it)),
            },
        }
    }

    fn direct_logic(&mut self, a: &'a Node, b: &'a Node, env: &Env<'a>, it: Item<'a>, ends: bool) -> Maybe<'a> {
        let Some(left) = self.value(a, env, it.val.clone())? else { return Ok(None) };
        let val = if left.is_true() == ends {
            ends
        } else {
            let Some(right) = self.value(b, env, it.val)? else { return Ok(None) };
            right.is_true()
        };
        Ok(Some(Item { val: Val::Bool(val), trace: it.trace }))
    }

    fn direct_native(
        &mut self,
        native: &'a super::super::natives::Native,
        args: &'a [Node],
        env: &Env<'a>,
        it: Item<'a>,
    ) -> Maybe<'a> {
        let val = match args {
            [] => (native.run)(&mut self.budget, it.val, &mut [])?,
            [arg] => {
                let Some(arg) = self.value(arg, env, it.val.clone())? else { return Ok(None) };
                (native.run)(&mut self.budget, it.val, &mut [arg])?
            }
            _ => {
                let mut values = vec![Val::Null; args.len()];
                for (place, arg) in args.iter().enumerate().rev() {
                    let Some(value) = self.value(arg, env, it.val.clone())? else { return Ok(None) };
                    values[place] = value;
                }
                (native.run)(&mut self.budget, it.val, &mut values)?
            }
        };
        Ok(Some(Item { val, trace: it.trace }))
    }

    fn direct_slice(
        &mut self,
        term: &'a Node,
        from: Option<&'a Node>,
        to: Option<&'a Node>,
        env: &Env<'a>,
        it: Item<'a>,
    ) -> Maybe<'a> {
        let from = match from {
            Some(node) => self.value(node, env, it.val.clone())?,
            None => Some(Val::Null),
        };
        let Some(from) = from else { return Ok(None) };
        let to = match to {
            Some(node) => self.value(node, env, it.val.clone())?,
            None => Some(Val::Null),
        };
        let Some(to) = to else { return Ok(None) };
        match self.direct(term, env, it)? {
            Some(it) => paths::slice(&mut self.budget, it, from, to).map(Some),
            None => Ok(None),
        }
    }

    fn direct_object(&mut self, entries: &'a [(Node, Option<Node>)], env: &Env<'a>, it: Item<'a>) -> Maybe<'a> {
        let mut made = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Some(key) = self.value(key, env, it.val.clone())? else { return Ok(None) };
            let value = match value {
                Some(value) => self.value(value, env, it.val.clone())?,
                None => Some(paths::index(&mut self.budget, &it.val, &key)?),
            };
            let Some(value) = value else { return Ok(None) };
            made.push((key, value));
        }
        let val = self.object(made)?;
        Ok(Some(Item { val, trace: it.trace }))
    }

    /// An object of evaluated entries; the last of a key wins, and so does its complaint.
    pub(super) fn object(&mut self, entries: Vec<(Val<'a>, Val<'a>)>) -> Res<'a> {
        if let Some((key, _)) = entries.iter().rev().find(|(key, _)| key.as_str().is_none()) {
            return Err(Exc::Text(format!("expected a string for object key but got: {}", type_preview(key))));
        }
        let mut map = std::collections::BTreeMap::new();
        for (key, value) in entries {
            if let Val::Str(key) = key {
                map.insert(key, value);
            }
        }
        self.budget.dict(map)
    }

    fn direct_concat(&mut self, parts: &'a [Node], env: &Env<'a>, it: Item<'a>) -> Maybe<'a> {
        let mut texts = Vec::with_capacity(parts.len());
        for part in parts.iter().rev() {
            let Some(text) = self.value(part, env, it.val.clone())? else { return Ok(None) };
            texts.push(text);
        }
        texts.reverse();
        let val = self.concat(&texts)?;
        Ok(Some(Item { val, trace: it.trace }))
    }

    pub(super) fn concat(&mut self, texts: &[Val<'a>]) -> Res<'a> {
        let length: usize = texts.iter().filter_map(Val::as_str).map(str::len).sum();
        self.budget.charge(length)?;
        let text: String = texts.iter().filter_map(Val::as_str).collect();
        Ok(Val::Str(Text::Own(text.into())))
    }

    /// Evaluates a loop over direct parts and hands on each value.
    pub(super) fn each(&mut self, node: &'a Node, env: &Env<'a>, it: Item<'a>, out: Out<'_, 'a>) -> Res<'a, ()> {
        if node.direct {
            return match self.direct(node, env, it)? {
                Some(it) => out(self, it),
                None => Ok(()),
            };
        }
        self.budget.step()?;
        match &node.kind {
            Kind::Pipe(a, b) => self.each(a, env, it, &mut |machine, it| machine.each(b, env, it, &mut *out)),
            Kind::Comma(a, b) => {
                self.each(a, env, it.clone(), &mut *out)?;
                self.each(b, env, it, out)
            }
            Kind::Iter(term) => match self.direct(term, env, it)? {
                Some(it) => self.each_item(&it, out),
                None => Ok(()),
            },
            Kind::If(when, then, other) => match self.value(when, env, it.val.clone())? {
                None => Ok(()),
                Some(test) if test.is_true() => self.each(then, env, it, out),
                Some(_) => match other {
                    Some(other) => self.each(other, env, it, out),
                    None => out(self, it),
                },
            },
            Kind::Bind(source, body) => {
                let start = Item::plain(it.val.clone());
                self.each(source, env, start, &mut |machine, found| {
                    let env = extend(env, Slot::Val(found.val));
                    machine.each(body, &env, it.clone(), &mut *out)
                })
            }
            Kind::Try(body, _) => {
                let Kind::Iter(term) = &body.kind else { return Ok(()) };
                match self.direct(term, env, it) {
                    Ok(Some(it)) if Rest::of(&it.val).is_some() && it.is_intact() => self.each_item(&it, out),
                    Ok(_) => Ok(()),
                    Err(error) if error.is_caught() => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Kind::Recurse => {
                let mut open = vec![it];
                while let Some(it) = open.pop() {
                    self.budget.step()?;
                    paths::push_children(&it, &mut open)?;
                    out(self, it)?;
                }
                Ok(())
            }
            Kind::Path(body) => {
                let outer = it.trace;
                let start = Item { trace: TraceNode::root(it.val.clone()), val: it.val };
                self.each(body, env, start, &mut |machine, found| {
                    let val = paths::finish(&mut machine.budget, found)?;
                    out(machine, Item { val, trace: outer.clone() })
                })
            }
            Kind::Range(from, to, step) => {
                let Some(from) = self.value(from, env, it.val.clone())? else { return Ok(()) };
                let Some(to) = self.value(to, env, it.val.clone())? else { return Ok(()) };
                let Some(step) = self.value(step, env, it.val.clone())? else { return Ok(()) };
                ops::check_range(&from, &to, &step)?;
                let mut at = from;
                while let Some(next) = ops::range_next(&mut self.budget, &at, &to, &step)? {
                    self.budget.step()?;
                    out(self, it.with(std::mem::replace(&mut at, next)))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn each_item(&mut self, it: &Item<'a>, out: Out<'_, 'a>) -> Res<'a, ()> {
        let mut rest = paths::iterate(it)?;
        while let Some(next) = rest.next(it) {
            self.budget.step()?;
            out(self, next)?;
        }
        Ok(())
    }

    /// Whether a number is above zero, as `limit` asks.
    pub(super) fn count(val: &Val<'a>) -> i64 {
        if compare(val, &Val::Int(0)).is_gt() { super::super::value::to_int_ceil(val).unwrap_or(i64::MAX) } else { 0 }
    }
}

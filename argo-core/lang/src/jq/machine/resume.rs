//! Handing a value to what waits for it.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::error::Res;
use super::super::ir::Kind;
use super::super::ops;
use super::super::paths;
use super::super::value::Val;
use super::env::{Cont, ContNode, Item, Slot, extend};
use super::frames::{Fork, Frame};
use super::{Go, Machine};

impl<'a> Machine<'a> {
    pub(super) fn resume(&mut self, waiting: Rc<ContNode<'a>>, it: Item<'a>) -> Res<'a, Go<'a>> {
        self.budget.step()?;
        let cont = waiting.next.clone();
        Ok(match &waiting.frame {
            Frame::Then(node, env) => Go::Eval(node, env.clone(), it, cont),
            Frame::Bind(body, env, of) => Go::Eval(body, extend(env, Slot::Val(it.val)), of.clone(), cont),
            Frame::Field(name) => Go::Return(paths::field(it, name)?, cont),
            Frame::ItemOf(place) => Go::Return(paths::item(it, *place)?, cont),
            Frame::Key(term, env, of) => {
                let cont = self.then(Frame::KeyOf(it.val), cont)?;
                Go::Eval(term, env.clone(), of.clone(), cont)
            }
            Frame::KeyOf(key) => Go::Return(paths::child(&mut self.budget, it, key.clone())?, cont),
            Frame::SliceFrom(node, env, of) => return self.slice_to(node, env.clone(), of.clone(), it.val, cont),
            Frame::SliceTo(node, env, of, from) => {
                let Kind::Slice(term, ..) = &node.kind else { return Ok(Go::Back) };
                let cont = self.then(Frame::SliceOf(from.clone(), it.val), cont)?;
                Go::Eval(term, env.clone(), of.clone(), cont)
            }
            Frame::SliceOf(from, to) => Go::Return(paths::slice(&mut self.budget, it, from.clone(), to.clone())?, cont),
            Frame::Iter => {
                let items = paths::iterate(&it)?;
                self.fork(Fork::Items { items, of: it, cont })?;
                Go::Back
            }
            Frame::Plus | Frame::Minus => {
                let val = ops::sign(it.val.clone(), matches!(waiting.frame, Frame::Minus))?;
                Go::Return(it.with(val), cont)
            }
            Frame::Right(op, left, env, of) => {
                if left.direct {
                    return Ok(match self.value(left, env, of.val.clone())? {
                        Some(left) => {
                            let val = ops::binary(&mut self.budget, *op, left, it.val)?;
                            Go::Return(of.with(val), cont)
                        }
                        None => Go::Back,
                    });
                }
                let start = Item::plain(of.val.clone());
                let cont = self.then(Frame::Left(*op, it.val, of.trace.clone()), cont)?;
                Go::Eval(left, env.clone(), start, cont)
            }
            Frame::Left(op, right, trace) => {
                let val = ops::binary(&mut self.budget, *op, it.val, right.clone())?;
                Go::Return(Item { val, trace: trace.clone() }, cont)
            }
            Frame::And(other, env, of) | Frame::Or(other, env, of) => {
                let ends = matches!(waiting.frame, Frame::Or(..));
                if it.val.is_true() == ends {
                    Go::Return(of.with(Val::Bool(ends)), cont)
                } else {
                    let cont = self.then(Frame::Truth, cont)?;
                    Go::Eval(other, env.clone(), of.clone(), cont)
                }
            }
            Frame::Truth => Go::Return(it.with(Val::Bool(it.val.is_true())), cont),
            Frame::If(node, env, of) => Self::choose(node, &it.val, env.clone(), of.clone(), cont),
            Frame::Alt(found) => {
                if it.val.is_true() {
                    found.set(true);
                    Go::Return(it, cont)
                } else {
                    Go::Back
                }
            }
            Frame::TryEnd => {
                self.fork(Fork::TryLeft)?;
                Go::Return(it, cont)
            }
            Frame::Collect(items) => {
                self.budget.charge_items(1)?;
                items.borrow_mut().push(it.val);
                Go::Back
            }
            _ => return self.resume_more(&waiting, it, cont),
        })
    }

    fn resume_more(&mut self, waiting: &ContNode<'a>, it: Item<'a>, cont: Cont<'a>) -> Res<'a, Go<'a>> {
        Ok(match &waiting.frame {
            Frame::ObjectKey(node, env, of, place, made) => {
                let Kind::Object(entries) = &node.kind else { return Ok(Go::Back) };
                let Some((_, value)) = entries.get(*place) else { return Ok(Go::Back) };
                let Some(value) = value else {
                    let value = paths::index(&mut self.budget, &of.val, &it.val)?;
                    let mut made = made.clone();
                    made.push((it.val, value));
                    return self.object_key(node, env.clone(), of.clone(), place + 1, made, cont);
                };
                let frame = Frame::ObjectVal(node, env.clone(), of.clone(), *place, made.clone(), it.val);
                let cont = self.then(frame, cont)?;
                Go::Eval(value, env.clone(), Item::plain(of.val.clone()), cont)
            }
            Frame::ObjectVal(node, env, of, place, made, key) => {
                self.budget.charge_items(made.len() * 2)?;
                let mut made = made.clone();
                made.push((key.clone(), it.val));
                return self.object_key(node, env.clone(), of.clone(), place + 1, made, cont);
            }
            Frame::Args(node, env, of, place, values) => {
                let mut values = values.clone();
                values[*place] = it.val;
                return self.next_arg(node, env.clone(), of.clone(), *place, values, cont);
            }
            Frame::FoldInit(node, env, of) => {
                let Kind::Fold { source, body, each, .. } = &node.kind else { return Ok(Go::Back) };
                let cell = Rc::new(RefCell::new(it.val));
                let inside = extend(env, Slot::Cell(Rc::clone(&cell)));
                if !each {
                    self.fork(Fork::Done(cell, of.trace.clone(), cont.clone()))?;
                }
                let cont = self.then(Frame::FoldItem(body, inside), cont)?;
                Go::Eval(source, env.clone(), of.clone(), cont)
            }
            Frame::FoldItem(body, env) => {
                let env = extend(env, Slot::Val(it.val.clone()));
                Go::Eval(body, env, it, cont)
            }
            Frame::Store(cell) => {
                cell.replace(it.val);
                Go::Back
            }
            Frame::Step(cell, extract, env) => {
                cell.replace(it.val.clone());
                match extract {
                    Some(extract) => Go::Eval(extract, env.clone(), it, cont),
                    None => Go::Return(it, cont),
                }
            }
            Frame::RangeFrom(node, env, of) => {
                let Kind::Range(_, to, _) = &node.kind else { return Ok(Go::Back) };
                let start = Item::plain(of.val.clone());
                let cont = self.then(Frame::RangeTo(node, env.clone(), of.clone(), it.val), cont)?;
                Go::Eval(to, env.clone(), start, cont)
            }
            Frame::RangeTo(node, env, of, from) => {
                let Kind::Range(_, _, step) = &node.kind else { return Ok(Go::Back) };
                let cont = self.then(Frame::RangeStep(of.clone(), from.clone(), it.val), cont)?;
                Go::Eval(step, env.clone(), Item::plain(of.val.clone()), cont)
            }
            Frame::RangeStep(of, from, to) => {
                ops::check_range(from, to, &it.val)?;
                let (at, to) = (from.clone(), to.clone());
                self.fork(Fork::Range { at, to, step: it.val, of: of.clone(), cont })?;
                Go::Back
            }
            Frame::Limit(count, open) => {
                count.set(count.get() - 1);
                if count.get() <= 0 {
                    self.forks.truncate(*open);
                }
                Go::Return(it, cont)
            }
            Frame::Cut(open) => {
                self.forks.truncate(*open);
                Go::Return(it, cont)
            }
            Frame::Last(cell) => {
                cell.replace(Some(it.val));
                Go::Back
            }
            Frame::Found(open, trace) => {
                self.forks.truncate(*open);
                Go::Return(Item { val: Val::Bool(false), trace: trace.clone() }, cont)
            }
            Frame::PathEnd(outer) => {
                let val = paths::finish(&mut self.budget, it)?;
                Go::Return(Item { val, trace: outer.clone() }, cont)
            }
            Frame::GetPath(of) => Go::Return(paths::at(&mut self.budget, of.clone(), &it.val)?, cont),
            Frame::SetAt(keys, of) => {
                let keys = self.keys(keys, &None, &of.val)?;
                let val = paths::set(&mut self.budget, of.val.clone(), &keys, it.val)?;
                Go::Return(of.with(val), cont)
            }
            Frame::Assign(cell, new) => {
                let keys = Self::keys_of(it)?;
                let before = cell.replace(Val::Null);
                cell.replace(paths::set(&mut self.budget, before, &keys, new.clone())?);
                Go::Back
            }
            Frame::Modify(change, f, env) => {
                let keys = Rc::new(Self::keys_of(it)?);
                let old = paths::get(&mut self.budget, &change.val.borrow(), &keys)?;
                let open = self.forks.len();
                self.fork(Fork::Gone(Rc::clone(change), Rc::clone(&keys)))?;
                let cont = self.then(Frame::ModifyStore(Rc::clone(change), keys, open), None)?;
                Go::Eval(f, env.clone(), Item::plain(old), cont)
            }
            Frame::ModifyStore(change, keys, open) => {
                self.forks.truncate(*open);
                let before = change.val.replace(Val::Null);
                let after = paths::set(&mut self.budget, before, keys, it.val)?;
                change.val.replace(after);
                Go::Back
            }
            _ => Go::Back,
        })
    }
}

//! Indexing, slicing, and reading and writing at paths.

use std::rc::Rc;

use super::budget::Budget;
use super::error::{Exc, Res, fail};
use super::machine::env::Item;
use super::machine::frames::Rest;
use super::value::{Dict, List, Text, Val, preview, same, to_int, to_int_ceil, type_preview};

/// The largest index that a write makes room for.
const LARGEST_INDEX: i64 = 0x2000_0000;

/// A place among `count` items: negative places count from the end, and what is outside is `least` or `count`.
fn clamp(place: i64, least: i64, count: usize) -> i64 {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let place = if place < 0 { place.saturating_add(count) } else { place };
    place.clamp(least, count)
}

fn not_object<'a, T>(val: &Val<'a>) -> Res<'a, T> {
    fail(format!("expected an object but got: {}", type_preview(val)))
}

fn not_array<'a, T>(val: &Val<'a>) -> Res<'a, T> {
    fail(format!("expected an array but got: {}", type_preview(val)))
}

fn bad_index<'a, T>(key: &Val<'a>) -> Res<'a, T> {
    fail(format!("expected a number for indexing an array but got: {}", type_preview(key)))
}

fn bad_key<'a, T>(key: &Val<'a>) -> Res<'a, T> {
    fail(format!("expected a string for object key but got: {}", type_preview(key)))
}

/// `val[key]`
pub(super) fn index<'a>(budget: &mut Budget, val: &Val<'a>, key: &Val<'a>) -> Res<'a> {
    match key {
        Val::Str(name) => by_name(val, name.as_str()),
        Val::Int(_) | Val::Float(_) | Val::Big(_) => by_place(val, to_int(key).unwrap_or(0)),
        Val::ListRef(_) | Val::List(_) => match val {
            Val::Null => Ok(Val::Null),
            Val::ListRef(_) | Val::List(_) => indices(budget, val, key),
            other => not_array(other),
        },
        Val::MapRef(_) | Val::Map(_) => {
            if matches!(val, Val::Null) {
                return Ok(Val::Null);
            }
            let (from, to) = bounds(key)?;
            cut(budget, val, &from, &to)
        }
        _ => match val {
            Val::ListRef(_) | Val::List(_) => bad_index(key),
            Val::Str(_) => fail(format!("expected a number for indexing a string but got: {}", type_preview(key))),
            _ => bad_key(key),
        },
    }
}

fn by_name<'a>(val: &Val<'a>, name: &str) -> Res<'a> {
    match val {
        Val::Null => Ok(Val::Null),
        other => match other.as_map() {
            Some(map) => Ok(map.get(name).unwrap_or(Val::Null)),
            None => not_object(other),
        },
    }
}

fn by_place<'a>(val: &Val<'a>, place: i64) -> Res<'a> {
    match val {
        Val::Null => Ok(Val::Null),
        Val::Str(text) => {
            let text = text.as_str();
            let place = clamp(place, -1, text.chars().count());
            let found = usize::try_from(place).ok().and_then(|it| text.chars().nth(it));
            Ok(found.map_or(Val::Null, |it| Val::text(it.to_string())))
        }
        other => match other.as_list() {
            Some(list) => {
                let place = clamp(place, -1, list.len());
                Ok(usize::try_from(place).ok().and_then(|it| list.get(it)).unwrap_or(Val::Null))
            }
            None => not_array(other),
        },
    }
}

/// `start` and `end` of a slice that is written as an object.
fn bounds<'a>(key: &Val<'a>) -> Res<'a, (Val<'a>, Val<'a>)> {
    let map = key.as_map();
    match map.and_then(|it| Some((it.get("start")?, it.get("end")?))) {
        Some(found) => Ok(found),
        None => fail(format!("expected \"start\" and \"end\" for slicing but got: {}", type_preview(key))),
    }
}

/// The places of a slice of `count` items.
fn range<'a>(from: &Val<'a>, to: &Val<'a>, count: usize, of: &str) -> Res<'a, (usize, usize)> {
    let bad = |it: &Val<'a>| fail(format!("expected a number for indexing {of} but got: {}", type_preview(it)));
    let start = match (from, to_int(from)) {
        (Val::Null, _) => 0,
        (_, Some(place)) => clamp(place, 0, count),
        _ => return bad(from),
    };
    let end = match (to, to_int_ceil(to)) {
        (Val::Null, _) => i64::try_from(count).unwrap_or(i64::MAX),
        (_, Some(place)) => clamp(place, start, count),
        _ => return bad(to),
    };
    Ok((usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0)))
}

/// `val[from:to]`
pub(super) fn cut<'a>(budget: &mut Budget, val: &Val<'a>, from: &Val<'a>, to: &Val<'a>) -> Res<'a> {
    match val {
        Val::Null => Ok(Val::Null),
        Val::Str(text) => {
            let whole = text.as_str();
            let (start, end) = range(from, to, whole.chars().count(), "a string")?;
            budget.take_steps(whole.len() / 64)?;
            let at = |place: usize| whole.char_indices().nth(place).map_or(whole.len(), |it| it.0);
            let (start, end) = (at(start), at(end));
            match text {
                Text::Ref(it) => Ok(Val::Str(Text::Ref(&it[start..end]))),
                Text::Own(it) => budget.string(&it[start..end]),
            }
        }
        Val::ListRef(items) => {
            let (start, end) = range(from, to, items.len(), "an array")?;
            Ok(Val::ListRef(&items[start..end]))
        }
        Val::List(list) => {
            let (start, end) = range(from, to, list.items.len(), "an array")?;
            if start == 0 && end == list.items.len() {
                return Ok(val.clone());
            }
            budget.list(list.items[start..end].to_vec())
        }
        other => not_array(other),
    }
}

/// Where one array stands in another.
pub(super) fn indices<'a>(budget: &mut Budget, val: &Val<'a>, part: &Val<'a>) -> Res<'a> {
    let (Some(list), Some(part)) = (val.as_list(), part.as_list()) else { return not_array(val) };
    let mut found = Vec::new();
    if part.len() > 0 && part.len() <= list.len() {
        for place in 0..=list.len() - part.len() {
            budget.take_steps(1)?;
            let here = list.slice(place, place + part.len());
            if here.iter().zip(part.iter()).all(|(a, b)| same(&a, &b)) {
                found.push(Val::len(place));
            }
        }
    }
    budget.list(found)
}

// === items with their traces ===

fn intact<'a>(it: &Item<'a>) -> Res<'a, ()> {
    if it.is_intact() { Ok(()) } else { fail(format!("invalid path against: {}", type_preview(&it.val))) }
}

/// `.name`
pub(super) fn field<'a>(it: Item<'a>, name: &'a str) -> Res<'a, Item<'a>> {
    let val = by_name(&it.val, name)?;
    intact(&it)?;
    Ok(it.child(|| Val::literal(name), val))
}

/// `.[place]` of what has to be an array.
pub(super) fn item<'a>(it: Item<'a>, place: i64) -> Res<'a, Item<'a>> {
    if !matches!(it.val, Val::Null) && it.val.as_list().is_none() {
        return not_array(&it.val);
    }
    let val = by_place(&it.val, place)?;
    intact(&it)?;
    Ok(it.child(|| Val::Int(place), val))
}

/// `.[key]`
pub(super) fn child<'a>(budget: &mut Budget, it: Item<'a>, key: Val<'a>) -> Res<'a, Item<'a>> {
    let val = index(budget, &it.val, &key)?;
    intact(&it)?;
    Ok(it.child(|| key, val))
}

/// `.[from:to]`
pub(super) fn slice<'a>(budget: &mut Budget, it: Item<'a>, from: Val<'a>, to: Val<'a>) -> Res<'a, Item<'a>> {
    let val = cut(budget, &it.val, &from, &to)?;
    intact(&it)?;
    if it.trace.is_none() {
        return Ok(Item::plain(val));
    }
    let key = budget.record([("start", from), ("end", to)])?;
    Ok(it.child(|| key, val))
}

/// `.[]`
pub(super) fn iterate<'a>(it: &Item<'a>) -> Res<'a, Rest<'a>> {
    match Rest::of(&it.val) {
        Some(_) if !it.is_intact() => fail(format!("invalid path on iterating against: {}", type_preview(&it.val))),
        Some(rest) => Ok(rest),
        None => fail(format!("cannot iterate over: {}", type_preview(&it.val))),
    }
}

/// Puts what is inside on the stack of `..`, the first on top.
pub(super) fn push_children<'a>(it: &Item<'a>, open: &mut Vec<Item<'a>>) -> Res<'a, ()> {
    if let Some(mut rest) = Rest::of(&it.val) {
        if !it.is_intact() {
            return Ok(());
        }
        let start = open.len();
        while let Some(next) = rest.next(it) {
            open.push(next);
        }
        open[start..].reverse();
    }
    Ok(())
}

/// `getpath(path)`
pub(super) fn at<'a>(budget: &mut Budget, it: Item<'a>, path: &Val<'a>) -> Res<'a, Item<'a>> {
    let refused = || fail(format!("getpath({}) cannot be applied to: {}", preview(path), type_preview(&it.val)));
    let Some(keys) = path.as_list() else { return refused() };
    let mut val = it.val.clone();
    for key in keys.iter() {
        if !matches!(val, Val::Null) && val.as_list().is_none() && val.as_map().is_none() {
            return refused();
        }
        val = index(budget, &val, &key).map_err(|error| wrap1("getpath", &it.val, path, &error))?;
    }
    intact(&it)?;
    let mut out = it;
    if out.trace.is_none() {
        return Ok(Item::plain(val));
    }
    for key in keys.iter() {
        out = out.child(|| key, val.clone());
    }
    Ok(out)
}

/// The keys of what a path expression gave.
pub(super) fn keys<'a>(it: Item<'a>) -> Res<'a, Vec<Val<'a>>> {
    intact(&it)?;
    Ok(it.trace.map(|it| it.keys()).unwrap_or_default())
}

/// [`keys`] as a value.
pub(super) fn finish<'a>(budget: &mut Budget, it: Item<'a>) -> Res<'a> {
    let keys = keys(it)?;
    budget.list(keys)
}

fn wrap1<'a>(name: &str, val: &Val<'a>, arg: &Val<'a>, error: &Exc<'a>) -> Exc<'a> {
    if !error.is_caught() {
        return error.clone();
    }
    Exc::Text(format!("{name}({}) cannot be applied to {}: {}", preview(arg), preview(val), error.message()))
}

// === writing ===

/// What is at the keys: fails as indexing one after another does, or as `getpath` does, which does not look into text.
pub(super) fn get<'a>(budget: &mut Budget, val: &Val<'a>, keys: &[Val<'a>]) -> Res<'a> {
    let mut at = val.clone();
    let mut text = false;
    for key in keys {
        text |= matches!(at, Val::Str(_));
        at = index(budget, &at, key)?;
    }
    if text {
        let path = Val::List(Rc::new(List { depth: 1, items: keys.to_vec() }));
        return fail(format!("getpath({}) cannot be applied to: {}", preview(&path), type_preview(val)));
    }
    Ok(at)
}

/// What is at the keys, taken out where that can be done; null stays in its place until [`set`].
pub(super) fn take<'a>(budget: &mut Budget, val: &mut Val<'a>, keys: &[Val<'a>]) -> Res<'a> {
    let Some((key, rest)) = keys.split_first() else { return Ok(std::mem::replace(val, Val::Null)) };
    match (key, &*val) {
        (Val::Str(name), Val::MapRef(_) | Val::Map(_)) => {
            let dict = own_map(budget, val)?;
            match dict.map.get_mut(name.as_str()) {
                Some(inner) => take(budget, inner, rest),
                None => Ok(Val::Null),
            }
        }
        (Val::Int(place), Val::ListRef(_) | Val::List(_)) => {
            let list = own_list(budget, val)?;
            let place = clamp(*place, -1, list.items.len());
            match usize::try_from(place).ok().and_then(|it| list.items.get_mut(it)) {
                Some(inner) => take(budget, inner, rest),
                None => Ok(Val::Null),
            }
        }
        _ => get(budget, val, keys),
    }
}

/// The object behind a value as one of our own that nobody else holds.
fn own_map<'v, 'a>(budget: &mut Budget, val: &'v mut Val<'a>) -> Res<'a, &'v mut Dict<'a>> {
    let shared = match val {
        Val::Map(dict) => Rc::strong_count(dict) > 1,
        _ => true,
    };
    if shared {
        let map: std::collections::BTreeMap<_, _> = val.as_map().into_iter().flat_map(|it| it.iter()).collect();
        budget.charge_items(map.len() * 2)?;
        *val = Val::Map(Rc::new(Dict { depth: val.depth().max(1), map }));
    }
    match val {
        Val::Map(dict) => Ok(Rc::make_mut(dict)),
        other => not_object(other),
    }
}

fn own_list<'v, 'a>(budget: &mut Budget, val: &'v mut Val<'a>) -> Res<'a, &'v mut List<'a>> {
    let shared = match val {
        Val::List(list) => Rc::strong_count(list) > 1,
        _ => true,
    };
    if shared {
        let items: Vec<_> = val.as_list().into_iter().flat_map(|it| it.iter()).collect();
        budget.charge_items(items.len())?;
        *val = Val::List(Rc::new(List { depth: val.depth().max(1), items }));
    }
    match val {
        Val::List(list) => Ok(Rc::make_mut(list)),
        other => not_array(other),
    }
}

/// `setpath(keys; new)`
pub(super) fn set<'a>(budget: &mut Budget, mut val: Val<'a>, keys: &[Val<'a>], new: Val<'a>) -> Res<'a> {
    match update(budget, &mut val, keys, &new) {
        Ok(()) => Ok(val),
        Err(error) if error.is_caught() => {
            let path = Val::List(Rc::new(List { depth: 1, items: keys.to_vec() }));
            let call = format!("setpath({}; {})", preview(&path), preview(&new));
            fail(format!("{call} cannot be applied to {}: {}", preview(&val), error.message()))
        }
        Err(error) => Err(error),
    }
}

/// Writes at the keys, in place; on an error the value is what it was.
fn update<'a>(budget: &mut Budget, val: &mut Val<'a>, keys: &[Val<'a>], new: &Val<'a>) -> Res<'a, ()> {
    let Some((key, rest)) = keys.split_first() else {
        *val = new.clone();
        return Ok(());
    };
    budget.step()?;
    if matches!(val, Val::Hole) {
        return Ok(());
    }
    let deletes = matches!(new, Val::Hole);
    match key {
        Val::Str(name) => {
            if !matches!(val, Val::Null) && val.as_map().is_none() {
                return not_object(val);
            }
            if deletes && val.as_map().and_then(|it| it.get(name.as_str())).is_none() {
                return Ok(());
            }
            update_map(budget, val, name, rest, new)
        }
        Val::Int(_) | Val::Float(_) | Val::Big(_) => {
            if !matches!(val, Val::Null) && val.as_list().is_none() {
                return not_array(val);
            }
            update_item(budget, val, to_int(key).unwrap_or(0), rest, new)
        }
        Val::MapRef(_) | Val::Map(_) => {
            if !matches!(val, Val::Null) && val.as_list().is_none() {
                return not_array(val);
            }
            update_slice(budget, val, key, rest, new)
        }
        other if val.as_list().is_some() => bad_index(other),
        other => bad_key(other),
    }
}

fn update_map<'a>(
    budget: &mut Budget,
    val: &mut Val<'a>,
    name: &Text<'a>,
    rest: &[Val<'a>],
    new: &Val<'a>,
) -> Res<'a, ()> {
    if matches!(val, Val::Null) {
        let mut inner = Val::Null;
        update(budget, &mut inner, rest, new)?;
        *val = budget.dict([(name.clone(), inner)].into_iter().collect())?;
        return Ok(());
    }
    let dict = own_map(budget, val)?;
    let depth = match dict.map.get_mut(name.as_str()) {
        Some(inner) => {
            update(budget, inner, rest, new)?;
            inner.depth()
        }
        None => {
            let mut inner = Val::Null;
            update(budget, &mut inner, rest, new)?;
            budget.charge_items(2)?;
            let depth = inner.depth();
            dict.map.insert(name.clone(), inner);
            depth
        }
    };
    dict.depth = dict.depth.max(depth + 1);
    budget.check_nesting(dict.depth)
}

fn update_item<'a>(budget: &mut Budget, val: &mut Val<'a>, place: i64, rest: &[Val<'a>], new: &Val<'a>) -> Res<'a, ()> {
    let count = val.as_list().map_or(0, |it| it.len());
    let deletes = matches!(new, Val::Hole);
    let Ok(found) = usize::try_from(clamp(place, -1, count)) else {
        if deletes {
            return Ok(());
        }
        return fail(format!("array index should not be negative: {place}"));
    };
    let found = if found < count {
        found
    } else {
        if deletes {
            return Ok(());
        }
        if place >= LARGEST_INDEX {
            return fail(format!("array index too large: {place}"));
        }
        usize::try_from(place).unwrap_or(0)
    };
    if found >= count {
        let mut inner = Val::Null;
        update(budget, &mut inner, rest, new)?;
        budget.charge_items(found + 1 - count)?;
        if matches!(val, Val::Null) {
            *val = Val::List(Rc::new(List { depth: 1, items: Vec::new() }));
        }
        let list = own_list(budget, val)?;
        list.items.resize(found, Val::Null);
        list.depth = list.depth.max(inner.depth() + 1);
        list.items.push(inner);
        return budget.check_nesting(list.depth);
    }
    let list = own_list(budget, val)?;
    let Some(inner) = list.items.get_mut(found) else { return Ok(()) };
    update(budget, inner, rest, new)?;
    list.depth = list.depth.max(inner.depth() + 1);
    budget.check_nesting(list.depth)
}

fn update_slice<'a>(
    budget: &mut Budget,
    val: &mut Val<'a>,
    key: &Val<'a>,
    rest: &[Val<'a>],
    new: &Val<'a>,
) -> Res<'a, ()> {
    let (from, to) = bounds(key)?;
    let count = val.as_list().map_or(0, |it| it.len());
    let (start, end) = range(&from, &to, count, "an array")?;
    if start == end && matches!(new, Val::Hole) {
        return Ok(());
    }
    let items: Vec<Val<'a>> = val.as_list().map_or_else(Vec::new, |it| it.slice(start, end).iter().collect());
    let mut inner = budget.list(items)?;
    update(budget, &mut inner, rest, new)?;
    if matches!(inner, Val::Hole) {
        let list = own_list(budget, val)?;
        for item in &mut list.items[start..end] {
            *item = Val::Hole;
        }
        return Ok(());
    }
    let Some(put) = inner.as_list() else { return not_array(&inner) };
    budget.charge_items(put.len())?;
    let put: Vec<Val<'a>> = put.iter().collect();
    if matches!(val, Val::Null) {
        *val = Val::List(Rc::new(List { depth: 1, items: Vec::new() }));
    }
    let list = own_list(budget, val)?;
    list.depth = list.depth.max(inner.depth());
    list.items.splice(start..end, put);
    budget.check_nesting(list.depth)
}

/// `delpaths`: all paths are emptied before anything moves.
pub(super) fn delete<'a>(budget: &mut Budget, val: Val<'a>, paths: Vec<Val<'a>>) -> Res<'a> {
    if paths.is_empty() {
        return Ok(val);
    }
    // holding the original costs a copy of the containers on the paths, which the error needs whole
    let mut changed = val.clone();
    for path in &paths {
        let done = match path.as_list() {
            Some(keys) => {
                let keys: Vec<Val<'a>> = keys.iter().collect();
                update(budget, &mut changed, &keys, &Val::Hole)
            }
            None => not_array(path),
        };
        if let Err(error) = done {
            let all = Val::List(Rc::new(List { depth: 2, items: paths.clone() }));
            return Err(wrap1("delpaths", &val, &all, &error));
        }
    }
    sweep(budget, &mut changed)?;
    Ok(changed)
}

/// Removes the holes. What something else holds too was not written to, so it has none.
fn sweep<'a>(budget: &mut Budget, val: &mut Val<'a>) -> Res<'a, ()> {
    match val {
        Val::Hole => *val = Val::Null,
        Val::List(list) => {
            if let Some(list) = Rc::get_mut(list) {
                budget.take_steps(list.items.len() / 8)?;
                list.items.retain(|it| !matches!(it, Val::Hole));
                for item in &mut list.items {
                    sweep(budget, item)?;
                }
            }
        }
        Val::Map(dict) => {
            if let Some(dict) = Rc::get_mut(dict) {
                budget.take_steps(dict.map.len() / 8)?;
                dict.map.retain(|_, it| !matches!(it, Val::Hole));
                for item in dict.map.values_mut() {
                    sweep(budget, item)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

//! Arrays: order, groups, shape.

use std::cmp::Ordering;

use super::super::budget::Budget;
use super::super::error::{Res, fail};
use super::super::ops;
use super::super::value::{Val, compare, preview, same, to_float};
use super::{Table, refuse0, refuse1, take, wrap1};

pub(super) const TABLE: Table = &[
    ("reverse", 0, |budget, val, _| match val.as_list() {
        Some(list) => budget.list(list.iter().rev().collect()),
        None => refuse0("reverse", &val),
    }),
    ("add", 0, |budget, val, _| match val.values() {
        Some(values) => sum(budget, values),
        None => refuse0("add", &val),
    }),
    ("flatten", 0, |budget, val, _| flatten(budget, &val, -1.0)),
    ("flatten", 1, |budget, val, args| {
        if val.values().is_none() {
            return refuse0("flatten", &val);
        }
        match to_float(&args[0]) {
            None => refuse0("flatten", &args[0]),
            Some(depth) if depth < 0.0 || depth.is_nan() => {
                fail(format!("flatten depth should not be negative: {}", preview(&Val::Float(depth))))
            }
            Some(depth) => flatten(budget, &val, depth),
        }
    }),
    ("min", 0, |_, val, _| extreme("min", val, None, Ordering::Greater)),
    ("max", 0, |_, val, _| extreme("max", val, None, Ordering::Less)),
    ("min_by", 2, |_, val, args| extreme("min_by", val, Some(args), Ordering::Greater)),
    ("max_by", 2, |_, val, args| extreme("max_by", val, Some(args), Ordering::Less)),
    ("sort", 0, |budget, val, _| {
        let sorted = sorted(budget, "sort", &val, None)?;
        budget.list(sorted.into_iter().map(|it| it.1).collect())
    }),
    ("sort_by", 2, |budget, val, args| {
        let sorted = sorted(budget, "sort_by", &val, Some(args))?;
        budget.list(sorted.into_iter().map(|it| it.1).collect())
    }),
    ("group_by", 2, |budget, val, args| {
        let sorted = sorted(budget, "group_by", &val, Some(args))?;
        groups(budget, sorted)
    }),
    ("unique", 0, |budget, val, _| {
        let sorted = sorted(budget, "unique", &val, None)?;
        unique(budget, sorted)
    }),
    ("unique_by", 2, |budget, val, args| {
        let sorted = sorted(budget, "unique_by", &val, Some(args))?;
        unique(budget, sorted)
    }),
    ("transpose", 0, transpose),
    ("bsearch", 1, |_, val, args| {
        let Some(list) = val.as_list() else { return refuse1("bsearch", &val, &args[0]) };
        let (mut low, mut high) = (0, list.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let here = list.get(middle).unwrap_or(Val::Null);
            if compare(&here, &args[0]) == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        match list.get(low) {
            Some(it) if same(&it, &args[0]) => Ok(Val::len(low)),
            _ => Ok(Val::Int(-1 - i64::try_from(low).unwrap_or(i64::MAX))),
        }
    }),
];

/// `add`: text by text, as adding one by one would cost the square of the length.
fn sum<'a>(budget: &mut Budget, values: Vec<Val<'a>>) -> Res<'a> {
    if !values.is_empty() && values.iter().all(|it| matches!(it, Val::Str(_))) {
        let length = values.iter().filter_map(Val::as_str).map(str::len).sum();
        budget.charge(length)?;
        return budget.string(values.iter().filter_map(Val::as_str).collect::<String>());
    }
    let mut total = Val::Null;
    for value in values {
        total = ops::add(budget, total, value)?;
    }
    Ok(total)
}

fn flatten<'a>(budget: &mut Budget, val: &Val<'a>, depth: f64) -> Res<'a> {
    let Some(values) = val.values() else { return refuse0("flatten", val) };
    let mut out = Vec::new();
    flatten_into(budget, values, depth, &mut out)?;
    budget.list(out)
}

fn flatten_into<'a>(budget: &mut Budget, values: Vec<Val<'a>>, depth: f64, out: &mut Vec<Val<'a>>) -> Res<'a, ()> {
    for value in values {
        budget.step()?;
        match value.as_list() {
            Some(list) if depth != 0.0 => flatten_into(budget, list.iter().collect(), depth - 1.0, out)?,
            _ => {
                budget.charge_items(1)?;
                out.push(value);
            }
        }
    }
    Ok(())
}

/// The keys that `…_by` sorts by. The second argument tells whether they are bare; an error shows them in arrays.
fn keys<'a>(name: &str, val: &Val<'a>, args: &mut [Val<'a>]) -> Res<'a, Vec<Val<'a>>> {
    let keys = take(args, 0);
    let all: Vec<Val<'a>> = keys.as_list().map(|it| it.iter().collect()).unwrap_or_default();
    let Some(list) = val.as_list() else {
        let shown = if take(args, 1).is_true() {
            let text = all.iter().map(|it| format!("[{}]", super::super::value::to_json(it)));
            let text = format!("[{}]", text.collect::<Vec<_>>().join(","));
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(it) => preview(&Val::from(&it)),
                Err(_) => preview(&keys),
            }
        } else {
            preview(&keys)
        };
        return fail(format!("{name}({shown}) cannot be applied to: {}", super::type_preview(val)));
    };
    if list.len() != all.len() {
        return wrap1(name, val, &keys, "length mismatch");
    }
    Ok(all)
}

fn extreme<'a>(name: &str, val: Val<'a>, by: Option<&mut [Val<'a>]>, worse: Ordering) -> Res<'a> {
    let keys = match by {
        Some(args) => Some(keys(name, &val, args)?),
        None => None,
    };
    let Some(list) = val.as_list() else { return refuse0(name, &val) };
    let key = |place: usize| match &keys {
        Some(keys) => keys.get(place).cloned().unwrap_or(Val::Null),
        None => list.get(place).unwrap_or(Val::Null),
    };
    if list.len() == 0 {
        return Ok(Val::Null);
    }
    let (mut best, mut best_key) = (0, key(0));
    for place in 1..list.len() {
        let here = key(place);
        let order = compare(&best_key, &here);
        // the first of equal ones is the least, the last of them the greatest
        if order == worse || worse == Ordering::Less && order == Ordering::Equal {
            (best, best_key) = (place, here);
        }
    }
    Ok(list.get(best).unwrap_or(Val::Null))
}

/// A total order, which sorting needs: NaN is equal to itself.
fn total(a: &Val<'_>, b: &Val<'_>) -> Ordering {
    let is_nan = |it: &Val<'_>| matches!(it, Val::Float(it) if it.is_nan());
    if is_nan(a) && is_nan(b) { Ordering::Equal } else { compare(a, b) }
}

/// Keys and values, by key.
fn sorted<'a>(
    budget: &mut Budget,
    name: &str,
    val: &Val<'a>,
    by: Option<&mut [Val<'a>]>,
) -> Res<'a, Vec<(Val<'a>, Val<'a>)>> {
    let keys = match by {
        Some(args) => Some(keys(name, val, args)?),
        None => None,
    };
    let Some(list) = val.as_list() else { return refuse0(name, val) };
    budget.charge_items(list.len() * 2)?;
    let bits = usize::try_from(list.len().checked_ilog2().unwrap_or(0)).unwrap_or(0);
    budget.take_steps(list.len() * bits / 4)?;
    let mut pairs: Vec<(Val<'a>, Val<'a>)> = match keys {
        Some(keys) => keys.into_iter().zip(list.iter()).collect(),
        None => list.iter().map(|it| (it.clone(), it)).collect(),
    };
    merge_sort(&mut pairs);
    Ok(pairs)
}

/// A stable sort that bears an order with flaws, where that of the library may panic: NaN inside of containers, and
/// integers that are equal to one float but not to each other.
fn merge_sort<'a>(pairs: &mut Vec<(Val<'a>, Val<'a>)>) {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    let mut merged: Vec<usize> = Vec::with_capacity(pairs.len());
    let mut width = 1;
    while width < pairs.len() {
        merged.clear();
        for block in order.chunks(width * 2) {
            let (left, right) = block.split_at(width.min(block.len()));
            let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
            loop {
                let next = match (a.peek(), b.peek()) {
                    (Some(x), Some(y)) if total(&pairs[**y].0, &pairs[**x].0) == Ordering::Less => b.next(),
                    (Some(_), _) => a.next(),
                    (None, _) => b.next(),
                };
                match next {
                    Some(place) => merged.push(*place),
                    None => break,
                }
            }
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    let mut taken: Vec<Option<(Val<'a>, Val<'a>)>> = std::mem::take(pairs).into_iter().map(Some).collect();
    pairs.extend(order.into_iter().filter_map(|place| taken.get_mut(place).and_then(Option::take)));
}

fn groups<'a>(budget: &mut Budget, sorted: Vec<(Val<'a>, Val<'a>)>) -> Res<'a> {
    let mut out = Vec::new();
    let mut group: Vec<Val<'a>> = Vec::new();
    let mut last: Option<Val<'a>> = None;
    for (key, value) in sorted {
        if last.as_ref().is_some_and(|it| !same(it, &key)) {
            out.push(budget.list(std::mem::take(&mut group))?);
        }
        group.push(value);
        last = Some(key);
    }
    if last.is_some() {
        out.push(budget.list(group)?);
    }
    budget.list(out)
}

fn unique<'a>(budget: &mut Budget, sorted: Vec<(Val<'a>, Val<'a>)>) -> Res<'a> {
    let mut out = Vec::new();
    let mut last: Option<Val<'a>> = None;
    for (key, value) in sorted {
        if last.as_ref().is_none_or(|it| !same(it, &key)) {
            out.push(value);
            last = Some(key);
        }
    }
    budget.list(out)
}

fn transpose<'a>(budget: &mut Budget, val: Val<'a>, _: &mut [Val<'a>]) -> Res<'a> {
    let Some(rows) = val.as_list() else { return refuse0("transpose", &val) };
    let mut width = 0;
    for row in rows.iter() {
        match row.as_list() {
            Some(row) => width = width.max(row.len()),
            None => return refuse0("transpose", &val),
        }
    }
    budget.charge_items(width.saturating_mul(rows.len()))?;
    budget.take_steps(width.saturating_mul(rows.len()))?;
    let mut out = Vec::with_capacity(width);
    for column in 0..width {
        let items: Vec<Val<'a>> =
            rows.iter().map(|row| row.as_list().and_then(|it| it.get(column)).unwrap_or(Val::Null)).collect();
        out.push(budget.list(items)?);
    }
    budget.list(out)
}

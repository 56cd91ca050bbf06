//! Objects, paths and errors.

use std::collections::BTreeMap;

use super::super::budget::Budget;
use super::super::error::{Exc, Res, fail};
use super::super::paths;
use super::super::value::{Text, Val, to_int, type_preview};
use super::{Table, raise, refuse0, refuse1, take};

pub(super) const TABLE: Table = &[
    ("keys", 0, |budget, val, _| {
        if let Some(list) = val.as_list() {
            return budget.list((0..list.len()).map(Val::len).collect());
        }
        match val.as_map() {
            Some(map) => budget.list(map.iter().map(|it| Val::Str(it.0)).collect()),
            None => refuse0("keys", &val),
        }
    }),
    ("has", 1, |_, val, args| {
        let key = &args[0];
        if matches!(val, Val::Null) {
            return Ok(Val::Bool(false));
        }
        if let (Some(list), Some(place)) = (val.as_list(), to_int(key)) {
            return Ok(Val::Bool(usize::try_from(place).is_ok_and(|it| it < list.len())));
        }
        if let (Some(map), Some(key)) = (val.as_map(), key.as_str()) {
            return Ok(Val::Bool(map.get(key).is_some()));
        }
        refuse1("has", &val, key)
    }),
    ("to_entries", 0, |budget, val, _| {
        let mut out = Vec::new();
        if let Some(list) = val.as_list() {
            for (place, value) in list.iter().enumerate() {
                out.push(budget.record([("key", Val::len(place)), ("value", value)])?);
            }
        } else if let Some(map) = val.as_map() {
            for (key, value) in map.iter() {
                out.push(budget.record([("key", Val::Str(key)), ("value", value)])?);
            }
        } else {
            return refuse0("keys", &val);
        }
        budget.list(out)
    }),
    ("from_entries", 0, from_entries),
    ("setpath", 2, |budget, val, args| {
        let new = take(args, 1);
        match args[0].as_list() {
            Some(keys) => paths::set(budget, val, &keys.iter().collect::<Vec<_>>(), new),
            None => refuse1("setpath", &val, &args[0]),
        }
    }),
    ("delpaths", 1, |budget, val, args| match args[0].as_list() {
        Some(all) => paths::delete(budget, val, all.iter().collect()),
        None => refuse1("delpaths", &val, &args[0]),
    }),
    ("error", 0, |_, val, _| raise(val)),
    ("error", 1, |_, _, args| raise(take(args, 0))),
    ("halt", 0, |_, _, _| Err(Exc::Halt(Val::Null))),
    ("halt_error", 0, |_, val, _| Err(Exc::Halt(val))),
    ("halt_error", 1, |_, val, args| match to_int(&args[0]) {
        Some(_) => Err(Exc::Halt(val)),
        None => refuse0("halt_error", &args[0]),
    }),
    ("modulemeta", 0, |_, val, _| match val.as_str() {
        Some(name) => fail(format!("cannot load module: {}", super::super::value::to_json(&Val::literal(name)))),
        None => refuse0("modulemeta", &val),
    }),
];

/// The first that is neither false nor null, or the last.
fn either<'a>(entry: &Val<'a>, names: [&str; 4]) -> Res<'a> {
    let mut found = Val::Null;
    for name in names {
        found = match entry {
            Val::Null => Val::Null,
            other => match other.as_map() {
                Some(map) => map.get(name).unwrap_or(Val::Null),
                None => return fail(format!("expected an object but got: {}", type_preview(entry))),
            },
        };
        if found.is_true() {
            break;
        }
    }
    Ok(found)
}

fn from_entries<'a>(budget: &mut Budget, val: Val<'a>, _: &mut [Val<'a>]) -> Res<'a> {
    let Some(entries) = val.values() else {
        return fail(format!("cannot iterate over: {}", type_preview(&val)));
    };
    let mut map: BTreeMap<Text<'a>, Val<'a>> = BTreeMap::new();
    for entry in entries {
        budget.step()?;
        let key = either(&entry, ["key", "Key", "name", "Name"])?;
        let value = match entry.as_map() {
            Some(it) => it.get("value").or_else(|| it.get("Value")).unwrap_or(Val::Null),
            None => Val::Null,
        };
        match key {
            Val::Str(key) => map.insert(key, value),
            other => {
                return fail(format!("expected a string for object key but got: {}", type_preview(&other)));
            }
        };
    }
    budget.dict(map)
}

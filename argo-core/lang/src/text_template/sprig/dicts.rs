//! Maps.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::casts::{is_empty, to_text};
use super::lists::lower_first;
use super::{Args, Shared};
use crate::text_template::value::Val;

pub(super) fn call(name: &str, args: &Args<'_>) -> Option<Result<Val, String>> {
    let result = (|| -> Result<Option<Val>, String> {
        let plain = name.strip_prefix("must").map_or_else(|| name.to_owned(), lower_first);
        Ok(Some(match plain.as_str() {
            "dict" => {
                let mut map = BTreeMap::new();
                for pair in args.all().chunks(2) {
                    map.insert(to_text(&pair[0]), pair.get(1).cloned().unwrap_or_else(|| Val::str("")));
                }
                Val::map(map)
            }
            "get" => args.map(0)?.borrow().get(args.text(1)?).cloned().unwrap_or_else(|| Val::str("")),
            "set" => {
                if args.at(0).is_nil() {
                    return Err("assignment to entry in nil map".to_owned());
                }
                let map = args.map(0)?;
                let value = match args.at(2) {
                    // a map that held itself could never be printed
                    Val::Map(it) if Rc::ptr_eq(it, &map) => deep_copy(args.at(2), 0),
                    other => other.clone(),
                };
                map.borrow_mut().insert(args.text(1)?.to_owned(), value);
                Val::Map(map)
            }
            "unset" => {
                let map = args.map(0)?;
                map.borrow_mut().remove(args.text(1)?);
                Val::Map(map)
            }
            "hasKey" => Val::Bool(args.map(0)?.borrow().contains_key(args.text(1)?)),
            "pluck" => {
                let mut out = Vec::new();
                for place in 1..args.all().len() {
                    out.extend(args.map(place)?.borrow().get(args.text(0)?).cloned());
                }
                Val::list(out)
            }
            // Go's order is random; ours is sorted
            "keys" => {
                let mut out = Vec::new();
                for place in 0..args.all().len() {
                    out.extend(args.map(place)?.borrow().keys().cloned());
                }
                Val::texts(out)
            }
            "values" => Val::list(args.map(0)?.borrow().values().cloned().collect()),
            "pick" => {
                let map = args.map(0)?;
                let map = map.borrow();
                let mut out = BTreeMap::new();
                for place in 1..args.all().len() {
                    let key = args.text(place)?;
                    out.extend(map.get(key).map(|it| (key.to_owned(), it.clone())));
                }
                Val::map(out)
            }
            "omit" => {
                let mut out = args.map(0)?.borrow().clone();
                for place in 1..args.all().len() {
                    out.remove(args.text(place)?);
                }
                Val::map(out)
            }
            "merge" | "mergeOverwrite" => {
                let target = args.map(0)?;
                for place in 1..args.all().len() {
                    merge(&target, &args.map(place)?, plain == "mergeOverwrite", 0);
                }
                Val::Map(target)
            }
            "deepCopy" if args.at(0).is_nil() => {
                return Err("reflect: call of reflect.Value.Type on zero Value".to_owned());
            }
            "deepCopy" => deep_copy(args.at(0), 0),
            "dig" => {
                let count = args.all().len();
                if count < 3 {
                    return Err("dig needs at least three arguments".to_owned());
                }
                let wrong = |value: &Val, wanted: &str| {
                    let got = if value.is_nil() { "nil" } else { value.type_name() };
                    format!("interface conversion: interface {{}} is {got}, not {wanted}")
                };
                let map_of = |value: &Val| match value {
                    Val::Map(map) => Ok(Rc::clone(map)),
                    other => Err(wrong(other, "map[string]interface {}")),
                };
                let mut map = map_of(args.at(count - 1))?;
                let mut keys = Vec::new();
                for place in 0..count - 2 {
                    match args.at(place) {
                        Val::Str(it) => keys.push(it),
                        other => return Err(wrong(other, "string")),
                    }
                }
                let mut at = Val::Nil;
                for (place, key) in keys.iter().enumerate() {
                    if place > 0 {
                        map = map_of(&at)?;
                    }
                    let Some(next) = map.borrow().get(&***key).cloned() else {
                        return Ok(Some(args.at(count - 2).clone()));
                    };
                    at = next;
                }
                at
            }
            _ => return Ok(None),
        }))
    })();
    result.transpose()
}

/// `mergo.Merge` of maps: the target's values win unless they are empty or are to be overwritten.
fn merge(target: &Shared, from: &Shared, overwrite: bool, depth: usize) {
    if Rc::ptr_eq(target, from) || depth > 200 {
        return;
    }
    let from: Vec<(String, Val)> = from.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in from {
        let current = target.borrow().get(&key).cloned();
        match (&current, &value) {
            (Some(Val::Map(inner)), Val::Map(from)) => {
                merge(inner, from, overwrite, depth + 1);
                continue;
            }
            (Some(current), _) if !is_empty(current) && !overwrite => continue,
            (Some(current), _) if overwrite && is_empty(&value) && !is_empty(current) => {}
            _ => {}
        }
        target.borrow_mut().insert(key, value);
    }
}

pub(super) fn deep_copy(value: &Val, depth: usize) -> Val {
    if depth > 200 {
        return Val::Nil;
    }
    match value {
        Val::List(items) => Val::list(items.iter().map(|it| deep_copy(it, depth + 1)).collect()),
        Val::Slice(items, name) => Val::Slice(Rc::new(items.iter().map(|it| deep_copy(it, depth + 1)).collect()), name),
        Val::Map(map) => {
            Val::map(map.borrow().iter().map(|(key, it)| (key.clone(), deep_copy(it, depth + 1))).collect::<Vec<_>>())
        }
        other => other.clone(),
    }
}

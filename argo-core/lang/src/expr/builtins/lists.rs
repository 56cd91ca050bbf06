//! Lists and maps.

use std::rc::Rc;

use super::{Args, Outcome};
use crate::expr::eval::{Budget, Failure, function};
use crate::expr::operators::{fetch, sort_keyed, to_int};
use crate::expr::value::{Elements, Table, Val};

pub(super) fn call<'a>(args: &Args<'_, 'a>, budget: &mut Budget) -> Option<Outcome<'a>> {
    let first = args.at(0);
    (|| {
        let list = |verb: &str| {
            first
                .items()
                .ok_or_else(|| (crate::expr::ErrorKind::Function, format!("cannot {verb} {}", first.go_kind())))
        };
        Ok(Some(match args.name {
            "len" => Val::Int(first.len().ok_or_else(|| args.invalid(first))? as i64),
            // what is not there is nil
            "first" => fetch(first, &Val::Int(0)).unwrap_or(Val::Nil),
            "last" => fetch(first, &Val::Int(-1)).unwrap_or(Val::Nil),
            "get" => get(first, args.at(1))?,
            "take" => {
                let items = list("take from")?;
                let count = match args.at(1) {
                    Val::Int(it) => *it,
                    other => return function(format!("cannot take {} elements", other.go_kind())),
                };
                let Ok(count) = usize::try_from(count) else {
                    return function("reflect.Value.Slice: slice index out of bounds");
                };
                let kept = items[..count.min(items.len())].to_vec();
                match first {
                    Val::List(_, elements) => Val::typed(kept, *elements),
                    _ => Val::list(kept),
                }
            }
            "keys" | "values" | "toPairs" => {
                let Some(entries) = first.entries() else {
                    let kind = first.go_kind();
                    return function(match args.name {
                        "toPairs" => format!("cannot transform {kind} to pairs"),
                        name => format!("cannot get {name} from {kind}"),
                    });
                };
                budget.charge(entries.len())?;
                match args.name {
                    "keys" => Val::list(entries.into_iter().map(|it| it.0).collect()),
                    "values" => Val::list(entries.into_iter().map(|it| it.1).collect()),
                    _ => Val::typed(
                        entries.into_iter().map(|(key, value)| Val::typed(vec![key, value], Elements::Pair)).collect(),
                        Elements::Pairs,
                    ),
                }
            }
            "fromPairs" => from_pairs(first)?,
            "reverse" => {
                let mut items = list("reverse")?.into_owned();
                budget.grow(items.len())?;
                items.reverse();
                Val::list(items)
            }
            "uniq" => {
                let mut out: Vec<Val<'a>> = Vec::new();
                for item in list("uniq")?.iter() {
                    budget.charge(out.len())?;
                    if !out.iter().any(|it| it.equals(item)) {
                        out.push(item.clone());
                    }
                }
                Val::list(out)
            }
            "concat" => {
                let mut out = Vec::new();
                for arg in args.values {
                    let Some(items) = arg.items() else {
                        return function(format!("cannot concat {}", arg.go_kind()));
                    };
                    budget.grow(items.len())?;
                    out.extend(items.iter().cloned());
                }
                Val::list(out)
            }
            "flatten" => {
                let mut out = Vec::new();
                flatten(&list("flatten")?, &mut out, budget)?;
                Val::list(out)
            }
            "sort" => {
                let down = match args.values.get(1).map(|it| (it, it.as_str())) {
                    None | Some((_, Some("asc"))) => false,
                    Some((_, Some("desc"))) => true,
                    Some((_, Some(order))) => {
                        return function(format!("invalid order {order}, expected asc or desc"));
                    }
                    Some((other, None)) => {
                        return function(format!("sort order argument must be a string (got {})", other.go_type()));
                    }
                };
                let sortable = !matches!(first, Val::Bytes(_) | Val::List(_, Elements::Pairs | Elements::Pair));
                let Some(items) = first.items().filter(|_| sortable) else { return Ok(Some(Val::Nil)) };
                let mut keyed: Vec<_> = items.iter().map(|it| (it.clone(), Val::Nil)).collect();
                sort_keyed(&mut keyed, down)?;
                budget.grow(keyed.len())?;
                Val::list(keyed.into_iter().map(|it| it.0).collect())
            }
            _ => return Ok(None),
        }))
    })()
    .transpose()
}

/// As a member, but nil where there is none.
fn get<'a>(from: &Val<'a>, key: &Val<'a>) -> Outcome<'a> {
    match from {
        Val::Nil => Ok(Val::Nil),
        from if from.is_map() => fetch(from, key),
        Val::Str(_) | Val::Bytes(_) => {
            to_int(key)?;
            Ok(fetch(from, key).unwrap_or(Val::Nil))
        }
        from if from.items().is_some() => {
            to_int(key)?;
            Ok(fetch(from, key).unwrap_or(Val::Nil))
        }
        _ => Ok(Val::Nil),
    }
}

fn from_pairs<'a>(pairs: &Val<'a>) -> Outcome<'a> {
    let Some(pairs) = pairs.items() else {
        let shown = match pairs {
            Val::Nil => "<invalid reflect.Value>".to_owned(),
            other => crate::fmt::sprintf_values("%s", &[other.to_json()]),
        };
        return function(format!("cannot transform {shown} from pairs"));
    };
    let mut out: Vec<(Val<'a>, Val<'a>)> = Vec::new();
    for pair in pairs.iter() {
        let Some(items) = pair.items() else { return function(format!("invalid pair {}", pair.display())) };
        let [key, value] = &*items else { return function(format!("invalid pair length {}", pair.display())) };
        match out.iter_mut().find(|it| it.0.go_type() == key.go_type() && it.0.equals(key)) {
            Some(entry) => entry.1 = value.clone(),
            None => out.push((key.clone(), value.clone())),
        }
    }
    Ok(Val::Table(Rc::new(out), Table::Pairs))
}

fn flatten<'a>(items: &[Val<'a>], out: &mut Vec<Val<'a>>, budget: &mut Budget) -> Result<(), Failure> {
    budget.grow(items.len())?;
    for item in items {
        match item.items() {
            Some(inner) => flatten(&inner, out, budget)?,
            None => out.push(item.clone()),
        }
    }
    Ok(())
}

//! Lists.

use std::rc::Rc;

use super::casts::{is_empty, to_int};
use super::{Args, MAX_LIST};
use crate::text_template::value::Val;

pub(super) fn call(name: &str, args: &Args<'_>) -> Option<Result<Val, String>> {
    let result = (|| -> Result<Option<Val>, String> {
        let plain = name.strip_prefix("must").map_or_else(|| name.to_owned(), lower_first);
        Ok(Some(match plain.as_str() {
            "list" | "tuple" => Val::list(args.all().to_vec()),
            "first" => match args.at(0) {
                Val::Nil => return Err("Cannot find first on type invalid".to_owned()),
                _ => args.list(0, "find first")?.first().cloned().unwrap_or(Val::Nil),
            },
            "last" => args.list(0, "find last")?.last().cloned().unwrap_or(Val::Nil),
            "rest" => Val::list(args.list(0, "find rest")?.get(1..).unwrap_or_default().to_vec()),
            "initial" => {
                let items = args.list(0, "find initial")?;
                Val::list(items[..items.len().saturating_sub(1)].to_vec())
            }
            "append" | "push" => {
                let mut items = args.list(0, "push")?.to_vec();
                bounded(items.len())?;
                items.push(args.at(1).clone());
                Val::list(items)
            }
            "prepend" => {
                let mut items = args.list(0, "prepend")?.to_vec();
                bounded(items.len())?;
                items.insert(0, args.at(1).clone());
                Val::list(items)
            }
            "concat" => {
                let mut items = Vec::new();
                for place in 0..args.all().len() {
                    items.extend_from_slice(args.list(place, "concat type as list")?);
                    bounded(items.len())?;
                }
                Val::list(items)
            }
            "reverse" => Val::list(args.list(0, "find reverse")?.iter().rev().cloned().collect()),
            "compact" => Val::list(args.list(0, "compact")?.iter().filter(|it| !is_empty(it)).cloned().collect()),
            "uniq" => {
                let mut items: Vec<Val> = Vec::new();
                for item in args.list(0, "find uniq")? {
                    if !items.iter().any(|it| it.deep_equal(item)) {
                        items.push(item.clone());
                    }
                }
                Val::list(items)
            }
            "without" => {
                let unwanted = args.all().get(1..).unwrap_or_default();
                Val::list(
                    args.list(0, "find without")?
                        .iter()
                        .filter(|it| !unwanted.iter().any(|no| no.deep_equal(it)))
                        .cloned()
                        .collect(),
                )
            }
            "has" => match args.at(1) {
                Val::Nil | Val::Missing => Val::Bool(false),
                _ => Val::Bool(args.list(1, "find has")?.iter().any(|it| it.deep_equal(args.at(0)))),
            },
            "slice" => {
                let items = args.list(0, "slice() on type list: slice")?;
                if items.is_empty() {
                    return Ok(Some(Val::Nil));
                }
                let bound = |place: usize, default: usize| match args.all().get(place) {
                    Some(it) => usize::try_from(to_int(it))
                        .map_err(|_| "reflect.Value.Slice: slice index out of bounds".to_owned()),
                    None => Ok(default),
                };
                let (from, to) = (bound(1, 0)?, bound(2, items.len())?);
                match items.get(from..to) {
                    Some(items) => Val::list(items.to_vec()),
                    None => return Err("reflect.Value.Slice: slice index out of bounds".to_owned()),
                }
            }
            "chunk" => {
                let size = usize::try_from(args.int(0)?)
                    .ok()
                    .filter(|it| *it > 0)
                    .ok_or("runtime error: integer divide by zero")?;
                Val::list(args.list(1, "chunk type")?.chunks(size).map(|it| Val::List(Rc::new(it.to_vec()))).collect())
            }
            _ => return Ok(None),
        }))
    })();
    result.transpose()
}

fn bounded(len: usize) -> Result<(), String> {
    if len > MAX_LIST { Err("the list is too long".to_owned()) } else { Ok(()) }
}

pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |it| it.to_lowercase().chain(chars).collect())
}

//! Lists.

use std::rc::Rc;

use super::casts::{is_empty, to_int};
use super::{Args, MAX_LIST, NIL_POINTER};
use crate::text_template::value::Val;

pub(super) fn call(name: &str, args: &Args<'_>) -> Option<Result<Val, String>> {
    let result = (|| -> Result<Option<Val>, String> {
        let plain = name.strip_prefix("must").map_or_else(|| name.to_owned(), lower_first);
        Ok(Some(match plain.as_str() {
            "list" | "tuple" => Val::list(args.all().to_vec()),
            "first" => args.list(0, "find first on type")?.first().cloned().unwrap_or(Val::Nil),
            "last" => args.list(0, "find last on type")?.last().cloned().unwrap_or(Val::Nil),
            "rest" => Val::list(args.list(0, "find rest on type")?.get(1..).unwrap_or_default().to_vec()),
            "initial" => {
                let items = args.list(0, "find initial on type")?;
                Val::list(items[..items.len().saturating_sub(1)].to_vec())
            }
            "append" | "push" => {
                let mut items = args.list(0, "push on type")?.to_vec();
                bounded(items.len())?;
                items.push(args.at(1).clone());
                Val::list(items)
            }
            "prepend" => {
                let mut items = args.list(0, "prepend on type")?.to_vec();
                bounded(items.len())?;
                items.insert(0, args.at(1).clone());
                Val::list(items)
            }
            "concat" => {
                let mut items = Vec::new();
                for place in 0..args.all().len() {
                    let more = args.list(place, "concat type").map_err(|message| {
                        if message == NIL_POINTER { message } else { format!("{message} as list") }
                    })?;
                    items.extend_from_slice(more);
                    bounded(items.len())?;
                }
                Val::list(items)
            }
            "reverse" => Val::list(args.list(0, "find reverse on type")?.iter().rev().cloned().collect()),
            "compact" => {
                Val::list(args.list(0, "compact on type")?.iter().filter(|it| !is_empty(it)).cloned().collect())
            }
            "uniq" => {
                let mut items: Vec<Val> = Vec::new();
                for item in args.list(0, "find uniq on type")? {
                    if !items.iter().any(|it| it.deep_equal(item)) {
                        items.push(item.clone());
                    }
                }
                Val::list(items)
            }
            "without" => {
                let unwanted = args.all().get(1..).unwrap_or_default();
                Val::list(
                    args.list(0, "find without on type")?
                        .iter()
                        .filter(|it| !unwanted.iter().any(|no| no.deep_equal(it)))
                        .cloned()
                        .collect(),
                )
            }
            "has" => match args.at(1) {
                Val::Nil | Val::Missing => Val::Bool(false),
                _ => Val::Bool(args.list(1, "find has on type")?.iter().any(|it| it.deep_equal(args.at(0)))),
            },
            "slice" => {
                let list = args.at(0);
                if list.is_nil() {
                    return Err(NIL_POINTER.to_owned());
                }
                let Some(items) = list.items() else {
                    return Err(format!("list should be type of slice or array but {}", list.kind()));
                };
                if items.is_empty() {
                    return Ok(Some(Val::Nil));
                }
                const BOUNDS: &str = "reflect.Value.Slice: slice index out of bounds";
                let bound = |place: usize, default: usize| match args.all().get(place) {
                    Some(it) => usize::try_from(to_int(it)).map_err(|_| BOUNDS.to_owned()),
                    None => Ok(default),
                };
                let (from, to) = (bound(1, 0)?, bound(2, items.len())?);
                match (items.get(from..to), list) {
                    (Some(items), Val::Slice(_, name)) => Val::Slice(Rc::new(items.to_vec()), name),
                    (Some(items), _) => Val::list(items.to_vec()),
                    (None, _) => return Err(BOUNDS.to_owned()),
                }
            }
            "chunk" => {
                let items = args.list(1, "chunk type")?;
                let size = match args.int(0)? {
                    size if size > 0 => usize::try_from(size).unwrap_or(usize::MAX),
                    _ if items.is_empty() => 1,
                    _ => return Err("runtime error: makeslice: len out of range".to_owned()),
                };
                let chunks = items.chunks(size).map(|it| Val::list(it.to_vec())).collect();
                Val::Slice(Rc::new(chunks), "[][]interface {}")
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

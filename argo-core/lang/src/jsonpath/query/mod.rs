//! JSONPath as expressions of workflows know it: `$.a[?(@.x > 1 && @.y == 'z')].b`, one value out.
//!
//! A path of plain keys and indexes gives the value there; wildcards, filters, ranges, unions and `..` give a list. What a later step
//! can not be applied to is left out of such a list.

mod parse;
mod script;

use serde_json::Value;

use script::Script;

/// Most values that one query may touch.
const MAX_VALUES: usize = 1_000_000;

/// Longest path, in bytes.
const MAX_PATH: usize = 64 << 10;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(i64),
    Wildcard,
    Recursive,
    Length,
    /// From, to, step.
    Range(Bound, Bound, Bound),
    Union(Vec<Pick>),
    Filter(Script),
    Script(Script),
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq)]
enum Bound {
    Open,
    At(i64),
    Script(Script),
}

/// One member of a union.
#[derive(Debug, Clone, PartialEq)]
enum Pick {
    Key(String),
    Index(i64),
    Script(Script),
}

/// Evaluates one path.
///
/// # Errors
/// The text is no path, a key or an index is not there, or a step does not fit; in the words of the library that upstream uses.
pub fn query(path: &str, value: &Value) -> Result<Value, String> {
    if path.len() > MAX_PATH {
        return Err("invalid JSONPath selector: longer than 64 KiB".to_owned());
    }
    let steps = parse::path(path, 0).map_err(|error| format!("invalid JSONPath selector '{path}' {error}"))?;
    Machine { root: value, left: MAX_VALUES }.apply(&steps, value)
}

struct Machine<'a> {
    root: &'a Value,
    left: usize,
}

impl Machine<'_> {
    fn apply(&mut self, steps: &[Step], current: &Value) -> Result<Value, String> {
        self.left = self.left.checked_sub(1).ok_or("too many values")?;
        let Some((step, rest)) = steps.split_first() else {
            return Ok(current.clone());
        };
        match step {
            Step::Key(key) => match current {
                Value::Object(map) => {
                    let found = map.get(key).ok_or_else(|| format!("key: invalid token key '{key}' not found"))?;
                    self.apply(rest, found)
                }
                other => Err(target("key", "[map]", other)),
            },
            Step::Index(index) => match current {
                Value::Array(items) => {
                    let found = place(*index, items.len()).and_then(|at| items.get(at));
                    self.apply(rest, found.ok_or("index: invalid token out of range")?)
                }
                other => Err(target("index", "[array slice]", other)),
            },
            Step::Length => {
                let length = match current {
                    Value::Object(map) => map.get("length").cloned().unwrap_or_else(|| map.len().into()),
                    Value::Array(items) => items.len().into(),
                    Value::String(text) => text.len().into(),
                    other => return Err(target("length", "[array map slice string]", other)),
                };
                self.apply(rest, &length)
            }
            Step::Wildcard => {
                let members = members(current).ok_or_else(|| target("wildcard", "[array map slice]", current))?;
                Ok(Value::Array(self.each(rest, members)))
            }
            Step::Recursive => {
                let mut found = Vec::new();
                self.recurse(rest, current, &mut found)?;
                Ok(Value::Array(found))
            }
            Step::Filter(script) => {
                let members = members(current).ok_or_else(|| target("filter", "[array map slice]", current))?;
                let kept: Vec<&Value> = members.into_iter().filter(|it| self.keeps(script, it)).collect();
                self.listed(rest, kept)
            }
            Step::Range(from, to, by) => {
                let Value::Array(items) = current else {
                    return Err(target("range", "[array slice]", current));
                };
                let picked = self.range(items, [from, to, by], current)?;
                self.listed(rest, picked)
            }
            Step::Union(picks) => {
                let picked = self.union(picks, current)?;
                self.listed(rest, picked)
            }
            Step::Script(script) => {
                let found = self.evaluate(script, current).map_err(|error| format!("invalid expression. {error}"))?;
                let next = match &found {
                    Value::String(key) => Step::Key(key.clone()),
                    other => Step::Index(
                        script::integer(other).ok_or("unexpected expression result. expected [int string]")?,
                    ),
                };
                self.apply(&[std::slice::from_ref(&next), rest].concat(), current)
            }
        }
    }

    /// What a list goes on as: an index is one of the list, anything else is of each member.
    fn listed(&mut self, rest: &[Step], members: Vec<&Value>) -> Result<Value, String> {
        match rest {
            [Step::Index(_), ..] => self.apply(rest, &members.into_iter().cloned().collect::<Value>()),
            _ => Ok(Value::Array(self.each(rest, members))),
        }
    }

    fn each(&mut self, rest: &[Step], members: Vec<&Value>) -> Vec<Value> {
        let found = members.into_iter().filter_map(|it| self.apply(rest, it).ok());
        found.filter(|it| rest.is_empty() || !it.is_null()).collect()
    }

    fn recurse(&mut self, rest: &[Step], current: &Value, found: &mut Vec<Value>) -> Result<(), String> {
        match self.apply(rest, current) {
            Ok(Value::Array(items)) if !rest.is_empty() => found.extend(items),
            Ok(Value::Null) => {}
            Ok(one) => found.push(one),
            Err(error) if self.left == 0 => return Err(error),
            Err(_) => {}
        }
        for member in members(current).unwrap_or_default() {
            self.recurse(rest, member, found)?;
        }
        Ok(())
    }

    fn keeps(&mut self, script: &Script, member: &Value) -> bool {
        match self.evaluate(script, member) {
            Err(_) | Ok(Value::Null) => false,
            Ok(Value::Bool(it)) => it,
            Ok(Value::Number(it)) => it.as_f64() != Some(0.0),
            Ok(Value::String(it)) => !script::unquoted(&it).is_empty(),
            Ok(Value::Array(it)) => !it.is_empty(),
            Ok(Value::Object(it)) => !it.is_empty(),
        }
    }

    fn range<'v>(
        &mut self,
        items: &'v [Value],
        [from, to, by]: [&Bound; 3],
        current: &Value,
    ) -> Result<Vec<&'v Value>, String> {
        let length = items.len() as i64;
        let within = |it: i64| if it < 0 { (length + it).max(0) } else { it.min(length) };
        let from = self.bound(from, current)?.map_or(0, within);
        let to = self.bound(to, current)?.map_or(length, within);
        let by = self.bound(by, current)?.unwrap_or(1);
        let stride =
            usize::try_from(by.unsigned_abs()).ok().filter(|it| *it > 0).ok_or("range: invalid token out of range")?;
        let span = items.get(from as usize..to.max(from) as usize).unwrap_or_default();
        Ok(if by > 0 { span.iter().step_by(stride).collect() } else { span.iter().rev().step_by(stride).collect() })
    }

    fn bound(&mut self, bound: &Bound, current: &Value) -> Result<Option<i64>, String> {
        match bound {
            Bound::Open => Ok(None),
            Bound::At(it) => Ok(Some(*it)),
            Bound::Script(script) => {
                let found = self.evaluate(script, current)?;
                let wrong = || "range: invalid token unexpected expression result. expected [int]".to_owned();
                script::integer(&found).map(Some).ok_or_else(wrong)
            }
        }
    }

    fn union<'v>(&mut self, picks: &[Pick], current: &'v Value) -> Result<Vec<&'v Value>, String> {
        let (mut keys, mut indexes) = (Vec::new(), Vec::new());
        for pick in picks {
            match pick {
                Pick::Key(key) => keys.push(key.clone()),
                Pick::Index(index) => indexes.push(*index),
                Pick::Script(script) => match self.evaluate(script, current)? {
                    Value::String(key) => keys.push(key),
                    other => indexes
                        .push(script::integer(&other).ok_or("union: invalid token argument. expected [int string]")?),
                },
            }
        }
        match current {
            _ if !keys.is_empty() && !indexes.is_empty() => {
                Err("union: invalid token argument. expected [int] got [string]".to_owned())
            }
            Value::Object(map) if !keys.is_empty() => Ok(keys.iter().filter_map(|it| map.get(it)).collect()),
            Value::Array(items) if keys.is_empty() => {
                Ok(indexes.into_iter().filter_map(|it| items.get(place(it, items.len())?)).collect())
            }
            other => Err(target("union", if keys.is_empty() { "[array slice]" } else { "[map]" }, other)),
        }
    }
}

/// Members in order: those of a list, those of an object by key.
fn members(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Object(map) => {
            let mut sorted: Vec<_> = map.iter().collect();
            sorted.sort_by_key(|it| it.0);
            Some(sorted.into_iter().map(|it| it.1).collect())
        }
        _ => None,
    }
}

/// Where an index is in a list of this length; negative ones count from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(index).ok().filter(|it| *it < length)
}

fn target(step: &str, wanted: &str, got: &Value) -> String {
    let got = match got {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    };
    format!("{step}: invalid token target. expected {wanted} got [{got}]")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::query;

    fn shop() -> Value {
        json!({"store": {"book": [
            {"category": "reference", "author": "Rees", "price": 8.95, "n": 1},
            {"category": "fiction", "author": "Waugh", "price": 12.99, "isbn": "0-553"},
            {"category": "fiction", "author": "Melville", "price": 8.99, "isbn": "0-395", "n": null},
        ], "bicycle": {"color": "red", "price": 20}}, "wanted": "fiction", "list": ["Waugh", 3]})
    }

    #[test]
    fn paths_give_one_value_or_a_list() {
        for (path, wanted) in [
            ("$.wanted", json!("fiction")),
            ("$", shop()),
            ("$.store.book[0].author", json!("Rees")),
            ("$.store.book[-1]['author']", json!("Melville")),
            ("$['store']['bicycle'].color", json!("red")),
            ("$.store.book.length", json!(3)),
            ("$.store.book[*].author", json!(["Rees", "Waugh", "Melville"])),
            ("$.store.bicycle.*", json!(["red", 20])),
            ("$..author", json!(["Rees", "Waugh", "Melville"])),
            ("$.store..price", json!([20, 8.95, 12.99, 8.99])),
            ("$.store.book[0:2].author", json!(["Rees", "Waugh"])),
            ("$.store.book[:-1].author", json!(["Rees", "Waugh"])),
            ("$.store.book[::-1].author", json!(["Melville", "Waugh", "Rees"])),
            ("$.store.book[0,2].author", json!(["Rees", "Melville"])),
            ("$.store.book[0]['author','price']", json!(["Rees", 8.95])),
            ("$.store.book[(@.length-1)].author", json!("Melville")),
            ("$.store.book[1:(@.length-1)].author", json!(["Waugh"])),
            ("$.store.book[?(@.price < 10)].author", json!(["Rees", "Melville"])),
            ("$.store.book[?(@.price > 8.95 && @.price<10)].author", json!(["Melville"])),
            ("$.store.book[?(@.price > 10 || @.author == 'Rees')].author", json!(["Rees", "Waugh"])),
            ("$.store.book[?(@.isbn)].author", json!(["Waugh", "Melville"])),
            ("$.store.book[?(!@.isbn)]", json!([])),
            ("$.store.book[?(@.n == null)].author", json!(["Melville"])),
            ("$.store.book[?(@.category == $.wanted)][0].author", json!("Waugh")),
            ("$.store.book[?(@.category == \"fiction\" && (@.price*2 >= 20))].author", json!(["Waugh"])),
            ("$.store.book[?(@.author =~ '^M.*e$')].price", json!([8.99])),
            ("$.store.book[?(@.author in ['Rees', 'x'])].price", json!([])),
            ("$.store.book[?(@.price in [8.95, 1])].author", json!(["Rees"])),
            ("$.store.book[?(@.price not in [8.95, 1])].author", json!(["Waugh", "Melville"])),
            ("$.store.book[*].isbn", json!(["0-553", "0-395"])),
            ("$.store.book[?(@.author == Rees)].price", json!([])),
            ("$.store.book[?(@.price - 8 > 1)].author", json!(["Waugh"])),
            ("$.store.book[?(@.author != 'Rees' && @.isbn =~ '3$')].author", json!(["Waugh"])),
            ("$.list[?(@ == 'Waugh')]", json!(["Waugh"])),
            ("$.list[?(@ == 3)]", json!([3])),
            ("$.store.book[?(true)].price", json!([8.95, 12.99, 8.99])),
            ("$.store.book[?(@.isbn && true)].author", json!([])),
            ("$..book[0].author", json!(["Rees"])),
            ("$..book[?(@.price>9)].author", json!(["Waugh"])),
            ("$.store.book[0,1][0].author", json!("Rees")),
            ("$.store[*].color", json!(["red"])),
            ("$.store.book[?(@['price'] < 9)].author", json!(["Rees", "Melville"])),
            ("$.store.book[?(@.author in $.list)].price", json!([])),
            ("$['a','store'].bicycle.color", json!(["red"])),
            ("$.store.book[?(@.price > 5 && @.price < 10 && @.n)].author", json!(["Rees"])),
            ("$.store.book[?('a' == \"a\")].price", json!([8.95, 12.99, 8.99])),
            ("$.store.book[?(@.price % 2 == 0)].price", json!([])),
            ("$.store.bicycle..", json!([{"color": "red", "price": 20}, "red", 20])),
            ("$.store.bicycle.color.length", json!(3)),
        ] {
            assert_eq!(query(path, &shop()), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (path, wanted) in [
            ("$.nope", "key: invalid token key 'nope' not found"),
            ("$.wanted.x", "key: invalid token target. expected [map] got [string]"),
            ("$.store.book[7]", "index: invalid token out of range"),
            ("wanted", "invalid JSONPath selector 'wanted' unexpected token 'w' at index 0"),
            ("", "invalid JSONPath selector '' unexpected token '' at index 0"),
            ("$x", "invalid JSONPath selector '$x' unexpected token 'x' at index 1"),
            ("$.store[", "invalid JSONPath selector '$.store[' invalid token. '[' does not match any token format"),
            (
                "$[1:2,3]",
                "invalid JSONPath selector '$[1:2,3]' invalid token. '[1:2,3]' does not match any token format",
            ),
            ("$.store.book[::0]", "range: invalid token out of range"),
        ] {
            assert_eq!(query(path, &shop()), Err(wanted.to_owned()), "{path}");
        }
        let deep = format!("$[?({}1{})]", "(".repeat(5000), ")".repeat(5000));
        assert!(query(&deep, &json!([1])).is_err());
    }
}

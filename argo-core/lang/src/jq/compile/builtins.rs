//! Builtins that become parts of the program, so that their arguments need no closures.

use serde_json::{Map, Value, json};

use super::super::ast::{Ast, Op};
use super::super::error::ErrorKind;
use super::super::ir::{Const, Kind, Node};
use super::super::natives::{self, Native};
use super::super::prelude;
use super::{Compiler, Made};

fn iter() -> Node {
    Node::new(Kind::Iter(Node::boxed(Kind::Id)))
}

fn pipe(a: Node, b: Node) -> Node {
    Node::new(Kind::Pipe(Box::new(a), Box::new(b)))
}

fn array(it: Node) -> Node {
    Node::new(Kind::Array(Box::new(it)))
}

fn native(name: &str, args: Vec<Node>) -> Node {
    Node::new(Kind::Native(Native::of(name, args.len()), args))
}

fn select(it: Node) -> Node {
    Node::new(Kind::If(Box::new(it), Node::boxed(Kind::Id), Some(Node::boxed(Kind::Empty))))
}

fn not(it: Node) -> Node {
    pipe(it, choice(Node::id(), false, true))
}

fn choice(when: Node, yes: bool, no: bool) -> Node {
    Node::new(Kind::If(Box::new(when), Box::new(Node::json(json!(yes))), Some(Box::new(Node::json(json!(no))))))
}

fn binary(op: Op, a: Node, b: Node) -> Node {
    Node::new(Kind::Binary(op, Box::new(a), Box::new(b)))
}

fn is_type(names: &[&str], wanted: bool) -> Node {
    let mut test: Option<Node> = None;
    for name in names {
        let op = if wanted { Op::Eq } else { Op::Ne };
        let one = binary(op, native("type", Vec::new()), Node::json(json!(name)));
        test = Some(match test {
            None => one,
            Some(before) if wanted => Node::new(Kind::Or(Box::new(before), Box::new(one))),
            Some(before) => Node::new(Kind::And(Box::new(before), Box::new(one))),
        });
    }
    select(test.unwrap_or_else(|| Node::json(json!(true))))
}

impl Compiler<'_> {
    /// `None` when the name is no builtin of this kind.
    pub(super) fn builtin(&mut self, name: &str, args: &[Ast], at: usize) -> Made<Option<Node>> {
        Ok(Some(match args {
            [] => return self.builtin0(name, at),
            [f] => return self.builtin1(name, f),
            [a, b] => return self.builtin2(name, a, b),
            [a, b, c] => match name {
                "range" => self.range(Some(a), b, Some(c))?,
                "sub" | "gsub" => return self.sub(name == "gsub", a, b, Some(c)),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn builtin0(&mut self, name: &str, at: usize) -> Made<Option<Node>> {
        let item = |place: i64| Node::new(Kind::Index(Node::boxed(Kind::Id), Box::new(Node::json(json!(place)))));
        Ok(Some(match name {
            "empty" => Node::new(Kind::Empty),
            "not" => choice(Node::id(), false, true),
            "recurse" => Node::new(Kind::Recurse),
            "first" => item(0),
            "last" => item(-1),
            "any" => choice(Node::new(Kind::IsEmpty(Box::new(pipe(iter(), select(Node::id()))))), false, true),
            "all" => Node::new(Kind::IsEmpty(Box::new(pipe(iter(), select(not(Node::id())))))),
            "paths" => pipe(Node::new(Kind::Path(Node::boxed(Kind::Recurse))), Self::not_root()),
            "env" => Node::json(Value::Object(Map::new())),
            "debug" | "stderr" => Node::id(),
            "arrays" => is_type(&["array"], true),
            "objects" => is_type(&["object"], true),
            "iterables" => is_type(&["array", "object"], true),
            "scalars" => is_type(&["array", "object"], false),
            "booleans" => is_type(&["boolean"], true),
            "numbers" => is_type(&["number"], true),
            "strings" => is_type(&["string"], true),
            "nulls" => is_type(&["null"], true),
            "values" => is_type(&["null"], false),
            "finites" => select(native("isfinite", Vec::new())),
            "normals" => select(native("isnormal", Vec::new())),
            "builtins" => {
                let mut names = natives::names();
                names.extend(prelude::names());
                names.extend(EXPANDED.iter().map(|it| (*it).to_owned()));
                names.sort();
                names.dedup();
                Node::json(json!(names))
            }
            "input" | "inputs" => {
                let message = "input(s)/0 is not allowed".to_owned();
                return Err(self.error(ErrorKind::UnknownName, message, at, name));
            }
            _ => return Ok(None),
        }))
    }

    /// `select(. != [])`
    fn not_root() -> Node {
        select(binary(Op::Ne, Node::id(), Node::json(json!([]))))
    }

    fn builtin1(&mut self, name: &str, f: &Ast) -> Made<Option<Node>> {
        let made = match name {
            "map" => array(pipe(iter(), self.scoped(f)?)),
            "map_values" => Self::modify(iter(), self.scoped(f)?),
            "select" => select(self.scoped(f)?),
            "with_entries" => {
                let changed = array(pipe(iter(), self.scoped(f)?));
                pipe(native("to_entries", Vec::new()), pipe(changed, native("from_entries", Vec::new())))
            }
            "add" => pipe(array(self.scoped(f)?), native("add", Vec::new())),
            "sort_by" | "group_by" | "unique_by" | "min_by" | "max_by" => {
                let key = self.scoped(f)?;
                // one key per item needs no array around it
                let plain = key.one;
                let keys = array(pipe(iter(), if plain { key } else { array(key) }));
                native(name, vec![keys, Node::json(json!(plain))])
            }
            "path" => Node::new(Kind::Path(Box::new(self.scoped(f)?))),
            "paths" => {
                let found = pipe(Node::new(Kind::Recurse), select(self.scoped(f)?));
                pipe(Node::new(Kind::Path(Box::new(found))), Self::not_root())
            }
            "del" => {
                let paths = array(Node::new(Kind::Path(Box::new(self.scoped(f)?))));
                native("delpaths", vec![paths])
            }
            "getpath" => Node::new(Kind::GetPath(Box::new(self.scoped(f)?))),
            "first" => Node::new(Kind::First(Box::new(self.scoped(f)?))),
            "last" => Node::new(Kind::Last(Box::new(self.scoped(f)?))),
            "isempty" => Node::new(Kind::IsEmpty(Box::new(self.scoped(f)?))),
            "any" => {
                let found = pipe(iter(), select(self.scoped(f)?));
                choice(Node::new(Kind::IsEmpty(Box::new(found))), false, true)
            }
            "all" => {
                let found = pipe(iter(), select(not(self.scoped(f)?)));
                Node::new(Kind::IsEmpty(Box::new(found)))
            }
            "nth" => Node::new(Kind::Index(Node::boxed(Kind::Id), Box::new(self.scoped(f)?))),
            "range" => self.range(None, f, None)?,
            "in" => {
                let key = self.push_slot();
                let map = self.scoped(f)?;
                let has = pipe(map, native("has", vec![self.var(key)]));
                self.level -= 1;
                Node::new(Kind::Bind(Node::boxed(Kind::Id), Box::new(has)))
            }
            "IN" => {
                let equal = binary(Op::Eq, self.scoped(f)?, Node::id());
                let found = pipe(equal, select(Node::id()));
                choice(Node::new(Kind::IsEmpty(Box::new(found))), false, true)
            }
            "test" | "match" | "capture" | "scan" | "splits" => return self.regex(name, f, None).map(Some),
            _ => return Ok(None),
        };
        Ok(Some(made))
    }

    fn builtin2(&mut self, name: &str, a: &Ast, b: &Ast) -> Made<Option<Node>> {
        let made = match name {
            "any" => {
                let found = pipe(self.scoped(a)?, select(self.scoped(b)?));
                choice(Node::new(Kind::IsEmpty(Box::new(found))), false, true)
            }
            "all" => {
                let found = pipe(self.scoped(a)?, select(not(self.scoped(b)?)));
                Node::new(Kind::IsEmpty(Box::new(found)))
            }
            "IN" => {
                let equal = binary(Op::Eq, self.scoped(a)?, self.scoped(b)?);
                let found = pipe(equal, select(Node::id()));
                choice(Node::new(Kind::IsEmpty(Box::new(found))), false, true)
            }
            "range" => self.range(Some(a), b, None)?,
            "limit" => self.with_values(&[a], &mut |it, slots| {
                let source = it.scoped(b)?;
                let zero = || Node::json(json!(0));
                let count = || it.var(slots[0]);
                let refused = native("error", vec![Node::json(json!("limit doesn't support negative count"))]);
                let none = Kind::If(
                    Box::new(binary(Op::Eq, count(), zero())),
                    Node::boxed(Kind::Empty),
                    Some(Box::new(refused)),
                );
                Ok(Node::new(Kind::If(
                    Box::new(binary(Op::Gt, count(), zero())),
                    Node::boxed(Kind::Limit(Box::new(source))),
                    Some(Node::boxed(none)),
                )))
            })?,
            "test" | "match" | "capture" | "scan" | "splits" | "split" => {
                return self.regex(name, a, Some(b)).map(Some);
            }
            "sub" | "gsub" => return self.sub(name == "gsub", a, b, None),
            _ => return Ok(None),
        };
        Ok(Some(made))
    }

    fn range(&mut self, from: Option<&Ast>, to: &Ast, step: Option<&Ast>) -> Made {
        let from = match from {
            Some(it) => self.scoped(it)?,
            None => Node::json(json!(0)),
        };
        let to = self.scoped(to)?;
        let step = match step {
            Some(it) => self.scoped(it)?,
            None => Node::json(json!(1)),
        };
        Ok(Node::new(Kind::Range(Box::new(from), Box::new(to), Box::new(step))))
    }

    /// The functions that match a pattern.
    fn regex(&mut self, name: &str, pattern: &Ast, flags: Option<&Ast>) -> Made {
        let args: Vec<&Ast> = std::iter::once(pattern).chain(flags).collect();
        self.with_values(&args, &mut |it, slots| {
            let pattern = it.var(slots[0]);
            let flags = slots.get(1).map_or_else(|| Node::json(Value::Null), |slot| it.var(*slot));
            let global = |flags| binary(Op::Add, flags, Node::json(json!("g")));
            let found =
                |flags, test: bool| native("_match", vec![pattern_of(&pattern), flags, Node::json(json!(test))]);
            let each = |node| Node::new(Kind::Iter(Box::new(node)));
            let field = |name: &str| Node::new(Kind::Field(Node::boxed(Kind::Id), name.to_owned()));
            Ok(match name {
                "test" => found(flags, true),
                "match" => each(found(flags, false)),
                "capture" => pipe(each(found(flags, false)), pipe(field("captures"), native("_captures", Vec::new()))),
                "scan" => {
                    let strings = array(Node::new(Kind::Field(
                        Box::new(Node::new(Kind::Iter(Box::new(field("captures"))))),
                        "string".to_owned(),
                    )));
                    let none = binary(Op::Eq, field("captures"), Node::json(json!([])));
                    let text = Node::new(Kind::If(
                        Box::new(none),
                        Box::new(field("string")),
                        Some(Box::new(pipe(strings, Node::id()))),
                    ));
                    pipe(each(found(global(flags), false)), text)
                }
                _ => {
                    let pieces = native("_splits", vec![pattern_of(&pattern), global(flags)]);
                    if name == "split" { pieces } else { each(pieces) }
                }
            })
        })
    }

    /// `sub` and `gsub` when the replacement is direct and single; `None` leaves them to the general definition.
    fn sub(&mut self, global: bool, pattern: &Ast, with: &Ast, flags: Option<&Ast>) -> Made<Option<Node>> {
        let args: Vec<&Ast> = std::iter::once(pattern).chain(flags).collect();
        let mut simple = true;
        let made = self.with_values(&args, &mut |it, slots| {
            let with = it.scoped(with)?;
            simple = with.one;
            let pattern = Box::new(it.var(slots[0]));
            let flags = match slots.get(1) {
                Some(slot) => it.var(*slot),
                None => Node::json(Value::Null),
            };
            let flags = if global { binary(Op::Add, flags, Node::json(json!("g"))) } else { flags };
            Ok(Node::new(Kind::Sub { pattern, flags: Box::new(flags), with: Box::new(with) }))
        })?;
        Ok(simple.then_some(made))
    }
}

/// The same variable once more.
fn pattern_of(node: &Node) -> Node {
    match node.kind {
        Kind::Var(place) => Node::new(Kind::Var(place)),
        _ => Node::new(Kind::Const(Const::Json(Value::Null))),
    }
}

/// What [`Compiler::builtin`] knows, for `builtins`.
const EXPANDED: [&str; 69] = [
    "IN/1",
    "IN/2",
    "add/1",
    "all/0",
    "all/1",
    "all/2",
    "any/0",
    "any/1",
    "any/2",
    "arrays/0",
    "booleans/0",
    "builtins/0",
    "capture/1",
    "capture/2",
    "debug/0",
    "del/1",
    "empty/0",
    "env/0",
    "finites/0",
    "first/0",
    "first/1",
    "getpath/1",
    "group_by/1",
    "gsub/2",
    "gsub/3",
    "in/1",
    "input/0",
    "inputs/0",
    "isempty/1",
    "iterables/0",
    "last/0",
    "last/1",
    "limit/2",
    "map/1",
    "map_values/1",
    "match/1",
    "match/2",
    "max_by/1",
    "min_by/1",
    "normals/0",
    "not/0",
    "nth/1",
    "nulls/0",
    "numbers/0",
    "objects/0",
    "path/1",
    "paths/0",
    "paths/1",
    "range/1",
    "range/2",
    "range/3",
    "recurse/0",
    "scalars/0",
    "scan/1",
    "scan/2",
    "select/1",
    "sort_by/1",
    "split/2",
    "splits/1",
    "splits/2",
    "stderr/0",
    "strings/0",
    "sub/2",
    "sub/3",
    "test/1",
    "test/2",
    "unique_by/1",
    "values/0",
    "with_entries/1",
];

//! Nodes over values.

use serde_json::Value;

use super::{JsonPath, JsonPathError, Node};
use crate::gojson;

/// Most values one evaluation may touch.
const MAX_VALUES: usize = 1_000_000;

/// Longest text that a template may give.
const MAX_OUTPUT: usize = 16 << 20;

type Outcome<T> = Result<T, JsonPathError>;

struct Machine<'a> {
    root: &'a Value,
    allow_missing: bool,
    left: usize,
}

pub(super) fn find(path: &JsonPath, value: &Value) -> Outcome<Vec<Vec<Value>>> {
    let mut machine = Machine { root: value, allow_missing: path.allow_missing, left: MAX_VALUES };
    let mut out = Vec::new();
    machine.template(&path.nodes, value, &mut |it| {
        if let Piece::Values(values) = it {
            out.push(values.into_iter().map(|it| it.into_owned()).collect());
        }
        Ok(())
    })?;
    Ok(out)
}

pub(super) fn render(path: &JsonPath, value: &Value) -> Outcome<String> {
    let mut machine = Machine { root: value, allow_missing: path.allow_missing, left: MAX_VALUES };
    let mut out = String::new();
    machine.template(&path.nodes, value, &mut |it| {
        match it {
            Piece::Text(text) => out.push_str(text),
            Piece::Values(values) => {
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        out.push(' ');
                    }
                    push_text(&mut out, value.as_ref());
                    if out.len() > MAX_OUTPUT {
                        break;
                    }
                }
            }
        }
        if out.len() > MAX_OUTPUT { Err(JsonPathError::Limit("output is too long")) } else { Ok(()) }
    })?;
    Ok(out)
}

fn push_text(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Array(_) | Value::Object(_) => out.push_str(&gojson::to_string(value)),
        Value::Null => out.push_str("null"),
        other => out.push_str(&crate::fmt::display(other)),
    }
}

type Cow<'a> = std::borrow::Cow<'a, Value>;

enum Piece<'a, 'n> {
    Text(&'n str),
    Values(Vec<Cow<'a>>),
}

impl<'a> Machine<'a> {
    /// Walks a template; ranges repeat their body for each value.
    fn template<'n>(
        &mut self,
        nodes: &'n [Node],
        current: &'a Value,
        emit: &mut dyn FnMut(Piece<'a, 'n>) -> Outcome<()>,
    ) -> Outcome<()> {
        let mut at = 0;
        while at < nodes.len() {
            match &nodes[at] {
                Node::Text(text) => emit(Piece::Text(text))?,
                Node::Range => {
                    let (body, end) = range_body(nodes, at)?;
                    let Some(Node::List(path)) = nodes.get(at + 1) else {
                        return Err(JsonPathError::Evaluate("range needs a path".to_owned()));
                    };
                    let values = self.path(path, vec![Cow::Borrowed(current)], current)?;
                    for value in values {
                        if let Cow::Borrowed(value) = value {
                            self.template(body, value, emit)?;
                        }
                    }
                    at = end;
                }
                Node::End => return Err(JsonPathError::Evaluate("not in range, nothing to end".to_owned())),
                Node::List(path) => {
                    let values = self.path(path, vec![Cow::Borrowed(current)], current)?;
                    emit(Piece::Values(values))?;
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    fn path(&mut self, path: &[Node], mut values: Vec<Cow<'a>>, current: &'a Value) -> Outcome<Vec<Cow<'a>>> {
        for node in path {
            let mut next = Vec::new();
            let had_input = !values.is_empty();
            for value in values {
                match value {
                    Cow::Borrowed(value) => self.step(node, value, current, &mut next)?,
                    Cow::Owned(_) => return Err(JsonPathError::Evaluate("a literal has no members".to_owned())),
                }
                self.left = self.left.saturating_sub(1);
                if self.left <= next.len() {
                    return Err(JsonPathError::Limit("too many values"));
                }
            }
            if let Node::Field(name) = node
                && had_input
                && next.is_empty()
                && !self.allow_missing
            {
                return Err(JsonPathError::NotFound(name.clone()));
            }
            values = next;
        }
        Ok(values)
    }

    fn step(&mut self, node: &Node, value: &'a Value, current: &'a Value, out: &mut Vec<Cow<'a>>) -> Outcome<()> {
        match node {
            Node::Identifier('$') => out.push(Cow::Borrowed(self.root)),
            Node::Identifier(_) => out.push(Cow::Borrowed(value)),
            Node::Text(text) => out.push(Cow::Owned(Value::String(text.clone()))),
            Node::Int(it) => out.push(Cow::Owned(Value::from(*it))),
            Node::Float(it) => out.push(Cow::Owned(Value::from(*it))),
            Node::Bool(it) => out.push(Cow::Owned(Value::from(*it))),
            // a field that no value has is reported by the path
            Node::Field(name) => {
                if let Value::Object(map) = value {
                    out.extend(map.get(name).map(Cow::Borrowed));
                }
            }
            Node::Wildcard => match value {
                Value::Array(items) => out.extend(items.iter().map(Cow::Borrowed)),
                Value::Object(map) => out.extend(map.values().map(Cow::Borrowed)),
                _ => {}
            },
            Node::Recursive => self.recurse(value, out),
            Node::Index(index) => match value {
                Value::Array(items) => {
                    let len = items.len() as i64;
                    let place = if *index < 0 { index + len } else { *index };
                    match usize::try_from(place).ok().and_then(|it| items.get(it)) {
                        Some(found) => out.push(Cow::Borrowed(found)),
                        None => {
                            return Err(JsonPathError::Evaluate(format!(
                                "array index out of bounds: index {place}, length {len}"
                            )));
                        }
                    }
                }
                Value::Null => {}
                other => return Err(JsonPathError::Evaluate(format!("{other} is not array or slice"))),
            },
            Node::Slice(from, to, step) => match value {
                Value::Array(items) => {
                    let len = items.len() as i64;
                    let bound =
                        |it: Option<i64>, default: i64| it.map_or(default, |it| if it < 0 { it + len } else { it });
                    let (from, to) = (bound(*from, 0), bound(*to, len));
                    if from != to {
                        for (index, ok) in [(from, (0..len).contains(&from)), (to - 1, (0..=len).contains(&to))] {
                            if !ok {
                                return Err(JsonPathError::Evaluate(format!(
                                    "array index out of bounds: index {index}, length {len}"
                                )));
                            }
                        }
                        if from > to {
                            return Err(JsonPathError::Evaluate(format!(
                                "starting index {from} is greater than ending index {to}"
                            )));
                        }
                    }
                    let step = step.unwrap_or(1);
                    if step <= 0 {
                        return Err(JsonPathError::Evaluate("step must be > 0".to_owned()));
                    }
                    let mut at = from;
                    while at < to {
                        out.extend(usize::try_from(at).ok().and_then(|it| items.get(it)).map(Cow::Borrowed));
                        at = at.saturating_add(step);
                    }
                }
                Value::Null => {}
                other => return Err(JsonPathError::Evaluate(format!("{other} is not array or slice"))),
            },
            Node::Union(paths) => {
                for path in paths {
                    if let Node::List(path) = path {
                        out.extend(self.path(path, vec![Cow::Borrowed(value)], current)?);
                    }
                }
            }
            Node::Filter(left, operator, right) => {
                let items: Vec<&'a Value> = match value {
                    Value::Array(items) => items.iter().collect(),
                    Value::Object(map) => map.values().collect(),
                    _ => {
                        return Err(JsonPathError::Evaluate(format!(
                            "{value} is not array or slice and cannot be filtered"
                        )));
                    }
                };
                for item in items {
                    if self.filter(left, operator, right, item)? {
                        out.push(Cow::Borrowed(item));
                    }
                }
            }
            Node::List(path) => out.extend(self.path(path, vec![Cow::Borrowed(value)], current)?),
            Node::Range | Node::End => {}
        }
        Ok(())
    }

    fn recurse(&mut self, value: &'a Value, out: &mut Vec<Cow<'a>>) {
        // every object and list on the way down; the step after it picks among them
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        match value {
            Value::Array(items) => {
                out.push(Cow::Borrowed(value));
                for item in items {
                    self.recurse(item, out);
                }
            }
            Value::Object(map) => {
                out.push(Cow::Borrowed(value));
                for item in map.values() {
                    self.recurse(item, out);
                }
            }
            _ => {}
        }
    }

    fn filter(&mut self, left: &Node, operator: &str, right: &Node, item: &'a Value) -> Outcome<bool> {
        let side = |machine: &mut Self, node: &Node| -> Outcome<Vec<Cow<'a>>> {
            let Node::List(path) = node else {
                return Ok(Vec::new());
            };
            let lenient = machine.allow_missing;
            machine.allow_missing |= operator == "exists";
            let values = machine.path(path, vec![Cow::Borrowed(item)], item);
            machine.allow_missing = lenient;
            values
        };
        let left = side(self, left)?;
        if operator == "exists" {
            return Ok(!left.is_empty());
        }
        if left.is_empty() {
            return Ok(false);
        }
        if left.len() > 1 {
            return Err(JsonPathError::Evaluate("can only compare one element at a time".to_owned()));
        }
        let right = side(self, right)?;
        let Some(right) = right.first() else { return Ok(false) };
        compare(left[0].as_ref(), operator, right.as_ref())
    }
}

/// The nodes between `range path` and its `end`, and where the `end` is.
fn range_body(nodes: &[Node], at: usize) -> Outcome<(&[Node], usize)> {
    let mut depth = 0;
    for (place, node) in nodes.iter().enumerate().skip(at) {
        match node {
            Node::Range => depth += 1,
            Node::End => {
                depth -= 1;
                if depth == 0 {
                    return Ok((nodes.get(at + 2..place).unwrap_or_default(), place));
                }
            }
            _ => {}
        }
    }
    Err(JsonPathError::Evaluate("unterminated range".to_owned()))
}

fn compare(left: &Value, operator: &str, right: &Value) -> Outcome<bool> {
    let order = match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) => {
            return match operator {
                "==" => Ok(a == b),
                "!=" => Ok(a != b),
                _ => Err(JsonPathError::Evaluate("incompatible types for comparison".to_owned())),
            };
        }
    };
    Ok(order.is_some_and(|it| match operator {
        "==" => it.is_eq(),
        "!=" => it.is_ne(),
        "<" => it.is_lt(),
        "<=" => it.is_le(),
        ">" => it.is_gt(),
        _ => it.is_ge(),
    }))
}

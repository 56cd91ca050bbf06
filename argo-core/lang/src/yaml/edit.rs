//! Changes values inside YAML text and leaves comments, order, quoting and layout of everything else alone.
//!
//! Keys are dotted paths: `image.tag`, `env.0.value`, `labels.app\.kubernetes\.io/name`. A number is an index in a
//! list and a key in a mapping; a leading `:` on a segment makes it a key always; `-1` or the length of a list appends.

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};
use serde_json::Value;

use super::decode::syntax;
use super::{Options, YamlError, decode_with, emit};

/// Why a text could not be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text is not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The path is empty or ends in a lone escape.
    #[error("invalid key {key:?}: {reason}")]
    Key {
        /// The path as given.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The path goes through a scalar or an alias, or an index is beyond the list.
    #[error("key path {key:?} not found: {reason} at segment {segment:?}")]
    Path {
        /// The path as given.
        key: String,
        /// The segment that did not fit.
        segment: String,
        /// Why.
        reason: &'static str,
    },
    /// The changed text would not read back with the new value; nothing was changed.
    #[error("key path {key:?} cannot be set in this text")]
    Unsafe {
        /// The path as given.
        key: String,
    },
}

/// One step of a key path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The unescaped text.
    pub text: String,
    /// A leading `:` was given: never an index.
    pub key_only: bool,
}

impl Segment {
    fn index(&self) -> Option<Index> {
        if self.key_only {
            return None;
        }
        if self.text == "-1" {
            return Some(Index::Append);
        }
        self.text.parse().ok().map(Index::At)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    At(usize),
    Append,
}

/// Splits a key path at its unescaped dots.
///
/// # Errors
/// An empty path or segment, or an escape at the end.
pub fn parse_key(key: &str) -> Result<Vec<Segment>, EditError> {
    let wrong = |reason| EditError::Key { key: key.to_owned(), reason };
    let mut segments = Vec::new();
    let mut text = String::new();
    let mut key_only = false;
    let mut started = false;
    let mut chars = key.chars();
    loop {
        match chars.next() {
            Some('\\') => {
                text.push(chars.next().ok_or_else(|| wrong("it ends in an escape"))?);
                started = true;
            }
            Some(':') if !started => {
                key_only = true;
                started = true;
            }
            it @ (Some('.') | None) => {
                if text.is_empty() {
                    return Err(wrong("it has an empty segment"));
                }
                segments.push(Segment { text: std::mem::take(&mut text), key_only });
                (key_only, started) = (false, false);
                if it.is_none() {
                    return Ok(segments);
                }
            }
            Some(it) => {
                text.push(it);
                started = true;
            }
        }
    }
}

/// Sets the value at a key path in the first document and returns the new text.
///
/// An existing scalar keeps its quoting style; missing mappings are created; a list grows by `-1` or its length.
///
/// # Errors
/// The text is not YAML, or the path does not fit it.
pub fn set(text: &str, key: &str, value: &Value) -> Result<String, EditError> {
    let segments = parse_key(key)?;
    let root = parse(text)?;
    let out = edit(text, root.as_ref(), key, &segments, value)?;
    let unsafe_edit = || EditError::Unsafe { key: key.to_owned() };
    let back = decode_with(&out, &Options::lenient()).map_err(|_| unsafe_edit())?;
    let mut at = &back;
    for segment in &segments {
        at = match at {
            Value::Object(map) => map.get(&segment.text),
            Value::Array(items) => match segment.index() {
                Some(Index::At(place)) => items.get(place),
                Some(Index::Append) => items.last(),
                None => None,
            },
            _ => None,
        }
        .ok_or_else(unsafe_edit)?;
    }
    if same(at, value) { Ok(out) } else { Err(unsafe_edit()) }
}

/// Sets several values, one after the other.
///
/// # Errors
/// As [`set`]; of a failed series nothing is returned.
pub fn set_all<'a>(text: &str, updates: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Result<String, EditError> {
    let mut out = text.to_owned();
    for (key, value) in updates {
        out = set(&out, key, value)?;
    }
    Ok(out)
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

// === the tree with its places in the text ===

#[derive(Debug)]
struct Node {
    kind: Kind,
    start: usize,
    /// End of the last character that belongs to the node.
    end: usize,
    column: usize,
    /// Where a value starts when the node itself is empty text: right after the colon or dash.
    flow: bool,
    /// Byte offset of tag or anchor before the node, when there is one.
    decorated: bool,
}

#[derive(Debug)]
enum Kind {
    Scalar(ScalarStyle),
    Alias,
    Mapping(Vec<Entry>),
    Sequence(Vec<Node>),
}

#[derive(Debug)]
struct Entry {
    key: String,
    key_end: usize,
    value: Node,
}

const MAX_DEPTH: usize = 200;

struct Builder<'a> {
    text: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
}

fn parse(text: &str) -> Result<Option<Node>, EditError> {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder { text, parser: Parser::new_from_str_with_options(text, options) };
    loop {
        match builder.next()? {
            (Event::StreamEnd, _) => return Ok(None),
            (Event::DocumentStart(..), _) => {
                let (event, span) = builder.next()?;
                let root = match event {
                    Event::DocumentEnd => None,
                    event => Some(builder.node(event, &span, false, 0)?),
                };
                // the rest must be YAML too
                while !matches!(builder.next()?.0, Event::StreamEnd) {}
                return Ok(root);
            }
            _ => {}
        }
    }
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), EditError> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(pair),
            Some(Err(error)) => Err(syntax(&error).into()),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn offsets(&self, span: &Span) -> (usize, usize) {
        let range = span.byte_range().unwrap_or(0..0);
        let (start, mut end) = (range.start.min(self.text.len()), range.end.min(self.text.len()));
        if end > start {
            end = start + self.text.get(start..end).unwrap_or_default().trim_end().len();
        }
        (start, end)
    }

    fn node(&mut self, event: Event<'a>, span: &Span, flow: bool, depth: usize) -> Result<Node, EditError> {
        if depth > MAX_DEPTH {
            return Err(YamlError::Limit("document is nested too deeply").into());
        }
        let (mut start, mut end) = self.offsets(span);
        let column = span.start.col();
        if let Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) = &event
            && !self.text.get(start..).is_some_and(|it| it.starts_with(['|', '>']))
        {
            // the span covers the content; the value begins at its indicator
            start = self.text.get(..start).and_then(|it| it.rfind(['|', '>'])).unwrap_or(start);
        }
        let (kind, flow, decorated) = match event {
            Event::Scalar(_, style, anchor, tag) => (Kind::Scalar(style), flow, anchor != 0 || tag.is_some()),
            Event::Alias(_) => (Kind::Alias, flow, false),
            Event::SequenceStart(style, anchor, tag) => {
                let flow = flow || style == StructureStyle::Flow;
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                        if style == StructureStyle::Flow {
                            end = self.offsets(&span).1.max(start);
                        }
                        break;
                    }
                    let item = self.node(event, &span, flow, depth + 1)?;
                    end = end.max(item.end);
                    items.push(item);
                }
                (Kind::Sequence(items), flow, anchor != 0 || tag.is_some())
            }
            Event::MappingStart(style, anchor, tag) => {
                let flow = flow || style == StructureStyle::Flow;
                let mut entries = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                        if style == StructureStyle::Flow {
                            end = self.offsets(&span).1.max(start);
                        }
                        break;
                    }
                    let key = match &event {
                        Event::Scalar(text, ..) => text.clone().into_owned(),
                        _ => String::new(),
                    };
                    let key_node = self.node(event, &span, flow, depth + 1)?;
                    let (event, span) = self.next()?;
                    let value = self.node(event, &span, flow, depth + 1)?;
                    let colon = self
                        .text
                        .get(key_node.end..)
                        .and_then(|it| it.find(':'))
                        .map_or(key_node.end, |it| key_node.end + it + 1);
                    end = end.max(value.end).max(colon);
                    entries.push(Entry { key, key_end: colon, value });
                }
                (Kind::Mapping(entries), flow, anchor != 0 || tag.is_some())
            }
            _ => return Err(YamlError::Limit("unexpected event").into()),
        };
        Ok(Node { kind, start, end, column, flow, decorated })
    }
}

// === edits ===

fn nested(segments: &[Segment], value: &Value) -> Value {
    segments.iter().rev().fold(value.clone(), |inner, segment| match segment.index() {
        Some(Index::Append | Index::At(0)) => Value::Array(vec![inner]),
        _ => Value::Object([(segment.text.clone(), inner)].into_iter().collect()),
    })
}

fn edit(text: &str, root: Option<&Node>, key: &str, segments: &[Segment], value: &Value) -> Result<String, EditError> {
    let Some(mut node) = root else {
        let mut out = text.to_owned();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&emit::to_yaml(&nested(segments, value)));
        return Ok(out);
    };
    // where an empty value is to be written, and the column of the collection it stands in
    let mut slot = Slot { after: None, parent_column: 0, in_sequence: false };
    for (place, segment) in segments.iter().enumerate() {
        let path_error = |reason| EditError::Path { key: key.to_owned(), segment: segment.text.clone(), reason };
        let rest = &segments[place + 1..];
        match &node.kind {
            Kind::Mapping(entries) => match entries.iter().rev().find(|it| it.key == segment.text) {
                Some(entry) => {
                    slot = Slot { after: Some(entry.key_end), parent_column: node.column, in_sequence: false };
                    node = &entry.value;
                }
                None => {
                    return insert_key(text, node, entries, &segment.text, &nested(rest, value))
                        .ok_or_else(|| path_error("mapping cannot take a key"));
                }
            },
            Kind::Sequence(items) => {
                let index = match segment.index().ok_or_else(|| path_error("an index is needed"))? {
                    Index::At(at) if at < items.len() => at,
                    Index::At(at) if at > items.len() => {
                        return Err(path_error("index out of range"));
                    }
                    _ => {
                        return append(text, node, items, &nested(rest, value))
                            .ok_or_else(|| path_error("list cannot grow"));
                    }
                };
                slot = Slot { after: None, parent_column: node.column, in_sequence: true };
                node = &items[index];
            }
            Kind::Scalar(ScalarStyle::Plain) if is_null(text, node) => {
                return Ok(replace(text, node, &slot, &nested(&segments[place..], value)));
            }
            Kind::Scalar(_) => return Err(path_error("a scalar is in the way")),
            Kind::Alias => return Err(path_error("an alias is in the way")),
        }
    }
    Ok(replace(text, node, &slot, value))
}

struct Slot {
    after: Option<usize>,
    parent_column: usize,
    in_sequence: bool,
}

fn is_null(text: &str, node: &Node) -> bool {
    matches!(text.get(node.start..node.end), Some("" | "~" | "null" | "Null" | "NULL"))
}

fn splice(text: &str, start: usize, end: usize, with: &str) -> String {
    let mut out = String::with_capacity(text.len() + with.len());
    out.push_str(text.get(..start).unwrap_or_default());
    out.push_str(with);
    out.push_str(text.get(end..).unwrap_or_default());
    out
}

fn is_collection(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A value on one line that is safe in block and flow context.
fn inline(value: &Value, flow: bool, style: Option<ScalarStyle>) -> String {
    match value {
        Value::String(it) => match style {
            Some(ScalarStyle::DoubleQuoted) => emit::double_quoted(it),
            Some(ScalarStyle::SingleQuoted) if it.chars().all(|it| (' '..='~').contains(&it) || it >= '\u{a0}') => {
                format!("'{}'", it.replace('\'', "''"))
            }
            _ => {
                let plain = emit::flow_scalar(it, false);
                if it.is_empty()
                    || (flow && !plain.starts_with(['"', '\'']) && it.contains([',', '[', ']', '{', '}', '?', ':']))
                {
                    emit::double_quoted(it)
                } else {
                    plain
                }
            }
        },
        Value::Number(it) => emit::number(it),
        // JSON is flow YAML
        other => other.to_string(),
    }
}

/// Block YAML of a collection, every line but the first indented.
fn block(value: &Value, column: usize) -> String {
    let pad = " ".repeat(column);
    let text = emit::to_yaml(value);
    let mut out = String::new();
    for (place, line) in text.trim_end_matches('\n').split('\n').enumerate() {
        if place > 0 {
            out.push('\n');
            if !line.is_empty() {
                out.push_str(&pad);
            }
        }
        out.push_str(line);
    }
    out
}

fn replace(text: &str, node: &Node, slot: &Slot, value: &Value) -> String {
    let style = match node.kind {
        Kind::Scalar(style) => Some(style),
        _ => None,
    };
    let empty = node.start == node.end;
    let start = if empty || (slot.after.is_some() && !node.flow && node.decorated) {
        slot.after.unwrap_or(node.start)
    } else {
        node.start
    };
    let end = if empty { start } else { node.end };
    let line_start = |column: usize| format!("\n{}", " ".repeat(column));
    // a block collection that starts on the line after its key is replaced from the colon on
    let from_colon = |with: String| match slot.after {
        Some(after) if !node.flow => splice(text, after, end.max(after), &with),
        _ => splice(text, start, end, &with),
    };
    if is_collection(value) && !node.flow {
        if slot.in_sequence {
            let column = slot.parent_column + 2;
            let lead = if empty { " " } else { "" };
            return splice(text, start, end, &format!("{lead}{}", block(value, column)));
        }
        let column = slot.parent_column + if slot.after.is_some() { 2 } else { 0 };
        if slot.after.is_none() {
            return splice(text, start, end, &block(value, column));
        }
        return from_colon(format!("{}{}", line_start(column), block(value, column)));
    }
    match (style, value) {
        (Some(ScalarStyle::Literal), Value::String(it))
            if !node.flow && it.contains('\n') && !it.starts_with([' ', '\n']) =>
        {
            let column = slot.parent_column + 2;
            let chomp = if it.ends_with("\n\n") {
                "+"
            } else if it.ends_with('\n') {
                ""
            } else {
                "-"
            };
            let body: Vec<String> = it
                .strip_suffix('\n')
                .unwrap_or(it)
                .split('\n')
                .map(|line| if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(column)) })
                .collect();
            splice(text, start, end, &format!("|{chomp}\n{}", body.join("\n")))
        }
        (Some(style), value) => {
            let new = inline(value, node.flow, Some(style));
            let lead = if empty && !text[..start].ends_with([' ', '\n']) || (start != node.start && !empty) {
                " "
            } else {
                ""
            };
            splice(text, start, end, &format!("{lead}{new}"))
        }
        (None, value) => {
            let new = inline(value, node.flow, None);
            if node.flow || slot.after.is_none() {
                splice(text, start, end, &new)
            } else {
                from_colon(format!(" {new}"))
            }
        }
    }
}

/// The end of the line on which `at` stands, after its comment.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|it| it.find('\n')).map_or(text.len(), |it| at + it)
}

fn key_text(key: &str, flow: bool) -> String {
    inline(&Value::String(key.to_owned()), flow, None)
}

fn insert_key(text: &str, node: &Node, entries: &[Entry], key: &str, value: &Value) -> Option<String> {
    let is_flow = text.get(node.start..)?.starts_with('{');
    if is_flow {
        let close = node.end.checked_sub(1)?;
        let lead = if entries.is_empty() { "" } else { ", " };
        let inner = text.get(..close)?.trim_end().len();
        return Some(splice(
            text,
            inner,
            close,
            &format!("{lead}{}: {}", key_text(key, true), inline(value, true, None)),
        ));
    }
    if node.flow {
        return None;
    }
    let column = node.column;
    let key = key_text(key, false);
    let tail = if is_collection(value) {
        format!(":\n{}{}", " ".repeat(column + 2), block(value, column + 2))
    } else {
        format!(": {}", inline(value, false, None))
    };
    let at = line_end(text, node.end);
    Some(splice(text, at, at, &format!("\n{}{key}{tail}", " ".repeat(column))))
}

fn append(text: &str, node: &Node, items: &[Node], value: &Value) -> Option<String> {
    if text.get(node.start..)?.starts_with('[') {
        let close = node.end.checked_sub(1)?;
        let lead = if items.is_empty() { "" } else { ", " };
        let inner = text.get(..close)?.trim_end().len();
        return Some(splice(text, inner, close, &format!("{lead}{}", inline(value, true, None))));
    }
    if node.flow {
        return None;
    }
    let body = if is_collection(value) { block(value, node.column + 2) } else { inline(value, false, None) };
    let at = line_end(text, node.end);
    Some(splice(text, at, at, &format!("\n{}- {body}", " ".repeat(node.column))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scalar_changes_and_everything_else_stays() {
        let text = "# head\nimage:\n  repository: nginx   # the image\n  tag: \"1.0\" # keep me\nenv:\n- name: A\n  value: 'x'\n- name: B\n\nlast: |\n  text\n";
        let out = set(text, "image.tag", &json!("1.1")).unwrap();
        assert_eq!(out, text.replace("\"1.0\"", "\"1.1\""));
        let out = set(text, "env.0.value", &json!("it's")).unwrap();
        assert_eq!(out, text.replace("'x'", "'it''s'"));
        let out = set(text, "image.repository", &json!("yes")).unwrap();
        assert_eq!(out, text.replace("nginx ", "\"yes\" "));
        let out = set(text, "last", &json!(5)).unwrap();
        assert_eq!(out, text.replace("|\n  text\n", "5\n"));
    }

    #[test]
    fn missing_mappings_are_created_where_they_belong() {
        let text = "a:\n  b: 1 # one\n# tail\nz: 2\n";
        assert_eq!(set(text, "a.c.d", &json!("x")).unwrap(), "a:\n  b: 1 # one\n  c:\n    d: x\n# tail\nz: 2\n");
        assert_eq!(set("", "a.b", &json!(1)).unwrap(), "a:\n  b: 1\n");
        assert_eq!(set("a:\nb: 2\n", "a", &json!("x")).unwrap(), "a: x\nb: 2\n");
        assert_eq!(set("a:\nb: 2\n", "a.c", &json!("x")).unwrap(), "a:\n  c: x\nb: 2\n");
        assert_eq!(set("a: {b: 1}\n", "a.c", &json!("x,y")).unwrap(), "a: {b: 1, c: \"x,y\"}\n");
        assert_eq!(set("a: {}\n", "a.c", &json!(true)).unwrap(), "a: {c: true}\n");
    }

    #[test]
    fn lists_take_indices_and_grow_at_their_end() {
        let text = "l:\n  - a # first\n  - b\n";
        assert_eq!(set(text, "l.0", &json!("c")).unwrap(), "l:\n  - c # first\n  - b\n");
        assert_eq!(set(text, "l.-1", &json!("c")).unwrap(), "l:\n  - a # first\n  - b\n  - c\n");
        assert_eq!(set(text, "l.2", &json!({"x": 1})).unwrap(), "l:\n  - a # first\n  - b\n  - x: 1\n");
        assert!(matches!(set(text, "l.4", &json!("c")), Err(EditError::Path { .. })));
        assert_eq!(set("l: [a]\n", "l.-1", &json!("b")).unwrap(), "l: [a, b]\n");
    }

    #[test]
    fn escapes_and_colons_make_keys() {
        let text = "a.b: 1\nm:\n  \"0\": x\n";
        assert_eq!(set(text, r"a\.b", &json!(2)).unwrap(), "a.b: 2\nm:\n  \"0\": x\n");
        assert_eq!(set(text, "m.:0", &json!("y")).unwrap(), "a.b: 1\nm:\n  \"0\": \"y\"\n");
        assert!(matches!(parse_key("a..b"), Err(EditError::Key { .. })));
    }
}

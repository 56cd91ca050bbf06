//! The edits themselves: splices into the text.

use granit_parser::ScalarStyle;
use serde_json::Value;

use super::tree::{Entry, Kind, Node};
use super::{EditError, Index, Segment};
use crate::yaml::emit;

fn nested(segments: &[Segment], value: &Value) -> Value {
    segments.iter().rev().fold(value.clone(), |inner, segment| match segment.index() {
        Some(Index::Append | Index::At(0)) => Value::Array(vec![inner]),
        _ => Value::Object([(segment.text.clone(), inner)].into_iter().collect()),
    })
}

pub(super) fn edit(
    text: &str,
    root: Option<&Node>,
    key: &str,
    segments: &[Segment],
    value: &Value,
) -> Result<String, EditError> {
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

//! YAML text to JSON values.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::YamlError;
use super::scalar::{Scalar, resolve};
use crate::gofloat;

/// Bounds and choices of a decode. The defaults refuse duplicate keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Take the last of several equal keys, as a non-strict Go decode does, instead of an error. Default false.
    pub last_key_wins: bool,
    /// Longest accepted text in bytes. Default 64 MiB.
    pub max_bytes: usize,
    /// Deepest accepted nesting. Default 200.
    pub max_depth: usize,
    /// Most values that a document may have after its aliases are expanded. Default 4,000,000.
    pub max_nodes: usize,
    /// Most values that aliases may add. Default 400,000.
    pub max_alias_nodes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            last_key_wins: false,
            max_bytes: 64 << 20,
            max_depth: 200,
            max_nodes: 4_000_000,
            max_alias_nodes: 400_000,
        }
    }
}

impl Options {
    /// The non-strict form: of equal keys the last wins.
    #[must_use]
    pub fn lenient() -> Self {
        Self { last_key_wins: true, ..Self::default() }
    }
}

/// Decodes the first document of a YAML or JSON text. An empty text is null.
///
/// # Errors
/// The text is not YAML, has a duplicate key, or has no JSON form.
pub fn decode(text: &str) -> Result<Value, YamlError> {
    decode_with(text, &Options::default())
}

/// [`decode`] with chosen options.
///
/// # Errors
/// As [`decode`], and when a bound is exceeded.
pub fn decode_with(text: &str, options: &Options) -> Result<Value, YamlError> {
    Ok(read(text, options, true)?.into_iter().next().unwrap_or(Value::Null))
}

/// Decodes every document of a stream, empty ones as null.
///
/// # Errors
/// As [`decode`].
pub fn decode_all(text: &str) -> Result<Vec<Value>, YamlError> {
    decode_all_with(text, &Options::default())
}

/// [`decode_all`] with chosen options.
///
/// # Errors
/// As [`decode_with`].
pub fn decode_all_with(text: &str, options: &Options) -> Result<Vec<Value>, YamlError> {
    read(text, options, false)
}

/// [`decode`] of a file's bytes: UTF-8 with or without byte order mark, or UTF-16 with one.
///
/// # Errors
/// As [`decode`], and when the bytes are not text.
pub fn decode_bytes(bytes: &[u8]) -> Result<Value, YamlError> {
    decode(&text_of_bytes(bytes)?)
}

/// The text of a file: UTF-8 with or without byte order mark, or UTF-16 with one.
///
/// # Errors
/// The bytes are not text.
pub fn text_of_bytes(bytes: &[u8]) -> Result<String, YamlError> {
    let not_text = || YamlError::Syntax { line: 1, column: 0, message: "invalid Unicode".to_owned() };
    let utf16 = |rest: &[u8], join: fn([u8; 2]) -> u16| {
        if !rest.len().is_multiple_of(2) {
            return Err(not_text());
        }
        let units: Vec<u16> = rest.chunks_exact(2).map(|it| join([it[0], it[1]])).collect();
        String::from_utf16(&units).map_err(|_| not_text())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest).map(str::to_owned).map_err(|_| not_text()),
        _ => std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| not_text()),
    }
}

/// Line from 1, column from 0.
type Place = (usize, usize);

fn place_of(span: &Span) -> Place {
    (span.start.line(), span.start.col())
}

pub(super) fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax { line: error.marker().line(), column: error.marker().col(), message: error.info() }
}

fn read(text: &str, options: &Options, only_first: bool) -> Result<Vec<Value>, YamlError> {
    if text.len() > options.max_bytes {
        return Err(YamlError::Limit("document is too large"));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser_options = granit_parser::Options::default();
    parser_options.set_emit_comments(false);
    // as libyaml: a block scalar that the end of the text cuts off has no line break there
    parser_options.block_scalar_eof_without_line_feed = true;
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, parser_options),
        options,
        anchors: HashMap::new(),
        nodes: 0,
        alias_nodes: 0,
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            None | Some((Event::StreamEnd, _)) => return Ok(documents),
            Some((Event::DocumentStart(..), _)) => {
                reader.anchors.clear();
                reader.nodes = 0;
                reader.alias_nodes = 0;
                let Some((event, span)) = reader.next()? else {
                    return Ok(documents);
                };
                documents.push(match event {
                    Event::DocumentEnd => Value::Null,
                    event => reader.node(event, &span, 0)?,
                });
                if only_first {
                    return Ok(documents);
                }
            }
            Some(_) => {}
        }
    }
}

struct Anchored {
    value: Value,
    size: usize,
}

struct Reader<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    options: &'a Options,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    alias_nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        loop {
            return match self.parser.next_event() {
                None => Ok(None),
                Some(Err(error)) => Err(syntax(&error)),
                Some(Ok((Event::Comment(..), _))) => continue,
                Some(Ok(pair)) => Ok(Some(pair)),
            };
        }
    }

    fn inner(&mut self) -> Result<(Event<'a>, Span), YamlError> {
        self.next()?.ok_or(YamlError::Limit("unexpected end of stream"))
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Value, YamlError> {
        let place = place_of(span);
        if depth > self.options.max_depth {
            return Err(YamlError::Limit("document is nested too deeply"));
        }
        self.nodes += 1;
        if self.nodes > self.options.max_nodes {
            return Err(YamlError::Limit("document has too many values"));
        }
        let start = self.nodes;
        let (value, anchor) = match event {
            Event::Alias(id) => {
                let Some(anchored) = self.anchors.get(&id) else {
                    return Err(YamlError::Value {
                        line: place.0,
                        column: place.1,
                        message: "anchor contains itself".to_owned(),
                    });
                };
                self.nodes += anchored.size;
                self.alias_nodes += anchored.size;
                if self.alias_nodes > self.options.max_alias_nodes || self.nodes > self.options.max_nodes {
                    return Err(YamlError::Limit("document contains excessive aliasing"));
                }
                return Ok(anchored.value.clone());
            }
            Event::Scalar(text, style, anchor, tag) => (scalar_value(text, style, tag.as_deref(), place)?, anchor),
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.inner()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, &span, depth + 1)?);
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (Value::Object(self.mapping(depth)?), anchor),
            other => {
                return Err(YamlError::Value {
                    line: place.0,
                    column: place.1,
                    message: format!("unexpected {other:?}"),
                });
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { value: value.clone(), size: self.nodes - start + 1 });
        }
        Ok(value)
    }

    fn mapping(&mut self, depth: usize) -> Result<Map<String, Value>, YamlError> {
        let mut map = Map::new();
        // keys that only a merge has brought: an own one may stand over them
        let mut merged = BTreeSet::new();
        loop {
            let (event, span) = self.inner()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(map);
            }
            let place = place_of(&span);
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, tag)
                if text == "<<" && tag.as_deref().is_none_or(|it| it.suffix() == "merge"));
            if merge {
                let (event, span) = self.inner()?;
                let from = self.node(event, &span, depth + 1)?;
                merge_into(&mut map, &mut merged, from, place_of(&span))?;
                continue;
            }
            let key = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    if anchor != 0 {
                        let value = scalar_value(text.clone(), style, tag.as_deref(), place)?;
                        self.anchors.insert(anchor, Anchored { value, size: 1 });
                    }
                    key_text(text, style, tag.as_deref(), place)?
                }
                Event::Alias(id) => match self.anchors.get(&id).map(|it| &it.value) {
                    Some(Value::String(text)) => text.clone(),
                    Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
                    _ => {
                        return Err(YamlError::Value {
                            line: place.0,
                            column: place.1,
                            message: "invalid map key".to_owned(),
                        });
                    }
                },
                _ => {
                    return Err(YamlError::Value {
                        line: place.0,
                        column: place.1,
                        message: "invalid map key".to_owned(),
                    });
                }
            };
            let (event, span) = self.inner()?;
            let value = self.node(event, &span, depth + 1)?;
            match map.entry(key) {
                Entry::Vacant(slot) => {
                    slot.insert(value);
                }
                Entry::Occupied(mut slot) => {
                    if !merged.remove(slot.key()) && !self.options.last_key_wins {
                        return Err(YamlError::DuplicateKey {
                            line: place.0,
                            column: place.1,
                            key: slot.key().clone(),
                        });
                    }
                    slot.insert(value);
                }
            }
        }
    }
}

fn merge_into(
    map: &mut Map<String, Value>,
    merged: &mut BTreeSet<String>,
    from: Value,
    place: Place,
) -> Result<(), YamlError> {
    let wrong = || YamlError::Value {
        line: place.0,
        column: place.1,
        message: "map merge requires map or sequence of maps as the value".to_owned(),
    };
    let mut take = |from: Map<String, Value>| {
        for (key, value) in from {
            if map.insert(key.clone(), value).is_none() {
                merged.insert(key);
            }
        }
    };
    match from {
        Value::Object(from) => take(from),
        Value::Array(items) => {
            // earlier ones take precedence
            for item in items.into_iter().rev() {
                match item {
                    Value::Object(from) => take(from),
                    _ => return Err(wrong()),
                }
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

fn meaning(text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Scalar, YamlError> {
    let core = tag.and_then(|it| it.suffix_in_namespace("tag:yaml.org,2002:"));
    let wrong = |kind: &str| YamlError::Value {
        line: place.0,
        column: place.1,
        message: format!("cannot decode !!str `{text}` as a !!{kind}"),
    };
    Ok(match (tag, core.as_deref()) {
        (None, _) if style == ScalarStyle::Plain => resolve(text),
        (Some(_), Some("bool")) => match resolve(text) {
            it @ Scalar::Bool(_) => it,
            _ => return Err(wrong("bool")),
        },
        (Some(_), Some("int")) => match resolve(text) {
            it @ (Scalar::Int(_) | Scalar::Uint(_)) => it,
            _ => return Err(wrong("int")),
        },
        (Some(_), Some("float")) => match resolve(text) {
            it @ Scalar::Float(_) => it,
            Scalar::Int(int) => Scalar::Float(int as f64),
            _ => return Err(wrong("float")),
        },
        (Some(_), Some("null")) => match resolve(text) {
            Scalar::Null => Scalar::Null,
            _ => return Err(wrong("null")),
        },
        _ => Scalar::Str,
    })
}

fn scalar_value(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Value, YamlError> {
    Ok(match meaning(&text, style, tag, place)? {
        Scalar::Null => Value::Null,
        Scalar::Bool(it) => Value::Bool(it),
        Scalar::Int(it) => Value::from(it),
        Scalar::Uint(it) => Value::from(it),
        Scalar::Float(it) => match gofloat::json_number(it) {
            Some(number) => Value::Number(number),
            None => {
                return Err(YamlError::Value {
                    line: place.0,
                    column: place.1,
                    message: format!("json: unsupported value: {}", gofloat::format_g(it, None)),
                });
            }
        },
        Scalar::Timestamp => Value::String(text.into_owned()),
        Scalar::Str
            if tag.is_some_and(|it| it.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("binary")) =>
        {
            let clean: String = text.chars().filter(|it| !it.is_whitespace()).collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(clean).map_err(|_| YamlError::Value {
                line: place.0,
                column: place.1,
                message: "!!binary value contains invalid base64 data".to_owned(),
            })?;
            Value::String(String::from_utf8_lossy(&bytes).into_owned())
        }
        Scalar::Str => Value::String(text.into_owned()),
    })
}

fn key_text(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<String, YamlError> {
    Ok(match meaning(&text, style, tag, place)? {
        Scalar::Null => {
            return Err(YamlError::Value {
                line: place.0,
                column: place.1,
                message: "unsupported map key of type: %!s(<nil>), key: <nil>".to_owned(),
            });
        }
        Scalar::Bool(it) => it.to_string(),
        Scalar::Int(it) => it.to_string(),
        Scalar::Uint(it) => {
            let message = format!("unsupported map key of type: uint64, key: {it:#x}");
            return Err(YamlError::Value { line: place.0, column: place.1, message });
        }
        Scalar::Float(it) if it.is_nan() => ".nan".to_owned(),
        Scalar::Float(it) if it.is_infinite() => (if it > 0.0 { ".inf" } else { "-.inf" }).to_owned(),
        Scalar::Float(it) => gofloat::format_g32(it as f32),
        Scalar::Timestamp | Scalar::Str => text.into_owned(),
    })
}

//! The tree with its places in the text.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};

use super::EditError;
use crate::yaml::YamlError;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) start: usize,
    /// End of the last character that belongs to the node.
    pub(super) end: usize,
    pub(super) column: usize,
    /// Where a value starts when the node itself is empty text: right after the colon or dash.
    pub(super) flow: bool,
    /// Byte offset of tag or anchor before the node, when there is one.
    pub(super) decorated: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(ScalarStyle),
    Alias,
    Mapping(Vec<Entry>),
    Sequence(Vec<Node>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_end: usize,
    pub(super) value: Node,
}

const MAX_DEPTH: usize = 200;

fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax { line: error.marker().line(), column: error.marker().col(), message: error.info() }
}

struct Builder<'a> {
    text: &'a str,
    parser: Parser<'a, granit_parser::StrInput<'a>>,
}

pub(super) fn parse(text: &str) -> Result<Option<Node>, EditError> {
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

//! Tokens to values: the grammar of blocks and brackets, anchors, merges and tags.

mod collections;
mod mapping;

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::resolve::{Plain, scalar_value};
use super::scan::{Mark, Scanner, Tok, syntax};
use super::{Options, YamlError};

type Read<T = Value> = Result<T, YamlError>;

struct Anchored {
    value: Value,
    size: usize,
}

/// A node, a scalar as it stands.
enum Node<'a> {
    Scalar(Plain<'a>, Option<&'a str>),
    Alias(&'a str),
    Value(Value),
}

pub(super) struct Reader<'a, 'o> {
    scanner: Scanner<'a>,
    options: &'o Options,
    anchors: HashMap<&'a str, Anchored>,
    handles: Vec<(&'a str, String)>,
    nodes: usize,
    alias_nodes: usize,
    depth: usize,
    first: bool,
}

fn wrong(mark: Mark, message: impl Into<String>) -> YamlError {
    YamlError::Value { line: mark.line, column: mark.column, message: message.into() }
}

impl<'a, 'o> Reader<'a, 'o> {
    pub(super) fn new(text: &'a str, options: &'o Options) -> Self {
        Self {
            scanner: Scanner::new(text),
            options,
            anchors: HashMap::new(),
            handles: Vec::new(),
            nodes: 0,
            alias_nodes: 0,
            depth: 0,
            first: true,
        }
    }

    fn peek(&mut self) -> Read<&Tok<'a>> {
        self.scanner.peek().map(|it| &it.tok)
    }

    fn mark(&mut self) -> Read<Mark> {
        self.scanner.peek().map(|it| it.mark)
    }

    fn skip(&mut self) -> Read<()> {
        self.scanner.next().map(|_| ())
    }

    fn eat(&mut self, tok: &Tok<'_>) -> Read<bool> {
        let found = self.peek()? == tok;
        if found {
            self.skip()?;
        }
        Ok(found)
    }

    /// The next document; none at the end. What stands behind it is not judged before the next one is asked for.
    pub(super) fn document(&mut self) -> Read<Option<Value>> {
        self.anchors.clear();
        self.handles.clear();
        (self.nodes, self.alias_nodes) = (0, 0);
        let first = std::mem::take(&mut self.first);
        while !first && self.eat(&Tok::DocumentEnd)? {}
        let value = match self.peek()? {
            Tok::StreamEnd => return Ok(None),
            Tok::Version(..) | Tok::TagDirective(..) | Tok::DocumentStart => {
                self.directives()?;
                if !self.eat(&Tok::DocumentStart)? {
                    return Err(syntax(self.mark()?, "did not find expected <document start>"));
                }
                match self.peek()? {
                    Tok::Version(..)
                    | Tok::TagDirective(..)
                    | Tok::DocumentStart
                    | Tok::DocumentEnd
                    | Tok::StreamEnd => Value::Null,
                    _ => self.value(true, false)?,
                }
            }
            _ if first => self.value(true, false)?,
            _ => return Err(syntax(self.mark()?, "did not find expected <document start>")),
        };
        // upstream looks at the token behind a document too
        self.eat(&Tok::DocumentEnd)?;
        Ok(Some(value))
    }

    fn directives(&mut self) -> Read<()> {
        let mut version = false;
        loop {
            let mark = self.mark()?;
            match self.peek()? {
                Tok::Version(..) if version => return Err(syntax(mark, "found duplicate %YAML directive")),
                Tok::Version(1, 1) => version = true,
                Tok::Version(..) => return Err(syntax(mark, "found incompatible YAML document")),
                Tok::TagDirective(handle, prefix) => {
                    let (handle, prefix) = (*handle, prefix.clone());
                    if self.handles.iter().any(|it| it.0 == handle) {
                        return Err(syntax(mark, "found duplicate %TAG directive"));
                    }
                    self.handles.push((handle, prefix));
                }
                _ => return Ok(()),
            }
            self.skip()?;
        }
    }

    fn count(&mut self) -> Read<()> {
        self.nodes += 1;
        if self.nodes > self.options.max_nodes { Err(YamlError::Limit("document has too many values")) } else { Ok(()) }
    }

    fn value(&mut self, block: bool, indentless: bool) -> Read {
        let mark = self.mark()?;
        let start = self.nodes;
        match self.node(block, indentless)? {
            Node::Value(value) => Ok(value),
            Node::Alias(name) => self.alias(name, mark),
            Node::Scalar(scalar, anchor) => {
                let value = scalar_value(scalar, self.options)?;
                self.remember(anchor, &value, start);
                Ok(value)
            }
        }
    }

    fn remember(&mut self, anchor: Option<&'a str>, value: &Value, start: usize) {
        if let Some(name) = anchor {
            self.anchors.insert(name, Anchored { value: value.clone(), size: self.nodes - start });
        }
    }

    fn alias(&mut self, name: &str, mark: Mark) -> Read {
        let Some(anchored) = self.anchors.get(name) else {
            return Err(wrong(mark, format!("unknown anchor '{name}' referenced")));
        };
        self.nodes += anchored.size;
        self.alias_nodes += anchored.size;
        #[allow(clippy::cast_precision_loss)] // counts of values
        let share = self.alias_nodes as f64 / self.nodes as f64;
        let many = self.alias_nodes > 100 && self.nodes > 1000 && share > alias_share(self.nodes);
        if many || self.alias_nodes > self.options.max_alias_nodes || self.nodes > self.options.max_nodes {
            return Err(YamlError::Limit("document contains excessive aliasing"));
        }
        Ok(anchored.value.clone())
    }

    /// A node with its anchor and tag. `indentless`: a list may stand at the column of the key it belongs to.
    fn node(&mut self, block: bool, indentless: bool) -> Read<Node<'a>> {
        self.count()?;
        let start = self.nodes - 1;
        let mark = self.mark()?;
        if let Tok::Alias(name) = self.peek()? {
            let name = *name;
            self.skip()?;
            return Ok(Node::Alias(name));
        }
        let (anchor, tag) = self.properties()?;
        if let Some(name) = anchor {
            // inside of it the name means nothing yet
            self.anchors.remove(name);
        }
        let here = self.mark()?;
        let value = match self.peek()? {
            Tok::Scalar(..) => {
                let Tok::Scalar(text, plain) = self.scanner.next()?.tok else { return Err(syntax(mark, "no scalar")) };
                return Ok(Node::Scalar(Plain { text, plain, tag, mark: here }, anchor));
            }
            Tok::Entry if indentless => self.nested(Self::indentless_sequence)?,
            Tok::FlowSequenceStart => self.nested(Self::flow_sequence)?,
            Tok::FlowMappingStart => self.nested(Self::flow_mapping)?,
            Tok::SequenceStart if block => self.nested(Self::block_sequence)?,
            Tok::MappingStart if block => self.nested(Self::block_mapping)?,
            _ if anchor.is_some() || tag.is_some() => {
                return Ok(Node::Scalar(Plain { text: Cow::Borrowed(""), plain: true, tag, mark }, anchor));
            }
            _ => return Err(syntax(here, "did not find expected node content")),
        };
        self.remember(anchor, &value, start);
        Ok(Node::Value(value))
    }

    /// The anchor and the tag of a node, in any order.
    fn properties(&mut self) -> Read<(Option<&'a str>, Option<String>)> {
        let (mut anchor, mut tag) = (None, None);
        for _ in 0..2 {
            let mark = self.mark()?;
            match self.peek()? {
                Tok::Anchor(name) if anchor.is_none() => anchor = Some(*name),
                Tok::Tag(handle, suffix) if tag.is_none() => {
                    let (handle, suffix) = (*handle, suffix.clone());
                    tag = Some(self.full_tag(handle, suffix, mark)?);
                }
                _ => break,
            }
            self.skip()?;
        }
        Ok((anchor, tag))
    }

    fn full_tag(&self, handle: Option<&str>, suffix: String, mark: Mark) -> Read<String> {
        let Some(handle) = handle else { return Ok(suffix) };
        let prefix = match self.handles.iter().find(|it| it.0 == handle) {
            Some((_, prefix)) => prefix,
            None if handle == "!" => "!",
            None if handle == "!!" => "tag:yaml.org,2002:",
            None => return Err(syntax(mark, "found undefined tag handle")),
        };
        Ok(format!("{prefix}{suffix}"))
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read) -> Read {
        self.depth += 1;
        if self.depth > self.options.max_depth {
            return Err(YamlError::Limit("document is nested too deeply"));
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn empty(&mut self) -> Read {
        self.count()?;
        Ok(Value::Null)
    }
}

/// How much of a document its aliases may make up, as go-yaml has it: of small ones nearly all.
#[allow(clippy::cast_precision_loss)] // counts of values
fn alias_share(nodes: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let nodes = nodes as f64;
    0.99 - 0.89 * ((nodes - LOW) / (HIGH - LOW)).clamp(0.0, 1.0)
}

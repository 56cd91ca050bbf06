//! Keys, and what they bring: values, merges.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::{Node, Read, Reader, wrong};
use crate::yaml::YamlError;
use crate::yaml::resolve::{Plain, key_text, scalar_value};
use crate::yaml::scan::{Mark, Tok};

impl<'a> Reader<'a, '_> {
    /// The text of a key, or none for a merge.
    pub(super) fn key(&mut self, node: Option<Node<'a>>, mark: Mark) -> Read<Option<String>> {
        let node = match node {
            Some(it) => it,
            None => Node::Scalar(Plain { text: Cow::Borrowed(""), plain: true, tag: None, mark }, None),
        };
        match node {
            Node::Scalar(scalar, _) if scalar.is_merge() => Ok(None),
            Node::Scalar(scalar, anchor) => {
                if anchor.is_some() {
                    let value = scalar_value(scalar.clone(), self.options)?;
                    self.remember(anchor, &value, self.nodes - 1);
                }
                key_text(scalar, self.options).map(Some)
            }
            Node::Alias(name) => match self.alias(name, mark)? {
                Value::String(text) => Ok(Some(text)),
                value @ (Value::Bool(_) | Value::Number(_)) => Ok(Some(value.to_string())),
                _ => Err(wrong(mark, "invalid map key")),
            },
            Node::Value(_) => Err(wrong(mark, "invalid map key")),
        }
    }

    /// The value of a key, absent or to be read as a node of the kind, into its place.
    pub(super) fn entry(
        &mut self,
        mapping: &mut Mapping,
        key: Option<String>,
        mark: Mark,
        value: Option<(bool, bool)>,
    ) -> Read<()> {
        let here = self.mark()?;
        let from_alias = matches!(self.peek()?, Tok::Alias(_));
        let value = match value {
            None => self.empty()?,
            Some((block, indentless)) => self.value(block, indentless)?,
        };
        let Some(key) = key else { return mapping.merge(value, from_alias, here) };
        match mapping.map.entry(key) {
            Entry::Vacant(slot) => {
                slot.insert(value);
            }
            Entry::Occupied(mut slot) => {
                if !mapping.merged.remove(slot.key()) && !self.options.last_key_wins {
                    let key = slot.key().clone();
                    return Err(YamlError::DuplicateKey { line: mark.line, column: mark.column, key });
                }
                slot.insert(value);
            }
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Mapping {
    pub(super) map: Map<String, Value>,
    /// Keys that only a merge has brought: an own one may stand over them.
    merged: BTreeSet<String>,
}

impl Mapping {
    fn take(&mut self, from: Map<String, Value>) {
        for (key, value) in from {
            if self.map.insert(key.clone(), value).is_none() {
                self.merged.insert(key);
            }
        }
    }

    fn merge(&mut self, from: Value, alias: bool, mark: Mark) -> Read<()> {
        let refused = || wrong(mark, "map merge requires map or sequence of maps as the value");
        match from {
            Value::Object(from) => self.take(from),
            Value::Array(items) if !alias => {
                // earlier ones take precedence
                for item in items.into_iter().rev() {
                    match item {
                        Value::Object(from) => self.take(from),
                        _ => return Err(refused()),
                    }
                }
            }
            _ => return Err(refused()),
        }
        Ok(())
    }
}

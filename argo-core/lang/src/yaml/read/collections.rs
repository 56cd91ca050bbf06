//! Lists and objects, as blocks and in brackets.

use serde_json::Value;

use super::mapping::Mapping;
use super::{Read, Reader};
use crate::yaml::scan::{Tok, syntax};

impl Reader<'_, '_> {
    pub(super) fn block_sequence(&mut self) -> Read {
        self.skip()?;
        let mut items = Vec::new();
        while self.eat(&Tok::Entry)? {
            items.push(match self.peek()? {
                Tok::Entry | Tok::BlockEnd => self.empty()?,
                _ => self.value(true, false)?,
            });
        }
        if !self.eat(&Tok::BlockEnd)? {
            return Err(syntax(self.mark()?, "did not find expected '-' indicator"));
        }
        Ok(Value::Array(items))
    }

    pub(super) fn indentless_sequence(&mut self) -> Read {
        let mut items = Vec::new();
        while self.eat(&Tok::Entry)? {
            items.push(match self.peek()? {
                Tok::Entry | Tok::Key | Tok::Value | Tok::BlockEnd => self.empty()?,
                _ => self.value(true, false)?,
            });
        }
        Ok(Value::Array(items))
    }

    pub(super) fn block_mapping(&mut self) -> Read {
        self.skip()?;
        let mut mapping = Mapping::default();
        while self.eat(&Tok::Key)? {
            let mark = self.mark()?;
            let key = match self.peek()? {
                Tok::Key | Tok::Value | Tok::BlockEnd => None,
                _ => Some(self.node(true, true)?),
            };
            let key = self.key(key, mark)?;
            let absent = !self.eat(&Tok::Value)? || matches!(self.peek()?, Tok::Key | Tok::Value | Tok::BlockEnd);
            self.entry(&mut mapping, key, mark, if absent { None } else { Some((true, true)) })?;
        }
        if !self.eat(&Tok::BlockEnd)? {
            return Err(syntax(self.mark()?, "did not find expected key"));
        }
        Ok(Value::Object(mapping.map))
    }

    pub(super) fn flow_sequence(&mut self) -> Read {
        self.skip()?;
        let mut items = Vec::new();
        while *self.peek()? != Tok::FlowSequenceEnd {
            if !items.is_empty() && !self.eat(&Tok::Comma)? {
                return Err(syntax(self.mark()?, "did not find expected ',' or ']'"));
            }
            match self.peek()? {
                Tok::FlowSequenceEnd => break,
                Tok::Key => items.push(self.nested(Self::single_pair)?),
                _ => items.push(self.value(false, false)?),
            }
        }
        self.skip()?;
        Ok(Value::Array(items))
    }

    /// `[a: b]` is a list of one object.
    pub(super) fn single_pair(&mut self) -> Read {
        self.count()?;
        self.skip()?;
        let mut mapping = Mapping::default();
        let mark = self.mark()?;
        let key = match self.peek()? {
            // upstream takes the token as well
            Tok::Value | Tok::Comma | Tok::FlowSequenceEnd => {
                self.skip()?;
                None
            }
            _ => Some(self.node(false, false)?),
        };
        let key = self.key(key, mark)?;
        let absent = !self.eat(&Tok::Value)? || matches!(self.peek()?, Tok::Comma | Tok::FlowSequenceEnd);
        self.entry(&mut mapping, key, mark, if absent { None } else { Some((false, false)) })?;
        Ok(Value::Object(mapping.map))
    }

    pub(super) fn flow_mapping(&mut self) -> Read {
        self.skip()?;
        let mut mapping = Mapping::default();
        let mut first = true;
        while *self.peek()? != Tok::FlowMappingEnd {
            if !first && !self.eat(&Tok::Comma)? {
                return Err(syntax(self.mark()?, "did not find expected ',' or '}'"));
            }
            first = false;
            let mark = self.mark()?;
            let (key, absent) = match self.peek()? {
                Tok::FlowMappingEnd => break,
                Tok::Key => {
                    self.skip()?;
                    let key = match self.peek()? {
                        Tok::Value | Tok::Comma | Tok::FlowMappingEnd => None,
                        _ => Some(self.node(false, false)?),
                    };
                    let key = self.key(key, mark)?;
                    (key, !self.eat(&Tok::Value)? || matches!(self.peek()?, Tok::Comma | Tok::FlowMappingEnd))
                }
                _ => {
                    let key = self.node(false, false)?;
                    (self.key(Some(key), mark)?, true)
                }
            };
            self.entry(&mut mapping, key, mark, if absent { None } else { Some((false, false)) })?;
        }
        self.skip()?;
        Ok(Value::Object(mapping.map))
    }
}

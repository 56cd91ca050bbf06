//! Regular expressions that stand as constants in a program: compiled once, when first met.

use std::sync::OnceLock;

use regex::Regex;
use serde_json::Value;

use super::ast::{Binary, Kind, Node, children};
use crate::regexp;

/// Most patterns that a program keeps; further ones are compiled whenever they are met.
const MOST: usize = 16;

type Compiled = OnceLock<Result<Regex, String>>;

/// The constant patterns of a program.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<(String, Compiled)>);

impl Patterns {
    pub(super) fn of(root: &Node) -> Self {
        let mut found = Self::default();
        found.collect(root);
        found
    }

    fn collect(&mut self, node: &Node) {
        if let Kind::Binary(Binary::Matches, _, pattern) = &node.kind
            && let Kind::Constant(Value::String(pattern)) = &pattern.kind
            && self.0.len() < MOST
            && !self.0.iter().any(|it| it.0 == *pattern)
        {
            self.0.push((pattern.clone(), Compiled::new()));
        }
        children(&node.kind, &mut |child| self.collect(child));
    }

    /// Whether a pattern is found in a text.
    pub(super) fn is_match(&self, pattern: &str, text: &str) -> Result<bool, String> {
        let compile = || regexp::compile(pattern).map_err(|error| error.to_string());
        match self.0.iter().find(|it| it.0 == pattern) {
            Some((_, slot)) => match slot.get_or_init(compile) {
                Ok(regex) => Ok(regex.is_match(text)),
                Err(message) => Err(message.clone()),
            },
            None => Ok(compile()?.is_match(text)),
        }
    }
}

//! Patterns of field paths.

use std::collections::BTreeMap;

use super::path::PathElement;
use super::set::FieldSet;

/// A pattern of field paths: what a subresource may own (`pods/resize` owns `spec.containers[*].resources` and nothing else).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatcher {
    /// Everything from here on.
    All,
    /// These members, and of what is below them what their pattern says.
    Members {
        /// What holds for every member that is not named.
        any: Option<Box<PathMatcher>>,
        /// By element.
        named: BTreeMap<PathElement, PathMatcher>,
    },
}

impl PathMatcher {
    /// Matches everything below one path; `None` stands for any element.
    pub fn prefix(path: &[Option<PathElement>]) -> Self {
        match path {
            [] => Self::All,
            [None, rest @ ..] => Self::Members { any: Some(Box::new(Self::prefix(rest))), named: BTreeMap::new() },
            [Some(element), rest @ ..] => {
                Self::Members { any: None, named: BTreeMap::from([(element.clone(), Self::prefix(rest))]) }
            }
        }
    }

    /// Matches what either matches.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Members { any, mut named }, Self::Members { any: other_any, named: other_named }) => {
                for (element, matcher) in other_named {
                    let merged = match named.remove(&element) {
                        Some(mine) => mine.or(matcher),
                        None => matcher,
                    };
                    named.insert(element, merged);
                }
                let any = match (any, other_any) {
                    (Some(mine), Some(theirs)) => Some(Box::new(mine.or(*theirs))),
                    (mine, theirs) => mine.or(theirs),
                };
                Self::Members { any, named }
            }
            _ => Self::All,
        }
    }

    /// The paths of a set that match.
    #[must_use]
    pub fn filter(&self, set: &FieldSet) -> FieldSet {
        let Self::Members { any, named } = self else { return set.clone() };
        let mut out = FieldSet::new();
        for (element, member, below) in set.elements() {
            // A wildcard takes precedence over names, as upstream.
            let Some(matcher) = any.as_deref().or_else(|| named.get(element)) else { continue };
            out.place(element, member, matcher.filter(below));
        }
        out
    }
}

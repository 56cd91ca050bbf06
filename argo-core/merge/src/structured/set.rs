//! Sets of field paths: what `fieldsV1` stores.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::path::PathElement;
use crate::Schema;

/// A set of field paths, in the form of a tree.
///
/// A path is a member on its own: a member `.spec` says nothing of `.spec.replicas`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    entries: BTreeMap<PathElement, Entry>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    member: bool,
    below: FieldSet,
}

const MAX_DEPTH: usize = 128;

impl FieldSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of paths of member names: `FieldSet::of_fields(&[&["status"], &["metadata", "name"]])`.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            set.insert(&path.iter().map(|name| PathElement::Field((*name).to_owned())).collect::<Vec<_>>());
        }
        set
    }

    /// Reads `fieldsV1`; what is no path is left out.
    pub fn parse(fields_v1: &Value) -> Self {
        fn level(value: &Value, depth: usize) -> (bool, FieldSet) {
            let mut set = FieldSet::new();
            let Value::Object(members) = value else {
                return (true, set);
            };
            let mut included = members.is_empty();
            if depth > MAX_DEPTH {
                return (included, set);
            }
            for (key, inner) in members {
                if key == "." {
                    included = true;
                } else if let Some(element) = PathElement::parse(key) {
                    let (member, below) = level(inner, depth + 1);
                    set.entries.insert(element, Entry { member, below });
                }
            }
            (included, set)
        }
        level(fields_v1, 0).1
    }

    /// The set as `fieldsV1`.
    pub fn to_fields_v1(&self) -> Value {
        fn level(set: &FieldSet, itself: bool) -> Value {
            let mut members = Map::new();
            if itself && !set.entries.is_empty() {
                members.insert(".".into(), Value::Object(Map::new()));
            }
            for (element, entry) in &set.entries {
                members.insert(element.serialize(), level(&entry.below, entry.member));
            }
            Value::Object(members)
        }
        level(self, false)
    }

    /// Adds a path. The empty path is the whole object and belongs to nobody.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => self.entries.entry(last.clone()).or_default().member = true,
            [first, rest @ ..] => self.entries.entry(first.clone()).or_default().below.insert(rest),
        }
    }

    /// Whether the path itself is a member.
    pub fn contains(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.entries.get(last).is_some_and(|entry| entry.member),
            [first, rest @ ..] => self.entries.get(first).is_some_and(|entry| entry.below.contains(rest)),
        }
    }

    /// Whether no path is a member.
    pub fn is_empty(&self) -> bool {
        self.entries.values().all(|entry| !entry.member && entry.below.is_empty())
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        for (element, entry) in &other.entries {
            let slot = out.entries.entry(element.clone()).or_default();
            slot.member |= entry.member;
            slot.below =
                if slot.below.entries.is_empty() { entry.below.clone() } else { slot.below.union(&entry.below) };
        }
        out
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(|element, entry| {
            other.entries.get(element).map_or_else(Entry::default, |theirs| Entry {
                member: entry.member && theirs.member,
                below: entry.below.intersection(&theirs.below),
            })
        })
    }

    /// What is here and not there, path by path.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(|element, entry| match other.entries.get(element) {
            Some(theirs) => {
                Entry { member: entry.member && !theirs.member, below: entry.below.difference(&theirs.below) }
            }
            None => entry.clone(),
        })
    }

    /// What is here and neither there nor below a member of there.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.combine(|element, entry| match other.entries.get(element) {
            Some(theirs) if theirs.member => Entry::default(),
            Some(theirs) => Entry { member: entry.member, below: entry.below.recursive_difference(&theirs.below) },
            None => entry.clone(),
        })
    }

    /// All member paths, parents before children, in order; what is at a place before what is below it.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        fn level(set: &FieldSet, prefix: &mut Vec<PathElement>, out: &mut Vec<Vec<PathElement>>) {
            for (element, _) in set.entries.iter().filter(|(_, entry)| entry.member) {
                out.push(prefix.iter().chain([element]).cloned().collect());
            }
            for (element, entry) in &set.entries {
                prefix.push(element.clone());
                level(&entry.below, prefix, out);
                prefix.pop();
            }
        }
        let mut out = Vec::new();
        level(self, &mut Vec::new(), &mut out);
        out
    }

    /// The member paths that have no member below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        self.combine(|_, entry| Entry { member: entry.member && entry.below.is_empty(), below: entry.below.leaves() })
    }

    /// The set with the declared fields above its paths made members, which `fieldsV1` leaves out: `a.b.c` also has `a` when `a` is declared.
    #[must_use]
    pub fn with_named_fields(&self, schema: &Schema) -> Self {
        let mut out = Self::new();
        for (element, entry) in &self.entries {
            let (named, below) = match element {
                PathElement::Field(name) => (schema.declares(name), schema.field(name)),
                _ => (false, schema.element()),
            };
            let member = entry.member || (named && !entry.below.is_empty());
            out.entries.insert(element.clone(), Entry { member, below: entry.below.with_named_fields(&below) });
        }
        out
    }

    /// Puts an element with all that is below it, unless that is nothing.
    pub(super) fn place(&mut self, element: &PathElement, member: bool, below: Self) {
        if member || !below.is_empty() {
            self.entries.insert(element.clone(), Entry { member, below });
        }
    }

    pub(super) fn below(&self, element: &PathElement) -> Option<&Self> {
        self.entries.get(element).map(|entry| &entry.below).filter(|set| !set.is_empty())
    }

    pub(super) fn has(&self, element: &PathElement) -> bool {
        self.entries.get(element).is_some_and(|entry| entry.member)
    }

    pub(super) fn elements(&self) -> impl Iterator<Item = (&PathElement, bool, &Self)> {
        self.entries.iter().map(|(element, entry)| (element, entry.member, &entry.below))
    }

    fn combine(&self, keep: impl Fn(&PathElement, &Entry) -> Entry) -> Self {
        let entries = self.entries.iter().map(|(element, entry)| (element.clone(), keep(element, entry)));
        Self { entries: entries.filter(|(_, entry)| entry.member || !entry.below.entries.is_empty()).collect() }
    }
}

/// One path per line.
impl fmt::Display for FieldSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in self.paths() {
            for element in &path {
                write!(f, "{element}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

//! What a run may use, and the makers of values that count it.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use jiff::Timestamp;
use regex::Regex;

use super::error::{Exc, Res};
use super::value::{Dict, List, Text, Val};

/// The bounds of a run. Exceeding one is an error of kind [`Limit`](super::ErrorKind::Limit) that `try` does not catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Evaluated parts of the program and handled items; default 20,000,000, about a second of an optimised build.
    pub steps: u64,
    /// Bytes that all values made during a run may take together, about; default 256 MiB. It bounds the live memory too.
    pub memory: u64,
    /// Open alternatives and unfinished calls; default 100,000.
    pub depth: usize,
    /// Arrays and objects made inside one another; default 512.
    pub nesting: u32,
    /// Values that a run may give; default 1,000,000.
    pub outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 20_000_000, memory: 256 << 20, depth: 100_000, nesting: 512, outputs: 1_000_000 }
    }
}

/// Patterns that one run keeps compiled.
const PATTERNS: usize = 64;

/// The counters of a run.
pub(super) struct Budget {
    limits: Limits,
    steps: u64,
    memory: u64,
    pub(super) now: Option<Timestamp>,
    patterns: HashMap<(String, String), Rc<Regex>>,
}

impl Budget {
    pub(super) fn new(limits: Limits, now: Option<Timestamp>) -> Self {
        Self { limits, steps: limits.steps, memory: limits.memory, now, patterns: HashMap::new() }
    }

    #[inline]
    pub(super) fn step<'a>(&mut self) -> Res<'a, ()> {
        self.take_steps(1)
    }

    #[inline]
    pub(super) fn take_steps<'a>(&mut self, count: usize) -> Res<'a, ()> {
        match self.steps.checked_sub(count as u64) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Exc::Limit(format!("the program takes more than {} steps", self.limits.steps)))
            }
        }
    }

    /// Counts bytes before they are taken.
    #[inline]
    pub(super) fn charge<'a>(&mut self, bytes: usize) -> Res<'a, ()> {
        match self.memory.checked_sub(bytes as u64) {
            Some(left) => {
                self.memory = left;
                Ok(())
            }
            None => {
                self.memory = 0;
                Err(Exc::Limit(format!("the program makes values of more than {} bytes", self.limits.memory)))
            }
        }
    }

    /// Counts room for so many items of an array or object.
    #[inline]
    pub(super) fn charge_items<'a>(&mut self, count: usize) -> Res<'a, ()> {
        self.charge(count.saturating_mul(size_of::<Val<'_>>()).saturating_add(16))
    }

    pub(super) fn check_depth<'a>(&self, depth: usize) -> Res<'a, ()> {
        if depth > self.limits.depth {
            return Err(Exc::Limit(format!("the program is nested deeper than {}", self.limits.depth)));
        }
        Ok(())
    }

    pub(super) fn check_nesting<'a>(&self, depth: u32) -> Res<'a, ()> {
        if depth > self.limits.nesting {
            return Err(Exc::Limit(format!("a value is nested deeper than {}", self.limits.nesting)));
        }
        Ok(())
    }

    pub(super) fn string<'a>(&mut self, text: impl AsRef<str> + Into<Rc<str>>) -> Res<'a> {
        self.charge(text.as_ref().len() + 16)?;
        Ok(Val::text(text))
    }

    pub(super) fn list<'a>(&mut self, items: Vec<Val<'a>>) -> Res<'a> {
        self.charge_items(items.len())?;
        let depth = items.iter().map(Val::depth).max().unwrap_or(0) + 1;
        self.check_nesting(depth)?;
        Ok(Val::List(Rc::new(List { depth, items })))
    }

    pub(super) fn dict<'a>(&mut self, map: BTreeMap<Text<'a>, Val<'a>>) -> Res<'a> {
        self.charge_items(map.len().saturating_mul(2))?;
        let depth = map.values().map(Val::depth).max().unwrap_or(0) + 1;
        self.check_nesting(depth)?;
        Ok(Val::Map(Rc::new(Dict { depth, map })))
    }

    /// An object of a few known keys.
    pub(super) fn record<'a, const N: usize>(&mut self, entries: [(&'static str, Val<'a>); N]) -> Res<'a> {
        self.dict(entries.into_iter().map(|(key, value)| (Text::Ref(key), value)).collect())
    }

    /// A compiled pattern, from the last ones or by `make`.
    pub(super) fn pattern<'a>(
        &mut self,
        source: &str,
        flags: &str,
        make: impl FnOnce() -> Res<'a, Regex>,
    ) -> Res<'a, Rc<Regex>> {
        let key = (source.to_owned(), flags.to_owned());
        if let Some(found) = self.patterns.get(&key) {
            return Ok(Rc::clone(found));
        }
        // compiling is dear: a thousand steps keep a program from doing nothing else
        self.take_steps(1000)?;
        let made = Rc::new(make()?);
        if self.patterns.len() >= PATTERNS {
            self.patterns.clear();
        }
        self.patterns.insert(key, Rc::clone(&made));
        Ok(made)
    }
}

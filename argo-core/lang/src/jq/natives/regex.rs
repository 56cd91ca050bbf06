//! Patterns.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use regex::Regex;

use super::super::budget::Budget;
use super::super::error::{Res, fail};
use super::super::value::{Text, Val};
use super::{Table, refuse2, type_preview};
use crate::regexp;

pub(super) const TABLE: Table = &[
    ("_match", 3, |budget, val, args| {
        let (pattern, flags) = (&args[0], &args[1]);
        if args[2].is_true() {
            let (regex, _) = compiled(budget, &val, pattern, flags, "test")?;
            let text = val.as_str().unwrap_or_default();
            budget.take_steps(text.len() / 16)?;
            return Ok(Val::Bool(regex.is_match(text)));
        }
        let found = find(budget, &val, pattern, flags, "match")?;
        let mut out = Vec::with_capacity(found.len());
        for it in found {
            out.push(described(budget, &it)?);
        }
        budget.list(out)
    }),
    ("_captures", 0, |budget, val, _| {
        let Some(list) = val.as_list() else {
            return fail(format!("expected an array but got: {}", type_preview(&val)));
        };
        let mut map = BTreeMap::new();
        for capture in list.iter() {
            let Some(capture) = capture.as_map() else { continue };
            if let Some(Val::Str(name)) = capture.get("name") {
                map.insert(name, capture.get("string").unwrap_or(Val::Null));
            }
        }
        budget.dict(map)
    }),
    ("_splits", 2, |budget, val, args| {
        let found = find(budget, &val, &args[0], &args[1], "match")?;
        let text = val.as_str().unwrap_or_default();
        let mut at = 0;
        let mut out = Vec::with_capacity(found.len() + 1);
        for it in found {
            out.push(budget.string(text.get(at..it.start).unwrap_or_default())?);
            at = it.end;
        }
        out.push(budget.string(text.get(at..).unwrap_or_default())?);
        budget.list(out)
    }),
];

/// One match: places in bytes and in characters.
pub(in crate::jq) struct Found {
    pub(in crate::jq) start: usize,
    pub(in crate::jq) end: usize,
    offset: usize,
    text: String,
    groups: Vec<Group>,
}

struct Group {
    name: Option<String>,
    /// Offset in characters and text.
    found: Option<(usize, String)>,
}

fn compiled<'a>(
    budget: &mut Budget,
    val: &Val<'a>,
    pattern: &Val<'a>,
    flags: &Val<'a>,
    name: &str,
) -> Res<'a, (Rc<Regex>, bool)> {
    let (Val::Null | Val::Str(_), Some(_), Some(source)) = (flags, val.as_str(), pattern.as_str()) else {
        return refuse2(name, val, pattern, flags);
    };
    let flags = flags.as_str().unwrap_or_default();
    let regex = budget.pattern(source, flags, || {
        if flags.contains(|it| !matches!(it, 'g' | 'i' | 'm')) {
            return fail(format!("unsupported regular expression flag: {}", quoted(flags)));
        }
        let mut whole = source.to_owned();
        if flags.contains('i') {
            whole.insert_str(0, "(?i)");
        }
        if flags.contains('m') {
            whole.insert_str(0, "(?s)");
        }
        match regexp::compile(&whole) {
            Ok(it) => Ok(it),
            Err(error) => fail(format!("invalid regular expression {}: {error}", quoted(&whole))),
        }
    })?;
    Ok((regex, flags.contains('g')))
}

/// Go's `%q`.
fn quoted(text: &str) -> String {
    crate::fmt::sprintf_values("%q", &[text.into()])
}

/// All matches, or the first without the flag `g`.
pub(in crate::jq) fn find<'a>(
    budget: &mut Budget,
    val: &Val<'a>,
    pattern: &Val<'a>,
    flags: &Val<'a>,
    name: &str,
) -> Res<'a, Vec<Found>> {
    let (regex, global) = compiled(budget, val, pattern, flags, name)?;
    let text = val.as_str().unwrap_or_default();
    budget.take_steps(text.len() / 16 + 1)?;
    let names: Vec<Option<String>> = regex.capture_names().skip(1).map(|it| it.map(str::to_owned)).collect();
    let mut found = Vec::new();
    let mut counter = Counter { text, at: 0, chars: 0 };
    for captures in regex.captures_iter(text).take(if global { usize::MAX } else { 1 }) {
        let Some(whole) = captures.get(0) else { continue };
        budget.take_steps(names.len() + 1)?;
        budget.charge(whole.len() * 2 + 64 * (names.len() + 1))?;
        let offset = counter.chars_before(whole.start());
        let groups = names
            .iter()
            .enumerate()
            .map(|(place, name)| Group {
                name: name.clone(),
                found: captures
                    .get(place + 1)
                    .map(|it| (offset + count(text, whole.start()..it.start()), it.as_str().to_owned())),
            })
            .collect();
        found.push(Found { start: whole.start(), end: whole.end(), offset, text: whole.as_str().to_owned(), groups });
    }
    Ok(found)
}

fn count(text: &str, range: Range<usize>) -> usize {
    text.get(range).map_or(0, |it| it.chars().count())
}

/// Counts characters from match to match, not from the beginning each time.
struct Counter<'t> {
    text: &'t str,
    at: usize,
    chars: usize,
}

impl Counter<'_> {
    fn chars_before(&mut self, place: usize) -> usize {
        self.chars += count(self.text, self.at..place);
        self.at = place;
        self.chars
    }
}

/// A match as `match` gives it.
fn described<'a>(budget: &mut Budget, found: &Found) -> Res<'a> {
    let mut captures = Vec::with_capacity(found.groups.len());
    for group in &found.groups {
        let (offset, length, string) = match &group.found {
            Some((offset, text)) => (Val::len(*offset), text.chars().count(), budget.string(text.as_str())?),
            None => (Val::Int(-1), 0, Val::Null),
        };
        let name = match &group.name {
            Some(name) => budget.string(name.as_str())?,
            None => Val::Null,
        };
        captures.push(budget.record([
            ("name", name),
            ("offset", offset),
            ("length", Val::len(length)),
            ("string", string),
        ])?);
    }
    let captures = budget.list(captures)?;
    let string = budget.string(found.text.as_str())?;
    budget.record([
        ("offset", Val::len(found.offset)),
        ("length", Val::len(found.text.chars().count())),
        ("string", string),
        ("captures", captures),
    ])
}

/// The named groups of a match.
pub(in crate::jq) fn named<'a>(budget: &mut Budget, found: &Found) -> Res<'a> {
    let mut map = BTreeMap::new();
    for group in &found.groups {
        if let Some(name) = &group.name {
            let string = match &group.found {
                Some((_, text)) => budget.string(text.as_str())?,
                None => Val::Null,
            };
            map.insert(Text::Own(name.as_str().into()), string);
        }
    }
    budget.dict(map)
}

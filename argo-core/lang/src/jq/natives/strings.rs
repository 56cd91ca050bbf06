//! Text, and what works on text and arrays alike.

use super::super::budget::Budget;
use super::super::error::Res;
use super::super::lex::is_number;
use super::super::ops;
use super::super::value::{Text, Val, parse_number, same, to_int, to_json};
use super::{Table, refuse0, refuse1, take, wrap0};

pub(super) const TABLE: Table = &[
    ("length", 0, |_, val, _| length(&val)),
    ("utf8bytelength", 0, |_, val, _| match val.as_str() {
        Some(it) => Ok(Val::len(it.len())),
        None => refuse0("utf8bytelength", &val),
    }),
    ("type", 0, |_, val, _| Ok(Val::literal(val.type_name()))),
    ("tostring", 0, |budget, val, _| to_string(budget, val)),
    ("tonumber", 0, |_, val, _| to_number(val)),
    ("toboolean", 0, |_, val, _| match (&val, val.as_str()) {
        (Val::Bool(_), _) => Ok(val),
        (_, Some("true")) => Ok(Val::Bool(true)),
        (_, Some("false")) => Ok(Val::Bool(false)),
        (_, Some(_)) => wrap0("toboolean", &val, "invalid boolean"),
        _ => refuse0("toboolean", &val),
    }),
    ("startswith", 1, |_, val, args| {
        pair("startswith", val, take(args, 0), |text, part| Val::Bool(text.as_str().starts_with(part)))
    }),
    ("endswith", 1, |_, val, args| {
        pair("endswith", val, take(args, 0), |text, part| Val::Bool(text.as_str().ends_with(part)))
    }),
    ("ltrimstr", 1, |_, val, args| pair("ltrimstr", val, take(args, 0), |text, part| trimmed(text, part, true, false))),
    ("rtrimstr", 1, |_, val, args| pair("rtrimstr", val, take(args, 0), |text, part| trimmed(text, part, false, true))),
    ("trimstr", 1, |_, val, args| pair("trimstr", val, take(args, 0), |text, part| trimmed(text, part, true, true))),
    ("ltrim", 0, |_, val, _| blank("ltrim", val, |it| it.trim_start_matches(is_space))),
    ("rtrim", 0, |_, val, _| blank("rtrim", val, |it| it.trim_end_matches(is_space))),
    ("trim", 0, |_, val, _| blank("trim", val, |it| it.trim_matches(is_space))),
    ("ascii_downcase", 0, |budget, val, _| match val.as_str() {
        Some(it) => budget.string(it.to_ascii_lowercase()),
        None => refuse0("ascii_downcase", &val),
    }),
    ("ascii_upcase", 0, |budget, val, _| match val.as_str() {
        Some(it) => budget.string(it.to_ascii_uppercase()),
        None => refuse0("ascii_upcase", &val),
    }),
    ("explode", 0, |budget, val, _| match val.as_str() {
        Some(it) => {
            budget.charge_items(it.len())?;
            budget.list(it.chars().map(|it| Val::Int(i64::from(u32::from(it)))).collect())
        }
        None => refuse0("explode", &val),
    }),
    ("implode", 0, implode),
    ("split", 1, |budget, val, args| match (val.as_str(), args[0].as_str()) {
        (None, _) => refuse0("split", &val),
        (_, None) => refuse0("split", &args[0]),
        (Some(text), Some(by)) => ops::split(budget, text, by),
    }),
    ("join", 1, join),
    ("contains", 1, |budget, val, args| contains(budget, &val, &args[0])),
    ("inside", 1, |budget, val, args| contains(budget, &args[0], &val)),
    ("indices", 1, |budget, val, args| places(budget, "indices", &val, &args[0], Which::All)),
    ("index", 1, |budget, val, args| places(budget, "index", &val, &args[0], Which::First)),
    ("rindex", 1, |budget, val, args| places(budget, "rindex", &val, &args[0], Which::Last)),
];

fn is_space(it: char) -> bool {
    it.is_whitespace()
}

fn length<'a>(val: &Val<'a>) -> Res<'a> {
    match val {
        Val::Null => Ok(Val::Int(0)),
        Val::Str(it) => Ok(Val::len(it.as_str().chars().count())),
        other => {
            if let Some(list) = other.as_list() {
                return Ok(Val::len(list.len()));
            }
            if let Some(map) = other.as_map() {
                return Ok(Val::len(map.len()));
            }
            match ops::absolute(other) {
                Some(it) => Ok(it),
                None => refuse0("length", other),
            }
        }
    }
}

/// Text as it is, everything else as JSON.
pub(super) fn to_string<'a>(budget: &mut Budget, val: Val<'a>) -> Res<'a> {
    match val {
        Val::Str(_) => Ok(val),
        other => budget.string(to_json(&other)),
    }
}

fn to_number(val: Val<'_>) -> Res<'_> {
    match val.as_str() {
        Some(text) if is_number(text) => Ok(parse_number(text.strip_prefix('+').unwrap_or(text))),
        Some(_) => wrap0("tonumber", &val, "invalid number"),
        None if val.is_number() => Ok(val),
        None => refuse0("tonumber", &val),
    }
}

/// Something of two texts.
fn pair<'a>(name: &str, val: Val<'a>, arg: Val<'a>, make: impl FnOnce(&Text<'a>, &str) -> Val<'a>) -> Res<'a> {
    match (&val, arg.as_str()) {
        (Val::Str(text), Some(part)) => Ok(make(text, part)),
        _ => refuse1(name, &val, &arg),
    }
}

/// A part of a text, borrowed where the whole is.
fn part<'a>(text: &Text<'a>, cut: impl FnOnce(&str) -> (usize, usize)) -> Val<'a> {
    let (start, end) = cut(text.as_str());
    match text {
        Text::Ref(it) => Val::literal(it.get(start..end).unwrap_or_default()),
        Text::Own(it) if start == 0 && end == it.len() => Val::Str(text.clone()),
        Text::Own(it) => Val::text(it.get(start..end).unwrap_or_default()),
    }
}

fn trimmed<'a>(text: &Text<'a>, with: &str, left: bool, right: bool) -> Val<'a> {
    part(text, |whole| {
        let start = if left && whole.starts_with(with) { with.len() } else { 0 };
        let end = if right && whole[start..].ends_with(with) { whole.len() - with.len() } else { whole.len() };
        (start, end)
    })
}

fn blank<'a>(name: &str, val: Val<'a>, trim: impl FnOnce(&str) -> &str) -> Res<'a> {
    match &val {
        Val::Str(text) => Ok(part(text, |whole| {
            let kept = trim(whole);
            let start = kept.as_ptr() as usize - whole.as_ptr() as usize;
            (start, start + kept.len())
        })),
        _ => refuse0(name, &val),
    }
}

fn implode<'a>(budget: &mut Budget, val: Val<'a>, _: &mut [Val<'a>]) -> Res<'a> {
    let Some(list) = val.as_list() else { return refuse0("implode", &val) };
    let mut text = String::with_capacity(list.len());
    for item in list.iter() {
        match to_int(&item) {
            Some(code) => {
                let it = u32::try_from(code).ok().and_then(char::from_u32);
                text.push(it.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            None => return refuse0("implode", &val),
        }
    }
    budget.string(text)
}

fn join<'a>(budget: &mut Budget, val: Val<'a>, args: &mut [Val<'a>]) -> Res<'a> {
    let by = take(args, 0);
    let Some(values) = val.values() else { return refuse1("join", &val, &by) };
    if values.is_empty() {
        return Ok(Val::literal(""));
    }
    // text by text, as adding would cost the square of the length
    let simple =
        |it: &Val<'a>| matches!(it, Val::Null | Val::Str(_) | Val::Bool(_) | Val::Int(_) | Val::Float(_) | Val::Big(_));
    if matches!(by, Val::Str(_) | Val::Null) && values.iter().all(simple) {
        let by = by.as_str().unwrap_or_default();
        let mut text = String::new();
        for (place, value) in values.iter().enumerate() {
            if place > 0 {
                text.push_str(by);
            }
            match value {
                Val::Str(it) => text.push_str(it.as_str()),
                Val::Null => {}
                other => text.push_str(&to_json(other)),
            }
            budget.charge(by.len())?;
        }
        return budget.string(text);
    }
    let mut whole = Val::literal("");
    for (place, value) in values.into_iter().enumerate() {
        if place > 0 {
            whole = ops::add(budget, whole, by.clone())?;
        }
        let value = match value {
            it @ (Val::Bool(_) | Val::Int(_) | Val::Float(_) | Val::Big(_)) => budget.string(to_json(&it))?,
            it => it,
        };
        whole = ops::add(budget, whole, value)?;
    }
    Ok(whole)
}

fn contains<'a>(budget: &mut Budget, whole: &Val<'a>, part: &Val<'a>) -> Res<'a> {
    contained(budget, whole, part).map(Val::Bool)
}

fn contained<'a>(budget: &mut Budget, whole: &Val<'a>, part: &Val<'a>) -> Res<'a, bool> {
    budget.step()?;
    if whole.is_number() && part.is_number() {
        return Ok(same(whole, part));
    }
    if let (Some(whole), Some(part)) = (whole.as_str(), part.as_str()) {
        budget.take_steps(whole.len() / 64)?;
        return Ok(whole.contains(part));
    }
    if let (Some(whole), Some(part)) = (whole.as_list(), part.as_list()) {
        for wanted in part.iter() {
            let mut found = false;
            for item in whole.iter() {
                // what cannot be compared does not contain
                match contained(budget, &item, &wanted) {
                    Ok(it) => found = it,
                    Err(error) if error.is_caught() => {}
                    Err(error) => return Err(error),
                }
                if found {
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Some(whole), Some(part)) = (whole.as_map(), part.as_map()) {
        if whole.len() < part.len() {
            return Ok(false);
        }
        for (key, wanted) in part.iter() {
            let Some(value) = whole.get(key.as_str()) else { return Ok(false) };
            match contained(budget, &value, &wanted) {
                Ok(true) => {}
                Err(error) if !error.is_caught() => return Err(error),
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    match (whole, part) {
        (Val::Null, Val::Null) => Ok(true),
        (Val::Bool(a), Val::Bool(b)) if a == b => Ok(true),
        _ => refuse1("contains", whole, part),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    First,
    Last,
}

fn places<'a>(budget: &mut Budget, name: &str, val: &Val<'a>, part: &Val<'a>, which: Which) -> Res<'a> {
    if matches!(val, Val::Null) {
        return Ok(Val::Null);
    }
    let found: Vec<usize> = if let (Some(text), Some(part)) = (val.as_str(), part.as_str()) {
        budget.take_steps(text.len() / 16)?;
        text_places(text, part)
    } else if let Some(list) = val.as_list() {
        let one = [part.clone()];
        let part = part.as_list().unwrap_or(super::super::value::ListView::Own(&one));
        let mut found = Vec::new();
        if part.len() > 0 && part.len() <= list.len() {
            for place in 0..=list.len() - part.len() {
                budget.step()?;
                let here = list.slice(place, place + part.len());
                if here.iter().zip(part.iter()).all(|(a, b)| same(&a, &b)) {
                    found.push(place);
                }
            }
        }
        found
    } else {
        return refuse1(name, val, part);
    };
    match which {
        Which::All => budget.list(found.into_iter().map(Val::len).collect()),
        Which::First => Ok(found.first().map_or(Val::Null, |it| Val::len(*it))),
        Which::Last => Ok(found.last().map_or(Val::Null, |it| Val::len(*it))),
    }
}

/// Where a text stands in another, in characters; occurrences may overlap.
fn text_places(text: &str, part: &str) -> Vec<usize> {
    let mut found = Vec::new();
    if part.is_empty() {
        return found;
    }
    let step = part.chars().next().map_or(1, char::len_utf8);
    let (mut from, mut chars) = (0, 0);
    while let Some(at) = text[from..].find(part) {
        chars += text[from..from + at].chars().count();
        found.push(chars);
        chars += 1;
        from += at + step;
    }
    found
}

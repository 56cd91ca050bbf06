//! Builtins in Rust: a name, a number of arguments, and a function of the input and the arguments.

mod format;
mod json;
mod lists;
mod math;
mod objects;
pub(super) mod regex;
mod strftime;
mod strings;
mod strptime;
mod time;

use super::budget::Budget;
use super::error::{Exc, Res, fail};
use super::value::{Val, preview, type_preview};

type Run = for<'a> fn(&mut Budget, Val<'a>, &mut [Val<'a>]) -> Res<'a>;

/// A builtin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Native {
    pub(super) run: Run,
}

/// A table of builtins.
type Table = &'static [(&'static str, usize, Run)];

const TABLES: [Table; 8] =
    [strings::TABLE, lists::TABLE, objects::TABLE, math::TABLE, format::TABLE, json::TABLE, regex::TABLE, time::TABLE];

impl Native {
    pub(super) fn find(name: &str, arity: usize) -> Option<Self> {
        let rows = TABLES.iter().flat_map(|it| it.iter());
        rows.filter(|it| it.0 == name && it.1 == arity).map(|it| Self { run: it.2 }).next()
    }

    /// One that is known to be there.
    pub(super) fn of(name: &str, arity: usize) -> Self {
        Self::find(name, arity).unwrap_or(Self { run: |_, _, _| fail("no such builtin") })
    }
}

/// `name/arity` of each that programs may call.
pub(super) fn names() -> Vec<String> {
    let rows = TABLES.iter().flat_map(|it| it.iter());
    rows.filter(|it| !it.0.starts_with(['_', '@'])).map(|it| format!("{}/{}", it.0, it.1)).collect()
}

// === errors ===

/// A builtin without arguments does not fit its input.
fn refuse0<'a, T>(name: &str, val: &Val<'a>) -> Res<'a, T> {
    fail(format!("{name} cannot be applied to: {}", type_preview(val)))
}

fn refuse1<'a, T>(name: &str, val: &Val<'a>, arg: &Val<'a>) -> Res<'a, T> {
    fail(format!("{name}({}) cannot be applied to: {}", preview(arg), type_preview(val)))
}

fn refuse2<'a, T>(name: &str, val: &Val<'a>, a: &Val<'a>, b: &Val<'a>) -> Res<'a, T> {
    fail(format!("{name}({}; {}) cannot be applied to: {}", preview(a), preview(b), type_preview(val)))
}

/// A builtin failed for a reason.
fn wrap0<'a, T>(name: &str, val: &Val<'a>, reason: &str) -> Res<'a, T> {
    fail(format!("{name} cannot be applied to {}: {reason}", preview(val)))
}

fn wrap1<'a, T>(name: &str, val: &Val<'a>, arg: &Val<'a>, reason: &str) -> Res<'a, T> {
    fail(format!("{name}({}) cannot be applied to {}: {reason}", preview(arg), preview(val)))
}

/// `error(value)`.
fn raise<'a>(val: Val<'a>) -> Res<'a> {
    Err(Exc::Value(val))
}

/// Takes an argument out of its place.
fn take<'a>(args: &mut [Val<'a>], place: usize) -> Val<'a> {
    args.get_mut(place).map_or(Val::Null, |it| std::mem::replace(it, Val::Null))
}

//! Types of expressions, and how they fit into each other.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::declared::Declared;

#[derive(Clone, Debug)]
pub(crate) enum Type {
    /// That of what is wrong anyway: fits everywhere.
    Error,
    Dyn,
    /// One without parts, by its name.
    Simple(String),
    /// `list`, `map`, `optional_type` or `type`, and what they are of.
    Of(&'static str, Vec<Type>),
    /// One that a call decides.
    Open(usize),
    Object(Arc<Declared>),
}

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Overload {
    pub(super) id: &'static str,
    pub(super) member: bool,
    pub(super) args: Vec<Type>,
    pub(super) result: Type,
}

/// The functions that rules may call, as upstream's own environment lists them: name, overload, kind, arguments, result.
pub(super) static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: HashMap<_, Vec<_>> = HashMap::new();
    for line in include_str!("functions.txt").lines() {
        let words: Vec<&'static str> = line.split(' ').collect();
        let [name, id, kind, args, result] = words[..] else { continue };
        let args = if args == "-" { Vec::new() } else { args.split(';').map(read).collect() };
        let overload = Overload { id, member: kind == "m", args, result: read(result) };
        functions.entry(name).or_default().push(overload);
    }
    functions
});

fn read(text: &str) -> Type {
    if let Some(name) = text.strip_prefix('$') {
        return Type::Open(name.bytes().next().unwrap_or_default().into());
    }
    let Some((name, inner)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return if text == "dyn" { Type::Dyn } else { Type::Simple(text.to_owned()) };
    };
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(read(&inner[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(read(&inner[start..]));
    let name = ["list", "map", "optional_type", "type"].into_iter().find(|it| *it == name).unwrap_or("type");
    Type::Of(name, parts)
}

// === impl Type ===

impl Type {
    pub(super) fn simple(name: &str) -> Self {
        Self::Simple(name.to_owned())
    }

    pub(crate) fn optional(inner: Self) -> Self {
        Self::Of("optional_type", vec![inner])
    }

    pub(super) fn list(inner: Self) -> Self {
        Self::Of("list", vec![inner])
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Simple(it) if it == name)
    }

    pub(super) fn anything(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// Whether a type says all there is to say: names of open types and of objects are made up by the server.
    pub(super) fn tellable(&self) -> bool {
        match self {
            Self::Open(_) | Self::Object(_) | Self::Error => false,
            Self::Of(_, parts) => parts.iter().all(Self::tellable),
            Self::Dyn | Self::Simple(_) => true,
        }
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error, Self::Error) | (Self::Dyn, Self::Dyn) => true,
            (Self::Simple(one), Self::Simple(other)) => one == other,
            (Self::Of(one, parts), Self::Of(other, others)) => {
                one == other && parts.iter().zip(others).all(|(one, other)| one.same(other))
            }
            (Self::Open(one), Self::Open(other)) => one == other,
            (Self::Object(one), Self::Object(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error => out.write_str("!error!"),
            Self::Dyn => out.write_str("dyn"),
            Self::Simple(name) => out.write_str(match name.as_str() {
                "null_type" => "null",
                "duration" => "google.protobuf.Duration",
                "timestamp" => "google.protobuf.Timestamp",
                name => name,
            }),
            Self::Of(name, parts) => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(out, "{name}({})", parts.join(", "))
            }
            Self::Open(_) | Self::Object(_) => out.write_str("object"),
        }
    }
}

/// What open types turned out to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    known: HashMap<usize, Type>,
}

// === impl Found ===

impl Found {
    /// A type with what is known put in; `last` makes what stays open anything.
    pub(super) fn fill(&self, of: &Type, last: bool) -> Type {
        match of {
            Type::Open(name) => match self.known.get(name) {
                Some(known) => self.fill(known, last),
                None if last => Type::Dyn,
                None => of.clone(),
            },
            Type::Of(name, parts) => Type::Of(name, parts.iter().map(|part| self.fill(part, last)).collect()),
            _ => of.clone(),
        }
    }

    fn mentions(&self, within: &Type, name: usize) -> bool {
        match self.fill(within, false) {
            Type::Open(it) => it == name,
            Type::Of(_, parts) => parts.iter().any(|part| self.mentions(part, name)),
            _ => false,
        }
    }

    /// Whether a value of one type may stand where the other is wanted.
    pub(super) fn fits(&mut self, value: &Type, wanted: &Type) -> bool {
        let (value, wanted) = (self.fill(value, false), self.fill(wanted, false));
        match (&value, &wanted) {
            (Type::Open(one), Type::Open(other)) if one == other => true,
            (it, Type::Open(name)) | (Type::Open(name), it) => {
                let sound = !self.mentions(it, *name);
                if sound {
                    self.known.insert(*name, it.clone());
                }
                sound
            }
            (one, other) if one.anything() || other.anything() => true,
            (Type::Of("type", _), Type::Of("type", _)) => true,
            (Type::Of(one, parts), Type::Of(other, others)) => {
                one == other && parts.iter().zip(others).all(|(one, other)| self.fits(one, other))
            }
            (null, Type::Object(_)) if null.is("null_type") => true,
            (null, Type::Simple(name)) if null.is("null_type") => may_be_null(name),
            (Type::Of("optional_type", _), null) if null.is("null_type") => true,
            (null, Type::Of("optional_type", _)) if null.is("null_type") => true,
            (Type::Object(_), null) if null.is("null_type") => true,
            (Type::Simple(name), null) if null.is("null_type") => may_be_null(name),
            (one, other) => one.same(other),
        }
    }
}

fn may_be_null(name: &str) -> bool {
    matches!(name, "null_type" | "duration" | "timestamp") || name.contains('.')
}

//! The types of a function's parameters, as Go's reflection knows them.

use super::value::Val;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// `interface {}`.
    Any,
    /// `reflect.Value`: whatever it is, nothing included.
    Value,
    Str,
    Int,
    Uint,
    Bool,
    Float,
    Map,
    List,
    Time,
    Certificate,
}

impl Type {
    /// As messages name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Value => "reflect.Value",
            Self::Str => "string",
            Self::Int => "int",
            Self::Uint => "uint32",
            Self::Bool => "bool",
            Self::Float => "float64",
            Self::Map => "map[string]interface {}",
            Self::List => "[]interface {}",
            Self::Time => "time.Time",
            Self::Certificate => "sprig.certificate",
        }
    }

    /// What nil is as this type, where it can be.
    pub(super) fn zero(self) -> Option<Val> {
        match self {
            Self::Value => Some(Val::Missing),
            Self::Any | Self::Map | Self::List => Some(Val::Nil),
            _ => None,
        }
    }

    /// Whether a value can be given as it is.
    pub(super) fn takes(self, value: &Val) -> bool {
        match self {
            Self::Any | Self::Value => true,
            other => !value.is_nil() && value.type_name() == other.name(),
        }
    }

    fn of(code: u8) -> Self {
        match code {
            b's' => Self::Str,
            b'i' => Self::Int,
            b'u' => Self::Uint,
            b'b' => Self::Bool,
            b'f' => Self::Float,
            b'm' => Self::Map,
            b'l' => Self::List,
            b't' => Self::Time,
            b'c' => Self::Certificate,
            b'v' => Self::Value,
            _ => Self::Any,
        }
    }
}

/// The parameters of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    fixed: Vec<Type>,
    variadic: Option<Type>,
}

impl Signature {
    /// From letters: `a`ny, reflect.`v`alue, `s`tring, `i`nt, `u`int32, `b`ool, `f`loat64, `m`ap, `l`ist, `t`ime,
    /// `c`ertificate; a star before the last lets it be given any number of times.
    pub(super) fn new(letters: &str) -> Self {
        let (fixed, variadic) = match letters.split_once('*') {
            Some((fixed, rest)) => (fixed, rest.bytes().next().map(Type::of)),
            None => (letters, None),
        };
        Self { fixed: fixed.bytes().map(Type::of).collect(), variadic }
    }

    /// Any number of anything.
    pub(super) fn any() -> Self {
        Self { fixed: Vec::new(), variadic: Some(Type::Any) }
    }

    /// The type of a parameter.
    pub(super) fn at(&self, place: usize) -> Type {
        self.fixed.get(place).copied().or(self.variadic).unwrap_or(Type::Any)
    }

    /// What Go says of a count that does not fit; `written` leaves out a piped argument.
    pub(super) fn complaint(&self, written: usize, given: usize) -> Option<String> {
        let wanted = self.fixed.len();
        match self.variadic {
            Some(_) if given < wanted => Some(format!("want at least {wanted} got {written}")),
            None if given != wanted => Some(format!("want {wanted} got {given}")),
            _ => None,
        }
    }

    /// Fewest and most arguments.
    pub(super) fn bounds(&self) -> (usize, usize) {
        (self.fixed.len(), if self.variadic.is_some() { usize::MAX } else { self.fixed.len() })
    }
}

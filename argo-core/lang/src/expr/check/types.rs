//! What is known of a value before it is there.

use serde_json::Value;

/// A type, as upstream's checker knows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ty {
    /// Not known.
    Unknown,
    /// The element of a list or map of anything: not known either, but named.
    Any,
    Nil,
    Bool,
    Int,
    /// An integer of 64 bits by name, as the methods of times give.
    Int64,
    Byte,
    Float,
    Str,
    Bytes,
    Time,
    Duration,
    Location,
    /// A named integer that is no number to the checker.
    Named(&'static str),
    /// A list: its Go type, and what its elements are.
    Array(&'static str, Box<Ty>),
    /// A map with string keys.
    Map,
    /// A map with keys of any kind, by its Go type.
    Table(&'static str),
    /// What a function gives, where it is called.
    Method(&'static Method),
}

/// A method of a time or duration.
#[derive(Debug, PartialEq)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) params: &'static [Ty],
    pub(super) result: Ty,
}

pub(super) const ANY_LIST: &str = "[]interface {}";

impl Ty {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(_) => Self::Bool,
            Value::Number(it) if it.as_i64().is_some() => Self::Int,
            Value::Number(_) => Self::Float,
            Value::String(_) => Self::Str,
            Value::Array(_) => Self::Array(ANY_LIST, Box::new(Self::Any)),
            Value::Object(_) => Self::Map,
        }
    }

    pub(super) fn array_of(self) -> Self {
        Self::Array(ANY_LIST, Box::new(self))
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown | Self::Any)
    }

    pub(super) fn is_integer(&self) -> bool {
        matches!(self, Self::Int | Self::Int64 | Self::Byte)
    }

    pub(super) fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Self::Float)
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self, Self::Array(..) | Self::Bytes)
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map | Self::Table(_))
    }

    /// What its elements are.
    pub(super) fn element(&self) -> Self {
        match self {
            Self::Array(_, element) => (**element).clone(),
            Self::Bytes => Self::Byte,
            Self::Map => Self::Any,
            Self::Table("map[interface {}][]interface {}") => Self::Any.array_of(),
            Self::Table(_) => Self::Any,
            _ => Self::Unknown,
        }
    }

    /// As messages name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Nil => "unknown",
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Byte => "uint8",
            Self::Float => "float64",
            Self::Str => "string",
            Self::Bytes => "[]uint8",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Location => "*time.Location",
            Self::Named(name) | Self::Array(name, _) | Self::Table(name) => name,
            Self::Map => "map[string]interface {}",
            Self::Method(_) => "func",
        }
    }

    /// As functions that look at Go types name it: nil has none.
    pub(super) fn reflected(&self) -> &'static str {
        match self {
            Self::Nil => "%!s(<nil>)",
            Self::Unknown => "interface {}",
            other => other.name(),
        }
    }

    pub(super) fn assignable_to(&self, other: &Self) -> bool {
        if matches!(self, Self::Nil) {
            return matches!(other, Self::Any | Self::Array(..) | Self::Bytes | Self::Map | Self::Table(_));
        }
        if matches!(other, Self::Any) {
            return !matches!(self, Self::Unknown);
        }
        !matches!(self, Self::Unknown) && !matches!(other, Self::Unknown | Self::Nil) && self.name() == other.name()
    }

    pub(super) fn comparable_to(&self, other: &Self) -> bool {
        self.is_unknown()
            || other.is_unknown()
            || matches!(self, Self::Nil)
            || matches!(other, Self::Nil)
            || self.is_number() && other.is_number()
            || self.is_array() && other.is_array()
            || self.assignable_to(other)
    }

    /// One is not known and the other is not known or one of these.
    pub(super) fn may_fit(&self, other: &Self, fits: fn(&Self) -> bool) -> bool {
        match (self.is_unknown(), other.is_unknown()) {
            (true, true) => true,
            (true, false) => fits(other),
            (false, true) => fits(self),
            (false, false) => false,
        }
    }

    /// The method of a name.
    pub(super) fn method(&self, name: &str) -> Option<&'static Method> {
        let table: &'static [Method] = match self {
            Self::Time => &TIME,
            Self::Duration => &DURATION,
            Self::Location | Self::Named(_) => &STRING,
            _ => &[],
        };
        table.iter().find(|it| it.name == name)
    }
}

const fn method(name: &'static str, params: &'static [Ty], result: Ty) -> Method {
    Method { name, params, result }
}

static STRING: [Method; 1] = [method("String", &[], Ty::Str)];

static TIME: [Method; 34] = [
    method("Add", &[Ty::Duration], Ty::Time),
    method("AddDate", &[Ty::Int, Ty::Int, Ty::Int], Ty::Time),
    method("After", &[Ty::Time], Ty::Bool),
    method("Before", &[Ty::Time], Ty::Bool),
    method("Compare", &[Ty::Time], Ty::Int),
    method("Day", &[], Ty::Int),
    method("Equal", &[Ty::Time], Ty::Bool),
    method("Format", &[Ty::Str], Ty::Str),
    method("GoString", &[], Ty::Str),
    method("Hour", &[], Ty::Int),
    method("In", &[Ty::Location], Ty::Time),
    method("IsDST", &[], Ty::Bool),
    method("IsZero", &[], Ty::Bool),
    method("Local", &[], Ty::Time),
    method("Location", &[], Ty::Location),
    method("Minute", &[], Ty::Int),
    method("Month", &[], Ty::Named("time.Month")),
    method("Nanosecond", &[], Ty::Int),
    method("Round", &[Ty::Duration], Ty::Time),
    method("Second", &[], Ty::Int),
    method("String", &[], Ty::Str),
    method("Sub", &[Ty::Time], Ty::Duration),
    method("Truncate", &[Ty::Duration], Ty::Time),
    method("UTC", &[], Ty::Time),
    method("Unix", &[], Ty::Int64),
    method("UnixMicro", &[], Ty::Int64),
    method("UnixMilli", &[], Ty::Int64),
    method("UnixNano", &[], Ty::Int64),
    method("Weekday", &[], Ty::Named("time.Weekday")),
    method("Year", &[], Ty::Int),
    method("YearDay", &[], Ty::Int),
    method("ISOWeek", &[], Ty::Int),
    method("Clock", &[], Ty::Int),
    method("Date", &[], Ty::Int),
];

static DURATION: [Method; 10] = [
    method("Abs", &[], Ty::Duration),
    method("Hours", &[], Ty::Float),
    method("Microseconds", &[], Ty::Int64),
    method("Milliseconds", &[], Ty::Int64),
    method("Minutes", &[], Ty::Float),
    method("Nanoseconds", &[], Ty::Int64),
    method("Round", &[Ty::Duration], Ty::Duration),
    method("Seconds", &[], Ty::Float),
    method("String", &[], Ty::Str),
    method("Truncate", &[Ty::Duration], Ty::Duration),
];

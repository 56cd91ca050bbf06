//! Values: all numbers are float64; texts and objects are borrowed from the expression and its variables.

use std::borrow::Cow;

use serde_json::Value;

use crate::gofloat;

#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Nil,
    Bool(bool),
    Num(f64),
    Str(Cow<'a, str>),
    List(Vec<Val<'a>>),
    /// An object: only comparable.
    Other(&'a Value),
}

impl<'a> Val<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => Self::Num(it.as_f64().unwrap_or(f64::NAN)),
            Value::String(it) => Self::Str(Cow::Borrowed(it)),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(_) => Self::Other(value),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Nil => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Num(it) => serde_json::Number::from_f64(*it).map_or(Value::Null, Value::Number),
            Self::Str(it) => Value::String(it.clone().into_owned()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Other(it) => (*it).clone(),
        }
    }

    pub(super) fn display(&self) -> String {
        match self {
            Self::Num(it) => gofloat::format_g(*it, None),
            Self::List(items) => format!("[{}]", items.iter().map(Self::display).collect::<Vec<_>>().join(" ")),
            other => crate::fmt::display(&other.to_json()),
        }
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Num(a), Self::Num(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
            (Self::Other(a), Self::Other(b)) => a == b,
            _ => false,
        }
    }
}

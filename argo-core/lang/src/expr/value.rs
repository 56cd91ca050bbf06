//! Values during evaluation: JSON borrowed from the environment, and what expressions make.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::{SignedDuration, Zoned};
use serde_json::Value;

use crate::{duration, fmt, time};

#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Cow<'a, str>),
    /// An array or object of the environment.
    Json(&'a Value),
    List(Rc<Vec<Val<'a>>>),
    Map(Rc<BTreeMap<String, Val<'a>>>),
    Time(Box<Zoned>),
    Duration(SignedDuration),
    Zone(jiff::tz::TimeZone),
}

/// The Go name of a JSON value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(it) if it.is_f64() => "float64",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

impl<'a> Val<'a> {
    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => match it.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(it.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(it) => Self::Str(Cow::Borrowed(it)),
            Value::Array(_) | Value::Object(_) => Self::Json(value),
        }
    }

    pub(super) fn owned(value: Value) -> Self {
        match value {
            Value::Null => Self::Nil,
            Value::Bool(it) => Self::Bool(it),
            Value::Number(it) => match it.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(it.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(it) => Self::Str(Cow::Owned(it)),
            Value::Array(items) => Self::list(items.into_iter().map(Self::owned).collect()),
            Value::Object(map) => {
                Self::Map(Rc::new(map.into_iter().map(|(key, value)| (key, Self::owned(value))).collect()))
            }
        }
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Str(Cow::Owned(text.into()))
    }

    /// [`Val::to_json`] without a copy of what nobody else holds.
    pub(super) fn into_json(self) -> Value {
        match self {
            Self::Str(it) => Value::String(it.into_owned()),
            Self::List(items) => match Rc::try_unwrap(items) {
                Ok(items) => Value::Array(items.into_iter().map(Self::into_json).collect()),
                Err(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            },
            Self::Map(map) => match Rc::try_unwrap(map) {
                Ok(map) => Value::Object(map.into_iter().map(|(key, value)| (key, value.into_json())).collect()),
                Err(map) => Self::Map(map).to_json(),
            },
            other => other.to_json(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Nil => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Int(it) => Value::from(*it),
            Self::Float(it) => serde_json::Number::from_f64(*it).map_or(Value::Null, Value::Number),
            Self::Str(it) => Value::String(it.clone().into_owned()),
            Self::Json(it) => (*it).clone(),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()),
            Self::Time(it) => Value::String(time::format_layout(it, "2006-01-02T15:04:05.999999999Z07:00")),
            Self::Duration(it) => Value::from(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX)),
            Self::Zone(it) => Value::String(it.iana_name().unwrap_or("Local").to_owned()),
        }
    }

    /// The name that `type()` gives.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "string",
            Self::Json(Value::Array(_)) | Self::List(_) => "array",
            Self::Json(_) | Self::Map(_) => "map",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Zone(_) => "time.Location",
        }
    }

    /// The name of the Go type, for messages.
    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Self::Float(_) => "float64",
            Self::Json(it) => type_name(it),
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            other => other.kind(),
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(it) => Some(it),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(it) => Some(*it as f64),
            Self::Float(it) => Some(*it),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<Cow<'_, [Val<'a>]>> {
        match self {
            Self::List(items) => Some(Cow::Borrowed(items.as_slice())),
            Self::Json(Value::Array(items)) => Some(Cow::Owned(items.iter().map(Val::of).collect())),
            _ => None,
        }
    }

    pub(super) fn entries(&self) -> Option<Vec<(Cow<'_, str>, Val<'a>)>> {
        match self {
            Self::Map(map) => {
                Some(map.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), value.clone())).collect())
            }
            Self::Json(Value::Object(map)) => {
                Some(map.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), Val::of(value))).collect())
            }
            _ => None,
        }
    }

    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Str(it) => Some(it.chars().count()),
            Self::List(items) => Some(items.len()),
            Self::Map(map) => Some(map.len()),
            Self::Json(Value::Array(items)) => Some(items.len()),
            Self::Json(Value::Object(map)) => Some(map.len()),
            _ => None,
        }
    }

    /// A key of a map; `None` when this is no map.
    pub(super) fn field(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Self::Map(map) => Some(map.get(name).cloned().unwrap_or(Val::Nil)),
            Self::Json(Value::Object(map)) => Some(map.get(name).map_or(Val::Nil, Val::of)),
            _ => None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Json(Value::Object(_)))
    }

    /// `fmt.Sprintf("%v")`.
    pub(super) fn display(&self) -> String {
        match self {
            Self::Str(it) => it.clone().into_owned(),
            Self::Duration(it) => duration::format(*it),
            Self::Time(it) => time::format_layout(it, "2006-01-02 15:04:05.999999999 -0700 MST"),
            Self::Float(it) => crate::gofloat::format_g(*it, None),
            other => fmt::display(&other.to_json()),
        }
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => self.as_float() == other.as_float(),
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Time(a), Self::Time(b)) => a.timestamp() == b.timestamp(),
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Zone(a), Self::Zone(b)) => a == b,
            (Self::Json(a), Self::Json(b)) if std::ptr::eq(*a, *b) => true,
            _ => match (self.items(), other.items()) {
                (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b)),
                (None, None) => match (self.entries(), other.entries()) {
                    (Some(a), Some(b)) => {
                        a.len() == b.len() && a.iter().zip(&b).all(|((ka, a), (kb, b))| ka == kb && a.equals(b))
                    }
                    _ => false,
                },
                _ => false,
            },
        }
    }

    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                // NaN is below everything so that an order exists
                let (a, b) = (self.as_float()?, other.as_float()?);
                Some(a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())))
            }
            (Self::Str(a), Self::Str(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.timestamp().cmp(&b.timestamp())),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

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
    Bytes(Rc<[u8]>),
    /// An array or object of the environment.
    Json(&'a Value),
    List(Rc<Vec<Val<'a>>>, Elements),
    Map(Rc<BTreeMap<String, Val<'a>>>),
    /// A map with keys of any kind.
    Table(Rc<Vec<(Val<'a>, Val<'a>)>>, Table),
    /// An integer with names: a month or a day of the week.
    Named(i64, Named),
    Time(Box<Zoned>),
    Duration(SignedDuration),
    Zone(jiff::tz::TimeZone),
}

/// What Go type a list made by an expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    Any,
    Ints,
    Texts,
    Pair,
    Pairs,
}

impl Elements {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any => "[]interface {}",
            Self::Ints => "[]int",
            Self::Texts => "[]string",
            Self::Pair => "[2]interface {}",
            Self::Pairs => "[][2]interface {}",
        }
    }
}

/// What Go type a map with keys of any kind has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Pairs,
    Groups,
}

impl Table {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pairs => "map[interface {}]interface {}",
            Self::Groups => "map[interface {}][]interface {}",
        }
    }
}

/// Integers that print as names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Month,
    Weekday,
}

impl Named {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }

    fn text(self, value: i64) -> &'static str {
        use crate::time::{DAYS, MONTHS};
        let place = usize::try_from(value).unwrap_or(usize::MAX);
        match self {
            Self::Month => MONTHS.get(place.wrapping_sub(1)).copied().unwrap_or("%!Month(0)"),
            Self::Weekday => DAYS.get(place).copied().unwrap_or("%!Weekday(7)"),
        }
    }
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

    /// JSON as Go decodes it: every number is a float64.
    pub(super) fn decoded(value: Value) -> Self {
        match value {
            Value::Number(it) => Self::Float(it.as_f64().unwrap_or(f64::NAN)),
            Value::Array(items) => Self::list(items.into_iter().map(Self::decoded).collect()),
            Value::Object(map) => {
                Self::Map(Rc::new(map.into_iter().map(|(key, value)| (key, Self::decoded(value))).collect()))
            }
            other => Self::owned(other),
        }
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items), Elements::Any)
    }

    pub(super) fn typed(items: Vec<Self>, elements: Elements) -> Self {
        Self::List(Rc::new(items), elements)
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Str(Cow::Owned(text.into()))
    }

    /// [`Val::to_json`] without a copy of what nobody else holds.
    pub(super) fn into_json(self) -> Value {
        match self {
            Self::Str(it) => Value::String(it.into_owned()),
            Self::List(items, _) => match Rc::try_unwrap(items) {
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
            Self::Bytes(it) => {
                use base64::Engine as _;
                Value::String(base64::engine::general_purpose::STANDARD.encode(it))
            }
            Self::List(items, _) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Table(entries, _) => {
                Value::Object(entries.iter().map(|(key, value)| (key.display(), value.to_json())).collect())
            }
            Self::Named(it, _) => Value::from(*it),
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
            Self::Bytes(_) | Self::Json(Value::Array(_)) | Self::List(..) => "array",
            Self::Json(_) | Self::Map(_) | Self::Table(..) => "map",
            Self::Named(_, name) => name.name(),
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Zone(_) => "unknown",
        }
    }

    /// The name of the Go type, for messages.
    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bytes(_) => "[]uint8",
            Self::Table(_, table) => table.name(),
            Self::Zone(_) => "*time.Location",
            Self::Float(_) => "float64",
            Self::Json(it) => type_name(it),
            Self::List(_, elements) => elements.name(),
            Self::Map(_) => "map[string]interface {}",
            other => other.kind(),
        }
    }

    /// What Go's reflection calls the kind.
    pub(super) fn go_kind(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Named(..) => "int",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::List(_, Elements::Pair) => "array",
            Self::Bytes(_) | Self::List(..) | Self::Json(Value::Array(_)) => "slice",
            Self::Json(_) | Self::Map(_) | Self::Table(..) => "map",
            Self::Time(_) => "struct",
            Self::Duration(_) => "int64",
            Self::Zone(_) => "ptr",
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
            Self::List(items, _) => Some(Cow::Borrowed(items.as_slice())),
            Self::Bytes(bytes) => Some(Cow::Owned(bytes.iter().map(|it| Val::Int(i64::from(*it))).collect())),
            Self::Json(Value::Array(items)) => Some(Cow::Owned(items.iter().map(Val::of).collect())),
            _ => None,
        }
    }

    pub(super) fn entries(&self) -> Option<Vec<(Val<'a>, Val<'a>)>> {
        match self {
            Self::Map(map) => Some(map.iter().map(|(key, value)| (Val::text(key.as_str()), value.clone())).collect()),
            Self::Json(Value::Object(map)) => {
                Some(map.iter().map(|(key, value)| (Val::Str(Cow::Borrowed(key)), Val::of(value))).collect())
            }
            Self::Table(entries, _) => Some(entries.to_vec()),
            _ => None,
        }
    }

    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Str(it) => Some(it.chars().count()),
            Self::Bytes(it) => Some(it.len()),
            Self::List(items, _) => Some(items.len()),
            Self::Map(map) => Some(map.len()),
            Self::Table(entries, _) => Some(entries.len()),
            Self::Json(Value::Array(items)) => Some(items.len()),
            Self::Json(Value::Object(map)) => Some(map.len()),
            _ => None,
        }
    }

    /// The value of a key that is text.
    pub(super) fn entry(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Self::Map(map) => map.get(name).cloned(),
            Self::Json(Value::Object(map)) => map.get(name).map(Val::of),
            _ => None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Table(..) | Self::Json(Value::Object(_)))
    }

    /// `fmt.Sprintf("%v")`.
    pub(super) fn display(&self) -> String {
        match self {
            Self::Str(it) => it.clone().into_owned(),
            Self::Duration(it) => duration::format(*it),
            Self::Time(it) => time::format_layout(it, "2006-01-02 15:04:05.999999999 -0700 MST"),
            Self::Float(it) => crate::gofloat::format_g(*it, None),
            Self::Named(it, name) => name.text(*it).to_owned(),
            Self::Json(it) => fmt::display(it),
            Self::Nil | Self::Bool(_) | Self::Int(_) => fmt::display(&self.to_json()),
            Self::Zone(_) => self.to_json().as_str().unwrap_or_default().to_owned(),
            Self::Bytes(_) | Self::List(..) => {
                let items = self.items().unwrap_or_default();
                format!("[{}]", items.iter().map(Self::display).collect::<Vec<_>>().join(" "))
            }
            Self::Map(_) | Self::Table(..) => {
                let mut entries = self.entries().unwrap_or_default();
                entries.sort_by(|a, b| a.0.order(&b.0).unwrap_or(Ordering::Equal));
                let entries: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{}:{}", key.display(), value.display())).collect();
                format!("map[{}]", entries.join(" "))
            }
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
            (Self::Named(a, first), Self::Named(b, second)) => first == second && a == b,
            (Self::Zone(a), Self::Zone(b)) => a == b,
            (Self::Json(a), Self::Json(b)) if std::ptr::eq(*a, *b) => true,
            _ => match (self.items(), other.items()) {
                (Some(a), Some(b)) => {
                    let comparable = self.go_type() == other.go_type()
                        || [self.go_type(), other.go_type()].contains(&Elements::Any.name());
                    comparable && a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b))
                }
                _ => self.same(other),
            },
        }
    }

    /// `reflect.DeepEqual`, which holds 1 and 1.0 for different: what maps are compared by.
    fn same(&self, other: &Self) -> bool {
        if self.go_type() != other.go_type() {
            return false;
        }
        if let (Some(a), Some(b)) = (self.items(), other.items()) {
            return a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.same(b));
        }
        match (self.entries(), other.entries()) {
            (Some(a), Some(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| b.iter().any(|it| key.same(&it.0) && value.same(&it.1)))
            }
            (None, None) => self.equals(other),
            _ => false,
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

//! One step of a field path, as in `fieldsV1` and in conflict messages.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// One step from a value into its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathElement {
    /// A member of an object: `f:replicas`.
    Field(String),
    /// The element of a list map with these key fields, sorted by name: `k:{"name":"web"}`.
    Key(Vec<(String, Value)>),
    /// The element of a set with this value: `v:"finalizer"`.
    Value(Value),
    /// The element of an atomic list at this place: `i:3`.
    Index(i64),
}

impl PathElement {
    /// Reads the serialized form; nothing when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, body) = (text.get(..2)?, text.get(2..)?);
        match kind {
            "f:" => Some(Self::Field(body.to_owned())),
            "v:" => serde_json::from_str(body).ok().map(Self::Value),
            "i:" => body.parse().ok().map(Self::Index),
            // serde_json's map is sorted by key, as path elements are.
            "k:" => {
                serde_json::from_str::<Map<String, Value>>(body).ok().map(|keys| Self::Key(keys.into_iter().collect()))
            }
            _ => None,
        }
    }

    /// The serialized form.
    pub fn serialize(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{}", Value::Object(keys.iter().cloned().collect())),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(at) => format!("i:{at}"),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

/// The form in messages: `.spec`, `[name="web"]`, `[="finalizer"]`, `[3]`.
impl fmt::Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                f.write_str("[")?;
                for (at, (name, value)) in keys.iter().enumerate() {
                    write!(f, "{}{name}={value}", if at > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => a
                .iter()
                .zip(b)
                .map(|((name_a, a), (name_b, b))| name_a.cmp(name_b).then_with(|| compare(a, b)))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| a.len().cmp(&b.len())),
            (Self::Value(a), Self::Value(b)) => compare(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// A total order of JSON values: numbers, strings, booleans, lists, maps, null.
pub(super) fn compare(left: &Value, right: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => {
                let (x, y) = (a.as_f64().unwrap_or(f64::MAX), b.as_f64().unwrap_or(f64::MAX));
                // `Eq` tells 1 from 1.0, so the order has to as well.
                x.total_cmp(&y)
                    .then_with(|| a.is_f64().cmp(&b.is_f64()))
                    .then_with(|| a.to_string().cmp(&b.to_string()))
            }
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a
            .iter()
            .zip(b)
            .map(|(a, b)| compare(a, b))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.len().cmp(&b.len())),
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .zip(b)
            .map(|((key_a, a), (key_b, b))| key_a.cmp(key_b).then_with(|| compare(a, b)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.len().cmp(&b.len())),
        _ => rank(left).cmp(&rank(right)),
    }
}

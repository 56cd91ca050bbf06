//! A view of one object for rules of health and actions: what is absent stays absent, what can not be used says so.
//!
//! Rules come in two moods. [`Look::get`] walks through absent parents; [`Look::at`], [`Look::text`] and [`Look::number`]
//! fail where a value is needed, and the object is then Unknown with the reason, as with upstream's scripts.

use serde_json::Value;

use crate::api::ResourceHealth;

/// What a rule found.
pub(crate) type Judged = Result<ResourceHealth, Unjudged>;

/// Why a rule has no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unjudged {
    /// The rule says nothing about such an object yet.
    #[error("no verdict")]
    Silent,
    /// A field was needed below something that is not there.
    #[error("attempt to index a non-table object({found}) with key '{key}'")]
    Index { found: &'static str, key: &'static str },
    /// Text was needed.
    #[error("cannot perform concat operation between string and {0}")]
    Text(&'static str),
    /// A number was needed.
    #[error("attempt to compare {0} with number")]
    Number(&'static str),
    /// A list was needed.
    #[error("bad argument #1 to ipairs (table expected, got {0})")]
    List(&'static str),
}

/// One value of an object, or its absence; `null` counts as absent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a>(Option<&'a Value>);

impl<'a> Look<'a> {
    pub(crate) fn new(value: &'a Value) -> Self {
        Self(Some(value).filter(|it| !it.is_null()))
    }

    /// The field; absent where this is absent.
    pub(crate) fn get(self, key: &str) -> Self {
        Self(self.0.and_then(|it| it.get(key)).filter(|it| !it.is_null()))
    }

    /// The field, walking dots.
    pub(crate) fn path(self, path: &str) -> Self {
        path.split('.').fold(self, Look::get)
    }

    /// The field of something that has to be there.
    pub(crate) fn at(self, key: &'static str) -> Result<Self, Unjudged> {
        match self.0 {
            Some(Value::Object(_) | Value::Array(_) | Value::String(_)) => Ok(self.get(key)),
            _ => Err(Unjudged::Index { found: self.type_name(), key }),
        }
    }

    /// Entry of a list.
    pub(crate) fn nth(self, place: usize) -> Self {
        Self(self.0.and_then(|it| it.get(place)).filter(|it| !it.is_null()))
    }

    pub(crate) fn present(self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn absent(self) -> bool {
        self.0.is_none()
    }

    /// Present and not `false`.
    pub(crate) fn truthy(self) -> bool {
        self.0.is_some_and(|it| it != &Value::Bool(false))
    }

    pub(crate) fn is(self, text: &str) -> bool {
        self.str() == Some(text)
    }

    pub(crate) fn is_one(self, texts: &[&str]) -> bool {
        self.str().is_some_and(|it| texts.contains(&it))
    }

    pub(crate) fn is_bool(self, wanted: bool) -> bool {
        self.0 == Some(&Value::Bool(wanted))
    }

    pub(crate) fn is_number(self, wanted: f64) -> bool {
        self.float() == Some(wanted)
    }

    pub(crate) fn str(self) -> Option<&'a str> {
        self.0.and_then(Value::as_str)
    }

    pub(crate) fn float(self) -> Option<f64> {
        self.0.and_then(Value::as_f64)
    }

    /// Both absent, or the same scalar.
    pub(crate) fn same(self, other: Self) -> bool {
        match (self.0, other.0) {
            (None, None) => true,
            (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
            (Some(Value::Object(_) | Value::Array(_)), _) => false,
            (a, b) => a == b,
        }
    }

    /// As part of a text.
    pub(crate) fn text(self) -> Result<String, Unjudged> {
        match self.0 {
            Some(Value::String(it)) => Ok(it.clone()),
            Some(Value::Number(it)) => Ok(match it.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 1e15) {
                Some(whole) => format!("{whole:.0}"),
                None => it.to_string(),
            }),
            _ => Err(Unjudged::Text(self.type_name())),
        }
    }

    /// As a whole message: absent is empty.
    pub(crate) fn message(self) -> String {
        self.str().unwrap_or_default().to_owned()
    }

    pub(crate) fn or(self, default: &str) -> String {
        self.str().unwrap_or(default).to_owned()
    }

    pub(crate) fn number(self) -> Result<f64, Unjudged> {
        self.float().ok_or_else(|| Unjudged::Number(self.type_name()))
    }

    /// Number with a default where it is absent.
    pub(crate) fn number_or(self, default: f64) -> Result<f64, Unjudged> {
        if self.absent() { Ok(default) } else { self.number() }
    }

    /// Entries up to the first null; none where this is absent or no list.
    pub(crate) fn list(self) -> impl Iterator<Item = Self> + Clone {
        let items = self.0.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().map(Look::new).take_while(|it| it.present())
    }

    /// Entries of a list that has to be there.
    pub(crate) fn items(self) -> Result<impl Iterator<Item = Self> + Clone, Unjudged> {
        match self.0 {
            Some(Value::Array(_) | Value::Object(_)) => Ok(self.list()),
            _ => Err(Unjudged::List(self.type_name())),
        }
    }

    /// Values of a list or an object, in the order of the keys.
    pub(crate) fn values(self) -> Vec<Self> {
        match self.0 {
            Some(Value::Array(items)) => items.iter().map(Look::new).filter(|it| it.present()).collect(),
            Some(Value::Object(members)) => {
                let mut keys: Vec<&String> = members.keys().collect();
                keys.sort();
                keys.into_iter().map(|it| self.get(it)).filter(|it| it.present()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Entries of a list; 0 for what is none.
    pub(crate) fn length(self) -> usize {
        self.0.and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Neither entries nor members, or absent.
    pub(crate) fn is_empty(self) -> bool {
        match self.0 {
            Some(Value::Array(it)) => it.is_empty(),
            Some(Value::Object(it)) => it.is_empty(),
            other => other.is_none(),
        }
    }

    /// `status.conditions`, leniently.
    pub(crate) fn conditions(self) -> impl Iterator<Item = Self> + Clone {
        self.get("status").get("conditions").list()
    }

    /// Whether this condition has the type and the status.
    pub(crate) fn has(self, kind: &str, status: &str) -> bool {
        self.get("type").is(kind) && self.get("status").is(status)
    }

    /// The condition of a type.
    pub(crate) fn condition(self, kind: &str) -> Option<Self> {
        self.conditions().find(|it| it.get("type").is(kind))
    }

    fn type_name(self) -> &'static str {
        match self.0 {
            None | Some(Value::Null) => "nil",
            Some(Value::Bool(_)) => "boolean",
            Some(Value::Number(_)) => "number",
            Some(Value::String(_)) => "string",
            Some(Value::Array(_) | Value::Object(_)) => "table",
        }
    }
}

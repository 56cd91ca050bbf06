//! The values templates work on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use jiff::{SignedDuration, Zoned};
use serde_json::Value;

use crate::fmt::Arg;
use crate::{duration, gofloat, time};

/// Something with fields and methods, as a Go struct: `.Release.Name`, `(semver "1.2.3").Major`.
pub trait Object: fmt::Debug {
    /// The Go type name, for messages and `typeOf`.
    fn type_name(&self) -> &'static str;

    /// A field, or a method called without arguments.
    fn field(&self, name: &str) -> Option<Val>;

    /// A method called with arguments; `None` when there is none of the name. The empty name is the value itself, where it
    /// is a function: `{{ call .f 1 }}`.
    fn call(&self, name: &str, args: &[Val]) -> Option<Result<Val, String>> {
        let _ = (name, args);
        None
    }

    /// The text that `{{ . }}` prints.
    fn display(&self) -> String;
}

/// A value. Maps are shared: `set` changes them in place.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Val {
    /// What a missing key gives; printed as `<no value>`.
    Missing,
    /// Nil.
    Nil,
    /// A bool.
    Bool(bool),
    /// An int.
    Int(i64),
    /// A float64.
    Float(f64),
    /// A string.
    Str(Rc<str>),
    /// A slice.
    List(Rc<Vec<Val>>),
    /// A map with string keys.
    Map(Rc<RefCell<BTreeMap<String, Val>>>),
    /// An integer of another type, with its name: `int64`, `uint8`.
    Sized(i64, &'static str),
    /// A slice of another type, with its name: `[]string`.
    Slice(Rc<Vec<Val>>, &'static str),
    /// A map of another type, with its name: `map[string]string`.
    Dict(Rc<RefCell<BTreeMap<String, Val>>>, &'static str),
    /// A time.
    Time(Box<Zoned>),
    /// A duration.
    Duration(SignedDuration),
    /// A struct.
    Object(Rc<dyn Object>),
}

/// Most values walked at once: `set` can build maps that contain themselves, or one another many times.
const NODE_BUDGET: usize = 1_000_000;

fn spend(budget: &mut usize, depth: usize) -> bool {
    *budget = budget.saturating_sub(1);
    *budget > 0 && depth <= 200
}

impl Val {
    /// JSON as Go's `encoding/json` decodes it into `any`: every number a float64.
    #[must_use]
    pub fn from_json(value: &Value) -> Self {
        match value {
            Value::Number(it) => Self::Float(it.as_f64().unwrap_or(f64::NAN)),
            other => Self::build(other, Self::from_json),
        }
    }

    /// JSON with integers kept as int.
    #[must_use]
    pub fn exact(value: &Value) -> Self {
        match value {
            Value::Number(it) => it.as_i64().map_or_else(|| Self::Float(it.as_f64().unwrap_or(f64::NAN)), Self::Int),
            other => Self::build(other, Self::exact),
        }
    }

    fn build(value: &Value, inner: fn(&Value) -> Self) -> Self {
        match value {
            Value::Null | Value::Number(_) => Self::Nil,
            Value::Bool(it) => Self::Bool(*it),
            Value::String(it) => Self::str(it),
            Value::Array(items) => Self::list(items.iter().map(inner).collect()),
            Value::Object(map) => Self::map(map.iter().map(|(key, value)| (key.clone(), inner(value)))),
        }
    }

    /// A string.
    #[must_use]
    pub fn str(text: impl AsRef<str>) -> Self {
        Self::Str(text.as_ref().into())
    }

    /// A list.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    /// A map.
    #[must_use]
    pub fn map(entries: impl IntoIterator<Item = (String, Self)>) -> Self {
        Self::Map(Rc::new(RefCell::new(entries.into_iter().collect())))
    }

    /// A struct.
    #[must_use]
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Rc::new(object))
    }

    /// A function in the data, for `{{ call .f 1 }}`; it is given what stands after it.
    #[must_use]
    pub fn function(function: impl Fn(&[Self]) -> Result<Self, String> + 'static) -> Self {
        Self::object(Closure(function))
    }

    /// The value as JSON; times are RFC 3339, objects their text. What is deeper than 200 is nil.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.json_within(&mut { NODE_BUDGET }, 0)
    }

    fn json_within(&self, budget: &mut usize, depth: usize) -> Value {
        if !spend(budget, depth) {
            return Value::Null;
        }
        match self {
            Self::Missing | Self::Nil => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Int(it) | Self::Sized(it, _) => Value::from(*it),
            Self::Float(it) => gofloat::json_number(*it).map_or(Value::Null, Value::Number),
            Self::Str(it) => Value::String(it.to_string()),
            Self::List(items) | Self::Slice(items, _) => {
                Value::Array(items.iter().map(|it| it.json_within(budget, depth + 1)).collect())
            }
            Self::Map(map) | Self::Dict(map, _) => Value::Object(
                map.borrow().iter().map(|(key, value)| (key.clone(), value.json_within(budget, depth + 1))).collect(),
            ),
            Self::Time(it) => Value::String(time::format_layout(it, "2006-01-02T15:04:05.999999999Z07:00")),
            Self::Duration(it) => Value::from(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX)),
            Self::Object(it) => Value::String(it.display()),
        }
    }

    /// The value for `printf`.
    #[must_use]
    pub fn to_arg(&self) -> Arg {
        self.arg_within(&mut { NODE_BUDGET }, 0)
    }

    fn arg_within(&self, budget: &mut usize, depth: usize) -> Arg {
        if !spend(budget, depth) {
            return Arg::Other("interface {}", "...".to_owned());
        }
        match self {
            Self::Missing | Self::Nil => Arg::Nil,
            Self::Bool(it) => Arg::Bool(*it),
            Self::Int(it) => Arg::Int(*it),
            Self::Sized(it, name) => Arg::Typed(name, Box::new(Arg::Int(*it))),
            Self::Slice(items, name) => {
                Arg::Typed(name, Box::new(Arg::List(items.iter().map(|it| it.arg_within(budget, depth + 1)).collect())))
            }
            Self::Dict(map, name) => Arg::Typed(
                name,
                Box::new(Arg::Map(
                    map.borrow()
                        .iter()
                        .map(|(key, value)| (key.clone(), value.arg_within(budget, depth + 1)))
                        .collect(),
                )),
            ),
            Self::Float(it) => Arg::Float(*it),
            Self::Str(it) => Arg::Str(it.to_string()),
            Self::List(items) => Arg::List(items.iter().map(|it| it.arg_within(budget, depth + 1)).collect()),
            Self::Map(map) => Arg::Map(
                map.borrow().iter().map(|(key, value)| (key.clone(), value.arg_within(budget, depth + 1))).collect(),
            ),
            Self::Time(it) => {
                Arg::Other("time.Time", time::format_layout(it, "2006-01-02 15:04:05.999999999 -0700 MST"))
            }
            Self::Duration(it) => Arg::Other("time.Duration", duration::format(*it)),
            Self::Object(it) => Arg::Other(it.type_name(), it.display()),
        }
    }

    /// The text of `%v`.
    #[must_use]
    pub fn display(&self) -> String {
        match self {
            Self::Str(it) => it.to_string(),
            other => other.to_arg().display(),
        }
    }

    /// Adds the text an action prints: `<no value>` for nothing.
    pub(super) fn print_to(&self, out: &mut String) {
        match self {
            Self::Missing | Self::Nil => out.push_str("<no value>"),
            Self::Str(it) => out.push_str(it),
            other => out.push_str(&other.display()),
        }
    }

    /// The elements of a slice of any type.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) | Self::Slice(items, _) => Some(items),
            _ => None,
        }
    }

    /// The entries of a map of any type.
    #[must_use]
    pub fn entries(&self) -> Option<&Rc<RefCell<BTreeMap<String, Self>>>> {
        match self {
            Self::Map(map) | Self::Dict(map, _) => Some(map),
            _ => None,
        }
    }

    /// A `[]string`.
    #[must_use]
    pub fn texts(items: impl IntoIterator<Item = String>) -> Self {
        Self::Slice(Rc::new(items.into_iter().map(Self::from).collect()), "[]string")
    }

    /// An `int64`.
    #[must_use]
    pub fn int64(value: i64) -> Self {
        Self::Sized(value, "int64")
    }

    /// The Go type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Sized(_, name) | Self::Slice(_, name) | Self::Dict(_, name) => name,
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Object(it) => it.type_name(),
        }
    }

    /// The Go kind, as Sprig's `kindOf` names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::List(_) | Self::Slice(..) => "slice",
            Self::Map(_) | Self::Dict(..) => "map",
            Self::Sized(_, "time.Month" | "time.Weekday") => "int",
            Self::Sized(_, name) => name,
            Self::Duration(_) => "int64",
            Self::Object(it) if it.type_name().starts_with('*') => "ptr",
            Self::Object(it) if it.type_name().starts_with("complex") => "complex128",
            Self::Time(_) | Self::Object(_) => "struct",
        }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Missing | Self::Nil)
    }

    /// Truth, as `if` sees it.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(it) => *it,
            Self::Int(it) | Self::Sized(it, _) => *it != 0,
            Self::Float(it) => *it != 0.0,
            Self::Str(it) => !it.is_empty(),
            Self::List(items) | Self::Slice(items, _) => !items.is_empty(),
            Self::Map(map) | Self::Dict(map, _) => !map.borrow().is_empty(),
            Self::Duration(it) => !it.is_zero(),
            Self::Time(_) | Self::Object(_) => true,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(it) => Some(it),
            _ => None,
        }
    }

    /// `reflect.DeepEqual`.
    #[must_use]
    pub fn deep_equal(&self, other: &Self) -> bool {
        self.equal_within(other, &mut { NODE_BUDGET }, 0)
    }

    fn equal_within(&self, other: &Self, budget: &mut usize, depth: usize) -> bool {
        if !spend(budget, depth) {
            return false;
        }
        match (self, other) {
            (Self::Missing | Self::Nil, Self::Missing | Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Sized(a, first), Self::Sized(b, second)) => first == second && a == b,
            (Self::Slice(_, first), Self::Slice(_, second)) | (Self::Dict(_, first), Self::Dict(_, second))
                if first != second =>
            {
                false
            }
            (Self::List(a), Self::List(b)) | (Self::Slice(a, _), Self::Slice(b, _)) => {
                Rc::ptr_eq(a, b)
                    || a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equal_within(b, budget, depth + 1))
            }
            (Self::Map(a), Self::Map(b)) | (Self::Dict(a, _), Self::Dict(b, _)) => {
                if Rc::ptr_eq(a, b) {
                    return true;
                }
                let (a, b) = (a.borrow(), b.borrow());
                a.len() == b.len()
                    && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.equal_within(b, budget, depth + 1)))
            }
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// A complex number, which templates can write and print.
#[derive(Debug)]
pub(super) struct Complex(pub(super) f64, pub(super) f64);

impl Object for Complex {
    fn type_name(&self) -> &'static str {
        "complex128"
    }

    fn field(&self, _name: &str) -> Option<Val> {
        None
    }

    fn display(&self) -> String {
        let imaginary = gofloat::format_g(self.1, None);
        let sign = if imaginary.starts_with(['-', '+']) { "" } else { "+" };
        format!("({}{sign}{imaginary}i)", gofloat::format_g(self.0, None))
    }
}

/// A function among the data.
struct Closure<F>(F);

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("func")
    }
}

impl<F: Fn(&[Val]) -> Result<Val, String>> Object for Closure<F> {
    fn type_name(&self) -> &'static str {
        "func"
    }

    fn field(&self, _name: &str) -> Option<Val> {
        None
    }

    fn call(&self, name: &str, args: &[Val]) -> Option<Result<Val, String>> {
        name.is_empty().then(|| (self.0)(args))
    }

    fn display(&self) -> String {
        "func".to_owned()
    }
}

/// An interface that is not looked into.
#[derive(Debug)]
pub(super) struct Interface;

impl Object for Interface {
    fn type_name(&self) -> &'static str {
        "interface {}"
    }

    fn field(&self, _name: &str) -> Option<Val> {
        None
    }

    fn display(&self) -> String {
        "interface {}".to_owned()
    }
}

impl From<&str> for Val {
    fn from(text: &str) -> Self {
        Self::str(text)
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        Self::str(text)
    }
}

impl From<bool> for Val {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

impl From<i64> for Val {
    fn from(it: i64) -> Self {
        Self::Int(it)
    }
}

impl From<f64> for Val {
    fn from(it: f64) -> Self {
        Self::Float(it)
    }
}

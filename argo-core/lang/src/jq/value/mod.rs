//! The values a program works on: borrowed from the input until they change, shared by reference counts afterwards.

mod number;
mod order;
mod print;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::rc::Rc;
use std::sync::LazyLock;

use num_bigint::BigInt;
use serde_json::{Map, Value};

pub(super) use number::{big_to_float, float_to_int, normal_big, parse_number, to_float, to_int, to_int_ceil};
pub(super) use order::{compare, same};
pub(super) use print::{preview, preview_text, to_json, type_preview};

/// Text of the input or of the program, or text made while running.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Ref(&'a str),
    Own(Rc<str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Ref(it) => it,
            Self::Own(it) => it,
        }
    }
}

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// An array made while running; `depth` counts the made containers inside it, itself included.
#[derive(Debug, Clone)]
pub(super) struct List<'a> {
    pub(super) depth: u32,
    pub(super) items: Vec<Val<'a>>,
}

/// An object made while running.
#[derive(Debug, Clone)]
pub(super) struct Dict<'a> {
    pub(super) depth: u32,
    pub(super) map: BTreeMap<Text<'a>, Val<'a>>,
}

/// A value. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Big(Rc<BigInt>),
    Str(Text<'a>),
    ListRef(&'a [Value]),
    List(Rc<List<'a>>),
    MapRef(&'a Map<String, Value>),
    Map(Rc<Dict<'a>>),
    /// A place emptied by a deletion that is under way; never seen by a program.
    Hole,
}

impl<'a> From<&'a Value> for Val<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(*it),
            Value::Number(it) => {
                if let Some(it) = it.as_i64() {
                    Self::Int(it)
                } else if let Some(it) = it.as_u64() {
                    Self::Big(Rc::new(it.into()))
                } else {
                    Self::Float(it.as_f64().unwrap_or(f64::NAN))
                }
            }
            Value::String(it) => Self::Str(Text::Ref(it)),
            Value::Array(it) => Self::ListRef(it),
            Value::Object(it) => Self::MapRef(it),
        }
    }
}

impl<'a> Val<'a> {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Str(Text::Own(text.into()))
    }

    pub(super) fn literal(text: &'a str) -> Self {
        Self::Str(Text::Ref(text))
    }

    pub(super) fn len(length: usize) -> Self {
        Self::Int(i64::try_from(length).unwrap_or(i64::MAX))
    }

    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false) | Self::Hole)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Float(_) | Self::Big(_))
    }

    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::List(it) => it.depth,
            Self::Map(it) => it.depth,
            _ => 0,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(it) => Some(it.as_str()),
            _ => None,
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null | Self::Hole => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) | Self::Big(_) => "number",
            Self::Str(_) => "string",
            Self::ListRef(_) | Self::List(_) => "array",
            Self::MapRef(_) | Self::Map(_) => "object",
        }
    }

    pub(super) fn as_list(&self) -> Option<ListView<'a, '_>> {
        match self {
            Self::ListRef(it) => Some(ListView::Ref(it)),
            Self::List(it) => Some(ListView::Own(&it.items)),
            _ => None,
        }
    }

    pub(super) fn as_map(&self) -> Option<MapView<'a, '_>> {
        match self {
            Self::MapRef(it) => Some(MapView::Ref(it)),
            Self::Map(it) => Some(MapView::Own(&it.map)),
            _ => None,
        }
    }

    /// The items of an array or the values of an object, by key.
    pub(super) fn values(&self) -> Option<Vec<Val<'a>>> {
        if let Some(list) = self.as_list() {
            return Some(list.iter().collect());
        }
        self.as_map().map(|it| it.iter().map(|(_, value)| value).collect())
    }

    /// Whether the two are one value in memory (containers) or equal (the rest).
    pub(super) fn is_same_place(&self, other: &Val<'a>) -> bool {
        match (self, other) {
            (Self::List(a), Self::List(b)) => Rc::ptr_eq(a, b),
            (Self::Map(a), Self::Map(b)) => Rc::ptr_eq(a, b),
            (Self::ListRef(a), Self::ListRef(b)) => a.len() == b.len() && std::ptr::eq(a.as_ptr(), b.as_ptr()),
            (Self::MapRef(a), Self::MapRef(b)) => std::ptr::eq(*a, *b),
            (Self::Float(a), Self::Float(b)) => a == b || a.is_nan() && b.is_nan(),
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Big(a), Self::Big(b)) => a == b,
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            _ => false,
        }
    }

    /// The value as JSON: NaN is null, infinities are the largest floats, integers beyond 64 bits are floats.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Null | Self::Hole => Value::Null,
            Self::Bool(it) => Value::Bool(*it),
            Self::Int(it) => Value::from(*it),
            Self::Float(it) if it.is_nan() => Value::Null,
            Self::Float(it) => Value::from(it.clamp(-f64::MAX, f64::MAX)),
            Self::Big(it) => match u64::try_from(it.as_ref()) {
                Ok(it) => Value::from(it),
                Err(_) => Value::from(big_to_float(it).clamp(-f64::MAX, f64::MAX)),
            },
            Self::Str(it) => Value::String(it.as_str().to_owned()),
            Self::ListRef(it) => Value::Array(it.to_vec()),
            Self::List(it) => Value::Array(it.items.iter().map(Val::to_value).collect()),
            Self::MapRef(it) => Value::Object((*it).clone()),
            Self::Map(it) => {
                Value::Object(it.map.iter().map(|(key, value)| (key.as_str().to_owned(), value.to_value())).collect())
            }
        }
    }
}

/// The items of either kind of array.
#[derive(Clone, Copy)]
pub(super) enum ListView<'a, 'b> {
    Ref(&'a [Value]),
    Own(&'b [Val<'a>]),
}

impl<'a, 'b> ListView<'a, 'b> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ref(it) => it.len(),
            Self::Own(it) => it.len(),
        }
    }

    pub(super) fn get(&self, place: usize) -> Option<Val<'a>> {
        match self {
            Self::Ref(it) => it.get(place).map(Val::from),
            Self::Own(it) => it.get(place).cloned(),
        }
    }

    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = Val<'a>> + ExactSizeIterator + use<'a, 'b> {
        (0..self.len()).map(move |place| self.get(place).unwrap_or(Val::Null))
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> ListView<'a, 'b> {
        match self {
            Self::Ref(it) => ListView::Ref(&it[from..to]),
            Self::Own(it) => ListView::Own(&it[from..to]),
        }
    }
}

/// Whether `serde_json` keeps its maps sorted, which another crate of the build may have switched off.
static SORTED: LazyLock<bool> = LazyLock::new(|| {
    let map: Map<String, Value> = [("b".to_owned(), Value::Null), ("a".to_owned(), Value::Null)].into_iter().collect();
    map.keys().next().is_some_and(|it| it == "a")
});

/// The entries of either kind of object.
#[derive(Clone, Copy)]
pub(super) enum MapView<'a, 'b> {
    Ref(&'a Map<String, Value>),
    Own(&'b BTreeMap<Text<'a>, Val<'a>>),
}

impl<'a, 'b> MapView<'a, 'b> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ref(it) => it.len(),
            Self::Own(it) => it.len(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Val<'a>> {
        match self {
            Self::Ref(it) => it.get(key).map(Val::from),
            Self::Own(it) => it.get(key).cloned(),
        }
    }

    /// The entries, sorted by key.
    pub(super) fn iter(&self) -> Entries<'a, 'b> {
        match self {
            Self::Ref(it) if *SORTED => Entries::Ref(it.iter()),
            Self::Ref(it) => {
                let mut all: Vec<(&'a String, &'a Value)> = it.iter().collect();
                all.sort_by(|a, b| a.0.cmp(b.0));
                Entries::Sorted(all.into_iter())
            }
            Self::Own(it) => Entries::Own(it.iter()),
        }
    }
}

/// See [`MapView::iter`].
pub(super) enum Entries<'a, 'b> {
    Ref(serde_json::map::Iter<'a>),
    Sorted(std::vec::IntoIter<(&'a String, &'a Value)>),
    Own(btree_map::Iter<'b, Text<'a>, Val<'a>>),
}

impl<'a> Iterator for Entries<'a, '_> {
    type Item = (Text<'a>, Val<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Ref(it) => it.next().map(|(key, value)| (Text::Ref(key), Val::from(value))),
            Self::Sorted(it) => it.next().map(|(key, value)| (Text::Ref(key), Val::from(value))),
            Self::Own(it) => it.next().map(|(key, value)| (key.clone(), value.clone())),
        }
    }
}

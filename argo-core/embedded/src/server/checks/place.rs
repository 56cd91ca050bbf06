//! A value and where it is: rules read like the table they are, and each writes down what it found at the place it looked at.
//!
//! An absent field is a place too, whose value is null, as Go's zero values are there without being written.

use std::cell::RefCell;

use argo_lang::quantity::Quantity;
use serde_json::Value;

use super::super::status::{Cause, go_quoted};
use super::shown::Go;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found(RefCell<Vec<Cause>>);

/// A value of an object, with its path.
#[derive(Clone, Copy)]
pub(super) struct Place<'v, 'p> {
    value: &'v Value,
    up: Option<&'p Place<'v, 'p>>,
    step: Step<'p>,
    found: &'p Found,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root(&'p str),
    Field(&'p str),
    Index(usize),
    Key(&'p str),
}

static NULL: Value = Value::Null;

// === impl Found ===

impl Found {
    pub(super) fn add(&self, cause: Cause) {
        self.0.borrow_mut().push(cause);
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn into_causes(self) -> Vec<Cause> {
        self.0.into_inner()
    }
}

// === impl Place ===

impl<'v, 'p> Place<'v, 'p> {
    /// A value at a path of its own.
    pub(super) fn root(value: &'v Value, path: &'p str, found: &'p Found) -> Self {
        Self { value, up: None, step: Step::Root(path), found }
    }

    // --- going down ---

    /// A field; `a.b` goes down two.
    pub(super) fn at<'q>(&'q self, field: &'q str) -> Place<'v, 'q> {
        self.child(Some(self.get(field)), Step::Field(field))
    }

    /// The same value at another path below this one: where Go names a field that is not the one it looked at.
    pub(super) fn named<'q>(&'q self, field: &'q str) -> Place<'v, 'q> {
        self.child(Some(self.value), Step::Field(field))
    }

    /// A value of elsewhere at a path of its own.
    pub(super) fn elsewhere<'q>(&'q self, value: &'v Value, path: &'q str) -> Place<'v, 'q> {
        Place { value, up: None, step: Step::Root(path), found: self.found }
    }

    /// An entry of a map, shown as `[key]`.
    pub(super) fn key<'q>(&'q self, key: &'q str) -> Place<'v, 'q> {
        self.child(self.value.get(key), Step::Key(key))
    }

    /// An item of a list.
    pub(super) fn index(&self, index: usize) -> Place<'v, '_> {
        self.child(self.value.get(index), Step::Index(index))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> impl DoubleEndedIterator<Item = Place<'v, '_>> + ExactSizeIterator {
        self.list().iter().enumerate().map(|(index, item)| self.child(Some(item), Step::Index(index)))
    }

    /// The entries of a map.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'v str, Place<'v, '_>)> {
        let fields = self.value.as_object();
        fields.into_iter().flatten().map(|(key, value)| (key.as_str(), self.child(Some(value), Step::Key(key))))
    }

    fn child<'q>(&'q self, value: Option<&'v Value>, step: Step<'q>) -> Place<'v, 'q> {
        Place { value: value.unwrap_or(&NULL), up: Some(self), step, found: self.found }
    }

    fn get(&self, field: &str) -> &'v Value {
        field.split('.').try_fold(self.value, |value, step| value.get(step)).unwrap_or(&NULL)
    }

    // --- reading ---

    pub(super) fn value(&self) -> &'v Value {
        self.value
    }

    pub(super) fn has(&self, field: &str) -> bool {
        !self.get(field).is_null()
    }

    pub(super) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// The text, or an empty one.
    pub(super) fn text(&self) -> &'v str {
        self.value.as_str().unwrap_or_default()
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// The number, or zero.
    pub(super) fn int(&self) -> i64 {
        self.number().unwrap_or(0)
    }

    pub(super) fn flag(&self) -> bool {
        self.value == &Value::Bool(true)
    }

    pub(super) fn list(&self) -> &'v [Value] {
        self.value.as_array().map_or(&[], Vec::as_slice)
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Vec<&'v str> {
        self.list().iter().filter_map(Value::as_str).collect()
    }

    /// Whether there is nothing in it: no text, no item, no entry, or not there.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        }
    }

    pub(super) fn quantity(&self) -> Option<Quantity> {
        match self.value {
            Value::String(text) => Quantity::parse(text).ok(),
            Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
            _ => None,
        }
    }

    /// The path, as Go writes it.
    pub(super) fn path(&self) -> String {
        let mut path = self.up.map_or_else(String::new, Place::path);
        match self.step {
            Step::Root(root) => path.push_str(root),
            Step::Field(field) => {
                if !path.is_empty() && !field.is_empty() {
                    path.push('.');
                }
                path.push_str(field);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Key(key) => path.push_str(&format!("[{key}]")),
        }
        path
    }

    /// How many causes there are by now.
    pub(super) fn found(&self) -> usize {
        self.found.len()
    }

    // --- finding ---

    pub(super) fn add(&self, cause: Cause) {
        self.found.add(cause);
    }

    pub(super) fn required(&self, why: &str) {
        self.add(Cause::required(self.path(), why));
    }

    pub(super) fn forbidden(&self, why: &str) {
        self.add(Cause::forbidden(self.path(), why));
    }

    /// Refuses the value that is there; a number or text that is not there shows as zero.
    pub(super) fn invalid(&self, why: &str) {
        self.add(Cause::invalid(self.path(), self.value, why));
    }

    /// Refuses a text; an absent one is empty.
    pub(super) fn invalid_text(&self, why: &str) {
        self.wrong(self.text(), why);
    }

    /// Refuses a number; an absent one is zero.
    pub(super) fn invalid_int(&self, why: &str) {
        self.wrong(self.int(), why);
    }

    /// Refuses another value than the one that is here.
    pub(super) fn wrong(&self, shown: impl Into<Value>, why: &str) {
        self.add(Cause::invalid(self.path(), &shown.into(), why));
    }

    /// Refuses a value that Go shows as a struct.
    pub(super) fn invalid_struct(&self, shape: &Go, why: &str) {
        self.invalid_shown(&shape.show(self.value), why);
    }

    /// Refuses a value shown like this.
    pub(super) fn invalid_shown(&self, shown: &str, why: &str) {
        let end = if why.is_empty() { String::new() } else { format!(": {why}") };
        let message = format!("Invalid value: {shown}{end}");
        self.add(Cause { reason: "FieldValueInvalid", field: self.path(), message });
    }

    pub(super) fn duplicate(&self, shown: impl Into<Value>) {
        self.add(Cause::duplicate(self.path(), &shown.into()));
    }

    /// As [`Place::duplicate`], of a value shown like this.
    pub(super) fn duplicate_shown(&self, shown: &str) {
        let message = format!("Duplicate value: {shown}");
        self.add(Cause { reason: "FieldValueDuplicate", field: self.path(), message });
    }

    pub(super) fn not_found(&self, shown: impl Into<Value>) {
        self.add(Cause::not_found(self.path(), &shown.into()));
    }

    pub(super) fn unsupported(&self, shown: impl Into<Value>, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|text| (*text).to_owned()).collect();
        self.add(Cause::not_supported(self.path(), &shown.into(), &supported));
    }

    /// As [`Place::unsupported`], of what Go shows as a struct.
    pub(super) fn unsupported_struct(&self, shape: &Go, supported: &[&str]) {
        let list: Vec<String> = supported.iter().map(|text| format!("{text:?}")).collect();
        let (shown, list) = (shape.show(self.value), list.join(", "));
        let message = format!("Unsupported value: {shown}: supported values: {list}");
        self.add(Cause { reason: "FieldValueNotSupported", field: self.path(), message });
    }

    /// Refuses what is here without showing it.
    pub(super) fn invalid_omitted(&self, why: &str) {
        self.add(Cause { reason: "FieldValueInvalid", field: self.path(), message: format!("Invalid value: {why}") });
    }

    /// Refuses a list of so many items.
    pub(super) fn too_many(&self, most: usize) {
        let count = self.list().len();
        if count > most {
            let message = format!("Too many: {count}: must have at most {most} items");
            self.add(Cause { reason: "FieldValueTooMany", field: self.path(), message });
        }
    }

    pub(super) fn too_long(&self, limit: usize) {
        self.add(Cause::too_long(self.path(), limit));
    }
}

/// A text as Go quotes it, for messages.
pub(super) fn quoted(text: &str) -> String {
    go_quoted(text)
}

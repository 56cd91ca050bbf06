//! Go's zero values: what a typed server shows and compares where a client leaves fields out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Shape, types};

/// Type name to its fields; true if the value is null.
static ZEROS: LazyLock<BTreeMap<&'static str, Vec<(&'static str, bool)>>> = LazyLock::new(|| {
    include_str!("zero.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            Some((name, words.map(|word| (word.trim_end_matches('-'), word.ends_with('-'))).collect()))
        })
        .collect()
});

/// The object a typed server compares a new one with: `{ metadata: {}, spec: { containers: null, … } }`.
pub(crate) fn zero_of(name: &str) -> Value {
    let mut fields = Map::new();
    if let (Some(zeros), Some(def)) = (ZEROS.get(name), types().get(name)) {
        for (field, null) in zeros {
            let shape = def.fields.get(field).map(|field| &field.shape);
            let value = match shape {
                _ if *null => Value::Null,
                Some(Shape::Type(inner)) => zero_of(inner),
                shape => scalar(shape),
            };
            fields.insert((*field).to_owned(), value);
        }
    }
    Value::Object(fields)
}

/// Puts zero values where a typed server shows them.
pub(super) fn fill(value: &mut Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Type(name), Value::Object(fields)) => {
            let Some(def) = types().get(name) else { return };
            for (field, null) in ZEROS.get(name).into_iter().flatten() {
                if !null && !fields.contains_key(*field) {
                    let value = match def.fields.get(field).map(|field| &field.shape) {
                        Some(Shape::Type(_)) => Value::Object(Map::new()),
                        shape => scalar(shape),
                    };
                    fields.insert((*field).to_owned(), value);
                }
            }
            for (field, value) in fields.iter_mut() {
                if let Some(def) = def.fields.get(field.as_str()) {
                    fill(value, &def.shape);
                }
            }
        }
        (Shape::List(inner), Value::Array(items)) => items.iter_mut().for_each(|item| fill(item, inner)),
        (Shape::Map(inner), Value::Object(fields)) => fields.values_mut().for_each(|item| fill(item, inner)),
        _ => {}
    }
}

fn scalar(shape: Option<&Shape>) -> Value {
    match shape {
        Some(Shape::Int32 | Shape::Int64 | Shape::Number | Shape::IntOrString) => Value::from(0),
        Some(Shape::Bool) => Value::Bool(false),
        _ => Value::from(""),
    }
}

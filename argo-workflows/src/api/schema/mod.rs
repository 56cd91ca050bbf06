//! What fields every kind has: for strict decoding, and for CustomResourceDefinitions that spell them out.

mod definition;

use std::{collections::BTreeMap, sync::OnceLock};

use serde_json::Value;

pub use definition::{crds, openapi};

/// `Type field:type …` a line. Types: `s` text, `a` text, number or boolean, `i` whole number, `n` number,
/// `b` boolean, `t` time, `p` text or whole number, `x` anything, `[T]` list, `{T}` map, else a type of the
/// table; `!` marks what must be there.
const TABLE: &str = include_str!("types.txt");

/// Type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Scalar,
    Integer,
    Number,
    Boolean,
    Time,
    IntOrText,
    Any,
    List(Box<Type>),
    Map(Box<Type>),
    Named(&'static str),
}

impl Type {
    fn parse(text: &'static str) -> Self {
        let inner = |it: &'static str| Box::new(Self::parse(&it[1..it.len() - 1]));
        match text {
            "s" => Self::Text,
            "a" => Self::Scalar,
            "i" => Self::Integer,
            "n" => Self::Number,
            "b" => Self::Boolean,
            "t" => Self::Time,
            "p" => Self::IntOrText,
            "x" => Self::Any,
            list if list.starts_with('[') => Self::List(inner(list)),
            map if map.starts_with('{') => Self::Map(inner(map)),
            name => Self::Named(name),
        }
    }

    /// As Go calls it in messages.
    fn go(&self) -> String {
        match self {
            Self::Text => "string".to_owned(),
            Self::Integer => "int64".to_owned(),
            Self::Number => "float64".to_owned(),
            Self::Boolean => "bool".to_owned(),
            Self::Time => "v1.Time".to_owned(),
            Self::Scalar => "v1alpha1.AnyString".to_owned(),
            Self::IntOrText => "intstr.IntOrString".to_owned(),
            Self::Any => "interface {}".to_owned(),
            Self::List(inner) => format!("[]{}", inner.go()),
            Self::Map(inner) => format!("map[string]{}", inner.go()),
            Self::Named(name) => format!("v1alpha1.{name}"),
        }
    }
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) required: bool,
}

pub(super) fn types() -> &'static BTreeMap<&'static str, Vec<Field>> {
    static TYPES: OnceLock<BTreeMap<&'static str, Vec<Field>>> = OnceLock::new();
    TYPES.get_or_init(|| {
        TABLE
            .lines()
            .map(|line| {
                let mut words = line.split(' ');
                let name = words.next().unwrap_or_default();
                let fields = words.filter_map(|it| it.split_once(':')).map(|(name, kind)| {
                    let required = kind.ends_with('!');
                    Field { name, kind: Type::parse(kind.trim_end_matches('!')), required }
                });
                (name, fields.collect())
            })
            .collect()
    })
}

/// The paths of fields that an object of `kind` has and its type has not, sorted as they are met.
#[must_use]
pub fn unknown_fields(kind: &str, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((name, _)) = types().get_key_value(kind) {
        unknown(&Type::Named(name), object, "", &mut found);
    }
    found
}

fn unknown(kind: &Type, value: &Value, path: &str, found: &mut Vec<String>) {
    match (kind, value) {
        (Type::List(inner), Value::Array(list)) => {
            for (i, it) in list.iter().enumerate() {
                unknown(inner, it, &format!("{path}[{i}]"), found);
            }
        }
        (Type::Map(inner), Value::Object(map)) => {
            for (key, it) in sorted(map) {
                unknown(inner, it, &join(path, key), found);
            }
        }
        (Type::Named(name), Value::Object(map)) => {
            let Some(fields) = types().get(name) else { return };
            for (key, it) in sorted(map) {
                match fields.iter().find(|it| it.name == key) {
                    Some(field) => unknown(&field.kind, it, &join(path, key), found),
                    None => found.push(join(path, key)),
                }
            }
        }
        _ => {}
    }
}

fn sorted(map: &serde_json::Map<String, Value>) -> BTreeMap<&String, &Value> {
    map.iter().collect()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The first field whose value has the wrong JSON type, in the words of Go's decoder.
#[must_use]
pub fn mismatch(kind: &str, object: &Value) -> Option<String> {
    let (name, _) = types().get_key_value(kind)?;
    wrong(&Type::Named(name), object, name, "")
}

fn wrong(kind: &Type, value: &Value, owner: &str, path: &str) -> Option<String> {
    let is = match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = match kind {
        Type::Any => true,
        Type::Text | Type::Time => is == "string",
        Type::Scalar => matches!(is, "string" | "number" | "bool"),
        Type::Integer | Type::Number => is == "number",
        Type::Boolean => is == "bool",
        Type::IntOrText => matches!(is, "string" | "number"),
        Type::List(_) => is == "array",
        Type::Map(_) | Type::Named(_) => is == "object",
    };
    if !fits {
        return Some(format!("json: cannot unmarshal {is} into Go struct field {owner}.{path} of type {}", kind.go()));
    }
    match (kind, value) {
        (Type::List(inner), Value::Array(list)) => list.iter().find_map(|it| wrong(inner, it, owner, path)),
        (Type::Map(inner), Value::Object(map)) => {
            sorted(map).into_iter().find_map(|(key, it)| wrong(inner, it, owner, &join(path, key)))
        }
        (Type::Named(name), Value::Object(map)) => {
            let fields = types().get(name)?;
            sorted(map).into_iter().find_map(|(key, it)| {
                let field = fields.iter().find(|it| it.name == key)?;
                wrong(&field.kind, it, name, &join(path, key))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_of_the_table_is_there() {
        fn check(kind: &Type) {
            match kind {
                Type::List(inner) | Type::Map(inner) => check(inner),
                Type::Named(name) => assert!(types().contains_key(name), "{name}"),
                _ => {}
            }
        }
        types().values().flatten().for_each(|it| check(&it.kind));
    }

    #[test]
    fn unknown_fields_are_named_by_their_paths() {
        let object = json!({"kind": "Workflow", "metadata": {}, "x": 1, "spec": {"templates": [
            {"name": "a", "container": {"image": "i", "nope": true}},
            {"name": "b", "steps": [[{"name": "s", "withItem": []}]]},
        ]}});
        assert_eq!(
            unknown_fields("Workflow", &object),
            ["spec.templates[0].container.nope", "spec.templates[1].steps[0][0].withItem", "x"]
        );
    }

    #[test]
    fn wrong_types_are_told_as_go_tells_them() {
        let object = json!({"spec": {"arguments": {"parameters": {"a": 1}}}});
        assert_eq!(
            mismatch("Workflow", &object).unwrap(),
            "json: cannot unmarshal object into Go struct field Arguments.spec.arguments.parameters of type []v1alpha1.Parameter"
        );
    }
}

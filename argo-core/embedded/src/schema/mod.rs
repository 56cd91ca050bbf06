//! The field types of the built-in kinds: what a typed server decodes, drops and refuses.

mod descriptions;
mod protobuf;
mod typed;
mod zero;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use argo_lang::quantity::Quantity;
use serde_json::Value;

pub(crate) use descriptions::described;
pub(crate) use protobuf::decode as decode_protobuf;
pub(crate) use typed::problem as typed_problem;
pub(crate) use zero::zero_of;

static TYPES: LazyLock<BTreeMap<&'static str, TypeDef>> = LazyLock::new(|| parse(include_str!("types.txt")));

/// Optional fields that are no pointers in Go, by type: a zero there is nothing.
static OMITTED: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    include_str!("omitted.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.collect()))
        })
        .collect()
});

/// Optional lists that are another thing when they are empty than when they are not there: what is empty is refused.
const MEANT_EMPTY: [(&str, &str); 2] =
    [("autoscaling.v2.HPAScalingRules", "policies"), ("networking.v1.IngressSpec", "rules")];

/// A type: its fields in order of name.
#[derive(Debug, Default)]
pub(crate) struct TypeDef {
    pub(crate) fields: BTreeMap<&'static str, Field>,
    pub(crate) atomic: bool,
}

/// A field of a type.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) required: bool,
    pub(crate) shape: Shape,
    pub(crate) list: ListType,
    pub(crate) atomic: bool,
    /// Strategic merge: by this key, or as a set of scalars if empty.
    pub(crate) merge_key: Option<&'static str>,
    pub(crate) retain_keys: bool,
    pub(crate) default: Option<Value>,
}

/// How list items relate in server-side apply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ListType {
    Atomic,
    Set,
    Map(Vec<&'static str>),
}

/// The shape of a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    String,
    Int32,
    Int64,
    Number,
    Bool,
    Bytes,
    Quantity,
    Time,
    MicroTime,
    IntOrString,
    Any,
    List(Box<Shape>),
    Map(Box<Shape>),
    Type(&'static str),
}

/// All types by name.
pub(crate) fn types() -> &'static BTreeMap<&'static str, TypeDef> {
    &TYPES
}

/// The name of a kind's type: `apps.v1.Deployment`.
pub(crate) fn type_name(group: &str, version: &str, kind: &str) -> String {
    let group = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() };
    format!("{group}.{version}.{kind}")
}

/// Brings an object of a built-in kind into the form a typed server keeps: unknown fields, nulls and empty optional lists and maps go.
/// Returns the paths of unknown fields.
///
/// # Errors
/// A value of the wrong type, in the words of Go's decoder.
pub(crate) fn prune(group: &str, version: &str, kind: &str, object: &mut Value) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    if let Some((name, _)) = TYPES.get_key_value(type_name(group, version, kind).as_str()) {
        clean(object, &Shape::Type(name), "", kind, &mut unknown)?;
        zero::fill(object, &Shape::Type(name));
    }
    Ok(unknown)
}

/// Puts zero values where a typed server shows them.
pub(crate) fn fill(group: &str, version: &str, kind: &str, object: &mut Value) {
    if let Some((name, _)) = TYPES.get_key_value(type_name(group, version, kind).as_str()) {
        zero::fill(object, &Shape::Type(name));
    }
}

/// As [`prune`], for the metadata of a custom resource.
///
/// # Errors
/// A value of the wrong type.
pub(crate) fn prune_metadata(metadata: &mut Value, unknown: &mut Vec<String>) -> Result<(), String> {
    let mut inner = Vec::new();
    clean(metadata, &Shape::Type("meta.v1.ObjectMeta"), "", "ObjectMeta", &mut inner)?;
    unknown.extend(inner.into_iter().map(|path| format!("metadata.{path}")));
    Ok(())
}

fn clean(value: &mut Value, shape: &Shape, path: &str, owner: &str, unknown: &mut Vec<String>) -> Result<(), String> {
    let wrong = |value: &Value, wanted: &str| {
        let number;
        let actual = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(literal) if wanted.starts_with("int") => {
                number = format!("number {literal}");
                &number
            }
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Err(format!(
            "json: cannot unmarshal {actual} into Go struct field {owner}.{} of type {wanted}",
            without_indexes(path)
        ))
    };
    match shape {
        Shape::Any => Ok(()),
        Shape::Bytes if !value.is_string() => wrong(value, "[]uint8"),
        Shape::Bytes => match illegal_base64(value.as_str().unwrap_or_default()) {
            Some(at) => Err(format!("illegal base64 data at input byte {at}")),
            None => Ok(()),
        },
        Shape::String | Shape::Time | Shape::MicroTime => {
            if !value.is_string() {
                return wrong(
                    value,
                    if matches!(shape, Shape::Time | Shape::MicroTime) { "v1.Time" } else { "string" },
                );
            }
            if matches!(shape, Shape::Time | Shape::MicroTime)
                && let Some(text) = value.as_str()
                && !text.is_empty()
                && text.parse::<jiff::Timestamp>().is_err()
            {
                return Err(format!(
                    "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
                ));
            }
            match (shape, value.as_str()) {
                (Shape::MicroTime, Some(text)) => micro_time(text),
                _ => Ok(()),
            }
        }
        Shape::Int32 => match value.as_i64() {
            Some(number) if i32::try_from(number).is_ok() => Ok(()),
            _ => wrong(value, "int32"),
        },
        Shape::Int64 => {
            if value.as_i64().is_some() {
                Ok(())
            } else {
                wrong(value, "int64")
            }
        }
        Shape::Number => {
            if value.is_number() {
                Ok(())
            } else {
                wrong(value, "float64")
            }
        }
        Shape::Bool => {
            if value.is_boolean() {
                Ok(())
            } else {
                wrong(value, "bool")
            }
        }
        Shape::IntOrString => {
            if value.is_string() || value.as_i64().is_some() {
                Ok(())
            } else {
                wrong(value, "intstr.IntOrString")
            }
        }
        Shape::Quantity => match value {
            Value::String(_) | Value::Number(_) => quantity(value),
            _ => wrong(value, "resource.Quantity"),
        },
        Shape::List(inner) => {
            let Some(items) = value.as_array_mut() else { return wrong(value, &go_name(shape)) };
            for (index, item) in items.iter_mut().enumerate() {
                if item.is_null() {
                    *item = zero_item(inner);
                }
                clean(item, inner, &format!("{path}[{index}]"), owner, unknown)?;
            }
            Ok(())
        }
        Shape::Map(inner) => {
            let Some(fields) = value.as_object_mut() else { return wrong(value, &go_name(shape)) };
            fields.retain(|_, value| !value.is_null());
            for (field, item) in fields.iter_mut() {
                // Go's decoder does not name keys and indexes in errors; unknown fields are named in full.
                match **inner {
                    Shape::Type(_) => clean(item, inner, &crate::crd::child(path, field), owner, unknown)?,
                    _ => clean(item, inner, path, owner, unknown)?,
                }
            }
            Ok(())
        }
        Shape::Type(name) => {
            let Some(def) = TYPES.get(name) else { return Ok(()) };
            let type_name = name.rsplit('.').next().unwrap_or(name);
            let Some(fields) = value.as_object_mut() else { return wrong(value, &go_name(shape)) };
            fields.retain(|field, value| {
                if !def.fields.contains_key(field.as_str()) {
                    unknown.push(crate::crd::child(path, field));
                    return false;
                }
                !value.is_null()
            });
            for (field, value) in fields.iter_mut() {
                if let Some(def) = def.fields.get(field.as_str()) {
                    clean(value, &def.shape, &crate::crd::child(path, field), type_name, unknown)?;
                }
            }
            let omitted = OMITTED.get(name).map_or(&[][..], Vec::as_slice);
            fields.retain(|field, value| {
                let Some(def) = def.fields.get(field.as_str()) else { return false };
                if is_zero(value) && omitted.contains(&field.as_str()) {
                    return false;
                }
                def.required
                    || match (&def.shape, &*value) {
                        (Shape::List(_), Value::Array(items)) => {
                            !items.is_empty() || MEANT_EMPTY.contains(&(*name, field.as_str()))
                        }
                        (Shape::Map(_), Value::Object(fields)) => !fields.is_empty(),
                        _ => true,
                    }
            });
            Ok(())
        }
    }
}

/// An amount in its canonical form.
fn quantity(value: &mut Value) -> Result<(), String> {
    let text = match &*value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.is_empty() {
        *value = Value::from("0");
        return Ok(());
    }
    let amount = Quantity::parse(&text).map_err(|error| error.to_string())?;
    // No amount is finer than a thousandth.
    let coarse = Quantity::of_millis(amount.milli_value());
    *value = Value::String(if amount == coarse { amount.to_string() } else { coarse.to_string() });
    Ok(())
}

/// Times of events and leases have six digits behind the point.
fn micro_time(text: &str) -> Result<(), String> {
    const FORM: &str = "2006-01-02T15:04:05.000000Z07:00";
    let Some(rest) = text.get(19..) else { return Ok(()) };
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    match digits {
        6 => Ok(()),
        _ => Err(format!("parsing time {text:?} as {FORM:?}: cannot parse {rest:?} as \".000000\"")),
    }
}

/// What Go's decoder makes of a null in a list.
fn zero_item(shape: &Shape) -> Value {
    match shape {
        Shape::Type(_) => Value::Object(serde_json::Map::new()),
        Shape::String => Value::from(""),
        Shape::Int32 | Shape::Int64 | Shape::Number => Value::from(0),
        Shape::Bool => Value::Bool(false),
        _ => Value::Null,
    }
}

/// Whether a scalar is Go's zero value.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Go's decoder names fields, not places in lists.
fn without_indexes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// Where a text ceases to be base64.
fn illegal_base64(text: &str) -> Option<usize> {
    if base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).is_ok() {
        return None;
    }
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/');
    Some(text.bytes().position(|c| !legal(c)).unwrap_or(text.len() / 4 * 4))
}

fn go_name(shape: &Shape) -> String {
    match shape {
        Shape::String | Shape::Bytes => "string".to_owned(),
        Shape::Int32 => "int32".to_owned(),
        Shape::Int64 => "int64".to_owned(),
        Shape::Bool => "bool".to_owned(),
        Shape::Number => "float64".to_owned(),
        Shape::Quantity => "resource.Quantity".to_owned(),
        Shape::Time | Shape::MicroTime => "v1.Time".to_owned(),
        Shape::IntOrString => "intstr.IntOrString".to_owned(),
        Shape::Any => "interface {}".to_owned(),
        Shape::List(inner) => format!("[]{}", go_name(inner)),
        Shape::Map(inner) => format!("map[string]{}", go_name(inner)),
        // `autoscaling.v2.HorizontalPodAutoscalerStatus` without its group.
        Shape::Type(name) => name.split_once('.').map_or(*name, |(_, rest)| rest).to_owned(),
    }
}

fn parse(table: &'static str) -> BTreeMap<&'static str, TypeDef> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let fields = words.filter_map(field).collect();
            Some((name.trim_end_matches('%'), TypeDef { fields, atomic: name.ends_with('%') }))
        })
        .collect()
}

fn field(word: &'static str) -> Option<(&'static str, Field)> {
    let (name, rest) = word.split_once(':')?;
    let (rest, default) = match rest.split_once('=') {
        Some((rest, default)) => (rest, serde_json::from_str(default).ok()),
        None => (rest, None),
    };
    let (rest, retain_keys) = rest.strip_suffix('~').map_or((rest, false), |rest| (rest, true));
    let (rest, merge_key) = rest.split_once('^').map_or((rest, None), |(rest, key)| (rest, Some(key)));
    let (rest, atomic) = rest.strip_suffix('%').map_or((rest, false), |rest| (rest, true));
    let (shape_text, list) = match rest.split_once('@') {
        None => (rest, ListType::Atomic),
        Some((rest, "")) => (rest, ListType::Set),
        Some((rest, keys)) => (rest, ListType::Map(keys.split(',').collect())),
    };
    let required = name.ends_with('!');
    Some((
        name.trim_end_matches('!'),
        Field { required, shape: shape(shape_text), list, atomic, merge_key, retain_keys, default },
    ))
}

fn shape(text: &'static str) -> Shape {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Shape::List(Box::new(shape(inner)));
    }
    if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        return Shape::Map(Box::new(shape(inner)));
    }
    match text {
        "s" => Shape::String,
        "i" => Shape::Int32,
        "l" => Shape::Int64,
        "n" => Shape::Number,
        "b" => Shape::Bool,
        "y" => Shape::Bytes,
        "q" => Shape::Quantity,
        "t" => Shape::Time,
        "T" => Shape::MicroTime,
        "x" => Shape::IntOrString,
        "o" => Shape::Any,
        name => Shape::Type(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn table_is_closed_and_every_builtin_kind_has_a_type() {
        fn check(shape: &Shape) {
            match shape {
                Shape::List(inner) | Shape::Map(inner) => check(inner),
                Shape::Type(name) => assert!(TYPES.contains_key(name), "type {name} is missing"),
                _ => {}
            }
        }
        TYPES.values().flat_map(|def| def.fields.values()).for_each(|field| check(&field.shape));
        for def in crate::resources::builtin() {
            for version in &def.versions {
                let name = type_name(def.group(), &version.name, &def.kind);
                assert!(TYPES.contains_key(name.as_str()), "{name} has no type");
            }
        }
    }

    #[test]
    fn unknown_fields_nulls_and_empty_optional_lists_go() {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a", "labels": {}, "extra": 1 },
            "spec": { "replicas": 2, "paused": null, "colour": "red", "selector": {}, "template": { "spec": { "containers": [{ "name": "a", "args": [], "resources": { "limits": { "cpu": 1 } } }] } } },
        });
        let unknown = prune("apps", "v1", "Deployment", &mut object).expect("types fit");
        assert_eq!(unknown, ["metadata.extra", "spec.colour"]);
        assert_eq!(
            object["spec"],
            json!({ "replicas": 2, "selector": {}, "strategy": {}, "template": { "metadata": {}, "spec": { "containers": [{ "name": "a", "resources": { "limits": { "cpu": "1" } } }] } } })
        );
        assert_eq!(object["metadata"], json!({ "name": "a" }));
    }

    #[test]
    fn wrong_types_are_named_as_go_names_them() {
        let mut object = json!({ "spec": { "replicas": "two" } });
        let error = prune("apps", "v1", "Deployment", &mut object).expect_err("replicas is a number");
        assert_eq!(
            error,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
    }
}

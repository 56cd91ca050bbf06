//! The protobuf form in which kubectl and Go clients send built-in kinds: decoded by the table of types and a table of field numbers.
//! Answers are always JSON, which those clients accept as well.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use serde_json::{Map, Value};

use super::{Shape, TypeDef, type_name, types};

const MAGIC: &[u8] = b"k8s\0";
const DEPTH: usize = 64;

/// Messages by type name: field number to what it is.
static MESSAGES: LazyLock<BTreeMap<&'static str, BTreeMap<u64, Slot>>> =
    LazyLock::new(|| parse(include_str!("proto.txt")));

#[derive(Debug)]
enum Slot {
    /// A JSON field; whether a zero or empty value means something.
    Field(&'static str, bool),
    /// A message whose fields stand in its parent.
    Inline(&'static str),
}

/// Decodes a body of `application/vnd.kubernetes.protobuf` into the JSON form of its object.
pub(crate) fn decode(body: &[u8]) -> Result<Value, String> {
    let envelope = body
        .strip_prefix(MAGIC)
        .ok_or("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in fields(envelope) {
        match field? {
            (1, Wire::Bytes(bytes)) => {
                for field in fields(bytes) {
                    match field? {
                        (1, Wire::Bytes(bytes)) => api_version = text(bytes),
                        (2, Wire::Bytes(bytes)) => kind = text(bytes),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    // Options carry the group of the resource they are about.
    let name = if kind.ends_with("Options") { format!("meta.v1.{kind}") } else { type_name(group, version, &kind) };
    let (name, def) = types()
        .get_key_value(name.as_str())
        .ok_or_else(|| format!("no kind {kind:?} is registered for version {api_version:?}"))?;
    let mut object = message(raw, name, def, 0)?;
    object.insert("apiVersion".to_owned(), Value::from(api_version));
    object.insert("kind".to_owned(), Value::from(kind));
    Ok(Value::Object(object))
}

fn message(bytes: &[u8], name: &str, def: &TypeDef, depth: usize) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    fill(bytes, name, def, &mut object, depth)?;
    Ok(object)
}

/// `name` is the message, `def` the type whose fields it fills: another one for inline messages.
fn fill(bytes: &[u8], name: &str, def: &TypeDef, object: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
    if depth > DEPTH {
        return Err("too deeply nested".to_owned());
    }
    let slots = MESSAGES.get(name).ok_or_else(|| format!("{name} has no protobuf form"))?;
    for field in fields(bytes) {
        let (number, wire) = field?;
        match slots.get(&number) {
            None => {}
            Some(Slot::Inline(inner)) => {
                if let Wire::Bytes(bytes) = wire {
                    fill(bytes, inner, def, object, depth + 1)?;
                }
            }
            Some(Slot::Field(field, pointer)) => {
                let Some(shape) = def.fields.get(field).map(|field| &field.shape) else { continue };
                add(object, field, shape, *pointer, wire, depth)?;
            }
        }
    }
    Ok(())
}

fn add(
    object: &mut Map<String, Value>,
    field: &str,
    shape: &Shape,
    pointer: bool,
    wire: Wire<'_>,
    depth: usize,
) -> Result<(), String> {
    match shape {
        Shape::List(inner) => {
            let items = object.entry(field.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
            let item = value(inner, wire, depth)?;
            if let Some(items) = items.as_array_mut() {
                items.push(item);
            }
        }
        Shape::Map(inner) => {
            let Wire::Bytes(entry) = wire else { return Err(format!("{field}: not a map entry")) };
            let (mut key, mut item) = (String::new(), None);
            for part in fields(entry) {
                match part? {
                    (1, Wire::Bytes(bytes)) => key = text(bytes),
                    (2, wire) => item = Some(map_value(inner, wire, depth)?),
                    _ => {}
                }
            }
            let item = item.unwrap_or_else(|| {
                if matches!(**inner, Shape::Type(_)) { Value::Object(Map::new()) } else { Value::from("") }
            });
            let entries = object.entry(field.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if let Some(entries) = entries.as_object_mut() {
                entries.insert(key, item);
            }
        }
        shape => {
            let value = value(shape, wire, depth)?;
            let empty = match &value {
                Value::Null => true,
                Value::Bool(value) => !value,
                Value::Number(number) => number.as_f64() == Some(0.0),
                Value::String(text) => text.is_empty(),
                Value::Object(fields) => fields.is_empty(),
                Value::Array(items) => items.is_empty(),
            };
            if !value.is_null() && (pointer || !empty) {
                object.insert(field.to_owned(), value);
            }
        }
    }
    Ok(())
}

/// A list within a map is a message of its own: `ExtraValue { items }`.
fn map_value(shape: &Shape, wire: Wire<'_>, depth: usize) -> Result<Value, String> {
    let (Shape::List(inner), Wire::Bytes(bytes)) = (shape, wire) else { return value(shape, wire, depth) };
    fields(bytes).map(|field| value(inner, field?.1, depth)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn value(shape: &Shape, wire: Wire<'_>, depth: usize) -> Result<Value, String> {
    Ok(match (shape, wire) {
        (Shape::String, Wire::Bytes(bytes)) => Value::from(text(bytes)),
        (Shape::Bytes, Wire::Bytes(bytes)) => Value::from(base64::engine::general_purpose::STANDARD.encode(bytes)),
        (Shape::Int32 | Shape::Int64, Wire::Varint(number)) => Value::from(number.cast_signed()),
        (Shape::Bool, Wire::Varint(number)) => Value::from(number != 0),
        (Shape::Number, Wire::Fixed(number)) => Value::from(f64::from_bits(number)),
        (Shape::Quantity, Wire::Bytes(bytes)) => {
            let quantity = first_bytes(bytes, 1)?.map(text).unwrap_or_default();
            Value::from(if quantity.is_empty() { "0".to_owned() } else { quantity })
        }
        (Shape::Time | Shape::MicroTime, Wire::Bytes(bytes)) => time(bytes, *shape == Shape::MicroTime)?,
        (Shape::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes)?,
        (Shape::Any, Wire::Bytes(bytes)) => match first_bytes(bytes, 1)? {
            Some(raw) => serde_json::from_slice(raw).unwrap_or(Value::Null),
            None => Value::Null,
        },
        (Shape::Type(name), Wire::Bytes(bytes)) => {
            let def = types().get(name).ok_or_else(|| format!("{name} has no type"))?;
            Value::Object(message(bytes, name, def, depth + 1)?)
        }
        (shape, _) => return Err(format!("proto: wrong wire type for {shape:?}")),
    })
}

fn time(bytes: &[u8], micro: bool) -> Result<Value, String> {
    let (mut seconds, mut nanos, mut given) = (0i64, 0i32, false);
    for field in fields(bytes) {
        match field? {
            (1, Wire::Varint(number)) => (seconds, given) = (number.cast_signed(), true),
            (2, Wire::Varint(number)) => nanos = i32::try_from(number.cast_signed()).unwrap_or(0),
            _ => {}
        }
    }
    if !given {
        return Ok(Value::Null);
    }
    let at = jiff::Timestamp::new(seconds, nanos).map_err(|error| error.to_string())?;
    Ok(Value::from(at.strftime(if micro { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" }).to_string()))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let (mut is_text, mut number, mut string) = (false, 0i64, String::new());
    for field in fields(bytes) {
        match field? {
            (1, Wire::Varint(kind)) => is_text = kind == 1,
            (2, Wire::Varint(value)) => number = value.cast_signed(),
            (3, Wire::Bytes(value)) => string = text(value),
            _ => {}
        }
    }
    Ok(if is_text { Value::from(string) } else { Value::from(number) })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn first_bytes(bytes: &[u8], wanted: u64) -> Result<Option<&[u8]>, String> {
    for field in fields(bytes) {
        if let (number, Wire::Bytes(bytes)) = field?
            && number == wanted
        {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message in order.
fn fields(mut rest: &[u8]) -> impl Iterator<Item = Result<(u64, Wire<'_>), String>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || failed {
            return None;
        }
        let next = field(&mut rest);
        failed = next.is_none();
        Some(next.ok_or_else(|| "unexpected EOF".to_owned()))
    })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let tag = varint(rest)?;
    let wire = match tag & 7 {
        0 => Wire::Varint(varint(rest)?),
        1 => Wire::Fixed(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Wire::Bytes(take(rest, length)?)
        }
        5 => Wire::Fixed(u64::from(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))),
        _ => return None,
    };
    Some((tag >> 3, wire))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn parse(table: &'static str) -> BTreeMap<&'static str, BTreeMap<u64, Slot>> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let slots = words
                .filter_map(|word| {
                    let (field, number) = word.split_once('=')?;
                    let slot = match field.strip_prefix('*') {
                        Some(inner) => Slot::Inline(inner),
                        None => Slot::Field(field, number.ends_with('?')),
                    };
                    Some((number.trim_end_matches('?').parse().ok()?, slot))
                })
                .collect();
            Some((name, slots))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(content.len()).expect("short")];
        out.extend_from_slice(content);
        out
    }

    #[test]
    fn deployment_with_inline_volume_and_zero_replicas_is_decoded() {
        // spec { replicas: 0, template { spec { volumes [{ name: "v", <VolumeSource> { emptyDir {} } }] } }, minReadySeconds: 0 }
        let volume = [bytes(1, b"v"), bytes(2, &bytes(2, b""))].concat();
        let template = bytes(2, &bytes(1, &volume));
        let spec = [vec![1 << 3, 0], bytes(3, &template), vec![5 << 3, 0]].concat();
        let raw = [bytes(1, &bytes(1, b"web")), bytes(2, &spec)].concat();
        let kind = [bytes(1, b"apps/v1"), bytes(2, b"Deployment")].concat();
        let body = [MAGIC.to_vec(), bytes(1, &kind), bytes(2, &raw)].concat();
        assert_eq!(
            decode(&body).expect("decodes"),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
                "spec": { "replicas": 0, "template": { "spec": { "volumes": [{ "name": "v", "emptyDir": {} }] } } },
            })
        );
    }

    #[test]
    fn cut_off_message_is_an_error() {
        assert!(decode(b"k8s\0\x0a\x7f").is_err());
        assert!(decode(b"nothing").is_err());
    }
}

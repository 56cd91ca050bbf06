//! Structural schemas of custom resources: pruning, defaulting and validation, with the words kube-apiserver uses.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use parking_lot::Mutex;
use regex::Regex;
use serde_json::{Map, Value};

use crate::server::Cause;

/// How deep objects are followed.
const DEPTH: usize = 128;

static PATTERNS: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);

pub(super) fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name) == Some(&Value::Bool(true))
}

pub(crate) fn child(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Checks a value against a schema.
pub(super) fn validate(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    validate_at(value, schema, path, causes, 0);
}

fn validate_at(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>, depth: usize) {
    if depth > DEPTH {
        causes.push(Cause::invalid(path, &Value::Null, "too deeply nested"));
        return;
    }
    if value.is_null() && flag(schema, "nullable") {
        return;
    }
    if !check_type(value, schema, path, causes) {
        return;
    }
    check_choice(value, schema, path, causes);
    match value {
        Value::String(text) => check_string(text, schema, path, causes),
        Value::Number(_) => check_number(value, schema, path, causes),
        Value::Array(items) => {
            check_count(items.len(), schema, "Items", path, causes);
            check_list_type(items, schema, path, causes);
            if let Some(schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    validate_at(item, schema, &format!("{path}[{index}]"), causes, depth + 1);
                }
            }
        }
        Value::Object(fields) => {
            check_count(fields.len(), schema, "Properties", path, causes);
            if flag(schema, "x-kubernetes-embedded-resource") {
                for field in ["apiVersion", "kind"] {
                    if fields.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                        causes.push(Cause::required(child(path, field), ""));
                    }
                }
            }
            for field in
                schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                if !fields.contains_key(field) {
                    causes.push(Cause::required(child(path, field), ""));
                }
            }
            check_fields(fields, schema, path, causes, depth);
        }
        Value::Bool(_) | Value::Null => {}
    }
    check_logic(value, schema, path, causes, depth);
}

fn check_fields(fields: &Map<String, Value>, schema: &Value, path: &str, causes: &mut Vec<Cause>, depth: usize) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties").filter(|schema| schema.is_object());
    for (field, value) in fields {
        if let Some(schema) = properties.and_then(|properties| properties.get(field)).or(additional) {
            validate_at(value, schema, &child(path, field), causes, depth + 1);
        }
    }
}

/// A cause of a value that stands somewhere.
pub(super) fn below(path: &str, mut cause: Cause) -> Cause {
    cause.field = match cause.field.as_str() {
        "" | "<nil>" => path.to_owned(),
        field if field.starts_with('[') => format!("{path}{field}"),
        field => format!("{path}.{field}"),
    };
    cause
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_type(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) -> bool {
    let actual = type_name(value);
    if flag(schema, "x-kubernetes-int-or-string") {
        if matches!(actual, "integer" | "string") {
            return true;
        }
        causes.push(Cause::type_invalid(
            path,
            &format!("{actual:?}"),
            &format!("{path} in body must be of type integer,string: {actual:?}"),
        ));
        return false;
    }
    let Some(wanted) = schema.get("type").and_then(Value::as_str) else { return true };
    let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let fits = match wanted {
        "integer" => actual == "integer" || (actual == "number" && whole),
        "number" => matches!(actual, "integer" | "number"),
        wanted => wanted == actual,
    };
    if !fits {
        causes.push(Cause::type_invalid(
            path,
            &format!("{actual:?}"),
            &format!("{path} in body must be of type {wanted}: {actual:?}"),
        ));
    }
    fits
}

fn check_choice(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(choices) = schema.get("enum").and_then(Value::as_array) else { return };
    if !choices.contains(value) {
        let supported: Vec<String> =
            choices.iter().map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned)).collect();
        causes.push(Cause::not_supported(path, value, &supported));
    }
}

/// Of length and pattern the first that fails is named.
fn check_string(text: &str, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let value = Value::from(text);
    let length = text.chars().count() as u64;
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
    let pattern = schema.get("pattern").and_then(Value::as_str);
    if let Some(limit) = limit("maxLength").filter(|limit| length > *limit) {
        let message = format!("Too long: may not be more than {limit} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", field: path.to_owned(), message });
    } else if let Some(limit) = limit("minLength").filter(|limit| length < *limit) {
        causes.push(Cause::invalid(path, &value, &format!("{path} in body should be at least {limit} chars long")));
    } else if let Some(pattern) = pattern.filter(|pattern| !matches(pattern, text)) {
        causes.push(Cause::invalid(path, &value, &format!("{path} in body should match '{pattern}'")));
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && !check_format(format, text)
    {
        let message = format!("{path} in body must be of type {format}: {text:?}");
        causes.push(Cause::type_invalid(path, &value.to_string(), &message));
    }
}

/// A pattern that is no regular expression lets everything pass: such a schema is refused when it is stored.
fn matches(pattern: &str, text: &str) -> bool {
    let mut patterns = PATTERNS.lock();
    let compiled = patterns.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    compiled.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

fn check_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| {
            address.parse::<std::net::IpAddr>().is_ok_and(|address| {
                bits.parse::<u8>().is_ok_and(|bits| bits <= if address.is_ipv4() { 32 } else { 128 })
            })
        }),
        "byte" => base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).is_ok(),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => {
            let hex = |part: &str, length: usize| part.len() == length && part.chars().all(|c| c.is_ascii_hexdigit());
            let parts: Vec<&str> = text.split('-').collect();
            matches!(parts[..], [a, b, c, d, e] if hex(a, 8) && hex(b, 4) && hex(c, 4) && hex(d, 4) && hex(e, 12))
        }
        "hostname" => {
            !text.is_empty()
                && text.len() <= 255
                && text
                    .split('.')
                    .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        }
        "email" => text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.len() > 1),
        // Formats the API server does not know are not checked.
        _ => true,
    }
}

fn check_number(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(number) = value.as_f64() else { return };
    let bound = |name: &str| schema.get(name).filter(|bound| bound.is_number());
    let mut refuse = |what: &str, bound: &Value| {
        causes.push(Cause::invalid(path, value, &format!("{path} in body should be {what} {bound}")))
    };
    if let Some(bound) = bound("minimum")
        && let Some(limit) = bound.as_f64()
    {
        let exclusive = flag(schema, "exclusiveMinimum");
        if number < limit || (exclusive && number <= limit) {
            refuse(if exclusive { "greater than" } else { "greater than or equal to" }, bound);
        }
    }
    if let Some(bound) = bound("maximum")
        && let Some(limit) = bound.as_f64()
    {
        let exclusive = flag(schema, "exclusiveMaximum");
        if number > limit || (exclusive && number >= limit) {
            refuse(if exclusive { "less than" } else { "less than or equal to" }, bound);
        }
    }
    if let Some(bound) = bound("multipleOf")
        && let Some(step) = bound.as_f64()
        && step > 0.0
        && (number / step).fract() != 0.0
    {
        refuse("a multiple of", bound);
    }
    let range = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
        _ => None,
    };
    if let Some((low, high)) = range
        && (number < low || number > high)
    {
        causes.push(Cause::invalid(path, value, &format!("{path} in body must be of type int32: \"integer\"")));
    }
}

fn check_count(count: usize, schema: &Value, what: &str, path: &str, causes: &mut Vec<Cause>) {
    let limit = |side: &str| schema.get(format!("{side}{what}")).and_then(Value::as_u64);
    if let Some(limit) = limit("max")
        && count as u64 > limit
    {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            field: path.to_owned(),
            message: format!("Too many: {count}: must have at most {limit} items"),
        });
    }
    if let Some(limit) = limit("min")
        && (count as u64) < limit
    {
        causes.push(Cause::invalid(
            path,
            &Value::from(count),
            &format!("{path} in body should have at least {limit} {}", what.to_lowercase()),
        ));
    }
}

fn check_list_type(items: &[Value], schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let keys: Vec<&str> = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let identity: Box<dyn Fn(&Value) -> Value> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => Box::new(Value::clone),
        Some("map") => Box::new(move |item: &Value| {
            Value::Object(keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone()))).collect())
        }),
        _ => return,
    };
    let mut seen: Vec<Value> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let id = identity(item);
        if seen.contains(&id) {
            causes.push(Cause::duplicate(format!("{path}[{index}]"), &id));
        } else {
            seen.push(id);
        }
    }
}

/// allOf, anyOf, oneOf, not. What is wrong with the whole has no field of its own.
fn check_logic(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>, depth: usize) {
    let failures = |schema: &Value| {
        let mut inner = Vec::new();
        validate_at(value, schema, path, &mut inner, depth + 1);
        inner
    };
    let refusal = |message: &str| Cause::invalid("<nil>", &Value::from(""), &format!("{path:?} {message}"));
    let list = |name: &str| schema.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let failed: Vec<Cause> = list("allOf").iter().flat_map(failures).collect();
    if !failed.is_empty() {
        causes.push(refusal("must validate all the schemas (allOf)"));
        causes.extend(failed);
    }
    if let Some(first) = list("anyOf").first()
        && !list("anyOf").iter().any(|schema| failures(schema).is_empty())
    {
        causes.push(refusal("must validate at least one schema (anyOf)"));
        causes.extend(failures(first));
    }
    if let Some(first) = list("oneOf").first() {
        match list("oneOf").iter().filter(|schema| failures(schema).is_empty()).count() {
            1 => {}
            0 => {
                causes.push(refusal("must validate one and only one schema (oneOf). Found none valid"));
                causes.extend(failures(first));
            }
            count => {
                let message =
                    format!("must validate one and only one schema (oneOf). Found {count} valid alternatives");
                causes.push(refusal(&message));
            }
        }
    }
    if let Some(not) = schema.get("not")
        && failures(not).is_empty()
    {
        causes.push(refusal("must not validate the schema (not)"));
    }
}

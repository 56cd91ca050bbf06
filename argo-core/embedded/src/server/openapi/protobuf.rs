//! `/openapi/v2` in protobuf, as `openapi.v2.Document` of gnostic: the only form in which Go clients ask for it. Written are definitions,
//! and of operations what clients look for: kinds and query parameters.

use serde_json::Value;

/// A document.
pub(super) fn document(swagger: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, swagger.get("swagger"));
    let mut info = Message::default();
    info.text(1, swagger.pointer("/info/title"));
    info.text(2, swagger.pointer("/info/version"));
    out.message(2, &info);
    let mut paths = Message::default();
    for (path, item) in fields(swagger.get("paths")) {
        paths.named(2, path, &path_item(item));
    }
    out.message(8, &paths);
    let mut definitions = Message::default();
    for (name, definition) in fields(swagger.get("definitions")) {
        definitions.named(1, name, &schema(definition));
    }
    out.message(9, &definitions);
    out.0
}

fn path_item(item: &Value) -> Message {
    let mut out = Message::default();
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        let Some(operation) = item.get(method) else { continue };
        let mut shown = Message::default();
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let mut query = Message::default();
            query.text(2, parameter.get("in"));
            query.text(4, parameter.get("name"));
            query.text(6, parameter.get("type"));
            // ParametersItem.parameter.non_body_parameter.query_parameter_sub_schema
            let parameter = Message::around(2, &Message::around(3, &query));
            shown.message(8, &Message::around(1, &parameter));
        }
        extensions(13, operation, &mut shown);
        out.message(number, &shown);
    }
    out
}

fn schema(schema: &Value) -> Message {
    let mut out = Message::default();
    out.text(1, schema.get("$ref"));
    out.text(2, schema.get("format"));
    out.text(4, schema.get("description"));
    if let Some(default) = schema.get("default") {
        out.message(5, &any(default));
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        out.text(19, Some(name));
    }
    for value in schema.get("enum").and_then(Value::as_array).into_iter().flatten() {
        out.message(20, &any(value));
    }
    match schema.get("additionalProperties") {
        Some(Value::Bool(allowed)) => {
            let mut item = Message::default();
            item.number(2, u64::from(*allowed));
            out.message(21, &item);
        }
        Some(inner) => out.message(21, &Message::around(1, &self::schema(inner))),
        None => {}
    }
    if let Some(kind) = schema.get("type") {
        let mut item = Message::default();
        item.text(1, Some(kind));
        out.message(22, &item);
    }
    if let Some(items) = schema.get("items") {
        out.message(23, &Message::around(1, &self::schema(items)));
    }
    let mut properties = Message::default();
    for (name, property) in fields(schema.get("properties")) {
        properties.named(1, name, &self::schema(property));
    }
    if !properties.0.is_empty() {
        out.message(25, &properties);
    }
    extensions(31, schema, &mut out);
    out
}

fn extensions(number: u32, of: &Value, out: &mut Message) {
    for (name, value) in fields(Some(of)).filter(|(name, _)| name.starts_with("x-")) {
        out.named(number, name, &any(value));
    }
}

/// Any value, as YAML: JSON is YAML.
fn any(value: &Value) -> Message {
    let mut out = Message::default();
    out.bytes(2, value.to_string().as_bytes());
    out
}

fn fields(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

/// A message being written.
#[derive(Default)]
struct Message(Vec<u8>);

// === impl Message ===

impl Message {
    fn around(number: u32, inner: &Self) -> Self {
        let mut out = Self::default();
        out.message(number, inner);
        out
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, number: u32, value: u64) {
        self.varint(u64::from(number << 3));
        self.varint(value);
    }

    fn bytes(&mut self, number: u32, value: &[u8]) {
        self.varint(u64::from(number << 3 | 2));
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn message(&mut self, number: u32, inner: &Self) {
        self.bytes(number, &inner.0);
    }

    /// An entry of what gnostic writes for a map: name and value.
    fn named(&mut self, number: u32, name: &str, value: &Self) {
        let mut entry = Self::default();
        entry.bytes(1, name.as_bytes());
        entry.message(2, value);
        self.message(number, &entry);
    }

    fn text(&mut self, number: u32, value: Option<&Value>) {
        if let Some(text) = value.and_then(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_is_written_field_by_field() {
        let written =
            schema(&json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } } }));
        let expected: Vec<u8> = [
            [0x9a, 0x01, 1].as_slice(),
            b"a", // required
            &[0xb2, 0x01, 8, 0x0a, 6],
            b"object", // type
            &[0xca, 0x01, 18, 0x0a, 16, 0x0a, 1],
            b"a", // properties: name,
            &[0x12, 11, 0xb2, 0x01, 8, 0x0a, 6],
            b"string",
        ]
        .concat();
        assert_eq!(written.0, expected);
    }
}

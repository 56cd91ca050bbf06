//! The types that schemas declare, with the sizes that their values may have.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::types::Type;

/// Bytes of the largest request, as upstream's estimates have it.
const LARGEST: i64 = 3 * 1024 * 1024;
const RESERVED: [&str; 19] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
];

/// The type of a part of an object.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    kind: Kind,
    /// Most characters, items or entries.
    pub(crate) most: u64,
    /// Bytes of the smallest value.
    pub(crate) least_bytes: i64,
    fields: BTreeMap<String, Arc<Declared>>,
    /// What a list or a map holds.
    pub(crate) held: Option<Arc<Declared>>,
}

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Dyn,
    Simple(&'static str),
    List,
    Map,
    Object,
}

// === impl Declared ===

impl Declared {
    /// What a schema declares; `root` for whole objects. Nothing where a schema says too little.
    pub(crate) fn of(schema: &Value, root: bool) -> Option<Arc<Self>> {
        let number = |field: &str| schema.get(field).and_then(Value::as_i64).map(|it| it.max(0));
        let simple = |name, most: i64, least_bytes| {
            let most = most.unsigned_abs();
            Arc::new(Self { kind: Kind::Simple(name), most, least_bytes, ..Self::default() })
        };
        let is_set = |field: &str| schema.get(field) == Some(&Value::Bool(true));
        if is_set("x-kubernetes-int-or-string") {
            let most = number("maxLength").map_or(LARGEST - 2, |it| it.saturating_mul(4)).unsigned_abs();
            return Some(Arc::new(Self { most, least_bytes: 1, ..Self::default() }));
        }
        let nested = |schema: &Value| Self::of(schema, schema["x-kubernetes-embedded-resource"] == true);
        Some(match schema.get("type").and_then(Value::as_str)? {
            "array" => {
                let held = nested(schema.get("items").filter(|it| it.is_object())?)?;
                let most = number("maxItems").unwrap_or((LARGEST - 2) / (held.least_bytes + 1)).unsigned_abs();
                Arc::new(Self { kind: Kind::List, most, least_bytes: 2, held: Some(held), ..Self::default() })
            }
            "object" => match schema.get("additionalProperties").filter(|it| it.is_object()) {
                Some(values) if !root => {
                    let held = nested(values)?;
                    let most = number("maxProperties").unwrap_or((LARGEST - 2) / (held.least_bytes + 6)).unsigned_abs();
                    Arc::new(Self { kind: Kind::Map, most, least_bytes: 2, held: Some(held), ..Self::default() })
                }
                _ => Arc::new(Self::object(schema, root, nested)),
            },
            "string" => {
                let most = || match schema.get("enum").and_then(Value::as_array).filter(|it| !it.is_empty()) {
                    Some(values) => {
                        values.iter().filter_map(Value::as_str).map(str::len).max().map_or(0, |it| it as i64)
                    }
                    None => LARGEST - 2,
                };
                match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
                    "byte" => simple("bytes", number("maxLength").unwrap_or(LARGEST - 2), 2),
                    "duration" => simple("duration", 32, 3),
                    "date" => simple("timestamp", 12, 12),
                    "date-time" => simple("timestamp", 32, 21),
                    _ => simple("string", number("maxLength").map_or_else(most, |it| it.saturating_mul(4)), 2),
                }
            }
            "boolean" => simple("bool", 0, 4),
            "number" => simple("double", 0, 1),
            "integer" => simple("int", 0, 1),
            _ => return None,
        })
    }

    fn object(schema: &Value, root: bool, nested: impl Fn(&Value) -> Option<Arc<Self>>) -> Self {
        let mut fields = BTreeMap::new();
        let mut least_bytes = 2;
        let required = |name: &str| {
            schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|it| it == name))
        };
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let Some(declared) = nested(property) else { continue };
            if required(name) && property.get("default").is_none_or(Value::is_null) {
                least_bytes += name.len() as i64 + declared.least_bytes + 4;
            }
            if let Some(name) = escaped(name) {
                fields.insert(name, declared);
            }
        }
        if root {
            let text = serde_json::json!({"type": "string"});
            let metadata = serde_json::json!({"type": "object", "properties": {"name": text, "generateName": text}});
            for (name, implied) in [("kind", &text), ("apiVersion", &text), ("metadata", &metadata)] {
                let narrowed = name == "metadata" || fields.contains_key(name);
                let given = schema.pointer(&format!("/properties/{name}")).filter(|_| narrowed);
                let declared = match (name, given) {
                    ("metadata", Some(given)) => {
                        let mut whole = metadata.clone();
                        for (field, property) in
                            given.get("properties").and_then(Value::as_object).into_iter().flatten()
                        {
                            whole["properties"][field] = property.clone();
                        }
                        nested(&whole)
                    }
                    (_, Some(given)) => nested(given),
                    _ => nested(implied),
                };
                fields.extend(declared.map(|declared| (name.to_owned(), declared)));
            }
        }
        Self { kind: Kind::Object, least_bytes, fields, ..Self::default() }
    }

    /// The type of a field.
    pub(super) fn field(&self, name: &str) -> Option<&Arc<Self>> {
        self.fields.get(name)
    }

    /// The type in expressions.
    pub(crate) fn as_type(self: &Arc<Self>) -> Type {
        let held = || self.held.as_ref().map_or(Type::Dyn, Self::as_type);
        match self.kind {
            Kind::Dyn => Type::Dyn,
            Kind::Simple(name) => Type::simple(name),
            Kind::List => Type::list(held()),
            Kind::Map => Type::Of("map", vec![Type::simple("string"), held()]),
            Kind::Object => Type::Object(self.clone()),
        }
    }

    /// The most of what stands at a path: names of fields, `@items`, `@keys` and `@values`.
    pub(super) fn most_at(&self, path: &[String]) -> Option<u64> {
        let Some((first, rest)) = path.split_first() else { return Some(self.most) };
        match first.as_str() {
            "@items" | "@values" => self.held.as_ref()?.most_at(rest),
            // Names are not bounded by schemas.
            "@keys" => match self.kind {
                Kind::Map if rest.is_empty() => Some(0),
                _ => None,
            },
            name => self.field(name)?.most_at(rest),
        }
    }
}

/// The name of a field in expressions; nothing where it can not be said.
fn escaped(name: &str) -> Option<String> {
    if RESERVED.contains(&name) || name == "void" || name == "while" {
        return Some(format!("__{name}__"));
    }
    let fit = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(fit) || name.is_empty() {
        return None;
    }
    let name = name.replace("__", "__underscores__");
    Some(name.replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__"))
}

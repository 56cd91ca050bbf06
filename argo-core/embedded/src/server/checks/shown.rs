//! How Go shows the values it refuses: internal types have no wire names, and all their fields are there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// Go name, wire name and shape.
type Field = (&'static str, &'static str, &'static str);

/// Internal types by name: Go name, wire name and shape of their fields.
static TYPES: LazyLock<BTreeMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let field = |word: &'static str| {
        let (name, rest) = word.split_once(':')?;
        let (wire, shape) = rest.split_once(':')?;
        Some((name, wire, shape))
    };
    include_str!("internal.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.filter_map(field).collect()))
        })
        .collect()
});

/// The shape of a value in messages.
pub(super) enum Go {
    /// As it is; absent is null.
    Plain,
    /// A text, or an empty one.
    Text,
    /// A number, or zero.
    Number,
    /// A label selector, which has wire names.
    Selector,
    /// An internal type of the core group, with `?` where it may be null.
    Type(&'static str),
    /// A list of these, or null.
    List(&'static Go),
    /// A struct: Go name, wire name, shape. Without `always` an absent one is null.
    Struct { always: bool, fields: &'static [(&'static str, &'static str, Go)] },
}

// === impl Go ===

impl Go {
    /// A pointer to a struct of these fields.
    pub(super) const fn pointer(fields: &'static [(&'static str, &'static str, Self)]) -> Self {
        Self::Struct { always: false, fields }
    }

    /// A struct of these fields.
    pub(super) const fn plain(fields: &'static [(&'static str, &'static str, Self)]) -> Self {
        Self::Struct { always: true, fields }
    }

    pub(super) fn show(&self, value: &Value) -> String {
        let mut out = Writer { text: String::new(), indent: None };
        self.write(value, &mut out);
        out.text
    }

    fn write(&self, value: &Value, out: &mut Writer) {
        match self {
            Self::Plain => out.plain(value),
            Self::Text => out.plain(&Value::from(value.as_str().unwrap_or_default())),
            Self::Number => out.plain(&Value::from(value.as_i64().unwrap_or(0))),
            Self::Type(name) => out.shape(name, value),
            Self::Selector => out.selector(value),
            Self::List(inner) => match value.as_array() {
                None => out.text.push_str("null"),
                Some(items) => out.list(items, |item, out| inner.write(item, out)),
            },
            Self::Struct { always: false, .. } if value.is_null() => out.text.push_str("null"),
            Self::Struct { fields, .. } => {
                let fields: Vec<_> = fields.iter().map(|(name, wire, shape)| (*name, value.get(wire), shape)).collect();
                out.members(&fields, |out, (value, shape)| shape.write(value.unwrap_or(&Value::Null), out));
            }
        }
    }
}

/// Writes JSON as Go does: fields of structs in their order, keys of maps sorted.
struct Writer {
    text: String,
    /// How deep it is, where it is written in lines.
    indent: Option<usize>,
}

impl Writer {
    fn line(&mut self) {
        if let Some(depth) = self.indent {
            self.text.push('\n');
            self.text.push_str(&" ".repeat(depth));
        }
    }

    fn deeper(&mut self, by: isize) {
        self.indent = self.indent.map(|depth| depth.saturating_add_signed(by));
    }

    fn open(&mut self, c: char) {
        self.text.push(c);
        self.deeper(1);
    }

    fn close(&mut self, c: char, empty: bool) {
        self.deeper(-1);
        if !empty {
            self.line();
        }
        self.text.push(c);
    }

    fn name(&mut self, index: usize, name: &str) {
        if index > 0 {
            self.text.push(',');
        }
        self.line();
        self.text.push_str(&argo_lang::gojson::quote(name));
        self.text.push(':');
        if self.indent.is_some() {
            self.text.push(' ');
        }
    }

    fn members<T, S>(&mut self, fields: &[(&str, T, S)], mut write: impl FnMut(&mut Self, (&T, &S))) {
        self.open('{');
        for (index, (name, value, shape)) in fields.iter().enumerate() {
            self.name(index, name);
            write(self, (value, shape));
        }
        self.close('}', fields.is_empty());
    }

    fn list(&mut self, items: &[Value], mut write: impl FnMut(&Value, &mut Self)) {
        self.open('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.line();
            write(item, self);
        }
        self.close(']', items.is_empty());
    }

    fn plain(&mut self, value: &Value) {
        match value {
            Value::Array(items) => self.list(items, |item, out| out.plain(item)),
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value, ())).collect();
                fields.sort_by_key(|(name, ..)| *name);
                self.members(&fields, |out, (value, ())| out.plain(value));
            }
            Value::String(text) => self.text.push_str(&argo_lang::gojson::quote(text)),
            other => self.text.push_str(&other.to_string()),
        }
    }

    fn selector(&mut self, value: &Value) {
        if value.is_null() {
            return self.text.push_str("null");
        }
        let given: Vec<_> = ["matchLabels", "matchExpressions"]
            .iter()
            .filter_map(|field| Some((*field, value.get(field).filter(|value| !super::is_empty(value))?, ())))
            .collect();
        self.members(&given, |out, (value, ())| out.plain(value));
    }

    fn shape(&mut self, shape: &str, value: &Value) {
        match shape {
            "s" => self.plain(&Value::from(value.as_str().unwrap_or_default())),
            "n" => self.plain(&Value::from(value.as_i64().unwrap_or(0))),
            "b" => self.plain(&Value::from(value.as_bool().unwrap_or(false))),
            "*" => self.plain(value),
            list if list.starts_with('[') => match value.as_array() {
                None => self.text.push_str("null"),
                Some(items) => self.list(items, |item, out| out.shape(&list[1..list.len() - 1], item)),
            },
            name if name.ends_with('?') && value.is_null() => self.text.push_str("null"),
            name => {
                let name = name.trim_end_matches('?');
                let moved = internal(name, value);
                let value = moved.as_ref().unwrap_or(value);
                let Some(fields) = TYPES.get(name) else { return self.plain(value) };
                let mut members: Vec<(&str, Option<&Value>, &str)> = Vec::new();
                for (name, wire, shape) in fields {
                    if *name == "ObjectMeta" {
                        let metadata = ["labels", "annotations"]
                            .iter()
                            .filter_map(|field| Some((*field, Some(value.get("metadata")?.get(field)?), "*")));
                        members.extend(metadata);
                    } else {
                        members.push((name, value.get(wire), shape));
                    }
                }
                self.members(&members, |out, (value, shape)| out.shape(shape, value.unwrap_or(&Value::Null)));
            }
        }
    }
}

/// A value as the internal type has it, where that is another form than on the wire.
fn internal(name: &str, value: &Value) -> Option<Value> {
    const MOVED: [&str; 5] = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];
    if name != "PodSpec" {
        return None;
    }
    let mut spec = value.clone();
    let mut context = spec.get("securityContext").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in MOVED {
        if let Some(value) = spec.get(field) {
            context.insert(field.to_owned(), value.clone());
        }
    }
    spec.as_object_mut()?.insert("securityContext".to_owned(), Value::Object(context));
    Some(spec)
}

/// What became of an internal type, line by line, as `diff -u` shows it.
pub(super) fn changes(name: &str, before: &Value, after: &Value) -> String {
    let lines = |value: &Value| {
        let mut out = Writer { text: String::new(), indent: Some(0) };
        out.shape(name, value);
        out.text
    };
    let (before, after) = (lines(before), lines(after));
    let diff = similar::TextDiff::from_lines(&before, &after);
    let mut out = String::new();
    for hunk in diff.unified_diff().context_radius(3).missing_newline_hint(false).iter_hunks() {
        out.push_str(&format!("{hunk}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn internal_types_show_all_their_fields() {
        let shown = Go::Type("PodResourceClaim").show(&json!({ "name": "a" }));
        assert_eq!(shown, r#"{"Name":"a","ResourceClaimName":null,"ResourceClaimTemplateName":null}"#);
        assert_eq!(Go::Type("SeccompProfile?").show(&Value::Null), "null");
        assert!(
            Go::Type("PodSpec").show(&json!({ "hostPID": true })).contains(r#""HostNetwork":false,"HostPID":true"#)
        );
    }

    #[test]
    fn changes_are_shown_with_three_lines_around() {
        let spec =
            |size: &str| json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } });
        let diff = changes("PersistentVolumeClaimSpec", &spec("1Gi"), &spec("2Gi"));
        assert!(diff.starts_with("@@ -6,7 +6,7 @@\n"), "{diff}");
        assert!(diff.contains("-   \"storage\": \"1Gi\"\n+   \"storage\": \"2Gi\"\n"), "{diff}");
    }
}

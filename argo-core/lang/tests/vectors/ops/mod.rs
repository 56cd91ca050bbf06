//! What each operation of a vector calls: one file per family of languages, one row per operation.

mod evaluate;
mod jq;
mod lookup;
mod numbers;
mod text;
mod yaml;

use serde_json::Value;

/// Why an operation gave no value.
pub(super) enum Trouble {
    /// The language refused: what a vector with `error` wants.
    Error(String),
    /// The vector itself is malformed.
    Input(String),
}

pub(super) type Outcome = Result<Value, Trouble>;

/// A refusal by the language.
pub(super) fn error(error: impl ToString) -> Trouble {
    Trouble::Error(error.to_string())
}

/// A field of an operation.
pub(super) struct Field {
    pub(super) name: &'static str,
    /// JSON text used when the field is absent; without one the field is required.
    pub(super) default: Option<&'static str>,
}

pub(super) const fn required(name: &'static str) -> Field {
    Field { name, default: None }
}

pub(super) const fn optional(name: &'static str, default: &'static str) -> Field {
    Field { name, default: Some(default) }
}

/// An operation of a language.
pub(super) struct Op {
    pub(super) name: &'static str,
    /// In the order of `args`.
    pub(super) fields: &'static [Field],
    /// Whether texts of errors are compared unless the vector says otherwise.
    pub(super) exact: bool,
    /// What it gives, for the table of operations.
    pub(super) gives: &'static str,
    pub(super) run: fn(&Args) -> Outcome,
}

pub(super) const fn op(
    name: &'static str,
    fields: &'static [Field],
    gives: &'static str,
    run: fn(&Args) -> Outcome,
) -> Op {
    Op { name, fields, exact: false, gives, run }
}

impl Op {
    /// The same, with texts of errors compared.
    pub(super) const fn exact(self) -> Self {
        Self { exact: true, ..self }
    }
}

/// A language: its name, other names, and its operations, of which the first is meant when a vector names none.
pub(super) struct Language {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) ops: &'static [Op],
}

/// Every language, in the order of the table.
pub(super) fn languages() -> impl Iterator<Item = &'static Language> {
    let families =
        [yaml::LANGUAGES, evaluate::LANGUAGES, lookup::LANGUAGES, jq::LANGUAGES, numbers::LANGUAGES, text::LANGUAGES];
    families.into_iter().flatten()
}

/// Operations that older files name under another language.
const MOVED: [(&str, &str, &str, &str); 14] = [
    ("duration", "layout", "time", "format"),
    ("duration", "parse_layout", "time", "parse"),
    ("duration", "sprintf", "fmt", "sprintf"),
    ("duration", "parse_float", "strconv", "parse_float"),
    ("duration", "parse_int", "strconv", "parse_int"),
    ("quantity", "scaled", "intstr", "scaled"),
    ("quantity", "dns1123_label", "names", "dns1123_label"),
    ("quantity", "dns1123_subdomain", "names", "dns1123_subdomain"),
    ("quantity", "dns1035_label", "names", "dns1035_label"),
    ("quantity", "label_value", "names", "label_value"),
    ("quantity", "qualified_name", "names", "qualified_name"),
    ("quantity", "safe_encode", "names", "safe_encode"),
    ("sprig", "", "template", "sprig"),
    ("helm", "", "template", "helm"),
];

/// The operation of a name; without a name the language's first.
pub(super) fn find(language: &str, name: Option<&str>) -> Result<&'static Op, String> {
    let (language, name) = MOVED
        .iter()
        .find(|it| it.0 == language && name.unwrap_or_default() == it.1)
        .map_or((language, name), |it| (it.2, Some(it.3)));
    let Some(found) = languages().find(|it| it.name == language || it.aliases.contains(&language)) else {
        return Err(format!("no such language: {language:?}"));
    };
    match name {
        None => found.ops.first(),
        Some(name) => found.ops.iter().find(|it| it.name == name),
    }
    .ok_or_else(|| format!("{language} has no operation {:?}", name.unwrap_or_default()))
}

/// The values of an operation's fields, in order.
pub(super) struct Args(pub(super) Vec<Value>);

impl Args {
    pub(super) fn value(&self, place: usize) -> &Value {
        self.0.get(place).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, place: usize) -> Result<&str, Trouble> {
        self.value(place).as_str().ok_or_else(|| self.wrong(place, "a string"))
    }

    pub(super) fn int(&self, place: usize) -> Result<i64, Trouble> {
        self.value(place).as_i64().ok_or_else(|| self.wrong(place, "an integer"))
    }

    pub(super) fn flag(&self, place: usize) -> Result<bool, Trouble> {
        match self.value(place) {
            Value::Null => Ok(false),
            other => other.as_bool().ok_or_else(|| self.wrong(place, "true or false")),
        }
    }

    /// An RFC 3339 time; null is none.
    pub(super) fn time(&self, place: usize) -> Result<Option<jiff::Timestamp>, Trouble> {
        if self.value(place).is_null() {
            return Ok(None);
        }
        self.text(place)?.parse().map(Some).map_err(|_| self.wrong(place, "an RFC 3339 time"))
    }

    /// A time zone by name.
    pub(super) fn zone(&self, place: usize) -> Result<jiff::tz::TimeZone, Trouble> {
        match self.text(place)? {
            "" | "UTC" => Ok(jiff::tz::TimeZone::UTC),
            name => jiff::tz::TimeZone::get(name).map_err(|_| self.wrong(place, "a time zone")),
        }
    }

    fn wrong(&self, place: usize, wanted: &str) -> Trouble {
        Trouble::Input(format!("argument {place} must be {wanted}, not {}", self.value(place)))
    }
}

/// Equality of JSON where 1 and 1.0 are one number.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

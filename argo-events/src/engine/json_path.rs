//! Reading by gjson paths and writing by sjson paths.

use ::gjson::Kind;
use argo_lang::gjson;
use serde_json::Value;

/// Longest path.
const MAX_PATH: usize = 4096;

/// What a gjson path found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, with its digits as they were.
    Number(String),
    /// A text.
    String(String),
    /// An object or array, as JSON.
    Json(String),
}

/// Why a path could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Longer than 4096 bytes.
    #[error("the path is longer than {MAX_PATH} bytes")]
    TooLong,
    /// The path makes no sense to the query engine.
    #[error("the path {0:?} can not be evaluated")]
    Unusable(String),
    /// Nothing to write to.
    #[error("the path is empty")]
    Empty,
    /// It can not be written.
    #[error(transparent)]
    Set(#[from] gjson::SetError),
}

/// Looks a gjson path up in JSON text. `None` when there is nothing.
///
/// # Errors
/// When the path is too long or can not be evaluated.
pub fn get(json: &str, path: &str) -> Result<Option<Found>, PathError> {
    if path.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    // The path is a user's: whatever it makes of the query engine concerns his trigger alone.
    let found = std::panic::catch_unwind(|| {
        let value = ::gjson::get(json, path);
        value.exists().then(|| (value.kind(), value.json().to_owned()))
    });
    let Some((kind, raw)) = found.map_err(|_| PathError::Unusable(path.to_owned()))? else {
        return Ok(None);
    };
    Ok(Some(match kind {
        Kind::Null => Found::Null,
        Kind::True => Found::Bool(true),
        Kind::False => Found::Bool(false),
        Kind::Number => Found::Number(raw),
        Kind::String => match serde_json::from_str(&raw) {
            Ok(text) => Found::String(text),
            Err(_) => return Err(PathError::Unusable(path.to_owned())),
        },
        Kind::Array | Kind::Object => Found::Json(raw),
    }))
}

impl Found {
    /// As gjson prints it: whole numbers with their digits, others without exponent, null as nothing.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(it) => it.to_string(),
            Self::Number(raw) => number_text(raw),
            Self::String(it) | Self::Json(it) => it.clone(),
        }
    }

    /// As a number: text is parsed, true is 1, everything else 0.
    #[must_use]
    pub fn number(&self) -> f64 {
        match self {
            Self::Number(it) | Self::String(it) => it.parse().unwrap_or(0.0),
            Self::Bool(true) => 1.0,
            _ => 0.0,
        }
    }

    /// As a boolean: text is parsed, a number is true unless 0.
    #[must_use]
    pub fn boolean(&self) -> bool {
        match self {
            Self::Bool(it) => *it,
            Self::String(it) => argo_lang::gofloat::parse_bool(&it.to_lowercase()).unwrap_or(false),
            Self::Number(_) => self.number() != 0.0,
            _ => false,
        }
    }

    /// As a JSON value.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(it) => (*it).into(),
            Self::String(it) => it.clone().into(),
            Self::Number(raw) | Self::Json(raw) => serde_json::from_str(raw).unwrap_or_default(),
        }
    }
}

fn number_text(raw: &str) -> String {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()) {
        return raw.to_owned();
    }
    raw.parse().map_or_else(|_| raw.to_owned(), |it: f64| argo_lang::gofloat::format_f(it, None))
}

/// Sets a value by an sjson path: parents are made, `-1` appends to an array, a number indexes an
/// array, `:n` is a key even if it is a number, `\` takes the next character as it is.
///
/// # Errors
/// When the path is empty or too long, or does not fit what is on the way.
pub fn set(target: &mut Value, path: &str, value: Value) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    Ok(gjson::set(target, path, value)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(json: &str, path: &str) -> Option<Found> {
        get(json, path).unwrap()
    }

    #[test]
    fn values_keep_their_kind_and_their_digits() {
        let json = r#"{"a":{"b":[1,12345678901234567890,1.50]},"s":"x\ny","n":null,"t":true}"#;
        assert_eq!(found(json, "a.b.1").unwrap().text(), "12345678901234567890");
        assert_eq!(found(json, "a.b.2").unwrap().text(), "1.5");
        assert_eq!(found(json, "s"), Some(Found::String("x\ny".into())));
        assert_eq!(found(json, "n"), Some(Found::Null));
        assert_eq!(found(json, "a.b"), Some(Found::Json("[1,12345678901234567890,1.50]".into())));
        assert_eq!(found(json, "t").unwrap().number(), 1.0);
        assert_eq!(found(json, "a.c"), None);
    }

    #[test]
    fn queries_wildcards_and_counts_work() {
        let json = r#"{"commits":[{"id":"1","msg":"fix"},{"id":"2","msg":"feat"}]}"#;
        assert_eq!(found(json, "commits.#").unwrap().text(), "2");
        assert_eq!(found(json, r#"commits.#(msg=="feat").id"#), Some(Found::String("2".into())));
        assert_eq!(found(json, "commits.#.id"), Some(Found::Json(r#"["1","2"]"#.into())));
    }

    #[test]
    fn writing_makes_parents_appends_and_indexes() {
        let mut value = json!({"spec": {"list": [{"v": 1}]}});
        set(&mut value, "spec.list.0.v", json!("x")).unwrap();
        set(&mut value, "spec.list.-1", json!(2)).unwrap();
        set(&mut value, "new.1", json!("b")).unwrap();
        set(&mut value, "map.:1", json!("c")).unwrap();
        set(&mut value, r"data.a\.b", json!("d")).unwrap();
        assert_eq!(
            value,
            json!({"spec": {"list": [{"v": "x"}, 2]}, "new": [null, "b"], "map": {"1": "c"}, "data": {"a.b": "d"}})
        );
    }

    #[test]
    fn writes_that_make_no_sense_are_errors() {
        let mut value = json!({"list": []});
        for path in ["list.name", "list.99999999", "", "list.#", &"x".repeat(5000)] {
            assert!(set(&mut value, path, json!(1)).is_err(), "{path}");
        }
        assert_eq!(value, json!({"list": []}));
    }

    proptest::proptest! {
        #[test]
        fn no_path_brings_the_reader_down(path in ".{0,40}") {
            let _ = get(r#"{"a":[{"b":"c"},1,null],"d":{"e":true}}"#, &path);
            let _ = set(&mut json!({"a": [1, {"b": 2}]}), &path, json!(1));
        }
    }
}

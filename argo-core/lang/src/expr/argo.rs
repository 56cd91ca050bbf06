//! What Argo Workflows and Argo Events add to the language.

use serde_json::Value;

use super::{Functions, Options};
use crate::{fmt, gofloat, gojson, jsonpath, text_template};

/// `asInt`, `asFloat`, `toJson`, `jsonpath` and all of Sprig as `sprig.<name>`.
#[must_use]
pub fn functions() -> Functions {
    let mut set = Functions::new();
    for name in text_template::sprig_names() {
        set.insert(format!("sprig.{name}"), move |args| text_template::call_sprig(name, args));
    }
    set.with("asInt", |args| as_int(one("asInt", args)?))
        .with("asFloat", |args| as_float(one("asFloat", args)?))
        .with("jsonpath", |args| match args {
            [Value::String(text), Value::String(path)] => json_path(text, path),
            _ => Err("jsonpath takes a JSON text and a path".to_owned()),
        })
        .with("toJson", |args| Ok(Value::String(gojson::to_string(one("toJson", args)?))))
}

/// [`Options`] with [`functions`].
#[must_use]
pub fn options() -> Options {
    Options::with_functions(functions())
}

fn json_path(text: &str, path: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    jsonpath::query(path, &value)
}

fn one<'a>(name: &str, args: &'a [Value]) -> Result<&'a Value, String> {
    match args {
        [arg] => Ok(arg),
        [] => Err(format!("not enough arguments to call {name}")),
        _ => Err(format!("too many arguments to call {name}")),
    }
}

fn as_int(value: &Value) -> Result<Value, String> {
    match value {
        Value::Number(it) if !it.is_f64() => Ok(value.clone()),
        Value::Number(it) => Ok(Value::from(it.as_f64().unwrap_or_default() as i64)),
        Value::String(it) => match gofloat::parse_int(it, 10) {
            Some(int) => Ok(Value::from(int)),
            None => match gofloat::parse_float(it) {
                Some(float) => Ok(Value::from(float as i64)),
                None => Err(format!("cannot parse {} as an int", fmt::quote(it))),
            },
        },
        other => Err(format!("asInt does not support {}", super::value::type_name(other))),
    }
}

fn as_float(value: &Value) -> Result<Value, String> {
    let float = match value {
        Value::Number(it) => it.as_f64(),
        Value::String(it) => gofloat::parse_float(it),
        _ => None,
    };
    match float.and_then(serde_json::Number::from_f64) {
        Some(number) => Ok(Value::Number(number)),
        None => Err(format!("cannot parse {} as a float", fmt::display(value))),
    }
}

//! Short ways through JSON.

use argo_core::Object;
use serde_json::Value;

use super::RouteError;

/// A router's settings, typed.
pub(super) fn settings<T: serde::de::DeserializeOwned>(router: &'static str, value: &Value) -> Result<T, RouteError> {
    serde_json::from_value(value.clone()).map_err(|error| RouteError::Settings { router, message: error.to_string() })
}

/// The list at a pointer, if there is one.
pub(super) fn list_mut<'a>(object: &'a mut Object, pointer: &str) -> Option<&'a mut Vec<Value>> {
    object.value_mut().pointer_mut(pointer)?.as_array_mut()
}

/// A text field; empty when it is absent.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A whole number, also when it is written `20.0`; 0 when it is absent.
pub(super) fn number(value: &Value, field: &str) -> i64 {
    let value = value.get(field);
    #[allow(clippy::cast_possible_truncation)]
    let whole = || value.and_then(Value::as_f64).map(|it| it as i64);
    value.and_then(Value::as_i64).or_else(whole).unwrap_or_default()
}

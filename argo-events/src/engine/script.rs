//! Lua scripts in filters and transformations: they see the payload as the global `event`, in a
//! sandbox without files and with bounded memory and steps.

use serde_json::Value;

/// Why a script gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("script: {0}")]
pub struct ScriptError(String);

/// Whether a filter's script says `true`.
///
/// # Errors
/// When it is no Lua, fails, or uses too much.
pub fn passes(script: &str, payload: &Value) -> Result<bool, ScriptError> {
    Ok(run(script, payload)? == Value::Bool(true))
}

/// The payload that a transformation makes: the table that its script returns.
///
/// # Errors
/// When it is no Lua, fails, uses too much, or returns no object.
pub fn transform(script: &str, payload: &Value) -> Result<Value, ScriptError> {
    if !payload.is_object() {
        return Err(ScriptError("the payload is not an object".to_owned()));
    }
    match run(script, payload)? {
        Value::Object(map) => Ok(Value::Object(map)),
        // Lua has one empty table
        Value::Array(items) if items.is_empty() => Ok(Value::Object(serde_json::Map::new())),
        _ => Err(ScriptError("it must return a table with names".to_owned())),
    }
}

#[cfg(feature = "lua")]
fn run(script: &str, payload: &Value) -> Result<Value, ScriptError> {
    let script = format!("event = obj; {script}");
    argo_lang::lua::run(&script, payload, &argo_lang::lua::Limits::default()).map_err(|it| ScriptError(it.to_string()))
}

#[cfg(not(feature = "lua"))]
fn run(_script: &str, _payload: &Value) -> Result<Value, ScriptError> {
    Err(ScriptError("this program was built without Lua".to_owned()))
}

/// Whether scripts can run at all.
#[must_use]
pub fn is_available() -> bool {
    cfg!(feature = "lua")
}

#[cfg(all(test, feature = "lua"))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_passes_on_true_only() {
        let payload = json!({"body": {"n": 3}});
        assert_eq!(passes("if event.body.n == 3 then return true end\nreturn false", &payload), Ok(true));
        assert_eq!(passes("return event.body.n", &payload), Ok(false));
        assert!(passes("return event.nope.n", &payload).is_err());
        assert!(passes("this is no lua", &payload).is_err());
        assert!(passes("while true do end", &payload).is_err());
    }

    #[test]
    fn a_transformation_returns_the_new_payload() {
        let payload = json!({"body": {"n": 3, "list": [[1], [2]]}});
        let got = transform("event.body.m = event.body.n + 1\nreturn event", &payload);
        assert_eq!(got, Ok(json!({"body": {"n": 3, "m": 4, "list": [[1], [2]]}})));
        assert!(transform("return 5", &payload).is_err());
        assert!(transform("return {1, 2}", &payload).is_err());
    }
}

//! Lua in a sandbox: 5.1 as gopher-lua speaks it, with `goto`.
//!
//! [`run`] takes a script over one object: it sees the global `obj` and the libraries `string`, `table` and `math`.
//! [`Script`] takes any globals, a clock and a choice of libraries, and tells results as gopher-json does. No files, no
//! modules, no other code; memory and instructions are bounded.

mod script;

use mlua::{
    HookTriggers, Lua, LuaOptions, LuaSerdeExt, StdLib, VmState, chunk::ChunkMode,
    serde::ser::Options as SerializeOptions,
};
use serde_json::Value;

pub use script::{Libraries, Output, Script};

/// Bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most memory in bytes. Default 32 MiB.
    pub memory: usize,
    /// Most VM instructions. Default 10,000,000.
    pub instructions: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 32 << 20, instructions: 10_000_000 }
    }
}

/// Why a script gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LuaError {
    /// The script is no Lua.
    #[error("{0}")]
    Syntax(String),
    /// It failed.
    #[error("{0}")]
    Runtime(String),
    /// It used too much memory or too many instructions.
    #[error("script exceeded its {0} limit")]
    Limit(&'static str),
}

const OUT_OF_STEPS: &str = "instruction limit";
/// Functions of the base library that load or reach other code.
const REMOVED: [&str; 10] =
    ["dofile", "loadfile", "load", "loadstring", "require", "module", "collectgarbage", "newproxy", "print", "setfenv"];

fn classify(error: &mlua::Error) -> LuaError {
    match error {
        mlua::Error::SyntaxError { message, .. } => LuaError::Syntax(message.clone()),
        mlua::Error::MemoryError(_) => LuaError::Limit("memory"),
        mlua::Error::CallbackError { cause, .. } => classify(cause),
        mlua::Error::RuntimeError(text) if !text.contains(OUT_OF_STEPS) && !text.contains("not enough memory") => {
            LuaError::Runtime(text.lines().next().unwrap_or_default().to_owned())
        }
        other => {
            let text = other.to_string();
            if text.contains(OUT_OF_STEPS) {
                return LuaError::Limit("instruction");
            }
            if text.contains("not enough memory") {
                return LuaError::Limit("memory");
            }
            // without the stack, which names this program's files
            LuaError::Runtime(text.lines().next().unwrap_or_default().to_owned())
        }
    }
}

/// Runs a script over an object and gives what it returns: tables become lists or objects, whole numbers integers.
///
/// # Errors
/// The script is no Lua, fails, or exceeds a bound.
pub fn run(script: &str, object: &Value, limits: &Limits) -> Result<Value, LuaError> {
    execute(script, object, limits).map_err(|error| classify(&error))
}

fn execute(script: &str, object: &Value, limits: &Limits) -> mlua::Result<Value> {
    let lua = Lua::new_with(StdLib::STRING | StdLib::TABLE | StdLib::MATH, LuaOptions::default())?;
    let globals = lua.globals();
    for name in REMOVED {
        globals.set(name, mlua::Value::Nil)?;
    }
    globals.set("obj", lua.to_value_with(object, options())?)?;
    bound(&lua, limits)?;
    let value: mlua::Value = lua.load(script).set_name("=script").set_mode(ChunkMode::Text).eval()?;
    lua.remove_hook();
    to_json(&value, 0)
}

/// Null is absent, and lists are plain tables.
fn options() -> SerializeOptions {
    SerializeOptions::new().serialize_none_to_null(false).serialize_unit_to_null(false).set_array_metatable(false)
}

fn bound(lua: &Lua, limits: &Limits) -> mlua::Result<()> {
    const EVERY: u32 = 1000;
    lua.set_memory_limit(limits.memory)?;
    let left = std::sync::atomic::AtomicU64::new(limits.instructions / u64::from(EVERY));
    lua.set_hook(HookTriggers::new().every_nth_instruction(EVERY), move |_, _| {
        use std::sync::atomic::Ordering;
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| it.checked_sub(1)).is_err() {
            return Err(mlua::Error::RuntimeError(OUT_OF_STEPS.to_owned()));
        }
        Ok(VmState::Continue)
    })
}

fn to_json(value: &mlua::Value, depth: usize) -> mlua::Result<Value> {
    if depth > 100 {
        return Err(mlua::Error::RuntimeError("the result is nested too deeply".to_owned()));
    }
    Ok(match value {
        mlua::Value::Boolean(it) => Value::Bool(*it),
        mlua::Value::Integer(it) => Value::from(*it),
        mlua::Value::Number(it) => crate::gofloat::json_number(*it).map_or(Value::Null, Value::Number),
        mlua::Value::String(it) => Value::String(it.to_string_lossy()),
        mlua::Value::Table(table) => {
            let len = table.raw_len();
            if len > 0 {
                let mut items = Vec::with_capacity(len.min(1024));
                for place in 1..=len {
                    items.push(to_json(&table.raw_get(place)?, depth + 1)?);
                }
                return Ok(Value::Array(items));
            }
            let mut map = serde_json::Map::new();
            for pair in table.pairs::<mlua::Value, mlua::Value>() {
                let (key, value) = pair?;
                let key = match &key {
                    mlua::Value::String(it) => it.to_string_lossy(),
                    mlua::Value::Integer(it) => it.to_string(),
                    mlua::Value::Number(it) => crate::gofloat::format_g(*it, None),
                    _ => continue,
                };
                map.insert(key, to_json(&value, depth + 1)?);
            }
            Value::Object(map)
        }
        _ => Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_health_script_reads_the_object() {
        let script = "hs = {}\nif obj.status ~= nil and obj.status.ready == 3 then hs.status = 'Healthy' else hs.status = 'Progressing' end\nhs.message = string.format('%d ready', obj.status.ready)\nreturn hs";
        let object = json!({"status": {"ready": 3, "none": null, "list": [1, "b"]}});
        assert_eq!(
            run(script, &object, &Limits::default()).unwrap(),
            json!({"status": "Healthy", "message": "3 ready"})
        );
        assert_eq!(
            run("return {#obj.status.list, obj.status.none == nil}", &object, &Limits::default()).unwrap(),
            json!([2, true])
        );
    }

    #[test]
    fn scripts_reach_nothing_outside_and_end() {
        let none = json!({});
        for global in ["os", "io", "require", "load", "dofile", "debug", "package"] {
            assert_eq!(
                run(&format!("return {global} == nil"), &none, &Limits::default()).unwrap(),
                json!(true),
                "{global}"
            );
        }
        assert_eq!(run("while true do end", &none, &Limits::default()), Err(LuaError::Limit("instruction")));
        assert_eq!(
            run("local s = 'x' while true do s = s .. s end", &none, &Limits::default()),
            Err(LuaError::Limit("memory"))
        );
        assert!(matches!(run("return +", &none, &Limits::default()), Err(LuaError::Syntax(_))));
        assert!(
            matches!(run("error('boom')", &none, &Limits::default()), Err(LuaError::Runtime(text)) if text.contains("boom"))
        );
    }
}

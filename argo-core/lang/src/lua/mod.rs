//! Lua in a sandbox, 5.1 as gopher-lua speaks it, with `goto`: health and action scripts over one object, filters over
//! one event.
//!
//! A script sees the global `obj`, further globals of the caller, and the libraries `string`, `table`, `math` and the
//! part of `os` that Argo CD offers (`os.time`, `os.date`, also through `require("os")`); no files, no modules, no other
//! code. The clock is the caller's, random numbers come from a fixed seed: the same script gives the same result.
//! Memory and instructions are bounded. Numbers print as upstream's gopher-lua prints them; what differs stands in
//! PARITY.md.

mod clock;
mod convert;
mod format;
mod library;
mod script;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mlua::chunk::ChunkMode;
use mlua::serde::ser::Options as SerializeOptions;
use mlua::{HookTriggers, Lua, LuaOptions, LuaSerdeExt, MultiValue, StdLib, VmState};
use serde_json::Value;

pub use convert::restore_objects;
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
    /// What it returns has no form in JSON; the text is upstream's.
    #[error("{0}")]
    Result(&'static str),
}

const OUT_OF_STEPS: &str = "instruction limit";

fn classify(error: &mlua::Error) -> LuaError {
    match error {
        mlua::Error::SyntaxError { message, .. } => LuaError::Syntax(message.clone()),
        mlua::Error::MemoryError(_) => LuaError::Limit("memory"),
        mlua::Error::CallbackError { cause, .. } => classify(cause),
        other => {
            let text = other.to_string();
            if text.contains(OUT_OF_STEPS) {
                return LuaError::Limit("instruction");
            }
            if text.contains("not enough memory") {
                return LuaError::Limit("memory");
            }
            // without the stack, which names this program's files
            let text = text.strip_prefix("runtime error: ").unwrap_or(&text);
            LuaError::Runtime(text.split("\nstack traceback:").next().unwrap_or_default().to_owned())
        }
    }
}

/// What a script runs in.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use serde_json::json;
///
/// let sandbox = argo_lang::lua::Sandbox::new().at("2026-01-02T03:04:05Z".parse()?).with("actionParams", json!({"by": "bob"}));
/// let script = "obj.at = require('os').date('!%Y-%m-%dT%XZ'); obj.by = actionParams.by; return obj";
/// assert_eq!(sandbox.run(script, &json!({}))?, json!({"at": "2026-01-02T03:04:05Z", "by": "bob"}));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Sandbox {
    limits: Limits,
    now: Option<Timestamp>,
    zone: TimeZone,
    globals: Vec<(String, Value)>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { limits: Limits::default(), now: None, zone: TimeZone::UTC, globals: Vec::new() }
    }
}

impl Sandbox {
    /// The default bounds, no clock, the zone UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bounds of a run.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The time that `os.time()` and `os.date()` give; without it they fail.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The local zone of `os.time` and `os.date`.
    #[must_use]
    pub fn in_zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }

    /// A global beside `obj`, as the parameters of an action are.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: Value) -> Self {
        self.globals.push((name.into(), value));
        self
    }

    /// Runs a script over an object and gives the last value that it returns, as upstream takes it; null for none.
    ///
    /// Tables become lists or objects, an empty one a list (see [`restore_objects`]), whole numbers integers.
    ///
    /// # Errors
    /// The script is no Lua, fails, exceeds a bound, or returns what JSON can not hold.
    pub fn run(&self, script: &str, object: &Value) -> Result<Value, LuaError> {
        let values = self.execute(script, object).map_err(|error| classify(&error))?;
        values.0.back().map_or(Ok(Value::Null), convert::to_json)
    }

    /// All values that a script returns.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn values(&self, script: &str, object: &Value) -> Result<Vec<Value>, LuaError> {
        let values = self.execute(script, object).map_err(|error| classify(&error))?;
        values.0.iter().map(convert::to_json).collect()
    }

    fn execute(&self, script: &str, object: &Value) -> mlua::Result<(MultiValue, Lua)> {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::COROUTINE;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        library::install(&lua, &clock::Clock { now: self.now, zone: self.zone.clone() })?;
        let globals = lua.globals();
        for (name, value) in self.globals.iter().map(|it| (it.0.as_str(), &it.1)).chain([("obj", object)]) {
            globals.set(name, lua.to_value_with(value, options())?)?;
        }
        bound(&lua, &self.limits)?;
        let values: MultiValue = lua.load(script).set_name("=<string>").set_mode(ChunkMode::Text).eval()?;
        lua.remove_hook();
        Ok((values, lua))
    }
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

/// Runs a script over an object: [`Sandbox::run`] without a clock.
///
/// # Errors
/// As [`Sandbox::run`].
pub fn run(script: &str, object: &Value, limits: &Limits) -> Result<Value, LuaError> {
    Sandbox::new().limits(*limits).run(script, object)
}

#[cfg(test)]
mod tests;

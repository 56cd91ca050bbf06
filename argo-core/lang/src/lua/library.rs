//! The libraries of a script: Lua's own, with what gopher-lua does otherwise and without what reaches outside.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Function, Lua, MultiValue, Table, Value, Variadic};

use super::clock::{self, Clock};
use super::format;
use crate::random::Random;

/// Functions of the base library that load or reach other code.
const REMOVED: [&str; 7] = ["dofile", "loadfile", "load", "loadstring", "module", "newproxy", "setfenv"];

/// Longest text of `string.rep` and `table.concat`, which build it at once; the limit on memory is for the rest.
const MAX_TEXT: usize = 8 << 20;

fn failure(message: String) -> mlua::Error {
    mlua::Error::RuntimeError(message)
}

/// What Lua 5.1 has and later versions do not.
const SHIMS: &str = "unpack = unpack or table.unpack \
    table.getn = table.getn or function(t) return #t end \
    table.maxn = table.maxn or function(t) local most = 0 for k in pairs(t) do \
        if type(k) == 'number' and k > most then most = k end end return most end";
const MATH_SHIMS: &str = "math.pow = math.pow or function(a, b) return a ^ b end \
    math.mod = math.mod or math.fmod math.log10 = math.log10 or function(x) return math.log(x, 10) end \
    string.gfind = string.gmatch";

/// The base functions, numbers as Go prints them, and `os`.
pub(super) fn base(lua: &Lua, clock: &Clock) -> mlua::Result<()> {
    let globals = lua.globals();
    for name in REMOVED {
        globals.set(name, Value::Nil)?;
    }
    // there is nowhere to print to, and nothing to gain from collecting early
    globals.set("print", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    globals.set("collectgarbage", lua.create_function(|_, _: MultiValue| Ok(0))?)?;
    let os = clock::library(lua, clock)?;
    globals.set("os", &os)?;
    globals.set(
        "require",
        lua.create_function(move |lua, name: String| match name.as_str() {
            "os" => Ok(Value::Table(os.clone())),
            "string" | "table" | "math" => lua.globals().raw_get(name),
            _ => Err(failure(format!("module '{name}' not found: there are os, string, table and math"))),
        })?,
    )?;
    globals.set("_VERSION", "Lua 5.1")?;
    lua.load(SHIMS).exec()?;
    let table: Table = globals.get("table")?;
    wrap(lua, &table, "remove", |it| if it.is_empty() { MultiValue::from_iter([Value::Nil]) } else { it })?;
    table.set("concat", lua.create_function(concat)?)?;
    numbers(lua, &globals)
}

/// [`base`] with `string` and `math`.
pub(super) fn install(lua: &Lua, clock: &Clock) -> mlua::Result<()> {
    base(lua, clock)?;
    lua.load(MATH_SHIMS).exec()?;
    texts(lua, &lua.globals())?;
    random(lua, &lua.globals().get::<Table>("math")?)
}

fn float(value: &Value) -> Option<f64> {
    match value {
        #[allow(clippy::cast_precision_loss)] // Lua has floats only
        Value::Integer(it) => Some(*it as f64),
        Value::Number(it) => Some(*it),
        _ => None,
    }
}

fn numbers(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let plain: Function = globals.get("tostring")?;
    globals.set(
        "tostring",
        lua.create_function(move |lua, args: MultiValue| match args.front().and_then(float) {
            Some(it) => lua.create_string(format::number(it)).map(Value::String),
            None => plain.call(args),
        })?,
    )?;
    let plain: Function = globals.get("tonumber")?;
    globals.set(
        "tonumber",
        lua.create_function(move |_, args: MultiValue| match args.front() {
            Some(Value::String(text)) => {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
                let base = args.get(1).and_then(float).map(|it| it as u32);
                Ok(text.to_str().ok().and_then(|it| format::to_number(&it, base)).map_or(Value::Nil, Value::Number))
            }
            _ => plain.call(args),
        })?,
    )
}

/// A function of a library with its results looked at.
fn wrap(
    lua: &Lua,
    table: &Table,
    name: &str,
    change: impl Fn(MultiValue) -> MultiValue + Send + 'static,
) -> mlua::Result<()> {
    let plain: Function = table.get(name)?;
    table.set(name, lua.create_function(move |_, args: MultiValue| plain.call::<MultiValue>(args).map(&change))?)
}

fn texts(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let string: Table = globals.get("string")?;
    string.set("dump", Value::Nil)?;
    let plain: Function = string.get("format")?;
    string.set(
        "format",
        lua.create_function(move |lua, args: MultiValue| {
            let values: Vec<Value> = args.iter().skip(1).cloned().collect();
            let made = match args.front() {
                Some(Value::String(it)) => it.to_str().ok().and_then(|it| format::sprintf(&it, &values)),
                _ => None,
            };
            match made {
                Some(it) => lua.create_string(it).map(Value::String),
                None => plain.call(args),
            }
        })?,
    )?;
    let plain: Function = string.get("rep")?;
    string.set(
        "rep",
        lua.create_function(move |_, (text, count): (mlua::LuaString, i64)| {
            let bytes = usize::try_from(count).unwrap_or(0).saturating_mul(text.as_bytes().len());
            if bytes > MAX_TEXT {
                return Err(failure("not enough memory".to_owned()));
            }
            plain.call::<Value>((text, count))
        })?,
    )?;
    for (name, change) in [("upper", str::to_uppercase as fn(&str) -> String), ("lower", str::to_lowercase)] {
        let plain: Function = string.get(name)?;
        string.set(
            name,
            lua.create_function(move |lua, text: mlua::LuaString| match text.to_str() {
                Ok(it) if !it.is_ascii() => lua.create_string(change(&it)),
                _ => plain.call(&text),
            })?,
        )?;
    }
    // no match is no value there, and nothing removed is nil
    wrap(lua, &string, "match", |it| match it.front() {
        Some(Value::Nil) if it.len() == 1 => MultiValue::new(),
        _ => it,
    })
}

fn concat(
    lua: &Lua,
    (table, by, from, to): (Table, Option<mlua::LuaString>, Option<i64>, Option<i64>),
) -> mlua::Result<mlua::LuaString> {
    let len = i64::try_from(table.raw_len()).unwrap_or(i64::MAX);
    let mut out = Vec::new();
    let first = from.unwrap_or(1);
    if to.is_none() && from.is_some() && !(1..=len).contains(&first) {
        return lua.create_string(out);
    }
    let first = first.min(len).max(1);
    for place in first..=to.unwrap_or(len).min(len) {
        if place > first
            && let Some(by) = &by
        {
            out.extend_from_slice(&by.as_bytes());
        }
        let value: Value = table.raw_get(place)?;
        match (&value, float(&value)) {
            (_, Some(number)) => out.extend_from_slice(format::number(number).as_bytes()),
            (Value::String(it), _) => out.extend_from_slice(&it.as_bytes()),
            (other, _) => {
                let kind = other.type_name();
                return Err(failure(format!("invalid value ({kind}) at index {place} in table for concat")));
            }
        }
        if out.len() > MAX_TEXT {
            return Err(failure("not enough memory".to_owned()));
        }
    }
    lua.create_string(out)
}

/// The C library's generator is one for the whole process: a run would depend on others.
fn random(lua: &Lua, math: &Table) -> mlua::Result<()> {
    math.set("huge", f64::MAX)?;
    let source = Arc::new(Mutex::new(Random::new(1)));
    let seeded = Arc::clone(&source);
    math.set(
        "randomseed",
        lua.create_function(move |_, seed: f64| {
            *seeded.lock().unwrap_or_else(PoisonError::into_inner) = Random::new(seed.to_bits());
            Ok(())
        })?,
    )?;
    math.set(
        "random",
        lua.create_function(move |_, args: Variadic<f64>| {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let below = |source: &mut Random, count: f64| source.below(count as u64) as f64;
            let (low, high) = match args.as_slice() {
                #[allow(clippy::cast_precision_loss)] // 53 bits
                [] => return Ok((source.next() >> 11) as f64 / (1_u64 << 53) as f64),
                [high] => (1.0, high.floor()),
                [low, high, ..] => (low.floor(), high.floor()),
            };
            if low > high || low.is_nan() || high.is_nan() {
                return Err(failure("bad argument to 'random' (interval is empty)".to_owned()));
            }
            Ok(low + below(&mut source, high - low + 1.0))
        })?,
    )
}

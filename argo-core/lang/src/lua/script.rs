//! Scripts with globals, a clock that is handed in, and results as gopher-json writes them.

use jiff::{Timestamp, tz::TimeZone};
use mlua::{Lua, LuaOptions, MultiValue, StdLib, chunk::ChunkMode};
use serde_json::{Map, Value};

use super::{Limits, LuaError, bound, classify, options};

/// Which libraries a script sees, beside `os.time` and `os.date`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Libraries {
    /// The base functions and `table`.
    #[default]
    Safe,
    /// `string`, `math`, `coroutine` and `bit32`, too. What reaches files, processes or other code is in no set.
    Open,
}

/// One script and what it is run with.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// Its text.
    pub source: &'a str,
    /// Values by the names of globals; members that are null are absent.
    pub globals: &'a [(&'a str, &'a Value)],
    /// Libraries.
    pub libraries: Libraries,
    /// What `os.time()` and `os.date()` say; local time is UTC.
    pub now: Timestamp,
    /// Bounds.
    pub limits: Limits,
}

/// What a script returned: the last value.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Nothing, or nil.
    Nil,
    /// A table. Empty ones are lists, as nobody can tell.
    Table(Value),
    /// Anything else, by its type.
    Other(&'static str),
}

/// Functions of the base library that load, print or reach other code.
const REMOVED: [&str; 9] =
    ["dofile", "loadfile", "load", "loadstring", "module", "collectgarbage", "newproxy", "print", "setfenv"];
/// What Lua 5.1 has and later versions do not.
const SHIMS: &str = "table.getn = function(t) return #t end unpack = unpack or table.unpack \
    require = function(name) if name == 'os' then return os end error(\"module '\" .. tostring(name) .. \"' not found\") end";
const MAX_DEPTH: usize = 100;

impl Script<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// The script is no Lua, fails, exceeds a bound, or returns a table that is no JSON.
    pub fn run(&self) -> Result<Output, LuaError> {
        self.execute().map_err(|error| classify(&error))?
    }

    fn execute(&self) -> mlua::Result<Result<Output, LuaError>> {
        let libraries = match self.libraries {
            Libraries::Safe => StdLib::TABLE,
            Libraries::Open => StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::COROUTINE,
        };
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        let globals = lua.globals();
        for name in REMOVED {
            globals.set(name, mlua::Value::Nil)?;
        }
        let os = lua.create_table()?;
        let now = self.now;
        os.set("time", lua.create_function(move |_, at: Option<mlua::Table>| seconds(now, at))?)?;
        os.set(
            "date",
            lua.create_function(move |lua, (format, at): (Option<String>, Option<f64>)| date(lua, now, format, at))?,
        )?;
        globals.set("os", os)?;
        lua.load(SHIMS).exec()?;
        for (name, value) in self.globals {
            use mlua::LuaSerdeExt as _;
            globals.set(*name, lua.to_value_with(value, options())?)?;
        }
        bound(&lua, &self.limits)?;
        let values: MultiValue = lua.load(self.source).set_name("=<string>").set_mode(ChunkMode::Text).eval()?;
        lua.remove_hook();
        Ok(match values.iter().last() {
            None | Some(mlua::Value::Nil) => Ok(Output::Nil),
            Some(table @ mlua::Value::Table(_)) => encode(table, 0)?.map(Output::Table),
            Some(other) => Ok(Output::Other(other.type_name())),
        })
    }
}

/// As gopher-json encodes: lists by keys from 1, objects by texts, nothing else.
fn encode(value: &mlua::Value, depth: usize) -> mlua::Result<Result<Value, LuaError>> {
    let fault = |text: &str| Ok(Err(LuaError::Runtime(text.to_owned())));
    if depth > MAX_DEPTH {
        return fault("cannot encode recursively nested tables to JSON");
    }
    Ok(Ok(match value {
        mlua::Value::Nil => Value::Null,
        mlua::Value::Boolean(it) => Value::Bool(*it),
        mlua::Value::Integer(it) => Value::from(*it),
        mlua::Value::Number(it) => crate::gofloat::json_number(*it).map_or(Value::Null, Value::Number),
        mlua::Value::String(it) => Value::String(it.to_string_lossy()),
        mlua::Value::Table(table) => {
            let (mut items, mut members) = (Vec::new(), Map::new());
            for pair in table.pairs::<mlua::Value, mlua::Value>() {
                let (key, value) = pair?;
                let value = match encode(&value, depth + 1)? {
                    Ok(value) => value,
                    Err(error) => return Ok(Err(error)),
                };
                match key {
                    mlua::Value::String(key) => {
                        members.insert(key.to_string_lossy(), value);
                    }
                    mlua::Value::Integer(key) => items.push((key, value)),
                    #[allow(clippy::cast_possible_truncation, reason = "whole, checked")]
                    mlua::Value::Number(key) if key.fract() == 0.0 => items.push((key as i64, value)),
                    _ => return fault("cannot encode mixed or invalid key types"),
                }
            }
            match (items.is_empty(), members.is_empty()) {
                (false, false) => return fault("cannot encode mixed or invalid key types"),
                (true, false) => Value::Object(members),
                _ => {
                    items.sort_by_key(|it| it.0);
                    if items.iter().zip(1..).any(|((key, _), wanted)| *key != wanted) {
                        return fault("cannot encode sparse array");
                    }
                    Value::Array(items.into_iter().map(|it| it.1).collect())
                }
            }
        }
        other => return fault(&format!("cannot encode {} to JSON", other.type_name())),
    }))
}

/// `os.time`: now, or that of a table with year, month, day and perhaps hour, min and sec. Fields run over, as Go's do.
fn seconds(now: Timestamp, at: Option<mlua::Table>) -> mlua::Result<i64> {
    let Some(at) = at else { return Ok(now.as_second()) };
    let field = |name: &str, default: i64| -> mlua::Result<i64> {
        Ok(match at.get::<mlua::Value>(name)? {
            mlua::Value::Integer(it) => it,
            #[allow(clippy::cast_possible_truncation, reason = "as Go converts")]
            mlua::Value::Number(it) => it as i64,
            _ => default,
        })
    };
    let months = field("year", -1)?.saturating_mul(12).saturating_add(field("month", -1)? - 1);
    let days = days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1).saturating_add(field("day", -1)? - 1);
    let time = field("hour", 12)?.saturating_mul(3600).saturating_add(field("min", 0)?.saturating_mul(60));
    Ok(days.saturating_mul(86_400).saturating_add(time).saturating_add(field("sec", 0)?))
}

/// Days from 1970 to the first of a month.
fn days_from_civil(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era.saturating_mul(146_097).saturating_add(of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn date(lua: &Lua, now: Timestamp, format: Option<String>, at: Option<f64>) -> mlua::Result<mlua::Value> {
    #[allow(clippy::cast_possible_truncation, reason = "as Go converts")]
    let at = at.map_or(Ok(now), |it| Timestamp::from_second(it as i64));
    let time = at.map_err(|error| mlua::Error::RuntimeError(error.to_string()))?;
    let format = format.unwrap_or_else(|| "%c".to_owned());
    let format = format.trim_start_matches('!');
    if format.starts_with("*t") {
        let zoned = time.to_zoned(TimeZone::UTC);
        let table = lua.create_table()?;
        table.set("year", zoned.year())?;
        for (name, value) in
            [("month", zoned.month()), ("day", zoned.day()), ("hour", zoned.hour()), ("min", zoned.minute())]
        {
            table.set(name, value)?;
        }
        table.set("sec", zoned.second())?;
        table.set("wday", zoned.weekday().to_sunday_zero_offset() + 1)?;
        table.set("yday", 0)?;
        table.set("isdst", false)?;
        return Ok(mlua::Value::Table(table));
    }
    Ok(mlua::Value::String(lua.create_string(strftime(time, format))?))
}

/// As gopher-lua formats; what it does not know stays.
fn strftime(time: Timestamp, format: &str) -> String {
    let mut text = String::with_capacity(format.len() * 2);
    let mut rest = format.chars();
    while let Some(next) = rest.next() {
        if next != '%' {
            text.push(next);
            continue;
        }
        let Some(flag) = rest.next() else {
            text.push('%');
            break;
        };
        let layout = match flag {
            'a' => "mon",
            'A' => "Monday",
            'b' => "Jan",
            'B' => "January",
            'c' => "02 Jan 06 15:04 MST",
            'd' => "02",
            'F' => "2006-01-02",
            'H' => "15",
            'I' => "03",
            'm' => "01",
            'M' => "04",
            'p' => "PM",
            'P' => "pm",
            'S' => "05",
            'x' => "15/04/05",
            'X' => "15:04:05",
            'y' => "06",
            'Y' => "2006",
            'z' => "-0700",
            'Z' => "MST",
            'w' => {
                let day = time.to_zoned(TimeZone::UTC).weekday().to_sunday_zero_offset();
                text.push_str(&day.to_string());
                continue;
            }
            '%' => {
                text.push('%');
                continue;
            }
            other => {
                text.push('%');
                text.push(other);
                continue;
            }
        };
        text.push_str(&crate::time::format_layout_utc(time, layout));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(source: &str, libraries: Libraries) -> Result<Output, LuaError> {
        let object = json!({"spec": {"replicas": 3, "empty": {}}, "list": [1, 2]});
        let globals = [("obj", &object)];
        let now = "2026-03-04T05:06:07Z".parse().unwrap();
        Script { source, globals: &globals, libraries, now, limits: Limits::default() }.run()
    }

    fn table(source: &str) -> Value {
        match run(source, Libraries::Safe) {
            Ok(Output::Table(value)) => value,
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn tables_become_json_as_gopher_json_writes_them() {
        assert_eq!(table("return obj"), json!({"spec": {"replicas": 3, "empty": []}, "list": [1, 2]}));
        assert_eq!(table("return {}"), json!([]));
        assert_eq!(table("return 1, {a = 1.5}"), json!({"a": 1.5}));
        let fails = |source: &str| run(source, Libraries::Safe).unwrap_err().to_string();
        assert_eq!(fails("return {1, a = 2}"), "cannot encode mixed or invalid key types");
        assert_eq!(fails("return {[2] = 1}"), "cannot encode sparse array");
        assert_eq!(fails("return {a = function() end}"), "cannot encode function to JSON");
        assert_eq!(fails("local t = {} t.t = t return t"), "cannot encode recursively nested tables to JSON");
        assert_eq!(run("local x = 1", Libraries::Safe), Ok(Output::Nil));
        assert_eq!(run("return 'x'", Libraries::Safe), Ok(Output::Other("string")));
    }

    #[test]
    fn the_clock_is_the_callers_and_dates_are_written_as_upstream_writes_them() {
        let dates = "local os = require('os') return {os.date('!%Y-%m-%dT%XZ'), os.date('%y%m%d%H%M'), \
            os.time(), os.time({year=1970, month=1, day=2, hour=0}), os.date('%w %% %q', 0), os.date('*t').day}";
        assert_eq!(table(dates), json!(["2026-03-04T05:06:07Z", "2603040506", 1_772_600_767, 86_400, "4 % %q", 4]));
        assert_eq!(table("return {os.time({year=2024, month=14, day=1, hour=0})}"), json!([1_738_368_000]));
    }

    #[test]
    fn words_of_older_and_newer_lua_are_known() {
        let source = "local n = 0 for _, v in ipairs(obj.list) do if v == 1 then goto continue end n = n + v ::continue:: end \
            return {n, table.getn(obj.list), unpack({7})}";
        assert_eq!(table(source), json!([2, 2, 7]));
    }

    #[test]
    fn libraries_are_those_asked_for_and_none_reaches_outside() {
        assert_eq!(table("return {string == nil, math == nil}"), json!([true, true]));
        let open = run("return {string.upper('a'), math.max(1, 2)}", Libraries::Open);
        assert_eq!(open, Ok(Output::Table(json!(["A", 2]))));
        for libraries in [Libraries::Safe, Libraries::Open] {
            for name in ["io", "debug", "load", "dofile", "package", "os.execute", "os.getenv", "os.exit"] {
                assert_eq!(
                    run(&format!("return {{{name} == nil}}"), libraries),
                    Ok(Output::Table(json!([true]))),
                    "{name}"
                );
            }
            let error = run("require('io')", libraries).unwrap_err();
            assert!(error.to_string().contains("module 'io' not found"), "{error}");
            assert_eq!(run("while true do end", libraries), Err(LuaError::Limit("instruction")));
        }
    }

    #[test]
    fn errors_are_in_the_scripts_words() {
        assert_eq!(run("error('no such thing', 0)", Libraries::Safe), Err(LuaError::Runtime("no such thing".into())));
        let LuaError::Runtime(text) = run("\nreturn obj.nope.x", Libraries::Safe).unwrap_err() else { panic!() };
        assert!(text.starts_with("<string>:2: attempt to index"), "{text}");
    }
}

//! Scripts with globals, a clock that is handed in, and results as gopher-json writes them.

use jiff::{Timestamp, tz::TimeZone};
use mlua::{Lua, LuaOptions, MultiValue, StdLib, chunk::ChunkMode};
use serde_json::Value;

use super::clock::Clock;
use super::convert::to_json;
use super::{Limits, LuaError, bound, classify, library, options};

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
        let clock = Clock { now: Some(self.now), zone: TimeZone::UTC };
        match self.libraries {
            Libraries::Safe => library::base(&lua, &clock)?,
            Libraries::Open => library::install(&lua, &clock)?,
        }
        for (name, value) in self.globals {
            use mlua::LuaSerdeExt as _;
            globals.set(*name, lua.to_value_with(value, options())?)?;
        }
        bound(&lua, &self.limits)?;
        let values: MultiValue = lua.load(self.source).set_name("=<string>").set_mode(ChunkMode::Text).eval()?;
        lua.remove_hook();
        Ok(match values.iter().last() {
            None | Some(mlua::Value::Nil) => Ok(Output::Nil),
            Some(table @ mlua::Value::Table(_)) => to_json(table).map(Output::Table),
            Some(other) => Ok(Output::Other(other.type_name())),
        })
    }
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

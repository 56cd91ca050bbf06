//! Lua values to JSON, as `layeh.com/gopher-json` encodes them.

use std::collections::HashSet;

use mlua::Value as LuaValue;
use serde_json::Value;

use super::LuaError;
use crate::gofloat;

/// Deepest table of a result.
const MAX_DEPTH: usize = 100;
/// Most values of a result: small tables may stand in it many times.
const MAX_VALUES: usize = 1_000_000;

pub(super) fn to_json(value: &LuaValue) -> Result<Value, LuaError> {
    Encoder { seen: HashSet::new(), depth: 0, left: MAX_VALUES }.value(value)
}

struct Encoder {
    /// The tables that were met: upstream takes one that stands in two places for one inside itself.
    seen: HashSet<*const std::ffi::c_void>,
    depth: usize,
    left: usize,
}

fn lua_error(_: mlua::Error) -> LuaError {
    LuaError::Limit("memory")
}

impl Encoder {
    fn value(&mut self, value: &LuaValue) -> Result<Value, LuaError> {
        self.left = self.left.checked_sub(1).ok_or(LuaError::Limit("result"))?;
        Ok(match value {
            LuaValue::Nil => Value::Null,
            LuaValue::Boolean(it) => Value::Bool(*it),
            LuaValue::Integer(it) => Value::from(*it),
            LuaValue::Number(it) => match gofloat::json_number(*it) {
                Some(it) => Value::Number(it),
                None => return Err(LuaError::Result("json: unsupported value: NaN or Inf")),
            },
            LuaValue::String(it) => Value::String(it.to_string_lossy()),
            LuaValue::Table(table) => {
                self.depth += 1;
                if !self.seen.insert(table.to_pointer()) || self.depth > MAX_DEPTH {
                    return Err(LuaError::Result("cannot encode recursively nested tables to JSON"));
                }
                let made = self.table(table)?;
                self.depth -= 1;
                made
            }
            LuaValue::Function(_) => return Err(LuaError::Result("cannot encode function to JSON")),
            LuaValue::Thread(_) => return Err(LuaError::Result("cannot encode thread to JSON")),
            _ => return Err(LuaError::Result("cannot encode userdata to JSON")),
        })
    }

    /// A table with the keys 1 to n is a list, one with texts an object; an empty one is a list.
    fn table(&mut self, table: &mlua::Table) -> Result<Value, LuaError> {
        const INVALID: LuaError = LuaError::Result("cannot encode mixed or invalid key types");
        let mut items: Vec<(f64, LuaValue)> = Vec::new();
        let mut map = serde_json::Map::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (key, value) = pair.map_err(lua_error)?;
            let number = match &key {
                LuaValue::String(key) => {
                    if !items.is_empty() {
                        return Err(INVALID);
                    }
                    let value = self.value(&value)?;
                    map.insert(key.to_string_lossy(), value);
                    continue;
                }
                #[allow(clippy::cast_precision_loss)] // a place in a table
                LuaValue::Integer(it) => *it as f64,
                LuaValue::Number(it) => *it,
                _ => return Err(INVALID),
            };
            if !map.is_empty() {
                return Err(INVALID);
            }
            items.push((number, value));
        }
        if !map.is_empty() {
            return Ok(Value::Object(map));
        }
        items.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut wanted = 1.0;
        let mut list = Vec::with_capacity(items.len().min(1024));
        for (place, value) in items {
            if place.total_cmp(&wanted).is_ne() {
                return Err(LuaError::Result("cannot encode sparse array"));
            }
            wanted += 1.0;
            list.push(self.value(&value)?);
        }
        Ok(Value::Array(list))
    }
}

/// Makes empty lists into empty objects again where the object that a script was given has an object: Lua can not tell
/// them apart.
pub fn restore_objects(new: &mut Value, old: &Value) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (key, value) in new {
                if let Some(old) = old.get(key) {
                    restore_objects(value, old);
                }
            }
        }
        // upstream looks into the lists of lists and the objects of lists only
        (Value::Array(new), Value::Array(old)) => {
            for (value, old) in new.iter_mut().zip(old) {
                if !matches!((&*value, old), (Value::Array(it), Value::Object(_)) if it.is_empty()) {
                    restore_objects(value, old);
                }
            }
        }
        (it @ Value::Array(_), Value::Object(_)) if it.as_array().is_some_and(Vec::is_empty) => {
            *it = Value::Object(serde_json::Map::new());
        }
        _ => {}
    }
}

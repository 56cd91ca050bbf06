//! Actions of the installation, in Lua.

use argo_core::Object;
use argo_lang::lua::{Libraries, Limits, LuaError, Output, Script};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{ActionError, ActionInfo, Impact, Operation, Params};

fn failed(error: impl ToString) -> ActionError {
    ActionError::Failed(error.to_string())
}

fn table(source: &str, object: &Object, params: &Params, now: Timestamp) -> Result<Value, ActionError> {
    let params: Map<String, Value> = params.iter().map(|(key, it)| (key.clone(), it.clone().into())).collect();
    let params = Value::Object(params);
    let globals = [("obj", object.value()), ("actionParams", &params)];
    let script = Script { source, globals: &globals, libraries: Libraries::Safe, now, limits: Limits::default() };
    let wrong = |kind: &str| failed(format!("expect table output from Lua script, not {kind}"));
    match script.run().map_err(|error: LuaError| failed(error))? {
        Output::Table(value) => Ok(value),
        Output::Nil => Err(wrong("nil")),
        Output::Other(kind) => Err(wrong(kind)),
    }
}

pub(super) fn discover(object: &Object, source: &str, now: Timestamp) -> Result<Vec<ActionInfo>, ActionError> {
    let actions = match table(source, object, &Params::new(), now)? {
        Value::Object(actions) => actions,
        Value::Array(items) if items.is_empty() => return Ok(Vec::new()),
        _ => return Err(failed("error unmarshaling action table: it is a list, not actions by name")),
    };
    let read = |(name, value): (String, Value)| {
        // an empty table is a list
        let value = if value.is_object() { value } else { Value::Object(Map::new()) };
        let info: ActionInfo = serde_json::from_value(value)
            .map_err(|error| failed(format!("error unmarshaling resource action: {name}: {error}")))?;
        Ok(ActionInfo { name, ..info })
    };
    actions.into_iter().map(read).collect()
}

pub(super) fn run(object: &Object, source: &str, params: &Params, now: Timestamp) -> Result<Vec<Impact>, ActionError> {
    let patched = |mut value: Value| {
        like(&mut value, object.value());
        Impact { operation: Operation::Patch, object: Object::from_value(value) }
    };
    let items = match table(source, object, params, now)? {
        Value::Array(items) => items,
        one => return Ok(vec![patched(one)]),
    };
    let read = |mut item: Value| {
        let resource = item.get_mut("resource").map(Value::take).unwrap_or_default();
        match item.get("operation").and_then(Value::as_str) {
            Some("create") => Ok(Impact { operation: Operation::Create, object: Object::from_value(resource) }),
            Some("patch") => Ok(patched(resource)),
            _ => {
                let told = item.get("operation").cloned().unwrap_or_default();
                Err(failed(format!("unsupported operation: {told}")))
            }
        }
    };
    items.into_iter().map(read).collect()
}

/// Lua knows one empty table: what was an empty object becomes one again.
fn like(value: &mut Value, before: &Value) {
    match (value, before) {
        (Value::Object(map), Value::Object(before)) => {
            for (key, it) in map.iter_mut() {
                if let Some(before) = before.get(key) {
                    like(it, before);
                }
            }
        }
        (value @ Value::Array(_), Value::Object(_)) if value.as_array().is_some_and(Vec::is_empty) => {
            *value = Value::Object(Map::new());
        }
        (Value::Array(items), Value::Array(before)) => {
            items.iter_mut().zip(before).for_each(|(it, before)| like(it, before));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{discover, run};
    use super::*;
    use crate::engine::settings::{Override, Settings};

    const ACTIONS: &str = "discovery.lua: |\n  local actions = {}\n  actions['wake'] = {['disabled'] = obj.spec.awake}\n  \
        actions['plain'] = {}\n  return actions\ndefinitions:\n- name: wake\n  action.lua: |\n    obj.spec.awake = true\n    \
        return obj\n- name: clone\n  action.lua: |\n    local copy = {apiVersion = 'v1', kind = 'Thing', metadata = {name = actionParams['name']}}\n    \
        return {{operation = 'create', resource = copy}}\n- name: bad\n  action.lua: return {{operation = 'shred', resource = obj}}\n";

    fn settings(key: &str, actions: &str) -> Settings {
        let mut settings = Settings::default();
        settings.overrides.insert(key.to_owned(), Override { actions: actions.to_owned(), ..Override::default() });
        settings
    }

    fn thing() -> Object {
        Object::from_value(json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"},
            "spec": {"empty": {}, "list": []}}))
    }

    fn names(found: Result<Vec<ActionInfo>, ActionError>) -> Vec<String> {
        found.unwrap().into_iter().map(|it| it.name).collect()
    }

    #[test]
    fn scripts_say_what_there_is_and_what_it_does() {
        let settings = settings("example.com/Thing", ACTIONS);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(names(discover(&thing(), &settings, now)), ["plain", "wake"]);
        let woken = run(&thing(), "wake", &Params::new(), &settings, now).unwrap();
        let expected = json!({"empty": {}, "list": [], "awake": true});
        assert_eq!(woken[0].object.value()["spec"], expected, "empty objects stay objects");
        let params = Params::from([("name".to_owned(), "copy".to_owned())]);
        let made = run(&thing(), "clone", &params, &settings, now).unwrap();
        assert_eq!((made[0].operation, made[0].object.name()), (Operation::Create, "copy"));
        let error = run(&thing(), "bad", &params, &settings, now).unwrap_err();
        assert_eq!(error.to_string(), "unsupported operation: \"shred\"");
        let error = run(&thing(), "sleep", &params, &settings, now).unwrap_err();
        assert!(error.to_string().starts_with("built-in script does not exist"), "{error}");
    }

    #[test]
    fn scripts_replace_built_in_actions_unless_they_are_to_join_them() {
        let deployment = Object::from_value(json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}));
        let now = Timestamp::UNIX_EPOCH;
        let found = |actions: &str| names(discover(&deployment, &settings("apps/Deployment", actions), now));
        assert_eq!(found(ACTIONS), ["plain", "wake"]);
        let merged = format!("{ACTIONS}mergeBuiltinActions: true\n");
        assert_eq!(found(&merged), ["pause", "plain", "restart", "resume", "scale", "wake"]);
        let error = discover(&deployment, &settings("apps/Deployment", "- ["), now).unwrap_err();
        assert!(matches!(error, ActionError::Settings { .. }), "{error}");
    }
}

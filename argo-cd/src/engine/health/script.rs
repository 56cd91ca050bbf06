//! Health by the scripts of an installation.

use argo_core::Object;
use jiff::Timestamp;

use super::{INVALID, verdict};
use crate::{
    api::{HealthState, ResourceHealth},
    engine::settings::{Override, Settings},
};

/// The script of a kind: its own, else the first of a wildcard that matches.
pub(super) fn of<'a>(object: &Object, settings: &'a Settings) -> Option<&'a Override> {
    let key = super::super::actions::config_key(object);
    let has = |it: &&Override| !it.health_lua.is_empty();
    let own = settings.overrides.get(&key).filter(has);
    own.or_else(|| {
        let matches = |pattern: &str| argo_lang::glob::is_match(pattern, &key, argo_lang::glob::Mode::Gobwas);
        settings.overrides.iter().filter(|(pattern, it)| has(it) && matches(pattern)).map(|it| it.1).next()
    })
}

/// Runs it. `None` when it says nothing.
#[cfg(feature = "lua")]
pub(super) fn judge(object: &Object, script: &Override, now: Timestamp) -> Option<ResourceHealth> {
    use argo_lang::lua::{Libraries, Limits, Output, Script};
    use serde_json::Value;

    let libraries = if script.use_open_libs { Libraries::Open } else { Libraries::Safe };
    let globals = [("obj", object.value())];
    let script = Script { source: &script.health_lua, globals: &globals, libraries, now, limits: Limits::default() };
    let unknown = |message: String| Some(verdict(HealthState::Unknown, message));
    match script.run() {
        Err(error) => unknown(error.to_string()),
        Ok(Output::Nil) => None,
        Ok(Output::Table(Value::Array(items))) if items.is_empty() => None,
        Ok(Output::Table(Value::Object(health))) => {
            let text = |name: &str| match health.get(name) {
                None | Some(Value::Null) => Ok(""),
                Some(Value::String(text)) => Ok(text.as_str()),
                Some(other) => Err(format!("the script's {name} is {other}, which is no text")),
            };
            match (text("status"), text("message")) {
                (Err(error), _) | (_, Err(error)) => unknown(error),
                (Ok(status), Ok(message)) => match HealthState::parse(status) {
                    Some(state) => Some(verdict(state, message)),
                    None => unknown(INVALID.to_owned()),
                },
            }
        }
        Ok(Output::Table(_)) => unknown("expect table output from Lua script, not list".to_owned()),
        Ok(Output::Other(kind)) => unknown(format!("expect table output from Lua script, not {kind}")),
    }
}

/// Says that it can not run.
#[cfg(not(feature = "lua"))]
pub(super) fn judge(object: &Object, _: &Override, _: Timestamp) -> Option<ResourceHealth> {
    let kind = object.text("/kind");
    let message = format!("health of {kind} is judged by a Lua script, and this build runs none (feature `lua`)");
    let _ = INVALID;
    Some(verdict(HealthState::Unknown, message))
}

#[cfg(all(test, feature = "lua"))]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::health;

    fn settings(list: &[(&str, &str, bool)]) -> Settings {
        let mut settings = Settings::default();
        for (key, script, open) in list {
            let it = Override { health_lua: (*script).to_owned(), use_open_libs: *open, ..Override::default() };
            settings.overrides.insert((*key).to_owned(), it);
        }
        settings
    }

    fn of(settings: &Settings, group: &str, kind: &str) -> Option<(HealthState, String)> {
        let object = Object::from_value(json!({"apiVersion": format!("{group}/v1"), "kind": kind,
            "metadata": {"name": "x", "creationTimestamp": "2026-03-04T05:00:00Z"}, "spec": {"size": 2}}));
        let now = "2026-03-04T05:06:07Z".parse().unwrap();
        health::of(&object, settings, now).map(|it| (it.status, it.message))
    }

    #[test]
    fn scripts_come_before_rules_the_kinds_own_before_wildcards() {
        let healthy = |text: &str| format!("return {{status = 'Healthy', message = '{text}'}}");
        let (own, wide) = (healthy("own"), healthy("wide"));
        let settings = settings(&[("cert-manager.io/Issuer", &own, false), ("cert-manager.io/*", &wide, false)]);
        assert_eq!(of(&settings, "cert-manager.io", "Issuer"), Some((HealthState::Healthy, "own".into())));
        assert_eq!(of(&settings, "cert-manager.io", "Order"), Some((HealthState::Healthy, "wide".into())));
        assert_eq!(of(&settings, "example.com", "Order"), None);
        assert_eq!(of(&Settings::default(), "cert-manager.io", "Issuer").unwrap().0, HealthState::Progressing);
    }

    #[test]
    fn what_a_script_returns_is_read_as_upstream_reads_it() {
        let verdict = |script: &str| of(&settings(&[("example.com/Thing", script, false)]), "example.com", "Thing");
        let unknown = |text: &str| Some((HealthState::Unknown, text.to_owned()));
        assert_eq!(verdict("return {}"), None);
        assert_eq!(verdict("local x = obj.spec.size"), None);
        assert_eq!(verdict("return {status = 'Splendid'}"), unknown("Lua returned an invalid health status"));
        assert_eq!(verdict("return 'Healthy'"), unknown("expect table output from Lua script, not string"));
        assert_eq!(verdict("error('no size', 0)"), unknown("no size"));
        assert_eq!(verdict("while true do end"), unknown("script exceeded its instruction limit"));
        let (state, message) = verdict("return {status = 'Healthy', message = obj.nope.deep}").unwrap();
        assert_eq!(state, HealthState::Unknown);
        assert!(message.starts_with("<string>:1: attempt to index"), "{message}");
    }

    #[test]
    fn libraries_are_open_only_when_the_installation_says_so() {
        let script = "return {status = string.format('%s', 'Healthy'), message = os.date('!%X')}";
        let verdict = |open| of(&settings(&[("example.com/Thing", script, open)]), "example.com", "Thing").unwrap();
        assert_eq!(verdict(true), (HealthState::Healthy, "05:06:07".into()));
        assert_eq!(verdict(false).0, HealthState::Unknown);
    }
}

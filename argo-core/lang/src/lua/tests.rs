use serde_json::json;

use super::*;

#[test]
fn a_health_script_reads_the_object() {
    let script = "hs = {}\nif obj.status ~= nil and obj.status.ready == 3 then hs.status = 'Healthy' else hs.status = 'Progressing' end\nhs.message = string.format('%d ready', obj.status.ready)\nreturn hs";
    let object = json!({"status": {"ready": 3, "none": null, "list": [1, "b"]}});
    assert_eq!(run(script, &object, &Limits::default()).unwrap(), json!({"status": "Healthy", "message": "3 ready"}));
    assert_eq!(
        run("return {#obj.status.list, obj.status.none == nil}", &object, &Limits::default()).unwrap(),
        json!([2, true])
    );
}

#[test]
fn scripts_reach_nothing_outside_and_end() {
    let none = json!({});
    for global in ["io", "load", "loadstring", "dofile", "debug", "package", "os.execute", "os.getenv", "os.clock"] {
        assert_eq!(
            run(&format!("return {global} == nil"), &none, &Limits::default()).unwrap(),
            json!(true),
            "{global}"
        );
    }
    assert_eq!(run("while true do end", &none, &Limits::default()), Err(LuaError::Limit("instruction")));
    for script in [
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1e9)",
        "local t = {} for i = 1, 1000 do t[i] = i .. ('x'):rep(1e6) end",
    ] {
        assert_eq!(run(script, &none, &Limits::default()), Err(LuaError::Limit("memory")), "{script}");
    }
    assert!(matches!(run("return +", &none, &Limits::default()), Err(LuaError::Syntax(_))));
    assert_eq!(run("error('boom')", &none, &Limits::default()), Err(LuaError::Runtime("<string>:1: boom".to_owned())));
    assert!(
        matches!(run("require('io')", &none, &Limits::default()), Err(LuaError::Runtime(text)) if text.contains("module 'io' not found"))
    );
}

#[test]
fn the_last_of_several_values_counts() {
    let sandbox = Sandbox::new();
    assert_eq!(
        sandbox.values("return 1, {}, nil, 'x'", &json!({})),
        Ok(vec![json!(1), json!([]), json!(null), json!("x")])
    );
    assert_eq!(sandbox.run("return 1, {a = 2}", &json!({})), Ok(json!({"a": 2})));
    assert_eq!(sandbox.run("local x = 1", &json!({})), Ok(json!(null)));
    for (script, message) in [
        ("return {1, nil, 3, a = 1}", "cannot encode mixed or invalid key types"),
        ("return {[1] = 1, [3] = 3}", "cannot encode sparse array"),
        ("local t = {} t.t = t return t", "cannot encode recursively nested tables to JSON"),
        ("return print", "cannot encode function to JSON"),
    ] {
        assert_eq!(sandbox.run(script, &json!({})), Err(LuaError::Result(message)), "{script}");
    }
}

#[test]
fn the_clock_is_the_callers() {
    let zone = TimeZone::get("Europe/Zurich").unwrap();
    let sandbox = Sandbox::new().at("2026-07-01T22:30:05Z".parse().unwrap()).in_zone(zone);
    for (script, wanted) in [
        ("return os.time()", json!(1_782_945_005)),
        ("local os = require('os') return os.date('!%Y-%m-%dT%XZ')", json!("2026-07-01T22:30:05Z")),
        (
            "return os.date('%Y-%m-%d %H:%M:%S %Z %z %p %w %A %a %q %%')",
            json!("2026-07-02 00:30:05 CEST +0200 AM 4 Thursday mon %q %"),
        ),
        ("return os.date()", json!("02 Jul 26 00:30 CEST")),
        ("return os.date('!%c', 0)", json!("01 Jan 70 00:00 UTC")),
        ("return os.time({year = 2026, month = 1, day = 2})", json!(1_767_351_600)),
        ("return os.time({year = 2025, month = 14, day = 0, hour = 25, min = 61, sec = -1})", json!(1_769_907_659)),
        (
            "local t = os.date('*t', 86400) return {t.year, t.month, t.day, t.hour, t.wday, t.yday, t.isdst}",
            json!([1970, 1, 2, 1, 6, 0, false]),
        ),
    ] {
        assert_eq!(sandbox.run(script, &json!({})), Ok(wanted), "{script}");
    }
    assert!(
        matches!(run("return os.time()", &json!({}), &Limits::default()), Err(LuaError::Runtime(text)) if text.contains("no clock"))
    );
    assert!(matches!(
        sandbox.run("return os.time({year = 1e9, month = 1, day = 1})", &json!({})),
        Err(LuaError::Runtime(_))
    ));
}

#[test]
fn runs_do_not_depend_on_one_another() {
    let script =
        "local t = {} for i = 1, 5 do t[i] = math.random(100) end math.randomseed(7) t[6] = math.random() return t";
    let first = run(script, &json!({}), &Limits::default());
    assert_eq!(run(script, &json!({}), &Limits::default()), first);
}

#[test]
fn empty_tables_become_what_they_were() {
    let old = json!({"a": {}, "b": [], "c": [{"d": {}}], "e": 1});
    let mut new = run("obj.f = {} return obj", &old, &Limits::default()).unwrap();
    assert_eq!(new, json!({"a": [], "b": [], "c": [{"d": []}], "e": 1, "f": []}));
    restore_objects(&mut new, &old);
    assert_eq!(new, json!({"a": {}, "b": [], "c": [{"d": {}}], "e": 1, "f": []}));
}

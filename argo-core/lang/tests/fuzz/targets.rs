//! What each target does with a text.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use argo_lang::text_template::{Functions, Run, Template, Val};
use argo_lang::{
    duration as durations, expr as exprs, fmt, gitignore as gitignores, gjson as gjsons, glob as globs, gofloat,
    gojson, govaluate as govaluates, int_or_string, jq as jqs, json_pointer as pointers, jsonpath as paths,
    names as naming, quantity as quantities, regexp, semver as versions, tags as tagged, time, yaml,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// Values that expressions, paths and templates find something in.
static DATA: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "a": {"b": [1, 2, {"c": "x"}], "n": null, "s-t": "dash"}, "b": "B", "name": "bob", "n": 5, "f": 2.5, "big": 1_234_567,
        "list": ["b", "a", "c"], "nums": [3, 1, 2], "yes": true, "no": false, "none": null, "empty": [], "em": {}, "el": [],
        "t": true, "zero": 0, "html": "<a href=\"x\">", "text": "line1\nline2\n", "txt": "{\"x\":[1,2]}", "m": {"k1": 1, "k2": 2},
        "map": {"x": 1, "y": 2, "z": {"w": "deep"}}, "users": [{"n": "A", "tags": ["x"]}, {"n": "B", "tags": []}],
        "people": [{"name": "A", "age": 30}, {"name": "B", "age": 20}], "items": [{"name": "a", "v": 1, "tags": ["t"]}, {"name": "b", "v": 2.5}],
        "kind": "List", "s": "str", "steps": {"my-step": {"outputs": {"result": "7"}}}, "x-y": "dash", "arr": [1, "two"]
    })
});

static NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// What is printed may be longer than what was read, and a language has a longest text: more is not read back.
const LONG: usize = 60 << 10;

/// The two parts of an input, the second one `default` when there is one only.
fn parts<'a>(text: &'a str, default: &'a str) -> (&'a str, &'a str) {
    text.split_once("\n====\n").unwrap_or((text, default))
}

pub(super) fn yaml_decode(text: &str) {
    let strict = yaml::decode_all(text);
    let lenient = yaml::decode_all_with(text, &yaml::Options::lenient());
    let _ = yaml::decode_bytes(text.as_bytes());
    if let Ok(documents) = strict {
        assert_eq!(lenient.as_ref(), Ok(&documents));
        // a key `<<` is printed as Go prints it, and read as a merge by Go too
        for value in documents.into_iter().filter(|it| !gojson::to_string_raw(it).contains("\"<<\"")) {
            let printed = yaml::to_yaml(&value);
            let back = yaml::decode(&printed);
            assert_eq!(back.as_ref().map(gojson::to_string), Ok(gojson::to_string(&value)), "{printed}");
        }
    }
}

pub(super) fn yaml_edit(text: &str) {
    let (text, key) = parts(text, "a.b.0");
    for (key, value) in [(key, json!("x")), ("a", json!({"b": [1]})), (key, json!("two\nlines\n"))] {
        if let Ok(edited) = yaml::edit::set(text, key, &value) {
            assert!(yaml::decode_with(&edited, &yaml::Options::lenient()).is_ok(), "{edited:?}");
        }
    }
}

pub(super) fn template(text: &str) {
    let run = Run { now: Some(NOW), seed: Some(1), ..Run::default() };
    let functions = Functions::helm();
    let Ok(template) = Template::parse("t", text, &functions) else { return };
    let execute = || template.execute_with("t", &Val::from_json(&DATA), &run);
    assert_eq!(execute(), execute());
    let printed = template.to_string();
    let again = Template::parse("t", &printed, &functions).unwrap_or_else(|error| panic!("{printed:?}: {error}"));
    assert_eq!(again.to_string(), printed);
    if let (Ok(one), Ok(other)) = (execute(), again.execute_with("t", &Val::from_json(&DATA), &run)) {
        assert_eq!(one, other, "{printed:?}");
    }
}

pub(super) fn tags(text: &str) {
    let (text, value) = parts(text, "3");
    let scope: BTreeMap<String, Option<String>> = [
        ("inputs.parameters.n", Some(value)),
        ("a", Some(text)),
        ("item", Some("{\"k\":1}")),
        ("steps.s.outputs.result", None),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
    .collect();
    let deep = BTreeMap::from([(text.to_owned(), "1".to_owned())]);
    let _ = tagged::substitute("{{= a}}", &deep, &tagged::Render::default());
    for how in [tagged::Render::default(), tagged::Render::strict()] {
        let template = tagged::Template::parse(text);
        assert_eq!(tagged::Template::parse(&template.to_string()), template);
        assert_eq!(template.render(&scope, &how), template.render(&scope, &how));
        let _ = tagged::substitute_json_text(text, &scope, &how);
        if let Ok(value) = serde_json::from_str(text) {
            let _ = tagged::substitute_json(&value, &scope, &how);
        }
    }
}

pub(super) fn expr(text: &str) {
    static OPTIONS: LazyLock<exprs::Options> = LazyLock::new(exprs::argo::options);
    for options in [OPTIONS.clone(), OPTIONS.clone().allow_undefined()] {
        let Ok(program) = exprs::Program::compile(text, &options) else { continue };
        let _ = program.names();
        let first = program.eval_at(&DATA, NOW);
        assert_eq!(first, program.eval_at(&DATA, NOW));
        let printed = program.to_string();
        let again = match exprs::Program::compile(&printed, &options) {
            Ok(it) => it,
            // parentheses that were not written before may be one bound too many
            Err(error) => {
                assert_eq!(error.kind, exprs::ErrorKind::Limit, "{printed}: {error}");
                continue;
            }
        };
        assert_eq!(again.to_string(), printed);
        if let (Ok(one), Ok(other)) = (&first, &again.eval_at(&DATA, NOW)) {
            assert_eq!(one, other, "{printed}");
        }
    }
}

pub(super) fn expr_template(text: &str) {
    let options = exprs::Options::default();
    let _ = exprs::template::evaluate(text, &DATA, &options);
    let _ = exprs::template::evaluate(&format!("x ${{{{ {text} }}}}"), &DATA, &options);
}

pub(super) fn govaluate(text: &str) {
    assert_eq!(govaluates::when(text), govaluates::when(text));
    if let Ok(expression) = govaluates::Expression::parse(text) {
        assert_eq!(expression.eval(&DATA), expression.eval(&DATA));
        let printed = expression.to_string();
        if printed.len() > LONG {
            return;
        }
        let again = govaluates::Expression::parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!((again.to_string(), again.eval(&DATA)), (printed, expression.eval(&DATA)));
    }
}

pub(super) fn jq(text: &str) {
    let (text, input) = parts(text, "null");
    let Ok(program) = jqs::Jq::compile(text) else { return };
    let printed = program.to_string();
    if printed.len() <= LONG {
        let again = jqs::Jq::compile(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed);
    }
    let limits = jqs::Limits { steps: 200_000, memory: 8 << 20, ..jqs::Limits::default() };
    for input in [&*DATA, &serde_json::from_str(input).unwrap_or_default()] {
        let run = || program.run(input).limits(limits).at(NOW).collect::<Result<Vec<_>, _>>();
        assert_eq!(run(), run());
    }
}

pub(super) fn jsonpath(text: &str) {
    let _ = paths::eval(text, &DATA);
    if let Ok(path) = paths::JsonPath::parse(text) {
        assert_eq!(path.render(&DATA), path.render(&DATA));
        if path.to_string().len() <= LONG {
            assert_eq!(paths::JsonPath::parse(&path.to_string()).as_ref(), Ok(&path), "{path}");
        }
        let _ = path.allow_missing().find(&DATA);
    }
}

pub(super) fn gjson(text: &str) {
    let (path, json) = parts(text, "{\"a\":[1,{\"b\":\"x\"}]}");
    let first = gjsons::get(&DATA, path);
    assert_eq!(first, gjsons::get(&DATA, path));
    let _ = gjsons::get_text(json, path);
    let mut value = DATA.clone();
    let _ = gjsons::set(&mut value, path, json!(1));
    let _ = gjsons::delete(&mut value, path);
}

pub(super) fn json_pointer(text: &str) {
    let mut value = DATA.clone();
    if let Ok(tokens) = pointers::parse(text) {
        let printed = pointers::join(tokens.iter().map(String::as_str));
        assert_eq!(pointers::parse(&printed).as_ref(), Ok(&tokens));
        if pointers::set(&mut value, text, json!("new")) && !text.ends_with("/-") {
            assert_eq!(pointers::get(&value, text), Some(&json!("new")));
        }
    }
}

pub(super) fn duration(text: &str) {
    if let Ok(length) = durations::parse(text) {
        assert_eq!(durations::parse(&durations::format(length)), Ok(length));
    }
    let _ = durations::parse_or_seconds(text);
}

pub(super) fn time_layout(text: &str) {
    let (layout, text) = parts(text, "2024-03-05T06:07:08.9Z");
    let zoned = NOW.to_zoned(TimeZone::UTC);
    let _ = time::format_layout(&zoned, layout);
    let _ = time::parse_layout(text, layout, &TimeZone::UTC);
    let _ = time::parse_rfc3339(text);
    let _ = time::parse_layout(text, "2006-01-02T15:04:05.999999999Z07:00", &TimeZone::UTC);
}

pub(super) fn strftime(text: &str) {
    static PROGRAM: LazyLock<jqs::Jq> = LazyLock::new(|| {
        let source = "[(0, 1700000000.5, -1e10, 253402300800) | try strftime($format) catch .], (try ($text | strptime($format) | mktime) catch .)";
        jqs::Jq::compile_with(source, &["format", "text"]).expect("a program")
    });
    let (format, text) = parts(text, "2024-03-05T06:07:08Z");
    let (format, text) = (json!(format), json!(text));
    let run = || PROGRAM.run(&Value::Null).with("format", &format).with("text", &text).collect::<Result<Vec<_>, _>>();
    assert_eq!(run(), run());
}

pub(super) fn toml(text: &str) {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
        Template::parse(
            "t",
            "{{ $v := fromToml . }}{{ $t := toToml $v }}{{ $t }}\n====\n{{ fromToml $t | toToml }}",
            &Functions::helm(),
        )
        .expect("a template")
    });
    let printed = TEMPLATE.execute_with("t", &Val::from_json(&json!(text)), &Run::default());
    if let Ok(printed) = printed
        && let Some((once, twice)) = printed.split_once("\n====\n")
        && !once.starts_with("Error")
    {
        assert_eq!(once, twice, "{text:?}");
    }
}

pub(super) fn yaml_kustomize(text: &str) {
    let read = yaml::decode_all_with(text, &yaml::Options::kustomize());
    assert_eq!(read, yaml::decode_all_with(text, &yaml::Options::kustomize()));
}

pub(super) fn json(text: &str) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        for printed in
            [gojson::to_string(&value), gojson::to_string_raw(&value), gojson::to_string_indent(&value, "\t")]
        {
            let back = serde_json::from_str::<Value>(&printed).expect("JSON");
            assert_eq!(gojson::to_string(&back), gojson::to_string(&value), "{printed}");
        }
    }
}

pub(super) fn format(text: &str) {
    let values = [json!(1), json!("é"), json!(2.5), json!([1, {"a": null}]), json!(-7), json!(true)];
    let _ = fmt::sprintf_values(text, &values);
    let _ = fmt::sprintf_values(text, &[]);
    for number in [gofloat::parse_float(text)].into_iter().flatten() {
        assert_eq!(gofloat::parse_float(&gofloat::format_g(number, None)).map(f64::to_bits), Some(number.to_bits()));
    }
    let _ = (gofloat::parse_int(text, 0), gofloat::parse_uint(text, 0));
}

pub(super) fn quantity(text: &str) {
    let (a, b) = parts(text, "1");
    let Ok(a) = quantities::Quantity::parse(a) else { return };
    let printed = a.to_string();
    let again = quantities::Quantity::parse(&printed).expect("canonical text is read");
    assert_eq!((again, again.to_string()), (a, printed));
    let _ = (a.value(), a.milli_value(), a.as_f64());
    if let Ok(b) = quantities::Quantity::parse(b) {
        let _ = ((a + b).to_string(), (a - b).to_string(), a.cmp(&b));
    }
}

pub(super) fn semver(text: &str) {
    if let Ok(version) = versions::Version::parse(text) {
        let again = versions::Version::parse(&version.to_string()).expect("canonical text is read");
        assert_eq!((again.cmp(&version), again.to_string()), (std::cmp::Ordering::Equal, version.to_string()));
        let _ = (version.inc_major(), version.inc_minor(), version.inc_patch());
    }
    let _ = versions::Version::parse_strict(text);
    let (a, b) = parts(text, "1.2.3");
    let _ = versions::diff(a, b);
}

pub(super) fn semver_constraint(text: &str) {
    let (range, version) = parts(text, "1.2.3");
    if let Ok(constraint) = versions::Constraint::parse(range) {
        let printed = constraint.to_string();
        if printed.len() > 200 {
            return;
        }
        let again = versions::Constraint::parse(&printed).unwrap_or_else(|error| panic!("{printed}: {error}"));
        assert_eq!(again.to_string(), printed);
        for version in [version, "0.0.0", "2.0.0-rc.1+x", "1.2"] {
            if let Ok(version) = versions::Version::parse(version) {
                assert_eq!(constraint.matches(&version), again.matches(&version), "{printed}");
            }
        }
    }
}

pub(super) fn cron(text: &str) {
    for schedule in [argo_lang::cron::Schedule::parse(text), argo_lang::cron::Schedule::parse_with_seconds(text)] {
        let Ok(schedule) = schedule else { continue };
        assert_eq!(schedule.to_string(), text);
        for start in [0, 1_700_000_000, 253_402_207_199, -377_705_023_201] {
            let Ok(start) = Timestamp::from_second(start) else { continue };
            if let Some(next) = schedule.next(start, &TimeZone::UTC) {
                assert!(next > start, "{next} {start}");
            }
        }
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        if let Some(previous) = schedule.previous(now, &TimeZone::UTC) {
            assert!(previous <= now);
        }
    }
}

pub(super) fn glob(text: &str) {
    let (pattern, text) = parts(text, "a/b.c");
    for mode in [globs::Mode::Gobwas, globs::Mode::GobwasPath, globs::Mode::Doublestar, globs::Mode::FilePath] {
        if let Ok(glob) = globs::Glob::new(pattern, mode) {
            assert_eq!(globs::Glob::new(&glob.to_string(), mode).map(|it| it.is_match(text)), Ok(glob.is_match(text)));
            let _ = (glob.is_match(pattern), glob.is_match(&"a".repeat(4096)));
        }
    }
}

pub(super) fn gitignore(text: &str) {
    if let Ok(ignore) = gitignores::Gitignore::parse(text) {
        for path in [text, "a/b.c", "x"] {
            let inside = format!("{}/y/z", path.trim_matches('/'));
            assert!(!ignore.is_ignored(path, true) || ignore.is_ignored(&inside, false), "{path}");
        }
    }
}

pub(super) fn regex(text: &str) {
    let (pattern, text) = parts(text, "aaaaaaaaaaaaaaaaaaaaaaaaab");
    if let Ok(regex) = regexp::compile(pattern) {
        let _ = (regex.is_match(text), regexp::replace_all(&regex, text, pattern));
    }
    if text.len() <= 4096 {
        let quoted = regexp::compile(&regexp::quote_meta(text)).expect("quoted text is a pattern");
        assert!(quoted.is_match(text));
    }
}

pub(super) fn names(text: &str) {
    let _ = (naming::dns1123_label(text), naming::dns1123_subdomain(text), naming::dns1035_label(text));
    let _ = (naming::label_value(text), naming::qualified_name(text), naming::safe_encode(text));
    for most in [0, 1, 8, 9, 20, 63] {
        let _ = naming::hash_shorten(text, most);
    }
    assert!(naming::generate(text, 7).len() <= 63);
    let value = int_or_string::IntOrString::String(text.to_owned());
    let _ = (value.scaled(i64::MAX, int_or_string::Round::Up), value.scaled(i64::MIN, int_or_string::Round::Down));
    let _ = (value.percent(), value.int_value());
}

#[cfg(feature = "lua")]
pub(super) fn lua(text: &str) {
    let limits = argo_lang::lua::Limits { memory: 4 << 20, instructions: 200_000 };
    let _ = argo_lang::lua::run(text, &DATA, &limits);
    let _ = argo_lang::lua::run(&format!("return {text}"), &DATA, &limits);
}

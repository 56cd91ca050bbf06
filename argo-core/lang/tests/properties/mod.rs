//! Arbitrary input never panics, and what is printed reads back.

#[path = "../../src/grammar.rs"]
mod grammar;
mod jq;
mod printers;

use argo_lang::text_template::{Functions, Template};
use argo_lang::{
    cron, duration, expr, fmt, gjson, glob, govaluate, jsonpath, names, quantity, semver, tags, time, yaml,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

/// Text made of the pieces that languages are made of, so that parsers get past their first character.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9 .,:;|&<>=!?+*/%^~()\\[\\]{}'\"`#$@\\\\_-]{1,4}",
        1 => "\\PC{1,3}",
        2 => prop::sample::select(vec![
            "{{", "}}", "${{", "{{=", "{{-", "-}}", "if ", "end", "range ", "else", "define \"x\"", "nil", "true", "1", "0x1f", "1.5", "a.b", "[0]", "in ", "not ", "let x = 1;", "map(a, #)",
            "filter(l, .x > 1)", "??", "?.", "..", "\n", "\t", "- ", ": ", "&a ", "*a", "<<: ", "|\n", ">-\n", "!!str ", "---\n", "%YAML 1.1\n", "@every 1h", "CRON_TZ=UTC ", "*/5 ", "1-3,", "~1.2", ">=1", "||",
            "**", "[a-z]", "{a,b}", "1Ki", "e3", "..name", "[?(@.a==1)]", "[*]", "range .a[*]", "a-1h2m", "\u{feff}", "\u{0}",
        ])
        .prop_map(str::to_owned),
    ];
    vec(piece, 0..14).prop_map(|it| it.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-zA-Z0-9 _.:#'\"\\n-]{0,8}",
        "[^<\\p{C}]{0,4}",
        prop::sample::select(vec![
            "yes",
            "null",
            "1",
            "0x1",
            "1e3",
            "~",
            "- a",
            "a: b",
            " x",
            "x ",
            "a\nb\n",
            "\n",
            "2001-01-01",
            "1:30",
            "=",
            "|",
            "é"
        ])
        .prop_map(str::to_owned)
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        (-1e6..1e6_f64).prop_map(Value::from),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map(text.clone(), inner, 0..4).prop_map(|it| Value::Object(it.into_iter().collect()))
        ]
    })
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn no_parser_panics(text in soup(), value in json_value()) {
        let _ = yaml::decode_all(&text);
        let _ = yaml::edit::set(&text, "a.b.0", &json!("x"));
        let _ = duration::parse(&text);
        let _ = time::parse_rfc3339(&text);
        let _ = time::parse_layout(&text, "2006-01-02T15:04:05Z07:00", &TimeZone::UTC);
        let _ = time::format_layout_utc(Timestamp::UNIX_EPOCH, &text);
        let _ = expr::eval(&text, &value, &expr::argo::options().allow_undefined());
        let _ = expr::template::evaluate(&text, &value, &expr::Options::default());
        let _ = govaluate::when(&text);
        let _ = govaluate::Expression::parse(&text).and_then(|it| it.eval(&value));
        let _ = Template::parse("t", &text, &Functions::helm()).and_then(|it| it.execute(&value));
        let _ = semver::Version::parse(&text);
        let _ = semver::Constraint::parse(&text);
        let _ = quantity::Quantity::parse(&text).map(|it| it.to_string());
        let _ = jsonpath::JsonPath::parse(&text).and_then(|it| it.render(&value));
        let _ = jsonpath::eval(&text, &value);
        let _ = fmt::sprintf_values(&text, std::slice::from_ref(&value));
        let scope: std::collections::BTreeMap<String, String> = [("a".to_owned(), text.clone())].into_iter().collect();
        let _ = tags::substitute(&text, &scope, &tags::Render::default());
        let _ = tags::substitute_json_text(&text, &scope, &tags::Render::strict());
        for mode in [glob::Mode::Gobwas, glob::Mode::GobwasPath, glob::Mode::Doublestar, glob::Mode::FilePath] {
            let _ = glob::is_match(&text, "a/b.c", mode);
        }
        let mut target = value;
        let _ = gjson::set(&mut target, &text, json!(1));
        let _ = names::qualified_name(&text);
        let _ = names::hash_shorten(&text, 20);
    }

    #[test]
    fn gjson_reads_without_panic(text in soup(), value in json_value()) {
        let _ = gjson::get(&value, &text);
    }

    #[test]
    fn cron_schedules_never_panic_and_go_forward(text in soup(), fields in vec("[0-9*,/-]{1,5}", 5), second in -2_000_000_000_i64..4_000_000_000) {
        let after = Timestamp::from_second(second).unwrap();
        for spec in [text, fields.join(" ")] {
            if let Ok(schedule) = cron::Schedule::parse(&spec)
                && let Some(next) = schedule.next(after, &TimeZone::UTC)
            {
                prop_assert!(next > after);
            }
        }
    }

    #[test]
    fn printed_yaml_reads_back(value in json_value()) {
        for text in [yaml::to_yaml(&value), yaml::to_yaml_pretty(&value)] {
            let back = yaml::decode(&text);
            prop_assert!(back.as_ref().is_ok_and(|it| same(it, &value)), "{value}\n{text}\n{back:?}");
        }
    }

    #[test]
    fn an_edit_changes_only_its_key(value in btree_map("[a-c]{1,2}", json_value(), 1..4), new in json_value(), place in any::<prop::sample::Index>()) {
        let value = Value::Object(value.into_iter().collect());
        let map = value.as_object().unwrap();
        let key = map.keys().nth(place.index(map.len())).unwrap().clone();
        let text = format!("# head\n{}# tail\n", yaml::to_yaml(&value));
        if let Ok(out) = yaml::edit::set(&text, &key, &new) {
            let back = yaml::decode(&out).unwrap();
            let mut wanted = value.clone();
            wanted[&key] = new;
            prop_assert!(same(&back, &wanted), "{text}\n{key}\n{out}");
            prop_assert!(out.starts_with("# head\n") && out.contains("# tail"));
        }
    }

    #[test]
    fn durations_read_back(nanos in any::<i64>()) {
        let length = jiff::SignedDuration::from_nanos(nanos);
        prop_assert_eq!(duration::parse(&duration::format(length)), Ok(length));
    }

    #[test]
    fn quantities_are_canonical_once(number in "[0-9]{1,6}(\\.[0-9]{1,4})?", suffix in prop::sample::select(vec!["", "m", "k", "Ki", "M", "Mi", "e3", "n"])) {
        let first = quantity::Quantity::parse(&format!("{number}{suffix}")).unwrap();
        let printed = first.to_string();
        let again = quantity::Quantity::parse(&printed).unwrap();
        prop_assert_eq!(again, first);
        prop_assert_eq!(again.to_string(), printed);
    }
}

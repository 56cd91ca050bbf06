//! What is printed reads back: texts of the whole grammar of each language. expr-lang and jq compare their trees beside
//! their printers, in `src`.

use std::fmt::Debug;

use argo_lang::text_template::{Functions, Run, Template, Val};
use argo_lang::{
    cron, gjson, glob, gofloat, govaluate, int_or_string::IntOrString, json_pointer, jsonpath, quantity, semver, tags,
    time,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use super::grammar::{shape, texts};

fn data() -> Value {
    json!({"a": {"b": [1, 2, {"c": "x"}], "k": "v"}, "b": "B", "n": 5, "f": 2.5, "list": ["b", "a"], "t": true, "none": null, "x y": 1})
}

/// Reads, prints, reads again: the same thing, printed in the same way.
fn reads_back<T: ToString + Debug, E: ToString>(
    source: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<(T, T)>, TestCaseError> {
    let Ok(first) = parse(source) else { return Ok(None) };
    let printed = first.to_string();
    let again = parse(&printed)
        .map_err(|error| TestCaseError::fail(format!("{source:?} became {printed:?}: {}", error.to_string())))?;
    prop_assert_eq!(again.to_string(), printed, "{:?}", source);
    Ok(Some((first, again)))
}

const TEMPLATE_LEAVES: &[&str] = &[
    "",
    "x",
    "{",
    "}}",
    " \n",
    "{{/* c */}}",
    "{{.a.b}}",
    "{{$}}",
    "{{- 1 -}}",
    "{{`r`}}",
    "{{'c'}}",
    "{{1.5e3}}",
    "{{0x1F}}",
    "{{\"a\\\"b\"}}",
    "{{nil | print}}",
    "{{(.a).k}}",
    "{{.a.k | upper | printf \"%s\"}}",
];
const TEMPLATE_SHAPES: &[&str] = &[
    "αβ",
    "α β\n",
    "{{if .t}}α{{end}}",
    "{{if and .t (not .n)}}α{{else}}β{{end}}",
    "{{if .none}}α{{else if .t}}β{{else}}γ{{end}}",
    "{{with .a}}α{{else with $.b}}β{{end}}",
    "{{with $x := .a}}α{{$x}}{{end}}",
    "{{range .list}}α{{else}}β{{end}}",
    "{{range $i, $v := .a.b}}α{{if $i}}{{break}}{{else}}{{continue}}{{end}}{{end}}",
    "{{define \"d\"}}α{{end}}β",
    "{{block \"e\" .}}α{{end}}β",
    "{{template \"f\" .a}}{{define \"f\"}}α{{end}}",
    "{{- if .t -}} α {{- end -}}",
    "{{$v := .n}}α{{$v = 2}}{{$v}}",
    "{{range 3}}α{{end}}",
    "{{(index .a.b 2).c}}α",
];

const GOVALUATE_LEAVES: &[&str] = &[
    "1",
    "2.5",
    "0x1F",
    "'s'",
    "\"q\\\"r\"",
    "true",
    "false",
    "n",
    "[x y]",
    "[a\\]b]",
    "a",
    "b",
    "'2024-01-02'",
    "()",
    "list",
];
const GOVALUATE_SHAPES: &[&str] = &[
    "(α)",
    "α + β",
    "(α) - (β)",
    "α * β",
    "(α) / (β)",
    "α % β",
    "α ** β",
    "(α) == (β)",
    "α != β",
    "(α) < (β)",
    "α >= β",
    "α =~ 'x.'",
    "α !~ β",
    "(α) && (β)",
    "α || β",
    "!(α)",
    "-(α)",
    "~(α)",
    "!α",
    "(α) & (β)",
    "α | β",
    "α ^ β",
    "(α) << (β)",
    "α >> β",
    "(α) ? (β) : (γ)",
    "(α) ?? (β)",
    "α ? β",
    "α in (β, γ)",
    "(α, β, γ)",
];

const TAG_LEAVES: &[&str] = &["x", " ", "{", "}", "{{a}}", "{{ b }}", "{{=1 + 2}}", "{{= n}}", "\"", "{{", "}}", "é"];
const TAG_SHAPES: &[&str] = &["αβ", "{{α}}", "{{=α}}", "{{ =α}}", "{{inputs.α}}", "α{{β}}γ", "{α}"];

const PATH_LEAVES: &[&str] = &[
    "{.a}",
    "{.a.b[0]}",
    "{.a.b[*].c}",
    "{..c}",
    "{@.a}",
    "{$.a}",
    "x",
    " ",
    "{\"t\\n\"}",
    "{'q'}",
    "{.a['k']}",
    "{.a.b[-1:]}",
    "{.a.b[0:2:1]}",
    "{.a.b[0,1]}",
    "{.a['k','b']}",
    "{.a.b[?(@.c)]}",
    "{.a.b[?(@.c==\"x\")].c}",
    "{.a.b[?(@ > 1)]}",
    "{1}",
    "{-2.5}",
    "{true}",
    "{.x\\ y}",
    "{.*}",
    "{[0]}",
    "{.a.k}{\"\"}",
];
const PATH_SHAPES: &[&str] = &["αβ", "α β", "{range .a.b[*]}α{end}", "{range .list[*]}α{\"\\n\"}{end}β"];

const RANGE_LEAVES: &[&str] = &[
    "1.2.3",
    ">=1.2",
    "<2",
    "!=1.5.0",
    "^1.2",
    "^0.0.3",
    "~1.2.3",
    "~>2",
    "=1.x",
    "1.2.*",
    "*",
    ">1.0.0-rc.1",
    "<= 2.0.0+b",
    "v1",
    "=> 1",
    "=< 3",
    "1.2 - 2.3",
];
const RANGE_SHAPES: &[&str] = &["α", "α, β", "α β", "α || β", "α||β, γ", " α "];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

    #[test]
    fn templates_read_back(source in texts(TEMPLATE_LEAVES, TEMPLATE_SHAPES)) {
        let functions = Functions::helm();
        if let Some((first, again)) = reads_back(&source, |it| Template::parse("t", it, &functions))? {
            let run = Run { now: Some(Timestamp::UNIX_EPOCH), seed: Some(1), ..Run::default() };
            let value = Val::from_json(&data());
            match (first.execute_with("t", &value, &run), again.execute_with("t", &value, &run)) {
                (Ok(one), Ok(other)) => prop_assert_eq!(one, other, "{:?} became {}", source, first.to_string()),
                (one, other) => prop_assert_eq!(one.is_ok(), other.is_ok(), "{:?} became {}", source, first.to_string()),
            }
        }
    }

    #[test]
    fn govaluate_expressions_read_back(source in texts(GOVALUATE_LEAVES, GOVALUATE_SHAPES)) {
        if let Some((first, again)) = reads_back(&source, govaluate::Expression::parse)? {
            prop_assert_eq!(shape(&first), shape(&again), "{} became {}", source, first.to_string());
            prop_assert_eq!(first.eval(&data()), again.eval(&data()), "{} became {}", source, first.to_string());
        }
    }

    #[test]
    fn tags_read_back(source in texts(TAG_LEAVES, TAG_SHAPES)) {
        let first = tags::Template::parse(&source);
        prop_assert_eq!(tags::Template::parse(&first.to_string()), first, "{}", source);
    }

    #[test]
    fn json_paths_read_back(source in texts(PATH_LEAVES, PATH_SHAPES)) {
        if let Some((first, again)) = reads_back(&source, jsonpath::JsonPath::parse)? {
            prop_assert_eq!(&first, &again, "{}", source);
            prop_assert_eq!(first.render(&data()), again.render(&data()), "{}", source);
        }
    }

    #[test]
    fn ranges_of_versions_read_back(source in texts(RANGE_LEAVES, RANGE_SHAPES)) {
        if let Some((first, again)) = reads_back(&source, semver::Constraint::parse)? {
            for version in ["0.0.3", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.2.3", "1.5.0", "1.5.1-a", "2.0.0", "2.3.4", "3.0.0"] {
                let version = semver::Version::parse(version).unwrap();
                prop_assert_eq!(first.matches(&version), again.matches(&version), "{} with {}", source, version.to_string());
            }
        }
    }

    #[test]
    fn versions_read_back(numbers in "(0|[1-9][0-9]{0,5})(\\.(0|[1-9][0-9]{0,3})){0,2}", pre in "(-[a-z]{1,3}(\\.[1-9][0-9]?){0,2})?", build in "(\\+[a-z0-9]{1,4})?", v in "v?") {
        let source = format!("{v}{numbers}{pre}{build}");
        let found = reads_back(&source, semver::Version::parse)?;
        let (first, again) = found.expect("a version");
        prop_assert_eq!(first, again);
    }

    #[test]
    fn schedules_read_back(fields in vec(prop_oneof![Just("*".to_owned()), Just("?".to_owned()), (1_u32..6, 1_u32..6, 1_u32..4).prop_map(|(a, b, step)| format!("{}-{}/{step},{b}", a.min(b), a.max(b))), (1_u32..6).prop_map(|it| format!("*/{it}")), (1_u32..6).prop_map(|it| it.to_string())], 5), zone in "(CRON_TZ=Asia/Tokyo )?") {
        let source = format!("{zone}{}", fields.join(" "));
        let found = reads_back(&source, cron::Schedule::parse)?;
        let (first, again) = found.expect("a schedule");
        prop_assert_eq!(first, again);
    }

    #[test]
    fn globs_read_back(pattern in "[a-c*?\\[\\]{},!\\\\/-]{0,10}", texts in vec("[a-c/-]{0,5}", 4)) {
        for mode in [glob::Mode::Gobwas, glob::Mode::GobwasPath, glob::Mode::Doublestar, glob::Mode::FilePath] {
            if let Some((first, again)) = reads_back(&pattern, |it| glob::Glob::new(it, mode))? {
                for text in &texts {
                    prop_assert_eq!(first.is_match(text), again.is_match(text));
                }
            }
        }
    }

    #[test]
    fn quantities_read_back(sign in "[+-]?", number in "([0-9]{1,12}(\\.[0-9]{0,6})?|\\.[0-9]{1,6})", suffix in prop::sample::select(vec!["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e+1", "e0"])) {
        let source = format!("{sign}{number}{suffix}");
        if let Some((first, again)) = reads_back(&source, quantity::Quantity::parse)? {
            prop_assert_eq!(first, again, "{}", source);
        }
    }

    #[test]
    fn pointers_read_back(tokens in vec("[a-c~/é\\\\\" ]{0,4}", 0..5)) {
        let printed = json_pointer::join(tokens.iter().map(String::as_str));
        prop_assert_eq!(json_pointer::parse(&printed), Ok(tokens));
    }

    #[test]
    fn gjson_paths_lead_to_what_was_set(keys in vec("[a-zA-Z.*?#|@:!{}()\\[\\]\"\\\\ é=<>%~^,_-]{1,6}", 1..5)) {
        prop_assume!(keys.iter().all(|it| it != "-1"));
        let path = gjson::join(keys.iter().map(String::as_str));
        let mut value = json!({});
        gjson::set(&mut value, &path, json!("new")).map_err(|error| TestCaseError::fail(format!("{path}: {error}")))?;
        let mut at = &value;
        for key in &keys {
            at = at.get(key).ok_or_else(|| TestCaseError::fail(format!("{path}: {value}")))?;
        }
        prop_assert_eq!(at, &json!("new"), "{}", path);
        prop_assert_eq!(gjson::get(&value, &path), Some(json!("new")), "{} in {}", path, value);
        prop_assert_eq!(gjson::delete(&mut value, &path), Ok(true));
        prop_assert_eq!(gjson::get(&value, &path), None, "{}", path);
    }

    #[test]
    fn counts_and_percentages_read_back(value in prop_oneof![any::<i32>().prop_map(|it| IntOrString::Int(it.into())), "\\PC{0,6}".prop_map(IntOrString::String)]) {
        let text = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(serde_json::from_str::<IntOrString>(&text).unwrap(), value);
    }

    #[test]
    fn times_read_back(second in -62_135_596_800_i64..253_402_300_800, nanos in 0_i32..1_000_000_000) {
        let at = Timestamp::new(second, 0).unwrap() + jiff::SignedDuration::new(0, nanos);
        prop_assert_eq!(time::parse_rfc3339(&time::format_rfc3339_nano(at)), Ok(at));
        for layout in ["2006-01-02T15:04:05.999999999Z07:00", "Mon, 02 Jan 2006 15:04:05.000000000 MST", "2006-002 3:04:05.000000000PM -0700", "Monday _2 January 2006 15h4m5.999999999s"] {
            let zoned = at.to_zoned(TimeZone::UTC);
            let text = time::format_layout(&zoned, layout);
            let back = time::parse_layout(&text, layout, &TimeZone::UTC).map(|it| it.timestamp());
            prop_assert_eq!(back, Some(at), "{}", text);
        }
    }

    #[test]
    fn floats_read_back(bits in any::<u64>(), simple in -1e6..1e6_f64) {
        for number in [f64::from_bits(bits), simple, simple.round()] {
            if number.is_nan() {
                continue;
            }
            for text in [gofloat::format_g(number, None), gofloat::format_e(number, None), gofloat::format_f(number, None), gofloat::format_x(number, None)] {
                prop_assert_eq!(gofloat::parse_float(&text).filter(|it| it.is_finite() || number.is_infinite()).map(f64::to_bits).or_else(|| number.is_infinite().then_some(number.to_bits())), Some(number.to_bits()), "{}", text);
            }
        }
    }
}

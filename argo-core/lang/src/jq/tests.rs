use serde_json::json;

use super::*;

fn values(source: &str, input: &Value) -> Vec<Value> {
    eval(source, input).unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn programs_select_and_build() {
    let input = json!({"a": {"b": [1, 2, {"c": "x"}]}, "n": 5, "l": [{"k": "b", "v": 1}, {"k": "a", "v": 2}]});
    for (source, wanted) in [
        (".", vec![input.clone()]),
        (".a.b[0]", vec![json!(1)]),
        (".a.b[-1].c", vec![json!("x")]),
        ("[.l[] | .k]", vec![json!(["b", "a"])]),
        (".l | map(.v) | add", vec![json!(3)]),
        (".l | sort_by(.k) | map(.v)", vec![json!([2, 1])]),
        ("[.l[] | select(.v > 1)] | length", vec![json!(1)]),
        (".n as $x | [range($x)] | map(. * $x)", vec![json!([0, 5, 10, 15, 20])]),
        ("{n, \"k\": .l[].k}", vec![json!({"n": 5, "k": "b"}), json!({"n": 5, "k": "a"})]),
        ("reduce .l[] as {$k, $v} ({}; .[$k] = $v)", vec![json!({"a": 2, "b": 1})]),
        ("[limit(3; repeat(1))]", vec![json!([1, 1, 1])]),
        ("def f: if . > 100000 then . else . + 1 | f end; 0 | f", vec![json!(100_001)]),
        ("def f($n): if $n == 0 then 0 else 1 + f($n - 1) end; f(1000)", vec![json!(1000)]),
        ("[.l[] | .v] | @csv", vec![json!("1,2")]),
        ("\"n is \\(.n + 1)!\"", vec![json!("n is 6!")]),
        ("try error({a: 1}) catch .a", vec![json!(1)]),
        ("[.[] | numbers]", vec![json!([5])]),
        ("label $out | 1, break $out, 2", vec![json!(1)]),
        ("del(.a, .l[0]) | .l", vec![json!([{"k": "a", "v": 2}])]),
        (".a.b[1] |= . + 10 | .a.b[1]", vec![json!(12)]),
        ("[paths] | length", vec![json!(14)]),
        (". as [$a] ?// $a | $a | type", vec![json!("object")]),
    ] {
        assert_eq!(values(source, &input), wanted, "{source}");
    }
}

#[test]
fn errors_have_a_place() {
    let error = Jq::compile(".a |\n  | .b").unwrap_err();
    assert_eq!((error.line, error.column, error.token.as_str()), (2, 3, "|"));
    assert_eq!(error.kind, ErrorKind::Syntax);
    assert_eq!(error.message, "unexpected token \"|\"");
    let error = Jq::compile(".a | nope(1)").unwrap_err();
    assert_eq!(error.to_string(), "function not defined: nope/1 (line 1, column 6)");
    assert_eq!(error.kind, ErrorKind::UnknownName);
}

#[test]
fn runs_are_bounded() {
    let limits = Limits { steps: 200_000, memory: 1 << 20, ..Limits::default() };
    for source in [
        "def f: f; f",
        "def f: f, f; [f]",
        "def f: 1 + f; f",
        "[range(1e9)]",
        "last(range(1e12))",
        "\"x\" * 1e8",
        "reduce range(1e9) as $i (\"\"; . + \"xxxxxxxx\")",
        "reduce range(1e6) as $i (null; [.])",
        "[.[]?, repeat(1)]",
        ".[500000000] = 1",
        "def f(g): f(g | g); f(.)",
        "until(false; .)",
        "[limit(1e9; repeat(\"a\"))] | join(\",\")",
        "2 | until(false; . * .)",
        "reduce range(1e6) as $i (2; . * 9223372036854775807)",
        "first(range(1e12) | select(. < 0))",
        "\"a\" | [match(\"\"; \"g\")] | repeat(.)",
        "try (def f: f; f) catch 1",
    ] {
        let jq = Jq::compile(source).unwrap();
        let error = jq.run(&Value::Null).limits(limits).take(300_000).find_map(Result::err);
        assert_eq!(error.map(|it| it.kind), Some(ErrorKind::Limit), "{source}");
    }
}

#[test]
fn long_chains_are_dropped_without_a_deep_stack() {
    for source in [
        "def f: if . == 0 then 0 else . - 1 | 1 + f end; 40000 | f",
        "def f(g): if . == 0 then g else . - 1 | f(g | . + 1) end; 20000 | f(0)",
        "[range(50000)] | [.[] as $x | $x] | length",
        "reduce range(400) as $i (0; [.]) | tojson | length",
    ] {
        let jq = Jq::compile(source).unwrap();
        assert!(jq.all(&Value::Null).is_ok(), "{source}");
    }
}

#[test]
fn high_programs_are_refused_or_run() {
    for source in [
        "(".repeat(5000),
        "-".repeat(5000),
        "1".to_owned() + &"+1".repeat(5000),
        "1".to_owned() + &"+1".repeat(200),
        ".a".repeat(20000),
        ".a".repeat(200),
        "[".repeat(95) + &"]".repeat(95),
        "if ".repeat(3000),
        "\"\\(".repeat(2000),
        "1|".repeat(20000) + "1",
        "1|".repeat(90) + "1",
        "def f: ".repeat(3000),
        ". as [".to_owned() + &"[".repeat(5000),
        ". as [$a] ?// ".repeat(30) + "[$a] | $a",
        (". as [$a] ?// $a | ").repeat(30) + "1",
        "try ".repeat(3000) + "1",
    ] {
        if let Ok(jq) = Jq::compile(&source) {
            let _ = jq.all(&Value::Null);
        }
    }
}

#[test]
fn long_pipes_and_many_bindings_are_no_deep_programs() {
    for (source, wanted) in [
        ("1|".repeat(20_000) + "1", json!(1)),
        ("0".to_owned() + &" | . + 1".repeat(5000), json!(5000)),
        ((0..200).map(|it| format!("{it} as $v{it} | ")).collect::<String>() + "$v0 + $v199", json!(199)),
        ((0..200).map(|it| format!("def f{it}: {it}; ")).collect::<String>() + "f0 + f199", json!(199)),
        ("{a: 1".to_owned() + &" | .".repeat(5000) + "} | .a", json!(1)),
    ] {
        assert_eq!(values(&source, &Value::Null), [wanted], "{}", &source[..60]);
    }
    let found = values("[1, (2, 3 as $x | 4, $x | . + 1) , 5 | tostring]", &Value::Null);
    assert_eq!(found, [json!(["1", "2", "5", "4", "5"])]);
}

#[test]
fn variables_and_time_come_from_the_caller() {
    let jq = Jq::compile_with("[$a, $b, now]", &["a", "$b"]).unwrap();
    let (a, null) = (json!({"x": 1}), Value::Null);
    let at: Timestamp = "2024-01-02T03:04:05Z".parse().unwrap();
    let got: Vec<_> = jq.run(&null).with("$a", &a).at(at).collect::<Result<_, _>>().unwrap();
    assert_eq!(got, [json!([{"x": 1}, null, 1_704_164_645.0])]);
}

#[test]
fn integers_are_exact_beyond_64_bits() {
    let got = values("[pow(2; 3), 9223372036854775807 + 1, 100000000000000000000 * 10 | tostring]", &Value::Null);
    assert_eq!(got, [json!(["8", "9223372036854775808", "1000000000000000000000"])]);
}

#[test]
fn sorting_bears_an_order_with_flaws() {
    let whole = 9_007_199_254_740_992_i64;
    let mixed: Vec<Value> = (0..200)
        .map(|it| match it % 3 {
            0 => json!(whole + it % 5),
            1 => json!(whole as f64),
            _ => json!([it % 7, {"a": it}]),
        })
        .collect();
    let sorted = values("sort | length, (sort == (sort | sort))", &Value::Array(mixed));
    assert_eq!(sorted[0], json!(200));
    let nans = values("[range(100) | [nan, . % 3]] | sort, unique | length", &Value::Null);
    assert_eq!(nans, [json!(100), json!(100)]);
    let stable = values("[range(50) | {k: (. % 4), v: .}] | sort_by(.k) | map(.v)[:4]", &Value::Null);
    assert_eq!(stable, [json!([0, 4, 8, 12])]);
}

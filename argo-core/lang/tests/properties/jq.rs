//! jq: nothing panics or runs away, both ways of evaluation agree, and what should cancel out does.

use argo_lang::jq::{Jq, Limits};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::json_value;

const LIMITS: Limits = Limits { steps: 20_000, memory: 4 << 20, depth: 2_000, nesting: 100, outputs: 200 };

/// Values and the error of a run.
fn outcome(source: &str, input: &Value) -> Result<(Vec<Value>, Option<String>), String> {
    let jq = Jq::compile(source).map_err(|it| it.message)?;
    let mut values = Vec::new();
    for value in jq.run(input).limits(LIMITS) {
        match value {
            Ok(it) => values.push(it),
            Err(error) => return Ok((values, Some(error.message))),
        }
    }
    Ok((values, None))
}

fn one(source: &str, input: &Value) -> Value {
    let (values, error) = outcome(source, input).unwrap_or_else(|error| panic!("{source}: {error}"));
    assert_eq!(error, None, "{source} on {input}");
    assert_eq!(values.len(), 1, "{source} on {input}");
    values[0].clone()
}

/// Tokens in no order.
fn tokens() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        ".",
        "..",
        ".a",
        ".b",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "|",
        ",",
        ":",
        ";",
        "?",
        "//",
        "?//",
        "=",
        "|=",
        "+=",
        "-=",
        "//=",
        "==",
        "!=",
        "<",
        "<=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "and",
        "or",
        "not",
        "if ",
        "then ",
        "elif ",
        "else ",
        "end",
        "try ",
        "catch ",
        "reduce ",
        "foreach ",
        "as ",
        "$x",
        "$y",
        "def f: ",
        "def g($a; b): ",
        "label $l | ",
        "break $l",
        "1",
        "0",
        "-1",
        "2.5",
        "1e400",
        "\"s\"",
        "\"\\(",
        ")\"",
        "@csv",
        "@base64d",
        "null",
        "true",
        "empty",
        "error",
        "map(",
        "select(",
        "recurse",
        "path(",
        "paths",
        "getpath([\"a\"])",
        "del(",
        "to_entries",
        "from_entries",
        "with_entries(",
        "sort_by(",
        "group_by(",
        "limit(2; ",
        "first(",
        "last(",
        "range(3)",
        "test(\"a\")",
        "gsub(\"a\"; \"b\")",
        "splits(\"\")",
        "tojson",
        "fromjson",
        "todate",
        "strptime(\"%Y\")",
        "strftime(\"%c\")",
        "implode",
        "explode",
        "tostream",
        "fromstream(",
        "walk(",
        "input",
        "$ENV",
        "env",
        "f",
        "g(1; 2)",
        "while(",
        "until(",
        "repeat(",
        "combinations",
        "transpose",
        "flatten",
        "@json \"",
        "# x\n",
        "&",
        "\u{e9}",
        ".[]",
        ".[0]",
        ".[1:]",
        ".[\"a\"]",
        "splits",
        "ltrimstr(\"a\")",
        "add",
        "any",
        "all",
        "min",
        "unique",
    ]);
    vec(token, 0..16).prop_map(|it| it.concat())
}

/// Well-formed programs; `@` stands for the input.
fn programs() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "@",
        "@",
        ".",
        ".a",
        ".b",
        ".[0]",
        ".[-1]",
        "1",
        "2",
        "null",
        "\"a\"",
        "[1,2]",
        "{\"a\":1}",
        "$v",
        "..",
        ".[]?",
        ".[]",
        "length",
        "keys",
        "type",
        "tojson",
        "tostring",
        "empty",
        "error",
        "add",
        "sort",
        "not",
        "first",
        "last",
        ".[1:]",
        ".a?",
        "paths",
        "to_entries",
        "reverse",
        "explode",
        "ascii_downcase",
        "recurse",
        "any",
        "all",
        "min",
        "flatten",
        ".b?",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let shape = prop::sample::select(vec![
            "(A | B)",
            "(A | B)",
            "(A , B)",
            "(A + B)",
            "(A - B)",
            "(A * B)",
            "(A == B)",
            "(A < B)",
            "(A and B)",
            "(A or B)",
            "(A // B)",
            "[A]",
            "{a: A, b: B}",
            "{(A): B}",
            "(if A then B else C end)",
            "(if A then B end)",
            "(try A catch B)",
            "(A)?",
            "(A as $v | B)",
            "(A as [$v] | B)",
            "(A as {a: $v} | B)",
            "(A as [$v] ?// $v | B)",
            "(reduce A as $v (B; C))",
            "[foreach A as $v (B; C)]",
            "[foreach A as [$v] (B; C; [$v, .])]",
            "(A |= B)",
            "(A = B)",
            "(A += B)",
            "(A //= B)",
            "del(A)",
            "path(A)",
            "[paths(A)]",
            "map(A)",
            "map_values(A)",
            "select(A)",
            "sort_by(A)",
            "group_by(A)",
            "unique_by(A)",
            "min_by(A)",
            "with_entries(A)",
            "first(A)",
            "last(A)",
            "limit(2; A)",
            "isempty(A)",
            "any(A; B)",
            "all(A)",
            "(A | B | C)",
            "A[B]?",
            "(A)[B:C]",
            "\"x\\(A)y\\(B)\"",
            "@json \"\\(A)\"",
            "(label $l | A , break $l , B)",
            "(def f: A; f | B)",
            "(def f(g; $v): g | B; f(A; C))",
            "walk(A)",
            "getpath(A)",
            "range(A; B)",
            "(-A)",
            "any(A)",
            "add(A)",
            "skip(1; A)",
            "until(true; A)",
            "pick(A)",
            "(A | tostream)",
        ]);
        (shape, inner.clone(), inner.clone(), inner).prop_map(|(shape, a, b, c)| {
            let mut out = String::new();
            for it in shape.chars() {
                match it {
                    'A' => out.push_str(&a),
                    'B' => out.push_str(&b),
                    'C' => out.push_str(&c),
                    other => out.push(other),
                }
            }
            out
        })
    })
}

/// The program with the input written in a way that is evaluated directly or not.
fn variant(program: &str, input: &str) -> String {
    format!("def id: def r: if . == \"never\" then r else . end; r; 1 as $v | {}", program.replace('@', input))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in super::soup(), bytes in vec(any::<u8>(), 0..40), value in json_value()) {
        let _ = outcome(&text, &value);
        let _ = outcome(&String::from_utf8_lossy(&bytes), &value);
    }

    #[test]
    fn tokens_in_any_order_never_panic(text in tokens(), value in json_value()) {
        let _ = outcome(&text, &value);
    }

    #[test]
    fn runs_are_deterministic_and_bounded(program in programs(), value in json_value()) {
        let program = variant(&program, ".");
        prop_assert_eq!(outcome(&program, &value), outcome(&program, &value));
    }

    #[test]
    fn direct_and_general_evaluation_agree(program in programs(), value in json_value()) {
        let direct = outcome(&variant(&program, "."), &value);
        let general = outcome(&variant(&program, "id"), &value);
        let limited = |it: &Result<(Vec<Value>, Option<String>), String>| {
            matches!(it, Ok((_, Some(error))) if error.starts_with("the program") || error.starts_with("a value is nested"))
        };
        if !limited(&direct) && !limited(&general) {
            prop_assert_eq!(direct, general, "{}", program);
        }
    }

    #[test]
    fn what_cancels_out_does(value in json_value()) {
        for source in [
            "tojson | fromjson",
            "[.] | first",
            "fromstream(tostream)",
            "walk(.)",
            "[paths as $p | getpath($p)] as $all | if $all == [..][1:] then . else $all end",
            "reduce (tostream | select(length == 2)) as [$p, $v] (.; setpath($p; $v))",
            ". as $x | [paths] | if map(. as $p | $x | getpath($p) | tojson) == [$x | .. | tojson][1:] then $x else . end",
            "if type == \"object\" then to_entries | from_entries else . end",
            "if type == \"object\" then with_entries(.) else . end",
            "if type == \"array\" then reverse | reverse else . end",
            "if type == \"string\" then explode | implode else . end",
            "if type == \"string\" then @base64 | @base64d else . end",
            "if type == \"string\" then @uri | @urid else . end",
            "del(empty)",
            "(.. | select(false)) |= 1",
            "getpath([])",
            "setpath([]; .)",
            ". as $x | {a: $x} | .a",
            "[.[]?] as $l | if ($l | sort | sort) == ($l | sort) and ($l | group_by(.) | add // []) == ($l | sort) then . else $l end",
        ] {
            let got = one(source, &value);
            prop_assert!(super::same(&got, &value), "{}: {} became {}", source, value, got);
        }
        prop_assert_eq!(one("del(..) | . == null", &value), json!(true));
    }
}

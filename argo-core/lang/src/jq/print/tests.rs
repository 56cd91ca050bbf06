use proptest::prelude::*;
use serde_json::json;

use super::super::parse::parse;
use super::Jq;
use crate::grammar::{shape, texts};

const LEAVES: &[&str] = &[
    ".",
    "..",
    "null",
    "true",
    "false",
    "1",
    "1.5e3",
    "0.1",
    "\"a\"",
    "\"a\\n\\u0000\\\"é\\\\\"",
    "@base64",
    "@json \"x\"",
    ".a",
    ".a.b",
    ".\"a b\"",
    ".[\"a\"]",
    "$x",
    "$__loc__",
    "f",
    "m::f",
    "[]",
    "{}",
    "{a: 1}",
    "{$x, \"k\": 2, (.a): 3, if: 4, @text \"t\": 5}",
    "break $l",
    "-1",
    "..[0]",
    "...a",
    "1 .a",
    ".[]",
    ".[]?",
    ".a??",
    ".[1:]",
    ".[:2]",
    "empty",
    "\"\"",
];

const SHAPES: &[&str] = &[
    "α | β",
    "α, β",
    "(α)",
    "(α) + (β)",
    "α // β",
    "α and β",
    "α or β",
    "(α) == β",
    "(α) < (β)",
    "α + (β)",
    "α - (β)",
    "(α) * (β)",
    "(α) / (β)",
    "(α) % (β)",
    "(α) = β",
    "(α) |= (β)",
    "(α) += (β)",
    "(α) //= (β)",
    "(α) -= β",
    "-(α)",
    "+(α)",
    "-.a",
    "(α)?",
    "(α).a",
    "(α)[]",
    "(α)[β]",
    "(α)[β:γ]",
    "(α)[:β]",
    "(α)[β:]",
    "(α).\"k\"",
    "[α]",
    "{a: (α)}",
    "{a: α, b: (β) | (γ)}",
    "{(α): (β)}",
    "{\"x\\(α)y\": 1}",
    "{$x: 1}",
    "{@json \"\\(α)\": (β)}",
    "if α then β else γ end",
    "if α then β end",
    "if α then β elif γ then . else .. end",
    "if α then β else if γ then 1 else 2 end end",
    "if α then . end.a",
    "try (α)",
    "try (α) catch (β)",
    "try try (α) catch (β) catch .",
    "reduce (α) as $x (β; γ)",
    "reduce .[] as [$x, {a: $y, $z, \"k\": [$w], (α): $v}] (β; γ)",
    "foreach (α) as $x (β; γ)",
    "foreach .[] as $x (α; β; γ)",
    "(reduce . as $x (α; β))[0]",
    "α as $x | β",
    "(α) as [$x] ?// {a: $x} ?// $x | β",
    "label $l | α",
    "def f: α; β",
    "def f($a; g): α; β | γ",
    "(def f: α; def g: β; γ)",
    "f(α)",
    "f(α; β; γ)",
    "\"x\\(α)y\\(β)\"",
    "@base64 \"\\(α)\"",
    "\"\\(\"\\(α)\")\"",
    "(α) | not",
    "path(α)",
    ". as $x | def g: α; g | β",
    "α # words | ignored\n | β",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_program_is_the_same_program(source in texts(LEAVES, SHAPES)) {
        let tree = match parse(&source) {
            Ok(tree) => tree,
            Err(error) => {
                let refused = error.message.contains("nested deeper") || error.message.starts_with("unexpected token");
                prop_assert!(refused, "{}: {}", source, error.message);
                return Ok(());
            }
        };
        let printed = tree.to_string();
        let again = parse(&printed).map_err(|error| TestCaseError::fail(format!("{source} became {printed}: {error}")))?;
        prop_assert_eq!(shape(&again), shape(&tree), "{} became {}", source, printed);
        prop_assert_eq!(again.to_string(), printed);
    }
}

#[test]
fn programs_are_printed_plainly() {
    for (source, wanted) in [
        (
            " .items [ ] |select( .kind==\"Pod\" )|.metadata .name # x",
            ".items[] | select(.kind == \"Pod\") | .metadata.name",
        ),
        ("1,(2,3)|.", "1, (2, 3) | ."),
        ("if . then 1 else if .a then 2 else 3 end end", "if . then 1 elif .a then 2 else 3 end"),
        (".\"a\"", ".[\"a\"]"),
        ("def f($a;g):g|$a;f(1;.)", "def f($a; g): g | $a; f(1; .)"),
        (".a? //1", ".a? // 1"),
        ("{a,\"b c\":1,(.k):2}", "{a, \"b c\": 1, (.k): 2}"),
    ] {
        let jq = Jq::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(jq.to_string(), wanted, "{source}");
    }
    let jq = Jq::compile("def f: .a ; [ .[] | f ]").unwrap();
    let input = json!([{"a": 1}, {"a": 2}]);
    assert_eq!(Jq::compile(&jq.to_string()).unwrap().all(&input), jq.all(&input));
}

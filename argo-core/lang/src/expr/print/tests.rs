use proptest::prelude::*;
use serde_json::json;

use super::super::{Options, Program, ast::Node, parse::parse};
use crate::grammar::{shape, texts};

const LEAVES: &[&str] = &[
    "a",
    "b.c",
    "1",
    "2.5",
    "1e300",
    "0x1F",
    "3.0",
    "'s'",
    "\"d\\n\\u00e9\\\"\"",
    "`raw`",
    "b'\\x01x\"'",
    "true",
    "false",
    "nil",
    "[]",
    "{}",
    "#",
    "#acc",
    ".x",
    "$env",
    "a?.b",
    "a?.[0]",
    "a?.b.c?.d",
    "a?.b[0]",
    "a?.b[\"c\"].d",
    "a[-1]",
    "{k: 1, \"in\": 2, 3: 4}",
    "f()",
    "len(a)",
    "::len(a)",
    "a.in",
    "a.b().c",
    "sum(a)",
    "trueish",
];

const SHAPES: &[&str] = &[
    "(α)",
    "(α) + (β)",
    "α - β",
    "(α) * (β)",
    "α * β",
    "(α) / β",
    "α % (β)",
    "(α) ** (β)",
    "α ** β",
    "(α) ^ β",
    "(α) ?? (β)",
    "(α ?? β) + γ",
    "α .. β",
    "(α)..(β)",
    "(α) == (β)",
    "α != β",
    "α < β",
    "(α) < (β) <= (γ)",
    "(α) > β == γ",
    "(α) in (β)",
    "(α) not in (β)",
    "α not matches (β)",
    "(α) startsWith (β)",
    "not (α in β)",
    "(α) and (β)",
    "α && β",
    "α or β",
    "(α) || (β)",
    "not α",
    "not (α)",
    "!(α)",
    "-(α)",
    "-α",
    "+(α)",
    "(-α) ** β",
    "(not α) * β",
    "(α) * not β + γ",
    "- α ?? β",
    "(α) ? (β) : (γ)",
    "(α) ? β : γ",
    "α ?: β",
    "(α ? β : γ) ? 1 : 2",
    "if α { β } else { γ }",
    "if α { 1; β } else if β { 2 } else { let y = α; y }",
    "let x = α; β",
    "let x = (let y = α; y); β",
    "(let x = 1; α) + β",
    "(α; β)",
    "(α; let x = 1; β)",
    "((let x = 1; α); β)",
    "[α, β]",
    "[α; β]",
    "{k: α, (β): γ}",
    "{(α): 1}",
    "f(α, β)",
    "max(α, (β; γ))",
    "(α | f(β))",
    "(α | trim() | true(β))",
    "(α).m(β)",
    "(α)?.m()",
    "(α).x",
    "(α)[β]",
    "(α)?.[β]",
    "(α)[β:γ]",
    "(α)[:β]",
    "(α)[β:]",
    "(α)[:]",
    "(α)[::f(β):]",
    "(α)[β:::f(γ)]",
    "map(α, β)",
    "map(α, {β})",
    "map(α, {β; γ})",
    "map(α, {{k: β}})",
    "::map(α, {({k: 1}).k + β})",
    "filter(α, .x > 1)",
    "count(α)",
    "count(α, β)",
    "reduce(α, #acc + β, γ)",
    "sortBy(α, β, 'desc')",
    "groupBy(α, let z = #; z)",
    "(α | map(β))",
    "(α) contains (β)",
    "(α) endsWith (β)",
    "α // words\n + β",
    "/* words */ (α) - (β)",
];

/// The tree of a text that may stand in a predicate only.
fn tree(source: &str) -> Option<Node> {
    let options = Options::default();
    parse(source, &options, &[]).or_else(|_| parse(&format!("map(xs, {{{source}}})"), &options, &[])).ok()
}

/// Places of parentheses that are not those of a call.
fn groups(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut open = Vec::new();
    let mut out = Vec::new();
    for (at, it) in bytes.iter().enumerate() {
        match it {
            b'(' => open.push((at, at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_'))),
            b')' => {
                if let Some((from, false)) = open.pop() {
                    out.push((from, at));
                }
            }
            _ => {}
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_printed_expression_is_the_same_expression(source in texts(LEAVES, SHAPES)) {
        let Some(root) = tree(&source) else { return Ok(()) };
        let program = |root: &Node| {
            let mut program = Program::compile("1", &Options::default()).expect("an expression");
            program.root = std::sync::Arc::new(root.clone());
            program
        };
        let printed = program(&root).to_string();
        let again = parse(&printed, &Options::default(), &[]);
        let again = again.map_err(|error| TestCaseError::fail(format!("{source} became {printed}: {error}")))?;
        prop_assert_eq!(shape(&again), shape(&root), "{} became {}", source, printed);
        prop_assert_eq!(&program(&again).to_string(), &printed);
        // a pair of parentheses that is taken away is missed
        for (from, to) in groups(&printed) {
            // where a pipe stands is no matter of precedence alone, nor what a sign before a
            // constant is taken for; a key may begin with parentheses of its own
            if printed[from..to].contains(" | ") || printed[to + 1..].starts_with(['.', '?', '[', ':']) {
                continue;
            }
            let less = format!("{} {} {}", &printed[..from], &printed[from + 1..to], &printed[to + 1..]);
            let other = parse(&less, &Options::default(), &[]).map(|it| shape(&it));
            prop_assert!(other.as_ref() != Ok(&shape(&root)), "{} has needless parentheses at {}", printed, from);
        }
    }
}

#[test]
fn most_texts_of_the_grammar_are_expressions() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let texts = texts(LEAVES, SHAPES);
    let read = (0..500).filter(|_| tree(&texts.new_tree(&mut runner).expect("a text").current()).is_some()).count();
    assert!(read > 250, "{read} of 500");
}

#[test]
fn expressions_are_printed_plainly() {
    for (source, wanted) in [
        ("((1 + 2)) * (3)", "(1 + 2) * 3"),
        ("1+(2*3)", "1 + 2 * 3"),
        ("(a.b)['c'][\"d-e\"]", "a.b.c[\"d-e\"]"),
        ("a | map(.x) | len()", "len(map(a, #.x))"),
        ("not (a in b)", "a not in b"),
        ("if a { 1 } else { 2 }", "a ? 1 : 2"),
        ("(-2) ** 2", "(-2) ** 2"),
        ("-(2 ** 2)", "-2 ** 2"),
        ("let x = 2; (x * n)", "let x = 2; x * n"),
        ("a?.b.c ?? 'd'", "a?.b.c ?? \"d\""),
        ("1.0 + 1e21", "1.0 + 1e+21"),
        ("::len([1])", "::len([1])"),
    ] {
        let program = Program::compile(source, &Options::default()).unwrap();
        assert_eq!(program.to_string(), wanted, "{source}");
    }
    let program = Program::compile("(a + 1) * 2 | string()", &Options::default()).unwrap();
    let again = Program::compile(&program.to_string(), &Options::default()).unwrap();
    assert_eq!(again.eval(&json!({"a": 2})), program.eval(&json!({"a": 2})));
}

use serde_json::json;

use super::*;

fn scope() -> BTreeMap<String, String> {
    [
        ("inputs.parameters.msg", "he\"llo\n"),
        ("inputs.parameters.n", "3"),
        ("item", "n"),
        ("steps.a-b.outputs.result", "[1,2]"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect()
}

#[test]
fn known_tags_are_replaced_and_unknown_ones_stay() {
    let out = substitute("{{ inputs.parameters.n }}-{{nope}}-{{=1 +", &scope(), &Render::default()).unwrap();
    assert_eq!(out, "3-{{nope}}-{{=1 +");
}

#[test]
fn nested_tags_resolve_innermost_first() {
    assert_eq!(substitute("x{{inputs.parameters.{{item}}}}y", &scope(), &Render::default()).unwrap(), "x3y");
    assert_eq!(substitute("{{a.{{b}}}}", &scope(), &Render::default()).unwrap(), "{{a.{{b}}}}");
}

#[test]
fn values_are_escaped_in_json_text_and_raw_in_documents() {
    let text = r#"{"a":"{{inputs.parameters.msg}}","b":1}"#;
    let out = substitute_json_text(text, &scope(), &Render::default()).unwrap();
    assert_eq!(out, r#"{"a":"he\"llo\n","b":1}"#);
    let document = Document::compile(&serde_json::from_str(text).unwrap());
    assert_eq!(document.render(&scope(), &Render::default()).unwrap(), json!({"a": "he\"llo\n", "b": 1}));
    assert_eq!(document.tags(), ["inputs.parameters.msg"]);
}

#[test]
fn expressions_see_nested_maps_of_strings() {
    for (text, out) in [
        ("{{=asInt(inputs.parameters.n) + 1}}", "4"),
        ("{{= inputs.parameters.msg}}", "he\"llo\n"),
        ("{{=steps['a-b'].outputs.result}}", "[1,2]"),
        ("{{=toJson([1, 'a'])}}", "[1,\"a\"]"),
        ("{{=[1, 'a']}}", "[1,\"a\"]"),
        ("{{=unknown.name}}", "{{=unknown.name}}"),
        ("{{=lastRetry.exitCode}}", "{{=lastRetry.exitCode}}"),
    ] {
        assert_eq!(substitute(text, &scope(), &Render::default()).unwrap(), out, "{text}");
    }
    let error = substitute("{{=unknown.name}}", &scope(), &Render::strict()).unwrap_err();
    assert!(matches!(error, TagError::Expression { unresolved: true, .. }), "{error}");
}

#[test]
fn strict_prefixes_and_absent_values_are_typed_errors() {
    let how = Render::with_unknown(Unknown::references());
    assert_eq!(
        substitute("{{tasks.x.outputs.result}}", &scope(), &how).unwrap_err(),
        TagError::Unresolved { tag: "tasks.x.outputs.result".to_owned() }
    );
    assert_eq!(
        substitute("{{tasks.x.outputs.artifacts.a}}{{pod.name}}", &scope(), &how).unwrap(),
        "{{tasks.x.outputs.artifacts.a}}{{pod.name}}"
    );
    let absent: BTreeMap<String, Option<String>> = [("steps.s.outputs.result".to_owned(), None)].into_iter().collect();
    let error = substitute("{{steps.s.outputs.result}}", &absent, &how).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unable to substitute {{steps.s.outputs.result}}: output is an absent optional (skipped/omitted node with no default)"
    );
    assert_eq!(substitute("{{=steps.s.outputs.result ?? 'd'}}", &absent, &how).unwrap(), "d");
}

#[test]
fn errors_are_shown_in_the_text_they_came_from() {
    use crate::position::Located;

    let text = "a {{b}}\n  é {{ steps.x }} {{=1 + }}";
    let scope = BTreeMap::from([("b".to_owned(), "1".to_owned())]);
    let error = substitute(text, &scope, &Render::strict()).unwrap_err();
    let place = error.position_in(text).unwrap();
    assert_eq!((place.line, place.column, place.text.as_str()), (2, 8, "steps.x"));
    assert_eq!(
        error.show(text),
        "failed to resolve {{steps.x}} (2:8)\n |   é {{ steps.x }} {{=1 + }}\n | .......^^^^^^^"
    );
    let text = "{{=1 + }}";
    let place = substitute(text, &scope, &Render::strict()).unwrap_err().position_in(text).unwrap();
    assert_eq!((place.line, place.column, place.text.as_str()), (1, 4, "1 +"));
}

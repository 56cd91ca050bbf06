use serde_json::json;

use super::*;

fn out(text: &str) -> String {
    let data = json!({"name": "bob", "n": 3, "list": ["a", "b"], "map": {"y": 2, "x": 1}, "none": null, "deep": {"er": {"est": "!"}}, "big": 1_234_567, "t": true});
    match render(text, &data) {
        Ok(text) => text,
        Err(error) => format!("ERROR {error}"),
    }
}

#[test]
fn actions_control_and_variables_behave_as_go() {
    for (text, wanted) in [
        ("hi {{.name}}", "hi bob"),
        ("a {{- 1 -}} b", "a1b"),
        ("{{/* c */}}x{{- /* d */ -}} y", "xy"),
        ("{{if .list}}yes{{else}}no{{end}}", "yes"),
        ("{{if eq .name \"al\"}}1{{else if .t}}2{{else}}3{{end}}", "2"),
        ("{{range .list}}[{{.}}]{{end}}", "[a][b]"),
        ("{{range $i, $e := .list}}{{$i}}={{$e}};{{end}}", "0=a;1=b;"),
        ("{{range $k, $v := .map}}{{$k}}{{$v}}{{end}}", "x1y2"),
        ("{{range .nope}}x{{else}}empty{{end}}", "empty"),
        ("{{range $i := 3}}{{$i}}{{end}}", "012"),
        ("{{range .list}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range .list}}{{if eq . \"a\"}}{{continue}}{{end}}{{.}}{{end}}", "b"),
        ("{{with .deep.er}}{{.est}}{{end}}", "!"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .name}}", "<bob>"),
        ("{{block \"b\" .list}}{{len .}}{{end}}", "2"),
        ("{{.missing}}", "<no value>"),
        ("{{.missing.more}}", "<no value>"),
        ("{{.big}} {{1000000}} {{1.5}}", "1.234567e+06 1000000 1.5"),
        ("{{print 1 2 \"a\" 3}} {{printf \"%05.1f|%v\" 3.14159 .list}}", "1 2a3 003.1|[a b]"),
        ("{{index .map \"x\"}}{{index .list 1}}{{(index .list 0)}}", "1ba"),
        ("{{and true 0}}{{or 0 \"x\"}}{{not .none}}", "0xtrue"),
        ("{{\"a<b\" | html}} {{len \"abc\"}}", "a&lt;b 3"),
        ("{{.map}} {{.none}}", "map[x:1 y:2] <no value>"),
        ("{{$.name}}{{range .list}}{{$.name}}{{end}}", "bobbobbob"),
        ("{{ (dict \"a\" (dict \"b\" 1)).a.b }}", "1"),
        ("{{with .none}}x{{else with .name}}{{.}}{{end}}", "bob"),
    ] {
        assert_eq!(out(text), wanted, "{text}");
    }
}

#[test]
fn errors_name_place_and_node_as_go() {
    for (text, wanted) in [
        (
            "{{.none.x}}",
            "template: template:1:7: executing \"template\" at <.none.x>: nil pointer evaluating interface {}.x",
        ),
        (
            "a\nb {{.name.x}}",
            "template: template:2:9: executing \"template\" at <.name.x>: can't evaluate field x in type interface {}",
        ),
        (
            "{{fail \"boom\"}}",
            "template: template:1:2: executing \"template\" at <fail \"boom\">: error calling fail: boom",
        ),
        (
            "{{index .list 9}}",
            "template: template:1:2: executing \"template\" at <index .list 9>: error calling index: index out of range: 9",
        ),
        (
            "{{template \"q\"}}",
            "template: template:1:11: executing \"template\" at <{{template \"q\"}}>: template \"q\" not defined",
        ),
        ("{{nofn}}", "template: template:1: function \"nofn\" not defined"),
        ("{{if}}x{{end}}", "template: template:1: missing value for if"),
        ("x{{end}}", "template: template:1: unexpected {{end}}"),
        ("{{$x}}", "template: template:1: undefined variable \"$x\""),
        ("{{.a", "template: template:1: unclosed action"),
        ("{{if true}}", "template: template:1: unexpected EOF"),
        (
            "{{eq .n 3}}",
            "template: template:1:2: executing \"template\" at <eq .n 3>: error calling eq: incompatible types for comparison: float64 and int",
        ),
    ] {
        assert_eq!(out(text).strip_prefix("ERROR "), Some(wanted), "{text}");
    }
}

#[test]
fn sprig_functions_answer() {
    for (text, wanted) in [
        ("{{ \"hello world\" | title | nospace | quote }}", "\"HelloWorld\""),
        ("{{ list 1 2 3 | join \"-\" }} {{ add 1 2.9 \"3\" }} {{ addf 0.1 0.2 }}", "1-2-3 6 0.3"),
        ("{{ default \"d\" .missing }} {{ ternary \"a\" \"b\" true }} {{ coalesce 0 \"\" \"x\" }}", "d a x"),
        (
            "{{ $d := dict \"a\" 1 }}{{ $_ := set $d \"b\" 2 }}{{ keys $d | join \",\" }} {{ $d | toJson }}",
            "a,b {\"a\":1,\"b\":2}",
        ),
        (
            "{{ \"FooBarBaz\" | snakecase }} {{ \"foo_bar\" | camelcase }} {{ \"FooBar\" | kebabcase }}",
            "foo_bar_baz FooBar foo-bar",
        ),
        ("{{ \"a b\" | sha256sum | trunc 8 }} {{ \"x\" | b64enc }} {{ \"x\" | b32enc }}", "c8687a08 eA== PA======"),
        ("{{ semverCompare \">=1.2\" \"1.3.0\" }} {{ (semver \"1.2.3\").Minor }}", "true 2"),
        (
            "{{ regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\" }} {{ until 3 }} {{ seq 0 2 }}",
            "-W-xxW- [0 1 2] 0 1 2",
        ),
        ("{{ nindent 2 \"a\\nb\" }}|{{ trimSuffix \"b\" \"ab\" }}|{{ substr 0 2 \"abc\" }}", "\n  a\n  b|a|ab"),
        ("{{ toDate \"2006-01-02\" \"2024-03-05\" | date \"Jan 2 2006\" }} {{ duration \"95\" }}", "Mar 5 2024 1m35s"),
        (
            "{{ dig \"a\" \"b\" \"z\" (dict \"a\" (dict \"b\" 1)) }} {{ has 1 (list 1 2) }} {{ first (list 4 5) }}",
            "1 true 4",
        ),
    ] {
        assert_eq!(out(text), wanted, "{text}");
    }
    for name in sprig::TABLE.iter().map(|it| it.0) {
        assert!(Functions::sprig().contains(name));
    }
}

#[test]
fn a_run_without_clock_or_seed_refuses_to_guess() {
    assert!(out("{{now}}").contains("error calling now: the time is not available here"));
    assert!(out("{{randAlpha 3}}").contains("randomness is not available here"));
    let template = Template::parse("t", "{{randAlphaNum 5}}{{now.Unix}}", &Functions::sprig()).unwrap();
    let run = Run { now: Some(jiff::Timestamp::UNIX_EPOCH), seed: Some(7), ..Run::default() };
    let first = template.execute_with("t", &Val::Nil, &run).unwrap();
    assert_eq!(first, template.execute_with("t", &Val::Nil, &run).unwrap());
    assert!(first.ends_with('0') && first.len() == 6, "{first}");
}

#[test]
fn endless_work_and_recursion_end_in_an_error() {
    let limit = |text: &str| {
        Template::parse("t", text, &Functions::helm()).and_then(|it| it.execute(&json!({}))).unwrap_err().kind
    };
    assert_eq!(limit("{{define \"r\"}}{{template \"r\" .}}{{end}}{{template \"r\" .}}"), ErrorKind::Limit);
    assert_eq!(limit("{{define \"r\"}}{{include \"r\" .}}{{end}}{{include \"r\" .}}"), ErrorKind::Limit);
    assert_eq!(limit("{{range until 10000}}{{range until 10000}}x{{end}}{{end}}"), ErrorKind::Limit);
    let cycle = "{{$d := dict}}{{$e := dict \"d\" $d}}{{$_ := set $d \"e\" $e}}{{$_ = set $d \"f\" $e}}{{$d | toJson | len | lt 0}}";
    assert!(!out(cycle).is_empty());
}

#[test]
fn helm_functions_include_and_fill() {
    let text = "{{define \"x\"}}v: {{.}}{{end}}{{include \"x\" 1 | indent 2}}|{{tpl \"{{.a}}\" .}}|{{toYaml .}}";
    let template = Template::parse("t", text, &Functions::helm()).unwrap();
    assert_eq!(template.execute(&json!({"a": "yes", "b": [1]})).unwrap(), "  v: 1|yes|a: \"yes\"\nb:\n- 1");
    let required = Template::parse("t", "{{required \"need a\" .a}}", &Functions::helm()).unwrap();
    let error = required.execute(&json!({})).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.message.ends_with("error calling required: need a"), "{}", error.message);
}

#[cfg(feature = "crypto")]
#[test]
fn passwords_keys_and_certificates_are_made_from_the_seed() {
    let run = Run { now: Some("2026-01-02T03:04:05Z".parse().unwrap()), seed: Some(7), ..Run::default() };
    let render = |text: &str| {
        let template = Template::parse("t", text, &Functions::sprig()).unwrap();
        template.execute_with("t", &Val::Nil, &run).unwrap_or_else(|error| format!("ERROR {error}"))
    };
    // what Sprig's own tests expect
    for (kind, wanted) in [
        ("long", "ZedaFaxcZaso9*"),
        ("maximum", "pf4zS1LjCg&LjhsZ7T2~"),
        ("medium", "ZedJuz8$"),
        ("basic", "pIS54PLs"),
        ("short", "Zed5"),
        ("pin", "6685"),
    ] {
        let text = format!("{{{{derivePassword 1 \"{kind}\" \"password\" \"user\" \"example.com\"}}}}");
        assert_eq!(render(&text), wanted, "{kind}");
    }
    let known = "{{decryptAES \"secretkey\" \"30tEfhuJSVRhpG97XCuWgz2okj7L8vQ1s6V9zVUPeDQ=\"}}";
    assert_eq!(render(known), "plaintext");
    assert_eq!(
        render("{{\"a text of more than one block\" | encryptAES \"k\" | decryptAES \"k\"}}"),
        "a text of more than one block"
    );
    assert!(render("{{htpasswd \"user\" \"pw\"}}").starts_with("user:$2a$10$"));
    assert_eq!(render("{{genPrivateKey \"odd\"}}"), "Unknown type odd");
    let chain = "{{$ca := genCAWithKey \"my ca\" 365 (genPrivateKey \"ecdsa\")}}\
        {{$c := genSignedCertWithKey \"web\" (list \"10.0.0.1\" \"::1\") (list \"a.example\") 30 $ca (genPrivateKey \"ecdsa\")}}\
        {{$ca.Cert}}{{$c.Cert}}{{$c.Key}}{{(buildCustomCert (b64enc $c.Cert) (b64enc $c.Key)).Cert | eq $c.Cert}}";
    let out = render(chain);
    assert!(out.ends_with("-----END EC PRIVATE KEY-----\ntrue"), "{out}");
    assert_eq!(out.matches("-----BEGIN CERTIFICATE-----").count(), 2);
    assert_eq!(out, render(chain), "the same seed makes the same");
    if let Some(path) = std::env::var_os("ARGO_LANG_CERTIFICATES") {
        std::fs::write(path, out).unwrap();
    }
    assert!(render("{{genCAWithKey \"x\" 1 \"no key\"}}").contains("parsing private key: no PEM data in input"));
    assert!(
        render("{{genSelfSignedCertWithKey \"x\" (list 1) nil 1 (genPrivateKey \"ecdsa\")}}")
            .contains("error parsing ip: 1 is not a string")
    );
}

#[cfg(not(feature = "crypto"))]
#[test]
fn what_needs_the_feature_says_so() {
    assert!(out("{{genCA \"x\" 1}}").contains("error calling genCA: genCA is not built in"));
}

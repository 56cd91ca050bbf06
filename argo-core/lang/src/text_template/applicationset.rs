//! What Argo CD's ApplicationSet templates have beside Sprig (`applicationset/utils`).

use super::exec::Context;
use super::helm;
use super::value::Val;

/// Names and parameters.
pub(super) const TABLE: [(&str, &str); 6] =
    [("normalize", "s"), ("slugify", "*a"), ("toYaml", "a"), ("fromYaml", "s"), ("fromYamlArray", "s"), ("tpl", "sa")];

pub(super) fn call(name: &str, context: &mut Context<'_>, args: &[Val]) -> Result<Val, String> {
    let text = args.first().and_then(Val::as_str).unwrap_or_default();
    match name {
        "normalize" => Ok(Val::from(normalize(text))),
        "slugify" => slugify(args).map(Val::from),
        "fromYaml" => helm::from_yaml(text),
        "fromYamlArray" => helm::from_yaml_array(text),
        other => helm::call(other, context, args),
    }
}

/// Upstream's `SanitizeName`: lower case, other than letters, digits, `-` and `.` become `-`, at most 253 long, and no
/// `-` or `.` at the ends.
fn normalize(text: &str) -> String {
    let lower = text.chars().filter_map(|it| it.to_lowercase().next());
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '.';
    let kept: String = lower.map(|it| if plain(it) { it } else { '-' }).take(253).collect();
    kept.trim_matches(['-', '.']).to_owned()
}

/// `slugify [longest [smart]] name`: what a URL may hold, at most `longest` (50) bytes, cut after whole words if smart.
fn slugify(args: &[Val]) -> Result<String, String> {
    let wrong = |value: &Val, wanted: &str| {
        let kind = if value.is_nil() { "nil" } else { value.type_name() };
        format!("interface conversion: interface {{}} is {kind}, not {wanted}")
    };
    let (mut longest, mut smart) = (50, true);
    let Some((last, options)) = args.split_last() else { return Ok(String::new()) };
    match options.first() {
        Some(Val::Int(it)) => longest = *it,
        Some(other) => return Err(wrong(other, "int")),
        None => {}
    }
    match options.get(1) {
        Some(Val::Bool(it)) => smart = *it,
        Some(other) => return Err(wrong(other, "bool")),
        None => {}
    }
    let mut slug = normalize(last.as_str().ok_or_else(|| wrong(last, "string"))?);
    let limit = usize::try_from(longest);
    if !smart {
        let limit = limit.map_err(|_| format!("runtime error: slice bounds out of range [:{longest}]"))?;
        slug.truncate(limit);
    }
    let mut words: Vec<&str> = slug.split(['-', '.']).filter(|it| !it.is_empty()).collect();
    let slug = words.join("-");
    match limit {
        Ok(limit) if smart && limit > 0 && slug.len() > limit => {
            let mut length = slug.len();
            while length > limit && words.len() > 1 {
                length -= words.pop().map_or(0, str::len) + 1;
            }
            Ok(words.join("-").chars().take(limit).collect())
        }
        _ => Ok(slug),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Functions, Template};

    fn out(text: &str) -> String {
        let template = Template::parse("", text, &Functions::application_set()).unwrap();
        template.execute(&json!({"a": "Feature/Foo_Bar.baz-"})).unwrap_or_else(|error| error.message)
    }

    #[test]
    fn names_are_made_fit_as_upstream_does() {
        for (text, wanted) in [
            ("{{normalize .a}}", "feature-foo-bar.baz"),
            ("{{slugify .a}}", "feature-foo-bar-baz"),
            ("{{slugify 12 .a}}", "feature-foo"),
            ("{{slugify 11 .a}}", "feature-foo"),
            ("{{slugify 10 .a}}", "feature"),
            ("{{slugify 3 .a}}", "fea"),
            ("{{slugify 10 false .a}}", "feature-fo"),
            ("{{slugify 8 false .a}}", "feature"),
            ("{{slugify 0 .a}}", "feature-foo-bar-baz"),
            ("{{normalize \"...\"}}{{slugify}}", ""),
            ("{{(fromYaml \"a: 1\").a}}{{index (fromYamlArray \"[x]\") 0}}{{toYaml (dict \"b\" 2)}}", "1xb: 2"),
            ("{{tpl \"<{{.a | lower}}>\" .}}", "<feature/foo_bar.baz->"),
        ] {
            assert_eq!(out(text), wanted, "{text}");
        }
        assert_eq!(out("{{len (normalize (repeat 300 \"a\"))}}"), "253");
    }

    #[test]
    fn what_is_wrong_fails_and_the_machine_is_not_seen() {
        assert!(out("{{slugify \"x\" \"y\"}}").ends_with("interface conversion: interface {} is string, not int"));
        assert!(out("{{slugify nil}}").ends_with("interface conversion: interface {} is nil, not string"));
        assert!(out("{{fromYaml \"[1]\"}}").contains("cannot unmarshal array into Go value"));
        assert!(out("{{fromYamlArray \"a: b: c\"}}").contains("error calling fromYamlArray"));
        for name in ["env", "expandenv", "getHostByName", "include", "lookup", "toToml"] {
            assert!(!Functions::application_set().contains(name), "{name}");
        }
    }
}

//! Rules of schemas, in words that their evaluator knows: it has no `optMap`, and an optional old value is null there.
//!
//! ```text
//! X.optMap(v, e)                     ─►  (X.hasValue() ? optional.of([X.value()].map(v, e)[0]) : optional.none())
//! oldSelf, where that is optional    ─►  (oldSelf == null ? optional.none() : optional.of(oldSelf))
//! ```

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

/// The longest text that is put into other words, as a bound on rules that are nested in each other.
const LONGEST: usize = 64 * 1024;
const OLD: &str = "(oldSelf == null ? optional.none() : optional.of(oldSelf))";
const RULES: &str = "x-kubernetes-validations";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Literal,
    Open,
    Close,
    Dot,
    Comma,
    Other,
}

/// The schema with its rules in other words, where any needs them.
pub(crate) fn expanded_rules(schema: &Value) -> Cow<'_, Value> {
    if !needs(schema, 0) {
        return Cow::Borrowed(schema);
    }
    let mut schema = schema.clone();
    walk(&mut schema, 0);
    Cow::Owned(schema)
}

fn rule_needs(rule: &Value) -> bool {
    rule.get("optionalOldSelf") == Some(&Value::Bool(true))
        || ["rule", "messageExpression"]
            .iter()
            .any(|field| rule.get(field).and_then(Value::as_str).is_some_and(|text| text.contains("optMap")))
}

fn needs(schema: &Value, depth: usize) -> bool {
    if depth > 128 {
        return false;
    }
    match schema {
        Value::Object(fields) => fields.iter().any(|(name, value)| match (name.as_str(), value) {
            (RULES, Value::Array(rules)) => rules.iter().any(rule_needs),
            _ => needs(value, depth + 1),
        }),
        Value::Array(items) => items.iter().any(|item| needs(item, depth + 1)),
        _ => false,
    }
}

fn walk(schema: &mut Value, depth: usize) {
    if depth > 128 {
        return;
    }
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    (RULES, Value::Array(rules)) => rules.iter_mut().for_each(rewrite),
                    (_, value) => walk(value, depth + 1),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, depth + 1)),
        _ => {}
    }
}

fn rewrite(rule: &mut Value) {
    let optional = rule.get("optionalOldSelf") == Some(&Value::Bool(true));
    for field in ["rule", "messageExpression"] {
        if let Some(Value::String(text)) = rule.get_mut(field) {
            *text = expand(text, optional);
        }
    }
}

/// A rule in other words; one that cannot be read stays as it is, for the compiler to complain of.
fn expand(text: &str, optional_old: bool) -> String {
    let mut text = text.to_owned();
    if optional_old {
        let old: Vec<Range<usize>> = names(&text, "oldSelf");
        for range in old.into_iter().rev() {
            text.replace_range(range, OLD);
        }
    }
    while text.len() <= LONGEST {
        match map_once(&text) {
            Some(next) => text = next,
            None => break,
        }
    }
    text
}

/// Where a variable is named: not a field of that name.
fn names(text: &str, name: &str) -> Vec<Range<usize>> {
    let tokens = tokens(text);
    let named = tokens.iter().enumerate().filter(|(at, (kind, range))| {
        *kind == Kind::Name && &text[range.clone()] == name && (*at == 0 || tokens[at - 1].0 != Kind::Dot)
    });
    named.map(|(_, (_, range))| range.clone()).collect()
}

/// Puts the last `optMap` into other words: those in its arguments come later in the text, and are done before it.
fn map_once(text: &str) -> Option<String> {
    let tokens = tokens(text);
    let at = tokens.windows(3).rposition(|window| {
        window[0].0 == Kind::Dot
            && window[1].0 == Kind::Name
            && &text[window[1].1.clone()] == "optMap"
            && window[2].0 == Kind::Open
            && &text[window[2].1.clone()] == "("
    })?;
    let end = closing(&tokens, at + 2)?;
    let mut depth = 0_usize;
    let comma = (at + 2..end).find(|it| {
        match tokens[*it].0 {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 1 && tokens[*it].0 == Kind::Comma
    })?;
    let begin = tokens[target(text, &tokens, at.checked_sub(1)?)?].1.start;
    let of = &text[begin..tokens[at].1.start];
    let name = &text[tokens[at + 2].1.end..tokens[comma].1.start];
    let expression = &text[tokens[comma].1.end..tokens[end].1.start];
    let (before, after) = (&text[..begin], &text[tokens[end].1.end..]);
    Some(format!(
        "{before}({of}.hasValue() ? optional.of([{of}.value()].map({name}, {expression})[0]) : optional.none()){after}"
    ))
}

/// The first token of the operand that ends with a token.
fn target(text: &str, tokens: &[(Kind, Range<usize>)], last: usize) -> Option<usize> {
    let mut at = last;
    loop {
        let bracket = &text[tokens[at].1.clone()];
        match tokens[at].0 {
            Kind::Name | Kind::Literal => {}
            Kind::Close => {
                at = opening(tokens, at)?;
                let before = at.checked_sub(1).map(|it| tokens[it].0);
                match bracket {
                    // A call begins with its name, an index with what it is of.
                    ")" if before == Some(Kind::Name) => at -= 1,
                    "]" if matches!(before, Some(Kind::Name | Kind::Close | Kind::Literal)) => {
                        at -= 1;
                        continue;
                    }
                    _ => {}
                }
            }
            _ => return None,
        }
        match at.checked_sub(1) {
            Some(before) if tokens[before].0 == Kind::Dot => at = before.checked_sub(1)?,
            _ => return Some(at),
        }
    }
}

fn closing(tokens: &[(Kind, Range<usize>)], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, (kind, _)) in tokens.iter().enumerate().skip(open) {
        match kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn opening(tokens: &[(Kind, Range<usize>)], close: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in (0..=close).rev() {
        match tokens[at].0 {
            Kind::Close => depth += 1,
            Kind::Open => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn tokens(text: &str) -> Vec<(Kind, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b if b.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            b'"' | b'\'' => {
                at = string_end(bytes, at, false);
                Kind::Literal
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                while bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                    at += 1;
                }
                let prefix = &text[start..at];
                let quoted = bytes.get(at).is_some_and(|b| matches!(b, b'"' | b'\''));
                if quoted && matches!(prefix.to_ascii_lowercase().as_str(), "r" | "b" | "rb" | "br") {
                    at = string_end(bytes, at, prefix.to_ascii_lowercase().contains('r'));
                    Kind::Literal
                } else {
                    Kind::Name
                }
            }
            b if b.is_ascii_digit() => {
                while bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'.') {
                    at += 1;
                }
                Kind::Literal
            }
            b'(' | b'[' | b'{' => {
                at += 1;
                Kind::Open
            }
            b')' | b']' | b'}' => {
                at += 1;
                Kind::Close
            }
            b'.' => {
                at += 1;
                Kind::Dot
            }
            b',' => {
                at += 1;
                Kind::Comma
            }
            _ => {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                Kind::Other
            }
        };
        found.push((kind, start..at));
    }
    found
}

/// Behind the end of the string that begins with a quote.
fn string_end(bytes: &[u8], quote: usize, raw: bool) -> usize {
    let mark = bytes[quote];
    let triple = bytes.get(quote + 1) == Some(&mark) && bytes.get(quote + 2) == Some(&mark);
    let width = if triple { 3 } else { 1 };
    let mut at = quote + width;
    while at < bytes.len() {
        if bytes[at] == b'\\' && !raw {
            at += 2;
        } else if bytes[at..].len() >= width && bytes[at..at + width].iter().all(|byte| *byte == mark) {
            return at + width;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn optional_maps_are_put_into_other_words() {
        assert_eq!(
            expand("oldSelf.optMap(o, o == self).orValue(true)", true),
            "((oldSelf == null ? optional.none() : optional.of(oldSelf)).hasValue() ? optional.of([(oldSelf == null ? optional.none() : optional.of(oldSelf)).value()].map(o,  o == self)[0]) : optional.none()).orValue(true)"
        );
        let once = |text: &str| expand(text, false);
        assert_eq!(
            once("1 + f(a, b)[0].c.optMap(x, x)"),
            "1 + (f(a, b)[0].c.hasValue() ? optional.of([f(a, b)[0].c.value()].map(x,  x)[0]) : optional.none())"
        );
        assert_eq!(once("'a.optMap(x, y)' == s"), "'a.optMap(x, y)' == s");
        assert_eq!(once("optMap"), "optMap");
        assert_eq!(once("a.optMap("), "a.optMap(");
        assert!(!once("a.optMap(x, b.optMap(y, y)).optMap(z, z)").contains("optMap"));
    }

    #[test]
    fn only_the_variable_is_taken_for_the_old_value() {
        assert_eq!(expand("self.oldSelf == 'oldSelf'", true), "self.oldSelf == 'oldSelf'");
    }

    #[test]
    fn schemas_are_copied_only_when_a_rule_needs_it() {
        let plain = json!({ "properties": { "a": { "x-kubernetes-validations": [{ "rule": "self > 1" }] } } });
        assert!(matches!(expanded_rules(&plain), Cow::Borrowed(_)));
        let schema = json!({ "properties": { "a": { "x-kubernetes-validations": [{ "rule": "oldSelf.hasValue()", "optionalOldSelf": true }] } } });
        let rules = expanded_rules(&schema);
        assert_eq!(rules["properties"]["a"]["x-kubernetes-validations"][0]["rule"], format!("{OLD}.hasValue()"));
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "[a-c.(),\\[\\]{}'\"\\\\ é]{0,40}(\\.optMap\\()?[a-c.(),\\[\\]'\"é]{0,40}") {
            expand(&text, true);
        }
    }
}

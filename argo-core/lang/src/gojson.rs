//! JSON text as Go's `encoding/json` writes it: sorted keys, `<`, `>`, `&` escaped unless asked otherwise.

use serde_json::Value;

use crate::gofloat;

/// `json.Marshal`.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, None, 0, true);
    out
}

/// `json.Marshal` without HTML escapes (`SetEscapeHTML(false)`).
#[must_use]
pub fn to_string_raw(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, None, 0, false);
    out
}

/// `json.MarshalIndent` with no prefix.
#[must_use]
pub fn to_string_indent(value: &Value, indent: &str) -> String {
    let mut out = String::new();
    write(&mut out, value, Some(indent), 0, true);
    out
}

/// A string as JSON, with its quotes.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::new();
    write_string(&mut out, text, true);
    out
}

/// A string as JSON without HTML escapes and without its quotes: what is put inside an existing JSON string.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    write_string(&mut out, text, false);
    out[1..out.len() - 1].to_owned()
}

fn break_line(out: &mut String, indent: Option<&str>, depth: usize) {
    if let Some(indent) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(indent, depth));
    }
}

fn write(out: &mut String, value: &Value, indent: Option<&str>, depth: usize, html: bool) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
        Value::Number(it) => out.push_str(&number(it)),
        Value::String(it) => write_string(out, it, html),
        Value::Array(items) if items.is_empty() => out.push_str("[]"),
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                break_line(out, indent, depth + 1);
                write(out, item, indent, depth + 1, html);
            }
            break_line(out, indent, depth);
            out.push(']');
        }
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Object(map) => {
            out.push('{');
            for (place, (key, item)) in map.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                break_line(out, indent, depth + 1);
                write_string(out, key, html);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write(out, item, indent, depth + 1, html);
            }
            break_line(out, indent, depth);
            out.push('}');
        }
    }
}

/// A number as Go prints it in JSON.
#[must_use]
pub fn number(number: &serde_json::Number) -> String {
    if number.is_f64() {
        number.as_f64().and_then(gofloat::format_json).unwrap_or_else(|| "null".to_owned())
    } else {
        number.to_string()
    }
}

fn write_string(out: &mut String, text: &str, html: bool) {
    out.push('"');
    for it in text.chars() {
        match it {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '<' | '>' | '&' if html => out.push_str(&format!("\\u{:04x}", u32::from(it))),
            '\0'..='\x1f' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(it))),
            it => out.push(it),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_escaped_as_go_escapes_it() {
        let value = json!({"b": "<a&b>\u{2028}\u{1}", "a": [1, 2.0, 1e21, null]});
        assert_eq!(to_string(&value), "{\"a\":[1,2,1e+21,null],\"b\":\"\\u003ca\\u0026b\\u003e\\u2028\\u0001\"}");
        assert_eq!(to_string_raw(&json!("<")), "\"<\"");
        assert_eq!(
            to_string_indent(&json!({"a": [], "b": {"c": 1}}), "  "),
            "{\n  \"a\": [],\n  \"b\": {\n    \"c\": 1\n  }\n}"
        );
        assert_eq!(escape("a\"b\n"), "a\\\"b\\n");
    }
}

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

/// `json.Unmarshal` into `any`, with Go's words where the text is not JSON.
///
/// # Errors
/// The text is not JSON, or nests more than 128 deep.
pub fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        let mut scanner = Scanner { text, at: 0, too_large: None };
        scanner.complaint().or(scanner.too_large).unwrap_or_else(|| error.to_string())
    })
}

/// Finds the first character that Go's scanner refuses.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The first number that no float holds.
    too_large: Option<String>,
}

type Refused = Result<(), String>;

impl Scanner<'_> {
    fn complaint(&mut self) -> Option<String> {
        self.document().err()
    }

    fn document(&mut self) -> Refused {
        self.value(0)?;
        self.space();
        if self.at < self.text.len() { self.refuse("after top-level value") } else { Ok(()) }
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn refuse(&self, context: &str) -> Refused {
        match self.peek() {
            None => Err("unexpected end of JSON input".to_owned()),
            Some('\'') => Err(format!("invalid character '\\'' {context}")),
            Some('"') => Err(format!("invalid character '\"' {context}")),
            Some(_) => {
                // Go looks at bytes
                let byte = char::from(self.text.as_bytes()[self.at]);
                let quoted = crate::fmt::quote(&byte.to_string());
                Err(format!("invalid character '{}' {context}", &quoted[1..quoted.len() - 1]))
            }
        }
    }

    fn take(&mut self, it: char) -> bool {
        let found = self.peek() == Some(it);
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text[self.at..];
        let count = rest.len() - rest.trim_start_matches(|it: char| it.is_ascii_digit()).len();
        self.at += count;
        count
    }

    fn value(&mut self, depth: usize) -> Refused {
        if depth > 10_000 {
            return Err("exceeded max depth".to_owned());
        }
        self.space();
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => self.string(),
            Some('t') => self.word("true"),
            Some('f') => self.word("false"),
            Some('n') => self.word("null"),
            Some('-' | '0'..='9') => self.number(),
            _ => self.refuse("looking for beginning of value"),
        }
    }

    fn object(&mut self, depth: usize) -> Refused {
        self.at += 1;
        self.space();
        if self.take('}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some('"') {
                return self.refuse("looking for beginning of object key string");
            }
            self.string()?;
            self.space();
            if !self.take(':') {
                return self.refuse("after object key");
            }
            self.value(depth + 1)?;
            self.space();
            if self.take('}') {
                return Ok(());
            }
            if !self.take(',') {
                return self.refuse("after object key:value pair");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Refused {
        self.at += 1;
        self.space();
        if self.take(']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            if self.take(']') {
                return Ok(());
            }
            if !self.take(',') {
                return self.refuse("after array element");
            }
        }
    }

    fn string(&mut self) -> Refused {
        self.at += 1;
        loop {
            match self.peek() {
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some('b' | 'f' | 'n' | 'r' | 't' | '\\' | '/' | '"') => self.at += 1,
                        Some('u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek().is_some_and(|it| it.is_ascii_hexdigit()) {
                                    return self.refuse("in \\u hexadecimal character escape");
                                }
                                self.at += 1;
                            }
                        }
                        _ => return self.refuse("in string escape code"),
                    }
                }
                Some(it) if it >= ' ' => self.at += it.len_utf8(),
                _ => return self.refuse("in string literal"),
            }
        }
    }

    fn word(&mut self, word: &str) -> Refused {
        for it in word.chars() {
            if !self.take(it) {
                return self.refuse(&format!("in literal {word} (expecting '{it}')"));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Refused {
        let start = self.at;
        if self.take('-') && !self.peek().is_some_and(|it| it.is_ascii_digit()) {
            return self.refuse("in numeric literal");
        }
        if !self.take('0') {
            self.digits();
        }
        if self.take('.') && self.digits() == 0 {
            return self.refuse("after decimal point in numeric literal");
        }
        if self.take('e') || self.take('E') {
            let _ = self.take('+') || self.take('-');
            if self.digits() == 0 {
                return self.refuse("in exponent of numeric literal");
            }
        }
        let text = &self.text[start..self.at];
        if self.too_large.is_none() && text.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.too_large = Some(format!("json: cannot unmarshal number {text} into Go value of type float64"));
        }
        Ok(())
    }
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

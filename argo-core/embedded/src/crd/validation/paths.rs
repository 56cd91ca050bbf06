//! Paths into the fields of a schema: `.spec.parts['a key'].name`.

use serde_json::Value;

use super::given;

const NOWHERE: &str = "does not refer to a valid field";
const CUT: &str = "unexpected end of JSON path";

/// The steps of a path and the schema it leads to.
pub(super) fn find<'a>(path: &str, schema: &'a Value, keys: bool) -> Result<(Vec<String>, &'a Value), String> {
    let tokens = tokens(path);
    let mut tokens = tokens.iter().map(String::as_str);
    let (mut steps, mut current) = (Vec::new(), schema);
    let step = |current: &'a Value, name: &str| -> Result<&'a Value, String> {
        if let Some(properties) = current.get("properties").and_then(Value::as_object).filter(|it| !it.is_empty()) {
            return properties.get(name).ok_or_else(|| NOWHERE.to_owned());
        }
        given(current, "additionalProperties").filter(|it| it.is_object()).ok_or_else(|| NOWHERE.to_owned())
    };
    while let Some(token) = tokens.next() {
        match token {
            "[" if !keys => return Err("array notation is not allowed".to_owned()),
            "[" => {
                let key = tokens.next().ok_or(CUT)?;
                let name = key
                    .strip_prefix('\'')
                    .and_then(|rest| rest.strip_suffix('\''))
                    .filter(|_| key.len() > 1)
                    .ok_or_else(|| format!("expected single quoted string but got {key}"))?
                    .replace("\\'", "'");
                current = step(current, &name)?;
                steps.push(name);
                match tokens.next() {
                    Some("]") => {}
                    Some(other) => return Err(format!("expected ] but got {other}")),
                    None => return Err(CUT.to_owned()),
                }
            }
            "." => {
                let name = tokens.next().ok_or(CUT)?;
                current = step(current, name)?;
                steps.push(name.to_owned());
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        }
    }
    Ok((steps, current))
}

/// Delimiters, texts in single quotes, and what is between.
fn tokens(path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '.' | '[' | ']' => 1,
            '\'' => {
                let mut before = ' ';
                let closing = rest.char_indices().skip(1).find(|(_, c)| {
                    let closes = *c == '\'' && before != '\\';
                    before = *c;
                    closes
                });
                closing.map_or(rest.len(), |(index, _)| index + 1)
            }
            _ => rest.find(['.', '[', ']']).unwrap_or(rest.len()),
        };
        found.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    found
}

//! The JSONPath of printer columns: fields, quoted fields, indexes, `[*]` and filters on equality.

use serde_json::Value;

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Every,
    Filter { field: Vec<String>, equal: bool, value: Value },
}

/// The first value a path leads to. A malformed path leads nowhere.
pub(crate) fn first(object: &Value, path: &str) -> Option<Value> {
    let steps = parse(path)?;
    let mut found = vec![object];
    for step in &steps {
        found = found.into_iter().flat_map(|value| follow(value, step)).collect();
    }
    found.first().map(|value| (*value).clone())
}

fn follow<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(index) => {
            let Some(items) = value.as_array() else { return Vec::new() };
            let at = if *index < 0 {
                items.len().checked_sub(index.unsigned_abs() as usize)
            } else {
                usize::try_from(*index).ok()
            };
            at.and_then(|at| items.get(at)).into_iter().collect()
        }
        Step::Every => match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(fields) => fields.values().collect(),
            _ => Vec::new(),
        },
        Step::Filter { field, equal, value: wanted } => value
            .as_array()
            .into_iter()
            .flatten()
            .filter(|item| {
                let found = field.iter().try_fold(*item, |value, step| value.get(step));
                found.is_some_and(|found| (found == wanted) == *equal)
            })
            .collect(),
    }
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let path = path.strip_prefix('{').and_then(|path| path.strip_suffix('}')).unwrap_or(path);
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = closing(after)?;
            steps.push(bracket(after[..end].trim())?);
            rest = &after[end + 1..];
        } else {
            let after = rest.strip_prefix('.').unwrap_or(rest);
            let mut name = String::new();
            let mut length = 0;
            let mut chars = after.char_indices();
            while let Some((at, c)) = chars.next() {
                match c {
                    '\\' => {
                        let (at, escaped) = chars.next()?;
                        name.push(escaped);
                        length = at + escaped.len_utf8();
                    }
                    '.' | '[' => break,
                    c => {
                        name.push(c);
                        length = at + c.len_utf8();
                    }
                }
            }
            match name.as_str() {
                "" if length == 0 && after.is_empty() => break,
                "" => return None,
                "*" => steps.push(Step::Every),
                _ => steps.push(Step::Field(name)),
            }
            rest = &after[length..];
        }
    }
    Some(steps)
}

/// Where the bracket ends, quotes and nested brackets aside.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            ('[' | '(', None) => depth += 1,
            (']', None) if depth == 0 => return Some(at),
            (']' | ')', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::Every);
    }
    if let Some(name) = quoted(text) {
        return Some(Step::Field(name.to_owned()));
    }
    if let Some(condition) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let (left, equal, right) = match condition.split_once("!=") {
            Some((left, right)) => (left, false, right),
            None => condition.split_once("==").map(|(left, right)| (left, true, right))?,
        };
        let field =
            left.trim().strip_prefix('@')?.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let right = right.trim();
        let value = match quoted(right) {
            Some(text) => Value::from(text),
            None => serde_json::from_str(right).ok()?,
        };
        return Some(Step::Filter { field, equal, value });
    }
    text.parse().ok().map(Step::Index)
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn printer_column_paths_lead_to_values() {
        let object = json!({
            "metadata": { "labels": { "app.io/name": "x" } },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Synced", "status": "False" }], "n": [1, 2, 3] },
        });
        let cases = [
            (".status.conditions[?(@.type=='Synced')].status", json!("False")),
            (".status.conditions[?(@.type==\"Ready\")].status", json!("True")),
            (".metadata.labels.app\\.io/name", json!("x")),
            (".metadata.labels['app.io/name']", json!("x")),
            (".status.n[1]", json!(2)),
            (".status.n[-1]", json!(3)),
            (".status.conditions[*].type", json!("Ready")),
        ];
        for (path, expected) in cases {
            assert_eq!(first(&object, path), Some(expected), "{path}");
        }
        assert_eq!(first(&object, ".status.missing"), None);
        assert_eq!(first(&object, ".status.conditions[?("), None);
    }
}

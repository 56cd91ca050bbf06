//! Reads vector files as `README.md` describes them: one case after another, malformed ones by name.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::ops::{self, Args, Op};

/// What a case expects.
pub(super) enum Want {
    Value(Value),
    /// An error; `None` of any text.
    Error(Option<String>),
    ErrorContains(String),
}

/// One case, ready to run.
pub(super) struct Case {
    pub(super) language: String,
    pub(super) op: &'static Op,
    pub(super) args: Args,
    pub(super) want: Want,
    /// Whether the text of an error is compared.
    pub(super) exact: bool,
    /// Arguments as they stand in the file, for `differences.json`.
    pub(super) written: Vec<Value>,
    pub(super) origin: String,
}

/// Names of the expected value, the first of which is the documented one.
const WANT: [&str; 3] = ["want", "expected", "expect"];
const ERROR: [&str; 2] = ["error", "want_error"];

/// All vector files below a directory, sorted; hidden ones and `differences.json` are left out.
pub(super) fn files(dir: &Path, deep: bool) -> Result<Vec<PathBuf>, String> {
    let mut out = Vec::new();
    let entries = std::fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    for path in entries.filter_map(|it| Some(it.ok()?.path())) {
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        if name.starts_with('.') || name == "differences.json" {
            continue;
        }
        if path.is_dir() {
            if deep {
                out.extend(files(&path, deep)?);
            }
        } else if name.ends_with(".json") || name.ends_with(".jsonl") {
            out.push(path);
        }
    }
    out.sort();
    Ok(out)
}

/// The cases of a file; what is malformed is reported instead, by file and place.
pub(super) fn read(path: &Path) -> Vec<Result<Case, String>> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return vec![Err(format!("{name}: {error}"))],
    };
    if name.ends_with(".jsonl") {
        let file = Map::new();
        return text
            .lines()
            .enumerate()
            .filter(|it| !it.1.trim().is_empty())
            .flat_map(|(place, line)| {
                let origin = format!("{name} line {}", place + 1);
                match serde_json::from_str::<Value>(line) {
                    Ok(Value::Object(line)) if line.contains_key("cases") => of_value(&Value::Object(line), &origin),
                    Ok(it) => vec![case(&file, &it, origin)],
                    Err(error) => vec![Err(format!("{origin}: {error}"))],
                }
            })
            .collect();
    }
    of_text(&text, &name)
}

/// The cases of a JSON text.
pub(super) fn of_text(text: &str, name: &str) -> Vec<Result<Case, String>> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => of_value(&value, name),
        Err(error) => vec![Err(format!("{name}: {error}"))],
    }
}

fn of_value(value: &Value, name: &str) -> Vec<Result<Case, String>> {
    let none = Map::new();
    let (file, cases) = match value {
        Value::Array(cases) => (&none, cases),
        Value::Object(file) => match ["cases", "vectors", "tests"].iter().find_map(|key| file.get(*key)) {
            Some(Value::Array(cases)) => (file, cases),
            _ => return vec![Err(format!("{name}: \"cases\" must be a list"))],
        },
        _ => return vec![Err(format!("{name}: neither an object with \"cases\" nor a list of cases"))],
    };
    cases.iter().enumerate().map(|(place, it)| case(file, it, format!("{name} case {}", place + 1))).collect()
}

fn text<'a>(map: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| map.get(*name)).and_then(Value::as_str)
}

fn case(file: &Map<String, Value>, value: &Value, mut origin: String) -> Result<Case, String> {
    let Some(map) = value.as_object() else { return Err(format!("{origin}: a case must be an object")) };
    if let Some(name) = text(map, &["name", "id"]) {
        origin = format!("{origin} ({name})");
    }
    let malformed = |message: String| format!("{origin}: {message}");
    let language = text(map, &["language"])
        .or_else(|| text(file, &["language"]))
        .ok_or_else(|| malformed("neither the case nor its file names a \"language\"".to_owned()))?;
    let name = text(map, &["op"]).or_else(|| text(file, &["op"]));
    let op = ops::find(language, name).map_err(&malformed)?;
    let args = arguments(file, map, op).map_err(&malformed)?;
    let want = want(map, op).map_err(&malformed)?;
    let exact = match text(map, &["errors"]).or_else(|| text(file, &["errors"])) {
        None => op.exact,
        Some("exact") => true,
        Some("fact") => false,
        Some(other) => return Err(malformed(format!("\"errors\" is exact or fact, not {other:?}"))),
    };
    let written = map.get("args").and_then(Value::as_array).cloned().unwrap_or_else(|| args.0.clone());
    Ok(Case { language: language.to_owned(), op, args, want, exact, written, origin })
}

fn arguments(file: &Map<String, Value>, map: &Map<String, Value>, op: &Op) -> Result<Args, String> {
    let shared = file.get("shared");
    let fill = |it: &Value| match (it, shared) {
        (Value::String(text), Some(shared)) if text == "$shared" => shared.clone(),
        _ => it.clone(),
    };
    // the rest of a variadic operation
    let variadic = |field: &ops::Field| field.default == Some("…");
    let by_name = match map.get("args") {
        Some(Value::Array(items)) => {
            let mut values: Vec<Value> = items.iter().map(fill).collect();
            if values.len() > op.fields.len() && !op.fields.iter().any(variadic) {
                return Err(format!("{} takes at most {} arguments", op.name, op.fields.len()));
            }
            for field in op.fields.iter().skip(values.len()).filter(|it| !variadic(it)) {
                values.push(default(file, field, op)?);
            }
            return Ok(Args(values));
        }
        Some(Value::Object(named)) => named,
        Some(_) => return Err("\"args\" must be a list or an object".to_owned()),
        None => map,
    };
    let mut values = Vec::new();
    for field in op.fields {
        match (by_name.get(field.name), variadic(field)) {
            (Some(Value::Array(items)), true) => values.extend(items.iter().map(fill)),
            (_, true) => {}
            (Some(value), false) => values.push(fill(value)),
            (None, false) => values.push(default(file, field, op)?),
        }
    }
    Ok(Args(values))
}

/// What an absent field is: the file's default, else the operation's.
fn default(file: &Map<String, Value>, field: &ops::Field, op: &Op) -> Result<Value, String> {
    if let Some(value) = file.get("defaults").and_then(|it| it.get(field.name)) {
        return Ok(value.clone());
    }
    match field.default {
        Some(text) => serde_json::from_str(text).map_err(|error| error.to_string()),
        None => Err(format!("{} needs the field {:?}", op.name, field.name)),
    }
}

fn want(map: &Map<String, Value>, op: &Op) -> Result<Want, String> {
    // a field of the operation may have one of the names
    let own = |name: &str| op.fields.iter().any(|it| it.name == name);
    let value = WANT.iter().filter(|it| !own(it)).find_map(|name| map.get(*name));
    match ERROR.iter().find_map(|name| map.get(*name)) {
        None | Some(Value::Null | Value::Bool(false)) => Ok(Want::Value(value.cloned().unwrap_or(Value::Null))),
        Some(_) if value.is_some_and(|it| !it.is_null()) => Err("a case has either a value or an error".to_owned()),
        Some(Value::Bool(true)) => Ok(Want::Error(None)),
        Some(Value::String(text)) => Ok(Want::Error(Some(text.clone()))),
        Some(Value::Object(it)) if it.get("contains").is_some_and(Value::is_string) => {
            Ok(Want::ErrorContains(text(it, &["contains"]).unwrap_or_default().to_owned()))
        }
        Some(_) => Err("\"error\" is true, a text or {\"contains\": text}".to_owned()),
    }
}

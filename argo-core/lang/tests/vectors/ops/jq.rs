//! jq.

use argo_lang::jq::{Jq, JqError};
use serde_json::{Value, json};

use super::{Args, Field, Language, Trouble, op, optional, required};

const FIELDS: &[Field] =
    &[required("program"), optional("input", "null"), optional("variables", "{}"), optional("now", "null")];

pub(super) const LANGUAGES: &[Language] = &[Language {
    name: "jq",
    aliases: &["gojq"],
    ops: &[
        op("run", FIELDS, "the list of all values", |args| {
            let (values, error) = run(args)?;
            error.map_or(Ok(Value::Array(values)), |it| Err(Trouble::Error(it.message)))
        })
        .exact(),
        op("each", FIELDS, "`{\"values\": [...], \"error\"?: text}`: what comes before an error too", |args| {
            let (values, error) = run(args)?;
            Ok(match error {
                Some(error) => json!({"values": values, "error": error.message}),
                None => json!({"values": values}),
            })
        })
        .exact(),
    ],
}];

fn run(args: &Args) -> Result<(Vec<Value>, Option<JqError>), Trouble> {
    let variables = args.value(2).as_object().cloned().unwrap_or_default();
    let names: Vec<&str> = variables.keys().map(String::as_str).collect();
    let jq = Jq::compile_with(args.text(0)?, &names).map_err(|it| Trouble::Error(it.message))?;
    let mut run = jq.run(args.value(1));
    if let Some(now) = args.time(3)? {
        run = run.at(now);
    }
    for (name, value) in &variables {
        run = run.with(name, value);
    }
    let mut values = Vec::new();
    for value in run {
        match value {
            Ok(it) => values.push(it),
            Err(error) => return Ok((values, Some(error))),
        }
    }
    Ok((values, None))
}

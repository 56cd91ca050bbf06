//! Whether a trigger's conditions hold.

use argo_core::Timestamp;
use argo_lang::expr::{Functions, Options, Program};
use base64::Engine;
use serde_json::Value;
use sha1::{Digest, Sha1};

use super::{Config, NotifyError};

/// What a condition of a trigger came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which condition: its place, and the hash of what it asks.
    pub key: String,
    /// Whether it asks anything; without, what happens is reason enough.
    pub asks: bool,
    /// Whether it holds.
    pub holds: bool,
    /// What it is told once for, if it says so.
    pub once_per: String,
    /// What to send.
    pub templates: Vec<String>,
    /// Why it could not be asked; it does not hold then.
    pub error: Option<String>,
}

/// Asks a trigger's conditions over variables. `time.Now()` and `time.Parse(text)` give RFC 3339 texts.
///
/// # Errors
/// When no such trigger is configured.
pub fn run(config: &Config, trigger: &str, variables: &Value, now: Timestamp) -> Result<Vec<Outcome>, NotifyError> {
    let conditions = config.triggers.get(trigger).ok_or_else(|| NotifyError::UnknownTrigger(trigger.to_owned()))?;
    let outcome = |(at, condition): (usize, &super::Condition)| {
        let asked = if condition.when.is_empty() { "false" } else { &condition.when };
        let (holds, error) = match evaluate(asked, variables, now) {
            Ok(value) => (value == Value::Bool(true), None),
            Err(error) => (false, Some(error)),
        };
        let once_per = if holds && !condition.once_per.is_empty() {
            evaluate(&condition.once_per, variables, now).map(|it| printed(&it)).unwrap_or_default()
        } else {
            String::new()
        };
        Outcome {
            key: format!("[{at}].{}", hash(&condition.when)),
            asks: !condition.when.is_empty(),
            holds,
            once_per,
            templates: condition.send.clone(),
            error,
        }
    };
    Ok(conditions.iter().enumerate().map(outcome).collect())
}

fn evaluate(source: &str, variables: &Value, now: Timestamp) -> Result<Value, String> {
    let functions = Functions::new()
        .with("time.Now", move |_| Ok(Value::from(now.to_string())))
        .with("time.Parse", |args| args.first().cloned().ok_or_else(|| "time.Parse takes a text".to_owned()));
    let options = Options::with_functions(functions).allow_undefined();
    let program = Program::compile(source, &options).map_err(|it| it.message)?;
    program.eval_at(variables, now).map_err(|it| it.message)
}

fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

fn hash(text: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha1::digest(text.as_bytes()))
}

//! Strings with expressions inside, as Kargo evaluates them: `image: ${{ vars.repo }}:${{ imageFrom(vars.repo).Tag }}`.

use jiff::Timestamp;
use serde_json::Value;

use super::{ExprError, Options, Program};
use crate::{gofloat, gojson};

/// The delimiters, as pairs.
const DELIMITERS: [(&str, &str); 2] = [("${{", "}}"), ("${%", "%}")];

/// Why a template did not evaluate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// One of its expressions does not compile.
    #[error("error compiling expression {expression:?}: {source}")]
    Compile {
        /// The expression.
        expression: String,
        /// Why.
        source: Box<ExprError>,
    },
    /// One of its expressions failed.
    #[error("error evaluating expression {expression:?}: {source}")]
    Evaluate {
        /// The expression.
        expression: String,
        /// Why.
        source: Box<ExprError>,
    },
    /// A delimiter was opened and not closed.
    #[error("cannot find end tag={end:?} in the template={template:?}")]
    Unclosed {
        /// The missing delimiter.
        end: &'static str,
        /// The template.
        template: String,
    },
    /// The output is longer than allowed.
    #[error("template output is too long")]
    TooLong,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Expression(Program),
}

/// A compiled string template.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
    limit: usize,
}

impl Template {
    /// Compiles a string.
    ///
    /// # Errors
    /// A delimiter is not closed or an expression does not compile.
    pub fn compile(text: &str, options: &Options) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let next = DELIMITERS
                .iter()
                .filter_map(|(open, close)| rest.find(open).map(|at| (at, *open, *close)))
                .min_by_key(|it| it.0);
            let Some((at, open, close)) = next else { break };
            let inside = &rest[at + open.len()..];
            let Some(end) = inside.find(close) else {
                return Err(TemplateError::Unclosed { end: close, template: text.to_owned() });
            };
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let expression = inside[..end].trim();
            let program = Program::compile(expression, options).map_err(|source| TemplateError::Compile {
                expression: expression.to_owned(),
                source: Box::new(source),
            })?;
            parts.push(Part::Expression(program));
            rest = &inside[end + close.len()..];
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts, limit: options.limits.memory })
    }

    /// Whether the text has an expression at all.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Text(_)])
    }

    /// Evaluates to a value. A text without expressions stays as it is; otherwise the rendered text is read as
    /// a quoted string, a number, a bool or JSON when it is one, and is a string when it is none of them.
    ///
    /// # Errors
    /// An expression failed.
    pub fn evaluate(&self, env: &Value, now: Option<Timestamp>) -> Result<Value, TemplateError> {
        if let [Part::Text(text)] = self.parts.as_slice() {
            return Ok(Value::String(text.clone()));
        }
        Ok(typed(&self.render(env, now)?))
    }

    /// Evaluates to text: results that are no strings are JSON.
    ///
    /// # Errors
    /// An expression failed.
    pub fn render(&self, env: &Value, now: Option<Timestamp>) -> Result<String, TemplateError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expression(program) => {
                    let value = match now {
                        Some(now) => program.eval_at(env, now),
                        None => program.eval(env),
                    }
                    .map_err(|source| TemplateError::Evaluate {
                        expression: program.source().to_owned(),
                        source: Box::new(source),
                    })?;
                    match value {
                        Value::String(text) => out.push_str(&text),
                        other => out.push_str(&gojson::to_string(&other)),
                    }
                }
            }
            if out.len() > self.limit {
                return Err(TemplateError::TooLong);
            }
        }
        Ok(out)
    }
}

/// Reads rendered text as the value it looks like.
fn typed(text: &str) -> Value {
    let (body, newline) = match text.strip_suffix('\n') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let string = |body: &str| Value::String(if newline { format!("{body}\n") } else { body.to_owned() });
    if body.len() >= 2 && body.starts_with('"') && body.ends_with('"') {
        return string(&body[1..body.len() - 1]);
    }
    if let Some(number) = gofloat::parse_float(body) {
        return match gofloat::json_number(number) {
            Some(it) => Value::Number(it),
            None => string(body),
        };
    }
    if let Some(it) = gofloat::parse_bool(body) {
        return Value::Bool(it);
    }
    match serde_json::from_str(body) {
        Ok(value) => value,
        Err(_) => string(body),
    }
}

/// Compiles and evaluates one string.
///
/// # Errors
/// As [`Template::compile`] and [`Template::evaluate`].
pub fn evaluate(text: &str, env: &Value, options: &Options) -> Result<Value, TemplateError> {
    Template::compile(text, options)?.evaluate(env, None)
}

/// Evaluates every string value of a document; keys stay.
///
/// # Errors
/// As [`evaluate`], at the first string that fails.
pub fn evaluate_json(value: &Value, env: &Value, options: &Options) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::String(text) => evaluate(text, env, options)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|it| evaluate_json(it, env, options)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, it)| Ok((key.clone(), evaluate_json(it, env, options)?)))
                .collect::<Result<_, TemplateError>>()?,
        ),
        other => other.clone(),
    })
}

/// `quote(x)`: the text of a value in double quotes, so that the result of a template stays a string.
#[must_use]
pub fn quote(value: &Value) -> String {
    match value {
        Value::String(text) => gojson::quote(text),
        other => gojson::quote(&gojson::to_string(other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::expr::Functions;

    #[test]
    fn results_are_typed_by_what_they_look_like() {
        let functions =
            Functions::new().with("quote", |args| Ok(Value::String(quote(args.first().unwrap_or(&Value::Null)))));
        let options = Options::with_functions(functions);
        let env = json!({"vars": {"repo": "nginx", "n": 3, "o": {"a": 1}, "s": "1.10", "t": "true"}});
        for (text, value) in [
            ("plain 1", json!("plain 1")),
            ("1", json!("1")),
            ("${{ vars.repo }}:${{ vars.n }}", json!("nginx:3")),
            ("${{ vars.n }}", json!(3)),
            ("${{ vars.o }}", json!({"a": 1})),
            ("${{ vars.s }}", json!(1.1)),
            ("${{ quote(vars.s) }}", json!("1.10")),
            ("${{ vars.t }}", json!(true)),
            ("${% vars.n + 1 %}", json!(4)),
            ("${{ nil }}", json!(null)),
            ("${{ vars.repo }}\n", json!("nginx\n")),
        ] {
            assert_eq!(evaluate(text, &env, &options).unwrap(), value, "{text}");
        }
        assert!(matches!(evaluate("${{ vars", &env, &options), Err(TemplateError::Unclosed { .. })));
        assert!(matches!(evaluate("${{ nope }}", &env, &options), Err(TemplateError::Evaluate { .. })));
    }
}

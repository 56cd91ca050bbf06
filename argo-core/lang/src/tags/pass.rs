//! One rendering: looks tags up and evaluates expressions.

use serde_json::Value;

use super::template::Segment;
use super::{Found, Render, Scope, TagError, Unknown};
use crate::expr::{self, ExprError, Options, Program};
use crate::gojson;

/// Names whose values come late: an expression that reads one is left for a later pass while it is not in scope.
const LATE: [&str; 5] = ["item", "retries", "lastRetry", "workflow.status", "workflow.failures"];

pub(super) struct Pass<'a> {
    pub(super) scope: &'a dyn Scope,
    pub(super) how: &'a Render,
    pub(super) env: Option<Value>,
}

impl Pass<'_> {
    pub(super) fn segments(&mut self, segments: &[Segment], out: &mut String) -> Result<(), TagError> {
        for segment in segments {
            match segment {
                Segment::Text(text) => out.push_str(text),
                Segment::Tag(inside) => self.tag(inside, out)?,
                Segment::Expression(inside) => self.expression(inside, out)?,
            }
            if out.len() > self.how.max_output {
                return Err(TagError::TooLong);
            }
        }
        Ok(())
    }

    fn inside(&mut self, inside: &[Segment]) -> Result<String, TagError> {
        if let [Segment::Text(text)] = inside {
            return Ok(text.clone());
        }
        let mut out = String::new();
        self.segments(inside, &mut out)?;
        Ok(out)
    }

    fn tag(&mut self, inside: &[Segment], out: &mut String) -> Result<(), TagError> {
        let raw = self.inside(inside)?;
        let name = raw.trim();
        match self.scope.find(name) {
            Some(Found::Value(value)) => out.push_str(&value),
            Some(Found::Absent) => {
                return Err(TagError::Absent { tag: name.to_owned() });
            }
            None if self.how.unknown.fails(name) => {
                return Err(TagError::Unresolved { tag: name.to_owned() });
            }
            None => {
                out.push_str("{{");
                out.push_str(&raw);
                out.push_str("}}");
            }
        }
        Ok(())
    }

    /// Whether the expression reads a name that must resolve now.
    fn is_strict(&self, program: &Program) -> bool {
        self.how.unknown == Unknown::Fail || program.names().iter().any(|it| self.how.unknown.fails(&format!("{it}.")))
    }

    fn expression(&mut self, inside: &[Segment], out: &mut String) -> Result<(), TagError> {
        let source = self.inside(inside)?;
        let keep = |out: &mut String| {
            out.push_str("{{=");
            out.push_str(&source);
            out.push_str("}}");
        };
        let options = Options::with_functions(self.how.functions.clone());
        let fail = |error: &ExprError| TagError::Expression {
            expression: source.trim().to_owned(),
            message: error.to_string(),
            unresolved: error.kind == expr::ErrorKind::UnknownName,
        };
        let lenient = self.how.unknown == Unknown::Keep;
        let program = match Program::compile(source.trim(), &options) {
            Ok(program) => program,
            Err(_) if lenient => {
                keep(out);
                return Ok(());
            }
            Err(error) => return Err(fail(&error)),
        };
        let env = self.env.get_or_insert_with(|| self.scope.env());
        if waits_for_late(&program, env) {
            keep(out);
            return Ok(());
        }
        let result = match self.how.now {
            Some(now) => program.eval_at(env, now),
            None => program.eval(env),
        };
        match result {
            Ok(Value::Null) if lenient => keep(out),
            Ok(Value::Null) => {
                return Err(TagError::Expression {
                    expression: source.trim().to_owned(),
                    message: format!("the result of {} is nil", source.trim()),
                    unresolved: true,
                });
            }
            Ok(Value::String(text)) => out.push_str(&text),
            Ok(other) => out.push_str(&gojson::to_string_raw(&other)),
            Err(_) if lenient => keep(out),
            // an expression over names that are not strict is left for a later pass
            Err(_) if !self.is_strict(&program) => keep(out),
            Err(error) => return Err(fail(&error)),
        }
        Ok(())
    }
}

fn waits_for_late(program: &Program, env: &Value) -> bool {
    program.names().iter().any(|name| {
        LATE.iter().any(|late| {
            let reads = name == late || name.strip_prefix(late).is_some_and(|it| it.starts_with('.'));
            reads && late.split('.').try_fold(env, |at, part| at.get(part)).is_none()
        })
    })
}

//! jq as gojq runs it: `.items[] | select(.kind == "Pod") | .metadata.name`.
//!
//! [`Jq::compile`] resolves a program once; [`Jq::run`] gives its values one after another. Values of the input are
//! borrowed until a program changes them. A run is bounded in steps, memory, depth and outputs ([`Limits`]), whatever
//! the program does. There is no I/O: `env` and `$ENV` are empty, `input` and modules are refused, the local zone is UTC,
//! and `now` is what [`Run::at`] says.

mod ast;
mod budget;
mod compile;
mod error;
mod ir;
mod lex;
mod machine;
mod natives;
mod ops;
mod parse;
mod paths;
mod prelude;
mod print;
mod value;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use budget::Limits;
pub use error::{ErrorKind, JqError};

use budget::Budget;
use machine::Machine;
use value::Val;

/// A compiled program.
#[derive(Debug, Clone)]
pub struct Jq {
    source: Arc<str>,
    program: Arc<ir::Program>,
    variables: Arc<[String]>,
}

impl Jq {
    /// Compiles a program.
    ///
    /// # Errors
    /// The source is no program, names something unknown, or is too large.
    pub fn compile(source: &str) -> Result<Self, JqError> {
        Self::compile_with(source, &[])
    }

    /// Compiles a program that may use these variables (`name` or `$name`); [`Run::with`] gives their values.
    ///
    /// # Errors
    /// As [`Jq::compile`].
    pub fn compile_with(source: &str, variables: &[&str]) -> Result<Self, JqError> {
        let variables: Vec<String> = variables.iter().map(|it| it.trim_start_matches('$').to_owned()).collect();
        let ast = parse::parse(source)?;
        let program = compile::compile(source, &ast, &variables)?;
        Ok(Self { source: source.into(), program: Arc::new(program), variables: variables.into() })
    }

    /// The source it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Runs on a value, within the default limits. The values come one at a time; an error is the last.
    #[must_use]
    pub fn run<'a>(&'a self, input: &'a Value) -> Run<'a> {
        Run {
            jq: self,
            input,
            values: vec![Val::Null; self.variables.len()],
            limits: Limits::default(),
            now: None,
            state: State::Ready,
            given: 0,
        }
    }

    /// All values of a run.
    ///
    /// # Errors
    /// The first error of the run.
    pub fn all(&self, input: &Value) -> Result<Vec<Value>, JqError> {
        self.run(input).collect()
    }

    /// The first value of a run, if there is one.
    ///
    /// # Errors
    /// The run failed before it gave a value.
    pub fn first(&self, input: &Value) -> Result<Option<Value>, JqError> {
        self.run(input).next().transpose()
    }
}

enum State<'a> {
    Ready,
    Running(Box<Machine<'a>>),
    Over,
}

/// A run of a program: an iterator over its values.
pub struct Run<'a> {
    jq: &'a Jq,
    input: &'a Value,
    values: Vec<Val<'a>>,
    limits: Limits,
    now: Option<Timestamp>,
    state: State<'a>,
    given: usize,
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("source", &self.jq.source).field("given", &self.given).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// The bounds of the run. To be set before the first value is taken.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The time that `now` gives; without it 1970.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The value of a variable of [`Jq::compile_with`]; without it null. Names that were not declared are ignored.
    #[must_use]
    pub fn with(mut self, name: &str, value: &'a Value) -> Self {
        let name = name.trim_start_matches('$');
        if let Some(place) = self.jq.variables.iter().position(|it| it == name) {
            self.values[place] = Val::from(value);
        }
        self
    }
}

impl Iterator for Run<'_> {
    type Item = Result<Value, JqError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.state, State::Ready) {
            let budget = Budget::new(self.limits, self.now);
            let values = std::mem::take(&mut self.values);
            let machine = Machine::new(&self.jq.program, budget, values, Val::from(self.input));
            self.state = State::Running(Box::new(machine));
        }
        let State::Running(machine) = &mut self.state else { return None };
        if self.given >= self.limits.outputs {
            self.state = State::Over;
            let message = format!("the program gives more than {} values", self.limits.outputs);
            return Some(Err(JqError::run(ErrorKind::Limit, message)));
        }
        let next = machine.next();
        match next {
            Some(Ok(val)) => {
                self.given += 1;
                Some(Ok(val.to_value()))
            }
            Some(Err(error)) => {
                let error = error.into_error();
                self.state = State::Over;
                Some(Err(error))
            }
            None => {
                self.state = State::Over;
                None
            }
        }
    }
}

/// Compiles and runs in one step.
///
/// # Errors
/// As [`Jq::compile`] and [`Jq::all`].
pub fn eval(source: &str, input: &Value) -> Result<Vec<Value>, JqError> {
    Jq::compile(source)?.all(input)
}

#[cfg(test)]
mod tests;

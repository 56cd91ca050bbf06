//! Go's `text/template` with Sprig, over JSON data.
//!
//! [`Template`] is parsed once and executed often. [`Functions`] names what a template may call: [`Functions::builtin`]
//! is Go's own set, [`Functions::sprig`] adds Sprig 3.3, and [`Functions::helm`], [`Functions::application_set`] and
//! [`Functions::notifications`] are what Helm and Argo CD make of it. Numbers of JSON data are float64, as Go decodes them; use
//! [`Val::exact`] for integers. Nothing reads a clock or a random source: both are given in [`Run`].
//!
//! ```
//! use argo_lang::text_template::{Functions, Template};
//! let template = Template::parse("greeting", "Hello {{ .name | upper }}!", &Functions::sprig())?;
//! assert_eq!(template.execute(&serde_json::json!({"name": "argo"}))?, "Hello ARGO!");
//! # Ok::<(), argo_lang::text_template::TemplateError>(())
//! ```

mod applicationset;
mod ast;
mod builtins;
mod exec;
mod functions;
mod helm;
mod lex;
mod notifications;
mod number;
mod parse;
mod print;
mod signature;
pub(crate) mod sprig;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use exec::Context;
pub use functions::{Function, Functions};
use signature::Signature;
pub use value::{Object, Val};

/// What kind of trouble a template had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is no template.
    Parse,
    /// Execution failed.
    Execute,
    /// A map has no such key, with [`MissingKey::Error`].
    MissingKey,
    /// `fail` or `required` was called.
    Failed,
    /// A bound was exceeded.
    Limit,
}

/// An error with Go's text: `template: name:line:column: executing "name" at <node>: message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What kind.
    pub kind: ErrorKind,
    /// The whole text.
    pub message: String,
    /// Line in the template, from 1; 0 when not known.
    pub line: usize,
}

/// What a missing key of a map gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// Nothing, printed as `<no value>`. The default.
    #[default]
    Invalid,
    /// The zero value, which for JSON data is nil.
    Zero,
    /// An error.
    Error,
}

/// Bounds of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest output in bytes. Default 16 MiB.
    pub output: usize,
    /// Most evaluated nodes. Default 5,000,000.
    pub steps: usize,
    /// Deepest nesting of templates in templates. Default 100.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output: 16 << 20, steps: 5_000_000, depth: 100 }
    }
}

/// What an execution is given beside its data.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// What `now` is; without it `now`, `ago` and dates of nothing fail.
    pub now: Option<Timestamp>,
    /// The seed of random functions; without it they fail.
    pub seed: Option<u64>,
    /// Bounds.
    pub limits: Limits,
}

/// A template and everything defined beside it.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    trees: BTreeMap<String, Arc<ast::Tree>>,
    functions: Functions,
    missing_key: MissingKey,
}

impl Template {
    /// An empty template of a name, to which texts are added with [`Template::add`].
    #[must_use]
    pub fn new(name: impl Into<String>, functions: &Functions) -> Self {
        Self {
            name: name.into(),
            trees: BTreeMap::new(),
            functions: functions.clone(),
            missing_key: MissingKey::default(),
        }
    }

    /// Parses one text.
    ///
    /// # Errors
    /// The text is no template or calls an unknown function.
    pub fn parse(name: &str, text: &str, functions: &Functions) -> Result<Self, TemplateError> {
        Self::new(name, functions).add(name, text)
    }

    /// Sets what missing keys give.
    #[must_use]
    pub fn missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// Adds a text under a name, with what it defines. A later definition replaces an earlier one unless it is empty.
    ///
    /// # Errors
    /// The text is no template or calls an unknown function.
    pub fn add(mut self, name: &str, text: &str) -> Result<Self, TemplateError> {
        self.insert(name, text)?;
        Ok(self)
    }

    fn insert(&mut self, name: &str, text: &str) -> Result<(), TemplateError> {
        for tree in parse::parse(name, text, &self.functions)? {
            let replace = !tree.is_empty() || !self.trees.contains_key(&tree.name);
            if replace {
                self.trees.insert(tree.name.clone(), Arc::new(tree));
            }
        }
        Ok(())
    }

    /// The names of all templates in it, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trees.keys().map(String::as_str)
    }

    /// Executes the template of its own name over JSON data.
    ///
    /// # Errors
    /// Execution failed; the text is Go's.
    pub fn execute(&self, data: &Value) -> Result<String, TemplateError> {
        self.execute_with(&self.name, &Val::from_json(data), &Run::default())
    }

    /// Executes one of the templates over any data.
    ///
    /// # Errors
    /// Execution failed, or there is no such template.
    pub fn execute_with(&self, name: &str, data: &Val, run: &Run) -> Result<String, TemplateError> {
        exec::execute(self, name, data, run)
    }
}

/// The names of Sprig's functions.
pub(crate) fn sprig_names() -> impl Iterator<Item = &'static str> {
    sprig::TABLE.iter().map(|it| it.0)
}

/// Calls one of Sprig's functions over JSON values, as expressions do.
pub(crate) fn call_sprig(name: &str, args: &[Value]) -> Result<Value, String> {
    let signature = sprig::TABLE.iter().find(|it| it.0 == name).map_or_else(Signature::any, |it| Signature::new(it.1));
    let (least, most) = signature.bounds();
    if args.len() < least || args.len() > most {
        return Err(format!("wrong number of arguments to call sprig.{name}"));
    }
    let template = Template::new(name, &Functions::default());
    let run = Run::default();
    let args: Vec<Val> = args.iter().map(Val::exact).collect();
    let mut context = Context::detached(&template, &run);
    sprig::call(name, &mut context, &args).map(|it| it.to_json())
}

/// Parses and executes one text with Sprig.
///
/// # Errors
/// As [`Template::parse`] and [`Template::execute`].
pub fn render(text: &str, data: &Value) -> Result<String, TemplateError> {
    Template::parse("template", text, &Functions::sprig())?.execute(data)
}

#[cfg(test)]
mod tests;

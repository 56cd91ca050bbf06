//! What a function sees of the execution it is called in.

use jiff::Timestamp;

use super::State;
use crate::random::Random;
use crate::text_template::value::Val;
use crate::text_template::{ErrorKind, Run, Template, TemplateError};

/// What a function sees of the execution it is called in.
#[derive(Debug)]
pub struct Context<'a> {
    pub(super) template: &'a Template,
    pub(super) run: &'a Run,
    random: Option<Random>,
    pub(super) steps: usize,
    pub(super) depth: usize,
    /// The kind of the error a function is about to return, when it is not a plain failure.
    pub(super) kind: Option<ErrorKind>,
    /// An error of a template executed by a function: it keeps its own text.
    pub(super) inner: Option<TemplateError>,
}

impl<'a> Context<'a> {
    /// A context outside any template.
    pub(in crate::text_template) fn detached(template: &'a Template, run: &'a Run) -> Self {
        Self {
            template,
            run,
            random: run.seed.map(Random::new),
            steps: run.limits.steps,
            depth: 0,
            kind: None,
            inner: None,
        }
    }

    /// The time of the run.
    ///
    /// # Errors
    /// The run has none.
    pub fn now(&self) -> Result<Timestamp, String> {
        self.run.now.ok_or_else(|| "the time is not available here".to_owned())
    }

    /// The next random number below a limit.
    ///
    /// # Errors
    /// The run has no seed.
    pub fn random_below(&mut self, limit: u64) -> Result<u64, String> {
        self.random.as_mut().map(|it| it.below(limit)).ok_or_else(|| "randomness is not available here".to_owned())
    }

    /// Executes another template of the set, as `include` does.
    ///
    /// # Errors
    /// The template failed or does not exist.
    pub fn execute(&mut self, name: &str, data: &Val) -> Result<String, String> {
        let Some(tree) = self.template.trees.get(name).cloned() else {
            let name = crate::fmt::quote(name);
            let set = crate::fmt::quote(&self.template.name);
            return Err(format!("template: no template {name} associated with template {set}"));
        };
        let mut out = String::new();
        match State::new(self, &tree, &mut out, data).run() {
            Ok(()) => Ok(out),
            Err(error) => {
                let text = error.to_string();
                self.kind = Some(error.kind);
                self.inner = Some(error);
                Err(text)
            }
        }
    }

    /// Parses a text and executes it with all templates of the set, as `tpl` does.
    ///
    /// # Errors
    /// The text is no template or failed.
    pub fn execute_text(&mut self, name: &str, text: &str, data: &Val) -> Result<String, String> {
        let mut template = self.template.clone();
        template.insert(name, text).map_err(|error| error.to_string())?;
        if !template.trees.contains_key(name) {
            return Ok(String::new());
        }
        let mut context = Context {
            template: &template,
            run: self.run,
            random: self.random.clone(),
            steps: self.steps,
            depth: self.depth,
            kind: None,
            inner: None,
        };
        let result = context.execute(name, data);
        self.steps = context.steps;
        self.kind = context.kind.take();
        self.inner = context.inner.take();
        let random = context.random.take();
        self.random = random;
        result
    }

    /// Marks the error being returned as deliberate (`fail`, `required`).
    pub fn mark_failed(&mut self) {
        self.kind = Some(ErrorKind::Failed);
    }
}

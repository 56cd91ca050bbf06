//! [`Scope`]: the variables that tags and expressions see.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc, sync::OnceLock};

use argo_core::Timestamp;
use argo_lang::{
    expr,
    tags::{self, Found, Render, TagError, Template, Unknown},
};
use serde_json::Value;

use crate::api::Artifact;

/// Variables by their dotted names, looked up from the inside out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    outer: Vec<Rc<Scope>>,
    values: BTreeMap<String, Option<String>>,
    numbers: BTreeMap<String, i64>,
    artifacts: BTreeMap<String, Option<Artifact>>,
    now: Option<Timestamp>,
    renders: Option<Rc<Renders>>,
}

/// How tags are rendered at one point of time: keeping unknown ones, and strictly.
#[derive(Debug)]
struct Renders {
    keep: Render,
    strict: Render,
}

impl Scope {
    pub(crate) fn at(now: Timestamp) -> Self {
        let at = |how: How| Render { now: Some(now), ..how.render().clone() };
        let renders = Renders { keep: at(How::Keep), strict: at(How::Strict) };
        Self { now: Some(now), renders: Some(Rc::new(renders)), ..Self::default() }
    }

    /// How to render with this scope: `now()` is the pass's time.
    pub(crate) fn how(&self, how: How) -> &Render {
        match (&self.renders, how) {
            (Some(renders), How::Keep) => &renders.keep,
            (Some(renders), How::Strict) => &renders.strict,
            (None, how) => how.render(),
        }
    }

    /// Inside other scopes, the nearest first.
    pub(crate) fn inside(outer: Vec<Rc<Scope>>) -> Self {
        let now = outer.iter().find_map(|it| it.now);
        let renders = outer.iter().find_map(|it| it.renders.clone());
        Self { now, renders, outer, ..Self::default() }
    }

    /// Whether a value has a tag in it itself.
    pub(crate) fn has_tagged_values(&self) -> bool {
        self.values.values().flatten().any(|it| it.contains("{{"))
    }

    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), Some(value.into()));
    }

    /// A number, which expressions see as one.
    pub(crate) fn set_number(&mut self, name: impl Into<String>, value: i64) {
        let name = name.into();
        self.numbers.insert(name.clone(), value);
        self.set(name, value.to_string());
    }

    /// Known, but without value: an output of a skipped or omitted node.
    pub(crate) fn set_absent(&mut self, name: impl Into<String>) {
        self.values.insert(name.into(), None);
    }

    pub(crate) fn set_artifact(&mut self, name: impl Into<String>, artifact: Option<Artifact>) {
        self.artifacts.insert(name.into(), artifact);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Option<String>> {
        self.values.get(name).or_else(|| self.outer.iter().find_map(|it| it.get(name)))
    }

    /// `Some(None)`: known, but there is none.
    pub(crate) fn artifact(&self, name: &str) -> Option<&Option<Artifact>> {
        self.artifacts.get(name).or_else(|| self.outer.iter().find_map(|it| it.artifact(name)))
    }

    fn collect<'b>(&'b self, into: &mut BTreeMap<&'b str, &'b Option<String>>) {
        for outer in self.outer.iter().rev() {
            outer.collect(into);
        }
        into.extend(self.values.iter().map(|(name, value)| (name.as_str(), value)));
    }

    /// Evaluates an expression without braces.
    pub(crate) fn eval(&self, expression: &str) -> Result<Value, String> {
        let program = expr::Program::compile(expression, options()).map_err(|it| it.to_string())?;
        let env = tags::Scope::env(self);
        let result = match self.now {
            Some(now) => program.eval_at(&env, now),
            None => program.eval(&env),
        };
        result.map_err(|it| it.to_string())
    }

    /// Evaluates an expression that must give an artifact (`fromExpression`).
    pub(crate) fn eval_artifact(&self, expression: &str) -> Result<Artifact, String> {
        let mut flat = BTreeMap::new();
        self.collect(&mut flat);
        let mut known = BTreeMap::new();
        self.collect_artifacts(&mut known);
        let text = |it: &Option<String>| it.as_ref().map_or(Value::Null, |it| Value::String(it.clone()));
        let values = flat.into_iter().map(|(name, it)| (name, text(it)));
        let json = |it: &Option<Artifact>| serde_json::to_value(it).unwrap_or_default();
        // The paths of inputs lie below the artifacts themselves.
        let values = values.filter(|(name, _)| !known.keys().any(|it| name.starts_with(*it)));
        let all: BTreeMap<&str, Value> = values.chain(known.iter().map(|(name, it)| (*name, json(it)))).collect();
        let env = expr::env::expand(all);
        let program = expr::Program::compile(expression, options()).map_err(|it| it.to_string())?;
        let value = match self.now {
            Some(now) => program.eval_at(&env, now),
            None => program.eval(&env),
        };
        let value = value.map_err(|it| it.to_string())?;
        if !value.is_object() {
            return Err(format!("the expression '{expression}' gives no artifact"));
        }
        serde_json::from_value(value).map_err(|it| format!("the expression '{expression}' gives no artifact: {it}"))
    }

    fn collect_artifacts<'b>(&'b self, into: &mut BTreeMap<&'b str, &'b Option<Artifact>>) {
        for outer in self.outer.iter().rev() {
            outer.collect_artifacts(into);
        }
        into.extend(self.artifacts.iter().map(|(name, it)| (name.as_str(), it)));
    }

    /// Evaluates an expression that must give a boolean.
    pub(crate) fn eval_bool(&self, expression: &str) -> Result<bool, String> {
        match self.eval(expression)? {
            Value::Bool(it) => Ok(it),
            other => Err(format!("unable to cast expression result '{other}' to bool")),
        }
    }

    /// A text with its tags replaced.
    pub(crate) fn render(&self, text: &str, how: How) -> Result<String, TagError> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        Template::parse(text).render(self, self.how(how))
    }

    /// A value with the tags in its texts replaced.
    pub(crate) fn render_value(&self, value: &Value, how: How) -> Result<Value, TagError> {
        tags::Document::compile(value).render(self, self.how(how))
    }
}

impl tags::Scope for Scope {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        self.get(name).map(|it| match it {
            Some(text) => Found::Value(Cow::Borrowed(text)),
            None => Found::Absent,
        })
    }

    fn env(&self) -> Value {
        let mut flat = BTreeMap::new();
        self.collect(&mut flat);
        let value = |it: &Option<String>| it.as_ref().map_or(Value::Null, |it| Value::String(it.clone()));
        expr::env::expand(flat.into_iter().map(|(name, it)| match self.numbers.get(name) {
            Some(number) => (name, Value::from(*number)),
            None => (name, value(it)),
        }))
    }
}

/// What to do with tags that the scope does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// They stay, for a later pass.
    Keep,
    /// `steps.` and `tasks.` must be known.
    Strict,
}

impl How {
    pub(crate) fn render(self) -> &'static Render {
        static KEEP: OnceLock<Render> = OnceLock::new();
        static STRICT: OnceLock<Render> = OnceLock::new();
        match self {
            Self::Keep => KEEP.get_or_init(Render::default),
            Self::Strict => STRICT.get_or_init(|| Render::with_unknown(Unknown::references())),
        }
    }
}

fn options() -> &'static expr::Options {
    static OPTIONS: OnceLock<expr::Options> = OnceLock::new();
    OPTIONS.get_or_init(expr::argo::options)
}

/// Whether there is a tag anywhere below `value`.
pub(crate) fn has_tags(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(list) => list.iter().any(has_tags),
        Value::Object(map) => map.iter().any(|(key, it)| key.contains("{{") || has_tags(it)),
        _ => false,
    }
}

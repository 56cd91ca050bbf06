//! expr-lang, the expression language of Argo and Kargo, evaluated over JSON values.
//!
//! [`Program::compile`] once, [`Program::eval`] many times. An own engine rather than a crate: it keeps 64-bit integers,
//! borrows its environment, counts its steps and memory, and takes time as an argument.
//!
//! - [`mod@env`] turns the flat scope of a workflow (`steps.a.outputs.result`) into nested maps,
//! - [`template`] evaluates strings with `${{ … }}` inside (Kargo),
//! - [`argo::functions`] is the set that Argo adds to the language.

pub mod argo;
mod ast;
mod builtins;
mod check;
pub mod env;
mod eval;
mod lex;
mod operators;
mod parse;
mod patterns;
mod print;
pub mod template;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

use crate::position::{Located, Position};

/// A function callable from expressions: JSON values in, a JSON value or a message out.
pub type Function = Arc<dyn Fn(&[Value]) -> Result<Value, String> + Send + Sync>;

/// The functions an expression may call beside the builtins. Names may be dotted (`sprig.trim`).
#[derive(Clone, Default)]
pub struct Functions(BTreeMap<String, Function>);

impl Functions {
    /// No functions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function; a function of the same name, builtin or not, is replaced.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        function: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.insert(name, function);
        self
    }

    /// Adds a function; see [`Functions::with`].
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        function: impl Fn(&[Value]) -> Result<Value, String> + Send + Sync + 'static,
    ) {
        self.0.insert(name.into(), Arc::new(function));
    }

    /// Adds all functions of another set.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(name, function)| (name.clone(), Arc::clone(function))));
    }

    /// The function of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name)
    }

    /// Whether there are functions whose names start with this and a dot.
    fn has_prefix(&self, name: &str) -> bool {
        self.0
            .range(format!("{name}.")..)
            .next()
            .is_some_and(|it| it.0.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a name that is neither in the environment nor declared means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undefined {
    /// An error, as with `expr.Env(env)`. The default.
    #[default]
    Error,
    /// Nil, as with `expr.AllowUndefinedVariables()`.
    Nil,
}

/// Bounds of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest source in bytes. Default 64 KiB.
    pub source: usize,
    /// Deepest nesting of the source. Default 100.
    pub depth: usize,
    /// Most evaluated nodes. Default 5,000,000.
    pub steps: usize,
    /// Most bytes created. Default 10,000,000. Of elements of lists and maps at most 1,000,000 are created, as upstream.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { source: 64 << 10, depth: 100, steps: 5_000_000, memory: 10_000_000 }
    }
}

/// How a program is compiled and run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Functions beside the builtins.
    pub functions: Functions,
    /// The meaning of unknown names.
    pub undefined: Undefined,
    /// The bounds.
    pub limits: Limits,
}

impl Options {
    /// Options with these functions.
    #[must_use]
    pub fn with_functions(functions: Functions) -> Self {
        Self { functions, ..Self::default() }
    }

    /// Unknown names are nil.
    #[must_use]
    pub fn allow_undefined(mut self) -> Self {
        self.undefined = Undefined::Nil;
        self
    }
}

/// What kind of trouble an expression had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source is not an expression.
    Syntax,
    /// A name is not known.
    UnknownName,
    /// An operation does not fit its operands, or an index or member is not there.
    Operation,
    /// A function refused its arguments or failed.
    Function,
    /// A bound was exceeded.
    Limit,
    /// The result is not of the wanted type.
    ResultType,
}

/// An error with its place in the source, printed as upstream prints it:
/// `message (line:column)`, then the line and a mark under the place; the message alone where that line is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// What kind.
    pub kind: ErrorKind,
    /// The message.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 0; upstream prints it from 1.
    pub column: usize,
    /// The line of the source.
    pub snippet: String,
}

/// Longest part of the source in a message, in characters.
const MAX_SNIPPET: usize = 1_000;

impl std::error::Error for ExprError {}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.snippet.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{} ({}:{})", self.message, self.line, self.column + 1)?;
        write!(f, "\n | {}\n | {}^", self.snippet, ".".repeat(self.column))
    }
}

impl Located for ExprError {
    fn line(&self) -> Option<usize> {
        Some(self.line)
    }

    fn column(&self) -> Option<usize> {
        Some(self.column + 1)
    }

    fn position_in(&self, source: &str) -> Option<Position> {
        Some(Position::at(source, self.line, self.column + 1, 1))
    }

    /// Its own text has the picture.
    fn show(&self, _source: &str) -> String {
        self.to_string()
    }
}

impl ExprError {
    pub(crate) fn at(kind: ErrorKind, message: impl Into<String>, source: &str, offset: usize) -> Self {
        let offset = (0..=offset.min(source.len())).rev().find(|it| source.is_char_boundary(*it)).unwrap_or(0);
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |it| it + 1);
        let snippet = source[line_start..].split('\n').next().unwrap_or_default();
        Self {
            kind,
            message: message.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count(),
            snippet: snippet.chars().take(MAX_SNIPPET).map(|it| if it == '\t' { ' ' } else { it }).collect(),
        }
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Program {
    source: Arc<str>,
    root: Arc<ast::Node>,
    patterns: Arc<patterns::Patterns>,
    options: Options,
    needs: Arc<ast::Needs>,
    /// The types of the variables it was last found right for.
    checked: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Program {
    /// Compiles a source.
    ///
    /// # Errors
    /// The source is not an expression or exceeds a bound.
    pub fn compile(source: &str, options: &Options) -> Result<Self, ExprError> {
        Self::with_overrides(source, options, &[])
    }

    fn with_overrides(source: &str, options: &Options, overridden: &[String]) -> Result<Self, ExprError> {
        let root = parse::parse(source, options, overridden)?;
        let patterns = Arc::new(patterns::Patterns::of(&root));
        let mut needs = ast::Needs::default();
        ast::needs(&root, &mut needs);
        Ok(Self {
            source: source.into(),
            root: Arc::new(root),
            patterns,
            options: options.clone(),
            needs: Arc::new(needs),
            checked: Arc::default(),
        })
    }

    /// The source it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Evaluates over an environment, whose top-level keys are the variables. `now()` and `date` zones need
    /// [`Program::eval_at`].
    ///
    /// # Errors
    /// An operation, function or bound fails; see [`ErrorKind`].
    pub fn eval(&self, env: &Value) -> Result<Value, ExprError> {
        self.run(env, None)
    }

    /// [`Program::eval`] at a time, which is what `now()` gives.
    ///
    /// # Errors
    /// As [`Program::eval`].
    pub fn eval_at(&self, env: &Value, now: Timestamp) -> Result<Value, ExprError> {
        self.run(env, Some(now))
    }

    /// [`Program::eval`] where only a boolean will do.
    ///
    /// # Errors
    /// As [`Program::eval`], and [`ErrorKind::ResultType`] for any other result.
    pub fn eval_bool(&self, env: &Value) -> Result<bool, ExprError> {
        match self.eval(env)? {
            Value::Bool(it) => Ok(it),
            other => Err(ExprError::at(
                ErrorKind::ResultType,
                format!("expected bool, but got {}", value::type_name(&other)),
                &self.source,
                0,
            )),
        }
    }

    /// The dotted names the expression reads (`steps.a.outputs.result`, `item`), sorted, without its own variables.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        ast::collect_names(&self.root, &mut names);
        names.into_iter().collect()
    }

    fn run(&self, env: &Value, now: Option<Timestamp>) -> Result<Value, ExprError> {
        // a variable hides the builtin of its name
        let overridden: Vec<String> =
            self.needs.builtins.iter().filter(|it| env.get(it.as_str()).is_some()).cloned().collect();
        if !overridden.is_empty() {
            let program = Self::with_overrides(&self.source, &self.options, &overridden)?;
            program.check(env)?;
            return eval::run(&program, env, now);
        }
        if let Some(it) = eval::decide(self, env) {
            return Ok(Value::Bool(it));
        }
        self.check(env)?;
        eval::run(self, env, now)
    }

    /// Checks the types, unless it was found right for variables of the same types before.
    fn check(&self, env: &Value) -> Result<(), ExprError> {
        if self.needs.whole {
            return check::check(&self.root, &self.source, env, &self.options);
        }
        let types = self.needs.names.iter().map(|name| match env.get(name) {
            None => b'-',
            Some(Value::Null) => b'n',
            Some(Value::Bool(_)) => b'b',
            Some(Value::Number(it)) if it.as_i64().is_some() => b'i',
            Some(Value::Number(_)) => b'f',
            Some(Value::String(_)) => b's',
            Some(Value::Array(_)) => b'a',
            Some(Value::Object(_)) => b'o',
        });
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if !checked.as_ref().is_some_and(|it| it.iter().copied().eq(types.clone())) {
            check::check(&self.root, &self.source, env, &self.options)?;
            *checked = Some(types.collect());
        }
        Ok(())
    }
}

/// Compiles and evaluates in one step.
///
/// # Errors
/// As [`Program::compile`] and [`Program::eval`].
pub fn eval(source: &str, env: &Value, options: &Options) -> Result<Value, ExprError> {
    Program::compile(source, options)?.eval(env)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(source: &str) -> Value {
        let env = json!({"a": {"b": [1, 2, {"c": "x"}], "s-t": "dash"}, "n": 5, "name": "bob", "none": null});
        eval(source, &env, &Options::default()).unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    #[test]
    fn operators_bind_as_upstream() {
        for (source, wanted) in [
            ("1 + 2 * 3", json!(7)),
            ("-2 ** 2", json!(-4.0)),
            ("2 ** 3 ** 2", json!(512.0)),
            ("7 / 2", json!(3.5)),
            ("not true or true", json!(true)),
            ("1 < 2 < 3", json!(true)),
            ("3 > 2 > 2", json!(false)),
            ("n == 5.0", json!(true)),
            ("'a' in ['a', 'b']", json!(true)),
            ("'z' not in {'a': 1}", json!(true)),
            ("a.b[-1].c", json!("x")),
            ("a['s-t']", json!("dash")),
            ("a.zz?.x.y ?? 'd'", json!("d")),
            ("a.b[0:2]", json!([1, 2])),
            ("name[1:]", json!("ob")),
            ("n > 3 ? 'y' : 'n'", json!("y")),
            ("let x = 2; x * n", json!(10)),
            ("if n > 3 { 1 } else { 2 }", json!(1)),
            ("name matches '^b.b$'", json!(true)),
            ("filter(1..5, # % 2 == 0)", json!([2, 4])),
            ("map(a.b, type(#))", json!(["int", "int", "map"])),
            ("reduce(1..4, #acc + #, 0)", json!(10)),
            ("count([1,2,3], {# > 1})", json!(2)),
            ("[3,1,2] | sort() | map(# * 2)", json!([2, 4, 6])),
            ("filter([{'v': 1}, {'v': 2}], .v > 1)[0].v", json!(2)),
            ("sum([1, 2.5])", json!(3.5)),
            ("toJSON({'b': 1, 'a': [1]})", json!("{\n  \"a\": [\n    1\n  ],\n  \"b\": 1\n}")),
            (r#"fromJSON('{"x": [1]}').x[0]"#, json!(1.0)),
            ("string({'a': 1})", json!("map[a:1]")),
            ("date('2024-01-02').Year()", json!(2024)),
            ("duration('1h').Minutes()", json!(60.0)),
            ("(date('2024-01-02') - date('2024-01-01')).Hours()", json!(24.0)),
            ("groupBy(1..3, # % 2)", json!({"0": [2], "1": [1, 3]})),
            ("sortBy([{'k': 2}, {'k': 1}], .k)[0].k", json!(1)),
            ("findIndex([1,2], # == 2)", json!(1)),
            (r"`raw\n`", json!(r"raw\n")),
            ("0x10 + 0b1", json!(17)),
            ("len('é')", json!(1)),
            ("split('a,b,c', ',', 2)", json!(["a", "b,c"])),
        ] {
            assert_eq!(value(source), wanted, "{source}");
        }
    }

    #[test]
    fn errors_point_into_the_source() {
        let error = eval("1 +\n nope", &json!({}), &Options::default()).unwrap_err();
        assert_eq!(error.to_string(), "unknown name nope (2:2)\n |  nope\n | .^");
        assert_eq!(error.kind, ErrorKind::UnknownName);
        for (source, kind) in [
            ("1 +", ErrorKind::Syntax),
            ("'a' + 1", ErrorKind::Operation),
            ("len(1)", ErrorKind::Function),
            ("1..100000000", ErrorKind::Limit),
            ("(nil).a", ErrorKind::Operation),
            ("1 % 0", ErrorKind::Operation),
            ("[1][5]", ErrorKind::Operation),
        ] {
            assert_eq!(eval(source, &json!({}), &Options::default()).unwrap_err().kind, kind, "{source}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        for source in [
            "(".repeat(5000),
            "-".repeat(5000),
            "1".to_owned() + &"+1".repeat(5000),
            "a".to_owned() + &".b".repeat(5000),
            "[".repeat(5000),
            "(a ?: ".repeat(60) + "1" + &")".repeat(60),
        ] {
            let _ = Program::compile(&source, &Options::default());
        }
        assert_eq!(Program::compile(&"(".repeat(5000), &Options::default()).unwrap_err().kind, ErrorKind::Limit);
        let bomb = "map(1..1000, map(1..1000, map(1..1000, #)))";
        assert_eq!(eval(bomb, &json!({}), &Options::default()).unwrap_err().kind, ErrorKind::Limit);
    }

    #[test]
    fn custom_functions_may_be_dotted_and_replace_builtins() {
        let functions = Functions::new()
            .with("sprig.trim", |args| Ok(json!(args[0].as_str().unwrap_or_default().trim())))
            .with("len", |_| Ok(json!(42)));
        let options = Options::with_functions(functions);
        assert_eq!(eval("sprig.trim(' a ') + string(len(1))", &json!({}), &options).unwrap(), json!("a42"));
    }

    #[test]
    fn names_read_by_a_program_are_listed() {
        let program = Program::compile(
            "let x = steps['a-b'].outputs.result; x + item.k + map(list, #.y + x)[0]",
            &Options::default(),
        )
        .unwrap();
        assert_eq!(program.names(), ["item.k", "list", "steps.a-b.outputs.result"]);
    }

    /// Whatever the limits let through fits the stack of a thread, also without optimisation.
    #[test]
    fn the_deepest_sources_fit_a_thread() {
        let shapes: [(&str, &str, &str); 16] = [
            ("(", "1", ")"),
            ("-", "1", ""),
            ("not ", "true", ""),
            ("[", "1", "]"),
            ("{'a': ", "1", "}"),
            ("string(", "1", ")"),
            ("max(1, ", "1", ")"),
            ("map([1], ", "#", ")"),
            ("filter([1], {", "true", "})"),
            ("true ? ", "1", " : 2"),
            ("nil ?? (", "1", ")"),
            ("1 + (", "1", ")"),
            ("let x = ", "1", "; x"),
            ("if true {", "1", "} else { 2 }"),
            ("[1][", "0", "]"),
            ("'a' + string(1 in [", "1", "])"),
        ];
        for (open, inside, close) in shapes {
            for depth in [10, 24, 33, 49, 74, 99, 150] {
                let source = open.repeat(depth) + inside + &close.repeat(depth);
                let _ = eval(&source, &json!({}), &Options::default());
            }
        }
        for (first, again) in [
            ("1", " + 1"),
            ("a", ".b"),
            ("a", "?.b"),
            ("[1]", "[0]"),
            ("1", " | string()"),
            ("1", " < 2"),
            ("true", " && true"),
            ("1", "; 1"),
        ] {
            for count in [50, 99, 200, 290, 1000, 5000] {
                let source = first.to_owned() + &again.repeat(count);
                let _ = eval(&source, &json!({"a": null}), &Options::default());
            }
        }
    }
}

//! `{{tag}}` substitution of Argo Workflows: flat names from a scope, and `{{=expression}}`.
//!
//! [`Template`] is one string, [`Document`] a JSON document with templates in its strings and keys. Compile once, render
//! for every scope. Values are inserted into strings as they are; over a document this equals upstream's substitution of
//! JSON-escaped text in JSON text. Nested tags (`{{inputs.parameters.{{item}}}}`) resolve innermost first.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::expr::{self, ExprError, Functions, Options, Program};
use crate::gojson;

/// What a scope knows of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// Its value.
    Value(Cow<'a, str>),
    /// Known, but without value: an output of a skipped or omitted node without default.
    Absent,
}

/// Where tags get their values.
pub trait Scope {
    /// The value of a name, or `None` when the name is not known.
    fn find(&self, name: &str) -> Option<Found<'_>>;

    /// The environment of `{{=…}}` expressions: nested objects, see [`expr::env::expand`].
    fn env(&self) -> Value;
}

impl Scope for BTreeMap<String, String> {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        self.get(name).map(|it| Found::Value(Cow::Borrowed(it)))
    }

    fn env(&self) -> Value {
        expr::env::expand(self.iter().map(|(key, value)| (key.as_str(), Value::String(value.clone()))))
    }
}

/// A scope in which `None` is a known name without value.
impl Scope for BTreeMap<String, Option<String>> {
    fn find(&self, name: &str) -> Option<Found<'_>> {
        self.get(name).map(|it| match it {
            Some(it) => Found::Value(Cow::Borrowed(it)),
            None => Found::Absent,
        })
    }

    fn env(&self) -> Value {
        let value = |it: &Option<String>| it.as_ref().map_or(Value::Null, |it| Value::String(it.clone()));
        expr::env::expand(self.iter().map(|(key, it)| (key.as_str(), value(it))))
    }
}

/// What happens to a tag that the scope does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Unknown {
    /// It stays in the text, for a later pass.
    #[default]
    Keep,
    /// It is an error.
    Fail,
    /// It stays, unless its name starts with one of these and does not contain [`EXEMPT`].
    FailFor(Vec<String>),
}

/// Names with this part are never strict.
pub const EXEMPT: &str = ".outputs.artifacts.";

impl Unknown {
    /// The strictness of steps and tasks: `steps.` and `tasks.` must resolve.
    #[must_use]
    pub fn references() -> Self {
        Self::FailFor(vec!["steps.".to_owned(), "tasks.".to_owned()])
    }

    fn fails(&self, name: &str) -> bool {
        match self {
            Self::Keep => false,
            Self::Fail => true,
            Self::FailFor(prefixes) => {
                !name.contains(EXEMPT) && prefixes.iter().any(|it| name.starts_with(it.as_str()))
            }
        }
    }
}

/// Why a template did not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// A tag is not known, where it must be. The caller may wait for it.
    #[error("failed to resolve {{{{{tag}}}}}")]
    Unresolved {
        /// The tag.
        tag: String,
    },
    /// A tag is known and has no value; no later pass will change that.
    #[error("unable to substitute {{{{{tag}}}}}: output is an absent optional (skipped/omitted node with no default)")]
    Absent {
        /// The tag.
        tag: String,
    },
    /// An expression failed or gave nil.
    #[error("failed to evaluate expression: {message}")]
    Expression {
        /// The expression.
        expression: String,
        /// Why.
        message: String,
        /// Whether a later pass, with more in scope, may succeed: a name was unknown or the result was nil.
        unresolved: bool,
    },
    /// A tag was opened and never closed, or tags nest too deeply.
    #[error("invalid template: {0}")]
    Syntax(String),
    /// The output would be too large.
    #[error("template output is too long")]
    TooLong,
}

/// How to render.
#[derive(Debug, Clone)]
pub struct Render {
    /// What happens to unknown tags.
    pub unknown: Unknown,
    /// Functions of `{{=…}}`; the default is Argo's set.
    pub functions: Functions,
    /// What `now()` is in expressions; without it `now()` fails.
    pub now: Option<Timestamp>,
    /// Longest output in bytes, 32 MiB by default.
    pub max_output: usize,
}

impl Default for Render {
    fn default() -> Self {
        Self { unknown: Unknown::Keep, functions: expr::argo::functions(), now: None, max_output: 32 << 20 }
    }
}

impl Render {
    /// Unknown tags are errors.
    #[must_use]
    pub fn strict() -> Self {
        Self { unknown: Unknown::Fail, ..Self::default() }
    }

    /// Unknown tags are treated so.
    #[must_use]
    pub fn with_unknown(unknown: Unknown) -> Self {
        Self { unknown, ..Self::default() }
    }
}

/// Names whose values come late: an expression that reads one is left for a later pass while it is not in scope.
const LATE: [&str; 5] = ["item", "retries", "lastRetry", "workflow.status", "workflow.failures"];

/// Deepest nesting of tags in tags.
const MAX_NESTING: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Text(String),
    /// A tag: the segments of its inside (one text, unless tags are nested in it).
    Tag(Vec<Segment>),
    /// An expression, without its `=`.
    Expression(Vec<Segment>),
}

/// A compiled string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

impl Template {
    /// Splits a string into text and tags. An opened tag that is never closed is text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            // `{{{` opens at the first two braces, as fasttemplate does
            let Some((inside, len)) = tag(&rest[at..], 0) else {
                break;
            };
            push_text(&mut segments, &rest[..at]);
            segments.push(inside);
            rest = &rest[at + len..];
        }
        push_text(&mut segments, rest);
        Self { segments }
    }

    /// Whether there is no tag in it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.segments.iter().all(|it| matches!(it, Segment::Text(_)))
    }

    /// The names of its plain tags, in order of appearance; nested ones first.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        fn collect(segments: &[Segment], out: &mut Vec<String>) {
            for segment in segments {
                match segment {
                    Segment::Text(_) => {}
                    Segment::Tag(inside) | Segment::Expression(inside) => {
                        collect(inside, out);
                        if let (Segment::Tag(_), [Segment::Text(name)]) = (segment, inside.as_slice()) {
                            out.push(name.trim().to_owned());
                        }
                    }
                }
            }
        }
        let mut out = Vec::new();
        collect(&self.segments, &mut out);
        out
    }

    /// The expressions of its `{{=…}}` tags that have no tags nested in them.
    #[must_use]
    pub fn expressions(&self) -> Vec<&str> {
        self.segments
            .iter()
            .filter_map(|it| match it {
                Segment::Expression(inside) => match inside.as_slice() {
                    [Segment::Text(text)] => Some(text.trim()),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    /// Renders with a scope.
    ///
    /// # Errors
    /// A tag that must resolve does not, a value is absent, or an expression fails.
    pub fn render(&self, scope: &dyn Scope, how: &Render) -> Result<String, TagError> {
        let mut pass = Pass { scope, how, env: None };
        let mut out = String::new();
        pass.segments(&self.segments, &mut out)?;
        Ok(out)
    }
}

fn push_text(segments: &mut Vec<Segment>, text: &str) {
    if !text.is_empty() {
        segments.push(Segment::Text(text.to_owned()));
    }
}

/// Parses the tag that `text` starts with; gives it and its length.
fn tag(text: &str, depth: usize) -> Option<(Segment, usize)> {
    if depth > MAX_NESTING {
        return None;
    }
    let start = 2;
    let expression = text[start..].trim_start().starts_with('=');
    let mut inside = Vec::new();
    let mut at = start;
    let mut from = start;
    loop {
        let rest = &text[at..];
        let close = rest.find("}}")?;
        match rest.find("{{") {
            Some(open) if open < close => {
                push_text(&mut inside, &text[from..at + open]);
                match tag(&rest[open..], depth + 1) {
                    Some((nested, len)) => {
                        inside.push(nested);
                        at += open + len;
                        from = at;
                    }
                    None => return None,
                }
            }
            _ => {
                push_text(&mut inside, &text[from..at + close]);
                if expression && let Some(Segment::Text(first)) = inside.first_mut() {
                    *first = first.trim_start().strip_prefix('=').unwrap_or(first).to_owned();
                    return Some((Segment::Expression(inside), at + close + 2));
                }
                return Some((Segment::Tag(inside), at + close + 2));
            }
        }
    }
}

struct Pass<'a> {
    scope: &'a dyn Scope,
    how: &'a Render,
    env: Option<Value>,
}

impl Pass<'_> {
    fn segments(&mut self, segments: &[Segment], out: &mut String) -> Result<(), TagError> {
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

/// A JSON document whose strings are templates.
#[derive(Debug, Clone)]
pub struct Document {
    root: Node,
}

#[derive(Debug, Clone)]
enum Node {
    /// Nothing in it has a tag.
    Plain(Value),
    Text(Template),
    List(Vec<Node>),
    Map(Vec<(Template, Node)>),
}

impl Document {
    /// Compiles a document.
    #[must_use]
    pub fn compile(value: &Value) -> Self {
        Self { root: compile(value) }
    }

    /// Whether there is no tag in it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.root, Node::Plain(_))
    }

    /// The names of all plain tags in it, sorted, each once.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        fn collect(node: &Node, out: &mut Vec<String>) {
            match node {
                Node::Plain(_) => {}
                Node::Text(template) => out.extend(template.tags()),
                Node::List(items) => items.iter().for_each(|it| collect(it, out)),
                Node::Map(entries) => {
                    for (key, node) in entries {
                        out.extend(key.tags());
                        collect(node, out);
                    }
                }
            }
        }
        let mut out = Vec::new();
        collect(&self.root, &mut out);
        out.sort();
        out.dedup();
        out
    }

    /// Renders with a scope. Strings stay strings.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, scope: &dyn Scope, how: &Render) -> Result<Value, TagError> {
        let mut pass = Pass { scope, how, env: None };
        render(&self.root, &mut pass)
    }
}

fn compile(value: &Value) -> Node {
    match value {
        Value::String(text) if text.contains("{{") => {
            let template = Template::parse(text);
            if template.is_plain() { Node::Plain(value.clone()) } else { Node::Text(template) }
        }
        Value::Array(items) => {
            let nodes: Vec<Node> = items.iter().map(compile).collect();
            if nodes.iter().all(|it| matches!(it, Node::Plain(_))) {
                Node::Plain(value.clone())
            } else {
                Node::List(nodes)
            }
        }
        Value::Object(map) => {
            let nodes: Vec<(Template, Node)> =
                map.iter().map(|(key, it)| (Template::parse(key), compile(it))).collect();
            if nodes.iter().all(|(key, it)| key.is_plain() && matches!(it, Node::Plain(_))) {
                Node::Plain(value.clone())
            } else {
                Node::Map(nodes)
            }
        }
        _ => Node::Plain(value.clone()),
    }
}

fn render(node: &Node, pass: &mut Pass<'_>) -> Result<Value, TagError> {
    Ok(match node {
        Node::Plain(value) => value.clone(),
        Node::Text(template) => {
            let mut out = String::new();
            pass.segments(&template.segments, &mut out)?;
            Value::String(out)
        }
        Node::List(items) => Value::Array(items.iter().map(|it| render(it, pass)).collect::<Result<_, _>>()?),
        Node::Map(entries) => {
            let mut map = Map::new();
            for (key, node) in entries {
                let mut name = String::new();
                pass.segments(&key.segments, &mut name)?;
                map.insert(name, render(node, pass)?);
            }
            Value::Object(map)
        }
    })
}

/// Parses and renders one string.
///
/// # Errors
/// As [`Template::render`].
pub fn substitute(text: &str, scope: &dyn Scope, how: &Render) -> Result<String, TagError> {
    Template::parse(text).render(scope, how)
}

/// Compiles and renders one document.
///
/// # Errors
/// As [`Template::render`].
pub fn substitute_json(value: &Value, scope: &dyn Scope, how: &Render) -> Result<Value, TagError> {
    Document::compile(value).render(scope, how)
}

/// Substitutes inside JSON text, values JSON-escaped, and gives the text back: for texts that are JSON but must keep
/// their form.
///
/// # Errors
/// As [`Template::render`].
pub fn substitute_json_text(text: &str, scope: &dyn Scope, how: &Render) -> Result<String, TagError> {
    struct Escaped<'a>(&'a dyn Scope);
    impl Scope for Escaped<'_> {
        fn find(&self, name: &str) -> Option<Found<'_>> {
            let name = unescape(name);
            self.0.find(&name).map(|it| match it {
                Found::Value(value) => Found::Value(Cow::Owned(gojson::escape(&value))),
                Found::Absent => Found::Absent,
            })
        }

        fn env(&self) -> Value {
            self.0.env()
        }
    }
    // expressions are JSON-escaped in the text and so is what they give: render them on the unescaped side
    match serde_json::from_str::<Value>(text) {
        Ok(value) if Document::compile(&value).has_expressions() => {
            Ok(gojson::to_string_raw(&substitute_json(&value, scope, how)?))
        }
        _ => Template::parse(text).render(&Escaped(scope), how),
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    serde_json::from_str::<String>(&format!("\"{text}\"")).map_or(Cow::Borrowed(text), Cow::Owned)
}

impl Document {
    fn has_expressions(&self) -> bool {
        fn any(segments: &[Segment]) -> bool {
            segments.iter().any(|it| match it {
                Segment::Text(_) => false,
                Segment::Expression(_) => true,
                Segment::Tag(inside) => any(inside),
            })
        }
        fn walk(node: &Node) -> bool {
            match node {
                Node::Plain(_) => false,
                Node::Text(template) => any(&template.segments),
                Node::List(items) => items.iter().any(walk),
                Node::Map(entries) => entries.iter().any(|(key, node)| any(&key.segments) || walk(node)),
            }
        }
        walk(&self.root)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope() -> BTreeMap<String, String> {
        [
            ("inputs.parameters.msg", "he\"llo\n"),
            ("inputs.parameters.n", "3"),
            ("item", "n"),
            ("steps.a-b.outputs.result", "[1,2]"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    #[test]
    fn known_tags_are_replaced_and_unknown_ones_stay() {
        let out = substitute("{{ inputs.parameters.n }}-{{nope}}-{{=1 +", &scope(), &Render::default()).unwrap();
        assert_eq!(out, "3-{{nope}}-{{=1 +");
    }

    #[test]
    fn nested_tags_resolve_innermost_first() {
        assert_eq!(substitute("x{{inputs.parameters.{{item}}}}y", &scope(), &Render::default()).unwrap(), "x3y");
        assert_eq!(substitute("{{a.{{b}}}}", &scope(), &Render::default()).unwrap(), "{{a.{{b}}}}");
    }

    #[test]
    fn values_are_escaped_in_json_text_and_raw_in_documents() {
        let text = r#"{"a":"{{inputs.parameters.msg}}","b":1}"#;
        let out = substitute_json_text(text, &scope(), &Render::default()).unwrap();
        assert_eq!(out, r#"{"a":"he\"llo\n","b":1}"#);
        let document = Document::compile(&serde_json::from_str(text).unwrap());
        assert_eq!(document.render(&scope(), &Render::default()).unwrap(), json!({"a": "he\"llo\n", "b": 1}));
        assert_eq!(document.tags(), ["inputs.parameters.msg"]);
    }

    #[test]
    fn expressions_see_nested_maps_of_strings() {
        for (text, out) in [
            ("{{=asInt(inputs.parameters.n) + 1}}", "4"),
            ("{{= inputs.parameters.msg}}", "he\"llo\n"),
            ("{{=steps['a-b'].outputs.result}}", "[1,2]"),
            ("{{=toJson([1, 'a'])}}", "[1,\"a\"]"),
            ("{{=[1, 'a']}}", "[1,\"a\"]"),
            ("{{=unknown.name}}", "{{=unknown.name}}"),
            ("{{=lastRetry.exitCode}}", "{{=lastRetry.exitCode}}"),
        ] {
            assert_eq!(substitute(text, &scope(), &Render::default()).unwrap(), out, "{text}");
        }
        let error = substitute("{{=unknown.name}}", &scope(), &Render::strict()).unwrap_err();
        assert!(matches!(error, TagError::Expression { unresolved: true, .. }), "{error}");
    }

    #[test]
    fn strict_prefixes_and_absent_values_are_typed_errors() {
        let how = Render::with_unknown(Unknown::references());
        assert_eq!(
            substitute("{{tasks.x.outputs.result}}", &scope(), &how).unwrap_err(),
            TagError::Unresolved { tag: "tasks.x.outputs.result".to_owned() }
        );
        assert_eq!(
            substitute("{{tasks.x.outputs.artifacts.a}}{{pod.name}}", &scope(), &how).unwrap(),
            "{{tasks.x.outputs.artifacts.a}}{{pod.name}}"
        );
        let absent: BTreeMap<String, Option<String>> =
            [("steps.s.outputs.result".to_owned(), None)].into_iter().collect();
        let error = substitute("{{steps.s.outputs.result}}", &absent, &how).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to substitute {{steps.s.outputs.result}}: output is an absent optional (skipped/omitted node with no default)"
        );
        assert_eq!(substitute("{{=steps.s.outputs.result ?? 'd'}}", &absent, &how).unwrap(), "d");
    }
}

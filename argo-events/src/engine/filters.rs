//! Filters of a dependency: compiled once, asked for every event.

use argo_lang::govaluate::Expression;
use jiff::{civil, tz::TimeZone};
use regex::Regex;
use serde_json::Value;

use super::{
    json_path::{self, Found},
    script, text,
};
use crate::api::{DataFilter, Dependency, Event, EventContext, ExprFilter, TimeFilter};

/// Whether an event passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Pass,
    /// It does not.
    Reject,
    /// A filter could not be evaluated on it: it does not count, and the log says why.
    Error(String),
}

/// A filter that can not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter of dependency {dependency:?}: {message}")]
pub struct FilterError {
    /// The dependency.
    pub dependency: String,
    /// What is wrong.
    pub message: String,
}

/// `and` or `or`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Or,
}

/// The filters of one dependency.
#[derive(Debug, Clone)]
pub struct Filters {
    operator: Operator,
    exprs: Vec<Expr>,
    expr_operator: Operator,
    data: Vec<Data>,
    data_operator: Operator,
    context: Option<EventContext>,
    time: Option<Window>,
    script: Option<String>,
}

#[derive(Debug, Clone)]
struct Expr {
    program: Expression,
    fields: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
struct Data {
    filter: DataFilter,
    patterns: Vec<Regex>,
}

#[derive(Debug, Clone)]
struct Window {
    start: civil::Time,
    stop: civil::Time,
    zone: TimeZone,
}

/// What one kind of filter, or one filter, says.
type Answer = Result<bool, String>;

impl Filters {
    /// Compiles the filters of a dependency.
    ///
    /// # Errors
    /// Names the dependency and what is wrong with which filter.
    pub fn compile(dependency: &Dependency) -> Result<Self, FilterError> {
        let fail = |message: String| FilterError { dependency: dependency.name.clone(), message };
        let filters = dependency.filters.clone().unwrap_or_default();
        if !filters.script.is_empty() && !script::is_available() {
            return Err(fail("this program was built without Lua".to_owned()));
        }
        let exprs = filters.exprs.iter().map(Expr::compile).collect::<Result<_, _>>().map_err(fail)?;
        let data = filters.data.iter().map(Data::compile).collect::<Result<_, _>>().map_err(fail)?;
        let time = filters.time.as_ref().map(Window::compile).transpose().map_err(fail)?;
        Ok(Self {
            operator: operator(&dependency.filters_logical_operator).map_err(fail)?,
            exprs,
            expr_operator: operator(&filters.expr_logical_operator).map_err(fail)?,
            data,
            data_operator: operator(&filters.data_logical_operator).map_err(fail)?,
            context: filters.context,
            time,
            script: (!filters.script.is_empty()).then_some(filters.script),
        })
    }

    /// Whether `event` passes. An event without payload passes everything but context and time.
    #[must_use]
    pub fn judge(&self, event: &Event) -> Verdict {
        let json = if event.data.is_empty() { Ok("".into()) } else { event.payload_json() };
        let json = json.map_err(|it| it.to_string());
        let mut answers: Vec<Answer> = Vec::new();
        let mut any = false;
        let kinds: [(bool, &dyn Fn() -> Answer); 5] = [
            (!self.exprs.is_empty(), &|| self.exprs(json.as_deref().map_err(Clone::clone)?)),
            (!self.data.is_empty(), &|| self.data(json.as_deref().map_err(Clone::clone)?, event)),
            (self.context.is_some(), &|| Ok(self.context.as_ref().is_none_or(|it| context_matches(it, event)))),
            (self.time.is_some(), &|| Ok(self.time.as_ref().is_none_or(|it| it.contains(event)))),
            (self.script.is_some(), &|| self.script(event)),
        ];
        for (present, ask) in kinds {
            if present {
                any = true;
                let answer = ask();
                if let (Err(message), Operator::And) = (&answer, self.operator) {
                    return Verdict::Error(message.clone());
                }
                answers.push(answer);
            }
        }
        if !any {
            return Verdict::Pass;
        }
        let errors: Vec<&str> = answers.iter().filter_map(|it| it.as_ref().err().map(String::as_str)).collect();
        // As the code does it, not as the documentation says: with `or`, too, an error rejects.
        if !errors.is_empty() {
            return Verdict::Error(errors.join(" / "));
        }
        let passed = match self.operator {
            Operator::And => answers.iter().all(|it| *it == Ok(true)),
            Operator::Or => answers.contains(&Ok(true)),
        };
        if passed { Verdict::Pass } else { Verdict::Reject }
    }

    fn exprs(&self, json: &str) -> Answer {
        if json.is_empty() {
            return Ok(true);
        }
        combine(self.expr_operator, self.exprs.iter().map(|it| it.judge(json)), "expr")
    }

    fn data(&self, json: &str, event: &Event) -> Answer {
        if json.is_empty() {
            return Ok(true);
        }
        combine(self.data_operator, self.data.iter().map(|it| it.judge(json, event)), "data")
    }

    fn script(&self, event: &Event) -> Answer {
        let Some(script) = &self.script else { return Ok(true) };
        script::passes(script, &event.payload()).map_err(|it| format!("script filter error ({it})"))
    }
}

/// Filters without `fields` are skipped: `None`.
fn combine(operator: Operator, answers: impl Iterator<Item = Result<Option<bool>, String>>, what: &str) -> Answer {
    let mut errors = Vec::new();
    let mut passed = 0;
    let mut asked = 0;
    for answer in answers {
        match answer {
            Ok(None) => {}
            Ok(Some(pass)) => {
                asked += 1;
                passed += usize::from(pass);
                if operator == Operator::And && !pass {
                    return Ok(false);
                }
            }
            Err(error) => {
                if operator == Operator::And {
                    return Err(format!("{what} filter error ({error})"));
                }
                errors.push(error);
            }
        }
    }
    match operator {
        Operator::And => Ok(true),
        Operator::Or if passed > 0 => Ok(true),
        Operator::Or if !errors.is_empty() => Err(format!("{what} filter errors [{}]", errors.join(" / "))),
        Operator::Or => Ok(asked == 0),
    }
}

fn operator(text: &str) -> Result<Operator, String> {
    match text {
        "" | "and" => Ok(Operator::And),
        "or" => Ok(Operator::Or),
        other => Err(format!("logical operator {other:?} not supported")),
    }
}

fn context_matches(expected: &EventContext, event: &Event) -> bool {
    [
        (&expected.kind, &event.kind),
        (&expected.subject, &event.subject),
        (&expected.source, &event.source),
        (&expected.datacontenttype, &event.data_content_type),
    ]
    .into_iter()
    .all(|(expected, actual)| expected.is_empty() || expected == actual)
}

impl Expr {
    fn compile(filter: &ExprFilter) -> Result<Self, String> {
        let program = Expression::parse(&filter.expr).map_err(|it| format!("expr {:?}: {it}", filter.expr))?;
        let fields = filter.fields.iter().map(|it| (it.name.clone(), it.path.clone())).collect();
        Ok(Self { program, fields })
    }

    fn judge(&self, json: &str) -> Result<Option<bool>, String> {
        if self.fields.is_empty() {
            return Ok(None);
        }
        let mut variables = serde_json::Map::new();
        for (name, path) in &self.fields {
            let found = json_path::get(json, path).map_err(|it| it.to_string())?;
            let found = found.ok_or_else(|| format!("path '{path}' does not exist"))?;
            variables.insert(name.clone(), found.value());
        }
        let result = self.program.eval(&Value::Object(variables)).map_err(|it| it.to_string())?;
        Ok(Some(result == Value::Bool(true)))
    }
}

impl Data {
    fn compile(filter: &DataFilter) -> Result<Self, String> {
        let patterns = if filter.kind == "string" || !filter.template.is_empty() {
            filter.value.iter().map(|it| pattern(it)).collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        Ok(Self { filter: filter.clone(), patterns })
    }

    fn judge(&self, json: &str, event: &Event) -> Result<Option<bool>, String> {
        let filter = &self.filter;
        let found = json_path::get(json, &filter.path).map_err(|it| it.to_string())?;
        let mut found = found.ok_or_else(|| format!("path '{}' does not exist", filter.path))?;
        if !filter.template.is_empty() {
            let text = text::render_input(&filter.template, Value::String(found.text()), event)
                .map_err(|it| it.to_string())?;
            found = Found::String(text);
        }
        let comparator = filter.comparator.as_str();
        let pass = match filter.kind.as_str() {
            "bool" => {
                let mut any = false;
                for value in &filter.value {
                    let value = argo_lang::gofloat::parse_bool(value)
                        .ok_or_else(|| format!("value {value:?} is not a boolean"))?;
                    any |= value == found.boolean();
                }
                any
            }
            "number" => {
                let mut any = false;
                for value in &filter.value {
                    let value = argo_lang::gofloat::parse_float(value)
                        .ok_or_else(|| format!("value {value:?} is not a number"))?;
                    any |= compare(found.number(), comparator, value);
                }
                any
            }
            "string" => {
                let text = found.text();
                match comparator {
                    "" | "=" => self.patterns.iter().any(|it| it.is_match(&text)),
                    "!=" => self.patterns.iter().any(|it| !it.is_match(&text)),
                    _ => false,
                }
            }
            other => return Err(format!("unsupported JSON type {other:?}")),
        };
        Ok(Some(pass))
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|it| it.to_string())
}

fn compare(actual: f64, comparator: &str, expected: f64) -> bool {
    match comparator {
        "" | "=" => actual == expected,
        "!=" => actual != expected,
        ">" => actual > expected,
        ">=" => actual >= expected,
        "<" => actual < expected,
        "<=" => actual <= expected,
        _ => false,
    }
}

impl Window {
    fn compile(filter: &TimeFilter) -> Result<Self, String> {
        let time = |text: &str| {
            civil::Time::strptime("%H:%M:%S", text).map_err(|_| format!("time {text:?} is not of the form HH:MM:SS"))
        };
        let zone = text::zone(&filter.timezone)?;
        let window = Self { start: time(&filter.start)?, stop: time(&filter.stop)?, zone };
        if window.start == window.stop {
            return Err("start and stop of the time filter are the same".to_owned());
        }
        Ok(window)
    }

    fn contains(&self, event: &Event) -> bool {
        let Some(at) = event.time else { return false };
        let time = at.to_zoned(self.zone.clone()).time();
        if self.start < self.stop {
            self.start <= time && time < self.stop
        } else {
            time >= self.start || time < self.stop
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(dependency: Value, payload: Value) -> Verdict {
        let at = "2026-01-02T21:30:00Z".parse().unwrap();
        let event = Event::new("1", "gh", "push", "github", at, &payload);
        let dependency: Dependency = serde_json::from_value(dependency).unwrap();
        Filters::compile(&dependency).unwrap().judge(&event)
    }

    fn data(filter: Value, payload: Value) -> Verdict {
        judge(json!({"name": "d", "filters": {"data": [filter]}}), payload)
    }

    #[test]
    fn string_values_are_unanchored_patterns_and_any_of_them_will_do() {
        let filter = json!({"path": "body.ref", "type": "string", "value": ["^refs/heads/main$", "release"]});
        assert_eq!(data(filter.clone(), json!({"body": {"ref": "refs/heads/main"}})), Verdict::Pass);
        assert_eq!(data(filter.clone(), json!({"body": {"ref": "refs/heads/release-1"}})), Verdict::Pass);
        assert_eq!(data(filter.clone(), json!({"body": {"ref": "refs/heads/dev"}})), Verdict::Reject);
        assert!(matches!(data(filter, json!({"body": {}})), Verdict::Error(_)));
    }

    #[test]
    fn unequal_with_several_values_passes_if_any_does_not_match() {
        let filter = json!({"path": "x", "type": "string", "value": ["a", "b"], "comparator": "!="});
        assert_eq!(data(filter.clone(), json!({"x": "a"})), Verdict::Pass);
        assert_eq!(data(filter, json!({"x": "ab"})), Verdict::Reject);
        let greater = json!({"path": "x", "type": "string", "value": ["a"], "comparator": ">"});
        assert_eq!(data(greater, json!({"x": "b"})), Verdict::Reject);
    }

    #[test]
    fn numbers_compare_and_booleans_ignore_the_comparator() {
        let number = |comparator: &str, x: Value| {
            data(json!({"path": "x", "type": "number", "value": ["10"], "comparator": comparator}), json!({"x": x}))
        };
        assert_eq!(number(">", json!(11)), Verdict::Pass);
        assert_eq!(number("<=", json!("10")), Verdict::Pass);
        assert_eq!(number("!=", json!(10)), Verdict::Reject);
        let flag = json!({"path": "x", "type": "bool", "value": ["true"], "comparator": "!="});
        assert_eq!(data(flag, json!({"x": true})), Verdict::Pass);
    }

    #[test]
    fn or_passes_with_any_kind_but_an_error_rejects() {
        let base = json!({"name": "d", "filtersLogicalOperator": "or", "filters": {
            "context": {"type": "gitlab"},
            "data": [{"path": "x", "type": "number", "value": ["1"]}]}});
        assert_eq!(judge(base.clone(), json!({"x": 1})), Verdict::Pass);
        assert_eq!(judge(base.clone(), json!({"x": 2})), Verdict::Reject);
        let mut with_context = base;
        with_context["filters"]["context"]["type"] = json!("github");
        assert!(matches!(judge(with_context, json!({})), Verdict::Error(_)));
    }

    #[test]
    fn data_filters_join_by_their_operator() {
        let filters = |operator: &str| {
            json!({"name": "d", "filters": {"dataLogicalOperator": operator, "data": [
                {"path": "a", "type": "string", "value": ["1"]}, {"path": "b", "type": "string", "value": ["1"]}]}})
        };
        assert_eq!(judge(filters("or"), json!({"a": "1"})), Verdict::Pass);
        assert_eq!(judge(filters("or"), json!({"a": "0", "b": "0"})), Verdict::Reject);
        assert_eq!(judge(filters("and"), json!({"a": "1", "b": "0"})), Verdict::Reject);
        let Verdict::Error(text) = judge(filters("or"), json!({"a": "2"})) else { panic!("not an error") };
        assert_eq!(text, "data filter errors [path 'b' does not exist]");
    }

    #[test]
    fn expressions_see_their_fields() {
        let filter = |expr: &str| {
            json!({"name": "d", "filters": {"exprs": [{"expr": expr, "fields": [
                {"path": "body.action", "name": "action"}, {"path": "body.n", "name": "n"}]}]}})
        };
        let payload = json!({"body": {"action": "opened", "n": 3}});
        assert_eq!(judge(filter(r#"action == "opened" && n > 2"#), payload.clone()), Verdict::Pass);
        assert_eq!(judge(filter(r#"action =~ "^close""#), payload.clone()), Verdict::Reject);
        assert_eq!(judge(filter("n"), payload), Verdict::Reject);
    }

    #[test]
    fn windows_may_cross_midnight() {
        let window = |start: &str, stop: &str, zone: &str| {
            let time = json!({"start": start, "stop": stop, "timezone": zone});
            judge(json!({"name": "d", "filters": {"time": time}}), json!({}))
        };
        assert_eq!(window("21:30:00", "22:00:00", ""), Verdict::Pass);
        assert_eq!(window("21:00:00", "21:30:00", ""), Verdict::Reject);
        assert_eq!(window("22:00:00", "21:31:00", ""), Verdict::Pass);
        assert_eq!(window("22:00:00", "23:00:00", "Europe/Berlin"), Verdict::Pass);
    }

    #[cfg(feature = "lua")]
    #[test]
    fn scripts_are_asked_too() {
        let filter = json!({"name": "d", "filters": {"script": "return event.x > 1"}});
        assert_eq!(judge(filter.clone(), json!({"x": 2})), Verdict::Pass);
        assert_eq!(judge(filter.clone(), json!({"x": 1})), Verdict::Reject);
        assert!(matches!(judge(filter, json!({})), Verdict::Error(_)));
    }

    #[test]
    fn a_bad_filter_names_its_dependency() {
        let dependency = json!({"name": "dep", "filters": {"data": [{"path": "x", "type": "string", "value": ["("]}]}});
        let error = Filters::compile(&serde_json::from_value(dependency).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("filter of dependency \"dep\": "), "{error}");
    }
}

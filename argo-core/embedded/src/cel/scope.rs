//! What an expression can name, and its evaluation.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Value as Cel};
use parking_lot::Mutex;
use serde_json::Value;

use super::authorizer::{self, Answers, Check};
use super::{expression, functions, value};

/// Whether somebody may do something, and why.
pub(crate) type Authorize<'a> = &'a dyn Fn(&Check) -> (bool, String);

/// What expressions can name.
pub(crate) struct Scope<'a> {
    context: Context<'static>,
    variables: HashMap<Key, Cel>,
    /// Those that failed, and why.
    broken: HashMap<String, String>,
    answers: Arc<Mutex<Answers>>,
    authorize: Option<Authorize<'a>>,
}

// === impl Scope ===

impl<'a> Scope<'a> {
    pub(crate) fn new() -> Self {
        let mut context = Context::default().with_all();
        functions::declare(&mut context);
        Self { context, variables: HashMap::new(), broken: HashMap::new(), answers: Arc::default(), authorize: None }
    }

    /// Names a value.
    pub(crate) fn set(&mut self, name: &str, value: &Value) {
        self.context.add_variable_from_value(name.to_owned(), value::cel(value));
    }

    /// Declares `authorizer`: about the request's own resource, answered by a function.
    pub(crate) fn authorize(&mut self, request: Check, answer: Authorize<'a>) {
        authorizer::declare(&mut self.context, request, &self.answers);
        self.authorize = Some(answer);
    }

    /// Names the value of an expression, below `variables`.
    pub(crate) fn define(&mut self, name: &str, expression: &str) {
        match self.evaluate(expression) {
            Ok(value) => {
                self.variables.insert(Key::String(Arc::new(name.to_owned())), value);
            }
            // One that fails is missing where it is used, which is where the failure is told.
            Err(why) => {
                let start = format!("expression '{expression}' resulted in error: ");
                self.broken.insert(name.to_owned(), why.strip_prefix(&start).unwrap_or(&why).to_owned());
            }
        }
        let map = Cel::Map(Map { map: Arc::new(self.variables.clone()) });
        self.context.add_variable_from_value("variables".to_owned(), map);
    }

    /// Whether an expression holds.
    ///
    /// The error says what is wrong with the expression.
    pub(crate) fn holds(&self, expression: &str) -> Result<bool, String> {
        match self.evaluate(expression)? {
            Cel::Bool(holds) => Ok(holds),
            other => Err(format!("expression '{expression}' resulted in error: not a boolean but {}", other.type_of())),
        }
    }

    /// The text of an expression; nothing for null and other values.
    ///
    /// The error says what is wrong with the expression.
    pub(crate) fn text(&self, expression: &str) -> Result<Option<String>, String> {
        Ok(match self.evaluate(expression)? {
            Cel::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => None,
        })
    }

    /// The value of an expression.
    ///
    /// The error says what is wrong with the expression.
    pub(crate) fn json(&self, expression: &str) -> Result<Value, String> {
        value::json(&self.evaluate(expression)?)
    }

    fn evaluate(&self, text: &str) -> Result<Cel, String> {
        let failed = |why: &str| format!("expression '{text}' resulted in error: {why}");
        let parsed = expression::parse(text).map_err(|error| failed(&format!("compilation failed: {error}")))?;
        for _ in 0..authorizer::ROUNDS {
            let result = self.context.resolve(&parsed);
            let wanted = self.answers.lock().wanted.take();
            match (wanted, self.authorize) {
                (Some(check), Some(answer)) => {
                    let answer = answer(&check);
                    self.answers.lock().known.insert(check, answer);
                }
                _ => return result.map_err(|error| failed(&self.told(&error.to_string()))),
            }
        }
        Err(failed("too many authorization checks"))
    }

    /// A variable that is missing because it failed says why it did.
    fn told(&self, error: &str) -> String {
        let name = error.strip_prefix("No such key: ").and_then(|name| self.broken.get_key_value(name));
        match name {
            Some((name, why)) => format!("composited variable {name:?} fails to evaluate: {why}"),
            None => match error.strip_prefix("No such key: ") {
                Some(name) => format!("no such key: {name}"),
                None => error.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn optional_values_are_mapped() {
        let mut scope = Scope::new();
        scope.set("object", &json!({ "a": { "b": 2 } }));
        let value = |expression: &str| scope.json(expression);
        assert_eq!(value("optional.of(2).optMap(x, x + 1).orValue(0)"), Ok(json!(3)));
        assert_eq!(value("optional.none().optMap(x, x + 1).orValue(0)"), Ok(json!(0)));
        assert_eq!(value("optional.of(2).optFlatMap(x, optional.of(x * 2)).orValue(0)"), Ok(json!(4)));
        assert_eq!(value("optional.of(2).optFlatMap(x, optional.none()).orValue(7)"), Ok(json!(7)));
        assert_eq!(value("has(object.a.b)"), Ok(json!(true)));
        assert!(value("optional.of(1).optMap(1, 2)").is_err());
    }

    #[test]
    fn structs_are_values() {
        let mut scope = Scope::new();
        scope.set("object", &json!({ "spec": { "n": 2 } }));
        assert_eq!(
            scope.json("Object{spec: Object.spec{n: object.spec.n + 1, l: [1, 'a']}}"),
            Ok(json!({ "spec": { "n": 3, "l": [1, "a"] } }))
        );
        assert_eq!(
            scope.json("[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: true}]"),
            Ok(json!([{ "op": "add", "path": "/metadata/labels/a~1b", "value": true }]))
        );
    }

    #[test]
    fn checks_are_answered_where_they_are_needed() {
        let asked = Mutex::new(Vec::new());
        let answer = |check: &Check| {
            asked.lock().push(check.clone());
            (check.verb == "get" && check.who == super::super::Principal::Caller, "asked".to_owned())
        };
        let mut scope = Scope::new();
        scope.authorize(Check { namespace: "n".to_owned(), ..Check::of("apps", "deployments") }, &answer);
        let holds = |expression: &str| scope.holds(expression);
        assert_eq!(holds("authorizer.group('').resource('pods').namespace('a').check('get').allowed()"), Ok(true));
        assert_eq!(holds("authorizer.requestResource.check('delete').allowed()"), Ok(false));
        assert_eq!(holds("authorizer.path('/healthz').check('get').allowed()"), Ok(true));
        assert_eq!(
            holds("authorizer.serviceAccount('a', 'b').group('').resource('pods').check('get').allowed()"),
            Ok(false)
        );
        assert_eq!(holds("authorizer.path('/healthz').check('get').reason() == 'asked'"), Ok(true));
        assert!(holds("authorizer.group('').resource('').check('get').allowed()").is_err());
        let asked = asked.lock();
        assert_eq!((asked[0].resource.as_str(), asked[0].namespace.as_str()), ("pods", "a"));
        assert_eq!((asked[1].resource.as_str(), asked[1].namespace.as_str()), ("deployments", "n"));
        assert_eq!(asked[2].path, "/healthz");
    }

    #[test]
    fn a_variable_that_fails_says_so_where_it_is_used() {
        let mut scope = Scope::new();
        scope.set("object", &json!({}));
        scope.define("bad", "object.missing.field");
        scope.define("good", "1 + 1");
        assert_eq!(scope.holds("variables.good == 2"), Ok(true));
        let why = scope.holds("variables.bad == 2").expect_err("the variable failed");
        assert!(why.contains("composited variable \"bad\" fails to evaluate"), "{why}");
    }
}

//! What an HTTP step comes to, given the answer: pure, so that scripts and the network are judged alike.

use argo_lang::expr;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::step::StepResult;
use crate::api::{HttpTemplate, NodePhase, Template};

/// Longest body of an answer in bytes: more does not fit into a status.
pub const MAX_BODY: usize = 2 << 20;

/// What an endpoint answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Headers, in the order they came.
    pub headers: Vec<(String, String)>,
    /// Body; what is no UTF-8 was replaced.
    pub body: String,
}

impl HttpAnswer {
    /// An answer without headers.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }
}

impl HttpTemplate {
    /// The call that a template of type `http` makes.
    ///
    /// # Errors
    /// When the template is of another type or its `http` can not be read.
    pub fn of(template: &Template) -> Result<Self, String> {
        let http = template.http.as_ref().ok_or_else(|| "the template has no http".to_owned())?;
        serde_json::from_value(http.clone()).map_err(|it| format!("templates.{}.http: {it}", template.name()))
    }

    /// The method on the wire.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.method.as_deref().filter(|it| !it.is_empty()).unwrap_or("GET")
    }

    /// The body on the wire.
    ///
    /// # Errors
    /// When `bodyFrom.bytes` is no base64.
    pub fn payload(&self) -> Result<Vec<u8>, String> {
        match &self.body_from {
            Some(from) => STANDARD
                .decode(from.bytes.as_deref().unwrap_or_default())
                .map_err(|it| format!("http.bodyFrom.bytes is no base64: {it}")),
            None => Ok(self.body.clone().unwrap_or_default().into_bytes()),
        }
    }

    /// What the step comes to with this answer: its `successCondition` decides, or else the status.
    #[must_use]
    pub fn judge(&self, answer: &HttpAnswer) -> StepResult {
        let done = |phase, message: String| StepResult {
            phase,
            message,
            result: Some(answer.body.clone()),
            ..StepResult::default()
        };
        let Some(condition) = self.success_condition.as_deref().filter(|it| !it.is_empty()) else {
            return if (200..300).contains(&answer.status) {
                done(NodePhase::Succeeded, String::new())
            } else {
                done(NodePhase::Failed, format!("received non-2xx response code: {}", answer.status))
            };
        };
        match self.holds(condition, answer) {
            Ok(true) => done(NodePhase::Succeeded, String::new()),
            Ok(false) => done(NodePhase::Failed, format!("successCondition '{condition}' evaluated false")),
            Err(message) => StepResult { phase: NodePhase::Failed, message, ..StepResult::default() },
        }
    }

    fn holds(&self, condition: &str, answer: &HttpAnswer) -> Result<bool, String> {
        let bytes = self.body_from.as_ref().map(|_| self.payload()).transpose()?;
        let env = json!({
            "request": {
                "method": self.method.as_deref().unwrap_or_default(),
                "url": self.url,
                "body": self.body.as_deref().unwrap_or_default(),
                "bodyBytes": bytes,
                "headers": self.own_headers(),
            },
            "response": {"statusCode": answer.status, "body": answer.body, "headers": grouped(&answer.headers)},
        });
        let program =
            expr::Program::compile(condition, &expr::Options::default()).map_err(|error| error.to_string())?;
        let value =
            program.eval(&env).map_err(|error| format!("unable to evaluate expression '{condition}': {error}"))?;
        value.as_bool().ok_or_else(|| format!("unable to cast expression result '{value}' to bool"))
    }

    /// Headers whose values stand in the template: those of Secrets are nobody's business.
    fn own_headers(&self) -> Value {
        let own = self.headers.iter().filter(|it| it.value_from.is_none());
        own.map(|it| (it.name.clone(), json!([it.value.as_deref().unwrap_or_default()]))).collect::<Map<_, _>>().into()
    }
}

/// Headers as Go's library names them, with all their values.
fn grouped(headers: &[(String, String)]) -> Value {
    let mut all = Map::new();
    for (name, value) in headers {
        if let Value::Array(list) = all.entry(canonical(name)).or_insert_with(|| json!([])) {
            list.push(value.clone().into());
        }
    }
    all.into()
}

/// `content-type` as `Content-Type`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|it| {
            let own = if upper { it.to_ascii_uppercase() } else { it.to_ascii_lowercase() };
            upper = it == '-';
            own
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(value: Value) -> HttpTemplate {
        HttpTemplate::of(&Template { http: Some(value), ..Template::default() }).unwrap()
    }

    fn verdict(value: Value, answer: &HttpAnswer) -> (NodePhase, String) {
        let result = http(value).judge(answer);
        assert!(result.exit_code.is_none());
        (result.phase, result.message)
    }

    #[test]
    fn without_a_condition_the_status_decides() {
        let ok = http(json!({"url": "u"})).judge(&HttpAnswer::new(204, "x"));
        assert_eq!((ok.phase, ok.result.as_deref(), ok.message.as_str()), (NodePhase::Succeeded, Some("x"), ""));
        for status in [199, 300, 404, 500] {
            let (phase, message) = verdict(json!({"url": "u"}), &HttpAnswer::new(status, ""));
            assert_eq!((phase, message), (NodePhase::Failed, format!("received non-2xx response code: {status}")));
        }
    }

    #[test]
    fn a_condition_sees_request_and_response() {
        let mut answer = HttpAnswer::new(404, "not here");
        answer.headers = vec![("x-many".into(), "1".into()), ("x-many".into(), "2".into())];
        for condition in [
            "response.statusCode == 404 && response.body contains 'not'",
            "response.headers[\"X-Many\"][1] == '2'",
            "request.method == 'POST' && request.url == 'u' && request.body == 'b'",
            "request.headers['a'][0] == 'v' && !('secret' in request.headers)",
        ] {
            let template = json!({"url": "u", "method": "POST", "body": "b", "successCondition": condition,
                "headers": [{"name": "a", "value": "v"},
                    {"name": "secret", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}]});
            assert_eq!(verdict(template, &answer), (NodePhase::Succeeded, String::new()), "{condition}");
        }
        let bytes =
            json!({"url": "u", "bodyFrom": {"bytes": "aGk="}, "successCondition": "len(request.bodyBytes) == 2"});
        assert_eq!(verdict(bytes, &answer).0, NodePhase::Succeeded);
    }

    #[test]
    fn a_condition_that_is_false_or_can_not_be_evaluated_fails_the_step() {
        let answer = HttpAnswer::new(200, "x");
        let of = |it: &str| verdict(json!({"url": "u", "successCondition": it}), &answer);
        assert_eq!(of("response.statusCode == 201").1, "successCondition 'response.statusCode == 201' evaluated false");
        let (phase, message) = of("response.statusCode");
        assert_eq!((phase, message.as_str()), (NodePhase::Failed, "unable to cast expression result '200' to bool"));
        assert!(of("answer.body == ''").1.contains("answer"));
        // No outputs where nothing could be said of them.
        let broken = http(json!({"url": "u", "successCondition": "(("})).judge(&answer);
        assert_eq!((broken.phase, broken.result), (NodePhase::Failed, None));
    }

    #[test]
    fn the_body_is_that_of_bytes_first() {
        assert_eq!(http(json!({"url": "u", "body": "b", "bodyFrom": {"bytes": "aGk="}})).payload().unwrap(), b"hi");
        assert_eq!(http(json!({"url": "u", "body": "b"})).payload().unwrap(), b"b");
        assert!(http(json!({"url": "u", "bodyFrom": {"bytes": "!"}})).payload().is_err());
        assert_eq!(http(json!({"url": "u", "method": ""})).verb(), "GET");
    }
}

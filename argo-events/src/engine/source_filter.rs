//! `filter.expression` of an event source: expr-lang over the payload.

use serde_json::{Map, Value};

use crate::api::EventSourceFilter;

/// A compiled filter.
#[derive(Debug, Clone)]
pub struct SourceFilter(argo_lang::expr::Program);

impl SourceFilter {
    /// Compiles a filter; `None` when it has no expression.
    ///
    /// # Errors
    /// Says what is wrong with the expression, and where.
    pub fn compile(filter: Option<&EventSourceFilter>) -> Result<Option<Self>, String> {
        let Some(filter) = filter.filter(|it| !it.expression.trim().is_empty()) else {
            return Ok(None);
        };
        let options = argo_lang::expr::argo::options();
        let program = argo_lang::expr::Program::compile(&filter.expression, &options)
            .map_err(|it| format!("filter expression {:?}: {it}", filter.expression))?;
        Ok(Some(Self(program)))
    }

    /// Whether the payload passes.
    ///
    /// # Errors
    /// When the payload is no object or the expression can not be evaluated on it.
    pub fn judge(&self, payload: &Value) -> Result<bool, String> {
        let Value::Object(map) = payload else {
            return Err("the payload is not a JSON object".to_owned());
        };
        self.0.eval_bool(&environment(map)).map_err(|it| it.to_string())
    }
}

/// Top-level names with `_` for `-`; dotted names become nested objects.
fn environment(payload: &Map<String, Value>) -> Value {
    let mut env = Map::new();
    // In order of their length the less specific of two conflicting names comes first and is replaced.
    let mut keys: Vec<&String> = payload.keys().collect();
    keys.sort_by_key(|it| it.split('.').count());
    for key in keys {
        let name = key.replace('-', "_");
        let mut parts = name.split('.').peekable();
        let mut at = &mut env;
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                at.insert(part.to_owned(), payload[key].clone());
                break;
            }
            let slot = at.entry(part.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(inner) = slot else { break };
            at = inner;
        }
    }
    Value::Object(env)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(expression: &str, payload: Value) -> Result<bool, String> {
        let filter = EventSourceFilter { expression: expression.to_owned(), ..Default::default() };
        SourceFilter::compile(Some(&filter)).unwrap().unwrap().judge(&payload)
    }

    #[test]
    fn expressions_see_the_payload() {
        let payload = json!({"body": {"ref": "refs/heads/main", "n": 3}, "some-key": "x", "a.b": 1});
        assert_eq!(judge(r#"body.ref == "refs/heads/main" && body.n > 2"#, payload.clone()), Ok(true));
        assert_eq!(judge(r#"some_key == "y""#, payload.clone()), Ok(false));
        assert_eq!(judge("a.b == 1", payload.clone()), Ok(true));
        assert!(judge("body.n", payload).is_err());
        assert!(judge("true", json!([1])).is_err());
    }

    #[test]
    fn a_bad_expression_is_found_when_it_is_compiled() {
        let filter = EventSourceFilter { expression: "body.".to_owned(), ..Default::default() };
        assert!(SourceFilter::compile(Some(&filter)).unwrap_err().contains("body."));
        assert!(SourceFilter::compile(None).unwrap().is_none());
    }
}

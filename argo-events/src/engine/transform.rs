//! What a dependency makes of the payload of an event: a jq program or a Lua script.

use argo_lang::jq::{Jq, JqError};
use serde_json::Value;

use super::script::{self, ScriptError};
use crate::api::DependencyTransformer;

/// A transformation, ready to run. As upstream, a jq program goes before a script.
#[derive(Debug, Clone)]
pub(super) enum Transform {
    Jq(Jq),
    Script(String),
}

/// Why a transformation gave no payload.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum TransformError {
    /// The program is no jq or failed.
    #[error("transform.jq: {0}")]
    Jq(Box<JqError>),
    /// The program gave nothing.
    #[error("transform.jq: no output available from the jq command execution")]
    NoOutput,
    /// The program gave something else than an object.
    #[error("transform.jq: jq transform output must be a JSON object")]
    NoObject,
    /// The script is no Lua or failed.
    #[error("transform.{0}")]
    Script(#[from] ScriptError),
    /// Scripts need the feature `lua`.
    #[error("transform.script: this program was built without Lua")]
    NoLua,
}

impl Transform {
    /// The transformation of a dependency, if it has one.
    ///
    /// # Errors
    /// The program is no jq, or there is a script and no Lua.
    pub(super) fn compile(spec: &DependencyTransformer) -> Result<Option<Self>, TransformError> {
        if !spec.jq.is_empty() {
            let jq = Jq::compile(&spec.jq).map_err(|it| TransformError::Jq(Box::new(it)))?;
            return Ok(Some(Self::Jq(jq)));
        }
        if spec.script.is_empty() {
            return Ok(None);
        }
        if script::is_available() { Ok(Some(Self::Script(spec.script.clone()))) } else { Err(TransformError::NoLua) }
    }

    /// The new payload.
    ///
    /// # Errors
    /// See [`TransformError`].
    pub(super) fn apply(&self, payload: &Value) -> Result<Value, TransformError> {
        match self {
            Self::Script(script) => Ok(script::transform(script, payload)?),
            Self::Jq(jq) => match jq.first(payload) {
                Ok(Some(Value::Object(map))) => Ok(Value::Object(map)),
                Ok(Some(_)) => Err(TransformError::NoObject),
                Ok(None) => Err(TransformError::NoOutput),
                Err(error) => Err(TransformError::Jq(Box::new(error))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(jq: &str) -> Result<Value, String> {
        let spec = DependencyTransformer { jq: jq.to_owned(), ..DependencyTransformer::default() };
        let transform = Transform::compile(&spec).map_err(|it| it.to_string())?;
        let payload = json!({"id": "x", "body": {"n": 3}});
        transform.map_or_else(|| Ok(payload.clone()), |it| it.apply(&payload).map_err(|it| it.to_string()))
    }

    #[test]
    fn the_first_value_of_a_program_is_the_payload() {
        assert_eq!(run(".body.n += 1"), Ok(json!({"id": "x", "body": {"n": 4}})));
        assert_eq!(run(".body, 5"), Ok(json!({"n": 3})));
        assert_eq!(run(""), Ok(json!({"id": "x", "body": {"n": 3}})));
    }

    #[test]
    fn programs_that_fail_say_why() {
        for (program, message) in [
            (".body.n", "transform.jq: jq transform output must be a JSON object"),
            ("empty", "transform.jq: no output available from the jq command execution"),
            (".id.x", "transform.jq: expected an object but got: string (\"x\")"),
            (".[", "transform.jq: unexpected EOF (line 1, column 3)"),
        ] {
            assert_eq!(run(program), Err(message.to_owned()), "{program}");
        }
    }
}

//! CEL expressions of policies and match conditions.

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::Value;

/// What expressions can name.
pub(super) struct Scope {
    context: Context<'static>,
    variables: HashMap<Key, Cel>,
}

// === impl Scope ===

impl Scope {
    pub(super) fn new() -> Self {
        Self { context: Context::default().with_all(), variables: HashMap::new() }
    }

    /// Names a value.
    pub(super) fn set(&mut self, name: &str, value: &Value) {
        self.context.add_variable_from_value(name.to_owned(), cel(value));
    }

    /// Names the value of an expression, below `variables`.
    pub(super) fn define(&mut self, name: &str, expression: &str) {
        // One that fails is missing where it is used, which is where the failure is told.
        if let Ok(value) = self.evaluate(expression) {
            self.variables.insert(Key::String(Arc::new(name.to_owned())), value);
        }
        let map = Cel::Map(Map { map: Arc::new(self.variables.clone()) });
        self.context.add_variable_from_value("variables".to_owned(), map);
    }

    /// Whether an expression holds.
    ///
    /// The error says what is wrong with the expression.
    pub(super) fn holds(&self, expression: &str) -> Result<bool, String> {
        match self.evaluate(expression)? {
            Cel::Bool(holds) => Ok(holds),
            other => Err(format!("expression '{expression}' resulted in error: not a boolean but {}", other.type_of())),
        }
    }

    /// The text of an expression, if it is one.
    pub(super) fn text(&self, expression: &str) -> Option<String> {
        match self.evaluate(expression) {
            Ok(Cel::String(text)) if !text.trim().is_empty() => Some((*text).clone()),
            _ => None,
        }
    }

    fn evaluate(&self, expression: &str) -> Result<Cel, String> {
        let program = Program::compile(expression)
            .map_err(|error| format!("expression '{expression}' resulted in error: compilation failed: {error}"))?;
        program.execute(&self.context).map_err(|error| format!("expression '{expression}' resulted in error: {error}"))
    }
}

fn cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cel::Int(number),
            None => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(cel).collect())),
        Value::Object(fields) => {
            let map = fields.iter().map(|(key, value)| (Key::String(Arc::new(key.clone())), cel(value))).collect();
            Cel::Map(Map { map: Arc::new(map) })
        }
    }
}

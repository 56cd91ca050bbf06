//! Values that a Rollout gives to the arguments of its analysis.

use serde_json::Value;

use super::pass::Pass;
use crate::api::{Argument, RolloutAnalysisArgument};

impl Pass<'_> {
    /// The arguments with their values.
    ///
    /// # Errors
    /// Says which path of the Rollout has no value.
    pub(crate) fn arguments(&self, args: &[RolloutAnalysisArgument]) -> Result<Vec<Argument>, String> {
        args.iter()
            .map(|arg| {
                let value = self.argument(arg)?;
                Ok(Argument { name: arg.name.clone(), value: Some(value), ..Default::default() })
            })
            .collect()
    }

    fn argument(&self, arg: &RolloutAnalysisArgument) -> Result<String, String> {
        let Some(from) = &arg.value_from else {
            return Ok(arg.value.clone().unwrap_or_default());
        };
        match (from.pod_template_hash_value.as_deref(), &from.field_ref) {
            (Some("Latest"), _) => Ok(self.current_hash()),
            (Some("Stable"), _) => Ok(self.stable_set().map(|it| it.hash.clone()).unwrap_or_default()),
            (_, Some(field)) => field_value(self.world.rollout.value(), &field.field_path),
            _ => Ok(arg.value.clone().unwrap_or_default()),
        }
    }
}

/// A field by path: `metadata.labels['env']`, `metadata.annotations['a/b']`, or `a.b[0].c`.
pub(crate) fn field_value(object: &Value, path: &str) -> Result<String, String> {
    for map in ["labels", "annotations"] {
        let prefix = format!("metadata.{map}[");
        if let Some(key) = path.strip_prefix(&prefix).and_then(|it| it.strip_suffix(']')) {
            let key = key.trim_matches(['\'', '"']);
            let value = object["metadata"][map].get(key).and_then(Value::as_str);
            return Ok(value.unwrap_or_default().to_owned());
        }
    }
    let mut at = object;
    for section in path.split(['.', '[', ']']).filter(|it| !it.is_empty()) {
        at = match at {
            Value::Array(items) => {
                let index: usize = section.parse().map_err(|_| format!("invalid index '{section}'"))?;
                items.get(index).ok_or_else(|| format!("index {index} out of range"))?
            }
            Value::Object(map) => map.get(section).unwrap_or(&Value::Null),
            _ => return Err(format!("invalid path {path} in rollout")),
        };
    }
    match at {
        Value::Null => Err(format!("invalid path {path} in rollout")),
        Value::Array(_) | Value::Object(_) => {
            Err(format!("path {path} in rollout must terminate in a primitive value"))
        }
        Value::String(text) => Ok(text.clone()),
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_by_path() {
        let object = json!({"metadata": {"name": "n", "labels": {"a/b": "x"}}, "spec": {"l": [{"v": 3}], "o": {}}});
        assert_eq!(field_value(&object, "metadata.name").unwrap(), "n");
        assert_eq!(field_value(&object, "metadata.labels['a/b']").unwrap(), "x");
        assert_eq!(field_value(&object, "metadata.labels['none']").unwrap(), "");
        assert_eq!(field_value(&object, "spec.l[0].v").unwrap(), "3");
        assert_eq!(field_value(&object, "spec.l[4].v").unwrap_err(), "index 4 out of range");
        assert_eq!(field_value(&object, "spec.none").unwrap_err(), "invalid path spec.none in rollout");
        assert_eq!(
            field_value(&object, "spec.o").unwrap_err(),
            "path spec.o in rollout must terminate in a primitive value"
        );
    }
}

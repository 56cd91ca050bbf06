//! What goes from one node to the next: artifacts by reference, outputs of groups.

use serde_json::Value;

use super::vars::{How, Scope};
use crate::api::{Outputs, Template};

/// Puts the artifacts that `from` names in place.
pub(super) fn resolve_artifacts(json: &mut Value, scope: &Scope) -> Result<(), String> {
    let Some(list) = json.pointer_mut("/arguments/artifacts").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    let mut kept = Vec::new();
    for mut it in std::mem::take(list) {
        let optional = it.get("optional").and_then(Value::as_bool) == Some(true);
        let expression = it.get("fromExpression").and_then(Value::as_str).filter(|it| !it.is_empty());
        if let Some(expression) = expression.map(str::to_owned) {
            match scope.eval_artifact(&expression) {
                Ok(found) => {
                    let mut found = serde_json::to_value(found).map_err(|it| it.to_string())?;
                    if let (Some(map), Some(name)) = (found.as_object_mut(), it.get("name")) {
                        map.insert("name".into(), name.clone());
                    }
                    kept.push(found);
                }
                Err(_) if optional => {
                    if let Some(map) = it.as_object_mut() {
                        map.remove("fromExpression");
                        kept.push(it);
                    }
                }
                Err(error) => return Err(error),
            }
            continue;
        }
        let reference = it
            .get("from")
            .and_then(Value::as_str)
            .map(|from| from.trim().trim_start_matches("{{").trim_end_matches("}}").trim().to_owned());
        let Some(reference) = reference.filter(|it| !it.is_empty()) else {
            kept.push(it);
            continue;
        };
        match scope.artifact(&reference) {
            Some(Some(artifact)) => {
                let mut found = serde_json::to_value(artifact).map_err(|it| it.to_string())?;
                if let (Some(map), Some(name)) = (found.as_object_mut(), it.get("name")) {
                    map.insert("name".into(), name.clone());
                    if let Some(sub) = it.get("subPath").and_then(Value::as_str) {
                        append_key(map, sub);
                    }
                }
                kept.push(found);
            }
            _ if optional => {
                if let Some(map) = it.as_object_mut() {
                    map.remove("from");
                }
            }
            // The template itself may say that it can do without.
            Some(None) => {}
            None => {
                return Err(format!(
                    "failed to resolve references: unable to resolve references: Unable to resolve: \"{reference}\""
                ));
            }
        }
    }
    *list = kept;
    Ok(())
}

/// Points a location into a directory of it.
fn append_key(artifact: &mut serde_json::Map<String, Value>, sub: &str) {
    for location in crate::api::LOCATIONS {
        if let Some(key) = artifact.get_mut(*location).and_then(|it| it.get_mut("key"))
            && let Some(text) = key.as_str()
        {
            *key = format!("{}/{sub}", text.trim_end_matches('/')).into();
        }
    }
}

/// Outputs of a steps or dag template, from what its children gave.
pub(super) fn group_outputs(template: &Template, scope: &Scope) -> Result<Option<Outputs>, String> {
    let Some(declared) = template.outputs.as_ref().filter(|it| !it.is_empty()) else { return Ok(None) };
    let mut outputs = Outputs::default();
    for it in &declared.parameters {
        let mut it = it.clone();
        let Some(from) = it.value_from.take() else {
            return Err("output parameters must have a valueFrom specified".to_owned());
        };
        let value = match (&from.parameter, &from.expression) {
            (Some(tag), _) if !tag.is_empty() => match scope.render(tag, How::Strict) {
                Ok(text) if text.contains("{{") => Err(format!("failed to resolve {text}")),
                Ok(text) => Ok(text),
                Err(error) => Err(error.to_string()),
            },
            (_, Some(expression)) => match scope.eval(expression) {
                Ok(Value::String(text)) => Ok(text),
                Ok(Value::Null) => Err(format!("failed to evaluate expression '{expression}': it gives nothing")),
                Ok(other) => Ok(argo_lang::gojson::to_string(&other)),
                Err(error) => Err(error),
            },
            _ => Err("output parameters must have a valueFrom specified".to_owned()),
        };
        it.value = Some(match (value, from.default) {
            (Ok(value), _) => value.into(),
            (Err(_), Some(default)) => default,
            (Err(error), None) => return Err(error),
        });
        if let Some(name) = &it.global_name {
            it.global_name = Some(scope.render(name, How::Keep).map_err(|it| it.to_string())?);
        }
        outputs.parameters.push(it);
    }
    for it in &declared.artifacts {
        if let Some(expression) = it.from_expression.as_deref().filter(|it| !it.is_empty()) {
            match scope.eval_artifact(expression) {
                Ok(mut artifact) => {
                    artifact.name.clone_from(&it.name);
                    artifact.global_name.clone_from(&it.global_name);
                    outputs.artifacts.push(artifact);
                }
                Err(_) if it.optional == Some(true) => {}
                Err(error) => return Err(error),
            }
            continue;
        }
        let reference = it.from.as_deref().unwrap_or_default();
        let reference = reference.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
        match scope.artifact(reference) {
            Some(Some(found)) => {
                let mut artifact = found.clone();
                artifact.name.clone_from(&it.name);
                artifact.global_name.clone_from(&it.global_name);
                outputs.artifacts.push(artifact);
            }
            _ if it.optional == Some(true) => {}
            _ => return Err(format!("Unable to resolve: \"{reference}\"")),
        }
    }
    Ok(Some(outputs).filter(|it| !it.is_empty()))
}

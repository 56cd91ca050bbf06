//! Inputs of a template: declared, supplied, from ConfigMaps.

use std::rc::Rc;

use super::{
    pass::Pass,
    template::Call,
    vars::{How, Scope},
};
use crate::api::{AnyString, Arguments, Inputs, Template};

impl Pass<'_> {
    /// The template's inputs with their values.
    pub(super) fn inputs(&self, template: &Template, call: &Call<'_>) -> Result<Option<Inputs>, String> {
        let Some(declared) = &template.inputs else { return Ok(None) };
        let scope = Scope::inside(vec![self.globals.clone()]);
        let json = serde_json::to_value(declared).map_err(|it| it.to_string())?;
        let json = scope.render_value(&json, How::Keep).map_err(|it| it.to_string())?;
        let mut inputs: Inputs = serde_json::from_value(json).map_err(|it| it.to_string())?;
        let empty = Arguments::default();
        let arguments = call.arguments.unwrap_or(&empty);
        for it in &mut inputs.parameters {
            let supplied = arguments.parameters.iter().find(|argument| argument.name == it.name);
            if let Some(argument) = supplied {
                if argument.value.is_some() {
                    it.value.clone_from(&argument.value);
                } else if argument.value_from.is_some() {
                    it.value = None;
                    it.value_from.clone_from(&argument.value_from);
                }
            }
            let reference = it.value_from.as_ref().and_then(|it| it.config_map_key_ref.clone());
            if let Some(reference) = reference.filter(|_| supplied.is_none_or(|it| it.value.is_none())) {
                let fallback = it.value_from.as_ref().and_then(|it| it.default.clone());
                match (self.config_map_value(&reference.name, &reference.key), fallback) {
                    (Ok(value), _) => it.value = Some(AnyString(value)),
                    (Err(_), Some(fallback)) => it.value = Some(fallback),
                    (Err(message), None) => {
                        return Err(format!(
                            "unable to retrieve inputs.parameters.{} from ConfigMap: {message}",
                            it.name
                        ));
                    }
                }
            }
            if it.value.is_none() {
                it.value.clone_from(&it.default);
            }
            let Some(value) = &it.value else {
                if let Some((_, reason)) = call.absent.iter().find(|(name, _)| *name == it.name) {
                    return Err(reason.clone());
                }
                return Err(format!("inputs.parameters.{} was not supplied", it.name));
            };
            if let Some(allowed) = it.allowed.as_ref().filter(|allowed| !allowed.contains(value)) {
                let list: Vec<&str> = allowed.iter().map(AnyString::as_str).collect();
                return Err(format!(
                    "inputs.parameters.{} value should be present in the enum list [{}]",
                    it.name,
                    list.join(" ")
                ));
            }
        }
        resolve_among_themselves(&mut inputs, &self.globals);
        let mut artifacts = Vec::new();
        for it in inputs.artifacts {
            let supplied = arguments.artifacts.iter().find(|argument| argument.name == it.name);
            match supplied.filter(|it| it.has_location()).or_else(|| Some(&it).filter(|it| it.has_location())) {
                Some(found) => {
                    let mut artifact = found.clone();
                    artifact.name.clone_from(&it.name);
                    artifact.path.clone_from(&it.path);
                    artifact.from = None;
                    artifact.global_name = None;
                    if let Some(mode) = it.extra.get("mode") {
                        artifact.extra.insert("mode".into(), mode.clone());
                    }
                    artifacts.push(artifact);
                }
                None if it.optional == Some(true) => artifacts.push(it),
                None if supplied.is_some() => {
                    return Err(format!("inputs.artifacts.{} missing location information", it.name));
                }
                None => return Err(format!("inputs.artifacts.{} was not supplied", it.name)),
            }
        }
        inputs.artifacts = artifacts;
        Ok(Some(inputs))
    }

    fn config_map_value(&self, name: &str, key: &str) -> Result<String, String> {
        let data = self.world.references.parameters(name).ok_or_else(|| {
            format!(
                "ConfigMap '{name}' does not exist. Please make sure it has the label {}: Parameter to be detectable by the controller",
                crate::api::LABEL_CONFIGMAP_TYPE
            )
        })?;
        data.get(key).cloned().ok_or_else(|| format!("ConfigMap '{name}' does not have the key '{key}'"))
    }
}

/// Values may speak of the other inputs.
fn resolve_among_themselves(inputs: &mut Inputs, globals: &Rc<Scope>) {
    if !inputs.parameters.iter().any(|it| it.effective().is_some_and(|it| it.contains("{{"))) {
        return;
    }
    let mut scope = Scope::inside(vec![globals.clone()]);
    for it in &inputs.parameters {
        scope.set(format!("inputs.parameters.{}", it.name), it.effective().unwrap_or_default());
    }
    for it in &mut inputs.parameters {
        if let Some(value) = &it.value
            && let Ok(text) = scope.render(value.as_str(), How::Keep)
        {
            it.value = Some(AnyString(text));
        }
    }
}

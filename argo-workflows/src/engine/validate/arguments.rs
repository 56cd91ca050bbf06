//! Arguments, and what a template asks for.

use super::names::{Named, field_names};
use crate::api::{Arguments, Artifact, Parameter, Template, ValueFrom};

/// What a template is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Supplied<'a> {
    /// Whatever it asks for.
    Anything,
    /// Only these.
    These(Option<&'a Arguments>),
}

impl<'a> Supplied<'a> {
    pub(super) fn parameter(self, name: &str) -> Option<&'a Parameter> {
        match self {
            Self::These(Some(it)) => it.parameters.iter().find(|it| it.name == name),
            _ => None,
        }
    }

    fn artifact(self, name: &str) -> Option<&'a Artifact> {
        match self {
            Self::These(Some(it)) => it.artifacts.iter().find(|it| it.name == name),
            _ => None,
        }
    }

    fn is_anything(self) -> bool {
        matches!(self, Self::Anything)
    }
}

/// Arguments of a workflow, a step or a task; `values`: every parameter must have one.
pub(super) fn arguments(prefix: &str, arguments: Option<&Arguments>, values: bool) -> Result<(), String> {
    let Some(arguments) = arguments else { return Ok(()) };
    let names = arguments.parameters.iter().map(|it| it.name.as_str());
    field_names(names, Named::Value).map_err(|it| format!("{prefix}parameters{it}"))?;
    let names = arguments.artifacts.iter().map(|it| it.name.as_str());
    field_names(names, Named::Value).map_err(|it| format!("{prefix}artifacts{it}"))?;
    for it in &arguments.parameters {
        let here = format!("{prefix}{}", it.name);
        match &it.value_from {
            None if it.value.is_none() && values => {
                return Err(format!("{here}.value or {here}.valueFrom is required"));
            }
            None => {}
            Some(from) => value_from(&here, from)?,
        }
        let Some(allowed) = &it.allowed else { continue };
        if allowed.is_empty() {
            return Err(format!("{here}.enum should contain at least one value"));
        }
        match &it.value {
            None if values => return Err(format!("{here}.value is required")),
            None => return Ok(()),
            Some(value) if !allowed.contains(value) => {
                return Err(format!("{here}.value should be present in {here}.enum list"));
            }
            Some(_) => {}
        }
    }
    for it in &arguments.artifacts {
        let has = |it: &Option<String>| it.as_ref().is_some_and(|it| !it.is_empty());
        if !has(&it.from) && !has(&it.from_expression) && !it.has_location() {
            return Err(format!("{prefix}{}.from, artifact location, or key is required", it.name));
        }
        if has(&it.from) && has(&it.from_expression) {
            return Err(format!("{prefix}{} shouldn't have both `from` and `fromExpression` in Artifact", it.name));
        }
    }
    Ok(())
}

fn value_from(here: &str, from: &ValueFrom) -> Result<(), String> {
    let has = |it: &Option<String>| it.as_ref().is_some_and(|it| !it.is_empty());
    let foreign = has(&from.path) || has(&from.json_path) || has(&from.parameter) || has(&from.expression);
    let own = from.config_map_key_ref.is_some() || has(&from.event) || from.supplied.is_some();
    if own && !foreign {
        return Ok(());
    }
    Err(format!("{here}.valueFrom only allows: default, configMapKeyRef and supplied"))
}

/// Every input without a value of its own is supplied.
pub(super) fn inputs(template: &Template, supplied: Supplied<'_>) -> Result<(), String> {
    if supplied.is_anything() {
        return Ok(());
    }
    for it in template.input_parameters() {
        let given = supplied
            .parameter(&it.name)
            .is_some_and(|it| it.value.is_some() || it.value_from.is_some() || it.default.is_some());
        if !given && it.value.is_none() && it.default.is_none() && it.value_from.is_none() {
            return Err(format!("inputs.parameters.{} was not supplied", it.name));
        }
    }
    for it in template.inputs.iter().flat_map(|it| &it.artifacts) {
        let given = supplied.artifact(&it.name).is_some();
        if !given && !it.has_location() && it.optional != Some(true) {
            return Err(format!("inputs.artifacts.{} was not supplied", it.name));
        }
    }
    Ok(())
}

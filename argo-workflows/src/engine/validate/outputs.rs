//! Outputs of a template.

use super::{
    Check,
    names::{Named, field_names, value_name},
    scope::{Known, is_parameter},
    template::type_name,
};
use crate::api::{Outputs, Parameter, Template, TemplateType};

impl Check<'_> {
    pub(super) fn outputs(&self, template: &Template, kind: TemplateType, known: &Known) -> Result<(), String> {
        let name = template.name();
        let unset = Outputs::default();
        let outputs = template.outputs.as_ref().unwrap_or(&unset);
        field_names(outputs.parameters.iter().map(|it| it.name.as_str()), Named::Value)
            .map_err(|it| format!("templates.{name}.outputs.parameters {it}"))?;
        field_names(outputs.artifacts.iter().map(|it| it.name.as_str()), Named::Value)
            .map_err(|it| format!("templates.{name}.outputs.artifacts {it}"))?;
        let text = serde_json::to_string(outputs).unwrap_or_default();
        self.resolve(&text, known, |_| false).map_err(|it| format!("templates.{name}.outputs {it}"))?;
        let is_leaf = kind.is_leaf() && kind != TemplateType::Suspend;
        for it in &outputs.artifacts {
            let here = format!("templates.{name}.outputs.artifacts.{}", it.name);
            if is_leaf {
                path(it.path.as_deref(), &it.name).map_err(|it| format!("error in {here}: {it}"))?;
            } else if it.path.as_ref().is_some_and(|it| !it.is_empty()) {
                return Err(format!("{here}.path only valid in container/script templates"));
            }
            global_name(it.global_name.as_deref(), &here)?;
        }
        for it in &outputs.parameters {
            let here = format!("templates.{name}.outputs.parameters.{}", it.name);
            parameter(it, kind, &here)?;
            global_name(it.global_name.as_deref(), &here)?;
        }
        Ok(())
    }
}

fn global_name(name: Option<&str>, here: &str) -> Result<(), String> {
    match name.filter(|it| !it.is_empty() && !is_parameter(it)) {
        Some(name) => value_name(name).map_err(|it| format!("{here}.globalName: {it}")),
        None => Ok(()),
    }
}

fn parameter(it: &Parameter, kind: TemplateType, here: &str) -> Result<(), String> {
    let Some(from) = &it.value_from else {
        return match it.value {
            Some(_) => Ok(()),
            None => Err(format!("{here} does not have valueFrom or value specified")),
        };
    };
    if it.value.is_some() {
        return Err(format!("{here} has both valueFrom and value specified, choose one"));
    }
    let has = |it: &Option<String>| it.as_ref().is_some_and(|it| !it.is_empty());
    let sources = [
        has(&from.path),
        has(&from.jq_filter),
        has(&from.json_path),
        has(&from.parameter),
        has(&from.expression),
        from.supplied.is_some(),
    ];
    match sources.iter().filter(|it| **it).count() {
        0 => {
            return Err(
                "valueFrom type unspecified. choose one of: path, jqFilter, jsonPath, parameter, raw, expression"
                    .to_owned(),
            );
        }
        1 => {}
        _ => {
            return Err("multiple valueFrom types specified. choose one of: path, jqFilter, jsonPath, parameter, raw"
                .to_owned());
        }
    }
    let kind_name = type_name(kind);
    match kind {
        TemplateType::Container | TemplateType::ContainerSet | TemplateType::Script if !has(&from.path) => {
            Err(format!("{here}.path must be specified for {kind_name} templates"))
        }
        TemplateType::Resource if !has(&from.jq_filter) && !has(&from.json_path) => {
            Err(format!("{here} .jqFilter or jsonPath must be specified for {kind_name} templates"))
        }
        TemplateType::Dag | TemplateType::Steps if !has(&from.parameter) && !has(&from.expression) => {
            Err(format!("{here}.parameter or expression must be specified for {kind_name} templates"))
        }
        _ => Ok(()),
    }
}

/// A path of an artifact is there and does not lead out of where it begins.
pub(super) fn path(path: Option<&str>, name: &str) -> Result<(), String> {
    let path = path.unwrap_or_default();
    if path.is_empty() {
        return Err(format!("Artifact '{name}' did not specify a path"));
    }
    if path.split('/').any(|it| it == "..") {
        return Err(format!(
            "Artifact '{name}' attempted to use a path containing '..'. Directory traversal is not permitted"
        ));
    }
    Ok(())
}

//! Rules for names, parameters, limits and shapes.

use std::collections::BTreeSet;

use super::{
    super::{compile::DagPlan, leaf::duration, names::is_display_name},
    Values,
};
use crate::api::{ANNOTATION_DISPLAY_NAME, Arguments, DagTask, Parameter, Template, TemplateType};

pub(super) fn name_is_valid(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is required".to_owned());
    }
    let plain = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    if !plain || !name.starts_with(|it: char| it.is_ascii_alphanumeric()) {
        return Err(format!(
            "'{name}' is invalid: name must consist of alpha-numeric characters or '-', and must start with an alpha-numeric character (e.g. My-name1-2, 123-NAME)"
        ));
    }
    if name.len() > 128 {
        return Err(format!("'{name}' is invalid: name must be no more than 128 characters"));
    }
    Ok(())
}

pub(super) fn arguments(prefix: &str, arguments: Option<&Arguments>, values: Values) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for it in arguments.iter().flat_map(|it| &it.parameters) {
        if it.name.is_empty() {
            return Err(format!("{prefix}parameters name is required"));
        }
        if !names.insert(it.name.as_str()) {
            return Err(format!("{prefix}parameters name '{}' is not unique", it.name));
        }
        if values == Values::Now && it.value.is_none() && it.value_from.is_none() && it.default.is_none() {
            return Err(format!("{prefix}{}.value or {prefix}{}.valueFrom is required", it.name, it.name));
        }
        allowed(prefix, it)?;
    }
    Ok(())
}

fn allowed(prefix: &str, it: &Parameter) -> Result<(), String> {
    let Some(list) = &it.allowed else { return Ok(()) };
    if list.is_empty() {
        return Err(format!("{prefix}{}.enum should contain at least one value", it.name));
    }
    if let Some(value) = it.value.as_ref().filter(|it| !it.as_str().contains("{{"))
        && !list.contains(value)
    {
        return Err(format!("{prefix}{}.value should be present in {prefix}{}.enum list", it.name, it.name));
    }
    Ok(())
}

/// Every input without a value of its own must be supplied.
pub(super) fn inputs(template: &Template, supplied: Option<&Arguments>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for it in template.input_parameters() {
        if it.name.is_empty() {
            return Err("inputs.parameters name is required".to_owned());
        }
        if !names.insert(it.name.as_str()) {
            return Err(format!("inputs.parameters name '{}' is not unique", it.name));
        }
        allowed("inputs.parameters.", it)?;
        let given = supplied.iter().flat_map(|it| &it.parameters).any(|given| given.name == it.name);
        if !given && it.value.is_none() && it.default.is_none() && it.value_from.is_none() {
            return Err(format!("inputs.parameters.{} was not supplied", it.name));
        }
    }
    for it in template.inputs.iter().flat_map(|it| &it.artifacts) {
        let given = supplied.iter().flat_map(|it| &it.artifacts).any(|given| given.name == it.name);
        if !given && !it.has_location() && it.optional != Some(true) {
            return Err(format!("inputs.artifacts.{} was not supplied", it.name));
        }
    }
    Ok(())
}

pub(super) fn retry_policy(policy: &str) -> Result<(), String> {
    if matches!(policy, "" | "Always" | "OnFailure" | "OnError" | "OnTransientError") || policy.contains("{{") {
        return Ok(());
    }
    Err(format!("{policy} is not a valid RetryPolicy"))
}

pub(super) fn limits(template: &Template, kind: TemplateType, place: &str) -> Result<(), String> {
    if template.parallelism.is_some() && kind.is_leaf() {
        return Err(format!("{place}.parallelism is only valid for steps and dag templates"));
    }
    for (field, value) in [("timeout", &template.timeout), ("pendingTimeout", &template.pending_timeout)] {
        let Some(text) = value.as_deref().filter(|it| !it.is_empty()) else { continue };
        if !kind.is_leaf() {
            return Err(format!("{place} {} template doesn't support {field} field.", kind.field()));
        }
        if !text.contains("{{") {
            duration(field, text)
                .map_err(|_| format!("{} has invalid duration format in {field}.", template.name()))?;
        }
    }
    if let Some(policy) = template.retry_strategy.as_ref().and_then(|it| it.retry_policy.as_deref()) {
        retry_policy(policy).map_err(|it| format!("{place} {it}"))?;
    }
    if let Some(name) = template.annotations.as_ref().and_then(|it| it.get(ANNOTATION_DISPLAY_NAME))
        && !name.contains("{{")
        && !is_display_name(name)
    {
        return Err(format!("{place} displayName '{name}' is invalid"));
    }
    Ok(())
}

pub(super) fn outputs(template: &Template, kind: TemplateType, place: &str) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for it in template.outputs.iter().flat_map(|it| &it.parameters) {
        if !names.insert(it.name.as_str()) {
            return Err(format!("{place}.outputs.parameters name '{}' is not unique", it.name));
        }
        let here = format!("{place}.outputs.parameters.{}", it.name);
        let Some(from) = &it.value_from else {
            if it.value.is_some() || kind == TemplateType::Suspend {
                continue;
            }
            return Err(format!("{here}.valueFrom is not specified"));
        };
        match kind {
            TemplateType::Container | TemplateType::Script | TemplateType::ContainerSet
                if from.path.as_deref().unwrap_or_default().is_empty() =>
            {
                return Err(format!("{here}.path must be specified for {} templates", type_name(kind)));
            }
            TemplateType::Steps | TemplateType::Dag if from.parameter.is_none() && from.expression.is_none() => {
                return Err(format!(
                    "{here}.parameter or expression must be specified for {} templates",
                    type_name(kind)
                ));
            }
            TemplateType::Suspend if from.supplied.is_none() => {
                return Err(format!("{here}.supplied must be specified for Suspend templates"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// As upstream calls a type in messages.
fn type_name(kind: TemplateType) -> &'static str {
    match kind {
        TemplateType::Container => "Container",
        TemplateType::ContainerSet => "ContainerSet",
        TemplateType::Script => "Script",
        TemplateType::Resource => "Resource",
        TemplateType::Data => "Data",
        TemplateType::Suspend => "Suspend",
        TemplateType::Http => "HTTP",
        TemplateType::Plugin => "Plugin",
        TemplateType::Steps => "Steps",
        TemplateType::Dag => "DAG",
    }
}

pub(super) fn task_shape(task: &DagTask, place: &str) -> Result<(), String> {
    let depends = task.depends.as_deref().is_some_and(|it| !it.is_empty());
    let dependencies = task.dependencies.as_ref().is_some_and(|it| !it.is_empty());
    if depends && dependencies {
        return Err(format!("{place} templates cannot use both 'depends' and 'dependencies' in the same DAG template"));
    }
    if depends && task.step.continue_on.is_some() {
        return Err(format!(
            "{place} templates cannot use 'continueOn' when using 'depends'. Instead use 'dep-task.Failed'/'dep-task.Errored'"
        ));
    }
    if (depends || dependencies) && task.step.name.starts_with(|it: char| it.is_ascii_digit()) {
        return Err(format!("{place} name cannot begin with a digit when using either 'depends' or 'dependencies'"));
    }
    Ok(())
}

/// The first cycle among tasks, as `a->b->a`.
pub(super) fn cycle(plan: &DagPlan) -> Option<String> {
    let mut state = vec![0_u8; plan.tasks.len()];
    for start in 0..plan.tasks.len() {
        let mut path = vec![(start, 0)];
        while let Some((task, next)) = path.pop() {
            if next == 0 {
                if state[task] == 2 {
                    continue;
                }
                state[task] = 1;
            }
            match plan.dependencies[task].get(next).copied() {
                Some(dependency) => {
                    path.push((task, next + 1));
                    match state[dependency] {
                        0 => path.push((dependency, 0)),
                        1 => {
                            let name = |it: usize| plan.tasks[it].source.step.name.as_str();
                            let from = path.iter().position(|it| it.0 == dependency).unwrap_or(0);
                            let mut names: Vec<&str> = path[from..].iter().map(|it| name(it.0)).collect();
                            names.push(name(dependency));
                            return Some(names.join("->"));
                        }
                        _ => {}
                    }
                }
                None => state[task] = 2,
            }
        }
    }
    None
}

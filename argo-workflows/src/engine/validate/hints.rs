//! What is allowed and yet likely a mistake.

use serde_json::Value;

use crate::api::{Template, WorkflowSpec, WorkflowStep};

/// Hints for a spec: what upstream lets through in silence and surprises when it runs. Each names its place.
#[must_use]
pub fn hints(spec: &WorkflowSpec) -> Vec<String> {
    let mut found = Vec::new();
    for template in &spec.templates {
        let place = format!("templates.{}", template.name());
        for (i, group) in template.steps.iter().flatten().enumerate() {
            for step in group {
                step_hints(step, &format!("{place}.steps[{i}].{}", step.name), &mut found);
            }
        }
        for task in template.dag.iter().flat_map(|it| &it.tasks) {
            step_hints(&task.step, &format!("{place}.tasks.{}", task.step.name), &mut found);
        }
        template_hints(template, &place, &mut found);
    }
    found
}

fn template_hints(template: &Template, place: &str, found: &mut Vec<String>) {
    if let Some(strategy) = &template.retry_strategy
        && let Some(expression) = strategy.expression.as_deref().filter(|it| !it.is_empty())
    {
        expression_hints(expression, &format!("{place}.retryStrategy.expression"), found);
        let compared = ["lastRetry.exitCode >", "lastRetry.exitCode <", "lastRetry.duration >", "lastRetry.duration <"];
        if compared.iter().any(|it| expression.contains(it)) {
            found.push(format!(
                "{place}.retryStrategy.expression compares texts: wrap the variable as asInt(…), e.g. asInt(lastRetry.exitCode) > 1"
            ));
        }
    }
    let Ok(json) = serde_json::to_value(template) else { return };
    texts(&json, &mut |text| {
        for tag in super::scope::tags(text) {
            let name = tag.trim();
            // A name with a blank or an operator in it was meant as an expression.
            if name.contains(" == ") || name.contains(" + ") || name.contains('(') || name.contains(" ? ") {
                found.push(format!(
                    "{place} {{{{{tag}}}}} is taken for the name of a variable: write {{{{={tag}}}}} for an expression"
                ));
            }
        }
    });
}

fn step_hints(step: &WorkflowStep, place: &str, found: &mut Vec<String>) {
    if let Some(when) = step.when.as_deref().filter(|it| !it.is_empty()) {
        when_hints(when, &format!("{place}.when"), found);
    }
    for (name, hook) in step.hooks.iter().flatten() {
        if let Some(expression) = hook.expression.as_deref().filter(|it| !it.is_empty()) {
            expression_hints(expression, &format!("{place}.hooks.{name}.expression"), found);
        }
    }
}

fn when_hints(when: &str, place: &str, found: &mut Vec<String>) {
    if when.contains("{{=") {
        return;
    }
    // Every tag stands for some text: what is left must be readable.
    let mut plain = String::new();
    let mut rest = when;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}") else {
            found.push(format!("{place} has a tag without end: '{when}'"));
            return;
        };
        let quoted = rest[..start].ends_with(['\'', '"']);
        if !quoted && rest[start..start + end].contains("outputs.result") {
            found.push(format!(
                "{place} breaks when the result has blanks, dashes or quotes in it: write '{}}}}}' in quotes",
                &rest[start..start + end]
            ));
        }
        plain.push_str(&rest[..start]);
        plain.push('x');
        rest = &rest[start + end + 2..];
    }
    plain.push_str(rest);
    if let Err(error) = argo_lang::govaluate::when(&plain)
        && !error.to_string().starts_with("Expected boolean")
    {
        found.push(format!("{place} can not be read: {error}"));
    }
}

fn expression_hints(expression: &str, place: &str, found: &mut Vec<String>) {
    if expression.contains("{{") {
        found.push(format!("{place} is an expression already: variables stand in it without {{{{ }}}}"));
        return;
    }
    if let Err(error) = argo_lang::expr::Program::compile(expression, &argo_lang::expr::argo::options()) {
        found.push(format!("{place} can not be read: {error}"));
    }
}

fn texts(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(list) => list.iter().for_each(|it| texts(it, each)),
        Value::Object(map) => map.values().for_each(|it| texts(it, each)),
        _ => {}
    }
}

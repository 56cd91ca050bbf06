//! Which variables a text may speak of.

use std::collections::{BTreeMap, BTreeSet};

use super::Check;
use crate::api::{Template, TemplateType, WorkflowStep};

/// Stands for a value that is known only when the workflow runs.
pub(super) const PLACEHOLDER: &str = "placeholder-0";

/// First parts of variables; other tags are somebody else's business.
const ROOTS: &[&str] = &["item.", "steps.", "inputs.", "outputs.", "pod.", "workflow.", "tasks."];

/// Variables that are there whenever a text is used.
const ALWAYS: &[&str] = &[
    "outputs.",
    "workflow.creationTimestamp",
    "workflow.scheduledTime",
    "workflow.duration",
    "tasks.name",
    "steps.name",
    "node.name",
];

/// The variables of a template or a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) names: BTreeSet<String>,
    /// Items of a loop are known only when it runs.
    pub(super) any_item: bool,
}

impl Known {
    pub(super) fn add(&mut self, name: impl Into<String>) {
        self.names.insert(name.into());
    }

    /// `item` and its keys.
    pub(super) fn add_items(&mut self, step: &WorkflowStep) -> Result<(), String> {
        let items = step.with_items.as_ref().filter(|it| !it.is_empty());
        let param = step.with_param.as_ref().filter(|it| !it.is_empty());
        let count = [items.is_some(), param.is_some(), step.with_sequence.is_some()];
        if count.iter().filter(|it| **it).count() > 1 {
            return Err("only one of withItems, withParam, withSequence can be specified".to_owned());
        }
        for item in items.into_iter().flatten() {
            match item {
                serde_json::Value::Array(list) => (0..list.len()).for_each(|i| self.add(format!("item.[{i}]"))),
                serde_json::Value::Object(map) => map.keys().for_each(|key| self.add(format!("item.{key}"))),
                serde_json::Value::Null => return Err("unsupported withItems type: null".to_owned()),
                _ => self.add("item"),
            }
        }
        if param.is_some() {
            self.add("item");
            self.any_item = true;
        }
        if let Some(sequence) = &step.with_sequence {
            if sequence.count.is_some() && sequence.end.is_some() {
                return Err("only one of count or end can be defined in withSequence".to_owned());
            }
            self.add("item");
        }
        Ok(())
    }
}

/// The simple tags of a text: not those of expressions.
pub(super) fn tags(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find("{{")?;
            let inner = &rest[start + 2..];
            let end = inner.find("}}")?;
            let tag = &inner[..end];
            rest = &inner[end + 2..];
            if !tag.starts_with('=') {
                return Some(tag);
            }
        }
    })
}

/// Whether a text is, or has in it, the tag of a variable.
pub(super) fn is_parameter(text: &str) -> bool {
    tags(text).any(|tag| {
        let part =
            |it: &str| !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_');
        tag.split('.').all(part)
    })
}

/// A JSON text with the values of known tags in place.
pub(super) fn substitute(text: &str, values: &[&BTreeMap<String, String>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Of nested tags the innermost goes first: the one that began last before the end.
    while let Some(end) = rest.find("}}") {
        let (inside, after) = (&rest[..end], &rest[end + 2..]);
        rest = after;
        let Some(start) = inside.rfind("{{") else {
            out.push_str(inside);
            out.push_str("}}");
            continue;
        };
        let tag = &inside[start + 2..];
        out.push_str(&inside[..start]);
        match values.iter().find_map(|it| it.get(tag.trim())) {
            Some(value) => {
                let json = serde_json::to_string(value).unwrap_or_default();
                out.push_str(json.get(1..json.len().saturating_sub(1)).unwrap_or_default());
            }
            None => {
                out.push_str("{{");
                out.push_str(tag);
                out.push_str("}}");
            }
        }
    }
    out.push_str(rest);
    out
}

impl Check<'_> {
    /// Every tag of `text` can be resolved.
    pub(super) fn resolve(&self, text: &str, known: &Known, beside: impl Fn(&str) -> bool) -> Result<(), String> {
        for tag in tags(text) {
            let name = tag.trim();
            if !ROOTS.iter().any(|it| name.starts_with(it)) || self.globals.contains_key(name) {
                continue;
            }
            let resolved = known.names.contains(name)
                || beside(name)
                || known.any_item && name.starts_with("item.")
                || self.any_global[0] && name.starts_with("workflow.outputs.parameters.")
                || self.any_global[1] && name.starts_with("workflow.outputs.artifacts.")
                || self.options.is_template && name.starts_with("workflow.parameters")
                || ALWAYS.iter().any(|it| name.starts_with(it));
            if !resolved {
                return Err(format!("failed to resolve {{{{{tag}}}}}"));
            }
        }
        Ok(())
    }

    /// `<kind>.<name>.*` of a step or task; what it publishes is known everywhere from now on.
    pub(super) fn add_outputs(
        &mut self,
        template: Option<&Template>,
        prefix: &str,
        aggregate: bool,
        known: &mut Known,
    ) {
        for name in outputs_of(template, aggregate) {
            known.add(format!("{prefix}.{name}"));
        }
        let Some(outputs) = template.and_then(|it| it.outputs.as_ref()) else { return };
        let parameters = outputs.parameters.iter().filter_map(|it| it.global_name.as_ref());
        let artifacts = outputs.artifacts.iter().filter_map(|it| it.global_name.as_ref());
        for (which, kind, name) in
            parameters.map(|it| (0, "parameters", it)).chain(artifacts.map(|it| (1, "artifacts", it)))
        {
            if name.is_empty() {
                continue;
            }
            if is_parameter(name) {
                self.any_global[which] = true;
            } else {
                self.globals.insert(format!("workflow.outputs.{kind}.{name}"), PLACEHOLDER.to_owned());
            }
        }
    }
}

/// What can be said of a step of this template, after `steps.<name>.`.
pub(super) fn outputs_of(template: Option<&Template>, aggregate: bool) -> Vec<String> {
    let mut names: Vec<String> = ["id", "startedAt", "finishedAt", "hostNodeName"].map(str::to_owned).into();
    let Some(template) = template else { return names };
    if template.daemon == Some(true) {
        names.push("ip".to_owned());
    }
    let kind = template.types().first().copied();
    let set = template.container_set.as_ref().and_then(|it| it.get("containers")).and_then(|it| it.as_array());
    let has_main = set.is_some_and(|it| it.iter().any(|it| it.get("name").is_some_and(|it| it == "main")));
    let gives = matches!(
        kind,
        Some(
            TemplateType::Container
                | TemplateType::Script
                | TemplateType::Data
                | TemplateType::Http
                | TemplateType::Plugin
        )
    );
    let aggregated = aggregate && matches!(kind, Some(TemplateType::Script | TemplateType::ContainerSet));
    if gives || has_main || aggregated {
        names.extend(["outputs.result".to_owned(), "exitCode".to_owned()]);
    }
    if aggregate {
        names.push("outputs.parameters".to_owned());
    }
    if let Some(outputs) = &template.outputs {
        names.extend(outputs.parameters.iter().map(|it| format!("outputs.parameters.{}", it.name)));
        names.extend(outputs.artifacts.iter().map(|it| format!("outputs.artifacts.{}", it.name)));
    }
    names
}

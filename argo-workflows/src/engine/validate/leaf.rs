//! Templates that are the work of an executor.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    super::{names::is_display_name, pass::Origin},
    Check,
    names::{Named, field_names, is_reserved},
    scope::{Known, PLACEHOLDER},
    template::containers,
};
use crate::api::{ANNOTATION_DISPLAY_NAME, IntOrString, Template, TemplateType};

impl Check<'_> {
    pub(super) fn leaf(
        &mut self,
        origin: &Origin,
        template: &Arc<Template>,
        kind: TemplateType,
        known: &Known,
    ) -> Result<(), String> {
        let place = format!("templates.{}", template.name());
        let text = serde_json::to_string(&**template).unwrap_or_default();
        self.resolve(&text, known, |_| false).map_err(|it| format!("{place}: {it}"))?;
        match kind {
            TemplateType::Container => {
                mounts(template, &place)?;
                self.image(origin, template.container.as_ref(), "container", &place)?;
            }
            TemplateType::ContainerSet => container_set(template, &place)?,
            _ => {}
        }
        if let Some(name) = containers(template, "sidecars").filter_map(name_of).find(|it| is_reserved(it)) {
            return Err(format!("{place}.sidecars: {name:?} is a reserved Argo container name"));
        }
        if let Some(resource) = &template.resource {
            self::resource(template, resource, &place)?;
        }
        if kind == TemplateType::Script {
            self.image(origin, template.script.as_ref(), "script", &place)?;
        }
        if let Some(seconds) = &template.active_deadline_seconds
            && !may_be_seconds(seconds)
        {
            return Err(format!("{place}.activeDeadlineSeconds must be a positive integer > 0 or an argo variable"));
        }
        if template.parallelism.is_some() {
            return Err(format!("{place}.parallelism is only valid for steps and dag templates"));
        }
        if self.options.strict
            && let Some(name) = template.annotations.as_ref().and_then(|it| it.get(ANNOTATION_DISPLAY_NAME))
            && !name.contains("{{")
            && !name.contains(PLACEHOLDER)
            && !is_display_name(name)
        {
            return Err(format!("{place} displayName '{name}' is invalid"));
        }
        Ok(())
    }

    fn image(&self, origin: &Origin, container: Option<&Value>, field: &str, place: &str) -> Result<(), String> {
        let image = |it: &Value| it.get("image").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
        let defaults = self.specs.get(origin).and_then(|it| it.template_defaults.as_ref());
        if container.is_some_and(image) || defaults.and_then(|it| it.get(field)).is_some_and(image) {
            return Ok(());
        }
        Err(format!("{place}.{field}.image may not be empty"))
    }
}

fn name_of(container: &Value) -> Option<&str> {
    container.get("name").and_then(Value::as_str)
}

fn may_be_seconds(seconds: &IntOrString) -> bool {
    match seconds.as_i64() {
        Some(it) => it >= 0,
        None => {
            let text = seconds.to_string();
            text.contains("{{") || text.contains(PLACEHOLDER)
        }
    }
}

/// No two things are put in one place.
fn mounts(template: &Template, place: &str) -> Result<(), String> {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mounts = template.container.as_ref().and_then(|it| it.get("volumeMounts")).and_then(Value::as_array);
    for (i, mount) in mounts.into_iter().flatten().enumerate() {
        let path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
        if let Some(before) = taken.get(path) {
            return Err(format!("{place}.container.volumeMounts[{i}].mountPath '{path}' already mounted in {before}"));
        }
        taken.insert(path.to_owned(), format!("container.volumeMounts.{}", name_of(mount).unwrap_or_default()));
    }
    for (i, artifact) in template.inputs.iter().flat_map(|it| &it.artifacts).enumerate() {
        let path = artifact.path.as_deref().unwrap_or_default();
        if let Some(before) = taken.get(path) {
            return Err(format!("{place}.inputs.artifacts[{i}].path '{path}' already mounted in {before}"));
        }
        taken.insert(path.to_owned(), format!("inputs.artifacts.{}", artifact.name));
    }
    Ok(())
}

fn container_set(template: &Template, place: &str) -> Result<(), String> {
    let list = template.container_set.as_ref().and_then(|it| it.get("containers")).and_then(Value::as_array);
    let list = list.map(Vec::as_slice).unwrap_or_default();
    let place = format!("{place}.containerSet");
    if list.is_empty() {
        return Err(format!("{place}.containers must have at least one container"));
    }
    let names: Vec<&str> = list.iter().map(|it| name_of(it).unwrap_or_default()).collect();
    field_names(names.iter().copied(), Named::Field).map_err(|it| format!("{place}.containers{it}"))?;
    let dependencies: Vec<Vec<&str>> = list
        .iter()
        .map(|it| {
            let list = it.get("dependencies").and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).collect()
        })
        .collect();
    for (name, dependencies) in names.iter().zip(&dependencies) {
        if let Some(unknown) = dependencies.iter().find(|it| !names.contains(it)) {
            return Err(format!("{place}.containers.{name} dependency '{unknown}' not defined"));
        }
    }
    // Whoever waits for nobody can go; a graph without cycle goes to its end.
    let mut done: Vec<&str> = Vec::new();
    while done.len() < names.len() {
        let next = names
            .iter()
            .zip(&dependencies)
            .find(|(name, dependencies)| !done.contains(name) && dependencies.iter().all(|it| done.contains(it)));
        match next {
            Some((name, _)) => done.push(name),
            None => {
                let open = names.iter().find(|it| !done.contains(it)).copied().unwrap_or_default();
                return Err(format!("{place}.containers dependency cycle detected: {open}"));
            }
        }
    }
    let uses_values = template.inputs.as_ref().is_some_and(|it| !it.artifacts.is_empty())
        || template.outputs.as_ref().is_some_and(|it| !it.parameters.is_empty() || !it.artifacts.is_empty());
    if uses_values && !names.contains(&"main") {
        return Err(format!("{place}.containers must have a container named \"main\" for input or output"));
    }
    match names.iter().find(|it| is_reserved(it)) {
        Some(name) => Err(format!("{place}.containers: {name:?} is a reserved Argo container name")),
        None => Ok(()),
    }
}

fn resource(template: &Template, resource: &Value, place: &str) -> Result<(), String> {
    let text = |field: &str| resource.get(field).and_then(Value::as_str).unwrap_or_default();
    let action = text("action");
    let known = ["get", "create", "apply", "delete", "replace", "patch"];
    if !known.contains(&action) && !action.contains(PLACEHOLDER) {
        return Err(format!("{place}.resource.action must be one of: {}", known.join(", ")));
    }
    if matches!(action, "get" | "delete") {
        return Ok(());
    }
    let manifest = text("manifest");
    let from = resource.get("manifestFrom").filter(|it| !it.is_null());
    if manifest.is_empty() && from.is_none() {
        return Err(format!("either {place}.resource.manifest or {place}.resource.manifestFrom must be specified"));
    }
    if !manifest.is_empty() && from.is_some() {
        return Err("shouldn't have both `manifest` and `manifestFrom` specified in `Manifest` for resource template"
            .to_owned());
    }
    if let Some(name) = from.and_then(|it| it.pointer("/artifact/name")).and_then(Value::as_str) {
        let mut artifacts = template.inputs.iter().flat_map(|it| &it.artifacts);
        if !artifacts.any(|it| it.name == name) {
            return Err(format!("artifact {name} in `manifestFrom` refer to a non-exist artifact"));
        }
    }
    if !manifest.is_empty() && !manifest.contains(PLACEHOLDER) && argo_lang::yaml::decode_all(&plain(manifest)).is_err()
    {
        return Err(format!("{place}.resource.manifest must be a valid yaml"));
    }
    Ok(())
}

/// A manifest with a word in place of every tag: what stands there in the end is not known.
fn plain(manifest: &str) -> String {
    let mut out = String::new();
    let mut rest = manifest;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}") else { break };
        out.push_str(&rest[..start]);
        out.push_str(PLACEHOLDER);
        rest = &rest[start + end + 2..];
    }
    out.push_str(rest);
    out
}

/// Metrics that a template emits.
pub(super) fn metrics(template: &Template) -> Result<(), String> {
    let metrics = template.extra.get("metrics").and_then(|it| it.get("prometheus")).and_then(Value::as_array);
    let place = format!("templates.{}", template.name());
    for metric in metrics.into_iter().flatten() {
        let name = name_of(metric).unwrap_or_default();
        if !is_metric(name) {
            return Err(format!(
                "{place} metric name '{name}' is invalid. Metric names must contain alphanumeric characters or '_'"
            ));
        }
        for label in metric.get("labels").and_then(Value::as_array).into_iter().flatten() {
            let key = label.get("key").and_then(Value::as_str).unwrap_or_default();
            if !is_metric(key) {
                return Err(format!(
                    "metric label '{key}' is invalid: keys may only contain alphanumeric characters and '_'"
                ));
            }
        }
        if metric.get("help").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(format!("{place} metric '{name}' must contain a help string under 'help: ' field"));
        }
        for kind in ["gauge", "counter", "histogram"] {
            let Some(it) = metric.get(kind).filter(|it| !it.is_null()) else { continue };
            let value = it.get("value").and_then(Value::as_str).unwrap_or_default();
            if value.is_empty() {
                return Err(format!("{place} metric '{name}' error: missing {kind}.value"));
            }
            if it.get("realtime") == Some(&Value::Bool(true)) && value.contains("resourcesDuration.") {
                return Err(format!(
                    "{place} metric '{name}' error: 'resourcesDuration.*' metrics cannot be used in real-time"
                ));
            }
        }
    }
    Ok(())
}

fn is_metric(name: &str) -> bool {
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

//! One template: found, given its inputs, checked by its type.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    super::pass::{MAX_DEPTH, Origin},
    Check,
    arguments::{Supplied, inputs},
    names::{Named, field_names},
    scope::{Known, PLACEHOLDER, substitute, tags},
};
use crate::api::{Template, TemplateType, WorkflowStep};

impl Check<'_> {
    /// Checks the template that `step` names, given `supplied`. `None`: it is known only when it runs.
    pub(super) fn holder(
        &mut self,
        origin: &Origin,
        step: &WorkflowStep,
        supplied: Supplied<'_>,
    ) -> Result<Option<Arc<Template>>, String> {
        let Some((origin, template)) = self.find(origin, step)? else { return Ok(None) };
        let policy = template.retry_strategy.as_ref().and_then(|it| it.retry_policy.as_deref()).unwrap_or_default();
        retry_policy(policy)?;
        self.template(&origin, &template, step.inline.is_some(), supplied)?;
        Ok(Some(template))
    }

    fn find(&mut self, origin: &Origin, step: &WorkflowStep) -> Result<Option<(Origin, Arc<Template>)>, String> {
        let name = step.template.as_deref().unwrap_or_default();
        if let Some(reference) = &step.template_ref {
            if !name.is_empty() {
                return Err("template name cannot be specified with templateRef".to_owned());
            }
            let resource = reference.name.as_deref().unwrap_or_default();
            let template = reference.template.as_deref().unwrap_or_default();
            if resource.is_empty() {
                return Err("resource name is required".to_owned());
            }
            if template.is_empty() {
                return Err("template name is required".to_owned());
            }
            if tags(resource).chain(tags(template)).next().is_some() || template.contains(PLACEHOLDER) {
                return Ok(None);
            }
            let origin = match reference.cluster_scope {
                Some(true) => Origin::Cluster(resource.to_owned()),
                _ => Origin::Namespaced(resource.to_owned()),
            };
            let found = self.fetch(&origin, template)?;
            let found = found.ok_or_else(|| format!("template reference {resource}.{template} not found"))?;
            return Ok(Some((origin, found)));
        }
        if let Some(inline) = &step.inline {
            return Ok(Some((origin.clone(), Arc::new((**inline).clone()))));
        }
        if name.contains("{{") || name.contains(PLACEHOLDER) {
            return Ok(None);
        }
        let found = self.fetch(origin, name)?.ok_or_else(|| format!("template name '{name}' undefined"))?;
        Ok(Some((origin.clone(), found)))
    }

    fn fetch(&mut self, origin: &Origin, template: &str) -> Result<Option<Arc<Template>>, String> {
        let key = (origin.clone(), template.to_owned());
        if let Some(found) = self.templates.get(&key) {
            return Ok(Some(found.clone()));
        }
        let (resource, cluster) = match origin {
            Origin::Local => return Ok(None),
            Origin::Namespaced(resource) => (resource, false),
            Origin::Cluster(resource) => (resource, true),
        };
        if !self.specs.contains_key(origin) {
            let spec = self.references.workflow_template(resource, cluster);
            let spec = match spec {
                Some(spec) => spec,
                None if self.options.lint => return Err(no_template(resource, cluster, self.namespace)),
                None => return Err(format!("template reference {resource}.{template} not found")),
            };
            self.specs.insert(origin.clone(), spec);
        }
        let spec = &self.specs[origin];
        let Some(found) = spec.templates.iter().find(|it| it.name() == template) else { return Ok(None) };
        let found = Arc::new(found.clone());
        self.templates.insert(key, found.clone());
        Ok(Some(found))
    }

    fn template(
        &mut self,
        origin: &Origin,
        template: &Arc<Template>,
        is_inline: bool,
        supplied: Supplied<'_>,
    ) -> Result<(), String> {
        let name = template.name().to_owned();
        let kind = kind_of(template)?;
        if let Some(resources) = template.extra.get("podResources") {
            if matches!(kind, TemplateType::Http | TemplateType::Plugin) {
                let kind = type_name(kind);
                return Err(format!("templates.{name}.podResources is not supported for {kind} templates"));
            }
            pod_resources(&format!("templates.{name}.podResources"), Some(resources))?;
        }
        let mut known = self.declared(template, kind)?;
        if containers(template, "initContainers").any(|it| it.get("name").is_none_or(|it| it == "")) {
            return Err("initContainers must all have container name".to_owned());
        }
        inputs(template, supplied).map_err(|it| format!("templates.{name} {it}"))?;
        let key = (origin.clone(), name);
        let seen = self.seen.contains(&key) && !(is_inline && self.options.strict);
        if seen {
            return Ok(());
        }
        let rendered = self.rendered(template, kind, supplied);
        times(&rendered, kind)?;
        self.seen.insert(key);
        self.depth += 1;
        let inside = if self.depth > MAX_DEPTH {
            Ok(())
        } else {
            match kind {
                TemplateType::Steps => self.steps(origin, &rendered, &mut known),
                TemplateType::Dag => self.dag(origin, &rendered, &mut known),
                _ => self.leaf(origin, &rendered, kind, &known),
            }
        };
        self.depth -= 1;
        inside?;
        self.outputs(&rendered, kind, &known)?;
        super::leaf::metrics(&rendered)
    }

    /// The variables that the template's own declaration gives.
    fn declared(&self, template: &Template, kind: TemplateType) -> Result<Known, String> {
        let name = template.name();
        let is_leaf = kind.is_leaf() && kind != TemplateType::Suspend;
        let mut known = Known::default();
        let names = template.input_parameters().iter().map(|it| it.name.as_str());
        field_names(names, Named::Value).map_err(|it| format!("templates.{name}.inputs.parameters{it}"))?;
        let artifacts = template.inputs.as_ref().map_or(&[][..], |it| &it.artifacts);
        field_names(artifacts.iter().map(|it| it.name.as_str()), Named::Value)
            .map_err(|it| format!("templates.{name}.inputs.artifacts{it}"))?;
        for it in template.input_parameters() {
            known.add(format!("inputs.parameters.{}", it.name));
        }
        if !template.input_parameters().is_empty() {
            known.add("inputs.parameters");
        }
        for it in artifacts {
            let reference = format!("inputs.artifacts.{}", it.name);
            if is_leaf {
                super::outputs::path(it.path.as_deref(), &it.name)
                    .map_err(|it| format!("error in templates.{name}.{reference}: {it}"))?;
                known.add(format!("{reference}.path"));
            } else if it.path.as_ref().is_some_and(|it| !it.is_empty()) {
                return Err(format!("templates.{name}.{reference}.path only valid in container/script templates"));
            }
            if it.from.as_ref().is_some_and(|it| !it.is_empty()) {
                return Err(format!("templates.{name}.{reference}.from not valid in inputs"));
            }
            if let Some(git) = it.extra.get("git")
                && git.get("repo").is_none_or(|it| it == "")
            {
                return Err(format!("templates.{name}.{reference}.git.repo is required"));
            }
            known.add(reference);
        }
        if is_pod(kind) {
            known.add("pod.name");
        }
        if is_leaf && let Some(outputs) = &template.outputs {
            let parameters = outputs.parameters.iter();
            let with_path = parameters.filter(|it| it.value_from.as_ref().is_some_and(|it| it.path.is_some()));
            with_path.for_each(|it| known.add(format!("outputs.parameters.{}.path", it.name)));
            let artifacts = outputs.artifacts.iter().filter(|it| it.path.is_some());
            artifacts.for_each(|it| known.add(format!("outputs.artifacts.{}.path", it.name)));
        }
        Ok(known)
    }

    /// The template with the values of its inputs and of the workflow in place.
    fn rendered(&self, template: &Arc<Template>, kind: TemplateType, supplied: Supplied<'_>) -> Arc<Template> {
        let Ok(text) = serde_json::to_string(&**template) else { return template.clone() };
        if !text.contains("{{") {
            return template.clone();
        }
        let mut local: BTreeMap<String, String> = BTreeMap::new();
        for it in template.input_parameters() {
            let given = supplied.parameter(&it.name).and_then(|it| it.value.as_ref());
            let own = match supplied {
                Supplied::Anything => None,
                Supplied::These(_) => it.value.as_ref().or(it.default.as_ref()),
            };
            let value = given.or(own).map_or(PLACEHOLDER, |it| it.as_str());
            local.insert(format!("inputs.parameters.{}", it.name), value.to_owned());
        }
        if is_pod(kind) {
            local.insert("pod.name".to_owned(), PLACEHOLDER.to_owned());
        }
        if template.retry_strategy.is_some() {
            for name in ["retries", "lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message"]
            {
                local.insert(name.to_owned(), PLACEHOLDER.to_owned());
            }
        }
        let text = substitute(&text, &[&local, &self.globals]);
        serde_json::from_str(&text).map_or_else(|_| template.clone(), Arc::new)
    }
}

/// As `argo lint` tells that a WorkflowTemplate is not there.
pub(super) fn no_template(name: &str, cluster: bool, namespace: &str) -> String {
    if cluster {
        format!("couldn't find cluster workflow template \"{name}\"")
    } else {
        format!("couldn't find workflow template \"{name}\" in namespace \"{namespace}\"")
    }
}

fn kind_of(template: &Template) -> Result<TemplateType, String> {
    let name = template.name();
    let choose =
        "choose one of: container, containerSet, steps, script, resource, dag, suspend, template, template ref";
    match template.types().as_slice() {
        [kind] => Ok(*kind),
        [] => Err(format!("templates.{name} template type unspecified. {choose}")),
        _ => Err(format!("templates.{name} multiple template types specified. {choose}")),
    }
}

/// Whether its steps are pods.
pub(super) fn is_pod(kind: TemplateType) -> bool {
    use TemplateType::{Container, ContainerSet, Data, Resource, Script};
    matches!(kind, Container | ContainerSet | Script | Resource | Data)
}

fn retry_policy(policy: &str) -> Result<(), String> {
    if matches!(policy, "" | "Always" | "OnFailure" | "OnError" | "OnTransientError") || policy.contains("{{") {
        return Ok(());
    }
    Err(format!("{policy} is not a valid RetryPolicy"))
}

fn times(template: &Template, kind: TemplateType) -> Result<(), String> {
    let is_leaf = kind.is_leaf() && kind != TemplateType::Suspend;
    if let Some(timeout) = template.timeout.as_deref().filter(|it| !it.is_empty()) {
        if !is_leaf {
            return Err(format!("{} template doesn't support timeout field", type_name(kind)));
        }
        if timeout.parse::<i64>().is_ok() {
            return Err(format!("{} has invalid duration format in timeout", template.name()));
        }
    }
    if template.pending_timeout.as_deref().is_some_and(|it| !it.is_empty()) && !is_leaf {
        return Err(format!("{} template doesn't support pendingTimeout field", type_name(kind)));
    }
    Ok(())
}

/// Resources of a whole pod: what Kubernetes lets stand there.
pub(super) fn pod_resources(place: &str, resources: Option<&Value>) -> Result<(), String> {
    let Some(resources) = resources else { return Ok(()) };
    if resources.get("claims").and_then(Value::as_array).is_some_and(|it| !it.is_empty()) {
        return Err(format!("{place}.claims is not supported for pod-level resources"));
    }
    for list in ["limits", "requests"].iter().filter_map(|it| resources.get(*it)).filter_map(Value::as_object) {
        let known = |it: &&String| *it == "cpu" || *it == "memory" || it.starts_with("hugepages-");
        if let Some(name) = list.keys().find(|it| !known(it)) {
            return Err(format!(
                "{place}: {name:?} is not a valid pod-level resource, only cpu, memory and hugepages-* are supported"
            ));
        }
    }
    Ok(())
}

/// Containers in a list of a template's pod.
pub(super) fn containers<'t>(template: &'t Template, field: &str) -> impl Iterator<Item = &'t Value> {
    template.extra.get(field).and_then(Value::as_array).into_iter().flatten()
}

/// As upstream calls a type in messages.
pub(super) fn type_name(kind: TemplateType) -> &'static str {
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

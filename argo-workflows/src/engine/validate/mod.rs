//! What a spec must satisfy before it runs; the messages are upstream's.

mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::rules::{arguments, cycle, inputs, limits, name_is_valid, outputs, retry_policy, task_shape};
use super::{
    compile::{Compiled, CompiledTemplate, References},
    pass::Origin,
};
use crate::api::{Arguments, LifecycleHook, Template, TemplateType, WorkflowStep};

/// Whether the workflow's arguments must have their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// It is to run.
    Now,
    /// Whoever submits it gives them.
    Later,
}

/// Checks the spec and every template that can be reached from its entrypoint, exit handler and hooks.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(crate) fn workflow(compiled: &Compiled, references: &dyn References, values: Values) -> Result<(), String> {
    let spec = &compiled.spec;
    let mut names = BTreeSet::new();
    for (i, template) in spec.templates.iter().enumerate() {
        let name = template.name();
        name_is_valid(name).map_err(|it| format!("templates[{i}].name {it}"))?;
        if !names.insert(name) {
            return Err(format!("templates[{i}].name '{name}' is not unique"));
        }
    }
    arguments("spec.arguments.", spec.arguments.as_ref(), values)?;
    let Some(entrypoint) = spec.entrypoint.as_deref().filter(|it| !it.is_empty()) else {
        return Err("spec.entrypoint is required".to_owned());
    };
    if let Some(policy) = spec.retry_strategy.as_ref().and_then(|it| it.retry_policy.as_deref()) {
        retry_policy(policy)?;
    }
    let mut check = Check { compiled, references, seen: BTreeSet::new(), fetched: BTreeMap::new(), depth: 0 };
    check.template(&Origin::Local, &step_of(entrypoint), spec.arguments.as_ref(), "")?;
    if let Some(exit) = spec.on_exit.as_deref().filter(|it| !it.is_empty()) {
        check.template(&Origin::Local, &step_of(exit), spec.arguments.as_ref(), "")?;
    }
    for (name, hook) in spec.hooks.iter().flatten() {
        check.hook(&Origin::Local, name, hook, "spec.hooks", spec.arguments.as_ref())?;
    }
    Ok(())
}

fn step_of(template: &str) -> WorkflowStep {
    WorkflowStep { template: Some(template.to_owned()), ..WorkflowStep::default() }
}

struct Check<'c> {
    compiled: &'c Compiled,
    references: &'c dyn References,
    /// Templates that were looked into.
    seen: BTreeSet<(Origin, String)>,
    fetched: BTreeMap<(Origin, String), Arc<CompiledTemplate>>,
    depth: usize,
}

impl Check<'_> {
    fn find(&mut self, origin: &Origin, step: &WorkflowStep) -> Result<(Origin, Arc<CompiledTemplate>), String> {
        if let Some(inline) = &step.inline {
            let defaults = self.compiled.spec.template_defaults.as_ref();
            return Ok((origin.clone(), Arc::new(CompiledTemplate::new((**inline).clone(), defaults))));
        }
        let (origin, name) = match &step.template_ref {
            Some(reference) => {
                let resource = reference.name.clone().unwrap_or_default();
                if resource.is_empty() {
                    return Err("resource name is required".to_owned());
                }
                let cluster = reference.cluster_scope == Some(true);
                let origin = if cluster { Origin::Cluster(resource) } else { Origin::Namespaced(resource) };
                (origin, reference.template.clone().unwrap_or_default())
            }
            None => (origin.clone(), step.template.clone().unwrap_or_default()),
        };
        let (resource, cluster) = match &origin {
            Origin::Local => {
                let found = self.compiled.templates.get(&name).cloned();
                let found = found.ok_or_else(|| format!("template name '{name}' undefined"))?;
                return Ok((origin, found));
            }
            Origin::Namespaced(resource) => (resource.clone(), false),
            Origin::Cluster(resource) => (resource.clone(), true),
        };
        let key = (origin.clone(), name.clone());
        if let Some(found) = self.fetched.get(&key) {
            return Ok((origin, found.clone()));
        }
        let spec = self.references.workflow_template(&resource, cluster);
        let found = spec.as_ref().and_then(|it| it.templates.iter().find(|it| it.name() == name)).cloned();
        let found = found.ok_or_else(|| format!("template reference {resource}.{name} not found"))?;
        let found = Arc::new(CompiledTemplate::new(found, self.compiled.spec.template_defaults.as_ref()));
        self.fetched.insert(key, found.clone());
        Ok((origin, found))
    }

    /// Checks the template that `step` names, with what it gets.
    fn template(
        &mut self,
        origin: &Origin,
        step: &WorkflowStep,
        supplied: Option<&Arguments>,
        place: &str,
    ) -> Result<(), String> {
        if step.template.as_deref().is_some_and(|it| it.contains("{{")) {
            // Known only when it runs.
            return Ok(());
        }
        let place = if place.is_empty() { String::new() } else { format!("{place} ") };
        let (origin, found) = self.find(origin, step).map_err(|it| format!("{place}{it}"))?;
        let name = found.template.name().to_owned();
        inputs(&found.template, supplied).map_err(|it| {
            if name.is_empty() { format!("{place}{it}") } else { format!("{place}templates.{name} {it}") }
        })?;
        if step.inline.is_none() && !self.seen.insert((origin.clone(), name)) {
            return Ok(());
        }
        self.depth += 1;
        let result = if self.depth > super::pass::MAX_DEPTH { Ok(()) } else { self.inside(&origin, &found) };
        self.depth -= 1;
        result
    }

    fn inside(&mut self, origin: &Origin, compiled: &CompiledTemplate) -> Result<(), String> {
        let template = &compiled.template;
        let place = format!("templates.{}", template.name());
        let kind = match template.types().as_slice() {
            [kind] => *kind,
            [] => {
                return Err(format!(
                    "{place} template type unspecified. choose one of: container, containerSet, steps, script, resource, dag, suspend, template, template ref"
                ));
            }
            _ => {
                return Err(format!(
                    "{place} multiple template types specified. choose one of: container, containerSet, steps, script, resource, dag, suspend, template, template ref"
                ));
            }
        };
        limits(template, kind, &place)?;
        outputs(template, kind, &place)?;
        match kind {
            TemplateType::Steps => self.steps(origin, template, &place),
            TemplateType::Dag => self.dag(origin, compiled, &place),
            TemplateType::Container | TemplateType::Script => {
                let container = template.container.as_ref().or(template.script.as_ref());
                let image = container.and_then(|it| it.get("image")).and_then(|it| it.as_str()).unwrap_or_default();
                if image.is_empty() {
                    return Err(format!("{place}.{}.image may not be empty", kind.field()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn steps(&mut self, origin: &Origin, template: &Template, place: &str) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for (i, group) in template.steps.iter().flatten().enumerate() {
            for step in group {
                let here = format!("{place}.steps[{i}]");
                if step.name.is_empty() {
                    return Err(format!("{here}.name is required"));
                }
                name_is_valid(&step.name).map_err(|it| format!("{here}.name {it}"))?;
                if !names.insert(step.name.as_str()) {
                    return Err(format!("{here}.name '{}' is not unique", step.name));
                }
                let here = format!("{here}.{}", step.name);
                if let Some(field) = step.extra.keys().next() {
                    return Err(format!("{here} json: unknown field \"{field}\""));
                }
                self.child(origin, step, &here)?;
            }
        }
        Ok(())
    }

    fn dag(&mut self, origin: &Origin, compiled: &CompiledTemplate, place: &str) -> Result<(), String> {
        let Some(dag) = &compiled.template.dag else { return Ok(()) };
        let mut names = BTreeSet::new();
        for (i, task) in dag.tasks.iter().enumerate() {
            let here = format!("{place}.tasks[{i}]");
            let name = &task.step.name;
            if name.is_empty() {
                return Err(format!("{here}.name is required"));
            }
            name_is_valid(name).map_err(|it| format!("{here}.name {it}"))?;
            if !names.insert(name.as_str()) {
                return Err(format!("{here}.name '{name}' is not unique"));
            }
            task_shape(task, &format!("{place}.tasks.{name}"))?;
        }
        let plan = match &compiled.dag {
            Some(Ok(plan)) => plan,
            Some(Err(error)) => return Err(format!("{place} {error}")),
            None => return Ok(()),
        };
        if let Some(cycle) = cycle(plan) {
            return Err(format!("{place}.tasks dependency cycle detected: {cycle}"));
        }
        if let Some(target) = dag.target.as_deref().filter(|it| !it.contains("{{")) {
            plan.targets(Some(target)).map_err(|_| format!("{place}.targets target '{target}' is not defined"))?;
        }
        for (i, task) in plan.tasks.iter().enumerate() {
            let here = format!("{place}.tasks.{}", task.source.step.name);
            self.child(origin, &task.source.step, &here)?;
            for other in &task.mentions {
                let is_known = plan.find(other).is_some_and(|it| it == i || plan.is_ancestor(it, i));
                let named = task.source.step.arguments.iter().flat_map(|it| &it.parameters).find(|it| {
                    it.value.as_ref().is_some_and(|it| it.as_str().contains(&format!("{{{{tasks.{other}.")))
                });
                if let Some(parameter) = named.filter(|_| !is_known) {
                    return Err(format!("{here} missing dependency '{other}' for parameter '{}'", parameter.name));
                }
            }
        }
        Ok(())
    }

    fn child(&mut self, origin: &Origin, step: &WorkflowStep, place: &str) -> Result<(), String> {
        let loops = [
            step.with_items.as_ref().is_some_and(|it| !it.is_empty()),
            step.with_param.as_ref().is_some_and(|it| !it.is_empty()),
            step.with_sequence.is_some(),
        ];
        if loops.iter().filter(|it| **it).count() > 1 {
            return Err(format!("{place} only one of withItems, withParam, withSequence can be specified"));
        }
        if let Some(sequence) = &step.with_sequence {
            if sequence.count.is_some() && sequence.end.is_some() {
                return Err(format!("{place} only one of count or end can be defined in withSequence"));
            }
            if sequence.count.is_none() && sequence.end.is_none() {
                return Err(format!("{place} must have one of count or end in withSequence"));
            }
        }
        arguments(&format!("{place}.arguments."), step.arguments.as_ref(), Values::Later)?;
        if step.template.as_deref().unwrap_or_default().is_empty()
            && step.template_ref.is_none()
            && step.inline.is_none()
        {
            return Err(format!("{place} template name '' undefined"));
        }
        self.template(origin, step, step.arguments.as_ref(), place)?;
        for (name, hook) in step.hooks.iter().flatten() {
            self.hook(origin, name, hook, &format!("{place}.hooks"), None)?;
        }
        if let Some(exit) = step.on_exit.as_deref().filter(|it| !it.is_empty()) {
            self.template(origin, &step_of(exit), None, &format!("{place}.onExit"))?;
        }
        Ok(())
    }

    fn hook(
        &mut self,
        origin: &Origin,
        name: &str,
        hook: &LifecycleHook,
        place: &str,
        fallback: Option<&Arguments>,
    ) -> Result<(), String> {
        if name != super::hooks::EXIT && hook.expression.as_deref().unwrap_or_default().is_empty() {
            return Err(format!("Expression required for hook {name}"));
        }
        let step = WorkflowStep {
            template: hook.template.clone(),
            template_ref: hook.template_ref.clone(),
            ..WorkflowStep::default()
        };
        self.template(origin, &step, hook.arguments.as_ref().or(fallback), &format!("{place}.{name}"))
    }
}

//! Steps and dags: names, references, loops, dependencies.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{compile::DagPlan, depends::DependsError, pass::Origin},
    Check,
    arguments::{Supplied, arguments},
    hooks,
    names::{Named, field_name, field_names},
    scope::{Known, is_parameter, outputs_of},
};
use crate::api::{Arguments, Template, WorkflowStep};

impl Check<'_> {
    pub(super) fn steps(&mut self, origin: &Origin, template: &Arc<Template>, known: &mut Known) -> Result<(), String> {
        let place = format!("templates.{}", template.name());
        not_leaf(template)?;
        let mut names = std::collections::BTreeSet::new();
        for (i, group) in template.steps.iter().flatten().enumerate() {
            for step in group {
                let name = step.name.as_str();
                if name.is_empty() {
                    return Err(format!("{place}.steps[{i}].name is required"));
                }
                if !names.insert(name) {
                    return Err(format!("{place}.steps[{i}].name '{name}' is not unique"));
                }
                if !name.contains("{{") {
                    field_name(name).map_err(|it| format!("{place}.steps[{i}].name '{name}' is invalid: {it}"))?;
                }
                let here = format!("{place}.steps[{i}].{name}");
                if let Some(field) = step.extra.keys().next() {
                    return Err(format!("{here} json: unknown field \"{field}\""));
                }
                known.add(format!("steps.{name}.status"));
                known.add_items(step).map_err(|it| format!("{here} {it}"))?;
                arguments(&format!("{here}.arguments."), step.arguments.as_ref(), true)?;
                let found = self.holder(origin, step, Supplied::Anything).map_err(|it| format!("{here} {it}"))?;
                let found = found.as_deref();
                if has_exit(step) {
                    self.add_outputs(found, &format!("steps.{name}"), false, known);
                }
                hooks(step.hooks.as_ref(), &here)?;
                let text = serde_json::to_string(step).unwrap_or_default();
                self.resolve(&text, known, |tag| is_inline_input(step, tag))
                    .map_err(|it| format!("{place}.steps {it}"))?;
                self.add_outputs(found, &format!("steps.{name}"), is_aggregated(step), known);
                self.holder(origin, step, Supplied::These(step.arguments.as_ref()))
                    .map_err(|it| format!("{here} {it}"))?;
                if self.options.strict {
                    self.hooks_of(origin, step, &here)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn dag(&mut self, origin: &Origin, template: &Arc<Template>, known: &mut Known) -> Result<(), String> {
        let place = format!("templates.{}", template.name());
        not_leaf(template)?;
        let Some(dag) = template.dag.as_ref().filter(|it| !it.tasks.is_empty()) else {
            return Err(format!("{place} must have at least one task"));
        };
        let json = serde_json::to_value(&**template).unwrap_or_default();
        let plan = DagPlan::new(&dag.tasks, &json).map_err(|it| match it {
            DependsError::Unknown(task) => format!("{place} sorting failed: invalid dependency {task}"),
            other => format!("{place} {other}"),
        })?;
        field_names(dag.tasks.iter().map(|it| it.step.name.as_str()), Named::Field)
            .map_err(|it| format!("{place}.tasks{it}"))?;
        if cycle(&plan).is_some() {
            return Err(format!("{place} sorting failed: graph with cycle"));
        }
        let uses_depends = dag.tasks.iter().any(|it| it.depends.as_ref().is_some_and(|it| !it.is_empty()));
        // Dependencies first, as upstream sorts them.
        let order = plan.order(&(0..dag.tasks.len()).collect::<Vec<_>>());
        let mut found: BTreeMap<usize, Option<Arc<Template>>> = BTreeMap::new();
        for index in &order {
            let task = &dag.tasks[*index];
            let name = task.step.name.as_str();
            let here = format!("{place}.tasks.{name}");
            let lists = task.dependencies.as_ref().is_some_and(|it| !it.is_empty());
            if (uses_depends || lists) && name.starts_with(|it: char| it.is_ascii_digit()) {
                return Err(format!(
                    "{here} name cannot begin with a digit when using either 'depends' or 'dependencies'"
                ));
            }
            if uses_depends && lists {
                return Err(format!("{place} cannot use both 'depends' and 'dependencies' in the same DAG template"));
            }
            if uses_depends && task.step.continue_on.is_some() {
                return Err(format!(
                    "{place} cannot use 'continueOn' when using 'depends'. Instead use 'dep-task.Failed'/'dep-task.Errored'"
                ));
            }
            let it = self.holder(origin, &task.step, Supplied::Anything).map_err(|it| format!("{here} {it}"))?;
            self.add_outputs(it.as_deref(), &format!("tasks.{name}"), is_aggregated(&task.step), known);
            found.insert(*index, it);
            if let Some(other) =
                plan.depends[*index].group_results().into_iter().find(|it| !is_loop(&dag.tasks[*it].step))
            {
                let other = &dag.tasks[other].step.name;
                return Err(format!(
                    "{here} dependency '{other}' uses an items-based condition such as .AnySucceeded or .AllFailed but does not contain any items"
                ));
            }
        }
        self.targets(&plan, dag.target.as_deref(), known, &place)?;
        for index in order {
            let task = &dag.tasks[index];
            self.task(origin, &plan, &found, index, &task.step, known, &place)?;
        }
        Ok(())
    }

    fn targets(&self, plan: &DagPlan, target: Option<&str>, known: &Known, place: &str) -> Result<(), String> {
        let Some(target) = target.filter(|it| !it.is_empty()) else { return Ok(()) };
        self.resolve(target, known, |_| false).map_err(|it| format!("{place}.targets {it}"))?;
        for it in target.split(' ').filter(|it| !is_parameter(it) && !it.contains(super::PLACEHOLDER)) {
            if plan.find(it).is_none() {
                return Err(format!("{place}.targets: target '{it}' is not defined"));
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn task(
        &mut self,
        origin: &Origin,
        plan: &DagPlan,
        found: &BTreeMap<usize, Option<Arc<Template>>>,
        index: usize,
        task: &WorkflowStep,
        known: &mut Known,
        place: &str,
    ) -> Result<(), String> {
        let name = task.name.as_str();
        let here = format!("{place}.tasks.{name}");
        if task.hooks.is_some() {
            known.add(format!("tasks.{name}.status"));
        }
        let own = found.get(&index).and_then(Option::as_deref);
        self.add_outputs(own, &format!("tasks.{name}"), false, known);
        let mut items = Known::default();
        items.add_items(task).map_err(|it| format!("{here} {it}"))?;
        let text = serde_json::to_string(task).unwrap_or_default();
        let of_ancestor = |tag: &str| {
            let Some((other, rest)) = tag.strip_prefix("tasks.").and_then(|it| it.split_once('.')) else {
                return false;
            };
            let Some(other) = plan.find(other).filter(|it| plan.is_ancestor(*it, index)) else { return false };
            let template = found.get(&other).and_then(Option::as_deref);
            let aggregate = is_aggregated(&plan.tasks[other].source.step);
            rest == "status" || outputs_of(template, aggregate).iter().any(|it| it == rest)
        };
        let beside = |tag: &str| {
            is_inline_input(task, tag)
                || items.names.contains(tag)
                || items.any_item && tag.starts_with("item.")
                || of_ancestor(tag)
        };
        self.resolve(&text, known, beside).map_err(|it| format!("{here} {it}"))?;
        arguments(&format!("{here}.arguments."), task.arguments.as_ref(), true)?;
        missing_dependency(plan, index, task.arguments.as_ref()).map_err(|it| format!("{here} {it}"))?;
        self.holder(origin, task, Supplied::These(task.arguments.as_ref())).map_err(|it| format!("{here} {it}"))?;
        if self.options.strict {
            hooks(task.hooks.as_ref(), &here)?;
            self.hooks_of(origin, task, &here)?;
        }
        Ok(())
    }

    /// The templates of hooks exist; upstream does not look.
    fn hooks_of(&mut self, origin: &Origin, step: &WorkflowStep, here: &str) -> Result<(), String> {
        let exit = step.on_exit.as_deref().filter(|it| !it.is_empty()).map(super::step_of);
        let exit = exit.map(|it| ("onExit".to_owned(), it));
        let hooks = step.hooks.iter().flatten().map(|(name, hook)| {
            let (template, template_ref) = (hook.template.clone(), hook.template_ref.clone());
            (format!("hooks.{name}"), WorkflowStep { template, template_ref, ..WorkflowStep::default() })
        });
        for (name, step) in exit.into_iter().chain(hooks) {
            self.holder(origin, &step, Supplied::Anything).map_err(|it| format!("{here}.{name} {it}"))?;
        }
        Ok(())
    }
}

fn has_exit(step: &WorkflowStep) -> bool {
    step.on_exit.as_ref().is_some_and(|it| !it.is_empty())
        || step.hooks.as_ref().is_some_and(|it| it.contains_key(super::super::hooks::EXIT))
}

/// Whether its outputs are lists.
fn is_aggregated(step: &WorkflowStep) -> bool {
    step.with_items.as_ref().is_some_and(|it| !it.is_empty())
        || step.with_param.as_ref().is_some_and(|it| !it.is_empty())
}

fn is_loop(step: &WorkflowStep) -> bool {
    is_aggregated(step) || step.with_sequence.is_some()
}

/// `inputs.parameters.*` of an inline template stand in the step's own text.
fn is_inline_input(step: &WorkflowStep, tag: &str) -> bool {
    let Some(name) = tag.strip_prefix("inputs.parameters.") else { return false };
    step.inline.as_ref().is_some_and(|it| it.input_parameters().iter().any(|it| it.name == name))
}

fn not_leaf(template: &Template) -> Result<(), String> {
    match template.active_deadline_seconds {
        None => Ok(()),
        Some(_) => Err(format!("templates.{}.activeDeadlineSeconds is only valid for leaf templates", template.name())),
    }
}

/// A value that comes from a task names one that is done before.
fn missing_dependency(plan: &DagPlan, task: usize, arguments: Option<&Arguments>) -> Result<(), String> {
    let Some(arguments) = arguments else { return Ok(()) };
    let missing = |text: &str| {
        let other = text.strip_prefix("{{tasks.")?.split('.').next()?.to_owned();
        let is_before = plan.find(&other).is_some_and(|it| plan.is_ancestor(it, task));
        (!is_before).then_some(other)
    };
    for it in &arguments.parameters {
        if let Some(other) = it.value.as_ref().and_then(|it| missing(it.as_str())) {
            return Err(format!("missing dependency '{other}' for parameter '{}'", it.name));
        }
    }
    for it in &arguments.artifacts {
        if let Some(other) = it.from.as_deref().and_then(missing) {
            return Err(format!("missing dependency '{other}' for artifact '{}'", it.name));
        }
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

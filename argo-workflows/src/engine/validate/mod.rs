//! What a spec must satisfy before it runs; the messages are upstream's, and so is the order in which
//! things are looked at: the first fault named is the one that upstream names.

mod arguments;
mod graph;
mod hints;
mod leaf;
mod lint;
mod names;
mod outputs;
mod scope;
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argo_core::ObjectMeta;

use self::{
    arguments::{Supplied, arguments},
    names::{Named, field_names},
    scope::PLACEHOLDER,
};
pub use self::{
    hints::hints,
    lint::{LintError, LintMode, lint_manifest},
};
use super::{compile::References, pass::Origin};
use crate::api::{LifecycleHook, Template, WorkflowMetadata, WorkflowSpec, WorkflowStep};

/// For whom a spec is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    /// It is to run: the workflow's arguments must have their values.
    pub(crate) values: bool,
    /// A WorkflowTemplate: its inputs come from whoever refers to it.
    pub(crate) is_template: bool,
    /// What is not there is told as `argo lint` does, rather than as the controller does.
    pub(crate) lint: bool,
    /// Refuses what upstream lets through by oversight.
    pub(crate) strict: bool,
}

/// A spec to check, with what it stands in.
pub(crate) struct Subject<'s> {
    pub(crate) spec: &'s WorkflowSpec,
    pub(crate) metadata: &'s ObjectMeta,
    pub(crate) references: &'s dyn References,
}

/// Checks a spec and every template that can be reached.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(crate) fn workflow(subject: &Subject<'_>, options: Options) -> Result<(), String> {
    let spec = subject.spec;
    let name = subject.metadata.name.as_deref().unwrap_or_default();
    if !options.is_template && name.len() > 63 {
        return Err(format!(
            "workflow name {name:?} must not be more than 63 characters long (currently {})",
            name.len()
        ));
    }
    field_names(spec.templates.iter().map(|it| it.name()), Named::Field).map_err(|it| format!("spec.templates{it}"))?;
    arguments("spec.arguments.", spec.arguments.as_ref(), options.values)?;
    let mut check = Check::new(subject, options);
    check.declare_globals(subject);
    let entrypoint = spec.entrypoint.as_deref().unwrap_or_default();
    if entrypoint.is_empty() && !options.is_template {
        return Err("spec.entrypoint is required".to_owned());
    }
    let given = if options.is_template { Supplied::Anything } else { Supplied::These(spec.arguments.as_ref()) };
    if !entrypoint.is_empty() {
        check.holder(&Origin::Local, &step_of(entrypoint), given)?;
    }
    if let Some(exit) = spec.on_exit.as_deref().filter(|it| !it.is_empty()) {
        check.globals.insert("workflow.failures".to_owned(), PLACEHOLDER.to_owned());
        check.allow_parametrized_globals();
        check.holder(&Origin::Local, &step_of(exit), Supplied::These(spec.arguments.as_ref()))?;
    }
    hooks(spec.hooks.as_ref(), "hooks")?;
    pod_gc(spec)?;
    template::pod_resources("spec.podResources", spec.extra.get("podResources"))?;
    for template in &spec.templates {
        check
            .holder(&Origin::Local, &step_of(template.name()), Supplied::Anything)
            .map_err(|it| format!("templates.{} {it}", template.name()))?;
    }
    if options.strict {
        check.strictly(spec)?;
    }
    Ok(())
}

fn pod_gc(spec: &WorkflowSpec) -> Result<(), String> {
    let strategy = spec.extra.get("podGC").and_then(|it| it.get("strategy")).and_then(|it| it.as_str());
    let known = ["", "OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess"];
    match strategy {
        Some(other) if !known.contains(&other) => Err(format!("podGC.strategy unknown strategy '{other}'")),
        _ => Ok(()),
    }
}

/// Hooks other than the exit handler fire when their expression becomes true.
pub(super) fn hooks(hooks: Option<&BTreeMap<String, LifecycleHook>>, place: &str) -> Result<(), String> {
    for (name, hook) in hooks.into_iter().flatten() {
        if name != super::hooks::EXIT && hook.expression.as_deref().unwrap_or_default().is_empty() {
            return Err(format!("{place}.{name} Expression required"));
        }
    }
    Ok(())
}

fn step_of(template: &str) -> WorkflowStep {
    WorkflowStep { template: Some(template.to_owned()), ..WorkflowStep::default() }
}

/// One validation under way.
struct Check<'c> {
    references: &'c dyn References,
    options: Options,
    namespace: &'c str,
    /// Variables of the workflow: placeholders where the value is known only when it runs.
    globals: BTreeMap<String, String>,
    /// Whether any `workflow.outputs.parameters.*` or `…artifacts.*` may come to be.
    any_global: [bool; 2],
    specs: BTreeMap<Origin, Arc<WorkflowSpec>>,
    templates: BTreeMap<(Origin, String), Arc<Template>>,
    /// Templates that were looked into.
    seen: BTreeSet<(Origin, String)>,
    depth: usize,
}

impl<'c> Check<'c> {
    fn new(subject: &Subject<'c>, options: Options) -> Self {
        let templates = subject.spec.templates.iter();
        let templates = templates.map(|it| ((Origin::Local, it.name().to_owned()), Arc::new(it.clone()))).collect();
        let mut local =
            WorkflowSpec { template_defaults: subject.spec.template_defaults.clone(), ..Default::default() };
        local.retry_strategy.clone_from(&subject.spec.retry_strategy);
        Self {
            references: subject.references,
            options,
            namespace: subject.metadata.namespace.as_deref().unwrap_or_default(),
            globals: BTreeMap::new(),
            any_global: [false; 2],
            specs: BTreeMap::from([(Origin::Local, Arc::new(local))]),
            templates,
            seen: BTreeSet::new(),
            depth: 0,
        }
    }

    fn declare_globals(&mut self, subject: &Subject<'_>) {
        let spec = subject.spec;
        let mut set = |name: String, value: &str| drop(self.globals.insert(name, value.to_owned()));
        let parameters = spec.arguments.as_ref().map_or(&[][..], |it| &it.parameters);
        if !parameters.is_empty() {
            set("workflow.parameters".to_owned(), PLACEHOLDER);
            set("workflow.parameters.json".to_owned(), PLACEHOLDER);
        }
        for it in parameters {
            let value = it.value.as_ref().map_or(PLACEHOLDER, |it| it.as_str());
            set(format!("workflow.parameters.{}", it.name), value);
        }
        let metadata = WorkflowMetadata::default();
        let metadata = spec.workflow_metadata.as_ref().unwrap_or(&metadata);
        let annotations =
            metadata.annotations.iter().flat_map(BTreeMap::keys).chain(subject.metadata.annotations.keys());
        annotations.for_each(|it| set(format!("workflow.annotations.{it}"), PLACEHOLDER));
        let labels = metadata.labels.iter().flat_map(BTreeMap::keys).chain(subject.metadata.labels.keys());
        let labels = labels.chain(metadata.labels_from.iter().flat_map(BTreeMap::keys));
        labels.for_each(|it| set(format!("workflow.labels.{it}"), PLACEHOLDER));
        for name in [
            "annotations",
            "annotations.json",
            "labels",
            "labels.json",
            "status",
            "name",
            "namespace",
            "mainEntrypoint",
            "serviceAccountName",
            "uid",
        ] {
            set(format!("workflow.{name}"), PLACEHOLDER);
        }
        if let Some(priority) = spec.priority {
            set("workflow.priority".to_owned(), &priority.to_string());
        }
    }

    /// Names of global artifacts that are tags may come to anything.
    fn allow_parametrized_globals(&mut self) {
        let artifacts = self.templates.values().filter_map(|it| it.outputs.as_ref()).flat_map(|it| &it.artifacts);
        if artifacts.filter_map(|it| it.global_name.as_deref()).any(scope::is_parameter) {
            self.any_global[1] = true;
        }
    }

    /// What upstream does not look at.
    fn strictly(&mut self, spec: &WorkflowSpec) -> Result<(), String> {
        for (name, hook) in spec.hooks.iter().flatten() {
            let (template, template_ref) = (hook.template.clone(), hook.template_ref.clone());
            let step = WorkflowStep { template, template_ref, ..WorkflowStep::default() };
            self.holder(&Origin::Local, &step, Supplied::Anything).map_err(|it| format!("spec.hooks.{name} {it}"))?;
        }
        Ok(())
    }
}

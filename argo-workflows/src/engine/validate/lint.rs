//! [`lint_manifest`]: manifests of every kind, as `argo lint` judges them.

use argo_core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Options, Subject, template::no_template, workflow};
use crate::{
    api::{ClusterWorkflowTemplate, CronWorkflow, Workflow, WorkflowSpec, WorkflowTemplate, schema},
    engine::{References, compile},
};

/// How strictly a manifest is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LintMode {
    /// As `argo lint`.
    #[default]
    Upstream,
    /// Also refuses what upstream lets through by oversight: templates of hooks that are not there, inline
    /// templates after the first, hooks of tasks without expression, display names that fail at run time,
    /// and everything that [`super::hints`] says.
    Strict,
}

/// Why a manifest was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LintError {
    /// A field has a value of the wrong type; in Go's words.
    #[error("{0}")]
    Type(String),
    /// Fields that the kind does not have.
    #[error("strict decoding error: {}", .0.iter().map(|it| format!("unknown field \"{it}\"")).collect::<Vec<_>>().join(", "))]
    UnknownFields(Vec<String>),
    /// A rule is broken: the first one, with its place.
    #[error("{0}")]
    Invalid(String),
}

/// Judges one object. Kinds that are none of Argo Workflows' pass.
///
/// # Errors
/// The first thing that is wrong.
pub fn lint_manifest(object: &Value, references: &dyn References, mode: LintMode) -> Result<(), LintError> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !matches!(
        kind,
        "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate" | "CronWorkflow" | "WorkflowEventBinding"
    ) {
        return Ok(());
    }
    schema::mismatch(kind, object).map_or(Ok(()), |it| Err(LintError::Type(it)))?;
    let unknown = schema::unknown_fields(kind, object);
    if !unknown.is_empty() {
        return Err(LintError::UnknownFields(unknown));
    }
    let lint = Lint { references, strict: mode == LintMode::Strict };
    match kind {
        "Workflow" => {
            let it: Workflow = decode(object)?;
            lint.workflow(&it.metadata, &it.spec, false, false)
        }
        "WorkflowTemplate" => {
            let it: WorkflowTemplate = decode(object)?;
            lint.template("workflow template", &it.metadata, &it.spec)
        }
        "ClusterWorkflowTemplate" => {
            let it: ClusterWorkflowTemplate = decode(object)?;
            lint.template("cluster workflow template", &it.metadata, &it.spec)
        }
        "CronWorkflow" => lint.cron(&decode(object)?),
        _ => Ok(()),
    }
    .map_err(LintError::Invalid)
}

fn decode<T: DeserializeOwned>(object: &Value) -> Result<T, LintError> {
    T::deserialize(object).map_err(|it| LintError::Type(it.to_string()))
}

struct Lint<'l> {
    references: &'l dyn References,
    strict: bool,
}

impl Lint<'_> {
    fn template(&self, what: &str, metadata: &ObjectMeta, spec: &WorkflowSpec) -> Result<(), String> {
        let name = metadata.name.as_deref().unwrap_or_default();
        if name.len() > 63 {
            return Err(format!(
                "{what} name {name:?} must not be more than 63 characters long (currently {})",
                name.len()
            ));
        }
        // The rules of templates do not see the object's name.
        let metadata = ObjectMeta {
            labels: metadata.labels.clone(),
            annotations: metadata.annotations.clone(),
            namespace: metadata.namespace.clone(),
            ..ObjectMeta::default()
        };
        self.workflow(&metadata, spec, true, false)
    }

    fn cron(&self, cron: &CronWorkflow) -> Result<(), String> {
        let name = cron.metadata.name.as_deref().unwrap_or_default();
        let spec = &cron.spec;
        if name.len() > 52 {
            return Err(format!(
                "cron workflow name {name:?} must not be more than 52 characters long (currently {})",
                name.len()
            ));
        }
        if spec.schedules.is_empty() {
            return Err("cron workflow must have at least one schedule".to_owned());
        }
        for schedule in &spec.schedules {
            argo_lang::cron::Schedule::parse(schedule)
                .map_err(|it| format!("cron schedule {schedule} is malformed: {it}"))?;
        }
        if let Some(zone) = spec.timezone.as_deref().filter(|it| !it.is_empty() && *it != "Local") {
            jiff::tz::TimeZone::get(zone)
                .map_err(|_| format!("invalid timezone {zone:?}: unknown time zone {zone}"))?;
        }
        match spec.concurrency_policy.as_deref().unwrap_or_default() {
            "" | "Allow" | "Forbid" | "Replace" => {}
            other => return Err(format!("'{other}' is not a valid concurrencyPolicy")),
        }
        if spec.starting_deadline_seconds.is_some_and(|it| it < 0) {
            return Err("startingDeadlineSeconds must be positive".to_owned());
        }
        let own = spec.workflow_metadata.clone().unwrap_or_default();
        let metadata = ObjectMeta {
            labels: own.labels,
            annotations: own.annotations,
            namespace: cron.metadata.namespace.clone(),
            ..ObjectMeta::default()
        };
        self.workflow(&metadata, &spec.workflow_spec, false, true)
            .map_err(|it| format!("cannot validate Workflow: {it}"))
    }

    fn workflow(
        &self,
        metadata: &ObjectMeta,
        spec: &WorkflowSpec,
        is_template: bool,
        values: bool,
    ) -> Result<(), String> {
        let merged;
        let mut spec = spec;
        if let Some(reference) = &spec.workflow_template_ref {
            if !spec.templates.is_empty() {
                return Err(
                    "Templates is invalid field in spec if workflow referred WorkflowTemplate reference".to_owned()
                );
            }
            let cluster = reference.cluster_scope == Some(true);
            let namespace = metadata.namespace.as_deref().unwrap_or_default();
            let template = self.references.workflow_template(&reference.name, cluster);
            let template = template.ok_or_else(|| no_template(&reference.name, cluster, namespace))?;
            merged = compile::merge_specs(spec, &template).map_err(|it| it.to_string())?;
            spec = &merged;
        }
        let options = Options { values, is_template, lint: true, strict: self.strict };
        workflow(&Subject { spec, metadata, references: self.references }, options)?;
        match super::hints(spec).into_iter().next().filter(|_| self.strict) {
            Some(hint) => Err(hint),
            None => Ok(()),
        }
    }
}

//! WorkflowEventBindings: which workflow an event submits. Pure: who receives events and creates workflows is
//! outside.

use std::collections::BTreeMap;

use argo_core::{ObjectMeta, Resource as _};
use argo_lang::expr;
use serde_json::{Value, json};

use super::compile::References;
use crate::api::{
    AnyString, Arguments, LABEL_CLUSTER_WORKFLOW_TEMPLATE, LABEL_CONTROLLER_INSTANCE_ID, LABEL_WORKFLOW_TEMPLATE,
    Parameter, Workflow, WorkflowEventBinding, WorkflowSpec,
};

/// Label of workflows that a WorkflowEventBinding submitted: its name.
pub const LABEL_EVENT_BINDING: &str = "workflows.argoproj.io/workflow-event-binding";

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event<'e> {
    /// Namespace that it was sent to.
    pub namespace: &'e str,
    /// What the sender calls it; may be empty.
    pub discriminator: &'e str,
    /// Headers; only those that begin with `x-` are told to expressions, as others may be credentials.
    pub headers: &'e BTreeMap<String, Vec<String>>,
    /// What was sent.
    pub payload: &'e Value,
}

/// Why an event submitted nothing where it should have. The text is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// The selector is no expression, or gives no boolean.
    #[error("failed to evaluate workflow template expression: {0}")]
    Selector(String),
    /// There is no such template.
    #[error("failed to get workflow template: {plural}.argoproj.io \"{name}\" not found")]
    NoTemplate {
        /// Plural of the kind.
        plural: &'static str,
        /// Its name.
        name: String,
    },
    /// A parameter does not say where its value comes from.
    #[error("malformed workflow template parameter \"{0}\": valueFrom is nil")]
    NoValueFrom(String),
    /// The expression of a parameter.
    #[error("failed to evaluate workflow template parameter \"{name}\" expression: {message}")]
    Parameter {
        /// The parameter.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// The expression of a name, label or annotation.
    #[error("failed to evaluate workflow {place} expression: {message}")]
    Metadata {
        /// Which.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A name, label or annotation is no text.
    #[error("workflow {place} expression must evaluate to a string, not {value}")]
    NoText {
        /// Which.
        place: String,
        /// What it gave.
        value: String,
    },
}

impl argo_core::Failure for DispatchError {
    fn category(&self) -> argo_core::Category {
        match self {
            Self::NoTemplate { .. } => argo_core::Category::NotFound,
            _ => argo_core::Category::Invalid,
        }
    }
}

/// The workflow that an event submits through a binding; none where its selector does not match. `suffix` is put
/// behind a generated name: a few letters and digits that no other event gets. An event that comes twice with the
/// same suffix is the same workflow.
///
/// # Errors
/// Says which expression can not be evaluated, or which template is not there.
pub fn dispatch(
    binding: &WorkflowEventBinding,
    event: &Event<'_>,
    references: &dyn References,
    instance_id: Option<&str>,
    suffix: &str,
) -> Result<Option<Workflow>, DispatchError> {
    let headers: BTreeMap<String, &Vec<String>> =
        event.headers.iter().map(|(name, it)| (name.to_lowercase(), it)).filter(|it| it.0.starts_with("x-")).collect();
    let env = json!({
        "namespace": event.namespace, "discriminator": event.discriminator, "metadata": headers,
        "payload": event.payload,
    });
    let matched = eval(&binding.spec.event.selector, &env, &expr::Options::default()).and_then(|it| match it {
        Value::Bool(it) => Ok(it),
        other => Err(format!("unable to cast expression result '{other}' to bool")),
    });
    if !matched.map_err(DispatchError::Selector)? {
        return Ok(None);
    }
    let Some(submit) = &binding.spec.submit else { return Ok(None) };
    let reference = &submit.workflow_template_ref;
    let is_cluster = reference.cluster_scope == Some(true);
    let Some(template) = references.workflow_template(&reference.name, is_cluster) else {
        let plural = if is_cluster { "clusterworkflowtemplates" } else { "workflowtemplates" };
        return Err(DispatchError::NoTemplate { plural, name: reference.name.clone() });
    };
    let mut meta = ObjectMeta { namespace: binding.metadata.namespace.clone(), ..ObjectMeta::default() };
    let label = if is_cluster { LABEL_CLUSTER_WORKFLOW_TEMPLATE } else { LABEL_WORKFLOW_TEMPLATE };
    meta.labels.insert(label.to_owned(), reference.name.clone());
    if let Some(given) = &template.workflow_metadata {
        let all = |map: &Option<BTreeMap<String, AnyString>>| {
            map.iter().flatten().map(|(key, it)| (key.clone(), it.0.clone())).collect::<Vec<_>>()
        };
        meta.labels.extend(all(&given.labels));
        meta.annotations.extend(all(&given.annotations));
    }
    if let Some(id) = instance_id {
        meta.labels.insert(LABEL_CONTROLLER_INSTANCE_ID.to_owned(), id.to_owned());
    }
    let own = submit.metadata.clone().unwrap_or_default();
    let named = own.name.as_deref().filter(|it| !it.is_empty()).map(|it| text(it, &env, "name")).transpose()?;
    let prefix = own.generate_name.as_deref().filter(|it| !it.is_empty());
    let prefix = prefix.map(|it| text(it, &env, "generateName")).transpose()?;
    let prefix = prefix.unwrap_or_else(|| format!("{}-", reference.name));
    meta.name = Some(named.unwrap_or_else(|| format!("{prefix}{suffix}")));
    meta.generate_name = Some(prefix);
    for (key, it) in &own.labels {
        meta.labels.insert(key.clone(), text(it, &env, &format!("label \"{key}\""))?);
    }
    for (key, it) in &own.annotations {
        meta.annotations.insert(key.clone(), text(it, &env, &format!("annotation \"{key}\""))?);
    }
    let name = binding.metadata.name.clone().unwrap_or_default();
    meta.labels.insert(LABEL_EVENT_BINDING.to_owned(), name);
    let mut parameters = Vec::new();
    for it in submit.arguments.iter().flat_map(|it| &it.parameters) {
        let from = it.value_from.as_ref().ok_or_else(|| DispatchError::NoValueFrom(it.name.clone()))?;
        let value = eval(from.event.as_deref().unwrap_or_default(), &env, &expr::Options::default());
        let failed = |message| DispatchError::Parameter { name: it.name.clone(), message };
        let value = Some(AnyString::of(&value.map_err(failed)?));
        parameters.push(Parameter { name: it.name.clone(), value, ..Parameter::default() });
    }
    let arguments = (!parameters.is_empty()).then(|| Arguments { parameters, ..Arguments::default() });
    let spec = WorkflowSpec { workflow_template_ref: Some(reference.clone()), arguments, ..WorkflowSpec::default() };
    let gvk = Workflow::gvk();
    Ok(Some(Workflow {
        api_version: format!("{}/{}", gvk.group, gvk.version),
        kind: gvk.kind,
        metadata: meta,
        spec,
        ..Workflow::default()
    }))
}

fn eval(expression: &str, env: &Value, options: &expr::Options) -> Result<Value, String> {
    expr::Program::compile(expression, options).map_err(|it| it.to_string())?.eval(env).map_err(|it| it.to_string())
}

/// A text that is an expression, with Sprig and what Argo adds to the language.
fn text(expression: &str, env: &Value, place: &str) -> Result<String, DispatchError> {
    let failed = |message| DispatchError::Metadata { place: place.to_owned(), message };
    match eval(expression, env, &expr::argo::options()).map_err(failed)? {
        Value::String(it) => Ok(it),
        other => Err(DispatchError::NoText { place: place.to_owned(), value: other.to_string() }),
    }
}

//! `argoWorkflow`: what `argo <operation>` does, without the command.

use argo_core::{Change, Object};
use serde_json::{Value, json};

use super::{Call, Trigger, TriggerError, artifact, decode, k8s};
use crate::{
    api,
    engine::{objects, validate},
};

/// The `argoWorkflow` type.
#[derive(Debug, Clone, Copy)]
pub struct ArgoWorkflowTrigger;

const DONE: &[&str] = &["submit", "submit-from", "suspend", "terminate", "stop"];
const NOT_YET: &[&str] = &["resubmit", "resume", "retry"];

#[async_trait::async_trait]
impl Trigger for ArgoWorkflowTrigger {
    fn kind(&self) -> &'static str {
        "argoWorkflow"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        let config: api::ArgoWorkflowTrigger = decode(config)?;
        artifact::validate(config.source.as_ref())?;
        let operation = config.operation.as_str();
        if NOT_YET.contains(&operation) {
            return Err(format!("operation {operation} is not supported yet (there are {})", DONE.join(", ")));
        }
        if !DONE.contains(&operation) {
            return Err(format!("unknown operation type {operation}"));
        }
        objects::submit_args(&mut Object::from_value(json!({})), &config.args)?;
        validate::parameters(&config.parameters, false)
    }

    async fn execute(&self, call: &Call<'_>) -> Result<(), TriggerError> {
        let config: api::ArgoWorkflowTrigger = decode(call.config).map_err(TriggerError::Invalid)?;
        let context = k8s::kubernetes(call)?;
        let mut object = artifact::object(call, config.source.as_ref(), &config.parameters).await?;
        if object.namespace().is_none() {
            object.set(&["metadata", "namespace"], call.firing.namespace.clone());
        }
        let done = match config.operation.as_str() {
            "submit" => {
                if object.gvk().kind != "Workflow" {
                    return Err(TriggerError::Invalid(format!("submit needs a Workflow, not a {}", object.gvk().kind)));
                }
                submit(call, object, &config.args).await?
            }
            "submit-from" => {
                let workflow = from_template(call, &object).await?;
                submit(call, workflow, &config.args).await?
            }
            operation if object.name().is_empty() => {
                return Err(TriggerError::Invalid(format!("{operation} needs metadata.name")));
            }
            operation => {
                let spec = match operation {
                    "suspend" => json!({"suspend": true}),
                    "stop" => json!({"shutdown": "Stop"}),
                    "terminate" => json!({"shutdown": "Terminate"}),
                    other => return Err(TriggerError::Invalid(format!("unknown operation type {other}"))),
                };
                k8s::apply(context, &Change::merge(object.reference(), json!({"spec": spec}))).await?;
                object
            }
        };
        match call.policy.and_then(|it| it.k8s.as_ref()) {
            Some(policy) => k8s::wait_for_labels(call, context, &done.reference(), policy).await,
            None => Ok(()),
        }
    }
}

async fn submit(call: &Call<'_>, mut workflow: Object, args: &[String]) -> Result<Object, TriggerError> {
    objects::submit_args(&mut workflow, args).map_err(TriggerError::Invalid)?;
    k8s::create(call, k8s::kubernetes(call)?, workflow).await
}

/// The Workflow that `argo submit --from` makes.
async fn from_template(call: &Call<'_>, template: &Object) -> Result<Object, TriggerError> {
    let kind = template.gvk().kind;
    if !["WorkflowTemplate", "CronWorkflow"].contains(&kind.as_str()) {
        return Err(TriggerError::Invalid(format!(
            "invalid kind {kind}: submit-from needs a WorkflowTemplate or a CronWorkflow"
        )));
    }
    if template.name().is_empty() {
        return Err(TriggerError::Invalid("submit-from needs metadata.name".to_owned()));
    }
    let name = template.name();
    let mut workflow = Object::from_value(json!({
        "apiVersion": template.text("/apiVersion"), "kind": "Workflow",
        "metadata": {"generateName": format!("{name}-"), "namespace": template.namespace()},
    }));
    if kind == "WorkflowTemplate" {
        workflow.set_label("workflows.argoproj.io/workflow-template", name);
        workflow.set(&["spec"], json!({"workflowTemplateRef": {"name": name}}));
        return Ok(workflow);
    }
    let found = k8s::read(k8s::kubernetes(call)?, &template.reference()).await?;
    let found = found.ok_or_else(|| {
        TriggerError::failed(argo_core::Category::NotFound, format!("{} does not exist", template.reference()))
    })?;
    workflow.set_label("workflows.argoproj.io/cron-workflow", name);
    workflow.set(&["spec"], found.pointer("/spec/workflowSpec").cloned().unwrap_or_default());
    if let Some(meta) = found.pointer("/spec/workflowMetadata").and_then(Value::as_object) {
        for field in ["labels", "annotations"] {
            for (key, value) in meta.get(field).and_then(Value::as_object).into_iter().flatten() {
                workflow.set(&["metadata", field, key], value.clone());
            }
        }
    }
    Ok(workflow)
}

//! CustomResourceDefinitions that spell out every field.

use serde_json::{Map, Value, json};

use super::{Type, types};
use crate::api::{
    ClusterWorkflowTemplate, CronWorkflow, Workflow, WorkflowArtifactGCTask, WorkflowEventBinding, WorkflowTaskResult,
    WorkflowTaskSet, WorkflowTemplate,
};
use argo_core::Resource;

/// Templates nest in templates without end; below this many of them anything goes.
const MAX_TEMPLATES: usize = 2;

/// The CustomResourceDefinitions of all kinds with every field spelled out: an API server refuses values of
/// wrong types and drops fields that no version has. [`crate::api::crds`] keep what they do not know.
#[must_use]
pub fn crds() -> Vec<Value> {
    fn full<R: Resource>() -> Value {
        let mut crd = R::crd();
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = openapi(R::KIND);
        crd
    }
    vec![
        full::<Workflow>(),
        full::<WorkflowTemplate>(),
        full::<ClusterWorkflowTemplate>(),
        full::<CronWorkflow>(),
        full::<WorkflowTaskSet>(),
        full::<WorkflowTaskResult>(),
        full::<WorkflowArtifactGCTask>(),
        full::<WorkflowEventBinding>(),
    ]
}

/// The structural schema of a kind.
#[must_use]
pub fn openapi(kind: &str) -> Value {
    match types().get_key_value(kind) {
        Some((name, _)) => schema(&Type::Named(name), 0, true),
        None => anything(),
    }
}

fn anything() -> Value {
    json!({"x-kubernetes-preserve-unknown-fields": true})
}

fn schema(kind: &Type, templates: usize, is_root: bool) -> Value {
    match kind {
        Type::Text => json!({"type": "string"}),
        Type::Time => json!({"type": "string", "format": "date-time"}),
        Type::Integer => json!({"type": "integer"}),
        Type::Number => json!({"type": "number"}),
        Type::Boolean => json!({"type": "boolean"}),
        Type::IntOrText => json!({"x-kubernetes-int-or-string": true}),
        // Numbers and booleans are texts here.
        Type::Scalar | Type::Any => anything(),
        Type::List(inner) => json!({"type": "array", "items": schema(inner, templates, false)}),
        Type::Map(inner) => json!({"type": "object", "additionalProperties": schema(inner, templates, false)}),
        // Of others than the object itself: the API server does not know them.
        Type::Named("ObjectMeta") => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        Type::Named(name) => object(name, templates, is_root),
    }
}

fn object(name: &str, templates: usize, is_root: bool) -> Value {
    let templates = templates + usize::from(name == "Template");
    let Some(fields) = types().get(name).filter(|_| templates <= MAX_TEMPLATES) else {
        return json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    };
    let mut properties = Map::new();
    for field in fields {
        let inner = match (name, field.name) {
            // Copies of what was checked when it was written.
            ("WorkflowStatus", "storedTemplates" | "storedWorkflowTemplateSpec") => {
                json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
            }
            // The API server knows it itself.
            (_, "metadata") if is_root => json!({"type": "object"}),
            _ => schema(&field.kind, templates, false),
        };
        properties.insert(field.name.to_owned(), limited(name, field.name, inner));
    }
    let mut schema = json!({"type": "object", "properties": properties});
    let required: Vec<&str> = fields.iter().filter(|it| it.required).map(|it| it.name).collect();
    // Further in, defaults of templates may bring what is not written.
    if is_root && !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The limits of a field.
fn limited(owner: &str, field: &str, mut schema: Value) -> Value {
    match (owner, field) {
        ("WorkflowSpec", "templates") | ("DAGTemplate", "tasks") => schema["maxItems"] = json!(200),
        ("Inputs", "parameters") => schema["maxItems"] = json!(500),
        ("Artifact", "mode") => {
            schema["minimum"] = json!(0);
            schema["maximum"] = json!(511);
        }
        ("CronWorkflowSpec", "concurrencyPolicy") => schema["enum"] = json!(["Allow", "Forbid", "Replace"]),
        ("RetryStrategy", "retryPolicy") => {
            schema["enum"] = json!(["Always", "OnFailure", "OnError", "OnTransientError"]);
        }
        ("PodGC", "strategy") => {
            schema["enum"] =
                json!(["", "OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess"]);
        }
        ("VolumeClaimGC", "strategy") => {
            schema["enum"] = json!(["OnWorkflowCompletion", "OnWorkflowSuccess"]);
        }
        _ => {}
    }
    schema
}

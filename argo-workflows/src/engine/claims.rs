//! Objects that a workflow has beside its pods: claims of volumes, a disruption budget.

use argo_core::{Change, Gvk, Object, OwnerReference, Patch, Resource, plan::PatchKind};
use serde_json::{Value, json};

use super::pass::Pass;
use crate::api::{LABEL_WORKFLOW, Workflow, WorkflowPhase, WorkflowSpec};

/// What Kubernetes keeps a claim with while a pod names it.
const PROTECTION: &str = "kubernetes.io/pvc-protection";

/// Claims are deleted with any end.
const ON_COMPLETION: &str = "OnWorkflowCompletion";

/// The claims to make, and the volumes that stand for them in `status.persistentVolumeClaims`.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) create: Vec<Change>,
    pub(super) volumes: Vec<Value>,
}

impl Pass<'_> {
    /// The claims of `volumeClaimTemplates`, unless they were made before.
    pub(super) fn claims(&self) -> Result<Option<Claims>, String> {
        let templates = self.compiled.spec.volume_claim_templates.as_deref().unwrap_or_default();
        let workflow = self.world.workflow;
        if templates.len() == workflow.status.persistent_volume_claims.len() {
            return Ok(None);
        }
        let mut claims = Claims::default();
        for (i, template) in templates.iter().enumerate() {
            let template = self
                .globals
                .render_value(template, super::vars::How::Keep)
                .map_err(|it| format!("pvc create error: {it}"))?;
            let name = template.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            if name.is_empty() {
                return Err(format!("pvc create error: volumeClaimTemplates[{i}].metadata.name is required"));
            }
            let claim = format!("{}-{name}", workflow.name());
            let mut object = owned(workflow, &Gvk::new("", "v1", "PersistentVolumeClaim"), &claim);
            for field in ["labels", "annotations"] {
                if let Some(map) = template.pointer(&format!("/metadata/{field}")) {
                    object.set(&["metadata", field], map.clone());
                }
            }
            object.set_label(LABEL_WORKFLOW, workflow.name());
            object.set(&["spec"], template.get("spec").cloned().unwrap_or_else(|| json!({})));
            claims.create.push(Change::create(object));
            claims.volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}));
        }
        Ok(Some(claims))
    }
}

/// The disruption budget of a workflow's pods.
pub(super) fn disruption_budget(workflow: &Workflow, spec: &WorkflowSpec) -> Option<Change> {
    let mut budget = spec.pod_disruption_budget.clone()?;
    if budget.get("selector").is_none_or(Value::is_null) {
        budget["selector"] = json!({"matchLabels": {LABEL_WORKFLOW: workflow.name()}});
    }
    let mut object = owned(workflow, &budget_kind(), workflow.name());
    object.set_label(LABEL_WORKFLOW, workflow.name());
    object.set(&["spec"], budget);
    Some(Change::create(object))
}

/// What goes with the end of a workflow: its claims, by `volumeClaimGC`, and its budget. Also whether the claims go.
pub(super) fn cleaned_up(
    workflow: &Workflow,
    spec: &WorkflowSpec,
    claims: &[Value],
    phase: WorkflowPhase,
) -> (Vec<Change>, bool) {
    let mut changes = Vec::new();
    let namespace = Some(workflow.namespace()).filter(|it| !it.is_empty());
    if spec.pod_disruption_budget.is_some() {
        changes.push(Change::delete(&Object::new(&budget_kind(), namespace, workflow.name())));
    }
    let strategy = spec.volume_claim_gc.as_ref().and_then(|it| it.get("strategy")).and_then(Value::as_str);
    let go = phase == WorkflowPhase::Succeeded || strategy == Some(ON_COMPLETION);
    for claim in claims.iter().filter(|_| go) {
        let name = claim.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str).unwrap_or_default();
        let claim = Object::new(&Gvk::new("", "v1", "PersistentVolumeClaim"), namespace, name);
        changes.push(Change::delete(&claim));
        changes.push(unprotected(&claim));
    }
    (changes, go && !claims.is_empty())
}

/// Pods that ended and are kept would keep the claim, too: Kubernetes guards it while a pod names it.
fn unprotected(claim: &Object) -> Change {
    let body = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [PROTECTION]}});
    Change::Patch {
        target: claim.reference(),
        subresource: None,
        patch: Patch { kind: PatchKind::Strategic, body },
        resource_version: None,
    }
}

fn budget_kind() -> Gvk {
    Gvk::new("policy", "v1", "PodDisruptionBudget")
}

/// An object of the workflow's namespace that goes with it.
fn owned(workflow: &Workflow, gvk: &Gvk, name: &str) -> Object {
    let namespace = Some(workflow.namespace()).filter(|it| !it.is_empty());
    let mut object = Object::new(gvk, namespace, name);
    let kind = Workflow::gvk();
    object.set_controller(&OwnerReference {
        api_version: kind.api_version(),
        kind: kind.kind,
        name: workflow.name().to_owned(),
        uid: workflow.uid().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    });
    object
}

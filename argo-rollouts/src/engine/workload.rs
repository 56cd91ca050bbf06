//! `workloadRef`: the template of another object, and that object going as the Rollout comes.

use argo_core::{Change, Gvk, Object, ObjectRef};
use serde_json::{Value, json};

use super::{
    pass::{Flow, Pass},
    validate::Invalid,
    world::World,
};
use crate::api::{LabelSelector, Rollout, names};

const PATH: &str = "spec.workloadRef";

/// The object that a Rollout takes its template from.
#[must_use]
pub fn workload_of(ro: &Rollout) -> Option<ObjectRef> {
    let reference = ro.spec.workload_ref.as_ref()?;
    let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
    let gvk = Gvk::from_api_version(text("apiVersion"), text("kind"));
    Some(ObjectRef::new(gvk, ro.metadata.namespace.as_deref(), text("name")))
}

/// Puts the template, and where there is none the selector, of the workload into the Rollout: in
/// memory only, it is never written back.
pub(super) fn resolve(ro: &mut Rollout, world: &World) -> Result<(), Invalid> {
    let Some(target) = workload_of(ro) else { return Ok(()) };
    let refuse = |text: String| Invalid::value(PATH, &ro.spec.workload_ref, text);
    if !ro.spec.template.is_null() && ro.spec.template != json!({}) {
        return Ok(());
    }
    let path = match (target.gvk.group.as_str(), target.gvk.kind.as_str()) {
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") => "/spec/template",
        ("", "PodTemplate") => "/template",
        (group, kind) => return Err(refuse(format!("workload of type {group}/{kind} is not supported"))),
    };
    let Some(workload) = world.workload.as_deref().filter(|it| it.reference() == target) else {
        let kind = target.gvk.kind.to_lowercase();
        let group = if target.gvk.group.is_empty() { String::new() } else { format!(".{}", target.gvk.group) };
        return Err(refuse(format!("{kind}s{group} \"{}\" not found", target.name)));
    };
    ro.spec.template = workload.pointer(path).cloned().unwrap_or_default();
    if ro.spec.selector.is_none() {
        let selector = workload.pointer("/spec/selector").cloned();
        ro.spec.selector = selector.and_then(|it| serde_json::from_value::<LabelSelector>(it).ok());
    }
    Ok(())
}

impl Pass<'_> {
    fn workload(&self) -> Option<&Object> {
        self.ro.spec.workload_ref.as_ref()?;
        self.world.workload.as_deref()
    }

    /// The generation of the workload, as text; empty without one.
    pub(crate) fn workload_generation(&self) -> String {
        self.workload().map(|it| it.generation().to_string()).unwrap_or_default()
    }

    /// Writes on the Rollout which generation of the workload it is at, so that clients see a change
    /// that is not followed yet.
    pub(crate) fn sync_workload_generation(&mut self) -> Flow {
        let generation = self.workload_generation();
        if generation.is_empty() || self.ro.metadata.annotation(names::WORKLOAD_GENERATION) == Some(&generation) {
            return Flow::Continue;
        }
        let body = json!({"metadata": {"annotations": {names::WORKLOAD_GENERATION: generation}}});
        self.plan.push(Change::merge(self.world.rollout.reference(), body));
        Flow::Stop
    }

    fn scales_workload(&self, how: &str) -> bool {
        let scale_down = self.ro.spec.workload_ref.as_ref().and_then(|it| it.get("scaleDown")?.as_str());
        scale_down == Some(how) && self.revision() == "1"
    }

    /// The first version is up: the Deployment it stands in for goes.
    pub(crate) fn retire_workload(&mut self) {
        if self.scales_workload("onsuccess") && self.ro.status.phase == names::phase::HEALTHY {
            self.scale_workload(0);
        }
    }

    /// The Deployment keeps as many pods as the Rollout is short of; none once that is healthy.
    pub(crate) fn shrink_workload(&mut self, wanted: i64) {
        if !self.scales_workload("progressively") {
            return;
        }
        let status = &self.ro.status;
        let size = self.new_set().map_or(0, |it| it.spec);
        if status.phase == names::phase::HEALTHY {
            self.scale_workload(0);
        } else if status.ready_replicas > 0 || size > wanted {
            self.scale_workload(self.replicas() - status.ready_replicas);
        }
    }

    fn scale_workload(&mut self, to: i64) {
        let to = to.max(0);
        let deployment = self.workload().filter(|it| it.gvk().kind == "Deployment");
        let Some(deployment) = deployment else { return };
        if deployment.integer("/spec/replicas").unwrap_or(1) != to {
            let change = Change::merge(deployment.reference(), json!({"spec": {"replicas": to}}));
            self.plan.push(change);
        }
    }
}

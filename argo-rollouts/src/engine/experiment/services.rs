//! Services over the pods of an Experiment's templates.

use argo_core::{Change, Gvk, Object};
use serde_json::{Value, json};

use super::Pass;
use crate::{
    api::{ExperimentTemplate, TemplatePhase, TemplateStatus, names},
    engine::world::ReplicaSet,
};

impl Pass<'_> {
    /// Makes the Service while there are to be pods, and takes it away after the last one.
    pub(super) fn reconcile_service(
        &mut self,
        template: &ExperimentTemplate,
        set: &ReplicaSet,
        wanted: i64,
        next: &mut TemplateStatus,
    ) {
        let existing = self.services.get(&template.name).cloned();
        let Some(asked) = template.service.as_ref().filter(|_| wanted > 0) else {
            if let Some(service) = existing.filter(|_| template.service.is_none() || set.available == 0) {
                self.plan.push(Change::delete(&service));
                next.service_name.clear();
                next.pod_template_hash.clear();
            }
            return;
        };
        let ports = ports(&set.object);
        if ports.is_empty() {
            // Upstream makes none without a port either.
            return;
        }
        let name = if asked.name.is_empty() { set.name() } else { &asked.name };
        if existing.is_none_or(|it| it.name() != name) {
            let service = self.service(name, &template.name, set, ports);
            let taken = self.world.services.iter().find(|it| it.reference() == service.reference());
            match taken {
                Some(taken) if taken.is_deleting() => return,
                Some(_) => {
                    next.phase = TemplatePhase::Error;
                    next.message = format!(
                        "Failed to create Service {name} for template '{0}': service {name} already exists and is \
                         not owned by experiment template {0}",
                        template.name
                    );
                    return;
                }
                None => self.plan.push(Change::create(service)),
            }
        }
        name.clone_into(&mut next.service_name);
        next.pod_template_hash.clone_from(&set.hash);
    }

    fn service(&self, name: &str, template: &str, set: &ReplicaSet, ports: Vec<Value>) -> Object {
        let ex = &self.world.experiment;
        let mut service = Object::new(&Gvk::new("", "v1", "Service"), ex.namespace(), name);
        service.set_annotation(names::EXPERIMENT_NAME, ex.name());
        service.set_annotation(names::EXPERIMENT_TEMPLATE, template);
        service.set_controller(&ex.owner_reference());
        let labels: serde_json::Map<String, Value> =
            set.object.labels().map(|(key, value)| (key.to_owned(), value.into())).collect();
        service.set(&["spec"], json!({"selector": labels, "ports": ports}));
        service
    }
}

/// The ports of all containers, as ports of a Service.
fn ports(set: &Object) -> Vec<Value> {
    let containers = set.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let ports = containers.into_iter().flatten().filter_map(|it| it["ports"].as_array()).flatten();
    ports
        .map(|port| {
            let number = &port["containerPort"];
            let mut out = json!({"port": number, "targetPort": number});
            for field in ["name", "protocol"] {
                if let Some(value) = port.get(field).filter(|it| !it.is_null()) {
                    out[field] = value.clone();
                }
            }
            out
        })
        .collect()
}

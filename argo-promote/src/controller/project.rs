//! Projects: a namespace each, counts, and what is old enough to go.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Change, Gvk, Object, ObjectKey, Plan, Propagation, Resource, Timestamp,
    runtime::{Controller, Outcome, Reconcile, ReconcileResult},
    time,
};
use serde_json::json;

use super::{
    carry::Carrier,
    shared::{Shared, decoded},
};
use crate::api::{
    API_VERSION, Conditions, FALSE, HealthState, HealthStats, Project, ProjectStats, ProjectStatus, Promotion,
    ResourceStats, Stage, TRUE, Warehouse, names,
};

const NAME: &str = "kargo-projects";
/// How often what is old is looked for.
const SWEEP: Duration = Duration::from_secs(3600);

struct Projects(Arc<Shared>);

pub(super) fn controller(shared: &Arc<Shared>) -> Controller {
    let by_name = |event: &argo_core::runtime::CacheEvent| vec![ObjectKey::new(None, &event.key.name)];
    let by_namespace = |event: &argo_core::runtime::CacheEvent| vec![ObjectKey::new(None, event.key.namespace())];
    Controller::new(NAME, shared.context.clone(), Arc::new(Projects(shared.clone())))
        .primary(shared.projects.clone())
        .watches(shared.namespaces.clone(), by_name)
        .watches(shared.warehouses.clone(), by_namespace)
        .watches(shared.stages.clone(), by_namespace)
}

#[async_trait::async_trait]
impl Reconcile for Projects {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let shared = &self.0;
        let carrier = Carrier { context: &shared.context, controller: NAME, key };
        let namespace = shared.namespaces.get(key);
        let Some(read) = shared.projects.get(key) else {
            if let Some(namespace) = namespace {
                release(&carrier, &namespace).await?;
            }
            return Ok(Outcome::DONE);
        };
        if let Some(namespace) = namespace.as_ref().filter(|it| it.is_deleting() && is_project(it)) {
            // Who deletes the namespace means the project.
            if !read.is_deleting() {
                carrier.change(&Change::delete_with(&read, Propagation::Background)).await?;
            }
            release(&carrier, namespace).await?;
            return Ok(Outcome::DONE);
        }
        if read.is_deleting() {
            return Ok(Outcome::DONE);
        }
        let project: Project = match read.decode() {
            Ok(project) => project,
            Err(error) => {
                carrier.undecodable(&read, &error.to_string()).await?;
                return Ok(Outcome::DONE);
            }
        };
        let now = shared.now();
        let stages: Vec<Stage> = decoded(&shared.stages, project.name());
        let warehouses: Vec<Warehouse> = decoded(&shared.warehouses, project.name());
        let mut plan = plan(&read, &project, namespace.as_deref(), &stages, &warehouses, now);
        let promotions: Vec<Promotion> = decoded(&shared.promotions, project.name());
        sweep(shared, &mut plan, &project, &stages, &warehouses, &promotions, now);
        for change in plan.changes() {
            carrier.change(change).await?;
        }
        if let Some(status) = &plan.status {
            carrier.status(&read, status).await?;
        }
        Ok(plan.wake.into())
    }
}

fn is_project(namespace: &Object) -> bool {
    namespace.label(names::LABEL_PROJECT) == Some(names::TRUE)
}

/// The project is gone: its namespace may go.
async fn release(carrier: &Carrier<'_>, namespace: &Object) -> Result<(), argo_core::ApplyError> {
    if !is_project(namespace) || !namespace.has_finalizer(names::FINALIZER) {
        return Ok(());
    }
    let left: Vec<&str> = namespace.finalizers().filter(|it| *it != names::FINALIZER).collect();
    let mut to = namespace.clone();
    to.set(&["metadata", "finalizers"], json!(left));
    if let Some(change) = Change::merge_between(namespace, &to) {
        carrier.change(&change).await?;
    }
    Ok(())
}

/// The namespace with its label, finalizer and owner; conditions and counts.
fn plan(
    read: &Object,
    project: &Project,
    namespace: Option<&Object>,
    stages: &[Stage],
    warehouses: &[Warehouse],
    now: Timestamp,
) -> Plan<ProjectStatus> {
    let mut plan = Plan::default();
    let mut status = project.status.clone();
    let generation = read.generation();
    let keep = project.metadata.annotation(names::ANNOTATION_KEEP_NAMESPACE) == Some(names::TRUE);
    let owner = json!([{"apiVersion": API_VERSION, "kind": Project::KIND, "name": project.name(), "uid": read.uid(),
        "blockOwnerDeletion": false}]);
    let mut set = |kind: &str, value: &str, reason: &str, message: &str| {
        status.conditions.set_condition(kind, value, reason, message, generation, now);
    };
    match namespace {
        None => {
            let mut made = Object::new(&Gvk::new("", "v1", "Namespace"), None, project.name());
            made.set_label(names::LABEL_PROJECT, names::TRUE);
            made.set(&["metadata", "finalizers"], json!([names::FINALIZER]));
            if !keep {
                made.set(&["metadata", "ownerReferences"], owner);
            }
            plan.push(Change::create(made));
            set("Ready", FALSE, "Syncing", "Waiting for the namespace of the project");
        }
        Some(found) if !is_project(found) => {
            let message = format!(
                "namespace {:?} exists and is not labelled as a project: add the label {}=true to adopt it",
                project.name(),
                names::LABEL_PROJECT
            );
            set("Ready", FALSE, "NamespaceConflict", &message);
        }
        Some(found) => {
            let mut to = found.clone();
            if !found.has_finalizer(names::FINALIZER) {
                let all: Vec<&str> = found.finalizers().chain([names::FINALIZER]).collect();
                to.set(&["metadata", "finalizers"], json!(all));
            }
            let owned = found.owner_references().iter().any(|it| it.uid == read.uid());
            if keep && owned {
                let others: Vec<_> = found.owner_references().into_iter().filter(|it| it.uid != read.uid()).collect();
                to.set(&["metadata", "ownerReferences"], json!(others));
            } else if !keep && !owned && found.owner_references().is_empty() {
                to.set(&["metadata", "ownerReferences"], owner);
            }
            if let Some(change) = Change::merge_between(found, &to) {
                plan.push(change);
            }
            set("Ready", TRUE, "Synced", "Project is synced and ready for use");
        }
    }
    let count = |total: usize, healthy: usize| ResourceStats {
        count: i64::try_from(total).unwrap_or(i64::MAX),
        health: HealthStats { healthy: i64::try_from(healthy).unwrap_or(i64::MAX), ..HealthStats::default() },
        ..ResourceStats::default()
    };
    let well = |it: &&Stage| it.status.health.as_ref().is_some_and(|it| it.status == HealthState::Healthy);
    status.stats = Some(ProjectStats {
        warehouses: count(
            warehouses.len(),
            warehouses.iter().filter(|it| it.status.conditions.is_true("Healthy")).count(),
        ),
        stages: count(stages.len(), stages.iter().filter(well).count()),
        ..ProjectStats::default()
    });
    if status != project.status {
        plan.status = Some(status);
    }
    plan
}

/// Deletes Promotions and Freight that are over and old.
fn sweep(
    shared: &Shared,
    plan: &mut Plan<ProjectStatus>,
    project: &Project,
    stages: &[Stage],
    warehouses: &[Warehouse],
    promotions: &[Promotion],
    now: Timestamp,
) {
    let retention = shared.settings.retention;
    let mut delete = |cache: &argo_core::runtime::Cache, names: Vec<String>| {
        for name in names {
            if let Some(object) = cache.get(&ObjectKey::new(Some(project.name()), &name)) {
                plan.push(Change::delete(&object));
            }
        }
    };
    for stage in stages {
        let of: Vec<Promotion> = promotions.iter().filter(|it| it.spec.stage == stage.name()).cloned().collect();
        delete(&shared.promotions, retention.promotions(&of, now));
    }
    let freight = shared.freight(project.name());
    for warehouse in warehouses {
        let of: Vec<_> = freight.iter().filter(|it| it.origin.name == warehouse.name()).cloned().collect();
        delete(&shared.freight, retention.freight(&of, stages, now));
    }
    plan.wake_at(time::after(now, SWEEP));
}

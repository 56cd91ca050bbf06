//! What a pass over a Rollout sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argo_core::{Object, ObjectRef, Timestamp, time};

use super::step_plugins::{StepAnswer, StepCall};
use crate::api::{AlbStatus, names};

/// Everything a pass over one Rollout looks at. Lists may hold more than belongs to the Rollout
/// (a whole namespace, say): the engine picks.
#[derive(Debug, Clone)]
pub struct World {
    /// The Rollout, as read.
    pub rollout: Arc<Object>,
    /// ReplicaSets of its namespace.
    pub replica_sets: Vec<Arc<Object>>,
    /// Services of its namespace.
    pub services: Vec<Arc<Object>>,
    /// AnalysisRuns of its namespace.
    pub analysis_runs: Vec<Arc<Object>>,
    /// Experiments of its namespace.
    pub experiments: Vec<Arc<Object>>,
    /// AnalysisTemplates of its namespace.
    pub templates: Vec<Arc<Object>>,
    /// ClusterAnalysisTemplates.
    pub cluster_templates: Vec<Arc<Object>>,
    /// Pods of its namespace; only looked at while `spec.restartAt` is due, or where pods carry
    /// metadata of their role.
    pub pods: Vec<Arc<Object>>,
    /// ControllerRevisions of its namespace; only looked at where a workload's pods are replaced in place.
    pub revisions: Vec<Arc<Object>>,
    /// The object that [`super::workload_of`] names, if it exists.
    pub workload: Option<Arc<Object>>,
    /// Names of the step plugins that this controller has, and whether each is switched on.
    pub step_plugins: BTreeMap<String, bool>,
    /// What step plugins answered, or why they could not.
    pub step_answers: Vec<(StepCall, Result<StepAnswer, String>)>,
    /// Names of the traffic routers that this controller has.
    pub routers: BTreeSet<String>,
    /// Whether the routers see the weights of the status in effect; absent when they can not tell.
    pub weights_verified: Option<bool>,
    /// Whether the routers' objects are as the status says; absent when nobody looked.
    pub routes_in_place: Option<bool>,
    /// The objects that [`super::routed_objects`] names, as they are: absent from the map when nobody
    /// looked, `None` when they do not exist.
    pub routed: BTreeMap<ObjectRef, Option<Arc<Object>>>,
    /// Hashes that the routers' objects lead to.
    pub routed_hashes: BTreeSet<String>,
    /// Whether this controller asks AWS if pods are registered before it builds on them.
    pub verifies_targets: bool,
    /// Whether the pods of the Service that [`super::targets_to_verify`] names are registered; absent when
    /// nobody looked.
    pub targets_verified: Option<bool>,
    /// Load balancers and target groups as they were found; absent when nobody looked.
    pub albs: Option<Vec<AlbStatus>>,
}

impl World {
    /// A world with nothing but the Rollout.
    #[must_use]
    pub fn new(rollout: impl Into<Arc<Object>>) -> Self {
        Self {
            rollout: rollout.into(),
            replica_sets: Vec::new(),
            services: Vec::new(),
            analysis_runs: Vec::new(),
            experiments: Vec::new(),
            templates: Vec::new(),
            cluster_templates: Vec::new(),
            pods: Vec::new(),
            revisions: Vec::new(),
            workload: None,
            step_plugins: BTreeMap::new(),
            step_answers: Vec::new(),
            routers: BTreeSet::new(),
            weights_verified: None,
            routes_in_place: None,
            routed: BTreeMap::new(),
            routed_hashes: BTreeSet::new(),
            verifies_targets: false,
            targets_verified: None,
            albs: None,
        }
    }
}

/// A ReplicaSet in short.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaSet {
    pub(crate) object: Arc<Object>,
    pub(crate) hash: String,
    pub(crate) revision: i64,
    pub(crate) spec: i64,
    pub(crate) replicas: i64,
    pub(crate) ready: i64,
    pub(crate) available: i64,
    pub(crate) created: Timestamp,
    /// The first revision that it was, as far as is known.
    first: i64,
    /// `desired-replicas`, if it is there.
    pub(crate) desired: Option<i64>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) has_deadline: bool,
}

impl ReplicaSet {
    pub(crate) fn of(object: &Arc<Object>) -> Self {
        let number = |pointer: &str| object.integer(pointer).unwrap_or_default();
        let annotation = |key: &str| object.annotation(key);
        let deadline = annotation(names::SCALE_DOWN_DEADLINE);
        let revision = annotation(names::REVISION).and_then(|it| it.parse().ok());
        let before = annotation(names::REVISION_HISTORY).unwrap_or_default().split(',');
        let before = before.filter_map(|it| it.trim().parse::<i64>().ok());
        Self {
            first: before.chain(revision).min().unwrap_or(i64::MAX),
            hash: object.label(names::POD_TEMPLATE_HASH).unwrap_or_default().to_owned(),
            revision: revision.unwrap_or_default(),
            spec: object.integer("/spec/replicas").unwrap_or(1),
            replicas: number("/status/replicas"),
            ready: number("/status/readyReplicas"),
            available: number("/status/availableReplicas"),
            created: object.created_at().unwrap_or(Timestamp::UNIX_EPOCH),
            desired: annotation(names::DESIRED_REPLICAS).and_then(|it| it.parse().ok()),
            deadline: deadline.and_then(|it| time::parse(it).ok()),
            has_deadline: deadline.is_some_and(|it| !it.is_empty()),
            object: object.clone(),
        }
    }

    /// A version of a workload that is no ReplicaSet, of which there are this many pods.
    pub(crate) fn of_version(revision: &Arc<Object>, hash: &str, pods: i64, ready: i64, available: i64) -> Self {
        let number = revision.integer("/revision").unwrap_or_default();
        Self {
            object: revision.clone(),
            hash: hash.to_owned(),
            revision: number,
            spec: pods,
            replicas: pods,
            ready,
            available,
            created: revision.created_at().unwrap_or(Timestamp::UNIX_EPOCH),
            first: number,
            desired: None,
            deadline: None,
            has_deadline: false,
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.object.name()
    }

    /// Orders by age. Within the second to which creation is told, revisions tell what came first; upstream
    /// takes such ReplicaSets for equally old.
    pub(crate) fn age(&self) -> (Timestamp, i64) {
        (self.created, self.first)
    }

    /// Whether the ReplicaSet controller has yet to see the last change.
    pub(crate) fn is_unobserved(&self) -> bool {
        self.object.generation() > self.object.integer("/status/observedGeneration").unwrap_or_default()
    }

    /// All pods asked for are available, and there are some.
    pub(crate) fn is_fully_available(&self) -> bool {
        self.spec > 0 && self.available >= self.spec
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_two_versions_made_within_one_second_the_revisions_tell_the_older() {
        let set = |created: &str, annotations: serde_json::Value| {
            ReplicaSet::of(&Arc::new(Object::from_value(
                json!({"metadata": {"creationTimestamp": created, "annotations": annotations}}),
            )))
            .age()
        };
        let at = "2026-01-01T00:00:00Z";
        let second = set(at, json!({names::REVISION: "2"}));
        // It was revision 1 and has come back.
        assert!(set(at, json!({names::REVISION: "3", names::REVISION_HISTORY: "1"})) < second);
        assert!(second < set(at, json!({names::REVISION: "4", names::REVISION_HISTORY: "3"})));
        assert!(set("2025-12-31T23:59:59Z", json!({names::REVISION: "9"})) < second);
        assert!(second < set(at, json!({})), "what has no revision yet is new");
    }
}

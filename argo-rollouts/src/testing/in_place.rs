//! StatefulSets and DaemonSets of a simulation, and the pods that they replace.

use std::sync::Arc;

use argo_core::{Gvk, Object};
use serde_json::{Value, json};

use super::{cluster::Cluster, journal::Author};
use crate::engine::hash;

const REVISION: &str = "controller-revision-hash";

impl Cluster {
    /// One step of every StatefulSet and DaemonSet; whether anything changed.
    pub(super) fn settle_in_place(&mut self) -> bool {
        let before = self.journal.len();
        self.settle_pods();
        for set in self.of_kind("StatefulSet") {
            let (update, wanted) = self.revise(&set);
            self.settle_stateful(&set, &update, &wanted);
        }
        for set in self.of_kind("DaemonSet") {
            let (update, wanted) = self.revise(&set);
            self.settle_daemon(&set, &update, &wanted);
        }
        self.journal.len() != before
    }

    /// Pods of a workload.
    fn pods_of(&self, set: &Object) -> Vec<Arc<Object>> {
        self.of_kind("Pod").into_iter().filter(|it| it.is_controlled_by(set.uid())).collect()
    }

    fn settle_pods(&mut self) {
        for pod in self.of_kind("Pod") {
            let ready = self.is_up(pod.name());
            if is_ready(&pod) != ready {
                let mut next = (*pod).clone();
                let now = argo_core::Time::new(self.now).to_string();
                let status = if ready { "True" } else { "False" };
                let condition = json!([{"type": "Ready", "status": status, "lastTransitionTime": now}]);
                next.set(&["status"], json!({"phase": "Running", "conditions": condition}));
                self.store(Author::Cluster, &pod, next);
            }
        }
    }

    /// Keeps the history of a workload's template: the name of the revision that is wanted, and its template.
    fn revise(&mut self, set: &Arc<Object>) -> (String, Value) {
        let template = set.pointer("/spec/template").cloned().unwrap_or_default();
        let mut own: Vec<Arc<Object>> =
            self.of_kind("ControllerRevision").into_iter().filter(|it| it.is_controlled_by(set.uid())).collect();
        own.sort_by_key(|it| it.integer("/revision").unwrap_or_default());
        let last = own.last().and_then(|it| it.integer("/revision")).unwrap_or_default();
        let found = own.iter().find(|it| it.pointer("/data/spec/template") == Some(&template));
        if let Some(found) = found {
            if found.integer("/revision") != Some(last) {
                let mut next = (**found).clone();
                next.set(&["revision"], last + 1);
                self.store(Author::Cluster, found, next);
            }
            return (found.name().to_owned(), template);
        }
        let name = format!("{}-{}", set.name(), hash::pod_template(&template, None));
        let mut revision = Object::new(&Gvk::new("apps", "v1", "ControllerRevision"), set.namespace(), &name);
        revision.set_controller(&set.owner_reference());
        revision.set(&["data"], json!({"spec": {"template": template}}));
        revision.set(&["revision"], last + 1);
        self.put(Author::Cluster, revision);
        (name, template)
    }

    fn make_pod(&mut self, set: &Object, name: &str, revision: &str, template: &Value) {
        let mut pod = Object::new(&Gvk::new("", "v1", "Pod"), set.namespace(), name);
        let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        labels[REVISION] = json!(revision);
        pod.set(&["metadata", "labels"], labels);
        pod.set(&["spec"], template.get("spec").cloned().unwrap_or_default());
        pod.set_controller(&set.owner_reference());
        self.put(Author::Cluster, pod);
        let image = template.pointer("/spec/containers/0/image").and_then(Value::as_str).unwrap_or_default();
        self.pod_comes(name, image);
    }

    fn drop_pod(&mut self, pod: &Object) {
        self.remove(Author::Cluster, &pod.reference());
    }

    /// The template of a revision.
    fn template_of(&self, set: &Object, revision: &str) -> Option<Value> {
        let all = self.of_kind("ControllerRevision");
        let found = all.iter().find(|it| it.is_controlled_by(set.uid()) && it.name() == revision)?;
        found.pointer("/data/spec/template").cloned()
    }

    /// Pods with numbers: made from the first, replaced from the last, one at a time, none below the partition.
    fn settle_stateful(&mut self, set: &Arc<Object>, update: &str, wanted: &Value) {
        let replicas = set.integer("/spec/replicas").unwrap_or(1);
        let current =
            Some(set.text("/status/currentRevision")).filter(|it| !it.is_empty()).unwrap_or(update).to_owned();
        let partition = set.integer("/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
        let ordinal = |pod: &Object| -> i64 {
            let number = pod.name().rsplit('-').next().and_then(|it| it.parse().ok());
            number.unwrap_or(i64::MAX)
        };
        let mut pods = self.pods_of(set);
        pods.sort_by_key(|it| ordinal(it));
        let parallel = set.text("/spec/podManagementPolicy") == "Parallel";
        let mut goes_on = true;
        for number in 0..replicas {
            match pods.iter().find(|it| ordinal(it) == number) {
                None => {
                    let revision = if number < partition { current.as_str() } else { update };
                    let template = self.template_of(set, revision).unwrap_or_else(|| wanted.clone());
                    self.make_pod(set, &format!("{}-{number}", set.name()), revision, &template);
                    goes_on = parallel;
                }
                Some(pod) => goes_on = goes_on && (parallel || is_ready(pod)),
            }
            if !goes_on {
                break;
            }
        }
        if goes_on {
            match pods.iter().rev().find(|it| ordinal(it) >= replicas) {
                Some(surplus) => self.drop_pod(surplus),
                None => {
                    for pod in pods.iter().rev().take_while(|it| ordinal(it) >= partition) {
                        if pod.label(REVISION) != Some(update) {
                            self.drop_pod(pod);
                            break;
                        }
                        if !is_ready(pod) {
                            break;
                        }
                    }
                }
            }
        }
        let pods = self.pods_of(set);
        let ready = pods.iter().filter(|it| is_ready(it)).count();
        let updated = pods.iter().filter(|it| it.label(REVISION) == Some(update)).count();
        let all = usize::try_from(replicas).unwrap_or_default();
        let through = (pods.len(), ready, updated) == (all, all, all);
        let status = json!({"observedGeneration": set.generation(), "replicas": pods.len(), "readyReplicas": ready,
            "updatedReplicas": updated, "updateRevision": update, "currentRevision": if through { update } else { &current }});
        self.tell(set, status);
    }

    /// A pod on every node; none is replaced but what somebody deletes, as `OnDelete` has it, or else one at a time.
    fn settle_daemon(&mut self, set: &Arc<Object>, update: &str, wanted: &Value) {
        let hash = update.rsplit('-').next().unwrap_or_default();
        for node in 0..self.nodes {
            let name = format!("{}-on-{node}", set.name());
            if !self.has_pod(set, &name) {
                self.make_pod(set, &name, hash, wanted);
            }
        }
        if set.text("/spec/updateStrategy/type") != "OnDelete" {
            let pods = self.pods_of(set);
            let old = pods.iter().find(|it| it.label(REVISION) != Some(hash));
            if let Some(old) = old.filter(|it| !is_ready(it) || pods.iter().all(|it| is_ready(it))) {
                self.drop_pod(old);
            }
        }
        let pods = self.pods_of(set);
        let ready = pods.iter().filter(|it| is_ready(it)).count();
        let status = json!({"observedGeneration": set.generation(), "desiredNumberScheduled": self.nodes,
            "currentNumberScheduled": pods.len(), "numberReady": ready, "numberAvailable": ready});
        self.tell(set, status);
    }

    fn has_pod(&self, set: &Object, name: &str) -> bool {
        self.pods_of(set).iter().any(|it| it.name() == name)
    }

    fn tell(&mut self, set: &Arc<Object>, status: Value) {
        if set.get("status") != Some(&status) {
            let mut next = (**set).clone();
            next.set(&["status"], status);
            self.store(Author::Cluster, set, next);
        }
    }
}

pub(super) fn is_ready(pod: &Object) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|it| it.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"))
}

/// The hash of a pod's version, where the pod is one of a workload that is no ReplicaSet.
pub(super) fn hash_of(pod: &Object) -> &str {
    pod.label(REVISION).unwrap_or_default().rsplit('-').next().unwrap_or_default()
}

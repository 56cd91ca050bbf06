//! The little of a cluster that rollouts need: objects, versions, and pods that become ready.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{Change, Object, ObjectRef, Time, Timestamp, time};
use serde_json::json;

use super::journal::{Author, What, Written};
use crate::engine::RouteTraffic;

/// How soon pods of an image become ready; `None` never.
pub(super) type Readiness = BTreeMap<String, Option<Duration>>;

/// Nodes by default.
const NODES: usize = 10;

/// Objects by kind, namespace and name, and the pods of ReplicaSets as times at which they are ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Cluster {
    objects: BTreeMap<ObjectRef, Arc<Object>>,
    /// When each pod of a ReplicaSet (by name) is ready; `None` never. Oldest first. Pods that are objects stand here by
    /// their own name.
    pods: BTreeMap<String, Vec<Option<Timestamp>>>,
    version: u64,
    made: u64,
    pub(super) ready_in: Duration,
    /// How many nodes there are for DaemonSets.
    pub(super) nodes: usize,
    pub(super) readiness: Readiness,
    pub(super) now: Timestamp,
    /// The time that the journal counts from.
    pub(super) begin: Timestamp,
    pub(super) journal: Vec<Written>,
}

impl Cluster {
    pub(super) fn with_pods_ready_in(ready_in: Duration) -> Self {
        Self { ready_in, nodes: NODES, ..Self::default() }
    }

    pub(super) fn of_kind(&self, kind: &str) -> Vec<Arc<Object>> {
        self.objects.iter().filter(|(key, _)| key.gvk.kind == kind).map(|(_, it)| it.clone()).collect()
    }

    pub(super) fn get(&self, key: &ObjectRef) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    /// Adds or replaces an object.
    pub(super) fn put(&mut self, by: Author, mut object: Object) {
        let key = object.reference();
        if let Some(old) = self.objects.get(&key) {
            let old = old.clone();
            self.store(by, &old, object);
            return;
        }
        self.made += 1;
        object.set(&["metadata", "uid"], format!("uid-{}", self.made));
        object.set(&["metadata", "creationTimestamp"], Time::new(self.now).to_string());
        object.set(&["metadata", "generation"], 1);
        self.version += 1;
        object.set(&["metadata", "resourceVersion"], self.version.to_string());
        let object = Arc::new(object);
        self.note(by, What::Object { before: None, after: Some(object.clone()) });
        self.objects.insert(key, object);
    }

    pub(super) fn store(&mut self, by: Author, old: &Arc<Object>, mut object: Object) {
        if object.get("spec") != old.get("spec") {
            object.set(&["metadata", "generation"], old.generation() + 1);
        }
        self.version += 1;
        object.set(&["metadata", "resourceVersion"], self.version.to_string());
        let object = Arc::new(object);
        self.note(by, What::Object { before: Some(old.clone()), after: Some(object.clone()) });
        self.objects.insert(old.reference(), object);
    }

    pub(super) fn remove(&mut self, by: Author, key: &ObjectRef) -> bool {
        let Some(object) = self.objects.remove(key) else { return false };
        if ["ReplicaSet", "Pod"].contains(&object.gvk().kind.as_str()) {
            self.pods.remove(&key.name);
        }
        self.note(by, What::Object { before: Some(object), after: None });
        true
    }

    /// Remembers where requests go from now on.
    pub(super) fn note_traffic(&mut self, traffic: &RouteTraffic) {
        self.note(Author::Controller, What::Traffic(Arc::new(traffic.clone())));
    }

    fn note(&mut self, by: Author, what: What) {
        self.journal.push(Written { at: time::between(self.begin, self.now), by, what });
    }

    /// Carries out a change; false where an API server would refuse.
    pub(super) fn apply(&mut self, by: Author, change: &Change) -> bool {
        let key = change.target();
        match change {
            Change::Create { object } => {
                if self.objects.contains_key(&key) {
                    return false;
                }
                self.put(by, object.clone());
            }
            Change::Patch { patch, resource_version, .. } => {
                let Some(old) = self.objects.get(&key).cloned() else { return false };
                if resource_version.as_ref().is_some_and(|it| it != old.resource_version()) {
                    return false;
                }
                let mut value = old.value().clone();
                argo_merge::merge_patch::apply(&mut value, &patch.body);
                self.store(by, &old, Object::from_value(value));
            }
            // What is gone already is as it should be.
            Change::Delete { .. } | Change::Evict { .. } => {
                self.remove(by, &key);
            }
            Change::Apply { object, .. } | Change::Update { object } => self.put(by, object.clone()),
        }
        true
    }

    /// Makes and removes pods and writes the statuses of ReplicaSets; whether anything changed.
    pub(super) fn settle(&mut self) -> bool {
        let now = self.now;
        let mut changed = self.settle_in_place();
        for set in self.of_kind("ReplicaSet") {
            let wanted = usize::try_from(set.integer("/spec/replicas").unwrap_or(1)).unwrap_or_default();
            let ready = self.ready_at(&set);
            let pods = self.pods.entry(set.name().to_owned()).or_default();
            while pods.len() > wanted {
                // Those that are not ready go first, then the youngest.
                let worst = (0..pods.len()).max_by_key(|it| (pods[*it].is_none_or(|at| at > now), *it));
                pods.remove(worst.unwrap_or_default());
            }
            while pods.len() < wanted {
                pods.push(ready);
            }
            let available = pods.iter().filter(|it| it.is_some_and(|at| at <= now)).count();
            let status = json!({"replicas": wanted, "readyReplicas": available, "availableReplicas": available,
                "observedGeneration": set.generation()});
            if set.get("status") != Some(&status) {
                let mut next = (*set).clone();
                next.set(&["status"], status);
                self.store(Author::Cluster, &set, next);
                changed = true;
            }
        }
        changed
    }

    /// Pods of an image that were ready are not any more, the oldest first.
    pub(super) fn fail_pods(&mut self, image: &str, count: usize, lasts: Option<Duration>) {
        let again = lasts.map(|it| time::after(self.now, it));
        let sets = self.of_kind("ReplicaSet").into_iter().chain(self.of_kind("Pod"));
        let sets = sets.filter(|it| image_of(it) == image);
        let names: Vec<String> = sets.map(|it| it.name().to_owned()).collect();
        let mut left = count;
        for name in names {
            for pod in self.pods.get_mut(&name).into_iter().flatten() {
                if left > 0 && pod.is_some_and(|it| it <= self.now) {
                    *pod = again;
                    left -= 1;
                }
            }
        }
    }

    /// A pod that is an object comes up.
    pub(super) fn pod_comes(&mut self, name: &str, image: &str) {
        let delay = self.readiness.get(image).copied().unwrap_or(Some(self.ready_in));
        self.pods.insert(name.to_owned(), vec![delay.map(|it| time::after(self.now, it))]);
    }

    /// Whether a pod that is an object is up.
    pub(super) fn is_up(&self, name: &str) -> bool {
        let at = self.pods.get(name).and_then(|it| it.first()).copied().flatten();
        at.is_some_and(|it| it <= self.now)
    }

    fn ready_at(&self, set: &Object) -> Option<Timestamp> {
        let delay = self.readiness.get(image_of(set)).copied().unwrap_or(Some(self.ready_in))?;
        let seconds = set.integer("/spec/minReadySeconds").unwrap_or_default();
        let least = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        Some(time::after(self.now, delay + least))
    }

    /// When the next pod becomes ready.
    pub(super) fn next_ready(&self) -> Option<Timestamp> {
        self.pods.values().flatten().filter_map(|it| *it).filter(|it| *it > self.now).min()
    }
}

fn image_of(set: &Object) -> &str {
    let image = set.text("/spec/template/spec/containers/0/image");
    if image.is_empty() { set.text("/spec/containers/0/image") } else { image }
}

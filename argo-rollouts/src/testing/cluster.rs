//! The little of a cluster that rollouts need: objects, versions, and pods that become ready.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_core::{Change, Object, ObjectRef, Time, Timestamp, time};
use serde_json::{Value, json};

/// How soon pods of an image become ready; `None` never.
pub(super) type Readiness = BTreeMap<String, Option<Duration>>;

/// Objects by kind, namespace and name, and the pods of ReplicaSets as times at which they are ready.
#[derive(Debug, Clone, Default)]
pub(super) struct Cluster {
    objects: BTreeMap<ObjectRef, Arc<Object>>,
    /// When each pod of a ReplicaSet (by name) is ready; `None` never. Oldest first.
    pods: BTreeMap<String, Vec<Option<Timestamp>>>,
    version: u64,
    made: u64,
    pub(super) ready_in: Duration,
    pub(super) readiness: Readiness,
}

impl Cluster {
    pub(super) fn with_pods_ready_in(ready_in: Duration) -> Self {
        Self { ready_in, ..Self::default() }
    }

    pub(super) fn of_kind(&self, kind: &str) -> Vec<Arc<Object>> {
        self.objects.iter().filter(|(key, _)| key.gvk.kind == kind).map(|(_, it)| it.clone()).collect()
    }

    pub(super) fn get(&self, key: &ObjectRef) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    /// Adds or replaces what a user writes.
    pub(super) fn put(&mut self, mut object: Object, now: Timestamp) {
        let key = object.reference();
        if let Some(old) = self.objects.get(&key) {
            let old = old.clone();
            self.store(&old, object);
            return;
        }
        self.made += 1;
        object.set(&["metadata", "uid"], format!("uid-{}", self.made));
        object.set(&["metadata", "creationTimestamp"], Time::new(now).to_string());
        object.set(&["metadata", "generation"], 1);
        self.version += 1;
        object.set(&["metadata", "resourceVersion"], self.version.to_string());
        self.objects.insert(key, Arc::new(object));
    }

    fn store(&mut self, old: &Object, mut object: Object) {
        if object.get("spec") != old.get("spec") {
            object.set(&["metadata", "generation"], old.generation() + 1);
        }
        self.version += 1;
        object.set(&["metadata", "resourceVersion"], self.version.to_string());
        self.objects.insert(old.reference(), Arc::new(object));
    }

    /// Carries out a change; false on a conflict, as an API server would refuse.
    pub(super) fn apply(&mut self, change: &Change, now: Timestamp) -> bool {
        let key = change.target();
        match change {
            Change::Create { object } => {
                if self.objects.contains_key(&key) {
                    return false;
                }
                self.put(object.clone(), now);
            }
            Change::Patch { patch, resource_version, .. } => {
                let Some(old) = self.objects.get(&key).cloned() else { return false };
                if resource_version.as_ref().is_some_and(|it| it != old.resource_version()) {
                    return false;
                }
                let mut value = old.value().clone();
                argo_merge::merge_patch::apply(&mut value, &patch.body);
                self.store(&old, Object::from_value(value));
            }
            Change::Delete { .. } => {
                self.objects.remove(&key);
                self.pods.remove(&key.name);
            }
            Change::Evict { target } => {
                self.objects.remove(target);
            }
            Change::Apply { object, .. } | Change::Update { object } => self.put(object.clone(), now),
        }
        true
    }

    /// Makes and removes pods and writes the statuses of ReplicaSets; whether anything changed.
    pub(super) fn settle(&mut self, now: Timestamp) -> bool {
        let mut changed = false;
        for set in self.of_kind("ReplicaSet") {
            let wanted = usize::try_from(set.integer("/spec/replicas").unwrap_or(1)).unwrap_or_default();
            let ready = self.ready_at(&set, now);
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
                self.store(&set, next);
                changed = true;
            }
        }
        changed
    }

    fn ready_at(&self, set: &Object, now: Timestamp) -> Option<Timestamp> {
        let image = set.text("/spec/template/spec/containers/0/image");
        let delay = self.readiness.get(image).copied().unwrap_or(Some(self.ready_in))?;
        let seconds = set.integer("/spec/minReadySeconds").unwrap_or_default();
        let least = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        Some(time::after(now, delay + least))
    }

    /// When the next pod becomes ready.
    pub(super) fn next_ready(&self, now: Timestamp) -> Option<Timestamp> {
        self.pods.values().flatten().filter_map(|it| *it).filter(|it| *it > now).min()
    }

    /// Merges into an object, as a client's patch does.
    pub(super) fn merge(&mut self, key: &ObjectRef, body: Value, now: Timestamp) {
        self.apply(&Change::merge(key.clone(), body), now);
    }
}

//! Labels and annotations that pods carry while they are canary, preview, stable or active. They are
//! no part of what the template means, and pods are not restarted for them.

use std::sync::Arc;

use argo_core::{Change, Object, ObjectRef};
use serde_json::{Value, json};

use super::pass::{Flow, Pass};
use crate::api::{RunMetadata, names};

impl Pass<'_> {
    /// Brings the metadata of ReplicaSets, then of their pods, to what their role asks for. A pass
    /// that changed a ReplicaSet ends there.
    pub(crate) fn reconcile_ephemeral(&mut self) -> Flow {
        let (canary, blue_green) = (self.strategy(), self.blue_green());
        let (new, stable) = match (canary, blue_green) {
            (Some(it), _) => (it.canary_metadata.clone(), it.stable_metadata.clone()),
            (None, Some(it)) => (it.preview_metadata.clone(), it.active_metadata.clone()),
            (None, None) => (None, None),
        };
        if new.is_none() && stable.is_none() {
            return Flow::Continue;
        }
        let done = self.ro.status.stable_rs.is_empty() || self.ro.status.stable_rs == self.current_hash();
        let mut flow = Flow::Continue;
        for at in 0..self.sets.len() {
            let wanted = match Some(at) {
                it if it == self.new => if done { &stable } else { &new }.as_ref(),
                it if it == self.stable => stable.as_ref(),
                _ => None,
            };
            let set = self.sets[at].object.clone();
            let recorded = recorded(&set);
            if let Some(change) = synced(&set, recorded.as_ref(), wanted) {
                self.plan.push(change);
                flow = Flow::Stop;
            }
            if self.sets[at].spec > 0 {
                self.sync_pods(&set, recorded.as_ref(), wanted);
            }
        }
        flow
    }

    fn sync_pods(&mut self, set: &Object, recorded: Option<&RunMetadata>, wanted: Option<&RunMetadata>) {
        let pods: Vec<Arc<Object>> =
            self.world.pods.iter().filter(|it| it.is_controlled_by(set.uid()) && !it.is_deleting()).cloned().collect();
        for pod in pods {
            let meta = difference(&pod, recorded, wanted);
            if meta.as_object().is_some_and(|it| !it.is_empty()) {
                let target: ObjectRef = pod.reference();
                self.plan.push(Change::merge(target, json!({"metadata": meta})));
            }
        }
    }
}

/// What was put into the template of a ReplicaSet.
fn recorded(set: &Object) -> Option<RunMetadata> {
    serde_json::from_str(set.annotation(names::EPHEMERAL_METADATA)?).ok()
}

/// The change of a ReplicaSet whose template is to carry `wanted`.
fn synced(set: &Object, recorded: Option<&RunMetadata>, wanted: Option<&RunMetadata>) -> Option<Change> {
    let template = Object::from_value(set.pointer("/spec/template").cloned().unwrap_or_default());
    let meta = difference(&template, recorded, wanted);
    if meta.as_object().is_none_or(serde_json::Map::is_empty) {
        return None;
    }
    let mut next = set.clone();
    for (map, values) in meta.as_object().into_iter().flatten() {
        for (key, value) in values.as_object().into_iter().flatten() {
            let path = ["spec", "template", "metadata", map.as_str(), key.as_str()];
            match value {
                Value::Null => drop(next.remove(&path)),
                value => next.set(&path, value.clone()),
            }
        }
    }
    match wanted {
        Some(wanted) => {
            next.set_annotation(names::EPHEMERAL_METADATA, serde_json::to_string(wanted).unwrap_or_default());
        }
        None => drop(next.remove(&["metadata", "annotations", names::EPHEMERAL_METADATA])),
    }
    Change::merge_between(set, &next)
}

/// What is to be added to the metadata of an object, and (as null) what is to go: only keys that were
/// recorded go, as others may be anybody's.
fn difference(object: &Object, recorded: Option<&RunMetadata>, wanted: Option<&RunMetadata>) -> Value {
    let mut meta = json!({});
    let (none, wanted) = (RunMetadata::default(), wanted);
    let (recorded, wanted) = (recorded.unwrap_or(&none), wanted.unwrap_or(&none));
    for (map, old, new) in
        [("labels", &recorded.labels, &wanted.labels), ("annotations", &recorded.annotations, &wanted.annotations)]
    {
        let current = |key: &str| if map == "labels" { object.label(key) } else { object.annotation(key) };
        for (key, value) in new.iter().filter(|(key, value)| current(key) != Some(value)) {
            meta[map][key] = json!(value);
        }
        for key in old.keys().filter(|key| !new.contains_key(*key) && current(key).is_some()) {
            meta[map][key] = Value::Null;
        }
    }
    meta
}

/// The template of a ReplicaSet without what was put into it.
pub(crate) fn own_template(set: &Object) -> Value {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    if let Some(recorded) = recorded(set) {
        for (map, keys) in [("labels", &recorded.labels), ("annotations", &recorded.annotations)] {
            if let Some(map) = template.pointer_mut(&format!("/metadata/{map}")).and_then(Value::as_object_mut) {
                map.retain(|key, _| !keys.contains_key(key));
            }
        }
    }
    template
}

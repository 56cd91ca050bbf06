//! Which ReplicaSet is the new one, and the numbers of revisions.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{DESIRED_REPLICAS, MAX_REPLICAS, POD_TEMPLATE_HASH, REVISION, Rollout, Set};
use crate::simulator::kinds::{DEPLOYMENTS, REPLICA_SETS};
use crate::simulator::pass::Write;
use crate::simulator::read::{annotation, count, int, is_deleting, name, namespace, owner_reference, set_meta, text};

/// The letters of hashes in names: no vowels, nothing that looks like another.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Annotations of a Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// A hash for names, of ten letters at most, equal for equal values.
pub(in crate::simulator) fn name_hash(value: &Value, collisions: i64) -> String {
    let mut hasher = Sha256::new();
    hasher.update(value.to_string());
    if collisions > 0 {
        hasher.update(collisions.to_be_bytes());
    }
    let digest = hasher.finalize();
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    number.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

fn revision_of(set: &Value) -> i64 {
    annotation(set, REVISION).and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// A template as Deployments compare it: without the hash label.
fn comparable(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(POD_TEMPLATE_HASH);
        if labels.is_empty()
            && let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("labels");
        }
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.is_null());
        if metadata.is_empty()
            && let Some(root) = template.as_object_mut()
        {
            root.remove("metadata");
        }
    }
    template
}

impl Rollout<'_> {
    /// Sorts ReplicaSets into old ones, oldest first, and the one with the Deployment's template.
    pub(super) fn split(&mut self, mut sets: Vec<Set>) {
        let age = |set: &Set| {
            (
                text(&set.live, "/metadata/creationTimestamp").to_owned(),
                revision_of(&set.live),
                name(&set.live).to_owned(),
            )
        };
        sets.sort_by_key(age);
        let wanted = comparable(&self.deployment["spec"]["template"]);
        for set in sets {
            if self.new.is_none() && !is_deleting(&set.live) && comparable(&set.live["spec"]["template"]) == wanted {
                self.new = Some(set);
            } else {
                self.old.push(set);
            }
        }
    }

    /// Brings the new ReplicaSet's revision and annotations up to date, and creates it if asked to.
    pub(super) fn sync_new(&mut self, create: bool) {
        let last = self.old.iter().map(|set| revision_of(&set.live)).max().unwrap_or(0);
        let revision = last + 1;
        let min_ready = int(self.deployment, "/spec/minReadySeconds");
        if let Some(new) = &mut self.new {
            copy_annotations(self.deployment, &mut new.next);
            if revision_of(&new.live) < revision {
                let previous = annotation(&new.live, REVISION).unwrap_or_default().to_owned();
                if !previous.is_empty() {
                    let history = "deployment.kubernetes.io/revision-history";
                    let all = annotation(&new.live, history)
                        .map_or_else(|| previous.clone(), |older| format!("{older},{previous}"));
                    set_meta(&mut new.next, "annotations", history, &all);
                }
                set_meta(&mut new.next, "annotations", REVISION, &revision.to_string());
            }
            if int(&new.next, "/spec/minReadySeconds").unwrap_or(0) != min_ready.unwrap_or(0) {
                new.next["spec"]["minReadySeconds"] = json!(min_ready.unwrap_or(0));
            }
            self.revision = annotation(&new.next, REVISION).map(str::to_owned);
            return;
        }
        if create {
            self.create(revision);
        }
    }

    fn create(&mut self, revision: i64) {
        let deployment = self.deployment;
        let mut collisions = count(deployment, "/status/collisionCount");
        let template = &deployment["spec"]["template"];
        let mut hash = name_hash(template, collisions);
        // Another set has the name: a collision of hashes, or somebody else's set.
        while self.world.find(&REPLICA_SETS, namespace(deployment), &format!("{}-{hash}", name(deployment))).is_some() {
            collisions += 1;
            hash = name_hash(template, collisions);
            self.collisions = Some(collisions);
        }
        let mut template = template.clone();
        template["metadata"]["labels"][POD_TEMPLATE_HASH] = json!(hash);
        let mut selector = deployment["spec"]["selector"].clone();
        selector["matchLabels"][POD_TEMPLATE_HASH] = json!(hash);
        let mut set = json!({
            "apiVersion": REPLICA_SETS.api_version,
            "kind": REPLICA_SETS.kind,
            "metadata": {
                "name": format!("{}-{hash}", name(deployment)),
                "namespace": namespace(deployment),
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner_reference(deployment, DEPLOYMENTS.api_version, DEPLOYMENTS.kind)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        });
        if let Some(min_ready) = int(deployment, "/spec/minReadySeconds").filter(|it| *it > 0) {
            set["spec"]["minReadySeconds"] = json!(min_ready);
        }
        copy_annotations(deployment, &mut set);
        set_meta(&mut set, "annotations", REVISION, &revision.to_string());
        let mut set = Set { live: std::sync::Arc::new(Value::Null), next: set };
        let size = self.size_of_new(0);
        Self::resize(&mut set, size, self.replicas(), self.replicas() + self.max_surge());
        self.revision = Some(revision.to_string());
        self.new = Some(set);
    }

    /// Deletes old ReplicaSets beyond the history limit.
    pub(super) fn clean_up(&mut self) {
        let limit = int(self.deployment, "/spec/revisionHistoryLimit").unwrap_or(10);
        let alive: Vec<&Set> = self.old.iter().filter(|set| !is_deleting(&set.live)).collect();
        let excess = i64::try_from(alive.len()).unwrap_or(i64::MAX).saturating_sub(limit);
        let mut oldest = alive;
        oldest.sort_by_key(|set| revision_of(&set.live));
        let gone: Vec<Write> = oldest
            .into_iter()
            .take(usize::try_from(excess).unwrap_or(0))
            .filter(|set| {
                let observed =
                    count(&set.live, "/status/observedGeneration") >= count(&set.live, "/metadata/generation");
                count(&set.live, "/status/replicas") == 0 && set.replicas() == 0 && observed
            })
            .map(|set| Write::delete(&REPLICA_SETS, &set.live))
            .collect();
        self.pass.writes.extend(gone);
    }
}

fn copy_annotations(deployment: &Value, set: &mut Value) {
    let annotations = deployment.pointer("/metadata/annotations").and_then(Value::as_object);
    for (key, value) in annotations.into_iter().flat_map(Map::iter) {
        if !NOT_COPIED.contains(&key.as_str())
            && let Some(value) = value.as_str()
        {
            set_meta(set, "annotations", key, value);
        }
    }
}

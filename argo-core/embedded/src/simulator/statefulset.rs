//! StatefulSets: pods with numbers, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use argo_core::time::Timestamp;
use serde_json::{Value, json};

use super::kinds::{CLAIMS, PODS, STATEFUL_SETS};
use super::pass::{Pass, Write};
use super::read::{
    adopted, availability, controller_uid, count, generation, int, is_deleting, is_ready, label, labels, list, name,
    namespace, owner_reference, phase, portion, selects, text, uid,
};
use super::revision::{History, REVISION_HASH};
use super::world::World;

struct Set<'a> {
    world: &'a World,
    set: &'a Value,
    history: History,
    current: String,
    start: i64,
    replicas: i64,
    pods: BTreeMap<i64, Arc<Value>>,
    now: Timestamp,
}

pub(super) fn pass(world: &World, set: &Value, now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    let history = History::of(world, &STATEFUL_SETS, set, &mut pass);
    let current =
        Some(text(set, "/status/currentRevision")).filter(|it| !it.is_empty()).unwrap_or(&history.update).to_owned();
    let owner = owner_reference(set, STATEFUL_SETS.api_version, STATEFUL_SETS.kind);
    let mut pods = BTreeMap::new();
    for pod in world.within(&PODS, namespace(set)) {
        let Some(ordinal) = ordinal(set, pod) else { continue };
        let controller = controller_uid(pod);
        if controller == uid(set) {
            pods.insert(ordinal, pod.clone());
        } else if controller.is_empty()
            && selects(set.pointer("/spec/selector"), labels(pod))
            && !is_deleting(set)
            && !is_deleting(pod)
        {
            pass.write(Write::Update { kind: &PODS, object: adopted(pod, &owner) });
            pods.insert(ordinal, pod.clone());
        }
    }
    let start = count(set, "/spec/ordinals/start");
    let it = Set { world, set, history, current, start, replicas: int(set, "/spec/replicas").unwrap_or(1), pods, now };
    if !is_deleting(set) {
        it.act(&owner, &mut pass);
        it.history.trim(
            set,
            &|revision| it.current == revision || it.pods.values().any(|pod| it.revision(pod) == revision),
            &mut pass,
        );
    }
    it.status(&mut pass);
    pass
}

fn ordinal(set: &Value, pod: &Value) -> Option<i64> {
    name(pod).strip_prefix(name(set))?.strip_prefix('-')?.parse().ok()
}

fn is_healthy(pod: &Value) -> bool {
    phase(pod) == "Running" && is_ready(pod) && !is_deleting(pod)
}

impl Set<'_> {
    fn revision(&self, pod: &Value) -> String {
        label(pod, REVISION_HASH).unwrap_or_default().to_owned()
    }

    fn ordered(&self) -> bool {
        text(self.set, "/spec/podManagementPolicy") != "Parallel"
    }

    fn is_available(&self, pod: &Value, pass: &mut Pass) -> bool {
        match availability(pod, count(self.set, "/spec/minReadySeconds"), self.now) {
            Ok(()) => is_healthy(pod),
            Err(at) => {
                if let Some(at) = at {
                    pass.wake_at(at);
                }
                false
            }
        }
    }

    /// Up from the first, down from the last, then updates from the last.
    fn act(&self, owner: &Value, pass: &mut Pass) {
        let end = self.start + self.replicas;
        for (ordinal, pod) in &self.pods {
            self.own_claims(*ordinal, pod, pass);
        }
        for ordinal in self.start..end {
            match self.pods.get(&ordinal) {
                None => {
                    self.create(ordinal, owner, pass);
                    if self.ordered() {
                        return;
                    }
                }
                Some(pod) if matches!(phase(pod), "Failed" | "Succeeded") && !is_deleting(pod) => {
                    pass.write(Write::delete(&PODS, pod));
                    if self.ordered() {
                        return;
                    }
                }
                Some(pod) => {
                    let available = self.is_available(pod, pass);
                    if self.ordered() && (is_deleting(pod) || !available) {
                        // A pod of an old revision that will never come up must not block its own replacement.
                        self.update(pass, true);
                        return;
                    }
                }
            }
        }
        for pod in self.pods.range(end..).rev().chain(self.pods.range(..self.start).rev()).map(|(_, pod)| pod) {
            if is_deleting(pod) {
                if self.ordered() {
                    return;
                }
                continue;
            }
            pass.write(Write::delete(&PODS, pod));
            if self.ordered() {
                return;
            }
        }
        self.update(pass, false);
    }

    fn partition(&self) -> i64 {
        int(self.set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0)
    }

    /// The ordinals that an update replaces: none while the partition is above them all.
    fn updating(&self) -> std::ops::Range<i64> {
        let end = self.start + self.replicas;
        self.start.saturating_add(self.partition()).min(end)..end
    }

    /// Gives the claims of a pod to whom `persistentVolumeClaimRetentionPolicy` says they go with: the set, a pod that is one too many, or
    /// nobody.
    fn own_claims(&self, ordinal: i64, pod: &Value, pass: &mut Pass) {
        let policy =
            |when: &str| text(self.set, &format!("/spec/persistentVolumeClaimRetentionPolicy/{when}")) == "Delete";
        let excess = !(self.start..self.start + self.replicas).contains(&ordinal);
        let owner = if excess && policy("whenScaled") {
            Some(owner_reference(pod, PODS.api_version, PODS.kind))
        } else if policy("whenDeleted") {
            Some(owner_reference(self.set, STATEFUL_SETS.api_version, STATEFUL_SETS.kind))
        } else {
            None
        };
        for template in list(self.set, "/spec/volumeClaimTemplates") {
            let claim_name = format!("{}-{}", name(template), name(pod));
            let Some(claim) = self.world.find(&CLAIMS, namespace(self.set), &claim_name) else { continue };
            let owners = list(claim, "/metadata/ownerReferences");
            let ours = |other: &Value| {
                text(other, "/uid") == uid(self.set)
                    || (text(other, "/kind") == PODS.kind && text(other, "/name") == name(pod))
            };
            let next: Vec<Value> = owners.iter().filter(|other| !ours(other)).cloned().chain(owner.clone()).collect();
            if next != owners && !is_deleting(claim) {
                let mut object = (**claim).clone();
                object["metadata"]["ownerReferences"] = json!(next);
                pass.write(Write::Update { kind: &CLAIMS, object });
            }
        }
    }

    /// Deletes the last pods of an old revision, as long as no more than `maxUnavailable` of those from the partition on are not healthy.
    /// `broken`: a pod holds the others up.
    fn update(&self, pass: &mut Pass, broken: bool) {
        if text(self.set, "/spec/updateStrategy/type") == "OnDelete" {
            return;
        }
        let most = self.set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable");
        if let Some(most) = portion(most, self.replicas, true).map(|most| most.max(1)).filter(|_| !broken) {
            let range = self.updating();
            let down: Vec<i64> = (self.start..self.start + self.replicas)
                .filter(|ordinal| {
                    self.pods.get(ordinal).is_none_or(|pod| !is_healthy(pod) || !self.is_available(pod, pass))
                })
                .collect();
            let mut room = most - i64::try_from(down.len()).unwrap_or(i64::MAX);
            for (ordinal, pod) in self.pods.range(range).rev() {
                if self.revision(pod) == self.history.update || is_deleting(pod) {
                    continue;
                }
                if !down.contains(ordinal) {
                    if room <= 0 {
                        break;
                    }
                    room -= 1;
                }
                pass.write(Write::delete(&PODS, pod));
            }
            return;
        }
        for (_, pod) in self.pods.range(self.updating()).rev() {
            if self.revision(pod) != self.history.update && !is_deleting(pod) {
                // Upstream leaves a broken pod of an old revision to be deleted by hand when pods are ordered; so it is here.
                if !broken {
                    pass.write(Write::delete(&PODS, pod));
                }
                return;
            }
            if !is_healthy(pod) || !self.is_available(pod, pass) {
                return;
            }
        }
    }

    fn create(&self, ordinal: i64, owner: &Value, pass: &mut Pass) {
        let set = self.set;
        let rolling = text(set, "/spec/updateStrategy/type") != "OnDelete";
        let before = int(set, "/spec/updateStrategy/rollingUpdate/partition")
            .unwrap_or_else(|| count(set, "/status/currentReplicas"));
        let keeps = rolling && self.current != self.history.update && ordinal < self.start + before;
        let revision = if keeps { &self.current } else { &self.history.update };
        let template = self.history.template(set, revision);
        let pod_name = format!("{}-{ordinal}", name(set));
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": template["spec"]});
        for member in ["labels", "annotations", "finalizers"] {
            if let Some(value) = template.pointer(&format!("/metadata/{member}")).filter(|it| !it.is_null()) {
                pod["metadata"][member] = value.clone();
            }
        }
        pod["metadata"]["name"] = json!(pod_name);
        pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
        pod["metadata"]["namespace"] = json!(namespace(set));
        pod["metadata"]["ownerReferences"] = json!([owner]);
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(pod_name);
        pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
        pod["metadata"]["labels"][REVISION_HASH] = json!(revision);
        pod["spec"]["hostname"] = json!(pod_name);
        if !text(set, "/spec/serviceName").is_empty() {
            pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
        }
        let mut volumes: Vec<Value> = list(&pod, "/spec/volumes").to_vec();
        for claim in list(set, "/spec/volumeClaimTemplates") {
            let claim_name = format!("{}-{pod_name}", name(claim));
            volumes.retain(|volume| text(volume, "/name") != name(claim));
            volumes.push(json!({"name": name(claim), "persistentVolumeClaim": {"claimName": claim_name}}));
            if self.world.find(&CLAIMS, namespace(set), &claim_name).is_none() {
                let mut object = claim.clone();
                object["apiVersion"] = json!("v1");
                object["kind"] = json!("PersistentVolumeClaim");
                let mut metadata = json!({"name": claim_name, "namespace": namespace(set)});
                metadata["labels"] = set.pointer("/spec/selector/matchLabels").cloned().unwrap_or_else(|| json!({}));
                object["metadata"] = metadata;
                if let Some(root) = object.as_object_mut() {
                    root.remove("status");
                }
                pass.write(Write::Create { kind: &CLAIMS, object });
            }
        }
        if !volumes.is_empty() {
            pod["spec"]["volumes"] = Value::Array(volumes);
        }
        pass.write(Write::Create { kind: &PODS, object: pod });
    }

    fn status(&self, pass: &mut Pass) {
        let number = |wanted: &dyn Fn(&Value) -> bool| {
            i64::try_from(self.pods.values().filter(|pod| wanted(pod)).count()).unwrap_or(0)
        };
        let total = number(&|_| true);
        let ready = number(&|pod| phase(pod) == "Running" && is_ready(pod));
        let updated = number(&|pod| !is_deleting(pod) && self.revision(pod) == self.history.update);
        let mut current = number(&|pod| !is_deleting(pod) && self.revision(pod) == self.current);
        let mut revision = self.current.as_str();
        let mut available = 0;
        for pod in self.pods.values() {
            available += i64::from(self.is_available(pod, pass));
        }
        let rolling = text(self.set, "/spec/updateStrategy/type") != "OnDelete";
        if rolling
            && updated == self.replicas
            && ready == self.replicas
            && total == self.replicas
            && revision != self.history.update
        {
            revision = &self.history.update;
            current = updated;
        }
        let mut status = json!({
            "observedGeneration": generation(self.set),
            "replicas": total,
            "availableReplicas": available,
            "currentRevision": revision,
            "updateRevision": self.history.update,
            "collisionCount": count(self.set, "/status/collisionCount"),
        });
        for (field, number) in [("readyReplicas", ready), ("currentReplicas", current), ("updatedReplicas", updated)] {
            if number > 0 {
                status[field] = json!(number);
            }
        }
        pass.status(&STATEFUL_SETS, self.set, status);
    }
}

/// Claims are bound as soon as they are made.
pub(super) fn claim_pass(claim: &Value) -> Pass {
    let mut pass = Pass::default();
    if is_deleting(claim) || text(claim, "/status/phase") == "Bound" {
        return pass;
    }
    let mut status = json!({"phase": "Bound"});
    for (field, from) in [("accessModes", "/spec/accessModes"), ("capacity", "/spec/resources/requests")] {
        if let Some(value) = claim.pointer(from) {
            status[field] = value.clone();
        }
    }
    pass.status(&CLAIMS, claim, status);
    pass
}

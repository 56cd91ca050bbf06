//! Making, adopting and removing ReplicaSets.

use argo_core::{Change, Gvk, Note, Object};
use serde_json::{Value, json};

use super::{
    pass::{Flow, Pass, selected},
    services::selector_hash,
    world::ReplicaSet,
};
use crate::api::names;
use names::reason;

/// Annotations that a ReplicaSet does not take over from its Rollout.
const NOT_INHERITED: [&str; 5] =
    [names::LAST_APPLIED, names::REVISION, names::REVISION_HISTORY, names::DESIRED_REPLICAS, names::NOTIFIED];

/// Old ReplicaSets kept by default.
const HISTORY: i64 = 10;

impl Pass<'_> {
    /// Adopts orphans that the selector matches and lets go of owned ReplicaSets that it no longer matches.
    pub(crate) fn claim(&mut self) -> Flow {
        let uid = self.ro.metadata.uid.clone().unwrap_or_default();
        let mut flow = Flow::Continue;
        if self.ro.spec.selector.as_ref().is_none_or(|it| it.is_empty()) {
            return flow;
        }
        let namespace = self.ro.metadata.namespace.as_deref();
        for set in self.world.replica_sets.iter().filter(|it| !it.is_deleting() && it.namespace() == namespace) {
            let mut claimed = (**set).clone();
            match (set.controller(), selected(&self.ro, set)) {
                (None, true) => claimed.set_controller(&self.world.rollout.owner_reference()),
                (Some(owner), false) if owner.uid == uid => {
                    let mut owners = set.owner_references();
                    owners.retain(|it| it.uid != uid);
                    claimed.set(&["metadata", "ownerReferences"], serde_json::to_value(owners).unwrap_or_default());
                }
                _ => continue,
            }
            if let Some(change) = Change::merge_between(set, &claimed) {
                self.plan.push(change);
                flow = Flow::Stop;
            }
        }
        flow
    }

    /// Makes the ReplicaSet of the wanted template, without pods yet. Another's ReplicaSet of that
    /// name is a collision: the next pass takes another hash.
    pub(crate) fn create_new_set(&mut self) {
        let hash = self.current_hash();
        let name = format!("{}-{hash}", self.name());
        let namespace = self.ro.metadata.namespace.clone();
        let taken =
            self.world.replica_sets.iter().find(|it| it.name() == name && it.namespace() == namespace.as_deref());
        if let Some(taken) = taken {
            if !taken.is_deleting() {
                self.next.collision_count = Some(self.ro.status.collision_count.unwrap_or_default() + 1);
                self.write();
            }
            return;
        }
        let revision = self.sets.iter().map(|it| it.revision).max().unwrap_or_default() + 1;
        self.plan.push(Change::create(self.replica_set(&name, &hash, revision)));
        if revision == 1 && self.ro.status.observed_generation.is_empty() {
            let of = format!("{}/{}", namespace.as_deref().unwrap_or_default(), self.name());
            let message = format!("Rollout resource added to informer: {of}");
            self.plan.note(Note::normal(reason::ADDED, message));
        }
        let message = format!("Rollout updated to revision {revision}");
        self.plan.note(Note::normal(reason::UPDATED, message));
        let message = format!("Created ReplicaSet {name} (revision {revision})");
        self.plan.note(Note::normal(reason::NEW_RS, message));
        // The status follows with the pass that begins the update, in one write.
        self.push_revision(revision);
    }

    /// Writes the revision on the Rollout, unless it is there.
    fn push_revision(&mut self, revision: i64) -> Flow {
        let revision = revision.to_string();
        if self.revision() == revision {
            return Flow::Continue;
        }
        let body = json!({"metadata": {"annotations": {names::REVISION: revision}}});
        self.plan.push(Change::merge(self.world.rollout.reference(), body));
        Flow::Stop
    }

    /// An update to a ReplicaSet that was made for it begins its progress anew, whatever came of the one before:
    /// until the status says that it began, what it says of progress does not count.
    pub(crate) fn begin_progress(&mut self) {
        let Some(set) = self.new_set() else { return };
        let known = self.ro.status.current_pod_hash == set.hash;
        if known || set.object.annotation(names::REVISION_HISTORY).is_some() {
            return;
        }
        let message = format!("Created new replica set \"{}\"", set.name());
        self.set_condition(names::condition::PROGRESSING, "True", reason::NEW_RS, &message);
        self.ro.status.conditions.clone_from(&self.next.conditions);
    }

    fn replica_set(&self, name: &str, hash: &str, revision: i64) -> Object {
        let spec = &self.ro.spec;
        let mut template = spec.template.clone();
        if let Some(meta) = template.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.retain(|_, it| !it.is_null());
        }
        template["metadata"]["labels"][names::POD_TEMPLATE_HASH] = json!(hash);
        if let Some(affinity) = self.affinity() {
            template["spec"]["affinity"] = affinity;
        }
        let mut selector = serde_json::to_value(&spec.selector).unwrap_or_default();
        selector["matchLabels"][names::POD_TEMPLATE_HASH] = json!(hash);
        let mut set = Object::new(&Gvk::new("apps", "v1", "ReplicaSet"), self.ro.metadata.namespace.as_deref(), name);
        set.set(&["metadata", "labels"], template["metadata"]["labels"].clone());
        for (key, value) in self.inherited() {
            set.set_annotation(key, value);
        }
        set.set_annotation(names::REVISION, revision.to_string());
        set.set_annotation(names::DESIRED_REPLICAS, self.replicas().to_string());
        set.set_controller(&self.world.rollout.owner_reference());
        set.set(&["spec", "replicas"], 0);
        if let Some(seconds) = spec.min_ready_seconds.filter(|it| *it != 0) {
            set.set(&["spec", "minReadySeconds"], seconds);
        }
        set.set(&["spec", "selector"], selector);
        set.set(&["spec", "template"], template);
        set
    }

    fn inherited(&self) -> impl Iterator<Item = (&str, &str)> {
        let annotations = self.ro.metadata.annotations.iter();
        annotations.filter(|(key, _)| !NOT_INHERITED.contains(&key.as_str())).map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Gives the new ReplicaSet the highest revision (a reused one remembers its old ones), keeps it
    /// in step with the Rollout's annotations, and writes the revision on the Rollout.
    pub(crate) fn sync_revision(&mut self) -> Flow {
        if self.in_place.is_some() {
            return self.sync_workload_revision();
        }
        let Some(at) = self.new else { return Flow::Continue };
        let others = self.sets.iter().enumerate().filter(|(it, _)| *it != at);
        let wanted = others.map(|(_, it)| it.revision).max().unwrap_or_default() + 1;
        let set = &self.sets[at];
        let revision = set.revision.max(wanted);
        let mut synced = (*set.object).clone();
        let inherited: Vec<(String, String)> = self.inherited().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for (key, value) in inherited {
            synced.set_annotation(&key, value);
        }
        if revision != set.revision {
            if set.revision != 0 {
                let history = set.object.annotation(names::REVISION_HISTORY).filter(|it| !it.is_empty());
                let history = history.map_or_else(|| set.revision.to_string(), |it| format!("{it},{}", set.revision));
                synced.set_annotation(names::REVISION_HISTORY, history);
            }
            synced.set_annotation(names::REVISION, revision.to_string());
        }
        let ready = self.ro.spec.min_ready_seconds.unwrap_or_default();
        if synced.integer("/spec/minReadySeconds").unwrap_or_default() != ready {
            synced.set(&["spec", "minReadySeconds"], ready);
        }
        if self.affinity_is_outdated(set.object.pointer("/spec/template").unwrap_or(&Value::Null)) {
            synced.set(&["spec", "template", "spec", "affinity"], self.affinity().unwrap_or_default());
        }
        if let Some(change) = Change::merge_between(&set.object, &synced) {
            self.plan.push(change);
            return Flow::Stop;
        }
        let (name, told) = (set.name().to_owned(), set.object.annotation(names::REVISION_HISTORY).is_none());
        if self.push_revision(revision) == Flow::Stop {
            // One that was made for this revision was told of then.
            if !told {
                let message = format!("Rollout updated to revision {revision}");
                self.plan.note(Note::normal(reason::UPDATED, message));
            }
            return Flow::Stop;
        }
        if self.ro.status.condition(names::condition::PROGRESSING).is_none() {
            let message = format!("Found new replica set \"{name}\"");
            self.set_condition(names::condition::PROGRESSING, "True", reason::FOUND_RS, &message);
        }
        Flow::Continue
    }

    /// Whether status, Services or routers still point at it.
    pub(crate) fn is_referenced(&self, set: &ReplicaSet) -> bool {
        let status = &self.ro.status;
        let (canary, blue_green) = (self.strategy(), self.blue_green());
        let named = [
            canary.and_then(|it| it.canary_service.as_deref()),
            canary.and_then(|it| it.stable_service.as_deref()),
            blue_green.map(|it| it.active_service.as_str()),
            blue_green.and_then(|it| it.preview_service.as_deref()),
        ];
        let mut services =
            self.world.services.iter().filter(|it| {
                it.namespace() == self.ro.metadata.namespace.as_deref() && named.contains(&Some(it.name()))
            });
        let weights = status.canary.weights.iter().flat_map(|it| [&it.canary, &it.stable]);
        let hashes = [
            &status.stable_rs,
            &status.current_pod_hash,
            &status.blue_green.active_selector,
            &status.blue_green.preview_selector,
        ];
        hashes.into_iter().chain(weights.map(|it| &it.pod_template_hash)).any(|it| *it == set.hash)
            || services.any(|it| selector_hash(it) == set.hash)
            || self.world.routed_hashes.contains(&set.hash)
    }

    pub(crate) fn others_at(&self) -> impl Iterator<Item = usize> {
        let (new, stable) = (self.new, self.stable);
        (0..self.sets.len()).filter(move |it| Some(*it) != new && Some(*it) != stable)
    }

    /// Deletes the oldest empty ReplicaSets beyond `revisionHistoryLimit`.
    pub(crate) fn limit_history(&mut self) {
        let limit = self.ro.spec.revision_history_limit.unwrap_or(HISTORY).max(0);
        let old: Vec<usize> = self.others_at().collect();
        let surplus = i64::try_from(old.len()).unwrap_or(i64::MAX) - limit;
        let candidates = old.into_iter().take(usize::try_from(surplus).unwrap_or_default());
        for at in candidates {
            let set = &self.sets[at];
            if set.spec == 0 && set.replicas == 0 && !set.is_unobserved() {
                self.plan.push(Change::delete(&set.object));
            }
        }
    }
}

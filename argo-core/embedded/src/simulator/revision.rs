//! ControllerRevisions: the history of a StatefulSet's or DaemonSet's template.

use std::sync::Arc;

use serde_json::{Value, json};

use super::deployment::name_hash;
use super::kinds::{CONTROLLER_REVISIONS, Kind, STATEFUL_SETS};
use super::pass::{Pass, Write};
use super::read::{count, int, is_deleting, name, namespace, owner_reference};
use super::world::World;

pub(super) const REVISION_HASH: &str = "controller-revision-hash";

/// The same on the revisions of StatefulSets.
const STATEFUL_HASH: &str = "controller.kubernetes.io/hash";

/// The history of a template, and where in it the object is now.
pub(super) struct History {
    /// Name of the revision with the template as it is.
    pub(super) update: String,
    /// All revisions, oldest first.
    all: Vec<Arc<Value>>,
}

impl History {
    /// Reads the history and adds the template as it is, if it is new.
    pub(super) fn of(world: &World, kind: &'static Kind, object: &Value, pass: &mut Pass) -> Self {
        let mut all = world.controlled(&CONTROLLER_REVISIONS, object);
        all.sort_by_key(|revision| (count(revision, "/revision"), name(revision).to_owned()));
        let mut data = json!({"spec": {"template": object["spec"]["template"]}});
        data["spec"]["template"]["$patch"] = json!("replace");
        let last = all.last().map_or(0, |revision| count(revision, "/revision"));
        if let Some(found) = all.iter().rfind(|revision| revision["data"] == data) {
            let update = name(found).to_owned();
            // A template that returns is the newest again.
            if count(found, "/revision") < last && !is_deleting(object) {
                let mut next = (**found).clone();
                next["revision"] = json!(last + 1);
                pass.write(Write::Update { kind: &CONTROLLER_REVISIONS, object: next });
            }
            return Self { update, all };
        }
        let mut collisions = 0;
        let mut hash = name_hash(&data, 0);
        while world.find(&CONTROLLER_REVISIONS, namespace(object), &format!("{}-{hash}", name(object))).is_some() {
            collisions += 1;
            hash = name_hash(&data, collisions);
        }
        let update = format!("{}-{hash}", name(object));
        let mut labels = object.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        let label = if kind.resource == STATEFUL_SETS.resource { STATEFUL_HASH } else { REVISION_HASH };
        labels[label] = json!(hash);
        if !is_deleting(object) {
            let mut revision = json!({
                "apiVersion": CONTROLLER_REVISIONS.api_version,
                "kind": CONTROLLER_REVISIONS.kind,
                "metadata": {
                    "name": update, "namespace": namespace(object), "labels": labels,
                    "ownerReferences": [owner_reference(object, kind.api_version, kind.kind)],
                },
                "data": data,
                "revision": last + 1,
            });
            if let Some(annotations) = object.pointer("/metadata/annotations") {
                revision["metadata"]["annotations"] = annotations.clone();
            }
            pass.write(Write::Create { kind: &CONTROLLER_REVISIONS, object: revision });
        }
        Self { update, all }
    }

    /// The template of a revision; the object's own for the newest.
    pub(super) fn template(&self, object: &Value, revision: &str) -> Value {
        let older = self.all.iter().find(|it| revision != self.update && name(it) == revision);
        let template = older.map_or(&object["spec"]["template"], |it| &it["data"]["spec"]["template"]);
        let mut template = template.clone();
        if let Some(members) = template.as_object_mut() {
            members.remove("$patch");
        }
        template
    }

    /// Deletes what is beyond the limit and in nobody's use.
    pub(super) fn trim(&self, object: &Value, used: &dyn Fn(&str) -> bool, pass: &mut Pass) {
        let limit = usize::try_from(int(object, "/spec/revisionHistoryLimit").unwrap_or(10)).unwrap_or(0);
        let unused: Vec<&Arc<Value>> =
            self.all.iter().filter(|it| name(it) != self.update && !used(name(it))).collect();
        for revision in unused.iter().take(unused.len().saturating_sub(limit)) {
            pass.write(Write::delete(&CONTROLLER_REVISIONS, revision));
        }
    }
}

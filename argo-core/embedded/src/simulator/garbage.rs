//! Garbage collection by owner references: background, foreground, orphan.

use serde_json::{Value, json};

use super::pass::{Pass, Write};
use super::read::{flag, is_deleting, list, text, uid};
use super::world::{Place, World};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// How the owner of an object stands.
enum Owner {
    /// It is there and stays.
    Solid,
    /// It waits, deleted in the foreground, for what it owns.
    Waiting,
    /// It is gone.
    Absent,
}

/// One pass over one object, as an owner and as something owned. `served` knows the kinds there are: owners of others are left in peace.
pub(super) fn pass(world: &World, place: &Place, object: &Value, served: &dyn Fn(&str, &str) -> bool) -> Pass {
    let mut pass = Pass::default();
    if is_deleting(object) {
        if has_finalizer(object, ORPHAN) {
            for (dependent_place, dependent) in world.dependents(uid(object)) {
                let kept: Vec<&Value> = list(dependent, "/metadata/ownerReferences")
                    .iter()
                    .filter(|owner| text(owner, "/uid") != uid(object))
                    .collect();
                pass.write(patch(dependent_place, dependent, json!({"ownerReferences": kept})));
            }
            pass.write(without_finalizer(place, object, ORPHAN));
            return pass;
        }
        if has_finalizer(object, FOREGROUND) {
            let blocking = world.dependents(uid(object)).any(|(_, dependent)| {
                list(dependent, "/metadata/ownerReferences")
                    .iter()
                    .any(|owner| text(owner, "/uid") == uid(object) && flag(owner, "/blockOwnerDeletion"))
            });
            if !blocking {
                pass.write(without_finalizer(place, object, FOREGROUND));
            }
        }
        return pass;
    }
    let owners = list(object, "/metadata/ownerReferences");
    if owners.is_empty() {
        return pass;
    }
    let mut solid = Vec::new();
    let mut waiting = false;
    for reference in owners {
        match owner(world, place, reference, served) {
            Owner::Solid => solid.push(reference),
            Owner::Waiting => waiting = true,
            Owner::Absent => {}
        }
    }
    if solid.len() == owners.len() {
        return pass;
    }
    if !solid.is_empty() {
        pass.write(patch(place, object, json!({"ownerReferences": solid})));
        return pass;
    }
    let propagation = if has_finalizer(object, ORPHAN) {
        "Orphan"
    } else if (waiting && world.dependents(uid(object)).next().is_some()) || has_finalizer(object, FOREGROUND) {
        "Foreground"
    } else {
        "Background"
    };
    pass.write(Write::Delete {
        place: place.clone(),
        api_version: text(object, "/apiVersion").to_owned(),
        uid: uid(object).to_owned(),
        propagation: Some(propagation),
        grace: None,
    });
    pass
}

fn owner(world: &World, place: &Place, reference: &Value, served: &dyn Fn(&str, &str) -> bool) -> Owner {
    match world.by_uid(text(reference, "/uid")) {
        // A namespaced owner counts only within its namespace.
        Some((owner_place, owner))
            if owner_place.key.namespace.is_empty() || owner_place.key.namespace == place.key.namespace =>
        {
            if is_deleting(owner) && has_finalizer(owner, FOREGROUND) {
                Owner::Waiting
            } else {
                Owner::Solid
            }
        }
        _ if served(text(reference, "/apiVersion"), text(reference, "/kind")) => Owner::Absent,
        _ => Owner::Solid,
    }
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(object, "/metadata/finalizers").iter().any(|it| it == finalizer)
}

fn without_finalizer(place: &Place, object: &Value, finalizer: &str) -> Write {
    let kept: Vec<&Value> = list(object, "/metadata/finalizers").iter().filter(|it| *it != finalizer).collect();
    patch(place, object, json!({"finalizers": kept}))
}

/// A change of metadata, only of the object as it was read. Empty lists go.
fn patch(place: &Place, object: &Value, mut metadata: Value) -> Write {
    if let Some(members) = metadata.as_object_mut() {
        for value in members.values_mut() {
            if value.as_array().is_some_and(Vec::is_empty) {
                *value = Value::Null;
            }
        }
    }
    metadata["uid"] = json!(uid(object));
    metadata["resourceVersion"] = json!(text(object, "/metadata/resourceVersion"));
    Write::Patch {
        place: place.clone(),
        api_version: text(object, "/apiVersion").to_owned(),
        patch: json!({"metadata": metadata}),
    }
}

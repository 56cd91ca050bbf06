//! The API server of a [`World`].

use argo_core::{
    ApplyError, Category, Change, Object, Propagation,
    plan::{Patch, PatchKind},
    time,
};
use argo_merge::{Schema, json_patch, merge_patch, strategic};

use super::World;
use crate::engine::LiveView;

impl World {
    /// Carries a change out as an API server would, without defaults, validation or controllers.
    pub(super) fn write(&mut self, change: &Change) -> Result<(), ApplyError> {
        if let Some(left) = &mut self.writes_left {
            if *left == 0 {
                return Err(ApplyError::new(change, Category::Unavailable, "the controller was killed"));
            }
            *left -= 1;
        }
        let target = change.target();
        if !matches!(change, Change::Delete { .. })
            && let Some(message) = self.refused.get(&(target.gvk.kind.clone(), target.name.clone()))
        {
            return Err(ApplyError::new(change, Category::Invalid, message.clone()));
        }
        let live = self.live.get(&target);
        let missing = || ApplyError::new(change, Category::NotFound, format!("{target} not found"));
        match change {
            Change::Create { object } => {
                if live.is_some() {
                    return Err(ApplyError::new(change, Category::AlreadyExists, format!("{target} already exists")));
                }
                self.put(object.clone());
            }
            Change::Apply { object, .. } => {
                let mut merged = live.as_deref().cloned().unwrap_or_else(|| object.clone());
                merge_patch::apply(merged.value_mut(), object.value());
                self.put(merged);
            }
            Change::Update { object } => {
                live.ok_or_else(missing)?;
                self.put(object.clone());
            }
            Change::Patch { patch, resource_version, .. } => {
                let mut object = (*live.ok_or_else(missing)?).clone();
                if resource_version.as_ref().is_some_and(|it| it != object.resource_version()) {
                    return Err(ApplyError::new(change, Category::Conflict, "the object has been modified"));
                }
                apply_patch(&mut object, patch)
                    .map_err(|message| ApplyError::new(change, Category::Invalid, message))?;
                if object.is_deleting() && object.finalizers().next().is_none() {
                    self.live.remove(&target);
                } else {
                    self.put(object);
                }
            }
            Change::Delete { propagation, .. } => {
                if let Some(object) = live {
                    self.delete(&object, *propagation);
                }
            }
            Change::Evict { .. } => {}
        }
        self.written.push(change.clone());
        Ok(())
    }

    /// Deletes as an API server would: what has finalizers only begins to go.
    pub fn delete(&mut self, object: &Object, _: Propagation) {
        if object.finalizers().next().is_some() {
            let mut going = object.clone();
            going.set(&["metadata", "deletionTimestamp"], time::rfc3339(self.now));
            self.put(going);
        } else {
            self.live.remove(&object.reference());
        }
    }
}

fn apply_patch(object: &mut Object, patch: &Patch) -> Result<(), String> {
    match patch.kind {
        PatchKind::Merge => merge_patch::apply(object.value_mut(), &patch.body),
        PatchKind::Json => {
            json_patch::apply(object.value_mut(), &patch.body).map_err(|it| it.to_string())?;
        }
        PatchKind::Strategic => {
            let schema = Schema::of_object(object.value());
            let merged = strategic::apply(object.value(), &patch.body, &schema).map_err(|it| it.to_string())?;
            *object = Object::from_value(merged);
        }
    }
    Ok(())
}

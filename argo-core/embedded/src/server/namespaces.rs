//! Namespaces: they must exist, and take everything in them along when they go.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Call;
use super::delete::{DeleteOptions, Deleted};
use super::meta::{self, set_metadata, set_path};
use super::state::State;
use super::status::ApiError;
use crate::resources::ResourceDef;
use crate::store::{Event, GroupResource, ObjectKey, Op};

/// Namespaces that are there from the start and cannot be deleted (all but `kube-node-lease`).
pub(crate) const INITIAL: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

pub(crate) fn is_namespace(def: &ResourceDef) -> bool {
    is_namespaces(&def.stored)
}

fn is_namespaces(resource: &GroupResource) -> bool {
    resource.group.is_empty() && resource.resource.as_ref() == "namespaces"
}

// === impl State ===

impl State {
    /// Refuses to create in a namespace that is not there or is going away.
    pub(super) fn open_namespace(&self, call: &Call<'_>, object: &Value) -> Result<(), ApiError> {
        let Some(namespace) = call.namespace else { return Ok(()) };
        if call.def.review {
            return Ok(());
        }
        let namespaces = GroupResource::new("", "namespaces");
        let found = self
            .store
            .read(&namespaces, &ObjectKey::new(None, namespace))
            .ok_or_else(|| ApiError::not_found(&namespaces, namespace))?;
        if meta::is_deleting(&found) {
            let name = meta::name(object);
            let mut error = ApiError::forbidden(
                &call.def.served,
                name,
                &format!("unable to create new content in namespace {namespace} because it is being terminated"),
            );
            if let Some(details) = &mut error.details {
                details["causes"] = json!([{ "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace" }]);
            }
            return Err(error);
        }
        Ok(())
    }

    pub(super) fn delete_namespace(
        &mut self,
        def: &Arc<ResourceDef>,
        key: &ObjectKey,
        existing: &Arc<Value>,
        options: &DeleteOptions,
        now: jiff::Timestamp,
    ) -> Result<Deleted, ApiError> {
        if INITIAL.contains(&key.name.as_str()) && key.name != "kube-node-lease" {
            return Err(ApiError::forbidden(&def.served, &key.name, "this namespace may not be deleted"));
        }
        let mut pending = existing.clone();
        if options.dry_run {
            let object = Arc::make_mut(&mut pending);
            if !meta::is_deleting(existing) {
                set_metadata(object, "deletionTimestamp", Some(Value::from(meta::timestamp_text(now))));
                set_path(object, &["status".to_owned(), "phase".to_owned()], Value::from("Terminating"));
            }
            return Ok(Deleted::Pending(pending));
        }
        if !meta::is_deleting(existing) {
            let mut object = (**existing).clone();
            set_metadata(&mut object, "deletionTimestamp", Some(Value::from(meta::timestamp_text(now))));
            set_path(&mut object, &["status".to_owned(), "phase".to_owned()], Value::from("Terminating"));
            pending = self
                .commit(&def.stored, Op::Update { key: key.clone(), object, expected: None }, false)?
                .object
                .clone();
        }
        let contents: Vec<(Arc<ResourceDef>, ObjectKey)> = self
            .registry
            .iter()
            .filter(|def| def.namespaced && def.served == def.stored)
            .flat_map(|def| self.store.objects(&def.stored, Some(&key.name)).map(|(key, _)| (def.clone(), key.clone())))
            .collect();
        let background = DeleteOptions::default();
        for (def, key) in contents {
            match self.delete_one(&def, &key, &background, now) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        self.finish_namespace(&key.name);
        Ok(Deleted::Pending(pending))
    }

    /// A terminating namespace goes with the last object in it.
    pub(super) fn object_gone(&mut self, event: &Event) {
        if !event.key.namespace.is_empty() {
            self.finish_namespace(&event.key.namespace.clone());
        }
        self.instance_gone(event);
    }

    /// Removes a terminating namespace if nothing is left in it and nothing holds it.
    pub(super) fn finish_namespace(&mut self, name: &str) {
        let namespaces = GroupResource::new("", "namespaces");
        let key = ObjectKey::new(None, name);
        let Some(namespace) = self.store.read(&namespaces, &key) else { return };
        if !meta::is_deleting(&namespace) || !meta::finalizers(&namespace).is_empty() {
            return;
        }
        let others = namespace
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|list| list.iter().any(|finalizer| finalizer != "kubernetes"));
        let resources: Vec<GroupResource> = self.store.resources().cloned().collect();
        if others || resources.iter().any(|resource| self.store.objects(resource, Some(name)).next().is_some()) {
            return;
        }
        if let Err(error) = self.commit(&namespaces, Op::Delete { key, expected: None }, false) {
            tracing::warn!(namespace = name, %error, "a namespace could not be removed");
        }
    }
}

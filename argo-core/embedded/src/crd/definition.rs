//! The life of a definition: validated, established, served, and its instances deleted with it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::CustomVersion;
use crate::resources::{NameRule, ResourceDef, ScalePaths, VersionDef, version_priority};
use crate::server::{ApiError, DeleteOptions, Deleted, State, timestamp_text};
use crate::store::{Event, EventKind, GroupResource, ObjectKey, Op};

const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Whether a stored resource is that of definitions.
pub(crate) fn is_definition(resource: &GroupResource) -> bool {
    resource.group.as_ref() == "apiextensions.k8s.io" && resource.resource.as_ref() == "customresourcedefinitions"
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn texts(value: &Value, pointer: &str) -> Vec<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

pub(super) fn versions(definition: &Value) -> &[Value] {
    definition.pointer("/spec/versions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn flag(value: &Value, field: &str) -> bool {
    value.get(field) == Some(&Value::Bool(true))
}

fn storage_version(definition: &Value) -> &str {
    versions(definition).iter().find(|version| flag(version, "storage")).map_or("", |version| text(version, "/name"))
}

/// Fills in a definition about to be stored: defaults of names, conversion, and the list of stored versions.
pub(crate) fn prepare(definition: &mut Value, live: Option<&Value>) {
    let kind = text(definition, "/spec/names/kind").to_owned();
    if let Some(names) = definition.pointer_mut("/spec/names").and_then(Value::as_object_mut) {
        let mut fill = |field: &str, value: String| {
            let empty = names.get(field).and_then(Value::as_str).is_none_or(str::is_empty);
            if empty && !kind.is_empty() {
                names.insert(field.to_owned(), Value::from(value));
            }
        };
        fill("singular", kind.to_lowercase());
        fill("listKind", format!("{kind}List"));
    }
    if let Some(service) =
        definition.pointer_mut("/spec/conversion/webhook/clientConfig/service").and_then(Value::as_object_mut)
    {
        service.entry("port").or_insert_with(|| Value::from(443));
    }
    if let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) {
        spec.entry("conversion").or_insert_with(|| json!({ "strategy": "None" }));
    }
    let storage = storage_version(definition).to_owned();
    let mut stored = live.map(|live| texts(live, "/status/storedVersions")).unwrap_or_default();
    if versions(definition).iter().any(|version| flag(version, "storage")) && !stored.contains(&storage) {
        stored.push(storage);
    }
    definition["status"]["storedVersions"] = Value::from(stored);
    if live.is_none() {
        definition["status"]["conditions"] = Value::Null;
        definition["status"]["acceptedNames"] = json!({ "plural": "", "kind": "" });
    }
}

/// What clients of a version that is on its way out are told.
fn deprecation(definition: &Value, version: &Value) -> Option<String> {
    if !flag(version, "deprecated") {
        return None;
    }
    if let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) {
        return Some(warning.to_owned());
    }
    let (group, kind, name) =
        (text(definition, "/spec/group"), text(definition, "/spec/names/kind"), text(version, "/name"));
    let newer = versions(definition)
        .iter()
        .filter(|it| flag(it, "served") && !flag(it, "deprecated"))
        .map(|it| text(it, "/name"))
        .filter(|other| version_priority(other) > version_priority(name))
        .max_by_key(|other| version_priority(other));
    let head = format!("{group}/{name} {kind} is deprecated");
    Some(newer.map_or_else(|| head.clone(), |newer| format!("{head}; use {group}/{newer} {kind}")))
}

/// The resource a definition describes.
fn resource(definition: &Value) -> ResourceDef {
    let preserve_all = flag(&definition["spec"], "preserveUnknownFields");
    let path = |version: &Value, field: &str| -> Option<Vec<String>> {
        let path = version.pointer(&format!("/subresources/scale/{field}"))?.as_str()?;
        Some(path.trim_start_matches('.').split('.').map(str::to_owned).collect())
    };
    let mut served: Vec<VersionDef> = versions(definition)
        .iter()
        .filter(|version| flag(version, "served"))
        .map(|version| VersionDef {
            name: text(version, "/name").to_owned(),
            status: version.pointer("/subresources/status").is_some(),
            scale: path(version, "specReplicasPath").map(|spec| ScalePaths {
                spec,
                status: path(version, "statusReplicasPath").unwrap_or_default(),
                selector: path(version, "labelSelectorPath"),
            }),
            custom: Some(Arc::new(CustomVersion::of(version, preserve_all, deprecation(definition, version)))),
        })
        .collect();
    served.sort_by_key(|version| std::cmp::Reverse(version_priority(&version.name)));
    let gr = GroupResource::new(text(definition, "/spec/group"), text(definition, "/spec/names/plural"));
    ResourceDef {
        served: gr.clone(),
        stored: gr,
        kind: text(definition, "/spec/names/kind").to_owned(),
        list_kind: text(definition, "/spec/names/listKind").to_owned(),
        singular: text(definition, "/spec/names/singular").to_owned(),
        short_names: texts(definition, "/spec/names/shortNames"),
        categories: texts(definition, "/spec/names/categories"),
        namespaced: text(definition, "/spec/scope") == "Namespaced",
        versions: served,
        storage_version: storage_version(definition).to_owned(),
        generation: true,
        create_on_update: false,
        review: false,
        returns_deleted: false,
        verbs: crate::resources::CUSTOM_VERBS,
        names: NameRule::Subdomain,
        builtin: false,
    }
}

// === impl State ===

impl State {
    /// Serves what a stored definition describes, or ceases to.
    pub(crate) fn definition_changed(&mut self, event: &Event) {
        let def = resource(&event.object);
        let mut registry = (*self.registry).clone();
        if event.kind == EventKind::Deleted {
            registry.remove(&def.served);
        } else {
            registry.insert(def);
        }
        self.registry = Arc::new(registry);
        if event.kind != EventKind::Deleted {
            self.establish(event);
        }
    }

    /// Registers all stored definitions, after the store was read from disk.
    pub(crate) fn register_definitions(&mut self) {
        let definitions = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
        let mut registry = (*self.registry).clone();
        for (_, definition) in self.store.objects(&definitions, None) {
            registry.insert(resource(definition));
        }
        self.registry = Arc::new(registry);
    }

    /// Writes the conditions of a new definition, as the controllers of kube-apiserver do a moment after its creation.
    fn establish(&mut self, event: &Event) {
        let definition = &event.object;
        let deleting = definition.pointer("/metadata/deletionTimestamp").is_some();
        let names = definition.pointer("/spec/names").cloned().unwrap_or_default();
        if deleting
            || (definition.pointer("/status/conditions").is_some_and(Value::is_array)
                && definition.pointer("/status/acceptedNames") == Some(&names))
        {
            return;
        }
        let mut next = (**definition).clone();
        let since = text(definition, "/metadata/creationTimestamp").to_owned();
        next["status"]["acceptedNames"] = names;
        next["status"]["conditions"] = json!([
            { "type": "NamesAccepted", "status": "True", "lastTransitionTime": since, "reason": "NoConflicts", "message": "no conflicts found" },
            { "type": "Established", "status": "True", "lastTransitionTime": since, "reason": "InitialNamesAccepted", "message": "the initial names have been accepted" },
        ]);
        if let Err(error) = self.commit(
            &event.resource.clone(),
            Op::Update { key: event.key.clone(), object: next, expected: None },
            false,
        ) {
            tracing::warn!(definition = %event.key, %error, "a definition could not be established");
        }
    }

    /// Deletes a definition with all its instances; it stays until the last of them is gone.
    pub(crate) fn delete_definition(
        &mut self,
        def: &Arc<ResourceDef>,
        key: &ObjectKey,
        existing: &Arc<Value>,
        options: &DeleteOptions,
        now: jiff::Timestamp,
    ) -> Result<Deleted, ApiError> {
        let instances = Arc::new(resource(existing));
        let mut pending = existing.clone();
        if existing.pointer("/metadata/deletionTimestamp").is_none() {
            let mut object = (**existing).clone();
            object["metadata"]["deletionTimestamp"] = Value::from(timestamp_text(now));
            let mut finalizers = texts(&object, "/metadata/finalizers");
            if !finalizers.iter().any(|finalizer| finalizer == CLEANUP) {
                finalizers.push(CLEANUP.to_owned());
            }
            object["metadata"]["finalizers"] = Value::from(finalizers);
            if let Some(conditions) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
                conditions.push(json!({
                    "type": "Terminating", "status": "True", "lastTransitionTime": timestamp_text(now), "reason": "InstanceDeletionPending",
                    "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
                }));
            }
            if options.dry_run {
                return Ok(Deleted::Pending(Arc::new(object)));
            }
            pending = self
                .commit(&def.stored, Op::Update { key: key.clone(), object, expected: None }, false)?
                .object
                .clone();
        }
        if options.dry_run {
            return Ok(Deleted::Pending(pending));
        }
        let keys: Vec<ObjectKey> = self.store.objects(&instances.stored, None).map(|(key, _)| key.clone()).collect();
        for key in keys {
            match self.delete_one(&instances, &key, &DeleteOptions::default(), now) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        self.finish_definition(&key.name);
        Ok(Deleted::Pending(pending))
    }

    /// A definition that is being deleted goes with its last instance.
    pub(crate) fn instance_gone(&mut self, event: &Event) {
        if !event.resource.group.is_empty() && !is_definition(&event.resource) {
            self.finish_definition(&event.resource.to_string());
        }
    }

    fn finish_definition(&mut self, name: &str) {
        let definitions = GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
        let key = ObjectKey::new(None, name);
        let Some(definition) = self.store.read(&definitions, &key) else { return };
        let instances = GroupResource::new(text(&definition, "/spec/group"), text(&definition, "/spec/names/plural"));
        let held = texts(&definition, "/metadata/finalizers").iter().any(|finalizer| finalizer != CLEANUP);
        if definition.pointer("/metadata/deletionTimestamp").is_none() || held || self.store.count(&instances) > 0 {
            return;
        }
        if let Err(error) = self.commit(&definitions, Op::Delete { key, expected: None }, false) {
            tracing::warn!(definition = name, %error, "a definition could not be removed");
        }
    }
}

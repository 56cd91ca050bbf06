//! Delete and deletecollection: preconditions, grace, propagation, two phases.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::meta::{self, set_metadata};
use super::read::{Filter, ListAnswer};
use super::state::State;
use super::status::ApiError;
use super::{Call, Outcome, convert, namespaces};
use crate::resources::ResourceDef;
use crate::store::{GroupResource, ObjectKey, Op};

const JOBS_LEAVE_PODS: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// The options of a delete, from body and query.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace: Option<i64>,
    pub(crate) propagation: Option<String>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) dry_run: bool,
}

/// What a delete came to.
pub(crate) enum Deleted {
    /// The object is gone; its last state.
    Gone(Arc<Value>),
    /// The object stays until its finalizers or its grace period are through.
    Pending(Arc<Value>),
}

// === impl DeleteOptions ===

impl DeleteOptions {
    fn of(call: &Call<'_>) -> Result<Self, ApiError> {
        let empty = call.request.body.is_empty() && call.request.object.is_none();
        let body = if empty { json!({}) } else { call.body().map_err(unreadable)? };
        let query = &call.request.query;
        for (given, default) in [("kind", "DeleteOptions"), ("apiVersion", "v1")] {
            let text = body.get(given).and_then(Value::as_str).unwrap_or(default);
            let kind = meta::text(&body, "/kind");
            if given == "kind" && text != default && call.def.builtin {
                let why = format!(
                    "no kind {kind:?} is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:110\""
                );
                return Err(ApiError::new(500, "", why));
            }
        }
        let invalid = |cause: super::Cause| ApiError::invalid("meta.k8s.io", "DeleteOptions", "", &[cause]);
        if let Some(list) =
            body.get("dryRun").filter(|list| list.as_array().is_some_and(|list| list.iter().any(|it| it != "All")))
        {
            return Err(invalid(super::Cause::not_supported("dryRun", list, &["All".to_owned()])));
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let mut options = Self {
            grace: match body.get("gracePeriodSeconds").and_then(Value::as_i64) {
                Some(grace) => Some(grace),
                None => query.number("gracePeriodSeconds")?,
            },
            propagation: text(body.get("propagationPolicy"))
                .or_else(|| query.get("propagationPolicy").map(str::to_owned)),
            uid: text(body.pointer("/preconditions/uid")),
            resource_version: text(body.pointer("/preconditions/resourceVersion")),
            dry_run: call.dry_run
                || body
                    .get("dryRun")
                    .and_then(Value::as_array)
                    .is_some_and(|list| list.iter().any(|item| item == "All")),
        };
        let orphans = body.get("orphanDependents").is_some() || query.get("orphanDependents").is_some();
        if let Some(policy) = options.propagation.as_deref().filter(|_| orphans) {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            return Err(invalid(super::Cause::invalid("propagationPolicy", &Value::from(policy), why)));
        }
        if options.propagation.is_none() {
            options.propagation = match body
                .get("orphanDependents")
                .and_then(Value::as_bool)
                .or_else(|| query.get("orphanDependents").map(|value| value == "true"))
            {
                Some(true) => Some("Orphan".to_owned()),
                Some(false) => Some("Background".to_owned()),
                None => None,
            };
        }
        if let Some(policy) = &options.propagation
            && !matches!(policy.as_str(), "Orphan" | "Foreground" | "Background")
        {
            let supported = ["Foreground", "Background", "Orphan", "nil"].map(str::to_owned);
            return Err(ApiError::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                &[super::Cause::not_supported("propagationPolicy", &Value::from(policy.as_str()), &supported)],
            ));
        }
        Ok(options)
    }
}

/// The answer to options that cannot be read.
fn unreadable(error: ApiError) -> ApiError {
    const MARK: &str = "couldn't get version/kind; json parse error: ";
    match error.message.split_once(MARK) {
        Some((_, why)) => {
            let why = why.rsplit_once(" (").map_or(why, |(why, _)| why);
            ApiError::new(500, "", format!("{MARK}{why}"))
        }
        None => error,
    }
}

// === impl State ===

impl State {
    pub(super) fn delete(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let mut options = DeleteOptions::of(call)?;
        // Kinds older than the garbage collector leave their pods behind unless told otherwise.
        let orphans =
            matches!((call.def.group(), call.def.resource()), ("batch", "jobs") | ("", "replicationcontrollers"));
        if orphans && options.propagation.is_none() {
            if call.def.resource() == "jobs" {
                self.warnings.push(JOBS_LEAVE_PODS.to_owned());
            }
            options.propagation = Some("Orphan".to_owned());
        }
        let existing = self.current(call)?;
        self.admit_delete(call, &convert::from_storage(&call.def, call.version, &existing))?;
        let key = ObjectKey::new(call.namespace, call.name_or_empty());
        Ok(match self.delete_one(&call.def, &key, &options, call.now)? {
            Deleted::Pending(object) => Outcome::Object(200, convert::from_storage(&call.def, call.version, &object)),
            Deleted::Gone(object) if call.def.returns_deleted => {
                Outcome::Object(200, convert::from_storage(&call.def, call.version, &object))
            }
            Deleted::Gone(object) => {
                let mut details = json!({ "name": key.name, "kind": call.def.resource(), "uid": meta::uid(&object) });
                if !call.def.group().is_empty() {
                    details["group"] = Value::from(call.def.group());
                }
                Outcome::Json(
                    200,
                    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details }),
                )
            }
        })
    }

    pub(super) fn delete_collection(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        if call.def.namespaced && call.namespace.is_none() {
            return Err(ApiError::method_not_allowed());
        }
        let options = DeleteOptions::of(call)?;
        if (call.def.group(), call.def.resource()) == ("batch", "jobs") && options.propagation.is_none() {
            self.warnings.push(JOBS_LEAVE_PODS.to_owned());
        }
        let filter = Filter::of(call)?;
        let limit = call.request.query.number("limit")?.filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let matching: Vec<(ObjectKey, Arc<Value>)> = self
            .store
            .objects(&call.def.stored, call.namespace)
            .map(|(key, object)| (key.clone(), convert::from_storage(&call.def, call.version, object)))
            .filter(|(_, object)| filter.matches(object))
            .take(limit.map_or(usize::MAX, |limit| limit.saturating_add(1)))
            .collect();
        let more = limit.is_some_and(|limit| matching.len() > limit);
        let matching = match limit {
            Some(limit) if more => matching[..limit].to_vec(),
            _ => matching,
        };
        let last = matching.last().map(|(key, _)| key.clone()).filter(|_| more);
        let mut items = Vec::new();
        for (_, object) in &matching {
            self.admit_delete(call, object)?;
        }
        for (key, object) in matching {
            match self.delete_one(&call.def, &key, &options, call.now) {
                Ok(_) => items.push(object),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let revision = self.store.revision();
        let continue_token = last.map(|key| super::read::encode_token(revision, &key));
        Ok(Outcome::List(ListAnswer { items, revision, continue_token, remaining: None }))
    }

    /// Deletes one object, or marks it for deletion.
    pub(crate) fn delete_one(
        &mut self,
        def: &Arc<ResourceDef>,
        key: &ObjectKey,
        options: &DeleteOptions,
        now: jiff::Timestamp,
    ) -> Result<Deleted, ApiError> {
        let existing = self.store.read(&def.stored, key).ok_or_else(|| ApiError::not_found(&def.served, &key.name))?;
        check_preconditions(def, key, options, &existing)?;
        if namespaces::is_namespace(def) {
            return self.delete_namespace(def, key, &existing, options, now);
        }
        if crate::crd::is_definition(&def.stored) {
            return self.delete_definition(def, key, &existing, options, now);
        }
        let mut object = (*existing).clone();
        let mut finalizers = meta::finalizers(&object);
        match options.propagation.as_deref() {
            Some("Orphan") => {
                finalizers.retain(|finalizer| finalizer != FOREGROUND);
                add(&mut finalizers, ORPHAN);
            }
            Some("Foreground") => {
                finalizers.retain(|finalizer| finalizer != ORPHAN);
                add(&mut finalizers, FOREGROUND);
            }
            Some("Background") => finalizers.retain(|finalizer| finalizer != ORPHAN && finalizer != FOREGROUND),
            _ => {}
        }
        set_finalizers(&mut object, &finalizers);
        let grace = grace_period(def, &existing, options);
        let deleting = meta::is_deleting(&existing);
        let pending_grace =
            existing.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
        let remove = finalizers.is_empty() && (grace == 0 || (deleting && pending_grace == 0));
        if remove {
            let event = self.commit(&def.stored, Op::Delete { key: key.clone(), expected: None }, options.dry_run)?;
            if !is_pod(def) {
                return Ok(Deleted::Gone(event.object.clone()));
            }
            // The answer shows what a graceful deletion without grace would have left for a moment.
            let mut last = (*event.object).clone();
            if !deleting {
                set_metadata(&mut last, "deletionTimestamp", Some(Value::from(meta::timestamp_text(now))));
            }
            set_metadata(&mut last, "deletionGracePeriodSeconds", Some(Value::from(0)));
            let generation = meta::generation(&last) + i64::from(!deleting);
            set_metadata(&mut last, "generation", Some(Value::from(generation)));
            return Ok(Deleted::Gone(Arc::new(last)));
        }
        if !deleting || (grace < pending_grace && options.grace.is_some()) {
            let at = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
            set_metadata(&mut object, "deletionTimestamp", Some(Value::from(meta::timestamp_text(at))));
            set_metadata(&mut object, "deletionGracePeriodSeconds", Some(Value::from(grace)));
            if !deleting && meta::generation(&object) > 0 {
                let generation = meta::generation(&object) + 1;
                set_metadata(&mut object, "generation", Some(Value::from(generation)));
            }
        }
        if object == *existing {
            return Ok(Deleted::Pending(existing));
        }
        let event =
            self.commit(&def.stored, Op::Update { key: key.clone(), object, expected: None }, options.dry_run)?;
        Ok(Deleted::Pending(event.object.clone()))
    }
}

fn check_preconditions(
    def: &ResourceDef,
    key: &ObjectKey,
    options: &DeleteOptions,
    existing: &Value,
) -> Result<(), ApiError> {
    // These messages name the kind where others name the resource.
    let named = GroupResource::new(def.group(), &def.kind);
    if let Some(uid) = &options.uid
        && uid != meta::uid(existing)
    {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            meta::uid(existing)
        );
        return Err(ApiError::conflict(&named, &key.name, &why));
    }
    if let Some(version) = &options.resource_version
        && version != meta::resource_version(existing)
    {
        let actual = meta::resource_version(existing);
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({actual}). The object might have been modified"
        );
        return Err(ApiError::conflict(&named, &key.name, &why));
    }
    Ok(())
}

fn is_pod(def: &ResourceDef) -> bool {
    def.stored.group.is_empty() && def.stored.resource.as_ref() == "pods"
}

/// Seconds an object may live on: only pods that sit on a node and still run get any.
fn grace_period(def: &ResourceDef, existing: &Value, options: &DeleteOptions) -> i64 {
    if !is_pod(def)
        || meta::text(existing, "/spec/nodeName").is_empty()
        || matches!(meta::text(existing, "/status/phase"), "Succeeded" | "Failed")
    {
        return 0;
    }
    match options.grace {
        Some(grace) if grace < 0 => 1,
        Some(grace) => grace,
        None => existing.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30),
    }
}

pub(super) fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    set_metadata(object, "finalizers", (!finalizers.is_empty()).then(|| Value::from(finalizers.to_vec())));
}

fn add(finalizers: &mut Vec<String>, finalizer: &str) {
    if !finalizers.iter().any(|present| present == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
}

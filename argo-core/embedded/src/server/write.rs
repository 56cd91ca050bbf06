//! Create and update: the order of checks is the order of kube-apiserver.

use std::sync::Arc;

use serde_json::Value;

use super::meta::{self, carry, set_metadata};
use super::request::Verb;
use super::state::State;
use super::status::{ApiError, Cause};
use super::{Call, Outcome, allocate, checks, convert, defaults, names};
use crate::fields::Change;
use crate::store::{ObjectKey, Op};

/// Which part of an object a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but what subresources own.
    Main,
    /// The status only.
    Status,
    /// The number of replicas only.
    Scale,
    /// The finalizers of a namespace.
    Finalize,
    /// The ephemeral containers of a pod only, and its resources only.
    Ephemeral,
    Resize,
}

// === impl State ===

impl State {
    pub(super) fn create(&mut self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let mut object = call.body()?;
        self.check_type(call, &mut object)?;
        self.insert(call, object, Change::Update).map(|object| Outcome::Object(201, object))
    }

    /// Creates an object given in the requested version. Answers in that version too.
    pub(super) fn insert(
        &mut self,
        call: &Call<'_>,
        mut object: Value,
        change: Change,
    ) -> Result<Arc<Value>, ApiError> {
        self.check_namespace_field(call, &mut object)?;
        if !matches!(meta::resource_version(&object), "" | "0") {
            return Err(ApiError::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        meta::tidy_metadata(&mut object);
        self.prune(call, &mut object)?;
        self.single_owners(&mut object);
        self.open_namespace(call, &object)?;

        if meta::name(&object).is_empty() && call.def.resource() == "limitranges" && call.def.builtin {
            let name = self.ids.uid();
            set_metadata(&mut object, "name", Some(Value::from(name)));
        }
        let generated = self.generate_name(&mut object);
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
            set_metadata(&mut object, field, None);
        }
        set_metadata(&mut object, "creationTimestamp", Some(Value::from(meta::timestamp_text(call.now))));
        let counted = call.def.generation || !call.def.builtin;
        set_metadata(&mut object, "generation", counted.then(|| Value::from(1)));
        if call.version_def().status
            && let Some(root) = object.as_object_mut()
        {
            root.remove("status");
        }
        if call.def.builtin {
            crate::schema::fill(call.def.group(), &call.version_def().name, &call.def.kind, &mut object);
        }
        if change == Change::Update {
            set_metadata(&mut object, "managedFields", None);
        }
        complete(call, &mut object, None);
        crate::fields::track(call, None, change, Part::Main, &mut object);
        let uid = self.ids.uid();
        set_metadata(&mut object, "uid", Some(Value::from(uid)));
        if call.def.builtin {
            super::priority::resolve(self, call, &mut object)?;
            super::runtime::resolve(self, call, &mut object)?;
            allocate::apply(self, call, &mut object, None)?;
        }
        self.check_account(call, &object)?;
        self.admit(call, &mut object, None)?;
        self.check_escalation(call, &object, None)?;
        allocate::admitted(call, &mut object);
        self.validate(call, &object, None, Part::Main)?;
        if call.def.builtin {
            self.warnings.extend(checks::warnings(call, &object, None));
        }
        self.admit_valid(call, &object, None)?;
        allocate::label_job(call, &mut object);

        let key = ObjectKey::new(call.namespace, meta::name(&object));
        let stored = convert::to_storage(&call.def, call.version, object);
        let mut op = Op::Create { key, object: stored };
        for _ in 0..8 {
            match (self.commit(&call.def.stored, op.clone(), call.dry_run), &generated) {
                (Err(error), Some(prefix)) if error.is_already_exists() => {
                    let name = format!("{prefix}{}", self.ids.suffix());
                    if let Op::Create { key, object } = &mut op {
                        set_metadata(object, "name", Some(Value::from(name.as_str())));
                        key.name = name;
                    }
                }
                (Err(mut error), _) => {
                    if error.is_already_exists() {
                        error = ApiError::already_exists(&call.def.served, &op_name(&op));
                        let key = ObjectKey::new(call.namespace, &op_name(&op));
                        if self.store.read(&call.def.stored, &key).is_some_and(|object| meta::is_deleting(&object)) {
                            error.message = format!("object is being deleted: {}", error.message);
                        }
                    }
                    return Err(error);
                }
                (Ok(event), _) => {
                    let mut object = event.object.clone();
                    if call.dry_run {
                        let mut plain = (*object).clone();
                        set_metadata(&mut plain, "resourceVersion", None);
                        object = Arc::new(plain);
                    }
                    return Ok(convert::from_storage(&call.def, call.version, &object));
                }
            }
        }
        Err(ApiError::already_exists(&call.def.served, &op_name(&op)))
    }

    pub(super) fn update(&mut self, call: &Call<'_>, part: Part) -> Result<Outcome, ApiError> {
        let mut object = call.body()?;
        self.check_type(call, &mut object)?;
        self.check_namespace_field(call, &mut object)?;
        let name = call.name_or_empty();
        match meta::name(&object) {
            "" => {
                return Err(ApiError::bad_request(format!(
                    "the name of the object ({name} based on URL) was undeterminable: name must be provided"
                )));
            }
            other if other != name => {
                return Err(ApiError::bad_request(format!(
                    "the name of the object ({other}) does not match the name on the URL ({name})"
                )));
            }
            _ => {}
        }
        match self.current(call) {
            Err(error) if part == Part::Main && call.def.create_on_update => {
                if !meta::uid(&object).is_empty() {
                    return Err(error);
                }
                self.insert(call, object, Change::Update).map(|object| Outcome::Object(201, object))
            }
            Err(error) => Err(error),
            Ok(existing) => {
                let version = meta::resource_version(&object);
                if version.parse::<u64>().is_err() && !version.is_empty() {
                    let why = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
                    return Err(ApiError::new(500, "", why));
                }
                if version.is_empty() {
                    if call.def.conditional_update() {
                        let cause = Cause {
                            reason: "FieldValueInvalid",
                            field: "metadata.resourceVersion".to_owned(),
                            message: "Invalid value: 0: must be specified for an update".to_owned(),
                        };
                        return Err(ApiError::invalid(call.def.group(), call.def.resource(), name, &[cause]));
                    }
                } else if meta::resource_version(&object) != meta::resource_version(&existing) {
                    return Err(ApiError::stale(&call.def.served, name));
                }
                self.replace(call, &existing, object, part, Change::Update).map(|object| Outcome::Object(200, object))
            }
        }
    }

    /// Puts a new form of an object in the place of the stored one. `object` is in the requested version, as is the answer.
    pub(super) fn replace(
        &mut self,
        call: &Call<'_>,
        existing: &Arc<Value>,
        mut object: Value,
        part: Part,
        change: Change,
    ) -> Result<Arc<Value>, ApiError> {
        let live = convert::from_storage(&call.def, call.version, existing);
        let name = call.name_or_empty();
        let (given, actual) = (meta::uid(&object), meta::uid(&live));
        if !given.is_empty() && given != actual {
            if call.verb == Verb::Patch {
                let cause = Cause::invalid("metadata.uid", &Value::from(given), "field is immutable");
                return Err(ApiError::invalid(call.def.group(), &call.def.kind, name, &[cause]));
            }
            let registry = match (call.def.builtin, call.namespace) {
                (true, Some(namespace)) => format!("/registry/{}/{namespace}/{name}", call.def.resource()),
                (true, None) => format!("/registry/{}/{name}", call.def.resource()),
                (false, Some(namespace)) => {
                    format!("/registry/{}/{}/{namespace}/{name}", call.def.group(), call.def.resource())
                }
                (false, None) => format!("/registry/{}/{}/{name}", call.def.group(), call.def.resource()),
            };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {registry}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {actual}"
            );
            return Err(ApiError::conflict(&call.def.served, name, &why));
        }
        meta::tidy_metadata(&mut object);
        self.prune(call, &mut object)?;
        self.single_owners(&mut object);
        let requested = object.pointer("/metadata/deletionTimestamp").filter(|value| !value.is_null());
        if call.verb == Verb::Patch
            && let Some(requested) = requested
            && live.pointer("/metadata/deletionTimestamp") != Some(requested)
        {
            let cause = Cause::invalid("metadata.deletionTimestamp", requested, "field is immutable");
            return Err(ApiError::invalid(call.def.group(), &call.def.kind, name, &[cause]));
        }
        for field in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "generateName",
        ] {
            let value = live.pointer(&format!("/metadata/{field}")).cloned();
            if field != "generateName" || value.is_some() {
                set_metadata(&mut object, field, value);
            }
        }
        set_metadata(&mut object, "resourceVersion", Some(Value::from(meta::resource_version(&live))));
        let isolated = call.version_def().status;
        let given_fields = object.pointer("/metadata/managedFields").cloned();
        let mut sent = None;
        match part {
            Part::Main if isolated => carry("status", &live, &mut object),
            Part::Status => {
                let mut next = (*live).clone();
                carry("status", &object, &mut next);
                sent = object.get("metadata").cloned();
                if call.def.status_keeps_metadata() {
                    carry("metadata", &object, &mut next);
                    let kept = match call.def.resource() {
                        "pods" => Some("ownerReferences"),
                        "deployments" => Some("labels"),
                        _ => None,
                    };
                    if let Some(kept) = kept {
                        set_metadata(&mut next, kept, live.pointer(&format!("/metadata/{kept}")).cloned());
                    }
                } else if let Some(fields) = given_fields {
                    set_metadata(&mut next, "managedFields", Some(fields));
                }
                object = next;
            }
            Part::Finalize => {
                let mut next = (*live).clone();
                if let Some(finalizers) = object.pointer("/spec/finalizers") {
                    meta::set_path(&mut next, &["spec".to_owned(), "finalizers".to_owned()], finalizers.clone());
                }
                object = next;
            }
            Part::Ephemeral => {
                let mut next = (*live).clone();
                if let Some(spec) = next.get_mut("spec").and_then(Value::as_object_mut) {
                    spec.remove("ephemeralContainers");
                    if let Some(containers) = object.pointer("/spec/ephemeralContainers") {
                        spec.insert("ephemeralContainers".to_owned(), containers.clone());
                    }
                }
                object = next;
            }
            Part::Resize => object = resized(&live, &object),
            Part::Main | Part::Scale => {}
        }
        complete(call, &mut object, Some(&live));
        match sent {
            // Custom resources keep the old metadata, but who sent another is recorded as its owner.
            Some(sent) if !call.def.builtin && change == Change::Update => {
                let mut claimed = object.clone();
                claimed["metadata"] = sent;
                crate::fields::track(call, Some(&live), change, part, &mut claimed);
                set_metadata(&mut object, "managedFields", claimed.pointer("/metadata/managedFields").cloned());
            }
            _ => crate::fields::track(call, Some(&live), change, part, &mut object),
        }
        if call.def.builtin {
            allocate::apply(self, call, &mut object, Some(&live))?;
        }
        self.admit(call, &mut object, Some(&live))?;
        self.check_escalation(call, &object, Some(&live))?;
        self.validate(call, &object, Some(&live), part)?;
        if call.def.builtin {
            self.warnings.extend(checks::warnings(call, &object, Some(&live)));
        }
        self.check_finalizers(call, &live, &object)?;
        self.admit_valid(call, &object, Some(&live))?;
        if (call.def.generation || !call.def.builtin) && spec_changed(call, part, &live, &object) {
            set_metadata(&mut object, "generation", Some(Value::from(meta::generation(&live) + 1)));
        }
        if same_but_for_times(&live, &object) {
            return Ok(live);
        }
        let key = ObjectKey::new(call.namespace, name);
        let done = meta::is_deleting(&object)
            && meta::finalizers(&object).is_empty()
            && object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) == 0
            && !crate::server::namespaces::is_namespace(&call.def);
        if done {
            self.commit(&call.def.stored, Op::Delete { key, expected: None }, call.dry_run)?;
            return Ok(Arc::new(object));
        }
        let stored = convert::to_storage(&call.def, call.version, object);
        let event = self.commit(&call.def.stored, Op::Update { key, object: stored, expected: None }, call.dry_run)?;
        if call.dry_run {
            // Nothing was written: the revision is that of what is there.
            let mut shown = (*event.object).clone();
            set_metadata(&mut shown, "resourceVersion", Some(Value::from(meta::resource_version(&live))));
            return Ok(convert::from_storage(&call.def, call.version, &Arc::new(shown)));
        }
        if super::namespaces::is_namespace(&call.def) {
            self.finish_namespace(name);
        }
        Ok(convert::from_storage(&call.def, call.version, &event.object))
    }

    /// An owner counts once.
    fn single_owners(&mut self, object: &mut Value) {
        let Some(owners) = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) else {
            return;
        };
        let mut seen: Vec<Value> = Vec::new();
        let mut twice: Vec<String> = Vec::new();
        owners.retain(|owner| {
            if seen.contains(owner) {
                twice.push(meta::text(owner, "/uid").to_owned());
                return false;
            }
            seen.push(owner.clone());
            true
        });
        if !twice.is_empty() {
            self.warnings.push(format!(
                ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
                twice.join(", ")
            ));
        }
    }

    fn generate_name(&mut self, object: &mut Value) -> Option<String> {
        if !meta::name(object).is_empty() {
            return None;
        }
        let prefix = meta::text(object, "/metadata/generateName").to_owned();
        if prefix.is_empty() {
            return None;
        }
        // So long that name and suffix still make a label.
        let mut end = prefix.len().min(63 - 5);
        while !prefix.is_char_boundary(end) {
            end -= 1;
        }
        let prefix = prefix[..end].to_owned();
        let name = format!("{prefix}{}", self.ids.suffix());
        set_metadata(object, "name", Some(Value::from(name)));
        Some(prefix)
    }

    fn validate(&self, call: &Call<'_>, object: &Value, live: Option<&Value>, part: Part) -> Result<(), ApiError> {
        let mut causes = names::metadata_causes(&call.def, object, live);
        match &call.version_def().custom {
            Some(custom) => causes.extend(custom.validate(object, live, part)),
            None => causes.extend(checks::apply(call, object, live)),
        }
        if causes.is_empty() {
            return Ok(());
        }
        // Events are checked as those of the core group, whichever was asked.
        let group = if call.def.kind == "Event" && call.def.builtin { "" } else { call.def.group() };
        Err(ApiError::invalid(group, &call.def.kind, meta::name(object), &causes))
    }

    fn check_finalizers(&self, call: &Call<'_>, live: &Value, object: &Value) -> Result<(), ApiError> {
        if !meta::is_deleting(live) {
            return Ok(());
        }
        let before = meta::finalizers(live);
        let new: Vec<String> =
            meta::finalizers(object).into_iter().filter(|finalizer| !before.contains(finalizer)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = new.iter().map(|finalizer| format!("{finalizer:?}")).collect();
        let cause = Cause::forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                list.join(", ")
            ),
        );
        Err(ApiError::invalid(call.def.group(), &call.def.kind, call.name_or_empty(), &[cause]))
    }
}

/// Fills in defaults.
pub(super) fn complete(call: &Call<'_>, object: &mut Value, live: Option<&Value>) {
    match &call.version_def().custom {
        Some(custom) => custom.default(object),
        None => defaults::apply(call, object, live),
    }
}

/// A pod with the resources that another form of it gives its containers.
fn resized(live: &Value, object: &Value) -> Value {
    let mut next = live.clone();
    for list in ["containers", "initContainers"] {
        let given = object.pointer(&format!("/spec/{list}")).and_then(Value::as_array).cloned().unwrap_or_default();
        for container in next.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut).into_iter().flatten()
        {
            let Some(other) = given.iter().find(|other| other["name"] == container["name"]) else { continue };
            for field in ["resources", "resizePolicy"] {
                if let Some(value) = other.get(field) {
                    container[field] = value.clone();
                }
            }
        }
    }
    next
}

/// Whether a change counts as a new generation: anything but metadata, and status where it is a subresource.
fn spec_changed(call: &Call<'_>, part: Part, live: &Value, object: &Value) -> bool {
    // Those of a Deployment say what its rollout shall be.
    let annotations = |object: &Value| object.pointer("/metadata/annotations").cloned();
    if part != Part::Status
        && call.def.builtin
        && call.def.kind == "Deployment"
        && annotations(live) != annotations(object)
    {
        return true;
    }
    let counted = |field: &str| match field {
        "metadata" | "apiVersion" | "kind" => false,
        "status" => !call.version_def().status && !call.def.builtin,
        _ => true,
    };
    let fields = |value: &Value| {
        value.as_object().map(|root| {
            root.iter()
                .filter(|(field, _)| counted(field))
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect::<Vec<_>>()
        })
    };
    let annotations = |value: &Value| value.pointer("/metadata/annotations").cloned();
    let labels = |value: &Value| value.pointer("/metadata/labels").cloned();
    if call.def.group() == "discovery.k8s.io" && labels(live) != labels(object) {
        return true;
    }
    fields(live) != fields(object)
        // Controllers of Deployments read annotations.
        || (call.subresource.is_none()
            && call.def.group() == "apps"
            && call.def.resource() == "deployments"
            && annotations(live) != annotations(object))
}

/// Whether a write changes nothing: then it is not written, as kube-apiserver does.
fn same_but_for_times(live: &Value, object: &Value) -> bool {
    if live == object {
        return true;
    }
    let timeless = |object: &Value| {
        let mut object = object.clone();
        if let Some(entries) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            for entry in entries {
                if let Some(entry) = entry.as_object_mut() {
                    entry.remove("time");
                }
            }
        }
        object
    };
    timeless(live) == timeless(object)
}

fn op_name(op: &Op) -> String {
    match op {
        Op::Create { key, .. } | Op::Update { key, .. } | Op::Delete { key, .. } => key.name.clone(),
    }
}

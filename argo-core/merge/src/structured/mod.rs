//! Structured merge: server-side apply, and the field ownership in `metadata.managedFields`.
//!
//! [`apply`] lays a configuration over the live object for one manager: what the manager no longer states goes, what others own is a
//! conflict unless forced, what several state alike is shared. [`update`] is the bookkeeping of every other write: who changed which field.
//! Neither touches `resourceVersion`, `generation` or defaults; that is the server's part.

mod items;
mod managed;
mod matcher;
mod path;
mod reconcile;
mod set;
mod typed;
mod updater;
mod validate;
mod versions;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::Schema;
pub use items::{extract, extract_items, remove_items};
pub use managed::{ANCIENT_CHANGES, BEFORE_FIRST_APPLY, MAX_UPDATE_MANAGERS, Managed, ManagerId, Operation, Owned};
pub use matcher::PathMatcher;
pub use path::PathElement;
pub use reconcile::reconcile;
pub use set::FieldSet;
pub use typed::{Comparison, compare, field_set, merge};
pub use updater::{UpdateError, Updater};
pub use validate::validate;
pub use versions::{ConversionError, Versions};

/// The annotation in which `kubectl apply` keeps what it applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who writes, how and when.
#[derive(Debug, Clone)]
pub struct Writer<'a> {
    /// The field manager; empty is `unknown`.
    pub manager: &'a str,
    /// The `apiVersion` of the request.
    pub api_version: &'a str,
    /// The subresource written through; empty for the object itself.
    pub subresource: &'a str,
    /// Now, RFC 3339 with seconds: `2026-01-01T00:00:00Z`.
    pub time: &'a str,
    /// Fields this write cannot set and therefore never owns, with everything below: `status` for the object itself, `spec` for `status`.
    pub ignored: FieldSet,
}

impl<'a> Writer<'a> {
    /// A writer of the object itself, to whom every field is open.
    pub fn new(manager: &'a str, api_version: &'a str, time: &'a str) -> Self {
        Self { manager, api_version, subresource: "", time, ignored: FieldSet::new() }
    }

    /// Through a subresource.
    #[must_use]
    pub fn subresource(mut self, subresource: &'a str) -> Self {
        self.subresource = subresource;
        self
    }

    /// Without these fields.
    #[must_use]
    pub fn ignoring(mut self, fields: FieldSet) -> Self {
        self.ignored = fields;
        self
    }

    fn id(&self, operation: Operation) -> ManagerId {
        ManagerId {
            manager: if self.manager.is_empty() { "unknown".into() } else { self.manager.to_owned() },
            operation,
            api_version: if operation == Operation::Apply { String::new() } else { self.api_version.to_owned() },
            subresource: self.subresource.to_owned(),
        }
    }
}

/// A field somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner.
    pub manager: ManagerId,
    /// The field.
    pub path: Vec<PathElement>,
}

impl Conflict {
    /// The field in the form of messages: `.spec.replicas`.
    pub fn field(&self) -> String {
        self.path.iter().map(ToString::to_string).collect()
    }

    /// The cause's message in the API server's `Status`: `conflict with "x" using apps/v1`.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager)
    }
}

/// All conflicts of an apply. `Display` is the API server's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "Apply failed with 1 conflict: {}: {}", only.message(), only.field());
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut by_manager: BTreeMap<&ManagerId, Vec<String>> = BTreeMap::new();
        for conflict in &self.0 {
            by_manager.entry(&conflict.manager).or_default().push(conflict.field());
        }
        let lines: Vec<String> = by_manager
            .into_iter()
            .flat_map(|(manager, fields)| {
                std::iter::once(format!("conflicts with {manager}:"))
                    .chain(fields.into_iter().map(|field| format!("- {field}")))
            })
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Why a configuration was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Others own fields the configuration wants to change: 409 Conflict, one cause per conflict.
    #[error("{0}")]
    Conflicts(Conflicts),
    /// The configuration is no object to apply: 400 Bad Request.
    #[error("{0}")]
    BadRequest(String),
    /// The configuration breaks the schema's lists: duplicate or keyless items.
    #[error("failed to create typed patch object ({object}): {reason}")]
    Invalid {
        /// Namespace, name and kind.
        object: String,
        /// The path and what is wrong with it.
        reason: String,
    },
    /// The object could not be converted to a version that fields are owned in: 500.
    #[error("failed to convert object: {0}")]
    Conversion(ConversionError),
}

impl From<UpdateError> for ApplyError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Conflicts(conflicts) => Self::Conflicts(conflicts),
            UpdateError::Conversion(error) => Self::Conversion(error),
        }
    }
}

/// Server-side apply: `config` becomes what this manager wants of the object, which is created when `live` is none.
///
/// The result carries the new `metadata.managedFields`. When the apply changes no field, the manager's entry keeps its time, so that the
/// result equals `live` and the server has nothing to write.
///
/// # Errors
/// [`ApplyError::Conflicts`] unless `force`; [`ApplyError::BadRequest`] for a `config` with managed fields or of another version than the
/// writer's; [`ApplyError::Invalid`] for duplicate items of a set or list map and for what else [`validate`] finds;
/// [`ApplyError::Conversion`] when an object cannot be converted to the version of one of its managers.
pub fn apply(
    live: Option<&Value>,
    config: &Value,
    writer: &Writer<'_>,
    force: bool,
    versions: &dyn Versions,
) -> Result<Value, ApplyError> {
    if !config.is_object() {
        return Err(ApplyError::BadRequest("the configuration to apply must be an object".into()));
    }
    if config.pointer("/metadata/managedFields").is_some_and(|it| !it.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".into()));
    }
    let version = config.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    if version != writer.api_version {
        return Err(ApplyError::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {}",
            writer.api_version
        )));
    }
    let schema = versions.schema(version);
    validate(config, &schema, false).map_err(|reason| ApplyError::Invalid { object: describe(config), reason })?;

    let mut base = live.cloned().unwrap_or_else(|| json!({}));
    let mut managed = Managed::of(&base).unwrap_or_default();
    managed::strip(&mut base);
    if managed.entries.is_empty() && live.is_some() {
        let before = Writer { manager: BEFORE_FIRST_APPLY, ..writer.clone() };
        managed = track(&json!({}), &base, managed, &before, versions).map_err(ApplyError::Conversion)?;
    }

    let (mut merged, managed) = match apply_to(&base, config, managed.clone(), writer, force, versions) {
        Err(UpdateError::Conflicts(conflicts)) if writer.manager == "kubectl" && !force => {
            let allowed = allowed_by_last_applied(&base, writer, &schema);
            let left: Vec<Conflict> =
                conflicts.0.into_iter().filter(|conflict| !allowed.contains(&conflict.path)).collect();
            if !left.is_empty() {
                return Err(ApplyError::Conflicts(Conflicts(left)));
            }
            apply_to(&base, config, managed, writer, true, versions)?
        }
        other => other?,
    };
    if writer.manager == "kubectl" {
        refresh_last_applied(&mut merged, config);
    }
    managed.write(&mut merged);
    Ok(merged)
}

/// The bookkeeping of a create (`live` is none), update or patch: `new` as it will be stored, with the manager owning what it changed.
///
/// `new` may bring its own managed fields (`[]` or `[{}]` forgets them all); through a subresource those of `live` count. An object whose
/// managers were forgotten is not tracked again until its first apply. When an object cannot be converted to the version of a manager, nobody
/// owns anything any more, as in the API server.
pub fn update(live: Option<&Value>, new: &Value, writer: &Writer<'_>, versions: &dyn Versions) -> Value {
    let mut result = new.clone();
    let empty = json!({});
    let mut base = live.cloned().unwrap_or_else(|| empty.clone());
    let managed = if !writer.subresource.is_empty() {
        Managed::of(&base).unwrap_or_default()
    } else if managed::is_reset(new) {
        Managed::default()
    } else {
        Managed::of(new)
            .filter(|managed| !managed.entries.is_empty())
            .or_else(|| Managed::of(&base))
            .unwrap_or_default()
    };
    managed::strip(&mut result);
    managed::strip(&mut base);
    if live.is_some() && managed.entries.is_empty() {
        return result;
    }
    let managed = track(&base, &result, managed, writer, versions).unwrap_or_default();
    managed.write(&mut result);
    result
}

/// A create: as [`update`] of nothing, but compared with `zero`, what a typed server takes an empty object for (`{spec: {template: {}}}`).
///
/// The maps and lists that `zero` has are then nobody's; only what is in them is owned.
pub fn create(zero: &Value, new: &Value, writer: &Writer<'_>, versions: &dyn Versions) -> Value {
    let mut result = new.clone();
    let mut base = zero.clone();
    managed::strip(&mut result);
    managed::strip(&mut base);
    let managed = track(&base, &result, Managed::default(), writer, versions).unwrap_or_default();
    managed.write(&mut result);
    result
}

// === the rules, with what the API server does with metadata ===

fn track(
    old: &Value,
    new: &Value,
    managed: Managed,
    writer: &Writer<'_>,
    versions: &dyn Versions,
) -> Result<Managed, ConversionError> {
    let ignored = ignored_in(&managed, writer);
    let updater = Updater { versions, ignored: &ignored };
    // What this write changes is first owned apart, to tell whether it changed anything of its own.
    let current = ManagerId { manager: String::new(), ..writer.id(Operation::Update) };
    let updated = updater.update(old, new, writer.api_version, managed, &current);
    let mut managed = match updated {
        Ok(managed) => managed,
        Err(UpdateError::Conversion(error)) => return Err(error),
        // An update never conflicts.
        Err(UpdateError::Conflicts(_)) => Managed::default(),
    };
    let mine = managed.entries.remove(&current).unwrap_or_default().fields.difference(&never_owned());
    if !mine.is_empty() {
        let owned = managed.entries.entry(writer.id(Operation::Update)).or_default();
        owned.fields = owned.fields.union(&mine);
        owned.api_version = writer.api_version.to_owned();
        owned.time = Some(writer.time.to_owned());
    }
    managed.cap();
    Ok(managed)
}

fn apply_to(
    live: &Value,
    config: &Value,
    managed: Managed,
    writer: &Writer<'_>,
    force: bool,
    versions: &dyn Versions,
) -> Result<(Value, Managed), UpdateError> {
    let ignored = ignored_in(&managed, writer);
    let updater = Updater { versions, ignored: &ignored };
    let id = writer.id(Operation::Apply);
    let (mut merged, mut managed) = updater.apply(live, config, writer.api_version, managed, &id, force)?;
    if let Some(owned) = managed.entries.get_mut(&id) {
        owned.fields = owned.fields.difference(&never_owned());
        if merged != *live {
            owned.time = Some(writer.time.to_owned());
        }
        if owned.fields.is_empty() {
            managed.entries.remove(&id);
        }
    }
    drop_new_nulls(&mut merged, live, config);
    Ok((merged, managed))
}

/// The subresources are the same in all versions.
fn ignored_in(managed: &Managed, writer: &Writer<'_>) -> BTreeMap<String, FieldSet> {
    let others = managed.entries.values().map(|owned| owned.api_version.as_str());
    others.chain([writer.api_version]).map(|version| (version.to_owned(), writer.ignored.clone())).collect()
}

/// Removal leaves `null` where a map or list became empty; typed objects do not keep those.
fn drop_new_nulls(value: &mut Value, live: &Value, config: &Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, inner| {
                !inner.is_null()
                    || live.get(key).is_some_and(Value::is_null)
                    || config.get(key).is_some_and(Value::is_null)
            });
            for (key, inner) in members {
                drop_new_nulls(inner, live.get(key).unwrap_or(&Value::Null), config.get(key).unwrap_or(&Value::Null));
            }
        }
        Value::Array(items) => {
            for inner in items.iter_mut().filter(|inner| inner.is_object()) {
                drop_new_nulls(inner, &Value::Null, &Value::Null);
            }
        }
        _ => {}
    }
}

/// Fields that are the server's.
fn never_owned() -> FieldSet {
    FieldSet::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

// === the change from client-side to server-side apply ===

fn last_applied(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str().filter(|text| !text.is_empty())
}

/// The fields `kubectl apply` had applied client-side and that still are so: kubectl may take them over.
fn allowed_by_last_applied(live: &Value, writer: &Writer<'_>, schema: &Schema) -> FieldSet {
    let Some(applied) = last_applied(live).and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return FieldSet::new();
    };
    if applied.get("apiVersion").and_then(Value::as_str) != Some(writer.api_version) {
        return FieldSet::new();
    }
    let change = typed::compare(&applied, live, schema);
    typed::field_set(&applied, schema)
        .difference(&change.modified)
        .difference(&change.added)
        .difference(&change.removed)
}

fn refresh_last_applied(object: &mut Value, config: &Value) {
    if last_applied(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(Value::Object(annotations)) = config.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.insert(LAST_APPLIED.into(), Value::String(format!("{config}\n")));
    }
}

fn describe(object: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let empty = Map::new();
    let metadata = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    format!(
        "{}/{}; {}, Kind={}",
        text(metadata.get("namespace")),
        text(metadata.get("name")),
        text(object.get("apiVersion")),
        text(object.get("kind"))
    )
}

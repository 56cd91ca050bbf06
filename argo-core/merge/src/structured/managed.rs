//! `metadata.managedFields`: who owns which fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::set::FieldSet;

/// How a manager got its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By create, update or another patch.
    Update,
}

/// What identifies an entry. Appliers are one entry whatever version they apply with, updaters one entry per version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagerId {
    /// The name of the field manager.
    pub manager: String,
    /// How it writes.
    pub operation: Operation,
    /// The `apiVersion` it writes in; empty for appliers.
    pub api_version: String,
    /// The subresource it writes through; empty for the object itself.
    pub subresource: String,
}

/// Conflict messages name managers this way: `"hpa" with subresource "scale" using apps/v1`.
impl std::fmt::Display for ManagerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        if self.operation == Operation::Update {
            write!(f, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

/// The fields of one manager.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    /// The paths.
    pub fields: FieldSet,
    /// The version the paths are of.
    pub api_version: String,
    /// When the manager last changed something, RFC 3339.
    pub time: Option<String>,
}

/// All managers of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managed {
    /// By identity.
    pub entries: BTreeMap<ManagerId, Owned>,
}

/// The `Update` managers an object may have before the oldest are merged into one.
pub const MAX_UPDATE_MANAGERS: usize = 10;

/// The manager the oldest updaters are merged into.
pub const ANCIENT_CHANGES: &str = "ancient-changes";

/// The manager that owns what an object had before its first apply, when nobody was tracked.
pub const BEFORE_FIRST_APPLY: &str = "before-first-apply";

impl Managed {
    /// Reads an object's entries; nothing when they are malformed, which is read as no entries at all.
    pub fn of(object: &Value) -> Option<Self> {
        let mut entries = BTreeMap::new();
        for entry in object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten() {
            let text = |member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            if text("apiVersion").is_empty() || text("fieldsType") != "FieldsV1" {
                return None;
            }
            let id = ManagerId {
                manager: text("manager").to_owned(),
                operation,
                api_version: if operation == Operation::Apply { String::new() } else { text("apiVersion").to_owned() },
                subresource: text("subresource").to_owned(),
            };
            let owned = Owned {
                fields: entry.get("fieldsV1").map(FieldSet::parse).unwrap_or_default(),
                api_version: text("apiVersion").to_owned(),
                time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
            };
            entries.insert(id, owned);
        }
        Some(Self { entries })
    }

    /// Writes the entries into the object, in the API server's order; without entries the member goes.
    pub fn write(&self, object: &mut Value) {
        let seconds = |owned: &Owned| {
            owned.time.as_deref().map(|time| time.chars().take(19).collect::<String>()).unwrap_or_default()
        };
        let mut sorted: Vec<(&ManagerId, &Owned)> = self.entries.iter().collect();
        sorted.sort_by_key(|(id, owned)| {
            (id.operation, seconds(owned), id.manager.clone(), owned.api_version.clone(), id.subresource.clone())
        });
        let entries: Vec<Value> = sorted
            .into_iter()
            .map(|(id, owned)| {
                let mut entry = Map::new();
                entry.insert("apiVersion".into(), json!(owned.api_version));
                entry.insert("fieldsType".into(), json!("FieldsV1"));
                entry.insert("fieldsV1".into(), owned.fields.to_fields_v1());
                entry.insert("manager".into(), json!(id.manager));
                entry.insert(
                    "operation".into(),
                    json!(if id.operation == Operation::Apply { "Apply" } else { "Update" }),
                );
                if !id.subresource.is_empty() {
                    entry.insert("subresource".into(), json!(id.subresource));
                }
                if let Some(time) = &owned.time {
                    entry.insert("time".into(), json!(time));
                }
                Value::Object(entry)
            })
            .collect();
        let Some(object) = object.as_object_mut() else {
            return;
        };
        if entries.is_empty() {
            if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                metadata.remove("managedFields");
            }
        } else if let Value::Object(metadata) = object.entry("metadata").or_insert_with(|| json!({})) {
            metadata.insert("managedFields".into(), Value::Array(entries));
        }
    }

    /// Merges the oldest updaters of a version into one entry until at most [`MAX_UPDATE_MANAGERS`] are left.
    pub(super) fn cap(&mut self) {
        let mut updaters: Vec<(String, ManagerId)> = self
            .entries
            .iter()
            .filter(|(id, _)| id.operation == Operation::Update)
            .map(|(id, owned)| (owned.time.as_deref().unwrap_or_default().chars().take(19).collect(), id.clone()))
            .collect();
        let mut count = updaters.len();
        updaters.sort();
        let mut first_of: BTreeMap<String, ManagerId> = BTreeMap::new();
        for (_, id) in updaters {
            if count <= MAX_UPDATE_MANAGERS {
                break;
            }
            let Some(version) = self.entries.get(&id).map(|owned| owned.api_version.clone()) else {
                continue;
            };
            let Some(first) = first_of.get(&version) else {
                first_of.insert(version, id);
                continue;
            };
            let bucket = ManagerId {
                manager: ANCIENT_CHANGES.into(),
                operation: Operation::Update,
                api_version: version,
                subresource: String::new(),
            };
            if !self.entries.contains_key(&bucket)
                && let Some(owned) = self.entries.remove(first)
            {
                self.entries.insert(bucket.clone(), owned);
            }
            if let Some(merged) = self.entries.remove(&id)
                && let Some(owned) = self.entries.get_mut(&bucket)
            {
                owned.fields = owned.fields.union(&merged.fields);
                owned.time = merged.time;
                count -= 1;
            }
        }
    }
}

/// Whether an update asks for the managers to be forgotten: `managedFields: []` or `[{}]`.
pub(super) fn is_reset(object: &Value) -> bool {
    match object.pointer("/metadata/managedFields").and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => only.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

/// Takes `metadata.managedFields` off an object.
pub(super) fn strip(object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("managedFields");
    }
}

//! Changes of objects in the cluster.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::{Object, ObjectRef};

/// One write to the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "camelCase")]
pub enum Change {
    /// Creates; with a deterministic name, so that a repeat after a crash is seen as done.
    Create {
        /// The whole object.
        object: Object,
    },
    /// Server-side apply: the fields given become owned by `manager`.
    Apply {
        /// The fields wanted.
        object: Object,
        /// Field manager.
        manager: String,
        /// Takes fields over from other managers.
        force: bool,
    },
    /// Changes parts of what was read.
    Patch {
        /// The object.
        target: ObjectRef,
        /// The patch.
        patch: Patch,
        /// `status`, `scale`…; absent for the main resource.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        subresource: Option<String>,
        /// Fails with a conflict unless the object still has this version.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        resource_version: Option<String>,
    },
    /// Replaces the whole object by what was read and changed (it carries its resourceVersion).
    Update {
        /// The whole object.
        object: Object,
    },
    /// Deletes.
    Delete {
        /// The object.
        target: ObjectRef,
        /// Only this very object, not a later one with the same name.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        uid: Option<String>,
        /// What happens to what it owns.
        propagation: Propagation,
    },
    /// Asks for a pod's eviction, respecting disruption budgets.
    Evict {
        /// The pod.
        target: ObjectRef,
    },
}

/// A patch with its content type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// How `body` is to be read.
    pub kind: PatchKind,
    /// The patch document.
    pub body: Value,
}

/// Patch formats of the Kubernetes API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Strategic merge; built-in kinds only.
    Strategic,
}

/// What deleting an object does to what it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Propagation {
    /// Owned objects go after it.
    #[default]
    Background,
    /// Owned objects go first.
    Foreground,
    /// Owned objects stay.
    Orphan,
}

impl Propagation {
    /// As `propagationPolicy` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

impl Patch {
    /// An RFC 7386 merge patch.
    #[must_use]
    pub fn merge(body: Value) -> Self {
        Self { kind: PatchKind::Merge, body }
    }

    /// An RFC 6902 patch.
    #[must_use]
    pub fn json(body: Value) -> Self {
        Self { kind: PatchKind::Json, body }
    }
}

impl Change {
    /// Creates `object`.
    #[must_use]
    pub fn create(object: Object) -> Self {
        Self::Create { object }
    }

    /// Applies `object` server-side as `manager`, taking fields over.
    pub fn apply(object: Object, manager: impl Into<String>) -> Self {
        Self::Apply { object, manager: manager.into(), force: true }
    }

    /// Merge-patches the main resource, whatever its version.
    #[must_use]
    pub fn merge(target: ObjectRef, body: Value) -> Self {
        Self::Patch { target, patch: Patch::merge(body), subresource: None, resource_version: None }
    }

    /// The merge patch that turns `from` into `to`, guarded by the version `from` was read at.
    /// `None` when they are equal. `metadata.resourceVersion` and `managedFields` never count.
    #[must_use]
    pub fn merge_between(from: &Object, to: &Object) -> Option<Self> {
        Self::between(from, to, None)
    }

    /// As [`Change::merge_between`], on a subresource such as `status`.
    #[must_use]
    pub fn subresource_between(from: &Object, to: &Object, subresource: &str) -> Option<Self> {
        Self::between(from, to, Some(subresource.to_owned()))
    }

    fn between(from: &Object, to: &Object, subresource: Option<String>) -> Option<Self> {
        let mut body = argo_merge::merge_patch::diff(from.value(), to.value());
        if let Some(meta) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("resourceVersion");
            meta.remove("managedFields");
            if meta.is_empty() {
                body.as_object_mut()?.remove("metadata");
            }
        }
        if body.as_object().is_none_or(serde_json::Map::is_empty) {
            return None;
        }
        let version = from.resource_version();
        Some(Self::Patch {
            target: from.reference(),
            patch: Patch::merge(body),
            subresource,
            resource_version: (!version.is_empty()).then(|| version.to_owned()),
        })
    }

    /// Deletes `object`, and only that one, in the background.
    #[must_use]
    pub fn delete(object: &Object) -> Self {
        Self::delete_with(object, Propagation::Background)
    }

    /// Deletes `object`, and only that one.
    #[must_use]
    pub fn delete_with(object: &Object, propagation: Propagation) -> Self {
        let uid = object.uid();
        Self::Delete { target: object.reference(), uid: (!uid.is_empty()).then(|| uid.to_owned()), propagation }
    }

    /// The object it is about.
    #[must_use]
    pub fn target(&self) -> ObjectRef {
        match self {
            Self::Create { object } | Self::Apply { object, .. } | Self::Update { object } => object.reference(),
            Self::Patch { target, .. } | Self::Delete { target, .. } | Self::Evict { target } => target.clone(),
        }
    }

    /// The verb, as it is printed.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Apply { .. } => "apply",
            Self::Patch { .. } => "patch",
            Self::Update { .. } => "update",
            Self::Delete { .. } => "delete",
            Self::Evict { .. } => "evict",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb(), self.target())?;
        match self {
            Self::Create { object } if object.name().is_empty() => {
                write!(f, "{}*", object.text("/metadata/generateName"))
            }
            Self::Patch { patch, subresource, .. } => {
                if let Some(subresource) = subresource {
                    write!(f, "/{subresource}")?;
                }
                write!(f, " {}", Redacted { body: &patch.body, secret: self.target().gvk.kind == "Secret" })
            }
            Self::Delete { propagation, .. } if *propagation != Propagation::Background => {
                write!(f, " ({})", propagation.as_str())
            }
            _ => Ok(()),
        }
    }
}

/// A patch body for people: never the content of a Secret.
struct Redacted<'a> {
    body: &'a Value,
    secret: bool,
}

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret { f.write_str("(content withheld)") } else { self.body.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_computed_against_what_was_read() {
        let from = Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "n", "resourceVersion": "7"}, "data": {"a": "1", "b": "2"}}));
        let mut to = from.clone();
        to.set(&["data", "a"], "9");
        to.remove(&["data", "b"]);
        let change = Change::merge_between(&from, &to).unwrap();
        assert_eq!(change.to_string(), r#"patch v1 ConfigMap n/c {"data":{"a":"9","b":null}}"#);
        assert!(matches!(&change, Change::Patch { resource_version: Some(v), .. } if v == "7"));
        assert_eq!(Change::merge_between(&from, &from), None);
    }

    #[test]
    fn secrets_are_not_printed() {
        let target = ObjectRef::new(crate::Gvk::new("", "v1", "Secret"), Some("n"), "s");
        let text = Change::merge(target, json!({"data": {"password": "aHVudGVyMg=="}})).to_string();
        assert!(!text.contains("aHVudGVyMg"), "{text}");
    }
}

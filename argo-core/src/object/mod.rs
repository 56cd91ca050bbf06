//! [`Object`]: any Kubernetes object as JSON, with what every engine asks of it.

mod identity;

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    meta::{ObjectMeta, OwnerReference},
    time::{self, Timestamp},
};

pub use identity::{GroupKind, Gvk, ObjectKey, ObjectRef};

/// A Kubernetes object of any kind, as it is on the wire. Unknown fields survive because nothing
/// is decoded until it is asked for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(Value);

impl Object {
    /// An empty object of a kind.
    #[must_use]
    pub fn new(gvk: &Gvk, namespace: Option<&str>, name: &str) -> Self {
        let mut meta = Map::new();
        meta.insert("name".into(), name.into());
        if let Some(namespace) = namespace {
            meta.insert("namespace".into(), namespace.into());
        }
        let mut root = Map::new();
        root.insert("apiVersion".into(), gvk.api_version().into());
        root.insert("kind".into(), gvk.kind.clone().into());
        root.insert("metadata".into(), meta.into());
        Self(root.into())
    }

    /// Takes any JSON value; one that is not an object reads as an object without fields.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        Self(if value.is_object() { value } else { Value::Object(Map::new()) })
    }

    /// Encodes a typed object.
    ///
    /// # Errors
    /// When the type does not encode to a JSON object.
    pub fn encode<T: Serialize>(typed: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_value(typed).map(Self::from_value)
    }

    /// Decodes into a type, without taking the JSON apart twice.
    ///
    /// # Errors
    /// Names the object and the field that did not decode.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        T::deserialize(&self.0).map_err(|source| DecodeError { object: Box::new(self.reference()), source })
    }

    /// The JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The JSON, to change.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// The JSON, taken.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
    }

    /// A top-level field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// A value by JSON pointer (`/spec/replicas`).
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// A text by JSON pointer; empty text where it is absent or of another type.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A whole number by JSON pointer.
    #[must_use]
    pub fn integer(&self, pointer: &str) -> Option<i64> {
        self.0.pointer(pointer).and_then(Value::as_i64)
    }

    /// Sets a value by plain field names, making the objects on the way.
    pub fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        let mut at = &mut self.0;
        for field in path {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Value::Object(map) = at else { return };
            at = map.entry((*field).to_owned()).or_insert(Value::Null);
        }
        *at = value.into();
    }

    /// Removes a field by plain field names; returns what was there.
    pub fn remove(&mut self, path: &[&str]) -> Option<Value> {
        let (last, parents) = path.split_last()?;
        let mut at = &mut self.0;
        for field in parents {
            at = at.get_mut(*field)?;
        }
        at.as_object_mut()?.remove(*last)
    }

    /// The kind with its group and version.
    #[must_use]
    pub fn gvk(&self) -> Gvk {
        Gvk::from_api_version(self.text("/apiVersion"), self.text("/kind"))
    }

    /// The name; empty when only `generateName` is set.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The namespace, if any.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.pointer("/metadata/namespace").and_then(Value::as_str).filter(|it| !it.is_empty())
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace(), self.name())
    }

    /// Kind, namespace and name.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef { gvk: self.gvk(), namespace: self.namespace().map(str::to_owned), name: self.name().to_owned() }
    }

    /// The uid; empty before it was created.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// The version for optimistic locking; empty before it was created.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion")
    }

    /// `metadata.generation`, 0 when absent.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.integer("/metadata/generation").unwrap_or_default()
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// Labels in order of their keys.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings("labels")
    }

    /// Annotations in order of their keys.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings("annotations")
    }

    fn strings(&self, field: &str) -> impl Iterator<Item = (&str, &str)> {
        let map = self.0.get("metadata").and_then(|it| it.get(field)).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
    }

    /// Sets a label.
    pub fn set_label(&mut self, key: &str, value: impl Into<String>) {
        self.set(&["metadata", "labels", key], value.into());
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, key: &str, value: impl Into<String>) {
        self.set(&["metadata", "annotations", key], value.into());
    }

    /// Whether a finalizer is present.
    #[must_use]
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers().any(|it| it == finalizer)
    }

    /// The finalizers.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.0.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The owners; entries that do not decode are left out.
    #[must_use]
    pub fn owner_references(&self) -> Vec<OwnerReference> {
        let list = self.0.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|it| OwnerReference::deserialize(it).ok()).collect()
    }

    /// The owner that manages this object.
    #[must_use]
    pub fn controller(&self) -> Option<OwnerReference> {
        self.owner_references().into_iter().find(|it| it.controller == Some(true))
    }

    /// Whether the owner that manages this object has this uid.
    #[must_use]
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        !uid.is_empty() && self.controller().is_some_and(|it| it.uid == uid)
    }

    /// When it was created.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        time::parse(self.text("/metadata/creationTimestamp")).ok()
    }

    /// Whether its deletion was asked for.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.0.pointer("/metadata/deletionTimestamp").is_some_and(|it| !it.is_null())
    }

    /// The typed metadata.
    ///
    /// # Errors
    /// When a field has the wrong type.
    pub fn meta(&self) -> Result<ObjectMeta, DecodeError> {
        match self.0.get("metadata") {
            Some(meta) => ObjectMeta::deserialize(meta)
                .map_err(|source| DecodeError { object: Box::new(self.reference()), source }),
            None => Ok(ObjectMeta::default()),
        }
    }

    /// A reference to this object as the managing owner of others.
    #[must_use]
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.text("/apiVersion").to_owned(),
            kind: self.text("/kind").to_owned(),
            name: self.name().to_owned(),
            uid: self.uid().to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// Makes `owner` the managing owner, replacing an earlier entry with the same uid.
    pub fn set_controller(&mut self, owner: &OwnerReference) {
        let mut owners = self.owner_references();
        owners.retain(|it| it.uid != owner.uid);
        owners.push(owner.clone());
        self.set(&["metadata", "ownerReferences"], serde_json::to_value(owners).unwrap_or_default());
    }

    /// With a field set; for building in one expression.
    #[must_use]
    pub fn with(mut self, path: &[&str], value: impl Into<Value>) -> Self {
        self.set(path, value);
        self
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} {})", self.reference(), self.0)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        object.0
    }
}

/// An object that does not decode into the type it claims to be.
#[derive(Debug, thiserror::Error)]
#[error("{object} does not decode: {source}")]
pub struct DecodeError {
    /// The object.
    pub object: Box<ObjectRef>,
    /// What was wrong.
    #[source]
    pub source: serde_json::Error,
}

impl crate::Failure for DecodeError {
    fn category(&self) -> crate::Category {
        crate::Category::Invalid
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_engines_ask_for() {
        let object = Object::from_value(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 3, "labels": {"x": "y"},
                "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "o", "uid": "ou", "controller": true}]},
        }));
        assert_eq!(object.reference().to_string(), "apps/v1 ReplicaSet n/a");
        assert_eq!(object.label("x"), Some("y"));
        assert!(object.is_controlled_by("ou"));
        assert!(!object.is_deleting());
        assert_eq!(object.generation(), 3);
    }

    #[test]
    fn setting_makes_parents_and_removing_returns_the_value() {
        let mut object = Object::new(&Gvk::new("", "v1", "ConfigMap"), Some("n"), "c");
        object.set(&["data", "a.b/c"], "1");
        assert_eq!(object.value()["data"]["a.b/c"], "1");
        assert_eq!(object.remove(&["data", "a.b/c"]), Some(json!("1")));
        assert_eq!(object.remove(&["nowhere", "x"]), None);
    }

    #[test]
    fn decode_errors_name_the_object() {
        let object = Object::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 1}}));
        let message = object.meta().unwrap_err().to_string();
        assert!(
            message.starts_with("v1 Pod  does not decode: invalid type") || message.contains("v1 Pod"),
            "{message}"
        );
    }

    #[test]
    fn maps_keep_the_order_of_their_keys() {
        // Go prints maps sorted; serde_json/preserve_order anywhere in the build would break that.
        let value: Value = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"a":2,"b":1}"#);
    }
}

//! What merging needs to know of a type: which lists are sets or maps and by which keys, which maps are atomic, and the patch strategies.
//!
//! A [`Schema`] is a cheap handle on one type of a shared arena (types may be recursive). It comes from
//! - the built-in kinds of Kubernetes ([`Schema::builtin`], [`Schema::of`]),
//! - an OpenAPI schema as in a CustomResourceDefinition ([`Schema::from_openapi`]),
//! - nothing: [`Schema::deduced`], where maps are granular and lists atomic, as kube-apiserver treats unknown fields.

mod builtin;
mod openapi;
mod type_defs;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

/// A handle on the merge-relevant part of one type.
#[derive(Clone)]
pub struct Schema {
    arena: Arc<Arena>,
    at: usize,
}

/// How the elements of a list relate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKind {
    /// The list is one value: whoever changes any of it owns all of it.
    Atomic,
    /// A set of scalars: each element stands for itself.
    Set,
    /// A map in the form of a list, by these key fields.
    Map(Vec<String>),
}

/// The strategic-merge strategies of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists merge, by [`PatchStrategy::merge_key`] or, for scalars, as a set.
    pub merge: bool,
    /// The whole value is replaced.
    pub replace: bool,
    /// A patch names the keys to retain; others go (unions such as a Deployment's `strategy`).
    pub retain_keys: bool,
    /// The field that identifies an element; empty for lists of scalars.
    pub merge_key: String,
}

impl PatchStrategy {
    pub(crate) const NONE: &'static Self =
        &Self { merge: false, replace: false, retain_keys: false, merge_key: String::new() };
}

/// All types of one origin. Index 0 is the deduced type.
#[derive(Debug)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) map: Option<MapNode>,
    pub(crate) list: Option<ListNode>,
    pub(crate) scalar: bool,
    pub(crate) scalar_kind: Scalar,
}

/// What a scalar may be, where the schema says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scalar {
    #[default]
    Untyped,
    Numeric,
    String,
    Boolean,
}

#[derive(Debug, Default)]
pub(crate) struct MapNode {
    pub(crate) fields: BTreeMap<String, FieldNode>,
    pub(crate) element: usize,
    pub(crate) atomic: bool,
    /// Members that are not declared are errors.
    pub(crate) closed: bool,
}

#[derive(Debug)]
pub(crate) struct ListNode {
    pub(crate) kind: ListKind,
    pub(crate) element: usize,
}

#[derive(Debug, Default)]
pub(crate) struct FieldNode {
    pub(crate) node: usize,
    pub(crate) default: Option<Value>,
    pub(crate) patch: PatchStrategy,
}

pub(crate) const DEDUCED: usize = 0;

impl Arena {
    pub(crate) fn new() -> Self {
        let deduced = Node {
            map: Some(MapNode::default()),
            list: Some(ListNode { kind: ListKind::Atomic, element: DEDUCED }),
            scalar: true,
            scalar_kind: Scalar::Untyped,
        };
        Self { nodes: vec![deduced] }
    }

    pub(crate) fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(crate) fn replace(&mut self, at: usize, node: Node) {
        self.nodes[at] = node;
    }

    pub(crate) fn into_schema(self, at: usize) -> Schema {
        Schema { arena: Arc::new(self), at }
    }
}

impl Schema {
    /// The schema of a built-in kind in its preferred version, if Kubernetes has such a kind (group `""` is the core group).
    pub fn builtin(group: &str, kind: &str) -> Option<Self> {
        builtin::kind(group, None, kind)
    }

    /// The schema of a kind: the built-in one of that version or of another, else [`Schema::custom`].
    pub fn of(group: &str, version: &str, kind: &str) -> Self {
        builtin::kind(group, Some(version), kind).or_else(|| Self::builtin(group, kind)).unwrap_or_else(Self::custom)
    }

    /// The schema of the object's own `apiVersion` and `kind`, as [`Schema::of`].
    pub fn of_object(object: &Value) -> Self {
        let text = |member| object.get(member).and_then(Value::as_str).unwrap_or_default();
        let api_version = text("apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::of(group, version, text("kind"))
    }

    /// Nothing is known: maps merge key by key, lists are replaced.
    pub fn deduced() -> Self {
        static DEDUCED_SCHEMA: OnceLock<Schema> = OnceLock::new();
        DEDUCED_SCHEMA.get_or_init(|| Arena::new().into_schema(DEDUCED)).clone()
    }

    /// An object whose `metadata` is that of every Kubernetes object (owner references by uid, finalizers a set) and whose rest is deduced.
    pub fn custom() -> Self {
        static CUSTOM: OnceLock<Schema> = OnceLock::new();
        CUSTOM.get_or_init(|| Self::from_openapi(&Value::Null)).clone()
    }

    /// Builds the schema of a whole object from an OpenAPI v3 schema, as in `spec.versions[].schema.openAPIV3Schema` of a
    /// CustomResourceDefinition: `x-kubernetes-list-type`, `-list-map-keys`, `-map-type`, `-patch-strategy`, `-patch-merge-key`.
    /// `metadata` is always that of a Kubernetes object. Nesting deeper than 64 levels is deduced.
    pub fn from_openapi(schema: &Value) -> Self {
        openapi::object(schema)
    }

    /// Builds a schema from an OpenAPI v3 schema of any value, without the `metadata` of an object.
    pub fn from_openapi_value(schema: &Value) -> Self {
        openapi::value(schema)
    }

    /// Builds a schema from type definitions in the form of structured-merge-diff (a list of `{name, scalar | list | map}`), as client-go's
    /// apply configurations carry them; nothing when `root` or a definition's name is missing.
    pub fn from_type_defs(types: &Value, root: &str) -> Option<Self> {
        type_defs::read(types, root)
    }

    /// The type of a member; deduced when the schema does not know it.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.go(self
            .node()
            .map
            .as_ref()
            .map_or(DEDUCED, |map| map.fields.get(name).map_or(map.element, |field| field.node)))
    }

    /// Whether the member is declared by name, as opposed to a key of a free map.
    pub fn declares(&self, name: &str) -> bool {
        self.node().map.as_ref().is_some_and(|map| map.fields.contains_key(name))
    }

    /// The strategic-merge strategy of a member.
    pub fn patch_strategy(&self, name: &str) -> &PatchStrategy {
        self.node().map.as_ref().and_then(|map| map.fields.get(name)).map_or(PatchStrategy::NONE, |field| &field.patch)
    }

    /// The type of a list's elements; deduced when this is no list.
    #[must_use]
    pub fn element(&self) -> Self {
        self.go(self.node().list.as_ref().map_or(DEDUCED, |list| list.element))
    }

    /// How this type's lists relate their elements; atomic when it has none.
    pub fn list_kind(&self) -> &ListKind {
        self.node().list.as_ref().map_or(&ListKind::Atomic, |list| &list.kind)
    }

    /// Whether this type's maps are one value.
    pub fn is_atomic_map(&self) -> bool {
        self.node().map.as_ref().is_some_and(|map| map.atomic)
    }

    pub(crate) fn default_of(&self, field: &str) -> Option<&Value> {
        self.node().map.as_ref().and_then(|map| map.fields.get(field)).and_then(|field| field.default.as_ref())
    }

    pub(crate) fn node(&self) -> &Node {
        &self.arena.nodes[self.at]
    }

    /// Whether members that are not declared are errors.
    pub(crate) fn is_closed(&self) -> bool {
        self.node().map.as_ref().is_some_and(|map| map.closed)
    }

    pub(crate) fn is_deduced_map(&self) -> bool {
        self.node().map.as_ref().is_some_and(|map| map.fields.is_empty() && map.element == DEDUCED && !map.atomic)
    }

    fn go(&self, at: usize) -> Self {
        Self { arena: self.arena.clone(), at }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("node", self.node()).finish_non_exhaustive()
    }
}

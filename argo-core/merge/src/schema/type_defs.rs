//! From structured-merge-diff's own form of schemas to [`Schema`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Arena, DEDUCED, FieldNode, ListKind, ListNode, MapNode, Node, PatchStrategy, Scalar, Schema};

const MAX_DEPTH: usize = 64;

pub(super) fn read(types: &Value, root: &str) -> Option<Schema> {
    let mut reader = Reader { arena: Arena::new(), defs: BTreeMap::new(), known: BTreeMap::new() };
    for def in types.as_array()? {
        reader.defs.insert(def.get("name")?.as_str()?, def);
    }
    let at = reader.named(root, None)?;
    Some(reader.arena.into_schema(at))
}

struct Reader<'a> {
    arena: Arena,
    defs: BTreeMap<&'a str, &'a Value>,
    /// By name and relationship that the reference lays over the type.
    known: BTreeMap<(String, Option<&'a str>), usize>,
}

impl<'a> Reader<'a> {
    /// The node of a named type; made once, so that types may refer to themselves.
    fn named(&mut self, name: &str, relationship: Option<&'a str>) -> Option<usize> {
        if name == "__untyped_deduced_" && relationship.is_none() {
            return Some(DEDUCED);
        }
        let key = (name.to_owned(), relationship);
        if let Some(at) = self.known.get(&key) {
            return Some(*at);
        }
        let def = *self.defs.get(name)?;
        let at = self.arena.add(Node::default());
        self.known.insert(key, at);
        let node = self.atom(def, relationship, 0);
        self.arena.replace(at, node);
        Some(at)
    }

    fn reference(&mut self, reference: Option<&'a Value>, depth: usize) -> Option<usize> {
        let reference = reference.filter(|it| it.as_object().is_some_and(|it| !it.is_empty()))?;
        let relationship = reference.get("elementRelationship").and_then(Value::as_str);
        if let Some(name) = reference.get("namedType").and_then(Value::as_str) {
            return self.named(name, relationship);
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let node = self.atom(reference, relationship, depth + 1);
        Some(self.arena.add(node))
    }

    fn atom(&mut self, atom: &'a Value, relationship: Option<&'a str>, depth: usize) -> Node {
        let mut node = Node::default();
        if let Some(scalar) = atom.get("scalar").and_then(Value::as_str) {
            node.scalar = true;
            node.scalar_kind = match scalar {
                "numeric" => Scalar::Numeric,
                "string" => Scalar::String,
                "boolean" => Scalar::Boolean,
                _ => Scalar::Untyped,
            };
        }
        let related = |of: &'a Value| {
            relationship.or_else(|| of.get("elementRelationship").and_then(Value::as_str)).unwrap_or_default()
        };
        if let Some(list) = atom.get("list").filter(|it| it.is_object()) {
            let keys = list.get("keys").and_then(Value::as_array).into_iter().flatten();
            let keys: Vec<String> = keys.filter_map(Value::as_str).map(str::to_owned).collect();
            let kind = match related(list) {
                "associative" if keys.is_empty() => ListKind::Set,
                "associative" => ListKind::Map(keys),
                _ => ListKind::Atomic,
            };
            let element = self.reference(list.get("elementType"), depth).unwrap_or(DEDUCED);
            node.list = Some(ListNode { kind, element });
        }
        if let Some(map) = atom.get("map").filter(|it| it.is_object()) {
            let element = self.reference(map.get("elementType"), depth);
            let mut out = MapNode {
                atomic: related(map) == "atomic",
                closed: element.is_none(),
                element: element.unwrap_or(DEDUCED),
                ..MapNode::default()
            };
            for field in map.get("fields").and_then(Value::as_array).into_iter().flatten() {
                let Some(name) = field.get("name").and_then(Value::as_str) else { continue };
                let at = self.reference(field.get("type"), depth).unwrap_or(DEDUCED);
                let default = field.get("default").filter(|it| !it.is_null()).cloned();
                out.fields.insert(name.to_owned(), FieldNode { node: at, default, patch: PatchStrategy::default() });
            }
            node.map = Some(out);
        }
        node
    }
}

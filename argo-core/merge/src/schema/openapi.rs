//! From OpenAPI v3 to [`Schema`].

use serde_json::Value;

use super::builtin;
use super::{Arena, DEDUCED, FieldNode, ListKind, ListNode, MapNode, Node, PatchStrategy, Schema};

const MAX_DEPTH: usize = 64;

pub(super) fn object(schema: &Value) -> Schema {
    let mut arena = Arena::new();
    let metadata = builtin::object_meta(&mut arena);
    let root = build(&mut arena, schema, 0);
    let mut map = if root == DEDUCED { MapNode::default() } else { arena.nodes[root].map.take().unwrap_or_default() };
    map.fields.insert("metadata".into(), FieldNode { node: metadata, ..FieldNode::default() });
    let root = arena.add(Node { map: Some(map), ..Node::default() });
    arena.into_schema(root)
}

pub(super) fn value(schema: &Value) -> Schema {
    let mut arena = Arena::new();
    let root = build(&mut arena, schema, 0);
    arena.into_schema(root)
}

fn build(arena: &mut Arena, schema: &Value, depth: usize) -> usize {
    if depth > MAX_DEPTH || !schema.is_object() {
        return DEDUCED;
    }
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
    if flag("x-kubernetes-int-or-string") {
        return arena.add(Node { scalar: true, ..Node::default() });
    }
    match text("type") {
        Some("array") => {
            let element = build(arena, schema.get("items").unwrap_or(&Value::Null), depth + 1);
            let keys = || {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
            };
            let kind = match text("x-kubernetes-list-type") {
                Some("set") => ListKind::Set,
                Some("map") => ListKind::Map(keys()),
                _ => ListKind::Atomic,
            };
            arena.add(Node { list: Some(ListNode { kind, element }), ..Node::default() })
        }
        Some("string" | "integer" | "number" | "boolean") => arena.add(Node { scalar: true, ..Node::default() }),
        Some("object") | None => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let additional = schema.get("additionalProperties").filter(|it| it.is_object());
            let atomic = text("x-kubernetes-map-type") == Some("atomic");
            if properties.is_none() && additional.is_none() && !atomic {
                return DEDUCED;
            }
            let mut map = MapNode {
                atomic,
                element: additional.map_or(DEDUCED, |it| build(arena, it, depth + 1)),
                ..MapNode::default()
            };
            for (name, property) in properties.into_iter().flatten() {
                let node = build(arena, property, depth + 1);
                let default = property.get("default").filter(|it| !it.is_null()).cloned();
                map.fields.insert(name.clone(), FieldNode { node, default, patch: strategy(property) });
            }
            arena.add(Node { map: Some(map), ..Node::default() })
        }
        Some(_) => DEDUCED,
    }
}

fn strategy(property: &Value) -> PatchStrategy {
    let text = |name: &str| property.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut strategy =
        PatchStrategy { merge_key: text("x-kubernetes-patch-merge-key").to_owned(), ..PatchStrategy::default() };
    for word in text("x-kubernetes-patch-strategy").split(',') {
        match word {
            "merge" => strategy.merge = true,
            "replace" => strategy.replace = true,
            "retainKeys" => strategy.retain_keys = true,
            _ => {}
        }
    }
    strategy
}

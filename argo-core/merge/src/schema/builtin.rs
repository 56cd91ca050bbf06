//! The built-in kinds, out of the compact table beside this file.
//!
//! `@group/version/Kind type *` names a kind's type, `*` its preferred version. Every other line is a type: its name, `!` when the whole
//! map is atomic, then `field:shape`. A shape is `Type`, `{}Type` (free map), `{!}` (atomic map),
//! `[]Type` (atomic list), `[*]` (set), `[k1,k2]Type` (list map) or `="default"` (the default of a key field); then the patch strategy:
//! `^key` merge by key, `^` merge as a set, `%` replace, `~` retain keys. Fields left out are scalars or atomic lists of scalars.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::{Arena, DEDUCED, FieldNode, ListKind, ListNode, MapNode, Node, PatchStrategy, Schema};

const TABLE: &str = include_str!("builtin.txt");

struct Table {
    arena: Arc<Arena>,
    kinds: BTreeMap<(&'static str, &'static str), Vec<(&'static str, usize)>>,
}

pub(super) fn kind(group: &str, version: Option<&str>, kind: &str) -> Option<Schema> {
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(read);
    // The preferred version stands first.
    let versions = table.kinds.get(&(group, kind))?;
    let at = match version {
        None => versions.first(),
        Some(version) => versions.iter().find(|(name, _)| *name == version),
    }?
    .1;
    Some(Schema { arena: table.arena.clone(), at })
}

/// The type of `metadata`, added to another arena.
pub(super) fn object_meta(arena: &mut Arena) -> usize {
    let mut reader = Reader { arena: std::mem::replace(arena, Arena::new()), types: BTreeMap::new() };
    for line in TABLE.lines().filter(|line| line.starts_with("meta.v1.")) {
        reader.declare(line);
    }
    for line in TABLE.lines().filter(|line| line.starts_with("meta.v1.")) {
        reader.define(line);
    }
    let at = reader.types.get("meta.v1.ObjectMeta").copied().unwrap_or(DEDUCED);
    *arena = reader.arena;
    at
}

struct Reader {
    arena: Arena,
    types: BTreeMap<&'static str, usize>,
}

fn read() -> Table {
    let mut reader = Reader { arena: Arena::new(), types: BTreeMap::new() };
    let is_type = |line: &&str| !line.starts_with(['#', '@']);
    TABLE.lines().filter(is_type).for_each(|line| reader.declare(line));
    TABLE.lines().filter(is_type).for_each(|line| reader.define(line));
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in TABLE.lines().filter_map(|line| line.strip_prefix('@')) {
        let mut words = line.split(' ');
        let mut name = words.next().unwrap_or_default().split('/');
        if let (Some(group), Some(version), Some(kind), Some(type_name)) =
            (name.next(), name.next(), name.next(), words.next())
        {
            let at = reader.types.get(type_name).copied().unwrap_or(DEDUCED);
            let versions = kinds.entry((group, kind)).or_default();
            versions.insert(if words.next() == Some("*") { 0 } else { versions.len() }, (version, at));
        }
    }
    Table { arena: Arc::new(reader.arena), kinds }
}

impl Reader {
    fn declare(&mut self, line: &'static str) {
        let at = self.arena.add(Node::default());
        self.types.insert(line.split(' ').next().unwrap_or_default(), at);
    }

    fn define(&mut self, line: &'static str) {
        let mut words = line.split(' ');
        let Some(&at) = words.next().and_then(|name| self.types.get(name)) else {
            return;
        };
        let mut map = MapNode::default();
        for word in words {
            if word == "!" {
                map.atomic = true;
            } else if let Some((name, shape)) = word.split_once(':') {
                let field = self.field(shape);
                map.fields.insert(name.to_owned(), field);
            }
        }
        self.arena.replace(at, Node { map: Some(map), ..Node::default() });
    }

    fn field(&mut self, shape: &'static str) -> FieldNode {
        if let Some(default) = shape.strip_prefix('=') {
            let node = self.arena.add(Node { scalar: true, ..Node::default() });
            return FieldNode { node, default: serde_json::from_str(default).ok(), ..FieldNode::default() };
        }
        let end = shape.find(['^', '%', '~']).unwrap_or(shape.len());
        let (shape, marks) = shape.split_at(end);
        let mut patch = PatchStrategy {
            replace: marks.contains('%'),
            retain_keys: marks.contains('~'),
            ..PatchStrategy::default()
        };
        if let Some((_, key)) = marks.split_once('^') {
            patch.merge = true;
            patch.merge_key = key.trim_end_matches(['~', '%']).to_owned();
        }
        FieldNode { node: self.shape(shape), default: None, patch }
    }

    fn shape(&mut self, shape: &'static str) -> usize {
        if let Some(element) = shape.strip_prefix("{}") {
            let element = self.named(element);
            return self.arena.add(Node { map: Some(MapNode { element, ..MapNode::default() }), ..Node::default() });
        }
        if shape == "{!}" {
            return self
                .arena
                .add(Node { map: Some(MapNode { atomic: true, ..MapNode::default() }), ..Node::default() });
        }
        if let Some((keys, element)) = shape.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let element = if element.starts_with('{') { self.shape(element) } else { self.named(element) };
            let kind = match keys {
                "" => ListKind::Atomic,
                "*" => ListKind::Set,
                keys => ListKind::Map(keys.split(',').map(str::to_owned).collect()),
            };
            return self.arena.add(Node { list: Some(ListNode { kind, element }), ..Node::default() });
        }
        self.named(shape)
    }

    fn named(&self, name: &str) -> usize {
        self.types.get(name).copied().unwrap_or(DEDUCED)
    }
}

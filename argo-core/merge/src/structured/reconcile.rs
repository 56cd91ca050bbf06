//! Sets that were stored under an older schema.

use super::path::PathElement;
use super::set::FieldSet;
use super::typed::is_atomic_list;
use crate::Schema;

/// Brings a stored set in line with a schema that has since made a granular list or map atomic: who owned parts of it owns all of it.
/// What was atomic and became granular stays owned as a whole.
#[must_use]
pub fn reconcile(set: &FieldSet, schema: &Schema) -> FieldSet {
    let mut atomic = FieldSet::new();
    visit(set, schema, &mut Vec::new(), &mut atomic);
    if atomic.is_empty() { set.clone() } else { set.recursive_difference(&atomic).union(&atomic) }
}

fn visit(set: &FieldSet, schema: &Schema, path: &mut Vec<PathElement>, atomic: &mut FieldSet) {
    for (element, _, below) in set.elements() {
        let inner = match element {
            PathElement::Field(name) if schema.is_closed() && !schema.declares(name) => continue,
            PathElement::Field(name) => schema.field(name),
            _ => schema.element(),
        };
        path.push(element.clone());
        let node = inner.node();
        let only_list = node.map.is_none() && node.list.is_some();
        let now_atomic = (only_list && is_atomic_list(&inner)) || inner.is_atomic_map();
        if !below.is_empty() && now_atomic {
            atomic.insert(path);
        } else if !inner.is_deduced_map() {
            visit(below, &inner, path, atomic);
        }
        path.pop();
    }
}

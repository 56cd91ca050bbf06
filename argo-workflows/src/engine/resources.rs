//! `resourcesDuration`: how long how much of each resource was asked for. Pods tell it; groups sum what is in them.

use std::collections::{BTreeMap, BTreeSet};

use super::pass::Pass;
use crate::api::{NodeStatus, NodeType};

/// Adds resources up.
pub(crate) fn add(to: &mut BTreeMap<String, i64>, more: &BTreeMap<String, i64>) {
    for (name, seconds) in more {
        let sum = to.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*seconds);
    }
}

impl Pass<'_> {
    /// What the workflow has used up, if that changed.
    pub(crate) fn resources(&self) -> Option<BTreeMap<String, i64>> {
        let mut sum = self.world.workflow.status.resources_duration.clone();
        let pods = self.nodes.changes().filter(|(before, it)| {
            it.kind == NodeType::Pod && before.is_none_or(|before| before.resources_duration.is_empty())
        });
        pods.for_each(|(_, it)| add(&mut sum, &it.resources_duration));
        (sum != self.world.workflow.status.resources_duration).then_some(sum)
    }

    /// What a group that ends has used up: the pods below it.
    pub(crate) fn sum_resources(&mut self, group: &NodeStatus) {
        if matches!(group.kind, NodeType::Pod) || group.children.is_empty() {
            return;
        }
        let used_any = !self.world.workflow.status.resources_duration.is_empty();
        if !used_any && self.nodes.changes().all(|(_, it)| it.resources_duration.is_empty()) {
            return;
        }
        let mut sum = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<String> = group.children.clone();
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.get(&id) else { continue };
            if !seen.insert(id) {
                continue;
            }
            if node.kind == NodeType::Pod {
                add(&mut sum, &node.resources_duration);
            }
            open.extend(node.children.iter().cloned());
        }
        if let Some(node) = self.nodes.edit(&group.id) {
            node.resources_duration = sum;
        }
    }
}

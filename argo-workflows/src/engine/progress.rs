//! `done/all` of nodes, groups and workflows.

use std::collections::BTreeMap;

use super::{names::node_id, pass::Pass};
use crate::api::{NodePhase, NodeStatus, NodeType};

impl Pass<'_> {
    /// Carries what changed of the leaf nodes into the groups that they are in.
    pub(crate) fn sum_progress(&mut self) {
        let mut deltas: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for (before, after) in self.nodes.changes() {
            let was = before.map(progress_of).unwrap_or_default();
            let (done, all) = progress_of(after);
            let delta = (done - was.0, all - was.1);
            if !is_executable(&after.kind) || delta == (0, 0) {
                continue;
            }
            // What a node is in has a name that its own begins with.
            for (at, _) in after.name.match_indices(['(', '.', '[']) {
                let id = self.id(&after.name[..at]);
                if self.nodes.get(&id).is_some_and(|it| !is_executable(&it.kind)) {
                    let sum = deltas.entry(id).or_default();
                    *sum = (sum.0 + delta.0, sum.1 + delta.1);
                }
            }
        }
        for (id, (done, all)) in deltas {
            let Some(node) = self.nodes.edit(&id) else { continue };
            let was = progress_of(node);
            node.progress = Some(format!("{}/{}", was.0 + done, was.1 + all));
        }
    }

    /// Nodes that a client set to a good end are done whole.
    pub(crate) fn complete_progress(&mut self) {
        if !self.is_fresh {
            // It would be another client's write.
            return;
        }
        let ids: Vec<String> = self
            .nodes
            .iter()
            .filter(|it| it.kind == NodeType::Suspend && it.phase() == NodePhase::Succeeded)
            .filter(|it| {
                let (done, all) = progress_of(it);
                done != all
            })
            .map(|it| it.id.clone())
            .collect();
        for id in ids {
            if let Some(node) = self.nodes.edit(&id) {
                let all = progress_of(node).1;
                node.progress = Some(format!("{all}/{all}"));
            }
        }
    }

    /// `done/all` over the leaf nodes, carried forward by what changed.
    pub(crate) fn progress(&self) -> String {
        let of = |node: &NodeStatus| if is_executable(&node.kind) { progress_of(node) } else { (0, 0) };
        let status = &self.world.workflow.status;
        let (mut done, mut all) = match status.progress.as_deref().and_then(parse_progress) {
            Some(it) => it,
            None => status.nodes.values().map(of).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1)),
        };
        for (before, after) in self.nodes.changes() {
            let (was, is) = (before.map(of).unwrap_or_default(), of(after));
            done += is.0 - was.0;
            all += is.1 - was.1;
        }
        format!("{done}/{all}")
    }
}

/// Whether a node's progress is its own, not the sum of what is in it.
pub(super) fn is_executable(kind: &NodeType) -> bool {
    matches!(kind, NodeType::Pod | NodeType::HTTP | NodeType::Plugin | NodeType::Container | NodeType::Suspend)
}

/// Counts the progress of groups anew from what is in them.
pub(crate) fn recount(workflow: &str, nodes: &mut BTreeMap<String, NodeStatus>) {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for node in nodes.values().filter(|it| is_executable(&it.kind)) {
        let (done, all) = progress_of(node);
        for (at, _) in node.name.match_indices(['(', '.', '[']) {
            let sum = sums.entry(node_id(workflow, &node.name[..at])).or_default();
            *sum = (sum.0 + done, sum.1 + all);
        }
    }
    for node in nodes.values_mut().filter(|it| !is_executable(&it.kind)) {
        node.progress = sums.get(&node.id).map(|(done, all)| format!("{done}/{all}"));
    }
}

fn parse_progress(text: &str) -> Option<(i64, i64)> {
    let (done, all) = text.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

fn progress_of(node: &NodeStatus) -> (i64, i64) {
    node.progress.as_deref().and_then(parse_progress).unwrap_or_default()
}

//! Edges: where the next node hangs.

use super::pass::Pass;
use crate::api::{NodeStatus, NodeType};

impl Pass<'_> {
    /// The last nodes inside a node: where whatever comes after it is attached.
    pub(crate) fn outbound(&self, id: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        self.collect_outbound(id, &mut found, &mut seen, 0);
        found
    }

    fn collect_outbound(
        &self,
        id: &str,
        found: &mut Vec<String>,
        seen: &mut std::collections::BTreeSet<String>,
        depth: usize,
    ) {
        let Some(node) = self.nodes.get(id).filter(|_| depth < 1000) else { return };
        if !seen.insert(id.to_owned()) {
            return;
        }
        let inside = |it: &&String| self.nodes.get(it).is_some();
        match node.kind {
            NodeType::Retry => found.push(self.attempts(node).last().map_or(id, |it| &it.id).to_owned()),
            NodeType::TaskGroup | NodeType::StepGroup if !node.children.is_empty() => {
                for it in node.children.iter().filter(inside) {
                    self.collect_outbound(it, found, seen, depth + 1);
                }
            }
            NodeType::Steps | NodeType::DAG => {
                for it in node.outbound_nodes.iter().filter(inside) {
                    self.collect_outbound(it, found, seen, depth + 1);
                }
            }
            _ => found.push(id.to_owned()),
        }
    }

    /// The attempts of a Retry node, in order.
    pub(crate) fn attempts<'s>(&'s self, retry: &'s NodeStatus) -> Vec<&'s NodeStatus> {
        retry.children.iter().filter_map(|it| self.nodes.get(it)).filter(|it| it.is_retried()).collect()
    }

    /// The children of a node that are there.
    pub(crate) fn children<'s>(&'s self, node: &'s NodeStatus) -> impl Iterator<Item = &'s NodeStatus> {
        node.children.iter().filter_map(|it| self.nodes.get(it))
    }

    /// Sets `outboundNodes`, each id once.
    pub(crate) fn set_outbound(&mut self, id: &str, inner: &[String]) {
        let mut all = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for it in inner {
            for out in self.outbound(it) {
                if seen.insert(out.clone()) {
                    all.push(out);
                }
            }
        }
        if let Some(node) = self.nodes.edit(id) {
            node.outbound_nodes = all;
        }
    }
}

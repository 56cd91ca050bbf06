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
            // The containers of a pod, unless what comes after it hangs under it already.
            NodeType::Pod | NodeType::Container if !node.children.is_empty() => {
                let boundary = if node.kind == NodeType::Pod { Some(id) } else { node.boundary_id.as_deref() };
                let (inner, outer): (Vec<_>, Vec<_>) = self
                    .children(node)
                    .partition(|it| it.kind == NodeType::Container && it.boundary_id.as_deref() == boundary);
                if inner.is_empty() || node.kind == NodeType::Container && !outer.is_empty() {
                    found.push(id.to_owned());
                }
                let inner: Vec<String> = inner.into_iter().map(|it| it.id.clone()).collect();
                for it in &inner {
                    self.collect_outbound(it, found, seen, depth + 1);
                }
            }
            NodeType::Steps | NodeType::DAG if node.memoization_status.as_ref().is_some_and(|it| it.hit) => {
                found.push(id.to_owned());
            }
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

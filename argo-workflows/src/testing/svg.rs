//! Node graphs as pictures.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
};

use crate::api::{NodePhase, NodeStatus, Workflow};

/// Width and height of a node, and the room around it, in pixels.
const NODE: (usize, usize) = (170, 34);
const ROOM: (usize, usize) = (24, 30);

/// The graph in SVG: what comes after a node stands below it, colours tell the phases.
pub(super) fn svg(workflow: &Workflow) -> String {
    let nodes = &workflow.status.nodes;
    let rows = rows(nodes);
    let mut columns: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (id, row) in &rows {
        let column = columns.entry(*row).or_default();
        places.insert(id, (*column, *row));
        *column += 1;
    }
    let step = (NODE.0 + ROOM.0, NODE.1 + ROOM.1);
    let width = columns.values().max().copied().unwrap_or(1) * step.0 + ROOM.0;
    let height = (rows.values().max().copied().unwrap_or(0) + 1) * step.1 + ROOM.1;
    let at = |id: &str| places.get(id).map(|(x, y)| (ROOM.0 + x * step.0, ROOM.1 + y * step.1));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n"
    );
    for node in nodes.values() {
        for child in &node.children {
            let (Some(from), Some(to)) = (at(&node.id), at(child)) else { continue };
            let (x1, y1, x2, y2) = (from.0 + NODE.0 / 2, from.1 + NODE.1, to.0 + NODE.0 / 2, to.1);
            let _ = writeln!(out, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#888\"/>");
        }
    }
    for node in nodes.values() {
        let Some((x, y)) = at(&node.id) else { continue };
        let (w, h) = NODE;
        let _ = writeln!(
            out,
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"6\" fill=\"{}\" stroke=\"#444\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
            escaped(&format!("{} {}: {}", node.name, node.phase(), node.message())),
            colour(node.phase()),
            x + 8,
            y + 21,
            escaped(&shortened(&node.display_name)),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// How far down a node stands: below everything that leads to it.
fn rows(nodes: &BTreeMap<String, NodeStatus>) -> BTreeMap<&str, usize> {
    let mut open: BTreeMap<&str, usize> = nodes.keys().map(|it| (it.as_str(), 0)).collect();
    for child in nodes.values().flat_map(|it| &it.children) {
        if let Some(count) = open.get_mut(child.as_str()) {
            *count += 1;
        }
    }
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    let mut queue: VecDeque<&str> = open.iter().filter(|it| *it.1 == 0).map(|it| *it.0).collect();
    while let Some(id) = queue.pop_front() {
        let row = *rows.entry(id).or_default();
        for child in nodes.get(id).into_iter().flat_map(|it| &it.children) {
            let Some(left) = open.get_mut(child.as_str()) else { continue };
            *left = left.saturating_sub(1);
            let place = rows.entry(child).or_default();
            *place = (*place).max(row + 1);
            if *left == 0 {
                queue.push_back(child);
            }
        }
    }
    // Whatever an edge that leads back kept away stands at the top.
    for id in nodes.keys() {
        rows.entry(id).or_default();
    }
    rows
}

fn colour(phase: NodePhase) -> &'static str {
    match phase {
        NodePhase::Pending => "#f4e3a1",
        NodePhase::Running => "#a9d3f5",
        NodePhase::Succeeded => "#b5e3bd",
        NodePhase::Skipped | NodePhase::Omitted => "#e4e4e4",
        NodePhase::Failed | NodePhase::Error => "#f3b0ab",
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 26 {
        text.to_owned()
    } else {
        text.chars().take(25).chain(std::iter::once('…')).collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

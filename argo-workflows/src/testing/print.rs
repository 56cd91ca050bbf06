//! Node graphs for people.

use std::{collections::BTreeSet, fmt::Write};

use crate::api::{NodeStatus, Workflow};

/// Indented by what contains what; `name type phase message`.
pub(super) fn tree(workflow: &Workflow) -> String {
    let mut nodes: Vec<&NodeStatus> = workflow.status.nodes.values().collect();
    nodes.sort_by_key(|it| natural(&it.name));
    let mut out = String::new();
    for node in nodes {
        let mut depth = 0;
        let mut at = node;
        while let Some(parent) = at.boundary_id.as_ref().and_then(|it| workflow.status.nodes.get(it)) {
            depth += 1;
            at = parent;
            if depth > 100 {
                break;
            }
        }
        let _ = write!(out, "{}{} {:?} {}", "  ".repeat(depth), node.display_name, node.kind, node.phase());
        if !node.message().is_empty() {
            let _ = write!(out, ": {}", node.message());
        }
        out.push('\n');
    }
    out
}

/// Numbers in a name sort as numbers.
fn natural(name: &str) -> Vec<(bool, u64, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digit = first.is_ascii_digit();
        let end = rest.find(|it: char| it.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(end);
        parts.push((digit, part.parse().unwrap_or_default(), part.to_owned()));
        rest = tail;
    }
    parts
}

fn edges(workflow: &Workflow) -> Vec<(&str, &str)> {
    let nodes = &workflow.status.nodes;
    let mut seen = BTreeSet::new();
    let mut edges = Vec::new();
    for node in nodes.values() {
        for child in node.children.iter().filter_map(|it| nodes.get(it)) {
            if seen.insert((&node.id, &child.id)) {
                edges.push((node.id.as_str(), child.id.as_str()));
            }
        }
    }
    edges
}

fn label(node: &NodeStatus) -> String {
    format!("{} {}", node.display_name, node.phase()).replace(['"', '\\'], "'")
}

pub(super) fn mermaid(workflow: &Workflow) -> String {
    let mut out = String::from("graph TD\n");
    for node in workflow.status.nodes.values() {
        let _ = writeln!(out, "  {}[\"{}\"]", node.id, label(node));
    }
    for (from, to) in edges(workflow) {
        let _ = writeln!(out, "  {from} --> {to}");
    }
    out
}

pub(super) fn dot(workflow: &Workflow) -> String {
    let mut out = String::from("digraph workflow {\n");
    for node in workflow.status.nodes.values() {
        let _ = writeln!(out, "  \"{}\" [label=\"{}\"];", node.id, label(node));
    }
    for (from, to) in edges(workflow) {
        let _ = writeln!(out, "  \"{from}\" -> \"{to}\";");
    }
    out.push_str("}\n");
    out
}

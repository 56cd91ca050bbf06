//! Names and ids of nodes and pods: deterministic, so that a later pass finds what an earlier one made.

use super::step::PodNameFormat;

/// FNV-1a, 32 bits.
pub(crate) fn fnv32a(text: &str) -> u32 {
    text.bytes().fold(2_166_136_261, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619))
}

/// Id of the node named `node`: the workflow's name for the root, else `<workflow>-<hash>`.
#[must_use]
pub fn node_id(workflow: &str, node: &str) -> String {
    if workflow == node { node.to_owned() } else { format!("{workflow}-{}", fnv32a(node)) }
}

/// Name of the pod of a node; `template` is the name of its template.
#[must_use]
pub fn pod_name(workflow: &str, node: &str, template: &str, format: PodNameFormat) -> String {
    if format == PodNameFormat::V1 {
        return node_id(workflow, node);
    }
    if workflow == node {
        return node.to_owned();
    }
    let mut prefix = workflow.to_owned();
    if !template.is_empty() {
        prefix.push('-');
        prefix.push_str(template);
    }
    if prefix.len() > 242 {
        let cut = (0..=242).rev().find(|it| prefix.is_char_boundary(*it)).unwrap_or(0);
        prefix.truncate(cut);
    }
    format!("{prefix}-{}", fnv32a(node))
}

/// Name of the exit handler of a node, or of the workflow.
#[must_use]
pub(crate) fn on_exit_name(parent: &str) -> String {
    format!("{parent}.onExit")
}

/// Name of the node of a lifecycle hook.
#[must_use]
pub(crate) fn hook_name(parent: &str, hook: &str) -> String {
    format!("{parent}.hooks.{hook}")
}

/// Name for people: without the enclosing node's name and what follows from the place in it.
#[must_use]
pub fn display_name(node: &str, boundary: Option<&str>) -> String {
    let Some(rest) = boundary.and_then(|it| node.strip_prefix(it)) else {
        return node.to_owned();
    };
    let after_index = rest
        .strip_prefix('[')
        .and_then(|it| it.split_once(']'))
        .filter(|(digits, _)| !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()))
        .map(|(_, tail)| tail);
    let tail = after_index.and_then(|it| it.strip_prefix('.')).or_else(|| rest.strip_prefix('.'));
    tail.unwrap_or(rest).to_owned()
}

/// Whether a display name given by an annotation may be used.
#[must_use]
pub(crate) fn is_display_name(text: &str) -> bool {
    let inner = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '.';
    (2..=63).contains(&text.len())
        && text.starts_with(|it: char| it.is_ascii_alphanumeric())
        && text.ends_with(|it: char| it.is_ascii_alphanumeric())
        && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_pod_names_are_upstreams() {
        assert_eq!(node_id("wf", "wf"), "wf");
        // The reference vector of FNV-1a.
        assert_eq!(fnv32a("foobar"), 0xbf9c_f968);
        assert_eq!(node_id("wf", "foobar"), "wf-3214735720");
        assert_eq!(pod_name("wf", "foobar", "echo", PodNameFormat::V2), "wf-echo-3214735720");
        assert_eq!(pod_name("WF", "WF[0].a", "", PodNameFormat::V1), node_id("WF", "WF[0].a"));
    }

    #[test]
    fn display_names_lose_the_boundary() {
        assert_eq!(display_name("wf[0].a(0:x)", Some("wf")), "a(0:x)");
        assert_eq!(display_name("wf[12]", Some("wf")), "[12]");
        assert_eq!(display_name("wf.t", Some("wf")), "t");
        assert_eq!(display_name("wf", None), "wf");
        assert_eq!(display_name("wf(0)", None), "wf(0)");
    }
}

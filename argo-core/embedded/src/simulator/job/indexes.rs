//! Sets of completion indexes, and how statuses write them: `0-2,5`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::simulator::read::annotation;

pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// The completion index of a pod.
pub(super) fn index(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok()
}

/// Indexes as `0-2,5`.
pub(super) fn write(indexes: &BTreeSet<i64>) -> String {
    let mut parts: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == *index => *end = *index,
            _ => parts.push((*index, *index)),
        }
    }
    let texts: Vec<String> = parts
        .iter()
        .map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") })
        .collect();
    texts.join(",")
}

/// Reads `0-2,5`, as far as it makes sense: indexes below `completions`.
pub(super) fn read(text: &str, completions: i64) -> BTreeSet<i64> {
    let mut indexes = BTreeSet::new();
    for part in text.split(',') {
        let (start, end) = part.split_once('-').unwrap_or((part, part));
        let (Ok(start), Ok(end)) = (start.trim().parse::<i64>(), end.trim().parse::<i64>()) else { continue };
        indexes.extend(start.max(0)..=end.min(completions - 1));
    }
    indexes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_told_in_intervals() {
        assert_eq!(write(&[0, 1, 2, 5, 7, 8].into()), "0-2,5,7-8");
        assert_eq!(write(&BTreeSet::new()), "");
        assert_eq!(read("0-2,5,7-8", 8), [0, 1, 2, 5, 7].into());
        assert_eq!(read("", 8), BTreeSet::new());
        assert_eq!(read("nonsense,1", 8), [1].into());
    }
}

//! Patches and merges as Kubernetes defines them: JSON patch, merge patch, strategic merge, structured merge, three-way diffs.

pub mod merge_patch;

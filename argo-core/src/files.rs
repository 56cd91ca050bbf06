//! [`FileTree`]: a folder as a value, for renderers and tests.

use std::{collections::BTreeMap, sync::Arc};

/// Files by path, `/` between parts, without a leading `/`, never with `..`. Symbolic links are
/// resolved by whoever made the tree; those that lead outside are left out there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileTree {
    files: BTreeMap<String, Arc<[u8]>>,
    outside: std::collections::BTreeSet<String>,
    linked: bool,
}

/// How much may be read of what comes from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one file; 16 MiB by default.
    pub file: u64,
    /// Bytes in all files; 256 MiB by default.
    pub total: u64,
    /// Number of files; 50,000 by default.
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 16 << 20, total: 256 << 20, files: 50_000 }
    }
}

impl FileTree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a file; for building in one expression.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.insert(path, content);
        self
    }

    /// Puts a file. A path that is absolute, empty or climbs is refused and returns false.
    pub fn insert(&mut self, path: &str, content: impl AsRef<[u8]>) -> bool {
        match normal(path) {
            Some(path) if !path.is_empty() => {
                self.files.insert(path, Arc::from(content.as_ref()));
                true
            }
            _ => false,
        }
    }

    /// A file's content.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.files.get(&normal(path)?)
    }

    /// Paths and contents in order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.files.iter().map(|(path, content)| (path.as_str(), content))
    }

    /// Paths and contents below a folder (empty or `.` for all), paths relative to the whole tree.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        let folder = normal(folder);
        self.iter().filter(move |(path, _)| match &folder {
            None => false,
            Some(folder) if folder.is_empty() => true,
            Some(folder) => path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/')),
        })
    }

    /// Whether there is any file below a folder.
    #[must_use]
    pub fn has_folder(&self, folder: &str) -> bool {
        self.below(folder).next().is_some()
    }

    /// Links that lead out of the repository, in order. What they stand for is not in the tree.
    pub fn outside_links(&self) -> impl Iterator<Item = &str> {
        self.outside.iter().map(String::as_str)
    }

    /// Whether a link stands for a file outside of the folder that was read: then the folder's own id does not tell
    /// everything that the tree holds.
    #[must_use]
    pub fn has_links_beyond(&self) -> bool {
        self.linked
    }

    /// Writes down a link that leads out of the repository.
    pub fn mark_outside(&mut self, link: &str) {
        self.outside.insert(link.to_owned());
    }

    /// Writes down that a link leads out of the folder that was read.
    pub fn mark_linked(&mut self) {
        self.linked = true;
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// A relative path without `.`, doubled slashes or a trailing slash; `None` if it is absolute or climbs.
#[must_use]
pub fn normal(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\0') {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_confined() {
        let mut tree = FileTree::new();
        assert!(tree.insert("./a//b.yaml", "x"));
        assert!(!tree.insert("../b", "x"));
        assert!(!tree.insert("/etc/passwd", "x"));
        assert!(tree.get("a/b.yaml").is_some());
        assert_eq!(tree.below("a").count(), 1);
        assert_eq!(tree.below("").count(), 1);
        assert_eq!(tree.below("a/b").count(), 0);
        assert!(!tree.has_folder(".."));
    }
}

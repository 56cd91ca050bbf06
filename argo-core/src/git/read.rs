//! Reading a mirror in process, through gix. Everything here blocks.

use std::{collections::BTreeMap, path::Path};

use gix::{ObjectId, Repository as Gix, bstr::ByteSlice, objs::tree::EntryKind};

use super::{Author, Commit, GitError, LogQuery};
use crate::{
    files::{FileTree, Limits, normal},
    time::Timestamp,
};

/// How many links may lead to links.
const LINK_DEPTH: usize = 8;

/// An open mirror with the URL that errors name.
pub(super) struct Mirror {
    git: Gix,
    url: String,
}

impl Mirror {
    pub(super) fn open(path: &Path, url: &str) -> Result<Self, GitError> {
        let options = gix::open::Options::isolated();
        match gix::open_opts(path, options) {
            Ok(git) => Ok(Self { git, url: url.to_owned() }),
            Err(error) => Err(GitError::Local { path: path.display().to_string(), message: error.to_string() }),
        }
    }

    /// The full id of a commit that is here, from a full or shortened id.
    pub(super) fn find(&self, commit: &str) -> Option<String> {
        let id = self.git.rev_parse_single(commit).ok()?;
        let object = id.object().ok()?.peel_to_kind(gix::object::Kind::Commit).ok()?;
        Some(object.id.to_string())
    }

    fn commit(&self, commit: &str) -> Result<gix::Commit<'_>, GitError> {
        let id = ObjectId::from_hex(commit.as_bytes()).map_err(|_| self.no_revision(commit))?;
        self.git.find_commit(id).map_err(|_| self.no_revision(commit))
    }

    fn no_revision(&self, revision: &str) -> GitError {
        GitError::NoRevision { repository: self.url.clone(), revision: revision.to_owned() }
    }

    fn broken(&self, error: impl std::fmt::Display) -> GitError {
        GitError::Local { path: self.git.path().display().to_string(), message: error.to_string() }
    }

    pub(super) fn tree(&self, commit: &str, folder: &str, limits: Limits) -> Result<FileTree, GitError> {
        let root = self.commit(commit)?.tree().map_err(|it| self.broken(it))?;
        let mut reader =
            Reader { mirror: self, commit, limits, total: 0, count: 0, files: FileTree::new(), links: BTreeMap::new() };
        let folder = normal(folder).unwrap_or_default();
        if folder.is_empty() {
            reader.folder(&root, "")?;
        } else if let Some(entry) = root.lookup_entry_by_path(&folder).map_err(|it| self.broken(it))? {
            let object = entry.object().map_err(|it| self.broken(it))?;
            if object.kind == gix::object::Kind::Tree {
                reader.folder(&object.into_tree(), &folder)?;
            }
        }
        reader.resolve_links(&root, &folder)?;
        Ok(reader.files)
    }

    /// The id of a folder's tree; `None` when there is no such folder.
    pub(super) fn tree_id(&self, commit: &str, folder: &str) -> Result<Option<String>, GitError> {
        let root = self.commit(commit)?.tree().map_err(|it| self.broken(it))?;
        let folder = normal(folder).unwrap_or_default();
        if folder.is_empty() {
            return Ok(Some(root.id.to_string()));
        }
        let entry = root.lookup_entry_by_path(&folder).map_err(|it| self.broken(it))?;
        Ok(entry.filter(|it| it.mode().is_tree()).map(|it| it.object_id().to_string()))
    }

    pub(super) fn log(&self, commit: &str, query: LogQuery) -> Result<Vec<Commit>, GitError> {
        let start = self.commit(commit)?;
        let mut walk =
            self.git.rev_walk([start.id]).sorting(gix::revision::walk::Sorting::ByCommitTime(Default::default()));
        if query.first_parent {
            walk = walk.first_parent_only();
        }
        let walk = walk.all().map_err(|it| self.broken(it))?;
        let mut commits = Vec::new();
        for info in walk.skip(query.skip).take(query.limit) {
            let info = info.map_err(|it| self.broken(it))?;
            commits.push(self.describe(&info.object().map_err(|it| self.broken(it))?)?);
        }
        Ok(commits)
    }

    fn describe(&self, commit: &gix::Commit<'_>) -> Result<Commit, GitError> {
        let person =
            |it: gix::actor::SignatureRef<'_>| Author { name: it.name.to_string(), email: it.email.to_string() };
        let seconds = commit.time().map_err(|it| self.broken(it))?.seconds;
        Ok(Commit {
            id: commit.id.to_string(),
            parents: commit.parent_ids().map(|it| it.to_string()).collect(),
            author: person(commit.author().map_err(|it| self.broken(it))?),
            committer: person(commit.committer().map_err(|it| self.broken(it))?),
            committed_at: Timestamp::from_second(seconds).map_err(|it| self.broken(it))?,
            message: commit.message_raw_sloppy().to_string(),
        })
    }

    pub(super) fn changed_paths(&self, commit: &str) -> Result<Vec<String>, GitError> {
        let commit = self.commit(commit)?;
        let new = commit.tree().map_err(|it| self.broken(it))?;
        let old = match commit.parent_ids().next() {
            Some(parent) => {
                let parent = self.git.find_commit(parent.detach()).map_err(|it| self.broken(it))?;
                parent.tree().map_err(|it| self.broken(it))?
            }
            None => self.git.empty_tree(),
        };
        let mut paths = Vec::new();
        let mut changes = old.changes().map_err(|it| self.broken(it))?;
        changes
            .options(|it| {
                it.track_path().track_rewrites(None);
            })
            .for_each_to_obtain_tree(&new, |change| {
                if !change.entry_mode().is_tree() {
                    paths.push(change.location().to_string());
                }
                Ok(std::ops::ControlFlow::Continue(()))
            })
            .map_err(|it| self.broken(it))?;
        paths.sort();
        paths.dedup();
        Ok(paths)
    }
}

/// Reads a folder within the limits.
struct Reader<'a> {
    mirror: &'a Mirror,
    commit: &'a str,
    limits: Limits,
    total: u64,
    count: usize,
    files: FileTree,
    links: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn folder(&mut self, tree: &gix::Tree<'_>, prefix: &str) -> Result<(), GitError> {
        // An explicit stack: depth comes from outside.
        let mut open = vec![(tree.id, prefix.to_owned())];
        while let Some((id, prefix)) = open.pop() {
            let tree = self.mirror.git.find_tree(id).map_err(|it| self.mirror.broken(it))?;
            for entry in tree.iter() {
                let entry = entry.map_err(|it| self.mirror.broken(it))?;
                let name = entry.filename().to_str_lossy();
                let path = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
                match entry.mode().kind() {
                    EntryKind::Tree => open.push((entry.object_id(), path)),
                    EntryKind::Blob | EntryKind::BlobExecutable => {
                        let content = self.blob(entry.object_id())?;
                        self.files.insert(&path, content);
                    }
                    EntryKind::Link => {
                        let target = self.blob(entry.object_id())?;
                        self.links.insert(path, String::from_utf8_lossy(&target).into_owned());
                    }
                    EntryKind::Commit => {}
                }
            }
        }
        Ok(())
    }

    fn blob(&mut self, id: ObjectId) -> Result<Vec<u8>, GitError> {
        self.count += 1;
        if self.count > self.limits.files {
            return Err(self.too_large("number of files", self.limits.files as u64));
        }
        let size = self.mirror.git.find_header(id).map_err(|it| self.mirror.broken(it))?.size();
        if size > self.limits.file {
            return Err(self.too_large("size of a file", self.limits.file));
        }
        self.total += size;
        if self.total > self.limits.total {
            return Err(self.too_large("size of all files", self.limits.total));
        }
        let mut blob = self.mirror.git.find_blob(id).map_err(|it| self.mirror.broken(it))?;
        Ok(blob.take_data())
    }

    fn too_large(&self, what: &str, limit: u64) -> GitError {
        GitError::TooLarge {
            repository: self.mirror.url.clone(),
            revision: self.commit.to_owned(),
            what: what.to_owned(),
            limit,
        }
    }

    /// Links to files of the same commit read as those files; others are left out, those that lead out of it are marked.
    fn resolve_links(&mut self, root: &gix::Tree<'_>, folder: &str) -> Result<(), GitError> {
        for (path, target) in std::mem::take(&mut self.links) {
            let mut at = beside(&path, &target);
            for _ in 0..LINK_DEPTH {
                let Some(found) = &at else {
                    self.files.mark_outside(&path);
                    break;
                };
                let below = folder.is_empty() || found.strip_prefix(folder).is_some_and(|it| it.starts_with('/'));
                if !below {
                    self.files.mark_linked();
                }
                let entry = root.lookup_entry_by_path(found).map_err(|it| self.mirror.broken(it))?;
                let Some(entry) = entry else { break };
                match entry.mode().kind() {
                    EntryKind::Blob | EntryKind::BlobExecutable => {
                        let content = self.blob(entry.object_id())?;
                        self.files.insert(&path, content);
                        break;
                    }
                    EntryKind::Link => {
                        let target = self.blob(entry.object_id())?;
                        at = beside(found, &String::from_utf8_lossy(&target));
                    }
                    EntryKind::Tree | EntryKind::Commit => break,
                }
            }
        }
        Ok(())
    }
}

/// Where a relative link leads, if it stays inside.
fn beside(link: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        assert_eq!(beside("a/b/c", "../d").as_deref(), Some("a/d"));
        assert_eq!(beside("c", "../../etc/passwd"), None);
        assert_eq!(beside("c", "/etc/passwd"), None);
    }
}

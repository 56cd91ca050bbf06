//! The folder of a promotion: confined, and remembering what steps did in it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::StepError;

/// Where promotions keep their files.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

/// A folder that can not be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct FolderError {
    /// The folder.
    pub path: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl argo_core::Failure for FolderError {
    fn category(&self) -> argo_core::Category {
        argo_core::Category::Unavailable
    }
}

impl From<FolderError> for StepError {
    fn from(error: FolderError) -> Self {
        Self::retryable(error.to_string())
    }
}

impl Workspace {
    /// Below this folder, which is made when it is first needed.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of a promotion, by the promotion's uid. It may not be there yet.
    #[must_use]
    pub fn folder(&self, uid: &str) -> Folder {
        let safe: String =
            uid.chars().map(|it| if it.is_ascii_alphanumeric() || it == '-' { it } else { '_' }).collect();
        Folder { base: self.root.join(format!("promotion-{safe}")) }
    }
}

/// The folder of one promotion.
#[derive(Debug, Clone)]
pub struct Folder {
    base: PathBuf,
}

impl Folder {
    fn files(&self) -> PathBuf {
        self.base.join("files")
    }

    fn error(&self, source: io::Error) -> FolderError {
        FolderError { path: self.base.display().to_string(), source }
    }

    /// Whether it is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.files().is_dir()
    }

    /// Makes it, for the owner only.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(&self) -> Result<(), FolderError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(self.files()).map_err(|it| self.error(it))
    }

    /// Removes it with all that is in it; one that is not there is fine.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self) -> Result<(), FolderError> {
        match fs::remove_dir_all(&self.base) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.error(error)),
            _ => Ok(()),
        }
    }

    /// The place of a path of a step. It may climb within the folder, never out of it, nor do symbolic links lead out.
    ///
    /// # Errors
    /// A failure for good when it leads out.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, StepError> {
        let outside = || StepError::failed(format!("path {path:?} leads out of the promotion's folder"));
        if path.contains('\0') {
            return Err(outside());
        }
        let root = fs::canonicalize(self.files()).map_err(|it| self.error(it))?;
        let mut at = root.clone();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if at == root || !at.pop() {
                        return Err(outside());
                    }
                }
                part => {
                    at.push(part);
                    // What exists is followed at once, so that `..` behind a link means the link's parent, and is checked.
                    if fs::symlink_metadata(&at).is_ok() {
                        at = fs::canonicalize(&at).map_err(|_| outside())?;
                    }
                }
            }
            if !at.starts_with(&root) {
                return Err(outside());
            }
        }
        Ok(at)
    }

    /// A fresh place beside the files, for what is to be moved into them whole.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn fresh(&self, name: &str) -> Result<PathBuf, FolderError> {
        let place = self.base.join(format!("fresh-{name}"));
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.error(error)),
            _ => {}
        }
        Ok(place)
    }

    /// What a step left behind under a key.
    #[must_use]
    pub fn recall(&self, key: &str) -> Option<Value> {
        self.memory().remove(key)
    }

    /// Leaves something behind that outlives a crash; the file is replaced whole.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remember(&self, key: &str, value: Value) -> Result<(), FolderError> {
        let mut memory = self.memory();
        memory.insert(key.to_owned(), value);
        let (file, fresh) = (self.base.join("memory.json"), self.base.join("memory.json.new"));
        let text = serde_json::to_vec(&memory).unwrap_or_default();
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &file)).map_err(|it| self.error(it))
    }

    fn memory(&self) -> BTreeMap<String, Value> {
        let text = fs::read(self.base.join("memory.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// A path below the files as steps write it, for messages.
    #[must_use]
    pub fn relative(&self, path: &Path) -> String {
        let root = fs::canonicalize(self.files()).unwrap_or_else(|_| self.files());
        path.strip_prefix(&root).unwrap_or(path).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_do_not_lead_out() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let folder = Workspace::new(root.path()).folder("u/../1");
        assert!(!folder.exists());
        folder.create()?;
        assert!(folder.exists());
        let files = fs::canonicalize(folder.files())?;
        assert_eq!(folder.resolve("./a//b")?, files.join("a/b"));
        assert_eq!(folder.resolve("a/../c")?, files.join("c"));
        assert_eq!(folder.resolve("/etc/passwd")?, files.join("etc/passwd"), "absolute means from the folder");
        for path in ["..", "../x", "a/../../x", "x\0y"] {
            assert!(folder.resolve(path).is_err(), "{path}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc", files.join("out"))?;
            assert!(folder.resolve("out/passwd").is_err());
            std::os::unix::fs::symlink(files.join("nowhere"), files.join("dangling"))?;
            assert!(folder.resolve("dangling").is_err());
            fs::create_dir_all(files.join("in/deep"))?;
            std::os::unix::fs::symlink(files.join("in/deep"), files.join("link"))?;
            assert_eq!(folder.resolve("link/x")?, files.join("in/deep/x"));
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&files)?.permissions().mode() & 0o777, 0o700);
        }
        Ok(())
    }

    #[test]
    fn memory_outlives_the_process_and_goes_with_the_folder() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let workspace = Workspace::new(root.path());
        workspace.folder("u").create()?;
        workspace.folder("u").remember("a", json!({"x": 1}))?;
        workspace.folder("u").remember("b", json!(2))?;
        assert_eq!(workspace.folder("u").recall("a"), Some(json!({"x": 1})));
        workspace.folder("u").remove()?;
        workspace.folder("u").remove()?;
        assert_eq!(workspace.folder("u").recall("a"), None);
        Ok(())
    }
}

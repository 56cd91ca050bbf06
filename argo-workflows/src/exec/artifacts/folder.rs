//! Artifacts in a directory of this machine.

use std::{
    io,
    path::{Path, PathBuf},
};

use argo_core::Category;
use serde_json::Value;

use super::{ArtifactDriver, ArtifactError, key, kind};
use crate::{api::Artifact, exec::layout::relative};

/// Keeps artifacts of any location that has a key below one directory, as
/// `<root>/<kind>/<bucket or container>/<key>`: an artifact repository without a server.
#[derive(Debug, Clone)]
pub struct FolderDriver {
    root: PathBuf,
}

impl FolderDriver {
    /// Keeps everything below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, artifact: &Artifact) -> Result<PathBuf, ArtifactError> {
        let missing = || ArtifactError::new(Category::Invalid, format!("artifact {} has no key", artifact.name));
        let kind = kind(artifact).ok_or_else(missing)?;
        let key = key(artifact).ok_or_else(missing)?;
        let location = &artifact.extra[kind];
        let bucket = ["bucket", "container"].iter().find_map(|it| location.get(*it).and_then(Value::as_str));
        let outside = || {
            ArtifactError::new(
                Category::Invalid,
                format!("the key of artifact {} leads out of its store", artifact.name),
            )
        };
        let bucket = relative(bucket.unwrap_or("_")).filter(|it| it.components().count() == 1).ok_or_else(outside)?;
        let key = relative(key).filter(|it| !it.as_os_str().is_empty()).ok_or_else(outside)?;
        Ok(self.root.join(kind).join(bucket).join(key))
    }
}

#[async_trait::async_trait]
impl ArtifactDriver for FolderDriver {
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError> {
        let from = self.path(artifact)?;
        if !from.exists() {
            let key = key(artifact).unwrap_or_default();
            return Err(ArtifactError::new(Category::NotFound, format!("no artifact with key {key}")));
        }
        copy(&from, to).map_err(|it| ArtifactError::io("copy", &from, &it))
    }

    async fn save(&self, from: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
        let to = self.path(artifact)?;
        let saved = || {
            if let Some(parent) = to.parent() {
                std::fs::create_dir_all(parent)?;
            }
            match std::fs::symlink_metadata(&to) {
                Ok(it) if it.is_dir() => std::fs::remove_dir_all(&to)?,
                Ok(_) => std::fs::remove_file(&to)?,
                Err(_) => {}
            }
            copy(from, &to)
        };
        saved().map_err(|it| ArtifactError::io("write", &to, &it))
    }

    async fn list(&self, artifact: &Artifact) -> Result<Vec<String>, ArtifactError> {
        let from = self.path(artifact)?;
        let key = key(artifact).unwrap_or_default().trim_matches('/').to_owned();
        let mut found = Vec::new();
        let mut open = vec![(from, key)];
        while let Some((path, key)) = open.pop() {
            if path.is_dir() {
                let entries = std::fs::read_dir(&path).map_err(|it| ArtifactError::io("open", &path, &it))?;
                for entry in entries.flatten() {
                    let name = format!("{key}/{}", entry.file_name().to_string_lossy());
                    open.push((entry.path(), name));
                }
            } else if path.is_file() {
                found.push(key);
            }
        }
        found.sort();
        Ok(found)
    }

    async fn delete(&self, artifact: &Artifact) -> Result<(), ArtifactError> {
        let path = self.path(artifact)?;
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ArtifactError::io("remove", &path, &error)),
            _ => Ok(()),
        }
    }
}

/// Copies a file, or a directory with everything in it; links stay links.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = std::fs::symlink_metadata(from)?;
    if kind.is_dir() {
        std::fs::create_dir_all(to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else if kind.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)
    } else if kind.is_file() {
        std::fs::copy(from, to).map(|_| ())
    } else {
        // Sockets and pipes are nobody's artifact.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_is_saved_is_loaded_listed_and_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let driver = FolderDriver::new(dir.path().join("store"));
        let of = |key: &str| -> Artifact {
            serde_json::from_value(json!({"name": "a", "s3": {"bucket": "b", "key": key}})).unwrap()
        };
        std::fs::create_dir_all(dir.path().join("d/e")).unwrap();
        std::fs::write(dir.path().join("d/e/f"), "x").unwrap();
        driver.save(&dir.path().join("d"), &of("k/d")).await.unwrap();
        driver.save(&dir.path().join("d"), &of("k/d")).await.unwrap();
        assert_eq!(driver.list(&of("k")).await.unwrap(), ["k/d/e/f"]);
        driver.load(&of("k/d"), &dir.path().join("back")).await.unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("back/e/f")).unwrap(), "x");
        driver.delete(&of("k/d")).await.unwrap();
        driver.delete(&of("k/d")).await.unwrap();
        let error = driver.load(&of("k/d"), &dir.path().join("gone")).await.unwrap_err();
        assert_eq!(error.category, Category::NotFound);
        assert!(driver.load(&of("../../etc/passwd"), &dir.path().join("no")).await.is_err());
    }
}

//! What object stores have in common: a directory is the objects whose keys begin with its own.

use std::path::Path;

use argo_core::Category;

use super::ArtifactError;

/// Objects by key.
#[async_trait::async_trait]
pub(super) trait ObjectStore: Sync {
    /// Brings an object to a file. One that is not there is [`Category::NotFound`].
    async fn get(&self, key: &str, to: &Path) -> Result<(), ArtifactError>;
    /// Stores a file.
    async fn put(&self, key: &str, from: &Path) -> Result<(), ArtifactError>;
    /// Keys that begin so, in order.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, ArtifactError>;
    /// Removes an object.
    async fn remove(&self, key: &str) -> Result<(), ArtifactError>;
}

pub(super) async fn load(store: &dyn ObjectStore, key: &str, to: &Path) -> Result<(), ArtifactError> {
    let missing = match store.get(key, to).await {
        Err(error) if error.category == Category::NotFound => error,
        other => return other,
    };
    let prefix = format!("{}/", key.trim_end_matches('/'));
    let keys = store.keys(&prefix).await?;
    if keys.is_empty() {
        return Err(missing);
    }
    for key in keys {
        let Some(inner) = key.strip_prefix(&prefix).and_then(crate::exec::relative) else { continue };
        if inner.as_os_str().is_empty() || key.ends_with('/') {
            continue;
        }
        let file = to.join(inner);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(|it| ArtifactError::io("mkdir", parent, &it))?;
        }
        store.get(&key, &file).await?;
    }
    Ok(())
}

pub(super) async fn save(store: &dyn ObjectStore, from: &Path, key: &str) -> Result<(), ArtifactError> {
    let mut open = vec![(from.to_owned(), key.to_owned())];
    while let Some((path, key)) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).map_err(|it| ArtifactError::io("open", &path, &it))?;
            for entry in entries.flatten() {
                let key = format!("{}/{}", key.trim_end_matches('/'), entry.file_name().to_string_lossy());
                open.push((entry.path(), key));
            }
        } else {
            store.put(&key, &path).await?;
        }
    }
    Ok(())
}

pub(super) async fn delete(store: &dyn ObjectStore, key: &str) -> Result<(), ArtifactError> {
    let mut keys = store.keys(&format!("{}/", key.trim_end_matches('/'))).await?;
    keys.push(key.to_owned());
    for key in keys {
        match store.remove(&key).await {
            Err(error) if error.category != Category::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Percent-encodes everything but letters, digits and `-_.~`; slashes too, unless they are kept.
pub(super) fn encode(text: &str, keeps_slashes: bool) -> String {
    use std::fmt::Write as _;

    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b'/' if keeps_slashes => out.push('/'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

//! For users' own tests: objects from YAML, an applier that remembers, repositories as values.
//!
//! | to | use |
//! |---|---|
//! | write objects the way people do | [`objects`] |
//! | see what a plan would change | [`Recording`] |
//! | have Git repositories without Git | [`MemoryGit`] |
//!
//! ```
//! use argo_core::{
//!     Change, ClusterApplier, FileTree,
//!     files::Limits,
//!     git::{GitSource, Repository},
//!     testing::{MemoryGit, Recording, objects},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let git = MemoryGit::default();
//! let files = FileTree::new().with("app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: colours\n");
//! let commit = git.commit("https://git/config", "main", "first", files);
//!
//! let tree = git.tree(&Repository::new("https://git/config"), &commit, "", Limits::default()).await?;
//! let yaml = std::str::from_utf8(tree.get("app.yaml").expect("it was committed"))?;
//! let applier = Recording::default();
//! for object in objects(yaml)? {
//!     applier.apply(&Change::create(object)).await?;
//! }
//! assert_eq!(applier.changes().len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use argo_lang::yaml::{self, YamlError};
use serde_json::Value;

use crate::{Category, Failure, Object};
pub use crate::{apply::Recording, git::MemoryGit};

/// The objects of a YAML text, in order: one per document, and one per item of a `List`. Empty documents are skipped.
///
/// # Errors
/// When the text is not YAML as Kubernetes reads it, and when a document is not an object with a kind, a version and a
/// name (or a `generateName`).
///
/// # Example
/// ```
/// let found = argo_core::testing::objects(
///     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\n",
/// )?;
/// assert_eq!(found.iter().map(|it| it.name()).collect::<Vec<_>>(), ["a", "b"]);
/// # Ok::<(), argo_core::testing::ObjectsError>(())
/// ```
pub fn objects(yaml: &str) -> Result<Vec<Object>, ObjectsError> {
    let mut found = Vec::new();
    for (index, document) in yaml::decode_all(yaml)?.into_iter().enumerate() {
        let items = match document {
            Value::Null => continue,
            Value::Object(mut list) if list.get("kind").is_some_and(|it| it == "List") => {
                match list.remove("items").unwrap_or_default() {
                    Value::Array(items) => items,
                    Value::Null => Vec::new(),
                    _ => return Err(ObjectsError::NotAnObject { document: index + 1 }),
                }
            }
            document => vec![document],
        };
        for item in items {
            let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).is_some_and(|it| !it.is_empty());
            let named = text("/metadata/name") || text("/metadata/generateName");
            if !(named && text("/apiVersion") && text("/kind")) {
                return Err(ObjectsError::NotAnObject { document: index + 1 });
            }
            found.push(Object::from_value(item));
        }
    }
    Ok(found)
}

/// Why [`objects`] did not read a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectsError {
    /// The text is not YAML as Kubernetes reads it.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A document is something else than a Kubernetes object.
    #[error("document {document} is not an object with apiVersion, kind and metadata.name")]
    NotAnObject {
        /// Which document, from 1.
        document: usize,
    },
}

impl Failure for ObjectsError {
    fn category(&self) -> Category {
        Category::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(yaml: &str) -> Vec<String> {
        objects(yaml).unwrap().iter().map(|it| it.name().to_owned()).collect()
    }

    #[test]
    fn documents_and_items_of_lists_come_in_order_and_empty_documents_are_skipped() {
        let list = "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n";
        let pod = "---\n# nothing\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n";
        assert_eq!(names(&format!("{pod}{list}")), ["a", "b"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn what_is_not_an_object_is_refused_with_its_document() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
        for wrong in ["- 1", "text", "kind: Pod\nmetadata: {name: a}", "apiVersion: v1\nkind: Pod\nmetadata: {}"] {
            let found = objects(&format!("{pod}---\n{wrong}\n"));
            assert_eq!(found, Err(ObjectsError::NotAnObject { document: 2 }), "{wrong}");
        }
        assert!(matches!(objects("a: [").unwrap_err(), ObjectsError::Yaml(_)));
    }
}

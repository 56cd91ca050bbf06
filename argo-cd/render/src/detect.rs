//! Which tool a folder asks for.

use std::fmt;

use argo_core::FileTree;
use serde::{Deserialize, Serialize};

/// Tools that make manifests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SourceType {
    /// Plain YAML and JSON files.
    #[default]
    Directory,
    /// Helm charts.
    Helm,
    /// Kustomize.
    Kustomize,
    /// Jsonnet files.
    Jsonnet,
    /// Config management plugins.
    Plugin,
}

impl SourceType {
    /// As `status.sourceType` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory | Self::Jsonnet => "Directory",
            Self::Helm => "Helm",
            Self::Kustomize => "Kustomize",
            Self::Plugin => "Plugin",
        }
    }
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jsonnet => "Jsonnet",
            other => other.as_str(),
        })
    }
}

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The tool that the files of a folder ask for: `Chart.yaml` is Helm, a kustomization is Kustomize, anything else a directory.
#[must_use]
pub fn detect(files: &FileTree, path: &str) -> SourceType {
    let has = |name: &str| files.get(&join(path, name)).is_some();
    if has("Chart.yaml") {
        SourceType::Helm
    } else if KUSTOMIZATIONS.into_iter().any(has) {
        SourceType::Kustomize
    } else {
        SourceType::Directory
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

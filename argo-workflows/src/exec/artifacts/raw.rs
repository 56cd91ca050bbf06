//! Artifacts whose content stands in the manifest.

use std::path::Path;

use argo_core::Category;
use serde_json::Value;

use super::{ArtifactDriver, ArtifactError};
use crate::api::Artifact;

/// Reads `raw.data`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawDriver;

#[async_trait::async_trait]
impl ArtifactDriver for RawDriver {
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError> {
        let data = artifact.extra.get("raw").and_then(|it| it.get("data")).and_then(Value::as_str);
        let data = data.ok_or_else(|| ArtifactError::new(Category::Invalid, "raw.data is required"))?;
        std::fs::write(to, data).map_err(|it| ArtifactError::io("open", to, &it))
    }

    async fn save(&self, _: &Path, _: &Artifact) -> Result<(), ArtifactError> {
        Err(ArtifactError::unsupported("raw", "saving"))
    }

    async fn list(&self, _: &Artifact) -> Result<Vec<String>, ArtifactError> {
        Err(ArtifactError::unsupported("raw", "listing"))
    }

    async fn delete(&self, _: &Artifact) -> Result<(), ArtifactError> {
        Err(ArtifactError::unsupported("raw", "deleting"))
    }
}

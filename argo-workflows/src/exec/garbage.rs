//! Deletes artifacts.

use std::time::Duration;

use argo_core::Failure as _;
use serde_json::Value;

use super::artifacts::{ArtifactError, Drivers, relocate};
use crate::api::{Artifact, ArtifactGcSpec, ArtifactResult, ArtifactResultNodeStatus};

/// First wait between attempts; each is twice the one before.
const BACKOFF: Duration = Duration::from_millis(10);
/// Most attempts where a store is down.
const ATTEMPTS: u32 = 5;

/// Deletes artifacts by node; those that give only a key are in their node's archive location, or else in
/// `repository`. Never fails: what goes wrong stands in the result.
pub async fn delete(
    spec: &ArtifactGcSpec,
    repository: Option<&Value>,
    drivers: &Drivers,
) -> std::collections::BTreeMap<String, ArtifactResultNodeStatus> {
    let mut all = std::collections::BTreeMap::new();
    for (id, node) in &spec.artifacts_by_node {
        let place = node.archive_location.as_ref().filter(|it| has_location(it)).or(repository);
        let mut results = ArtifactResultNodeStatus::default();
        for (name, artifact) in &node.artifacts {
            let error = one(artifact, place, drivers).await.err();
            let result = ArtifactResult { name: name.clone(), success: error.is_none(), error };
            results.artifact_results.insert(name.clone(), result);
        }
        all.insert(id.clone(), results);
    }
    all
}

fn has_location(place: &Value) -> bool {
    crate::api::LOCATIONS.iter().any(|it| place.get(*it).is_some_and(Value::is_object))
}

async fn one(artifact: &Artifact, place: Option<&Value>, drivers: &Drivers) -> Result<(), String> {
    let whole = relocate(artifact, place)?;
    let driver = drivers.of(&whole).map_err(|it| it.to_string())?;
    let mut wait = BACKOFF;
    for _ in 1..ATTEMPTS {
        match driver.delete(&whole).await {
            Err(error) if is_passing(&error) => tokio::time::sleep(wait).await,
            other => return other.map_err(|it| it.to_string()),
        }
        wait *= 2;
    }
    driver.delete(&whole).await.map_err(|it| it.to_string())
}

fn is_passing(error: &ArtifactError) -> bool {
    error.is_transient()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::exec::artifacts::FolderDriver;

    #[tokio::test]
    async fn what_is_there_goes_and_what_can_not_be_reached_is_said() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("s3/b/d")).unwrap();
        std::fs::write(dir.path().join("s3/b/k"), "x").unwrap();
        std::fs::write(dir.path().join("s3/b/d/f"), "x").unwrap();
        std::fs::write(dir.path().join("s3/b/stays"), "x").unwrap();
        let drivers = Drivers::local().with("s3", Arc::new(FolderDriver::new(dir.path())));
        let spec: ArtifactGcSpec = serde_json::from_value(json!({"artifactsByNode": {"n": {"artifacts": {
            "file": {"name": "file", "s3": {"key": "k"}},
            "directory": {"name": "directory", "s3": {"key": "d"}},
            "gone": {"name": "gone", "s3": {"key": "never-there"}},
            "elsewhere": {"name": "elsewhere", "gcs": {"bucket": "b", "key": "k"}},
        }}}}))
        .unwrap();
        let results = delete(&spec, Some(&json!({"s3": {"bucket": "b", "endpoint": "e"}})), &drivers).await;
        let results = &results["n"].artifact_results;
        assert!(results["file"].success && results["directory"].success && results["gone"].success, "{results:?}");
        assert_eq!(results["elsewhere"].error.as_deref(), Some("Unsupported artifact driver for elsewhere"));
        assert!(!dir.path().join("s3/b/k").exists() && !dir.path().join("s3/b/d").exists());
        assert!(dir.path().join("s3/b/stays").exists());
    }
}

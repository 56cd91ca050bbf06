//! Where an artifact is: its location field and the key in it.

use serde_json::{Map, Value};

use crate::api::{Artifact, LOCATIONS};

/// The field that holds the key, by location field.
fn key_field(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "s3" | "gcs" | "oss" | "plugin" => "key",
        "azure" => "blob",
        "hdfs" => "path",
        "http" | "artifactory" => "url",
        _ => return None,
    })
}

/// Fields that must be there for a location to be whole.
fn required(kind: &str) -> &'static [&'static str] {
    match kind {
        "s3" => &["endpoint", "bucket", "key"],
        "gcs" => &["bucket", "key"],
        "oss" => &["endpoint", "bucket", "key"],
        "azure" => &["endpoint", "container", "blob"],
        "hdfs" => &["addresses", "path"],
        "http" | "artifactory" => &["url"],
        "git" => &["repo"],
        "plugin" => &["name", "key"],
        _ => &[],
    }
}

fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    }
}

/// The location field of an artifact.
#[must_use]
pub fn kind(artifact: &Artifact) -> Option<&'static str> {
    LOCATIONS.iter().copied().find(|it| artifact.extra.get(*it).is_some_and(Value::is_object))
}

/// The key of an artifact, whatever its location calls it.
#[must_use]
pub fn key(artifact: &Artifact) -> Option<&str> {
    let kind = kind(artifact)?;
    artifact.extra[kind].get(key_field(kind)?)?.as_str().filter(|it| !it.is_empty())
}

/// Whether an artifact says all that is needed to find it.
#[must_use]
pub fn has_location(artifact: &Artifact) -> bool {
    kind(artifact).is_some_and(|kind| required(kind).iter().all(|it| is_set(artifact.extra[kind].get(*it))))
}

/// Whether an artifact has a key, in its own location or in that of the repository.
#[must_use]
pub fn has_key(artifact: &Artifact) -> bool {
    key(artifact).is_some()
}

/// Whether there is something to load.
#[must_use]
pub fn has_location_or_key(artifact: &Artifact) -> bool {
    has_location(artifact) || has_key(artifact)
}

/// Gives an artifact a key, in a location of this kind where it has none.
pub fn set_key(artifact: &mut Artifact, of: &str, key: &str) {
    let of = kind(artifact).unwrap_or(of);
    let Some(field) = key_field(of) else { return };
    let location = artifact.extra.entry(of.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if let Some(map) = location.as_object_mut() {
        map.insert(field.to_owned(), key.into());
    }
}

/// The artifact with its whole location: one with no more than a key is in the repository, whose
/// location (`{"s3": {"bucket": …}}`) is given.
///
/// # Errors
/// When it has only a key and there is no repository.
pub fn relocate(artifact: &Artifact, repository: Option<&Value>) -> Result<Artifact, String> {
    if has_location(artifact) {
        return Ok(artifact.clone());
    }
    let key = key(artifact).ok_or_else(|| format!("no key in the location of artifact {}", artifact.name));
    let repository = repository.ok_or("template artifact location not set")?;
    placed(artifact, repository, key?)
}

/// [`relocate`] for what is to be listed: a location without a key is all of the repository.
///
/// # Errors
/// As for [`relocate`].
pub fn relocate_all(artifact: &Artifact, repository: Option<&Value>) -> Result<Artifact, String> {
    match (kind(artifact), repository) {
        (Some(_), Some(repository)) if !has_key(artifact) => placed(artifact, repository, ""),
        _ => relocate(artifact, repository),
    }
}

/// The artifact under a key of a repository.
fn placed(artifact: &Artifact, repository: &Value, key: &str) -> Result<Artifact, String> {
    let mut artifact = artifact.clone();
    artifact.extra.retain(|field, _| !LOCATIONS.contains(&field.as_str()));
    for kind in LOCATIONS {
        if let Some(location) = repository.get(*kind) {
            artifact.extra.insert((*kind).to_owned(), location.clone());
            set_key(&mut artifact, kind, key);
            return Ok(artifact);
        }
    }
    Err("template artifact location not set".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn artifact(value: Value) -> Artifact {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_key_alone_is_taken_in_the_repository() {
        let it = artifact(json!({"name": "a", "s3": {"key": "k"}}));
        assert!(!has_location(&it) && has_location_or_key(&it));
        let there = relocate(&it, Some(&json!({"s3": {"bucket": "b", "endpoint": "e", "key": "p"}}))).unwrap();
        assert_eq!(there.extra["s3"], json!({"bucket": "b", "endpoint": "e", "key": "k"}));
        assert!(relocate(&it, None).is_err());
        let bucket = artifact(json!({"name": "a", "s3": {"bucket": "other"}}));
        assert_eq!(relocate(&bucket, Some(&json!({"s3": {}}))).unwrap_err(), "no key in the location of artifact a");
        let whole = relocate_all(&bucket, Some(&json!({"s3": {"bucket": "b", "key": "p"}}))).unwrap();
        assert_eq!(whole.extra["s3"], json!({"bucket": "b", "key": ""}));
        // The kind of the repository wins: a key is a key.
        let there = relocate(&it, Some(&json!({"azure": {"container": "c"}}))).unwrap();
        assert_eq!(there.extra["azure"], json!({"container": "c", "blob": "k"}));
    }

    #[test]
    fn a_whole_location_stays() {
        let it = artifact(json!({"name": "a", "git": {"repo": "r"}}));
        assert_eq!(relocate(&it, None).unwrap(), it);
        assert!(has_location(&artifact(json!({"name": "a", "raw": {"data": ""}}))));
    }
}

//! Warehouses: defaults and what must hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::AdmissionError;
use crate::{
    api::{RepoSubscription, Warehouse},
    engine::urls::{normalize_chart, normalize_git, normalize_image},
};

/// Fills in what the subscriptions leave out.
pub fn default_subscriptions(warehouse: &mut Warehouse) {
    for subscription in &mut warehouse.spec.subscriptions {
        let Some((kind, body)) = subscription.as_object_mut().and_then(|it| it.iter_mut().next()) else { continue };
        let Some(body) = body.as_object_mut() else { continue };
        let mut default = |field: &str, value: Value| {
            let zero = body.get(field).is_none_or(|it| *it == json!(0) || *it == json!("") || it.is_null());
            if zero {
                body.insert(field.to_owned(), value);
            }
        };
        default("discoveryLimit", json!(20));
        match kind.as_str() {
            "git" => {
                default("commitSelectionStrategy", json!("NewestFromBranch"));
                default("strictSemvers", json!(true));
            }
            "image" => {
                default("imageSelectionStrategy", json!("SemVer"));
                default("strictSemvers", json!(true));
            }
            _ => {}
        }
    }
}

/// Checks a Warehouse.
///
/// # Errors
/// Names the first field that is wrong.
pub fn validate_warehouse(warehouse: &Warehouse) -> Result<(), AdmissionError> {
    if warehouse.spec.subscriptions.is_empty() {
        return Err(AdmissionError::field("spec.subscriptions", "at least one is required"));
    }
    if !warehouse.spec.interval.is_empty() {
        argo_lang::duration::parse(&warehouse.spec.interval)
            .map_err(|it| AdmissionError::field("spec.interval", it.to_string()))?;
    }
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (index, value) in warehouse.spec.subscriptions.iter().enumerate() {
        let at = format!("spec.subscriptions[{index}]");
        let parsed =
            RepoSubscription::parse(index, value).map_err(|it| AdmissionError::field(at.clone(), it.to_string()))?;
        let (kind, key) = match &parsed {
            RepoSubscription::Git(it) => ("git", normalize_git(&it.repo_url)),
            RepoSubscription::Image(it) => ("image", normalize_image(&it.repo_url)),
            RepoSubscription::Chart(it) if it.repo_url.starts_with("oci://") => {
                if !it.name.is_empty() {
                    return Err(AdmissionError::field(
                        format!("{at}.chart.name"),
                        "must be empty for an OCI repository",
                    ));
                }
                ("chart", normalize_chart(&it.repo_url))
            }
            RepoSubscription::Chart(it) => {
                if it.name.is_empty() {
                    return Err(AdmissionError::field(
                        format!("{at}.chart.name"),
                        "is required for an http repository",
                    ));
                }
                ("chart", format!("{}:{}", normalize_chart(&it.repo_url), it.name))
            }
            RepoSubscription::Other(it) => ("other", it.name.clone()),
        };
        let path = format!("{at}.{kind}");
        if let Some(first) = seen.insert(format!("{kind}:{key}"), path.clone()) {
            return Err(AdmissionError::field(path, format!("subscription for {key:?} already exists at {first}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_name_both_places() {
        let mut warehouse = Warehouse::named("p", "w");
        warehouse.spec.subscriptions = vec![
            json!({"git": {"repoURL": "https://github.com/a/b.git"}}),
            json!({"image": {"repoURL": "nginx"}}),
            json!({"git": {"repoURL": "https://github.com/A/b"}}),
        ];
        let text = validate_warehouse(&warehouse).unwrap_err().to_string();
        assert!(text.contains("spec.subscriptions[2].git") && text.contains("spec.subscriptions[0].git"), "{text}");
    }

    #[test]
    fn exactly_one_kind_each() {
        let mut warehouse = Warehouse::named("p", "w");
        warehouse.spec.subscriptions = vec![json!({"git": {"repoURL": "a"}, "image": {"repoURL": "b"}})];
        assert!(validate_warehouse(&warehouse).unwrap_err().to_string().contains("exactly one"));
    }

    #[test]
    fn defaults_are_filled_in_once() {
        let mut warehouse = Warehouse::named("p", "w");
        warehouse.spec.subscriptions = vec![json!({"image": {"repoURL": "nginx", "strictSemvers": false}})];
        default_subscriptions(&mut warehouse);
        let image = &warehouse.spec.subscriptions[0]["image"];
        assert_eq!(
            (image["discoveryLimit"].clone(), image["imageSelectionStrategy"].clone()),
            (json!(20), json!("SemVer"))
        );
        assert_eq!(image["strictSemvers"], json!(false));
        let once = warehouse.clone();
        default_subscriptions(&mut warehouse);
        assert_eq!(warehouse, once);
    }
}

//! Freight: its name, its alias, and whether it fits its Warehouse.

use argo_core::{Time, Timestamp};

use super::{AdmissionError, alias};
use crate::{
    api::{Freight, RepoSubscription, Warehouse, names},
    engine::{
        names::sha1_hex,
        urls::{normalize_chart, normalize_git},
    },
};

/// The name that belongs to Freight: hex SHA-1 of its origin and what it carries.
#[must_use]
pub fn freight_name(freight: &Freight) -> String {
    let mut parts = Vec::new();
    for it in &freight.commits {
        let repo = normalize_git(&it.repo_url);
        parts.push(if it.tag.is_empty() {
            format!("{repo}:{}", it.id)
        } else {
            format!("{repo}:{}:{}", it.tag, it.id)
        });
    }
    for it in &freight.images {
        parts.push(format!("{}:{}@{}", it.repo_url, it.tag, it.digest));
    }
    for it in &freight.charts {
        parts.push(format!("{}:{}", path_join(&normalize_chart(&it.repo_url), &it.name), it.version));
    }
    for it in &freight.artifacts {
        parts.push(format!("{}:{}:{}", it.artifact_type, it.subscription_name, it.version));
    }
    parts.sort();
    sha1_hex(&format!("{}:{}", freight.origin, parts.join("|")))
}

/// Go's `path.Join` of two parts: one slash between, doubled ones folded (also those of `https://`), nothing for empty parts.
fn path_join(base: &str, name: &str) -> String {
    let joined = if name.is_empty() { base.to_owned() } else { format!("{base}/{name}") };
    let rooted = joined.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|it| *it != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if rooted { format!("/{}", parts.join("/")) } else { parts.join("/") }
}

/// Gives Freight its name, alias, label and time of discovery. `taken` says which aliases are in use.
pub fn complete_freight(freight: &mut Freight, now: Timestamp, taken: impl Fn(&str) -> bool) {
    let name = freight_name(freight);
    if freight.alias.is_empty() {
        freight.alias = match freight.metadata.label(names::LABEL_ALIAS) {
            Some(label) if !label.is_empty() => label.to_owned(),
            _ => alias(&name, taken),
        };
    }
    freight.metadata.labels.insert(names::LABEL_ALIAS.to_owned(), freight.alias.clone());
    freight.metadata.name = Some(name);
    freight.metadata.generate_name = None;
    let made = freight.metadata.creation_timestamp;
    freight.discovered_at = freight.discovered_at.or(made).or_else(|| Some(Time::new(now)));
}

/// Whether new Freight fits its Warehouse: every artifact belongs to exactly one subscription and every subscription
/// has one.
///
/// # Errors
/// Says which artifact or subscription is left over.
pub fn validate_freight(freight: &Freight, warehouse: &Warehouse) -> Result<(), AdmissionError> {
    let carried = freight.commits.len() + freight.images.len() + freight.charts.len() + freight.artifacts.len();
    if carried == 0 {
        return Err(AdmissionError::field("freight", "freight must contain at least one commit, image, or chart"));
    }
    let mut covered = 0;
    for (index, value) in warehouse.spec.subscriptions.iter().enumerate() {
        let subscription = RepoSubscription::parse(index, value)
            .map_err(|it| AdmissionError::field(format!("spec.subscriptions[{index}]"), it.to_string()))?;
        let (what, found) = match &subscription {
            RepoSubscription::Git(sub) => {
                let wanted = normalize_git(&sub.repo_url);
                let found = freight.commits.iter().filter(|it| normalize_git(&it.repo_url) == wanted).count();
                (("commits", sub.repo_url.clone()), found)
            }
            RepoSubscription::Image(sub) => {
                let found = freight.images.iter().filter(|it| it.repo_url == sub.repo_url).count();
                (("images", sub.repo_url.clone()), found)
            }
            RepoSubscription::Chart(sub) => {
                let wanted = normalize_chart(&sub.repo_url);
                let same = |it: &&crate::api::Chart| normalize_chart(&it.repo_url) == wanted && it.name == sub.name;
                (("charts", sub.repo_url.clone()), freight.charts.iter().filter(same).count())
            }
            RepoSubscription::Other(sub) => {
                let found = freight.artifacts.iter().filter(|it| it.subscription_name == sub.name).count();
                (("artifacts", sub.name.clone()), found)
            }
        };
        let (path, source) = what;
        match found {
            1 => covered += 1,
            0 => return Err(AdmissionError::field(path, format!("no artifact found for subscription {source:?}"))),
            more => {
                let message = format!("{more} artifacts found for subscription {source:?}, expected one");
                return Err(AdmissionError::field(path, message));
            }
        }
    }
    if covered != carried {
        let message = format!("freight carries artifacts that warehouse {:?} does not subscribe to", warehouse.name());
        return Err(AdmissionError::field("freight", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{FreightOrigin, GitCommit, Image};

    fn image(repo: &str, tag: &str, digest: &str) -> Image {
        Image { repo_url: repo.into(), tag: tag.into(), digest: digest.into(), ..Image::default() }
    }

    fn commit(repo: &str, tag: &str, id: &str) -> GitCommit {
        GitCommit { repo_url: repo.into(), tag: tag.into(), id: id.into(), ..GitCommit::default() }
    }

    #[test]
    fn the_name_is_a_hash_of_origin_and_content_in_any_order() {
        let mut freight = Freight { origin: FreightOrigin::warehouse("w"), ..Freight::default() };
        freight.commits.push(commit("https://github.com/a/b.git", "", "abc"));
        freight.images.push(image("nginx", "1.2", "sha256:1"));
        let plain = "Warehouse/w:https://github.com/a/b:abc|nginx:1.2@sha256:1";
        assert_eq!(freight_name(&freight), sha1_hex(plain));
        freight.commits[0].tag = "v1".into();
        assert_eq!(freight_name(&freight), sha1_hex("Warehouse/w:https://github.com/a/b:v1:abc|nginx:1.2@sha256:1"));
        freight.images.insert(0, image("zz", "1", "sha256:2"));
        let mut other = freight.clone();
        other.images.reverse();
        assert_eq!(freight_name(&freight), freight_name(&other));
    }

    #[test]
    fn go_paths_are_joined() {
        assert_eq!(path_join("https://charts.example.com", "app"), "https:/charts.example.com/app");
        assert_eq!(path_join("ghcr.io/a/b", ""), "ghcr.io/a/b");
    }

    #[test]
    fn completing_sets_name_alias_and_label_and_is_idempotent() {
        let mut freight = Freight { origin: FreightOrigin::warehouse("w"), ..Freight::default() };
        freight.images.push(image("nginx", "1.2", "sha256:1"));
        let now = Timestamp::from_second(100).unwrap();
        complete_freight(&mut freight, now, |_| false);
        assert_eq!(freight.name().len(), 40);
        assert_eq!(freight.metadata.label(names::LABEL_ALIAS), Some(freight.alias.as_str()));
        assert_eq!(freight.discovered_at, Some(Time::new(now)));
        let once = freight.clone();
        complete_freight(&mut freight, Timestamp::from_second(200).unwrap(), |_| true);
        assert_eq!(freight, once);
    }

    #[test]
    fn every_subscription_is_covered_exactly_once() {
        let mut warehouse = Warehouse::named("p", "w");
        warehouse.spec.subscriptions = vec![json!({"image": {"repoURL": "nginx"}})];
        let mut freight = Freight { origin: FreightOrigin::warehouse("w"), ..Freight::default() };
        assert!(validate_freight(&freight, &warehouse).is_err());
        freight.images.push(image("nginx", "1", "sha256:1"));
        assert_eq!(validate_freight(&freight, &warehouse), Ok(()));
        freight.images.push(image("other", "1", "sha256:1"));
        assert!(validate_freight(&freight, &warehouse).is_err());
    }
}

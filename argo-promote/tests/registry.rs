//! Images from a registry over real HTTP.

use std::time::Duration;

use argo_core::Failure;
use argo_promote::{
    api::{ImageSubscription, RepoSubscription},
    steps::NoCredentials,
    subscriptions::{Discovered, Discovery, DiscoveryError, ImageError, ImageSubscriber, OciRegistry, Subscriber},
};
use serde_json::{Value, json};

use crate::fixtures::Registry;

async fn discover(registry: &Registry, extra: Value) -> Result<Vec<(String, String)>, DiscoveryError> {
    let address = registry.serve().await;
    let mut subscription: ImageSubscription = serde_json::from_value(extra).unwrap();
    subscription.repo_url = format!("{address}/app");
    let subscription = RepoSubscription::Image(subscription);
    let subscriber = ImageSubscriber::new(std::sync::Arc::new(OciRegistry::new(Default::default())?));
    let request = Discovery { project: "p", subscription: &subscription, previous: None, credentials: &NoCredentials };
    let Discovered::Image(found) = subscriber.discover(&request).await? else { panic!("not an image") };
    Ok(found.references.into_iter().map(|it| (it.tag, it.digest)).collect())
}

async fn tags(registry: &Registry, extra: Value) -> Vec<String> {
    discover(registry, extra).await.unwrap().into_iter().map(|(tag, _)| tag).collect()
}

fn filled() -> Registry {
    let registry = Registry::default();
    for (tag, created) in [
        ("v1.0.0", "2026-01-03T00:00:00Z"),
        ("v1.10.0", "2026-01-02T00:00:00Z"),
        ("v1.9.0", "2026-01-01T00:00:00Z"),
        ("v2.0.0-rc1", "2026-01-05T00:00:00Z"),
        ("latest", "2026-01-04T00:00:00Z"),
    ] {
        let digest = registry.image(created, &json!({"tag": tag}));
        registry.tag("app", tag, &digest);
    }
    registry
}

#[tokio::test]
async fn strategies_choose_among_tags() {
    assert_eq!(tags(&filled(), json!({"constraint": "^1.0.0"})).await, ["v1.10.0", "v1.9.0", "v1.0.0"]);
    assert_eq!(tags(&filled(), json!({"constraint": ">=1.9.0-0"})).await, ["v2.0.0-rc1", "v1.10.0", "v1.9.0"]);
    let lexical = json!({"imageSelectionStrategy": "Lexical", "ignoreTagsRegexes": ["rc"], "discoveryLimit": 2});
    assert_eq!(tags(&filled(), lexical).await, ["v1.9.0", "v1.10.0"]);
    let newest = json!({"imageSelectionStrategy": "NewestBuild", "allowTagsRegexes": ["^v1"]});
    assert_eq!(tags(&filled(), newest).await, ["v1.0.0", "v1.10.0", "v1.9.0"]);
    let digest = json!({"imageSelectionStrategy": "Digest", "constraint": "latest"});
    assert_eq!(tags(&filled(), digest).await, ["latest"]);
    let missing = json!({"imageSelectionStrategy": "Digest", "constraint": "stable"});
    assert!(tags(&filled(), missing).await.is_empty());
}

#[tokio::test]
async fn platforms_are_matched_exactly_and_the_index_gives_the_digest() {
    let registry = Registry::default();
    let image = registry.image("2026-01-01T00:00:00Z", &json!({}));
    let index = registry.index(&[("linux/amd64", &image), ("unknown/unknown", &image)]);
    registry.tag("app", "1.0.0", &index);
    registry.tag("app", "2.0.0", &image);
    let amd = discover(&registry, json!({"platform": "linux/amd64"})).await.unwrap();
    assert_eq!(amd, [("1.0.0".to_owned(), index)], "a single image says nothing of its platform here");
    assert!(tags(&registry, json!({"platform": "linux/arm64"})).await.is_empty());
    assert_eq!(tags(&registry, json!({})).await, ["2.0.0", "1.0.0"]);
}

#[tokio::test]
async fn refusals_are_typed() {
    let gone = discover(&Registry::default(), json!({})).await.unwrap_err();
    assert!(matches!(gone, DiscoveryError::Image(ImageError::NotFound { .. })), "{gone}");
    let registry = filled();
    registry.throttle(1);
    let busy = discover(&registry, json!({})).await.unwrap_err();
    assert_eq!(busy.retry_after(), Some(Duration::from_secs(7)));
    let wrong = discover(&filled(), json!({"constraint": "not a version"})).await.unwrap_err();
    assert!(!wrong.is_transient(), "{wrong}");
}

#[tokio::test]
async fn tokens_are_got_and_kept() {
    let registry = filled();
    registry.ask_for_token("t0ken");
    assert_eq!(tags(&registry, json!({"constraint": "1.0.0"})).await, ["v1.0.0"]);
    assert_eq!(registry.requests(), 4, "one refused, then tags, manifest and configuration with the token");
}

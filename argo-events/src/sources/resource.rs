//! `resource`: changes of Kubernetes objects, from the caches that controllers share.

use argo_core::{
    Gvk,
    runtime::{CacheEvent, Context, Query},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{EventSource, Feed, SourceError, decode};
use crate::{
    api::ResourceConfig,
    engine::resource::{Happening, Watch},
};

/// How long to wait before a bus that refused is asked again.
const HOLD: std::time::Duration = std::time::Duration::from_secs(5);

/// The `resource` type.
#[derive(Debug, Clone, Copy)]
pub struct ResourceSource;

#[async_trait::async_trait]
impl EventSource for ResourceSource {
    fn kind(&self) -> &'static str {
        "resource"
    }

    fn filters_by_expression(&self) -> bool {
        false
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        let config: ResourceConfig = decode(config)?;
        Watch::compile(&config, jiff::Timestamp::UNIX_EPOCH).map(|_| ())
    }

    async fn run(&self, config: &Value, feed: &Feed) -> Result<(), SourceError> {
        let config: ResourceConfig = decode(config).map_err(SourceError::Config)?;
        let watch = Watch::compile(&config, feed.now()).map_err(SourceError::Config)?;
        let context = feed.services().context.clone();
        let context = context.ok_or_else(|| SourceError::Config("there is no Kubernetes to watch".to_owned()))?;
        let gvk = kind_of(&context, &config).await?;
        let namespace = (!config.namespace.is_empty()).then_some(config.namespace.as_str());
        let mut query = Query::of(gvk, namespace);
        if let Some(labels) = watch.label_selector() {
            query = query.labelled(labels);
        }
        let cache = context.caches().open(query);
        tokio::select! {
            () = feed.stopped() => return Ok(()),
            () = cache.synced() => {}
        }
        let mut events = cache.subscribe();
        feed.ready();
        loop {
            let event = tokio::select! {
                () = feed.stopped() => return Ok(()),
                event = events.recv() => event,
            };
            let Some(event) = event else {
                return Err(SourceError::Unavailable("the watch ended".to_owned()));
            };
            tell(&watch, feed, &event).await?;
        }
    }
}

async fn tell(watch: &Watch, feed: &Feed, event: &CacheEvent) -> Result<(), SourceError> {
    let (what, old, new) = match (&event.old, &event.new) {
        (None, Some(new)) => (Happening::Add, None, new),
        (Some(old), Some(new)) => (Happening::Update, Some(&**old), new),
        (Some(old), None) => (Happening::Delete, None, old),
        (None, None) => return Ok(()),
    };
    if !watch.wants(what, old, new, feed.now()) {
        return Ok(());
    }
    // The same change of the same object: told twice (after a restart) it counts once.
    let text = format!(
        "resource\n{}\n{}\n{}\n{}\n{}\n{}",
        feed.namespace(),
        feed.source(),
        feed.event(),
        what.as_str(),
        new.uid(),
        new.resource_version()
    );
    let id = hex::encode(&Sha256::digest(text)[..16]);
    // A change is told by the watch once only: it is held until the bus takes it.
    while let Err(error) = feed.publish_as(id.clone(), feed.now(), watch.payload(what, old, new)).await {
        if !argo_core::Failure::is_transient(&error) || feed.sleep(HOLD).await {
            return Err(error);
        }
    }
    Ok(())
}

/// The kind that is served under a plural.
async fn kind_of(context: &Context, config: &ResourceConfig) -> Result<Gvk, SourceError> {
    let (group, version) = (&config.group, &config.version);
    let list = if group.is_empty() {
        context.client().list_core_api_resources(version).await
    } else {
        context.client().list_api_group_resources(&format!("{group}/{version}")).await
    };
    let missing = || SourceError::Unavailable(format!("{group}/{version} {} is not served", config.resource));
    let list = list.map_err(|_| missing())?;
    let found = list.resources.into_iter().find(|it| it.name == config.resource).ok_or_else(missing)?;
    Ok(Gvk::new(group, version, found.kind))
}

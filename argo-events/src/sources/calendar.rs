//! `calendar`: schedules and intervals.

use argo_core::{Change, Gvk, Object, ObjectRef, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{EventSource, Feed, SourceError, decode};
use crate::{
    api::{CalendarConfig, PersistenceConfig},
    engine::calendar::{Calendar, go_time, parse_go_time},
};

/// The `calendar` type.
#[derive(Debug, Clone, Copy)]
pub struct CalendarSource;

#[async_trait::async_trait]
impl EventSource for CalendarSource {
    fn kind(&self) -> &'static str {
        "calendar"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        let config: CalendarConfig = decode(config)?;
        max_age(&config)?;
        Calendar::compile(&config).map(|_| ()).map_err(|it| it.to_string())
    }

    async fn run(&self, config: &Value, feed: &Feed) -> Result<(), SourceError> {
        let config: CalendarConfig = decode(config).map_err(SourceError::Config)?;
        let calendar = Calendar::compile(&config).map_err(|it| SourceError::Config(it.to_string()))?;
        let mut last = start(&config, feed).await?;
        feed.ready();
        while let Some(at) = calendar.next(last) {
            tokio::select! {
                () = feed.stopped() => return Ok(()),
                () = feed.services().clock.sleep_until(at) => {}
            }
            let mut payload = json!({"eventTime": go_time(at, calendar.zone())});
            if !config.metadata.is_empty() {
                payload["metadata"] = json!(config.metadata);
            }
            match feed.publish_as(id(feed, at), at, payload.clone()).await {
                Ok(_) => remember(&config, feed, &payload).await?,
                // With persistence the run is made up for after the restart; without, it is skipped as upstream does.
                Err(error) if config.persistence.is_some() => return Err(error),
                Err(_) => {}
            }
            last = at;
        }
        Err(SourceError::Config("the schedule has no time within five years".to_owned()))
    }
}

/// The same for the same run of the same calendar: a restart in the same second fires once.
fn id(feed: &Feed, at: Timestamp) -> String {
    let text = format!("calendar\n{}\n{}\n{}\n{}", feed.namespace(), feed.source(), feed.event(), at.as_millisecond());
    hex::encode(&Sha256::digest(text)[..16])
}

fn max_age(config: &CalendarConfig) -> Result<Option<std::time::Duration>, String> {
    let catchup = config.persistence.as_ref().and_then(|it| it.catchup.as_ref()).filter(|it| it.enabled);
    let Some(catchup) = catchup else { return Ok(None) };
    if catchup.max_duration.is_empty() {
        return Ok(Some(std::time::Duration::from_secs(24 * 3600)));
    }
    let parsed = argo_lang::duration::parse(&catchup.max_duration).map_err(|it| it.to_string())?;
    parsed.try_into().map(Some).map_err(|_| "catchup.maxDuration can't be negative".to_owned())
}

/// From when on to count: now, or the last run that is remembered, if missed ones are to be made up for.
async fn start(config: &CalendarConfig, feed: &Feed) -> Result<Timestamp, SourceError> {
    let now = feed.now();
    let Some(max_age) = max_age(config).map_err(SourceError::Config)? else { return Ok(now) };
    let Some(target) = target(config.persistence.as_ref(), feed) else { return Ok(now) };
    let Some(context) = &feed.services().context else { return Ok(now) };
    let found = context.get(&target).await.map_err(|it| SourceError::Unavailable(it.to_string()))?;
    let stored = found.and_then(|it| {
        let text = it.get("data")?.get(key(feed))?.as_str()?.to_owned();
        let payload: Value = serde_json::from_str(&text).ok()?;
        parse_go_time(payload.get("eventTime")?.as_str()?)
    });
    let oldest = now.checked_sub(jiff::SignedDuration::try_from(max_age).unwrap_or_default()).unwrap_or(now);
    Ok(stored.map_or(now, |it| it.max(oldest).min(now)))
}

async fn remember(config: &CalendarConfig, feed: &Feed, payload: &Value) -> Result<(), SourceError> {
    let persistence = config.persistence.as_ref();
    let Some(target) = target(persistence, feed) else { return Ok(()) };
    let Some(context) = &feed.services().context else { return Ok(()) };
    let fail = |it: &dyn std::fmt::Display| SourceError::Unavailable(format!("remembering the last run: {it}"));
    let create = persistence.and_then(|it| it.config_map.as_ref()).is_some_and(|it| it.create_if_not_exist);
    let exists = context.get(&target).await.map_err(|it| fail(&it))?.is_some();
    let change = if exists {
        Change::merge(target, json!({"data": {key(feed): payload.to_string()}}))
    } else if create {
        let mut object = Object::new(&target.gvk, target.namespace.as_deref(), &target.name);
        object.set(&["data", &key(feed)], payload.to_string());
        Change::create(object)
    } else {
        return Err(fail(&format!("ConfigMap {} does not exist", target.name)));
    };
    context.applier().apply(&change).await.map_err(|it| fail(&it))?;
    Ok(())
}

fn target(persistence: Option<&PersistenceConfig>, feed: &Feed) -> Option<ObjectRef> {
    let name = &persistence?.config_map.as_ref()?.name;
    Some(ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some(feed.namespace()), name))
}

fn key(feed: &Feed) -> String {
    format!("{}.{}", feed.source(), feed.event())
}

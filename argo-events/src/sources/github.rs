//! `github`: signed webhooks of GitHub. Hooks are made in GitHub by hand for now: what an API token
//! is given for is not built yet, and the log says so.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::StatusCode;
use serde_json::Value;

use super::{
    EventSource, Feed, SourceError, decode,
    server::{Handler, Received, Reply},
    webhook::{self, Authorized},
};
use crate::{api::GithubConfig, engine::github, secrets::Secret};

/// The `github` type.
#[derive(Debug, Clone, Copy)]
pub struct GithubSource;

#[async_trait::async_trait]
impl EventSource for GithubSource {
    fn kind(&self) -> &'static str {
        "github"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        let config: GithubConfig = decode(config)?;
        github::validate(&config)?;
        config.webhook.as_ref().map_or(Ok(()), webhook::check)
    }

    async fn run(&self, config: &Value, feed: &Feed) -> Result<(), SourceError> {
        let config: GithubConfig = decode(config).map_err(SourceError::Config)?;
        github::validate(&config).map_err(SourceError::Config)?;
        let secret = match &config.webhook_secret {
            Some(selector) => Some(feed.services().secrets.secret(feed.namespace(), selector).await?),
            None => None,
        };
        let context = config.webhook.unwrap_or_default();
        if !context.url.is_empty() && (config.api_token.is_some() || config.github_app.is_some()) {
            tracing::warn!(
                eventSourceName = feed.source(),
                eventName = feed.event(),
                "hooks are not created in GitHub: make one for this URL by hand"
            );
        }
        let handler = Github { feed: feed.clone(), secret, metadata: config.metadata };
        webhook::serve(context, feed, move |auth| Arc::new(Authorized { auth, inner: handler })).await
    }
}

struct Github {
    feed: Feed,
    secret: Option<Secret>,
    metadata: BTreeMap<String, String>,
}

#[async_trait::async_trait]
impl Handler for Github {
    async fn handle(&self, request: Received) -> Reply {
        let headers = webhook::headers(&request.headers);
        let verified = match &self.secret {
            Some(secret) => github::verify(secret.expose().as_bytes(), &headers, &request.body),
            None => Ok(()),
        };
        let body = match verified.and_then(|()| github::body(&headers, &request.body)) {
            Ok(body) => body,
            Err(error) => return Reply::new(StatusCode::BAD_REQUEST, error.to_string()),
        };
        let feed = &self.feed;
        let id = github::event_id(feed.namespace(), feed.source(), feed.event(), &body);
        let id = id.unwrap_or_else(|| feed.services().new_id());
        let payload = github::payload(&headers, body, &self.metadata);
        webhook::reply(feed.publish_as(id, feed.now(), payload).await)
    }
}

//! `webhook`: any HTTP request; and what the webhook family shares.

use std::{collections::BTreeMap, sync::Arc};

use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{
    EventSource, Feed, SourceError, decode,
    server::{Handler, Received, Reply, Route},
};
use crate::{
    api::{WebhookConfig, WebhookContext},
    engine::text::parse_form,
    secrets::Secret,
};

/// Largest body when the configuration names none.
pub(crate) const DEFAULT_LIMIT: usize = 1 << 20;
/// What stands in payloads in place of an Authorization header.
const MASKED: &str = "*** Masked Auth Secret ***";

/// The `webhook` type.
#[derive(Debug, Clone, Copy)]
pub struct WebhookSource;

#[async_trait::async_trait]
impl EventSource for WebhookSource {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        let config: WebhookConfig = decode(config)?;
        check(&config.context)?;
        if Method::from_bytes(config.context.method.as_bytes()).is_err() {
            return Err(format!("method {:?} is not an HTTP method", config.context.method));
        }
        Ok(())
    }

    async fn run(&self, config: &Value, feed: &Feed) -> Result<(), SourceError> {
        let config: WebhookConfig = decode(config).map_err(SourceError::Config)?;
        let context = config.context;
        let method = context.method.clone();
        let metadata = context.metadata.clone();
        let handler = Webhook { feed: feed.clone(), method, metadata };
        serve(context, feed, move |auth| Arc::new(Authorized { auth, inner: handler })).await
    }
}

/// Checks what all webhooks need.
pub(crate) fn check(context: &WebhookContext) -> Result<(), String> {
    if context.endpoint.is_empty() {
        return Err("endpoint can't be empty".to_owned());
    }
    if context.port.is_empty() {
        return Err("port can't be empty".to_owned());
    }
    let port: Option<u16> = context.port.parse().ok();
    if port.is_none() {
        return Err(format!("failed to parse server port {:?}", context.port));
    }
    if context.server_cert_secret.is_some() || context.server_key_secret.is_some() {
        return Err("serverCertSecret and serverKeySecret are not supported yet: end TLS in front".to_owned());
    }
    match context.max_payload_size {
        Some(size) if size < 0 => Err("maxPayloadSize can't be negative".to_owned()),
        _ => Ok(()),
    }
}

/// Serves a webhook until its feed stops.
pub(crate) async fn serve(
    context: WebhookContext,
    feed: &Feed,
    handler: impl FnOnce(Option<Secret>) -> Arc<dyn Handler>,
) -> Result<(), SourceError> {
    check(&context).map_err(SourceError::Config)?;
    let auth = match &context.auth_secret {
        Some(selector) => Some(feed.services().secrets.secret(feed.namespace(), selector).await?),
        None => None,
    };
    let path =
        if context.endpoint.starts_with('/') { context.endpoint.clone() } else { format!("/{}", context.endpoint) };
    let limit = match context.max_payload_size {
        Some(size) if size > 0 => usize::try_from(size).unwrap_or(DEFAULT_LIMIT),
        _ => DEFAULT_LIMIT,
    };
    let route = Route {
        port: context.port.parse().unwrap_or_default(),
        path,
        owner: format!("{}/{} {}", feed.namespace(), feed.source(), feed.event()),
        limit,
        handler: handler(auth),
    };
    let _registration = feed.services().server.serve(route).await?;
    feed.ready();
    feed.stopped().await;
    Ok(())
}

/// Asks for the bearer token first.
pub(crate) struct Authorized<H> {
    pub(crate) auth: Option<Secret>,
    pub(crate) inner: H,
}

#[async_trait::async_trait]
impl<H: Handler> Handler for Authorized<H> {
    async fn handle(&self, request: Received) -> Reply {
        if let Some(secret) = &self.auth {
            let header = request.headers.get("authorization").map(|it| it.as_bytes()).unwrap_or_default();
            let Some(token) = header.strip_prefix(b"Bearer ") else {
                return Reply::new(StatusCode::UNAUTHORIZED, "Invalid Authorization Header");
            };
            if !secret.matches(token) {
                return Reply::new(StatusCode::UNAUTHORIZED, "Invalid Auth token");
            }
        }
        self.inner.handle(request).await
    }
}

struct Webhook {
    feed: Feed,
    method: String,
    metadata: BTreeMap<String, String>,
}

#[async_trait::async_trait]
impl Handler for Webhook {
    async fn handle(&self, request: Received) -> Reply {
        if request.method.as_str() != self.method {
            return Reply::new(StatusCode::BAD_REQUEST, "http method does not match");
        }
        let body = match body(&request) {
            Ok(body) => body,
            Err(message) => return Reply::new(StatusCode::BAD_REQUEST, message),
        };
        let mut payload = json!({"header": headers(&request.headers), "body": body});
        if !self.metadata.is_empty() {
            payload["metadata"] = json!(self.metadata);
        }
        reply(self.feed.publish(payload).await)
    }
}

fn body(request: &Received) -> Result<Value, String> {
    if request.method == Method::GET {
        return Ok(json!(parse_form(request.query.as_bytes())));
    }
    if request.method != Method::POST {
        return Err(format!("unsupported method: {}", request.method));
    }
    let form = request.headers.get("content-type").is_some_and(|it| it == "application/x-www-form-urlencoded");
    if form {
        return Ok(json!(parse_form(&request.body)));
    }
    serde_json::from_slice(&request.body).map_err(|it| format!("failed to parse the body as JSON: {it}"))
}

/// What a sender is told.
pub(crate) fn reply(dispatched: Result<super::Dispatched, SourceError>) -> Reply {
    match dispatched {
        Ok(_) => Reply::new(StatusCode::OK, "success"),
        Err(_) => Reply::new(StatusCode::INTERNAL_SERVER_ERROR, "failed to record event"),
    }
}

/// Headers by their canonical names, credentials masked.
pub(crate) fn headers(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let text = if name == "authorization" {
            MASKED.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        map.entry(canonical(name.as_str())).or_default().push(text);
    }
    map
}

/// `x-github-event` as Go spells it: `X-Github-Event`.
fn canonical(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let mut chars = part.chars();
        chars.next().map_or_else(String::new, |it| it.to_ascii_uppercase().to_string() + chars.as_str())
    });
    parts.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_canonical_and_credentials_masked() {
        let mut map = HeaderMap::new();
        map.insert("x-github-event", "push".parse().unwrap());
        map.append("accept", "a".parse().unwrap());
        map.append("accept", "b".parse().unwrap());
        map.insert("authorization", "Bearer hunter2".parse().unwrap());
        let headers = headers(&map);
        assert_eq!(headers["X-Github-Event"], ["push"]);
        assert_eq!(headers["Accept"], ["a", "b"]);
        assert_eq!(headers["Authorization"], [MASKED]);
    }

    #[test]
    fn what_can_not_be_served_is_refused() {
        let check = |json: Value| WebhookSource.validate(&json);
        assert_eq!(check(json!({"endpoint": "/a", "port": "1", "method": "POST"})), Ok(()));
        assert_eq!(check(json!({"port": "1", "method": "POST"})), Err("endpoint can't be empty".into()));
        assert_eq!(check(json!({"endpoint": "/a", "method": "POST"})), Err("port can't be empty".into()));
        assert!(check(json!({"endpoint": "/a", "port": "x", "method": "POST"})).unwrap_err().contains("\"x\""));
        assert!(check(json!({"endpoint": "/a", "port": "1", "method": ""})).is_err());
        assert!(check(json!({"endpoint": 3})).is_err());
    }
}

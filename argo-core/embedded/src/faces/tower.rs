//! The tower face: what a stock `kube::Client` talks to. No sockets, no threads, no timers but the cluster's clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;

use crate::server::{ApiError, BODY_LIMIT, Caller, Disconnected, Original, Query, RawRequest, ResponseBody, Server};
use crate::session::Session;
use crate::streams::Ticket;

/// A `tower::Service` over HTTP requests and responses.
#[derive(Clone, Debug)]
pub struct LocalService {
    server: Arc<Server>,
    session: Session,
    caller: Caller,
}

// === impl LocalService ===

impl LocalService {
    pub(crate) fn new(server: Arc<Server>, session: Session, caller: Caller) -> Self {
        Self { server, session, caller }
    }
}

impl<B> tower::Service<http::Request<B>> for LocalService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    type Response = http::Response<ResponseBody>;
    type Error = Disconnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (server, session, mut caller) = (self.server.clone(), self.session.clone(), self.caller.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if caller.client.is_empty() {
                caller.client = program(&parts.headers);
            }
            match collect(body).await {
                Ok(body) => {
                    let mut response = server.handle(raw(&parts, body, caller), &session).await?;
                    match response.extensions_mut().remove::<Ticket>() {
                        Some(ticket) => Ok(switched(response, ticket).await),
                        None => Ok(response),
                    }
                }
                Err(error) => Ok(refusal(&parts, caller, error)),
            }
        })
    }
}

/// Hands a connection over where there is none: a pipe, with an HTTP client at the near end, whose connection the caller gets from
/// the answer, and the stream of the pod at the far end.
async fn switched(response: http::Response<ResponseBody>, ticket: Ticket) -> http::Response<ResponseBody> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let headers = response.headers().clone();
    let answer = hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        let (headers, ticket) = (headers.clone(), ticket.clone());
        async move {
            let connection = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                if let Ok(connection) = connection.await {
                    ticket.speak(TokioIo::new(connection)).await;
                }
            });
            let mut response = http::Response::new(ResponseBody::Full(None));
            *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
            *response.headers_mut() = headers;
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    tokio::spawn(async move {
        let server = hyper::server::conn::http1::Builder::new();
        // It ends with the stream.
        let _ = server.serve_connection(TokioIo::new(far), answer).with_upgrades().await;
    });
    let failed = |error: hyper::Error| {
        let mut response = http::Response::new(ResponseBody::Full(Some(Bytes::from(error.to_string()))));
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    };
    let (mut client, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(near)).await {
        Ok(made) => made,
        Err(error) => return failed(error),
    };
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let mut request = http::Request::new(ResponseBody::Full(None));
    for (name, value) in [(http::header::CONNECTION, "Upgrade"), (http::header::UPGRADE, "websocket")] {
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    match client.send_request(request).await {
        Ok(answer) => answer.map(|_| ResponseBody::Full(None)),
        Err(error) => failed(error),
    }
}

/// The program part of the User-Agent.
pub(super) fn program(headers: &http::HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    agent.split(['/', ' ']).next().unwrap_or_default().to_owned()
}

/// Reads a body up to the limit.
pub(super) async fn collect<B>(body: B) -> Result<Bytes, ApiError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut body = std::pin::pin!(body);
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::bad_request(format!("the body could not be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            if collected.len() + data.len() > BODY_LIMIT {
                return Err(ApiError::new(
                    413,
                    "RequestEntityTooLarge",
                    format!("Request entity too large: limit is {BODY_LIMIT}"),
                ));
            }
            collected.extend_from_slice(&data);
        }
    }
    Ok(Bytes::from(collected))
}

pub(super) fn raw(parts: &http::request::Parts, body: Bytes, caller: Caller) -> RawRequest {
    let header = |name| {
        parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    RawRequest {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        accept: header(ACCEPT),
        content_type: header(CONTENT_TYPE),
        body,
        object: None,
        caller,
        impersonation: crate::server::Impersonation::of(&parts.headers),
        upgrade: crate::streams::Upgrade::of(&parts.headers),
        original: parts.uri.path().contains("/proxy").then(|| {
            let query = parts.uri.query().unwrap_or_default().to_owned();
            Box::new(Original { headers: parts.headers.clone(), query })
        }),
    }
}

pub(super) fn refusal(parts: &http::request::Parts, caller: Caller, error: ApiError) -> http::Response<ResponseBody> {
    crate::server::respond(&raw(parts, Bytes::new(), caller), None, Err(error), jiff::Timestamp::UNIX_EPOCH)
}

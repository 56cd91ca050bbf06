//! `proxy` of pods, services and nodes: requests that go on to what listens behind them.
//!
//! ```text
//! pods/{[http:]name[:port]}/proxy/…     ─► the pod's port, as port-forward reaches it
//! services/{[http:]name[:port]}/proxy/… ─► a pod that is ready behind the service
//! nodes/{name[:port]}/proxy/…           ─► the node's kubelet
//! ```

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, LOCATION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::encode::{ResponseBody, respond};
use super::request::RawRequest;
use super::state::State;
use super::status::ApiError;
use super::{Call, Outcome, Server, meta};
use crate::session::Session;
use crate::store::{GroupResource, ObjectKey};
use crate::streams::Opened;

/// What of a request only a proxy needs.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    pub(crate) headers: HeaderMap,
    pub(crate) query: String,
}

/// Where a request goes on to.
#[derive(Debug)]
pub(crate) enum Proxied {
    /// A port of a pod.
    Port { opened: Box<Opened>, port: u16, address: String },
    /// The kubelet of a node.
    Kubelet(String),
}

/// A path below an object: the object's part, and what is behind `/proxy`.
pub(crate) fn split(path: &str) -> (&str, &str) {
    let mut behind = 0;
    let object = if path.starts_with("/api/v1/namespaces/") { 6 } else { 4 };
    for (index, (at, _)) in path.match_indices('/').enumerate() {
        if index == object {
            behind = at;
            break;
        }
    }
    match behind {
        0 => (path, ""),
        at => path.split_at(at),
    }
}

/// Scheme, name and port of a name as proxies take it.
fn parts(id: &str) -> Option<(&str, &str, &str)> {
    let parts: Vec<&str> = id.split(':').collect();
    let (scheme, name, port) = match parts[..] {
        [name] => ("", name, ""),
        [name, port] => ("", name, port),
        [scheme @ ("http" | "https"), name, port] => (scheme, name, port),
        _ => return None,
    };
    (!name.is_empty()).then_some((scheme, name, port))
}

// === impl State ===

impl State {
    /// Finds where a request of a proxy goes to.
    pub(super) fn proxy(&self, call: &Call<'_>) -> Result<Outcome, ApiError> {
        let id = call.name_or_empty();
        let kind = call.def.singular.as_str();
        let (scheme, name, port) =
            parts(id).ok_or_else(|| ApiError::bad_request(format!("invalid {kind} request {id:?}")))?;
        let found = self.store.read(&call.def.stored, &ObjectKey::new(call.namespace, name));
        let object = found.ok_or_else(|| ApiError::not_found(&call.def.served, name))?;
        if scheme == "https" {
            return Err(unreachable("tls: certificates of pods are made by nobody here"));
        }
        let to = match call.def.resource() {
            "pods" => self.port_of_pod(ObjectKey::new(call.namespace, name), object, port)?,
            "services" => self.port_of_service(call, name, &object, port)?,
            _ if matches!(port, "" | "10250") => Proxied::Kubelet(name.to_owned()),
            _ => return Err(unreachable(&format!("dial tcp: node {name} port {port}: connect: connection refused"))),
        };
        Ok(Outcome::Proxy(Box::new(to)))
    }

    fn port_of_pod(&self, key: ObjectKey, pod: Arc<Value>, port: &str) -> Result<Proxied, ApiError> {
        let ip = meta::text(&pod, "/status/podIP").to_owned();
        if ip.is_empty() {
            return Err(ApiError::bad_request("address not allowed"));
        }
        let first = || {
            let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
            let mut ports = containers.into_iter().flatten().filter_map(|it| it.pointer("/ports/0/containerPort"));
            ports.next().and_then(Value::as_u64).unwrap_or(80)
        };
        let number = if port.is_empty() { Some(first()) } else { port.parse().ok() };
        let number = number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
        let port = number.ok_or_else(|| unreachable(&format!("dial tcp: address {port}: invalid port")))?;
        let opened = Box::new(self.open_port(key, pod, port));
        Ok(Proxied::Port { opened, port, address: format!("{ip}:{port}") })
    }

    fn port_of_service(&self, call: &Call<'_>, name: &str, service: &Value, port: &str) -> Result<Proxied, ApiError> {
        let unavailable = |why: String| ApiError::new(503, "ServiceUnavailable", why);
        let ports = service.pointer("/spec/ports").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        let port_name = match port.parse::<u64>() {
            _ if port.is_empty() => ports.first().filter(|_| ports.len() == 1).map_or("", |it| meta::text(it, "/name")),
            Err(_) => port,
            Ok(number) => {
                let found = ports.iter().find(|it| it.get("port").and_then(Value::as_u64) == Some(number));
                meta::text(
                    found.ok_or_else(|| unavailable(format!("no service port {number} found for service {name:?}")))?,
                    "/name",
                )
            }
        };
        let endpoints = GroupResource::new("", "endpoints");
        let key = ObjectKey::new(call.namespace, name);
        let endpoints = self.store.read(&endpoints, &key).ok_or_else(|| ApiError::not_found(&endpoints, name))?;
        let list = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
        for subset in list(&endpoints, "subsets") {
            let Some(port) = list(&subset, "ports").into_iter().find(|it| meta::text(it, "/name") == port_name) else {
                continue;
            };
            let number = port.get("port").map(Value::to_string).unwrap_or_default();
            for address in list(&subset, "addresses") {
                let target = ObjectKey::new(call.namespace, meta::text(&address, "/targetRef/name"));
                if let Some(pod) = self.store.read(&GroupResource::new("", "pods"), &target) {
                    return self.port_of_pod(target, pod, &number);
                }
            }
        }
        Err(unavailable(format!("no endpoints available for service {:?}", call.name_or_empty())))
    }
}

fn unreachable(why: &str) -> ApiError {
    ApiError::new(503, "ServiceUnavailable", format!("error trying to reach service: {why}"))
}

/// Sends a request on, and its answer back.
pub(super) async fn carry(
    server: Arc<Server>,
    request: RawRequest,
    to: Proxied,
    session: &Session,
) -> http::Response<ResponseBody> {
    let now = server.clock.now();
    let (object, rest) = split(&request.path);
    let rest = rest.to_owned();
    let base = format!("{object}/proxy");
    let path = rest.strip_prefix("/proxy").unwrap_or_default();
    let query = request.original.as_ref().map(|it| it.query.as_str()).filter(|query| !query.is_empty());
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    if path.is_empty() && matches!(request.method, Method::GET | Method::HEAD) {
        // What is relative in the answer would be looked for beside it.
        let mut response = http::Response::new(ResponseBody::Full(None));
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        if let Ok(location) = HeaderValue::from_str(&format!("{}/{query}", request.path)) {
            response.headers_mut().insert(LOCATION, location);
        }
        return response;
    }
    let result = match to {
        Proxied::Kubelet(node) => {
            let inner = RawRequest { path: if path.is_empty() { "/".to_owned() } else { path.to_owned() }, ..request };
            return server.kubelet(inner, Some(node), session).await;
        }
        Proxied::Port { opened, port, address } => {
            let path = if path.is_empty() { "/" } else { path };
            send(&request, *opened, port, &address, &format!("{path}{query}")).await
        }
    };
    match result {
        Ok(mut response) => {
            relocate(response.headers_mut(), &base);
            response
        }
        Err(why) => respond(&request, None, Err(unreachable(&why)), now),
    }
}

/// Asks what listens at a port. The error says why nobody answered.
async fn send(
    request: &RawRequest,
    opened: Opened,
    port: u16,
    address: &str,
    path: &str,
) -> Result<http::Response<ResponseBody>, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connected = tokio::spawn(async move { crate::streams::connect(&opened, port, far).await });
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut onward = http::Request::new(Full::new(request.body.clone()));
    *onward.method_mut() = request.method.clone();
    *onward.uri_mut() = path.parse().map_err(|error| format!("{error}"))?;
    *onward.headers_mut() = headers(request, address);
    match client.send_request(onward).await {
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
                head.headers.remove(name);
            }
            // The connection must outlive the head of the answer: the client holds it.
            let chunks = futures::stream::unfold((body, client), |(mut body, client)| async move {
                loop {
                    let frame = body.frame().await?.ok()?;
                    if let Ok(data) = frame.into_data() {
                        return Some((data, (body, client)));
                    }
                }
            });
            Ok(http::Response::from_parts(head, ResponseBody::Stream(Box::pin(chunks))))
        }
        Err(error) => Err(match connected.await {
            Ok(Err(why)) => format!("dial tcp {address}: {why}"),
            _ => error.to_string(),
        }),
    }
}

/// The headers of the request, without those that were about the way to here.
fn headers(request: &RawRequest, address: &str) -> HeaderMap {
    let mut headers = request.original.as_ref().map(|it| it.headers.clone()).unwrap_or_default();
    let host = headers.get(HOST).cloned();
    for name in [AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    let mut set = |name: &'static str, value: Option<HeaderValue>| {
        value.and_then(|value| headers.insert(HeaderName::from_static(name), value));
    };
    set("host", HeaderValue::from_str(address).ok());
    set("x-forwarded-uri", HeaderValue::from_str(&request.path).ok());
    set("x-forwarded-proto", Some(HeaderValue::from_static("https")));
    set("x-forwarded-host", host);
    headers
}

/// A place of the server behind the proxy is one of the proxy for its client.
fn relocate(headers: &mut HeaderMap, base: &str) {
    let moved = headers.get(LOCATION).and_then(|it| it.to_str().ok()).filter(|it| it.starts_with('/'));
    if let Some(location) = moved.and_then(|it| HeaderValue::from_str(&format!("{base}{it}")).ok()) {
        headers.insert(LOCATION, location);
    }
}

/// What a kubelet says in plain text.
pub(super) fn plain(code: u16, text: String) -> http::Response<ResponseBody> {
    let mut response = http::Response::new(ResponseBody::Full(Some(Bytes::from(text))));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_are_taken_apart() {
        assert_eq!(
            split("/api/v1/namespaces/proxy/pods/proxy/proxy/a/proxy"),
            ("/api/v1/namespaces/proxy/pods/proxy", "/proxy/a/proxy")
        );
        assert_eq!(split("/api/v1/nodes/a/proxy"), ("/api/v1/nodes/a", "/proxy"));
        assert_eq!(split("/api/v1/nodes/a/proxy/"), ("/api/v1/nodes/a", "/proxy/"));
        assert_eq!(parts("web"), Some(("", "web", "")));
        assert_eq!(parts("http:web:80"), Some(("http", "web", "80")));
        assert_eq!(parts("ftp:web:80"), None);
        assert_eq!(parts(":80"), None);
    }
}

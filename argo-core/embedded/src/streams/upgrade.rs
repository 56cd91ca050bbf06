//! From a request to a stream: which protocol is spoken, and who speaks it once the connection is handed over.

use std::sync::Arc;

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::target::{Opened, Purpose};
use super::{channels, spdy, websocket};
use crate::server::{ApiError, Server};

const V5: &str = "v5.channel.k8s.io";
const V4: &str = "v4.channel.k8s.io";
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const FORWARD: &str = "portforward.k8s.io";
const STREAM_VERSION: &str = "x-stream-protocol-version";

/// What a client asks to switch to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upgrade {
    protocol: String,
    key: String,
    /// Of the streams, in the order the client prefers.
    versions: Vec<String>,
}

/// A stream that was granted, to be taken once by the face that holds the connection.
#[derive(Clone, Debug)]
pub(crate) struct Ticket(Arc<Mutex<Option<Granted>>>);

#[derive(Debug)]
struct Granted {
    server: Arc<Server>,
    opened: Opened,
    spoken: Spoken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Channels,
    Tunnel,
    Spdy,
}

// === impl Upgrade ===

impl Upgrade {
    /// What the headers of a request ask for.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        let protocol = text(UPGRADE).to_ascii_lowercase();
        if protocol.is_empty() || !text(CONNECTION).to_ascii_lowercase().contains("upgrade") {
            return None;
        }
        let list = |name: &str| -> Vec<String> {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).map(|it| it.trim().to_owned()).collect()
        };
        let versions =
            if protocol == "websocket" { list(SEC_WEBSOCKET_PROTOCOL.as_str()) } else { list(STREAM_VERSION) };
        Some(Self { protocol, key: text(SEC_WEBSOCKET_KEY).to_owned(), versions })
    }

    /// Grants a stream: the answer's headers, and the ticket for who holds the connection.
    pub(crate) fn grant(
        upgrade: Option<&Self>,
        server: Arc<Server>,
        opened: Opened,
    ) -> Result<(HeaderMap, Ticket), ApiError> {
        let upgrade = upgrade.ok_or_else(|| ApiError::bad_request("Upgrade request required"))?;
        let forward = matches!(opened.wanted.purpose, Purpose::Forward(_));
        let (served, header): (&'static [(&'static str, Spoken)], http::HeaderName) =
            match (upgrade.protocol.as_str(), forward) {
                ("websocket", false) => (&[(V5, Spoken::Channels), (V4, Spoken::Channels)], SEC_WEBSOCKET_PROTOCOL),
                ("websocket", true) => (
                    &[(TUNNEL, Spoken::Tunnel), (V4, Spoken::Channels), (FORWARD, Spoken::Channels)],
                    SEC_WEBSOCKET_PROTOCOL,
                ),
                ("spdy/3.1", false) => {
                    (&[(V5, Spoken::Spdy), (V4, Spoken::Spdy)], http::HeaderName::from_static(STREAM_VERSION))
                }
                ("spdy/3.1", true) => (&[(FORWARD, Spoken::Spdy)], http::HeaderName::from_static(STREAM_VERSION)),
                (other, _) => {
                    return Err(ApiError::bad_request(format!("unable to upgrade: unsupported protocol {other:?}")));
                }
            };
        let chosen = upgrade.versions.iter().find_map(|asked| served.iter().find(|(name, _)| asked == name));
        let Some((version, spoken)) = chosen else {
            let known: Vec<&str> = served.iter().map(|(name, _)| *name).collect();
            return Err(ApiError::new(
                403,
                "Forbidden",
                format!(
                    "unable to negotiate protocol: client supports {:?}, server supports {known:?}",
                    upgrade.versions
                ),
            ));
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header, HeaderValue::from_static(version));
        if *spoken == Spoken::Spdy {
            headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        } else {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            let accept = HeaderValue::from_str(&websocket::accept(&upgrade.key));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept.map_err(|_| ApiError::bad_request("bad key"))?);
        }
        let granted = Granted { server, opened, spoken: *spoken };
        Ok((headers, Ticket(Arc::new(Mutex::new(Some(granted))))))
    }
}

// === impl Ticket ===

impl Ticket {
    /// Speaks the protocol over the connection, until either side ends it.
    pub(crate) async fn speak(self, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let Some(Granted { server, opened, spoken }) = self.0.lock().take() else { return };
        if spoken == Spoken::Spdy {
            spdy::serve(server, opened, io).await;
            return;
        }
        let (messages, outgoing) = websocket::open(io);
        match (spoken, opened.wanted.purpose.clone()) {
            (Spoken::Tunnel, _) => spdy::serve(server, opened, spdy::tunnel(messages, outgoing)).await,
            (_, Purpose::Forward(ports)) => channels::port_forward(opened, ports, messages, outgoing).await,
            _ => channels::remote_command(server, opened, messages, outgoing).await,
        }
    }
}

//! Reviews on their way: to a service in the process, or by HTTPS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;

use super::webhook::WebhookService;

/// The largest answer taken.
const LIMIT: usize = 3 * 1024 * 1024;

/// Who answers.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    /// Code in this process.
    Service { service: Arc<dyn WebhookService>, path: String },
    /// A server.
    Url {
        url: String,
        /// Who vouches for it, in PEM.
        authority: Vec<u8>,
    },
}

/// A review to be answered.
#[derive(Debug)]
pub(crate) struct Errand {
    /// What the answer is remembered under.
    pub(crate) key: String,
    pub(crate) endpoint: Result<Endpoint, String>,
    pub(crate) review: Value,
    pub(crate) timeout: Duration,
}

// === impl Errand ===

impl Errand {
    /// The answer.
    pub(crate) async fn run(&self) -> Result<Value, String> {
        match self.endpoint.as_ref().map_err(Clone::clone)? {
            Endpoint::Service { service, path } => {
                service.review(path, &self.review).map_err(|why| format!("failed to call webhook: {why}"))
            }
            Endpoint::Url { url, authority } => {
                let answer = tokio::time::timeout(self.timeout, post(url, authority, &self.review)).await;
                let failed = |why: String| {
                    format!(
                        "failed to call webhook: Post {:?}: {why}",
                        format!("{url}?timeout={}s", self.timeout.as_secs())
                    )
                };
                match answer {
                    Err(_) => Err(failed("context deadline exceeded".to_owned())),
                    Ok(answer) => answer.map_err(failed),
                }
            }
        }
    }

    /// The answer, for callers that cannot wait otherwise: the thread does.
    pub(crate) fn run_here(self) -> Result<Value, String> {
        if let Ok(Endpoint::Service { service, path }) = &self.endpoint {
            return service.review(path, &self.review).map_err(|why| format!("failed to call webhook: {why}"));
        }
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| format!("failed to call webhook: {error}"))?.block_on(self.run())
        })
        .join()
        .unwrap_or_else(|_| Err("failed to call webhook: the call broke off".to_owned()))
    }
}

async fn post(url: &str, authority: &[u8], review: &Value) -> Result<Value, String> {
    let uri: http::Uri = url.parse().map_err(|error| format!("{error}"))?;
    let host = uri.host().ok_or("no host")?.trim_matches(['[', ']']).to_owned();
    if uri.scheme_str() != Some("https") {
        return Err("only https is allowed".to_owned());
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|error| format!("unable to load root certificates: {error}"))?;
        roots.add(certificate).map_err(|error| format!("unable to load root certificates: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443)))
        .await
        .map_err(|error| format!("dial tcp: {error}"))?;
    let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| format!("tls: failed to verify certificate: {error}"))?;
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let running = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = http::Request::post(path)
        .header(http::header::HOST, uri.authority().map_or(host.as_str(), http::uri::Authority::as_str))
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::ACCEPT, "application/json, */*")
        .body(Full::new(Bytes::from(review.to_string())))
        .map_err(|error| error.to_string())?;
    let response = client.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LIMIT).collect().await.map_err(|error| error.to_string())?.to_bytes();
    running.abort();
    if !status.is_success() {
        let text = String::from_utf8_lossy(&body);
        return Err(format!("an error on the server ({text:?}) has prevented the request from succeeding"));
    }
    serde_json::from_slice(&body).map_err(|error| format!("the answer is no review: {error}"))
}

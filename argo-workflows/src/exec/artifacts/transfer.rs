//! HTTP for the drivers that need it.

use std::{io::Write as _, path::Path, time::Duration};

use argo_core::Category;
use serde_json::Value;

use super::{ArtifactError, Secrets};

/// Longest wait for a connection, and between two parts of an answer.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(60));

/// A client; `ca` is a certificate in PEM form to trust besides the usual ones.
pub(super) fn client(ca: Option<&str>) -> Result<reqwest::Client, ArtifactError> {
    client_as(ca, None)
}

/// As [`client`], showing a certificate of its own: certificate and key in PEM form.
pub(super) fn client_as(ca: Option<&str>, own_pem: Option<&str>) -> Result<reqwest::Client, ArtifactError> {
    let identity = match own_pem {
        None => None,
        Some(pem) => {
            let _ = rustls::crypto::ring::default_provider().install_default();
            // What is in it stays out of the error.
            let unusable =
                |_| ArtifactError::new(Category::Invalid, "the client certificate and its key can not be used");
            Some(reqwest::Identity::from_pem(pem.as_bytes()).map_err(unusable)?)
        }
    };
    // Somebody else's choice of a TLS implementation stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut own = Vec::new();
    if let Some(pem) = ca {
        let invalid = |it: reqwest::Error| ArtifactError::new(Category::Invalid, format!("the CA certificate: {it}"));
        own.push(reqwest::Certificate::from_pem(pem.as_bytes()).map_err(invalid)?);
    }
    let builder = || {
        let builder = reqwest::Client::builder().connect_timeout(PATIENCE.0).read_timeout(PATIENCE.1);
        match &identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    };
    // An image without certificates can still reach what needs none, or brings its own.
    let client = builder().tls_certs_merge(own.clone()).build().or_else(|_| builder().tls_certs_only(own).build());
    client.map_err(|it| ArtifactError::new(Category::Internal, format!("the HTTP client: {it}")))
}

/// A key of the Secret that a location names; absent where it names none.
pub(super) fn secret(secrets: &dyn Secrets, location: &Value, pointer: &str) -> Result<Option<String>, ArtifactError> {
    let Some(selector) = location.pointer(pointer).filter(|it| it.is_object()) else { return Ok(None) };
    let text = |field: &str| selector.get(field).and_then(Value::as_str).unwrap_or_default();
    let (name, key) = (text("name"), text("key"));
    if name.is_empty() {
        return Ok(None);
    }
    let missing = || ArtifactError::new(Category::NotFound, format!("no key {key} in Secret {name}"));
    secrets.read(name, key).map(|it| Some(it.trim_end().to_owned())).ok_or_else(missing)
}

/// Sends a request; an answer that is no success is an error that says so.
pub(super) async fn send(request: reqwest::RequestBuilder) -> Result<reqwest::Response, ArtifactError> {
    let response = request.send().await.map_err(|it| failure(&it))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let category = match status.as_u16() {
        404 => Category::NotFound,
        401 | 403 => Category::Forbidden,
        429 => Category::Throttled,
        500.. => Category::Unavailable,
        _ => Category::Invalid,
    };
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let text = response.text().await.unwrap_or_default();
    let text: String = text.trim().chars().take(300).collect();
    Err(ArtifactError::new(category, format!("{host}: {status}: {text}")))
}

fn failure(error: &reqwest::Error) -> ArtifactError {
    let category = if error.is_timeout() { Category::Timeout } else { Category::Unavailable };
    // The reason is inside; the URL may hold credentials and stays out.
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    let host = error.url().and_then(|it| it.host_str()).unwrap_or_default().to_owned();
    ArtifactError::new(category, format!("{host}: {text}"))
}

/// A request with a form as its body.
pub(super) fn form(request: reqwest::RequestBuilder, form: String) -> reqwest::RequestBuilder {
    request.header("content-type", "application/x-www-form-urlencoded").body(form)
}

/// An answer's body, read as JSON. What is in it stays out of the error: it may be a token.
pub(super) async fn json<T: serde::de::DeserializeOwned>(response: reqwest::Response) -> Result<T, ArtifactError> {
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let bytes = response.bytes().await.map_err(|it| failure(&it))?;
    let unreadable = |_| ArtifactError::new(Category::Unavailable, format!("{host}: the answer can not be read"));
    serde_json::from_slice(&bytes).map_err(unreadable)
}

/// A field of an answer whose body is a form. As with [`json`], what is in it stays out of the error.
pub(super) async fn form_field(response: reqwest::Response, name: &str) -> Result<String, ArtifactError> {
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let bytes = response.bytes().await.map_err(|it| failure(&it))?;
    let text = String::from_utf8_lossy(&bytes);
    // Forms are read as queries are.
    let read = reqwest::Url::parse(&format!("form:/?{}", text.trim())).ok();
    let found = read.and_then(|it| it.query_pairs().find(|it| it.0 == name).map(|it| it.1.into_owned()));
    found.ok_or_else(|| ArtifactError::new(Category::Unavailable, format!("{host}: the answer has no {name}")))
}

/// Writes an answer's body to a file.
pub(super) async fn into_file(mut response: reqwest::Response, to: &Path) -> Result<(), ArtifactError> {
    let io = |it: std::io::Error| ArtifactError::io("write", to, &it);
    let mut file = std::fs::File::create(to).map_err(io)?;
    while let Some(bytes) = response.chunk().await.map_err(|it| failure(&it))? {
        file.write_all(&bytes).map_err(io)?;
    }
    file.flush().map_err(io)
}

//! The call of an HTTP template.

use std::time::Duration;

use super::{Agent, failed};
use crate::{
    api::HttpTemplate,
    engine::{HttpAnswer, MAX_BODY, StepResult},
};

/// Longest wait for a connection, as Go's library has it. The call as a whole may take as long as the
/// template says.
const CONNECT: Duration = Duration::from_secs(30);

impl Agent {
    /// Makes the call and judges the answer.
    pub(super) async fn call(&self, http: &HttpTemplate) -> StepResult {
        let answer = match http.timeout_seconds {
            Some(seconds) => {
                let limit = Duration::from_secs(seconds.max(0).unsigned_abs());
                match tokio::time::timeout(limit, self.answer(http)).await {
                    Ok(answer) => answer,
                    Err(_) => Err(worded(http, "context deadline exceeded")),
                }
            }
            None => self.answer(http).await,
        };
        match answer {
            Ok(answer) => http.judge(&answer),
            Err(message) => failed(message),
        }
    }

    async fn answer(&self, http: &HttpTemplate) -> Result<HttpAnswer, String> {
        let method = reqwest::Method::from_bytes(http.verb().as_bytes())
            .map_err(|_| format!("net/http: invalid method {:?}", http.verb()))?;
        let client = self.client(http.insecure_skip_verify == Some(true))?;
        let mut request = client.request(method, &http.url);
        for header in &http.headers {
            let secret = header.value_from.as_ref().and_then(|it| it.secret_key_ref.as_ref());
            let value = match secret {
                Some(from) => self.secrets.read(&from.name, &from.key).await?,
                None => header.value.clone().unwrap_or_default().into_bytes(),
            };
            let name = reqwest::header::HeaderName::from_bytes(header.name.as_bytes());
            let value = reqwest::header::HeaderValue::from_bytes(&value);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(worded(http, &format!("net/http: invalid header field value for {:?}", header.name)));
            };
            request = request.header(name, value);
        }
        let body = http.payload()?;
        if !body.is_empty() {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|it| worded(http, &reason(&it)))?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, it)| (name.to_string(), String::from_utf8_lossy(it.as_bytes()).into_owned()));
        let mut answer =
            HttpAnswer { status: response.status().as_u16(), headers: headers.collect(), body: String::new() };
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|it| worded(http, &reason(&it)))? {
            if bytes.len() + part.len() > MAX_BODY {
                return Err(worded(http, &format!("the response body is longer than {MAX_BODY} bytes")));
            }
            bytes.extend_from_slice(&part);
        }
        answer.body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(answer)
    }

    fn client(&self, insecure: bool) -> Result<reqwest::Client, String> {
        // Somebody else's choice of a TLS implementation stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let own = if self.roots.is_empty() {
            Vec::new()
        } else {
            reqwest::Certificate::from_pem_bundle(&self.roots).map_err(|it| format!("the CA certificates: {it}"))?
        };
        let builder = || reqwest::Client::builder().connect_timeout(CONNECT).tls_danger_accept_invalid_certs(insecure);
        // An image without certificates can still reach what needs none, or brings its own.
        let client = builder().tls_certs_merge(own.clone()).build().or_else(|_| builder().tls_certs_only(own).build());
        client.map_err(|it| format!("the HTTP client: {it}"))
    }
}

/// A failure as Go's library words it; a password in the address is left out.
fn worded(http: &HttpTemplate, reason: &str) -> String {
    let verb = http.verb();
    let verb = format!("{}{}", verb.get(..1).unwrap_or_default(), verb.get(1..).unwrap_or_default().to_lowercase());
    let url = match reqwest::Url::parse(&http.url) {
        Ok(mut url) if url.password().is_some() => {
            // An address with a password has a host, so that it can be replaced.
            let _ = url.set_password(Some("***"));
            url.to_string()
        }
        _ => http.url.clone(),
    };
    format!("{verb} {url:?}: {reason}")
}

/// What is at the bottom of a failure.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "context deadline exceeded".to_owned();
    }
    if error.is_redirect() {
        return "stopped after 10 redirects".to_owned();
    }
    let mut text = "the request can not be made".to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = match inner.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                return "connect: connection refused".to_owned();
            }
            _ => inner.to_string(),
        };
        source = inner.source();
    }
    text
}

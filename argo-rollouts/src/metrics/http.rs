//! What the providers over HTTP share.

use std::{
    sync::{Once, OnceLock},
    time::Duration,
};

use argo_core::{Timestamp, time};
use serde_json::Value;

use crate::api::WebHeader;

/// Largest answer that is read.
const ANSWER_LIMIT: usize = 8 << 20;

/// Most characters of an answer in a message.
const SNIPPET: usize = 512;

/// Two clients, made when first needed: one that checks certificates and one that does not.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    checking: OnceLock<reqwest::Client>,
    trusting: OnceLock<reqwest::Client>,
}

/// An answer in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Clients {
    pub(super) fn get(&self, insecure: bool) -> Result<reqwest::Client, String> {
        let slot = if insecure { &self.trusting } else { &self.checking };
        if let Some(client) = slot.get() {
            return Ok(client.clone());
        }
        install_crypto();
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .danger_accept_invalid_certs(insecure)
            .build()
            .map_err(|it| describe(&it))?;
        Ok(slot.get_or_init(|| client).clone())
    }
}

impl Clients {
    /// One request, with the whole of its answer.
    pub(crate) async fn call(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
        insecure: bool,
        timeout: Duration,
    ) -> Result<Answer, String> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|_| "the method is none".to_owned())?;
        let mut request = self.get(insecure)?.request(method, url).body(body).timeout(timeout);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // An address that is none is told without it.
        let request = request.build().map_err(|it| describe(&it))?;
        execute(&self.get(insecure)?, request).await
    }
}

/// TLS needs a crypto provider for the process; the program's own choice goes first.
fn install_crypto() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        // An error only says that the program has chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Sends and reads the whole answer, up to a limit.
pub(super) async fn send(
    mut request: reqwest::RequestBuilder,
    headers: &[WebHeader],
    timeout: Duration,
) -> Result<Answer, String> {
    for header in headers {
        request = request.header(&header.key, &header.value);
    }
    let response = request.timeout(timeout).send().await.map_err(|it| describe(&it))?;
    read(response).await
}

/// Sends what is built already.
pub(super) async fn execute(client: &reqwest::Client, request: reqwest::Request) -> Result<Answer, String> {
    read(client.execute(request).await.map_err(|it| describe(&it))?).await
}

async fn read(mut response: reqwest::Response) -> Result<Answer, String> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|it| describe(&it))? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(format!("the answer is larger than {ANSWER_LIMIT} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// The error with its causes, without the address: it may hold secrets.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "request timed out".to_owned() } else { "request failed".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(it) = source {
        text = format!("{text}: {it}");
        source = it.source();
    }
    text
}

/// The JSON of a good answer.
pub(super) fn accepted(answer: &Answer, hidden: &[&str]) -> Result<Value, String> {
    match answer.status {
        200..=299 => serde_json::from_slice(&answer.body).map_err(|it| format!("Could not parse JSON body: {it}")),
        401 | 403 => {
            Err(format!("received authentication error response code: {} {}", answer.status, snippet(answer, hidden)))
        }
        _ => Err(format!("received non 2xx response code: {} {}", answer.status, snippet(answer, hidden))),
    }
}

/// The beginning of an answer, without what is hidden.
pub(super) fn snippet(answer: &Answer, hidden: &[&str]) -> String {
    let mut text = String::from_utf8_lossy(&answer.body).into_owned();
    for secret in hidden.iter().filter(|it| !it.is_empty()) {
        text = text.replace(secret, "*****");
    }
    let end = text.char_indices().nth(SNIPPET).map_or(text.len(), |it| it.0);
    text.truncate(end);
    text.trim().to_owned()
}

/// The message of the first error of a GraphQL answer.
pub(super) fn graphql_error(json: &Value) -> Option<String> {
    let first = json["errors"].as_array()?.first()?;
    Some(format!("graphql: {}", first["message"].as_str().unwrap_or("no message")))
}

/// `[1,2]`.
pub(super) fn number_list(numbers: &[f64], print: impl Fn(f64) -> String) -> String {
    let texts: Vec<String> = numbers.iter().map(|it| print(*it)).collect();
    format!("[{}]", texts.join(","))
}

/// A Go duration that is not below zero.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = argo_lang::duration::parse(text).map_err(|it| it.to_string())?;
    Duration::try_from(parsed).map_err(|_| format!("duration {text:?} is below zero"))
}

/// Begin and end of the last `interval`, in Unix seconds.
pub(super) fn window(interval: &str, now: Timestamp, default: Duration) -> Result<(i64, i64), String> {
    let interval = if interval.is_empty() { default } else { duration(interval)? };
    Ok((time::before(now, interval).as_second(), now.as_second()))
}

//! What the providers over HTTP share.

use std::{
    sync::{Once, OnceLock},
    time::Duration,
};

use crate::api::WebHeader;

/// Largest answer that is read.
const ANSWER_LIMIT: usize = 8 << 20;

/// Two clients, made when first needed: one that checks certificates and one that does not.
#[derive(Debug, Default)]
pub(super) struct Clients {
    checking: OnceLock<reqwest::Client>,
    trusting: OnceLock<reqwest::Client>,
}

/// An answer in full.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
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
    let mut response = request.timeout(timeout).send().await.map_err(|it| describe(&it))?;
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
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "request timed out".to_owned() } else { "request failed".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(it) = source {
        text = format!("{text}: {it}");
        source = it.source();
    }
    text
}

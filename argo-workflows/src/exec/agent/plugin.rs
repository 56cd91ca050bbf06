//! Executor plugins: programs that do templates of type `plugin`, asked over HTTP.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Agent, Progress, Workflow, failed};
use crate::{
    api::{NodeResult, Template},
    engine::{MAX_BODY, StepResult},
};

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// First wait between attempts; each is twice the one before.
const BACKOFF: Duration = Duration::from_secs(1);
/// Most attempts while a plugin is not there yet.
const ATTEMPTS: u32 = 5;

/// A plugin and how to reach it.
pub struct Plugin {
    address: String,
    token: String,
    refuses: AtomicBool,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Clone for Plugin {
    fn clone(&self) -> Self {
        Self::new(&self.address, &self.token)
    }
}

#[derive(Deserialize)]
struct Reply {
    node: Option<NodeResult>,
    requeue: Option<String>,
}

enum Refused {
    Again(String),
    Never(String),
}

impl Plugin {
    /// At an address such as `http://localhost:4355`, with the token that it knows the agent by.
    #[must_use]
    pub fn new(address: &str, token: &str) -> Self {
        let address = address.trim_end_matches('/').to_owned();
        Self { address, token: token.to_owned(), refuses: AtomicBool::new(false) }
    }

    async fn ask(&self, body: &Value) -> Result<Option<Reply>, String> {
        let mut wait = BACKOFF;
        for attempt in 1.. {
            if self.refuses.load(Ordering::Relaxed) {
                return Ok(None);
            }
            match self.once(body).await {
                Ok(reply) => return Ok(reply),
                Err(Refused::Again(_)) if attempt < ATTEMPTS => tokio::time::sleep(wait).await,
                Err(Refused::Again(message) | Refused::Never(message)) => return Err(message),
            }
            wait *= 2;
        }
        Ok(None)
    }

    async fn once(&self, body: &Value) -> Result<Option<Reply>, Refused> {
        let failure = |it: reqwest::Error| {
            let text = format!("the plugin at {}: {}", self.address, it.without_url());
            if crate::engine::is_transient(&text) { Refused::Again(text) } else { Refused::Never(text) }
        };
        // Somebody else's choice of a TLS implementation stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).tls_certs_only([]).build();
        let client = client.map_err(|it| Refused::Never(it.to_string()))?;
        let request = client.post(format!("{}/api/v1/template.execute", self.address));
        let response = request.bearer_auth(&self.token).json(body).send().await;
        let mut response = response.map_err(|it| {
            if it.is_connect() || it.is_timeout() {
                Refused::Again(format!("the plugin at {}: {}", self.address, it.without_url()))
            } else {
                failure(it)
            }
        })?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failure)? {
            if bytes.len() + part.len() > MAX_BODY {
                return Err(Refused::Never(format!("the plugin's reply is longer than {MAX_BODY} bytes")));
            }
            bytes.extend_from_slice(&part);
        }
        match status.as_u16() {
            200 => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|it| Refused::Never(format!("the plugin's reply can not be read: {it}"))),
            404 => {
                // It does no templates: it is not asked again.
                self.refuses.store(true, Ordering::Relaxed);
                Ok(None)
            }
            503 => Err(Refused::Again(String::from_utf8_lossy(&bytes).into_owned())),
            _ => Err(Refused::Never(format!("{status}: {}", String::from_utf8_lossy(&bytes)))),
        }
    }
}

impl Agent {
    /// Asks one plugin after the other; the first that says anything of a node does the task.
    pub(super) async fn ask(&self, workflow: &Workflow, template: &Template) -> Progress {
        let body = json!({
            "workflow": {"metadata": {
                "name": workflow.key.name, "namespace": workflow.key.namespace(), "uid": workflow.uid,
            }},
            "template": template,
        });
        let over = |result: StepResult| Progress { result: result.into(), again: None };
        for plugin in &self.plugins {
            let reply = match plugin.ask(&body).await {
                Ok(Some(reply)) => reply,
                Ok(None) => continue,
                Err(message) => return over(failed(message)),
            };
            let Some(node) = reply.node else { continue };
            let phase = node.phase.unwrap_or_default();
            let again = reply.requeue.as_deref().and_then(|it| argo_lang::duration::parse(it).ok()?.try_into().ok());
            let again = again.filter(|it: &Duration| !it.is_zero() && !phase.is_fulfilled());
            if again.is_none() && !phase.is_fulfilled() {
                return over(StepResult::error(format!(
                    "the plugin at {} answered with phase {phase} and without requeue: nobody would ask it again",
                    plugin.address
                )));
            }
            return Progress { result: node, again };
        }
        over(failed("no plugin executed the template"))
    }
}

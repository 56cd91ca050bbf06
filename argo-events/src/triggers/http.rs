//! `http`: sends a request.

use std::time::Duration;

use argo_core::Category;
use parking_lot::Mutex;
use reqwest::{
    Client, Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

use super::{Call, Trigger, TriggerError, decode};
use crate::{
    api::{self, SecureHeader},
    engine::{parameters, validate},
};

/// The `http` type. Requests share one pool of connections.
#[derive(Debug, Default)]
pub struct HttpTrigger {
    client: Mutex<Option<Client>>,
}

const METHODS: &[&str] = &["GET", "DELETE", "PATCH", "POST", "PUT"];
const DEFAULT_TIMEOUT: u64 = 60;

#[async_trait::async_trait]
impl Trigger for HttpTrigger {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn validate(&self, config: &Value) -> Result<(), String> {
        let config: api::HttpTrigger = decode(config)?;
        if config.url.is_empty() {
            return Err("server URL is not specified".to_owned());
        }
        if !config.method.is_empty() && !METHODS.contains(&config.method.as_str()) {
            return Err(format!("only {} methods are supported", METHODS.join(", ")));
        }
        if config.tls.as_ref().is_some_and(|it| it.as_object().is_some_and(|it| !it.is_empty())) {
            return Err("tls is not supported yet: certificates of the system are trusted".to_owned());
        }
        validate::parameters(&config.payload, true)?;
        validate::parameters(&config.parameters, false)?;
        validate::parameters(&config.dynamic_headers, false)
    }

    async fn execute(&self, call: &Call<'_>) -> Result<(), TriggerError> {
        let list = decode::<api::HttpTrigger>(call.config).map_err(TriggerError::Invalid)?.parameters;
        let mut json = call.config.clone();
        parameters::apply(&mut json, &list, &call.firing.events)?;
        let config: api::HttpTrigger = decode(&json).map_err(TriggerError::Invalid)?;
        let method = if config.method.is_empty() { "POST" } else { &config.method };
        let method = Method::from_bytes(method.as_bytes()).map_err(|it| TriggerError::Invalid(it.to_string()))?;
        let seconds =
            config.timeout.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0).unwrap_or(DEFAULT_TIMEOUT);
        let mut request = self
            .client()?
            .request(method, &config.url)
            .headers(headers(call, &config).await?)
            .timeout(Duration::from_secs(seconds));
        if !config.payload.is_empty() {
            request = request.body(parameters::payload_of(&config.payload, &call.firing.events)?);
        }
        if let Some(auth) = &config.basic_auth {
            let namespace = &call.firing.namespace;
            let secret = |it: &Option<api::SecretKeySelector>| {
                it.clone().ok_or_else(|| TriggerError::Invalid("basicAuth needs username and password".to_owned()))
            };
            let user = call.services.secrets.secret(namespace, &secret(&auth.username)?).await?;
            let password = call.services.secrets.secret(namespace, &secret(&auth.password)?).await?;
            request = request.basic_auth(user.expose(), Some(password.expose()));
        }
        tracing::info!(sensorName = call.firing.sensor, triggerName = call.firing.trigger, "Making a http request...");
        let response = request.send().await.map_err(|it| {
            let category = if it.is_timeout() { Category::Timeout } else { Category::Unavailable };
            // The URL may carry credentials.
            TriggerError::failed(category, format!("http request: {}", it.without_url()))
        })?;
        let status = response.status().as_u16();
        match call.policy.and_then(|it| it.status.as_ref()) {
            Some(policy) if !policy.allow.contains(&status) => {
                Err(TriggerError::Policy(format!("http response status {status} is not allowed")))
            }
            _ => Ok(()),
        }
    }
}

impl HttpTrigger {
    fn client(&self) -> Result<Client, TriggerError> {
        let mut client = self.client.lock();
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        // Whoever came first has chosen; otherwise ring, as everywhere here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let built = Client::builder().build();
        let built = built.map_err(|it| TriggerError::failed(Category::Internal, format!("http client: {it}")))?;
        *client = Some(built.clone());
        Ok(built)
    }
}

/// Secure headers win over dynamic ones, those over static ones.
async fn headers(call: &Call<'_>, config: &api::HttpTrigger) -> Result<HeaderMap, TriggerError> {
    let mut map = HeaderMap::new();
    for (name, value) in &config.headers {
        set(&mut map, name, value)?;
    }
    for parameter in &config.dynamic_headers {
        let source = parameter.src.as_ref().ok_or(parameters::ParameterError::NoSource)?;
        if let Some(value) = parameters::resolve(source, &call.firing.events)? {
            set(&mut map, &parameter.dest, &value.text)?;
        }
    }
    for header in &config.secure_headers {
        let value = secure(call, header).await?;
        set(&mut map, &header.name, &value)?;
    }
    if !config.host.is_empty() {
        set(&mut map, "host", &config.host)?;
    }
    Ok(map)
}

async fn secure(call: &Call<'_>, header: &SecureHeader) -> Result<String, TriggerError> {
    let from = header.value_from.clone().unwrap_or_default();
    let namespace = &call.firing.namespace;
    match (from.secret_key_ref, from.config_map_key_ref) {
        (Some(selector), _) => Ok(call.services.secrets.secret(namespace, &selector).await?.expose().to_owned()),
        (None, Some(selector)) => Ok(call.services.secrets.config_map(namespace, &selector).await?),
        (None, None) => Err(TriggerError::Invalid(format!("secure header {:?} has no valueFrom", header.name))),
    }
}

/// Errors name the header, never its value.
fn set(map: &mut HeaderMap, name: &str, value: &str) -> Result<(), TriggerError> {
    let bad = || TriggerError::Invalid(format!("header {name:?} is not a valid HTTP header"));
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
    value.set_sensitive(true);
    map.insert(key, value);
    Ok(())
}

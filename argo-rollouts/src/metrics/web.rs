//! Any endpoint that answers JSON.

use std::time::Duration;

use argo_lang::jsonpath::JsonPath;
use serde_json::Value;

use super::{
    MetricProvider, MetricRequest,
    auth::{Authentication, Tokens},
    http::{Clients, send},
};
use crate::{
    api::{Measurement, WebMetric},
    engine::analysis::{self, Reading},
};

/// Seconds that a request may take by default.
const TIMEOUT: i64 = 10;

/// Asks an endpoint and looks into its answer by JSONPath.
#[derive(Debug, Default)]
pub struct Web {
    clients: Clients,
    tokens: Tokens,
}

impl Web {
    async fn ask(&self, request: &MetricRequest<'_>, settings: &WebMetric) -> Result<Measurement, String> {
        let method = settings.method.as_deref().filter(|it| !it.is_empty()).unwrap_or("GET");
        let text = settings.body.as_deref().filter(|it| !it.is_empty());
        let json = settings.json_body.as_ref().filter(|it| !it.is_null());
        if text.is_some() && json.is_some() {
            return Err("use either Body or JSONBody; both cannot exists for WebMetric payload".to_owned());
        }
        if method == "GET" && (text.is_some() || json.is_some()) {
            return Err("Body/JSONBody can only be used with POST or PUT WebMetric Method types".to_owned());
        }
        let method = match method {
            "GET" => reqwest::Method::GET,
            "POST" => reqwest::Method::POST,
            "PUT" => reqwest::Method::PUT,
            other => return Err(format!("method {other:?} is none of GET, POST and PUT")),
        };
        let url = reqwest::Url::parse(&settings.url).map_err(|it| format!("invalid url: {it}"))?;
        let client = self.clients.get(settings.insecure)?;
        let authentication = Authentication::of(request.settings)?;
        let mut http = authentication.apply(&self.tokens, &client, client.request(method, url)).await?;
        if let Some(json) = json {
            http = http.json(json);
        } else if let Some(text) = text {
            http = http.body(text.to_owned());
        }
        let seconds = settings.timeout_seconds.filter(|it| *it > 0).unwrap_or(TIMEOUT);
        let timeout = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let answer = send(http, &settings.headers, timeout).await?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("received non 2xx response code: {}", answer.status));
        }
        read(request, settings, &answer.body)
    }
}

/// An answer that is no JSON is judged as text.
fn read(request: &MetricRequest<'_>, settings: &WebMetric, body: &[u8]) -> Result<Measurement, String> {
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        let text = String::from_utf8_lossy(body).into_owned();
        return Ok(request.judged(text.clone(), &Reading::Json(Value::String(text))));
    };
    let path = settings.json_path.as_deref().filter(|it| !it.is_empty()).unwrap_or("{$}");
    let found = JsonPath::parse(path)
        .and_then(|it| it.find(&json))
        .map_err(|it| format!("Could not find JSONPath in body: {it}"))?;
    let value = found.into_iter().next().ok_or("result of web metric produced no value")?;
    Ok(request.judged(analysis::value_text(&value), &Reading::Json(value)))
}

#[async_trait::async_trait]
impl MetricProvider for Web {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: WebMetric = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }
}

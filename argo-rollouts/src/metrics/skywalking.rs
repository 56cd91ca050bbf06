//! SkyWalking: its GraphQL API.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    MetricProvider, MetricRequest,
    http::{Clients, accepted, graphql_error, send},
};
use crate::{api::Measurement, engine::analysis::Reading};

/// How long a query may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks SkyWalking over the last `interval`, which the query has as `$duration`.
#[derive(Debug, Default)]
pub struct SkyWalking {
    clients: Clients,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    address: String,
    query: String,
    interval: String,
}

impl SkyWalking {
    async fn ask(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let interval = super::http::duration(&settings.interval)?;
        let url = format!("{}/graphql", settings.address);
        let url = reqwest::Url::parse(&url).map_err(|it| format!("invalid address: {it}"))?;
        let minute = |at: argo_core::Timestamp| at.strftime("%Y-%m-%d %H%M").to_string();
        let start = minute(argo_core::time::before(request.now, interval));
        let duration = json!({"start": start, "end": minute(request.now), "step": "MINUTE"});
        let body = json!({"query": settings.query, "variables": {"duration": duration}});
        let http = self.clients.get(false)?.post(url).json(&body);
        let answer = send(http, &[], TIMEOUT).await?;
        let json = accepted(&answer, &[])?;
        if let Some(error) = graphql_error(&json) {
            return Err(error);
        }
        let data = json.get("data").filter(|it| !it.is_null());
        let data = data.ok_or("no results returned from SkyWalking query")?;
        Ok(request.judged(data.to_string(), &Reading::Json(Value::clone(data))))
    }
}

#[async_trait::async_trait]
impl MetricProvider for SkyWalking {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }
}

//! New Relic: NRQL over NerdGraph.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    MetricProvider, MetricRequest, Secrets,
    http::{Clients, accepted, graphql_error, send},
};
use crate::{api::Measurement, engine::analysis::Reading};

/// The Secret with the credentials, by default.
const PROFILE: &str = "newrelic";
/// What is asked; the NRQL query is a variable of it.
const QUERY: &str = "query ($query: Nrql!, $accountId: Int!, $timeout: Seconds!) { actor { account(id: $accountId) { \
                     nrql(query: $query, timeout: $timeout) { results } } } }";

/// Asks New Relic. The Secret `newrelic` (or `profile`) beside the controller has `personal-api-key`
/// and `account-id`, and may have `region` (us, eu, staging) and `base-url-nerdgraph`.
#[derive(Debug)]
pub struct NewRelic {
    clients: Clients,
    secrets: Arc<dyn Secrets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    query: String,
    profile: String,
    timeout: Option<i64>,
}

impl NewRelic {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { clients: Clients::default(), secrets }
    }

    async fn ask(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let profile = if settings.profile.is_empty() { PROFILE } else { &settings.profile };
        let secret = self.secrets.read(None, profile).await?;
        let secret = secret.ok_or_else(|| format!("secrets \"{profile}\" not found"))?;
        let get = |key: &str| secret.get(key).map(String::as_str).filter(|it| !it.is_empty());
        let (Some(key), Some(account)) = (get("personal-api-key"), get("account-id")) else {
            return Err("account ID or personal API key not found".to_owned());
        };
        let account: i64 = account.trim().parse().map_err(|_| "could not parse account ID".to_owned())?;
        let timeout = settings.timeout.unwrap_or(5);
        let seconds = u64::try_from(timeout).map_err(|_| "timeout value needs to be a positive value".to_owned())?;
        let url = match (get("base-url-nerdgraph"), get("region").map(str::to_lowercase).as_deref()) {
            (Some(url), _) => url,
            (None, None | Some("us")) => "https://api.newrelic.com/graphql",
            (None, Some("eu")) => "https://api.eu.newrelic.com/graphql",
            (None, Some("staging")) => "https://staging-api.newrelic.com/graphql",
            (None, Some(_)) => return Err("the region is none of us, eu and staging".to_owned()),
        };
        let url = reqwest::Url::parse(url).map_err(|it| format!("invalid base-url-nerdgraph: {it}"))?;
        let variables = json!({"query": settings.query, "accountId": account, "timeout": timeout});
        let http = self.clients.get(false)?.post(url).header("api-key", key);
        let http = http.json(&json!({"query": QUERY, "variables": variables}));
        let answer = send(http, &[], Duration::from_secs(seconds + 10)).await?;
        let json = accepted(&answer, &[key])?;
        if let Some(error) = graphql_error(&json) {
            return Err(error);
        }
        let none = "no results returned from NRQL query";
        let results = json.pointer("/data/actor/account/nrql/results").and_then(Value::as_array).ok_or(none)?;
        match results.as_slice() {
            [] => Err(none.to_owned()),
            [one] if one.as_object().is_none_or(|it| it.is_empty()) => Err(none.to_owned()),
            [one] => Ok(request.judged(one.to_string(), &Reading::Json(one.clone()))),
            _ => Ok(request.judged(json!(results).to_string(), &Reading::Json(json!(results)))),
        }
    }
}

#[async_trait::async_trait]
impl MetricProvider for NewRelic {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }

    fn metadata(&self, request: &MetricRequest<'_>) -> BTreeMap<String, String> {
        let query = request.settings.get("query").and_then(Value::as_str).filter(|it| !it.is_empty());
        query.map(|it| ("ResolvedNewRelicQuery".to_owned(), it.to_owned())).into_iter().collect()
    }
}

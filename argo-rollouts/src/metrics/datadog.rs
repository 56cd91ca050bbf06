//! Datadog: `/api/v1/query` and `/api/v2/query/scalar`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argo_lang::gofloat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    MetricProvider, MetricRequest, Secrets,
    http::{Clients, accepted, number_list, send, window},
};
use crate::{api::Measurement, engine::analysis::Reading};

/// The Secret with the credentials, by default.
const SECRET: &str = "datadog";
/// Where the API is, by default.
const ADDRESS: &str = "https://api.datadoghq.com";
/// Groups that are shown with a measurement.
const GROUPS: usize = 100;

/// Asks Datadog. Credentials come from `secretRef`, else from `DD_API_KEY`, `DD_APP_KEY` and
/// `DD_ADDRESS` (all three), else from the Secret `datadog` beside the controller.
#[derive(Debug)]
pub struct Datadog {
    clients: Clients,
    secrets: Arc<dyn Secrets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    api_version: String,
    interval: String,
    query: String,
    queries: BTreeMap<String, String>,
    formula: String,
    aggregator: String,
    request_timeout: String,
    secret_ref: SecretRef,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SecretRef {
    name: String,
    namespaced: bool,
}

struct Credentials {
    address: String,
    api_key: String,
    app_key: String,
}

impl Datadog {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { clients: Clients::default(), secrets }
    }

    async fn credentials(&self, request: &MetricRequest<'_>, named: &SecretRef) -> Result<Credentials, String> {
        if named.namespaced && named.name.is_empty() {
            return Err("secret name is required for namespaced credentials".to_owned());
        }
        let namespace = request.run.metadata.namespace.as_deref().filter(|_| named.namespaced);
        if !named.name.is_empty() {
            let found = self.secret(namespace, &named.name).await?;
            return found.ok_or_else(|| "API or App token not found".to_owned());
        }
        let set = |name: &str| std::env::var(name).ok();
        if let (Some(api_key), Some(app_key), Some(address)) = (set("DD_API_KEY"), set("DD_APP_KEY"), set("DD_ADDRESS"))
            && !api_key.is_empty()
            && !app_key.is_empty()
        {
            return Ok(Credentials { address, api_key, app_key });
        }
        self.secret(None, SECRET).await?.ok_or_else(|| "API or App token not found".to_owned())
    }

    async fn secret(&self, namespace: Option<&str>, name: &str) -> Result<Option<Credentials>, String> {
        let Some(mut data) = self.secrets.read(namespace, name).await? else { return Ok(None) };
        let mut take = |key: &str| data.remove(key).unwrap_or_default();
        let credentials = Credentials { address: take("address"), api_key: take("api-key"), app_key: take("app-key") };
        let complete = !credentials.api_key.is_empty() && !credentials.app_key.is_empty();
        Ok(complete.then_some(credentials))
    }

    async fn ask(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let credentials = self.credentials(request, &settings.secret_ref).await?;
        check(settings)?;
        let address = if credentials.address.is_empty() { ADDRESS } else { &credentials.address };
        let (from, to) = window(&settings.interval, request.now, Duration::from_secs(300))?;
        let v1 = settings.api_version == "v1";
        let route = if v1 { "/api/v1/query" } else { "/api/v2/query/scalar" };
        let url = format!("{}{route}", address.trim_end_matches('/'));
        let mut url = reqwest::Url::parse(&url).map_err(|it| format!("invalid address: {it}"))?;
        let client = self.clients.get(false)?;
        let http = if v1 {
            url.query_pairs_mut()
                .append_pair("from", &from.to_string())
                .append_pair("query", &settings.query)
                .append_pair("to", &to.to_string());
            client.get(url)
        } else {
            client.post(url).body(body(settings, from, to).to_string())
        };
        let http = http
            .header("content-type", "application/json")
            .header("dd-api-key", &credentials.api_key)
            .header("dd-application-key", &credentials.app_key);
        let timeout = match settings.request_timeout.as_str() {
            "" => Duration::from_secs(10),
            text => super::http::duration(text)?,
        };
        let answer = send(http, &[], timeout).await?;
        let hidden = [credentials.api_key.as_str(), credentials.app_key.as_str()];
        let json = accepted(&answer, &hidden)?;
        if v1 { first_version(request, &json) } else { second_version(request, &json) }
    }
}

fn check(settings: &Settings) -> Result<(), String> {
    let Settings { query, queries, formula, api_version, aggregator, request_timeout, .. } = settings;
    let refused = match () {
        () if query.is_empty() && queries.is_empty() => {
            "Must have either a query or queries. Please review the Analysis Template."
        }
        () if !query.is_empty() && !queries.is_empty() => {
            "Cannot have both a query and queries. Please review the Analysis Template."
        }
        () if api_version == "v1" && query.is_empty() => {
            "Query is empty. API Version v1 only supports using the query parameter in your Analysis Template."
        }
        () if !formula.is_empty() && queries.is_empty() => {
            "Formula are only valid when queries are set. Please review the Analysis Template."
        }
        () if formula.is_empty() && queries.len() > 1 => {
            "When multiple queries are provided you must include a formula."
        }
        () if api_version == "v1" && !aggregator.is_empty() => {
            "Aggregator is not supported in v1. Please review the Analysis Template."
        }
        () if !request_timeout.is_empty() && super::http::duration(request_timeout)?.is_zero() => {
            "Request timeout must be a positive duration (e.g. 30s). Please review the Analysis Template."
        }
        () => return Ok(()),
    };
    Err(refused.to_owned())
}

fn body(settings: &Settings, from: i64, to: i64) -> Value {
    let aggregator = if settings.aggregator.is_empty() { "last" } else { &settings.aggregator };
    let query = |(name, query): (&str, &str)| json!({"aggregator": aggregator, "data_source": "metrics", "name": name, "query": query});
    let queries: Vec<Value> = if settings.query.is_empty() {
        settings.queries.iter().map(|(name, it)| query((name, it))).collect()
    } else {
        vec![query(("query", &settings.query))]
    };
    let formulas: Vec<Value> =
        Some(&settings.formula).filter(|it| !it.is_empty()).map(|it| json!({"formula": it})).into_iter().collect();
    let attributes = json!({"from": from * 1000, "to": to * 1000, "queries": queries, "formulas": formulas});
    json!({"data": {"attributes": attributes, "type": "scalar_request"}})
}

/// The last point of the first series.
fn first_version(request: &MetricRequest<'_>, json: &Value) -> Result<Measurement, String> {
    let points = json["series"][0]["pointlist"].as_array();
    let Some(last) = points.and_then(|it| it.last()) else {
        return Ok(request.judged(
            json["series"].as_array().map_or_else(|| "null".to_owned(), |it| json!(it).to_string()),
            &Reading::Json(Value::Null),
        ));
    };
    let pair = last.as_array().filter(|it| it.len() == 2).ok_or("Datapoint does not have 2 values")?;
    let value = pair[1].as_f64().ok_or("the last datapoint is no number")?;
    Ok(request.judged(gofloat::format_f(value, None), &Reading::Number(value)))
}

/// The first column of numbers; with the groups beside it where the query groups.
fn second_version(request: &MetricRequest<'_>, json: &Value) -> Result<Measurement, String> {
    if let Some(errors) = json["data"]["errors"].as_str().filter(|it| !it.is_empty()) {
        return Err(format!("There were errors in your query: {errors}"));
    }
    let none = Vec::new();
    let columns = json["data"]["attributes"]["columns"].as_array().unwrap_or(&none);
    let kind = |it: &Value| it["type"].as_str().unwrap_or_default().to_owned();
    let groups: Vec<&Value> = columns.iter().filter(|it| kind(it) == "group").collect();
    let numbers = columns.iter().find(|it| matches!(kind(it).as_str(), "" | "number"));
    let (mut values, mut named) = (Vec::new(), Vec::new());
    let column = numbers.map(|it| (it["name"].as_str().unwrap_or_default(), it["values"].as_array().unwrap_or(&none)));
    let (name, list) = column.unwrap_or(("", &none));
    for (at, value) in list.iter().enumerate().filter(|it| !it.1.is_null()) {
        let value =
            value.as_f64().ok_or_else(|| format!("could not parse numeric value \"{value}\" in column \"{name}\""))?;
        if !groups.is_empty() {
            let label = label(&groups, at).ok_or_else(|| format!("could not parse group label at index {at}"))?;
            named.push((label, value));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Ok(request.judged("[]", &Reading::Json(Value::Null)));
    }
    if groups.is_empty() {
        return Ok(request.judged(gofloat::format_f(values[0], None), &Reading::Number(values[0])));
    }
    let mut measurement =
        request.judged(number_list(&values, |it| gofloat::format_f(it, None)), &Reading::Numbers(values));
    let cut = named.len() > GROUPS;
    if cut {
        // Both ends: which of them is the bad one, the condition alone knows.
        named.sort_by(|a, b| a.1.total_cmp(&b.1));
        named.drain(GROUPS / 2..named.len() - GROUPS / 2);
        measurement.metadata.insert("groups_truncated".to_owned(), "true".to_owned());
    }
    let named: Vec<Value> = named.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    measurement.metadata.insert("groups".to_owned(), json!(named).to_string());
    Ok(measurement)
}

/// The tags of a row, over all group columns.
fn label(groups: &[&Value], at: usize) -> Option<String> {
    let mut parts = Vec::new();
    for column in groups {
        let tags = column["values"].get(at)?.as_array().filter(|it| !it.is_empty())?;
        for tag in tags {
            parts.push(tag.as_str()?);
        }
    }
    Some(parts.join(","))
}

#[async_trait::async_trait]
impl MetricProvider for Datadog {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }
}

//! Graphite: `/render`.

use std::time::Duration;

use argo_lang::gofloat;
use serde::Deserialize;
use serde_json::Value;

use super::{
    MetricProvider, MetricRequest,
    http::{Clients, number_list, send, snippet},
};
use crate::{api::Measurement, engine::analysis::Reading};

/// How long a query may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks Graphite: the points of the first target.
#[derive(Debug, Default)]
pub struct Graphite {
    clients: Clients,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    address: String,
    query: String,
}

impl Graphite {
    async fn ask(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let address = reqwest::Url::parse(&settings.address).ok().filter(reqwest::Url::has_host);
        let mut url = address.ok_or_else(|| format!("Graphite address {} is not a valid URL", settings.address))?;
        url.set_path(&format!("{}/render", url.path().trim_end_matches('/')));
        let query: String = settings.query.split_whitespace().collect();
        url.set_query(Some(&query));
        let others: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "format")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(others).append_pair("format", "json");
        let answer = send(self.clients.get(false)?.get(url), &[], TIMEOUT).await?;
        if answer.status >= 400 {
            return Err(format!("error response: {}", snippet(&answer, &[])));
        }
        let targets: Vec<Value> =
            serde_json::from_slice(&answer.body).map_err(|_| "the answer is no list of targets".to_owned())?;
        let none = Vec::new();
        let points = targets.first().and_then(|it| it["datapoints"].as_array()).unwrap_or(&none);
        if points.is_empty() {
            return Err("no values found".to_owned());
        }
        let values: Vec<f64> = points.iter().map(value).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        Ok(request.judged(number_list(&values, |it| gofloat::format_f(it, Some(6))), &Reading::Numbers(values)))
    }
}

/// The value of a point; a point may have none.
fn value(point: &Value) -> Result<Option<f64>, String> {
    let pair = point.as_array().filter(|it| it.len() == 2);
    let pair = pair.ok_or_else(|| format!("error unmarshaling data point: {point}"))?;
    match &pair[0] {
        Value::Null => Ok(None),
        Value::Number(it) => Ok(it.as_f64()),
        Value::String(it) => {
            gofloat::parse_float(it).map(Some).ok_or_else(|| format!("error unmarshaling value: {it}"))
        }
        other => Err(format!("error unmarshaling value: {other}")),
    }
}

#[async_trait::async_trait]
impl MetricProvider for Graphite {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }
}

//! Prometheus over its HTTP API.

use std::{collections::BTreeMap, time::Duration};

use argo_lang::gofloat;
use serde::Deserialize;
use serde_json::Value;

use super::{
    MetricProvider, MetricRequest,
    http::{Answer, Clients, send},
};
use crate::{
    api::{Measurement, PrometheusMetric},
    engine::analysis::Reading,
};

/// Seconds that a query may take by default.
const TIMEOUT: i64 = 30;

/// Asks a Prometheus-compatible server. `rangeQuery` and `authentication` are refused.
#[derive(Debug, Default)]
pub struct Prometheus {
    clients: Clients,
    address: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

impl Prometheus {
    /// Asks `address` where a metric names none.
    pub fn with_address(address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }

    async fn query(&self, request: &MetricRequest<'_>, settings: &PrometheusMetric) -> Result<Measurement, String> {
        for unsupported in ["rangeQuery", "authentication"] {
            if settings.extra.get(unsupported).is_some_and(|it| it.as_object().is_none_or(|it| !it.is_empty())) {
                return Err(format!("prometheus {unsupported} is not supported"));
            }
        }
        let seconds = settings.timeout.unwrap_or(TIMEOUT);
        let seconds = u64::try_from(seconds).map_err(|_| "prometheus timeout should not be negative".to_owned())?;
        let address = Some(settings.address.as_str()).filter(|it| !it.is_empty()).or(self.address.as_deref());
        let address = address.ok_or("prometheus address is not configured")?;
        let mut url = reqwest::Url::parse(address)
            .ok()
            .filter(|it| it.has_host())
            .ok_or("prometheus address is not is url format")?;
        url.set_path(&format!("{}/api/v1/query", url.path().trim_end_matches('/')));
        let now = argo_core::time::rfc3339(request.now);
        url.query_pairs_mut().append_pair("query", &settings.query).append_pair("time", &now);
        let client = self.clients.get(settings.insecure)?;
        let answer = send(client.get(url), &settings.headers, Duration::from_secs(seconds)).await?;
        read(request, &answer)
    }
}

fn read(request: &MetricRequest<'_>, answer: &Answer) -> Result<Measurement, String> {
    let response: Response = serde_json::from_slice(&answer.body)
        .map_err(|_| format!("the server answered {} without a Prometheus response", answer.status))?;
    if response.status != "success" {
        return Err(format!("{}: {}", response.error_type, response.error));
    }
    let data = response.data.ok_or("the response has no data")?;
    let (text, reading) = reading(&data)?;
    let mut measurement = request.judged(text, &reading);
    if !response.warnings.is_empty() {
        let warnings: Vec<String> = response.warnings.iter().map(|it| format!("\"{it}\"")).collect();
        measurement.metadata.insert("warnings".to_owned(), warnings.join(", "));
    }
    Ok(measurement)
}

/// The value as upstream prints it, and as conditions see it: a scalar is a number, a vector or
/// matrix is the list of all its samples.
fn reading(data: &Data) -> Result<(String, Reading), String> {
    let list = || data.result.as_array().map(Vec::as_slice).ok_or_else(|| "the result is no list".to_owned());
    let samples: Vec<f64> = match data.result_type.as_str() {
        "scalar" => {
            let number = sample(&data.result)?;
            return Ok((print(number), Reading::Number(number)));
        }
        "vector" => list()?.iter().map(|it| sample(&it["value"])).collect::<Result<_, _>>()?,
        "matrix" => {
            let values = list()?.iter().flat_map(|it| it["values"].as_array().into_iter().flatten());
            values.map(sample).collect::<Result<_, _>>()?
        }
        _ => return Err("Prometheus metric type not supported".to_owned()),
    };
    let text: Vec<String> = samples.iter().map(|it| print(*it)).collect();
    Ok((format!("[{}]", text.join(",")), Reading::Numbers(samples)))
}

/// `[time, "number"]`.
fn sample(pair: &Value) -> Result<f64, String> {
    let text = pair.get(1).and_then(Value::as_str);
    text.and_then(gofloat::parse_float).ok_or_else(|| "a sample is no number".to_owned())
}

fn print(number: f64) -> String {
    gofloat::format_f(number, None)
}

#[async_trait::async_trait]
impl MetricProvider for Prometheus {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: PrometheusMetric = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.query(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }

    fn metadata(&self, request: &MetricRequest<'_>) -> BTreeMap<String, String> {
        let query = request.settings.get("query").and_then(Value::as_str).filter(|it| !it.is_empty());
        query.map(|it| ("ResolvedPrometheusQuery".to_owned(), it.to_owned())).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(result: Value, kind: &str) -> (String, Reading) {
        reading(&Data { result_type: kind.into(), result }).unwrap()
    }

    #[test]
    fn values_print_as_upstream_prints_them() {
        assert_eq!(of(json!([1.5, "0.25"]), "scalar"), ("0.25".into(), Reading::Number(0.25)));
        let vector = json!([{"metric": {}, "value": [1, "1"]}, {"metric": {}, "value": [1, "0.000001"]}]);
        assert_eq!(of(vector, "vector"), ("[1,0.000001]".into(), Reading::Numbers(vec![1.0, 1e-6])));
        assert_eq!(of(json!([]), "vector"), ("[]".into(), Reading::Numbers(vec![])));
        let (text, Reading::Numbers(list)) = of(json!([{"value": [1, "NaN"]}, {"value": [1, "+Inf"]}]), "vector")
        else {
            panic!("not a list")
        };
        assert_eq!(text, "[NaN,+Inf]");
        assert!(list[0].is_nan() && list[1].is_infinite());
        let matrix = json!([{"values": [[1, "1"], [2, "2"]]}, {"values": [[1, "3"]]}]);
        assert_eq!(of(matrix, "matrix").0, "[1,2,3]");
        assert!(reading(&Data { result_type: "string".into(), result: json!([1, "x"]) }).is_err());
    }
}

//! Prometheus over its HTTP API.

use std::{collections::BTreeMap, time::Duration};

use argo_core::Timestamp;
use argo_lang::{
    expr::{Options, Program},
    gofloat,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    MetricProvider, MetricRequest,
    auth::{Authentication, Tokens},
    http::{Answer, Clients, describe, duration, execute},
};
use crate::{
    api::{Measurement, PrometheusMetric},
    engine::analysis::Reading,
};

/// Seconds that a query may take by default.
const TIMEOUT: i64 = 30;

/// The environment's address, where a metric names none.
const ADDRESS: &str = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS";

/// Asks a Prometheus-compatible server. The address comes from the metric, from
/// [`with_address`](Self::with_address), or from `ARGO_ROLLOUTS_PROMETHEUS_ADDRESS`.
#[derive(Debug, Default)]
pub struct Prometheus {
    clients: Clients,
    tokens: Tokens,
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
        let seconds = settings.timeout.unwrap_or(TIMEOUT);
        let seconds = u64::try_from(seconds).map_err(|_| "prometheus timeout should not be negative".to_owned())?;
        let given = Some(settings.address.clone()).filter(|it| !it.is_empty()).or_else(|| self.address.clone());
        let address = given.or_else(|| std::env::var(ADDRESS).ok().filter(|it| !it.is_empty()));
        let address = address.ok_or("prometheus address is not configured")?;
        let mut url = reqwest::Url::parse(&address)
            .ok()
            .filter(|it| it.has_host())
            .ok_or("prometheus address is not is url format")?;
        let range = settings.extra.get("rangeQuery").filter(|it| it.is_object());
        let path = if range.is_some() { "query_range" } else { "query" };
        url.set_path(&format!("{}/api/v1/{path}", url.path().trim_end_matches('/')));
        url.query_pairs_mut().append_pair("query", &settings.query);
        match range {
            Some(range) => {
                let (start, end) = (instant(range, "start", request.now)?, instant(range, "end", request.now)?);
                let step = range["step"].as_str().unwrap_or_default();
                let step = duration(step).map_err(|it| format!("failed to parse rangeQuery.step as duration: {it}"))?;
                let step = gofloat::format_f(step.as_secs_f64(), None);
                url.query_pairs_mut().append_pair("start", &start).append_pair("end", &end).append_pair("step", &step);
            }
            None => {
                url.query_pairs_mut().append_pair("time", &argo_core::time::rfc3339(request.now));
            }
        }
        let authentication = Authentication::of(request.settings)?;
        let client = self.clients.get(settings.insecure)?;
        let mut http = authentication.apply(&self.tokens, &client, client.get(url)).await?;
        for header in &settings.headers {
            http = http.header(&header.key, &header.value);
        }
        let built = http.timeout(Duration::from_secs(seconds)).build().map_err(|it| describe(&it))?;
        let answer = execute(&client, authentication.sign(built)?).await?;
        read(request, &answer)
    }
}

/// A time of a range, in Unix seconds: an expression as `now() - duration("5m")`.
fn instant(range: &Value, field: &str, now: Timestamp) -> Result<String, String> {
    let refuse = |it: String| format!("failed to parse rangeQuery.{field} as time: {it}");
    let expression = range[field].as_str().unwrap_or_default();
    let program = Program::compile(&format!("({expression}).Unix()"), &Options::default());
    let program = program.map_err(|it| refuse(it.message))?;
    let seconds = program.eval_at(&Value::Object(serde_json::Map::new()), now).map_err(|it| refuse(it.message))?;
    seconds.as_i64().map(|it| it.to_string()).ok_or_else(|| refuse("it is no time".to_owned()))
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

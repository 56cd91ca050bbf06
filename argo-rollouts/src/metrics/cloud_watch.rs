//! CloudWatch: `GetMetricData`.

use std::time::Duration;

use argo_lang::gofloat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    MetricProvider, MetricRequest,
    http::{Clients, accepted, execute, window},
    sigv4::{self, Credentials},
};
use crate::{api::Measurement, engine::analysis::Reading};

/// How long a query may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Asks CloudWatch by its JSON protocol. Credentials and region come from the environment:
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION` (or
/// `AWS_DEFAULT_REGION`), and `AWS_ENDPOINT_URL_CLOUDWATCH` for another endpoint.
#[derive(Debug, Default)]
pub struct CloudWatch {
    clients: Clients,
    fixed: Option<(String, String, Credentials)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    interval: String,
    metric_data_queries: Vec<Value>,
}

impl CloudWatch {
    /// Asks this endpoint, in this region, with these credentials.
    #[must_use]
    pub fn at(endpoint: impl Into<String>, region: impl Into<String>, credentials: Credentials) -> Self {
        Self { clients: Clients::default(), fixed: Some((endpoint.into(), region.into(), credentials)) }
    }

    fn place(&self) -> Result<(String, String, Credentials), String> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let set = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")).ok_or("AWS_REGION is not set")?;
        let endpoint = set("AWS_ENDPOINT_URL_CLOUDWATCH").or_else(|| set("AWS_ENDPOINT_URL"));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://monitoring.{region}.amazonaws.com"));
        Ok((endpoint, region, Credentials::of_environment()?))
    }

    async fn ask(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let (endpoint, region, credentials) = self.place()?;
        let (from, to) = window(&settings.interval, request.now, Duration::from_secs(300))?;
        let queries: Vec<Value> = settings.metric_data_queries.iter().map(query).collect();
        let body = json!({"StartTime": from, "EndTime": to, "MetricDataQueries": queries});
        let url = reqwest::Url::parse(&endpoint).map_err(|it| format!("invalid endpoint: {it}"))?;
        let http = self.clients.get(false)?.post(url).timeout(TIMEOUT);
        let http = http
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "GraniteServiceVersion20100801.GetMetricData")
            .body(body.to_string());
        let signed = http.build().map_err(|it| super::http::describe(&it))?;
        let signed = sigv4::sign(signed, &credentials, &region, "monitoring", sigv4::Time(request.now))?;
        let answer = execute(&self.clients.get(false)?, signed).await?;
        let hidden = [credentials.secret.as_str(), credentials.token.as_deref().unwrap_or_default()];
        let json = accepted(&answer, &hidden)?;
        let results = json["MetricDataResults"].as_array().cloned().unwrap_or_default();
        let lists = results.iter().map(|result| {
            let values = result["Values"].as_array().into_iter().flatten().filter_map(Value::as_f64);
            let values: Vec<String> = values.map(|it| gofloat::format_g(it, None)).collect();
            format!("[{}]", values.join(" "))
        });
        let text = format!("[{}]", lists.collect::<Vec<_>>().join(" "));
        let mut measurement = request.judged(text, &Reading::Json(json!(results)));
        let messages = json["Messages"].as_array().filter(|it| !it.is_empty());
        if let Some(messages) = messages {
            measurement.metadata.insert("messages".to_owned(), json!(messages).to_string());
        }
        Ok(measurement)
    }
}

/// A query of a metric as CloudWatch spells it.
fn query(settings: &Value) -> Value {
    let mut out = json!({"Id": settings["id"]});
    let number = |it: &Value| it.as_i64().or_else(|| it.as_str()?.parse().ok()).map_or(Value::Null, Value::from);
    for (from, to) in [("expression", "Expression"), ("label", "Label"), ("returnData", "ReturnData")] {
        if let Some(value) = settings.get(from).filter(|it| !it.is_null()) {
            out[to] = value.clone();
        }
    }
    if let Some(period) = settings.get("period").filter(|it| !it.is_null()) {
        out["Period"] = number(period);
    }
    if let Some(stat) = settings.get("metricStat").filter(|it| it.is_object()) {
        let mut metric = json!({"MetricName": stat["metric"]["metricName"]});
        if let Some(namespace) = stat["metric"]["namespace"].as_str() {
            metric["Namespace"] = json!(namespace);
        }
        if let Some(dimensions) = stat["metric"]["dimensions"].as_array() {
            let each = dimensions.iter().map(|it| json!({"Name": it["name"], "Value": it["value"]}));
            metric["Dimensions"] = each.collect();
        }
        out["MetricStat"] = json!({"Metric": metric, "Period": number(&stat["period"]), "Stat": stat["stat"]});
        if let Some(unit) = stat["unit"].as_str().filter(|it| !it.is_empty()) {
            out["MetricStat"]["Unit"] = json!(unit);
        }
    }
    out
}

#[async_trait::async_trait]
impl MetricProvider for CloudWatch {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }
}

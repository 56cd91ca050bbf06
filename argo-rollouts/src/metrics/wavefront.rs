//! Wavefront: the point of a chart that is nearest to now.

use std::{sync::Arc, time::Duration};

use argo_lang::gofloat;
use serde::Deserialize;
use serde_json::Value;

use super::{
    MetricProvider, MetricRequest, Secrets,
    http::{Clients, accepted, number_list, send},
};
use crate::{api::Measurement, engine::analysis::Reading};

/// The Secret with a token for each address.
const SECRET: &str = "wavefront-api-tokens";
/// How long a query may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks Wavefront. The Secret `wavefront-api-tokens` beside the controller has a token for each
/// address.
#[derive(Debug)]
pub struct Wavefront {
    clients: Clients,
    secrets: Arc<dyn Secrets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    address: String,
    query: String,
}

impl Wavefront {
    /// With a place to look tokens up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { clients: Clients::default(), secrets }
    }

    async fn ask(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let secret = self.secrets.read(None, SECRET).await?;
        let secret = secret.ok_or_else(|| format!("secrets \"{SECRET}\" not found"))?;
        let token = secret.get(&settings.address).ok_or("API token not found")?;
        let base = match settings.address.contains("://") {
            true => settings.address.clone(),
            false => format!("https://{}", settings.address),
        };
        let url = format!("{}/api/v2/chart/api", base.trim_end_matches('/'));
        let mut url = reqwest::Url::parse(&url).map_err(|it| format!("invalid address: {it}"))?;
        let at = (request.now.as_second() * 1000).to_string();
        url.query_pairs_mut()
            .append_pair("q", &settings.query)
            .append_pair("s", &at)
            .append_pair("e", &at)
            .append_pair("g", "s")
            .append_pair("p", "1")
            .append_pair("i", "true");
        let http = self.clients.get(false)?.get(url).bearer_auth(token);
        let answer = send(http, &[], TIMEOUT).await?;
        let json = accepted(&answer, &[token])?;
        let mut measurement = read(request, &json)?;
        if let Some(warnings) = json["warnings"].as_str().filter(|it| !it.is_empty()) {
            measurement.metadata.insert("warnings".to_owned(), warnings.to_owned());
        }
        Ok(measurement)
    }
}

fn read(request: &MetricRequest<'_>, json: &Value) -> Result<Measurement, String> {
    let now = request.now.as_second() as f64;
    let series = json["timeseries"].as_array().filter(|it| !it.is_empty());
    let series = series.ok_or("No TimeSeries found in response from Wavefront")?;
    let points: Vec<(f64, f64)> = series.iter().map(|it| nearest(&it["data"], now)).collect();
    let print = |it: f64| gofloat::format_f(it, Some(2));
    let whole = |it: f64| (it as i64).to_string();
    let (times, drifts): (Vec<f64>, Vec<f64>) =
        points.iter().map(|(time, _)| (*time, if *time == 0.0 { f64::NAN } else { time - now })).unzip();
    let drifts: Vec<f64> = drifts.into_iter().map(|it| if it.is_nan() { 0.0 } else { it }).collect();
    let mut measurement = match points.as_slice() {
        [(_, value)] => request.judged(print(*value), &Reading::Number(*value)),
        _ => {
            let values: Vec<f64> = points.iter().map(|it| it.1).collect();
            request.judged(number_list(&values, print), &Reading::Numbers(values))
        }
    };
    let text = |list: &[f64]| if list.len() == 1 { whole(list[0]) } else { number_list(list, whole) };
    measurement.metadata.insert("timestamps".to_owned(), text(&times));
    measurement.metadata.insert("drift".to_owned(), text(&drifts));
    Ok(measurement)
}

/// Time and value of the point nearest to `now`; zeros without a point.
fn nearest(points: &Value, now: f64) -> (f64, f64) {
    let points = points.as_array().into_iter().flatten();
    let pairs = points.filter_map(|it| Some((it.get(0)?.as_f64()?, it.get(1)?.as_f64()?)));
    pairs.min_by(|a, b| (a.0 - now).abs().total_cmp(&(b.0 - now).abs())).unwrap_or((0.0, 0.0))
}

#[async_trait::async_trait]
impl MetricProvider for Wavefront {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.ask(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }
}

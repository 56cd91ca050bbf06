//! Kayenta: canary executions and their scores.

use std::time::Duration;

use argo_core::time;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    MetricProvider, MetricRequest,
    http::{Clients, send},
};
use crate::api::{AnalysisPhase, Measurement};

/// How long a request may take, and how soon an execution is looked after.
const WAIT: Duration = Duration::from_secs(15);
/// Metadata of a measurement: the execution.
const EXECUTION: &str = "canaryExecutionId";

/// Runs a canary execution for every measurement: a score of at least `pass` is good, of at least
/// `marginal` decides nothing, any other is bad.
#[derive(Debug, Default)]
pub struct Kayenta {
    clients: Clients,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    address: String,
    application: String,
    canary_config_name: String,
    metrics_account_name: String,
    configuration_account_name: String,
    storage_account_name: String,
    threshold: Threshold,
    scopes: Vec<Scope>,
    lookback: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Threshold {
    pass: i64,
    marginal: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Scope {
    name: String,
    control_scope: Detail,
    experiment_scope: Detail,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    scope: String,
    region: String,
    step: i64,
    start: String,
    end: String,
}

impl Kayenta {
    async fn begin(&self, request: &MetricRequest<'_>, settings: &Settings) -> Result<Measurement, String> {
        let configuration = self.configuration(settings).await?;
        let mut scopes = Map::new();
        for scope in &settings.scopes {
            scopes.insert(scope.name.clone(), of_scope(request, settings, scope)?);
        }
        let thresholds = json!({"pass": settings.threshold.pass, "marginal": settings.threshold.marginal});
        let mut url = url(settings, &["canary", &configuration])?;
        url.query_pairs_mut()
            .append_pair("application", &settings.application)
            .append_pair("metricsAccountName", &settings.metrics_account_name)
            .append_pair("configurationAccountName", &settings.configuration_account_name)
            .append_pair("storageAccountName", &settings.storage_account_name);
        let http = self.clients.get(false)?.post(url).json(&json!({"scopes": scopes, "thresholds": thresholds}));
        let json = self.json(http, "Invalid Response").await?;
        let id = json[EXECUTION].as_str().filter(|it| !it.is_empty()).ok_or("Invalid canaryExecutionId")?;
        Ok(Measurement {
            phase: AnalysisPhase::Running,
            started_at: Some(request.now.into()),
            resume_at: Some(time::after(request.now, WAIT).into()),
            metadata: [(EXECUTION.to_owned(), id.to_owned())].into(),
            ..Default::default()
        })
    }

    /// The id of the configuration that is named.
    async fn configuration(&self, settings: &Settings) -> Result<String, String> {
        let mut url = url(settings, &["canaryConfig"])?;
        url.query_pairs_mut()
            .append_pair("application", &settings.application)
            .append_pair("configurationAccountName", &settings.storage_account_name);
        let list = self.json(self.clients.get(false)?.get(url), "Invalid Response").await?;
        let named = |it: &&Value| it["name"].as_str() == Some(&settings.canary_config_name);
        let found = list.as_array().into_iter().flatten().find(named).and_then(|it| it["id"].as_str());
        found.map(str::to_owned).ok_or_else(|| "Canary config not found".to_owned())
    }

    async fn look(
        &self,
        request: &MetricRequest<'_>,
        settings: &Settings,
        measurement: &Measurement,
    ) -> Result<Measurement, String> {
        let id = measurement.metadata.get(EXECUTION).ok_or("Invalid canaryExecutionId")?;
        let url = url(settings, &["canary", id])?;
        let json = self.json(self.clients.get(false)?.get(url), "Invalid Response").await?;
        let mut next = measurement.clone();
        if !json["complete"].as_bool().ok_or("Missing Complete Status")? {
            next.phase = AnalysisPhase::Running;
            next.resume_at = Some(time::after(request.now, WAIT).into());
            return Ok(next);
        }
        let score = json.pointer("/result/judgeResult/score/score").and_then(Value::as_f64).ok_or("Missing Score")?;
        // As a conversion in Go: towards zero.
        let score = score as i64;
        next.value = score.to_string();
        next.phase = match score {
            score if score >= settings.threshold.pass => AnalysisPhase::Successful,
            score if score >= settings.threshold.marginal => AnalysisPhase::Inconclusive,
            _ => AnalysisPhase::Failed,
        };
        next.finished_at = Some(request.now.into());
        Ok(next)
    }

    async fn json(&self, http: reqwest::RequestBuilder, refused: &str) -> Result<Value, String> {
        let answer = send(http, &[], WAIT).await?;
        if answer.status != 200 {
            return Err(format!("{refused}: HTTP {}", answer.status));
        }
        serde_json::from_slice(&answer.body).map_err(|_| format!("{refused}: it is no JSON"))
    }
}

fn url(settings: &Settings, path: &[&str]) -> Result<reqwest::Url, String> {
    let mut url = reqwest::Url::parse(&settings.address).map_err(|it| format!("invalid address: {it}"))?;
    url.path_segments_mut().map_err(|()| "invalid address: it has no path".to_owned())?.pop_if_empty().extend(path);
    Ok(url)
}

/// A scope with its times: those given, else from the start of the run (or one interval ago) to now.
fn of_scope(request: &MetricRequest<'_>, settings: &Settings, scope: &Scope) -> Result<Value, String> {
    let (control, experiment) = (&scope.control_scope, &scope.experiment_scope);
    if control.start.is_empty() != experiment.start.is_empty() {
        return Err("controlScope.start and experimentScope.start must both be set or be empty".to_owned());
    }
    if control.end.is_empty() != experiment.end.is_empty() {
        return Err("controlScope.end and experimentScope.end must both be set or be empty".to_owned());
    }
    let start = if !control.start.is_empty() {
        String::new()
    } else if settings.lookback {
        let begun = request.run.status.started_at.map_or(request.now, argo_core::Time::timestamp);
        time::rfc3339(begun)
    } else {
        let interval = request.metric.interval.as_deref().unwrap_or_default();
        let interval =
            super::http::duration(interval).map_err(|it| format!("Invalid duration \"{interval}\": {it}"))?;
        time::rfc3339(time::before(request.now, interval))
    };
    let end = time::rfc3339(request.now);
    let detail = |it: &Detail| {
        let start = if it.start.is_empty() { &start } else { &it.start };
        let end = if it.end.is_empty() { &end } else { &it.end };
        json!({"scope": it.scope, "location": it.region, "step": it.step, "start": start, "end": end})
    };
    Ok(json!({"controlScope": detail(control), "experimentScope": detail(experiment)}))
}

#[async_trait::async_trait]
impl MetricProvider for Kayenta {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        self.begin(request, &settings).await.unwrap_or_else(|message| request.error(message))
    }

    async fn resume(&self, request: &MetricRequest<'_>, measurement: &Measurement) -> Measurement {
        let settings: Settings = match request.settings() {
            Ok(settings) => settings,
            Err(error) => return *error,
        };
        match self.look(request, &settings, measurement).await {
            Ok(next) => next,
            Err(message) => Measurement { phase: AnalysisPhase::Error, message, ..measurement.clone() },
        }
    }
}

//! [`MetricProvider`]: where the values of metrics come from.
//!
//! | implementation | measures | name |
//! |---|---|---|
//! | `Prometheus` (feature `http`) | PromQL over the HTTP API | `prometheus` |
//! | `Web` (feature `http`) | any JSON endpoint | `web` |
//! | `Job` (feature `controller`) | whether a Kubernetes Job completes | `job` |
//! | `Datadog`, `NewRelic`, `Wavefront`, `CloudWatch`, `Graphite`, `Influxdb`, `SkyWalking`, `Kayenta` (feature `http`) | what the vendor measures | `datadog`, `newRelic`, `wavefront`, `cloudWatch`, `graphite`, `influxdb`, `skywalking`, `kayenta` |
//! | [`Scripted`] | what a test says | any |
//!
//! A vendor's provider is registered under a name of its own and is used by
//! `provider: {plugin: {vendor/name: {…settings}}}`.

#[cfg(feature = "http")]
mod auth;
#[cfg(feature = "http")]
mod cloud_watch;
#[cfg(feature = "http")]
mod datadog;
#[cfg(feature = "http")]
mod graphite;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod influxdb;
#[cfg(feature = "controller")]
mod job;
#[cfg(feature = "http")]
mod kayenta;
#[cfg(feature = "http")]
mod new_relic;
#[cfg(feature = "http")]
mod prometheus;
mod scripted;
mod secrets;
#[cfg(feature = "http")]
mod sigv4;
#[cfg(feature = "http")]
mod skywalking;
#[cfg(feature = "http")]
mod wavefront;
#[cfg(feature = "http")]
mod web;

use std::{collections::BTreeMap, fmt, sync::Arc};

use argo_core::Timestamp;
use serde_json::Value;

use crate::{
    api::{AnalysisPhase, AnalysisRun, Measurement, Metric, SecretKeyRef},
    engine::analysis::{self, Measure, MeasureAction, Observation, Reading},
};

#[cfg(feature = "http")]
pub(crate) use http::{Answer as HttpAnswer, Clients as HttpClients};
#[cfg(feature = "controller")]
pub use job::Job;
#[cfg(feature = "http")]
pub use prometheus::Prometheus;
pub use scripted::Scripted;
#[cfg(feature = "testing")]
pub(crate) use scripted::scripted;
#[cfg(feature = "controller")]
pub(crate) use secrets::OfCluster;
pub use secrets::Secrets;
#[cfg(feature = "http")]
pub use {
    cloud_watch::CloudWatch, datadog::Datadog, graphite::Graphite, influxdb::Influxdb, kayenta::Kayenta,
    new_relic::NewRelic, sigv4::Credentials as AwsCredentials, skywalking::SkyWalking, wavefront::Wavefront, web::Web,
};

/// Takes measurements of one kind.
///
/// Contract: a measurement that can not be taken is one in phase `Error` with a message; nothing
/// panics or blocks for longer than its own timeout. One that takes long is returned in phase
/// `Running`, with what is needed to find it again in `metadata` and with `resumeAt`; it is given
/// back to [`resume`](Self::resume) then. The same measurement may be taken twice when the
/// controller was stopped in between. Secrets in `settings` must not be put into messages or
/// metadata (values of secret arguments are cut out of both anyway).
///
/// # Example
/// ```
/// use argo_rollouts::{api::Measurement, engine::analysis::Reading, metrics::{MetricProvider, MetricRequest}};
///
/// /// Measures how long the name of the metric is.
/// #[derive(Debug)]
/// struct NameLength;
///
/// #[async_trait::async_trait]
/// impl MetricProvider for NameLength {
///     async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
///         let length = request.metric.name.len();
///         request.judged(length.to_string(), &Reading::Number(length as f64))
///     }
/// }
/// ```
#[async_trait::async_trait]
pub trait MetricProvider: Send + Sync + fmt::Debug {
    /// Takes a measurement, or begins one that takes long.
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement;

    /// Looks after a measurement that is under way. Providers that measure at once never see this.
    async fn resume(&self, _: &MetricRequest<'_>, measurement: &Measurement) -> Measurement {
        measurement.clone()
    }

    /// Ends a measurement that is under way; it must come back complete.
    async fn terminate(&self, _: &MetricRequest<'_>, measurement: &Measurement) -> Measurement {
        Measurement { phase: AnalysisPhase::Successful, ..measurement.clone() }
    }

    /// Clears away what belongs to measurements older than the last `kept`. May be called again.
    async fn garbage_collect(&self, _: &MetricRequest<'_>, _kept: usize) {}

    /// What to say of the metric as a whole, beside its measurements.
    fn metadata(&self, _: &MetricRequest<'_>) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// What a provider is asked to measure.
#[derive(Debug, Clone, Copy)]
pub struct MetricRequest<'a> {
    /// The run.
    pub run: &'a AnalysisRun,
    /// The metric, with the values of its arguments.
    pub metric: &'a Metric,
    /// The provider's part of the metric.
    pub settings: &'a Value,
    /// The time.
    pub now: Timestamp,
}

impl MetricRequest<'_> {
    /// A finished measurement: the value as people see it, judged by the metric's conditions.
    #[must_use]
    pub fn judged(&self, value: impl Into<String>, reading: &Reading) -> Measurement {
        let (phase, message) = match analysis::judge(reading, self.metric) {
            Ok(phase) => (phase, String::new()),
            Err(error) => (AnalysisPhase::Error, error.to_string()),
        };
        let value = if phase == AnalysisPhase::Error { String::new() } else { value.into() };
        Measurement { phase, message, value, ..Default::default() }
    }

    /// A measurement that could not be taken.
    #[must_use]
    pub fn error(&self, message: impl fmt::Display) -> Measurement {
        Measurement { phase: AnalysisPhase::Error, message: message.to_string(), ..Default::default() }
    }

    /// The settings as a type.
    ///
    /// # Errors
    /// The measurement that says what is wrong with them.
    pub fn settings<T: serde::de::DeserializeOwned>(&self) -> Result<T, Box<Measurement>> {
        T::deserialize(self.settings).map_err(|it| Box::new(self.error(format!("invalid provider settings: {it}"))))
    }
}

/// The providers of a controller, by name.
#[derive(Debug, Clone, Default)]
pub struct Providers(BTreeMap<String, Arc<dyn MetricProvider>>);

impl Providers {
    /// No providers.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The built-in ones.
    #[must_use]
    pub fn builtin() -> Self {
        #[cfg_attr(not(feature = "http"), allow(unused_mut))]
        let mut providers = Self::default();
        #[cfg(feature = "http")]
        {
            providers.register("prometheus", Arc::new(Prometheus::default()));
            providers.register("web", Arc::new(Web::default()));
            providers.register("cloudWatch", Arc::new(CloudWatch::default()));
            providers.register("graphite", Arc::new(Graphite::default()));
            providers.register("skywalking", Arc::new(SkyWalking::default()));
            providers.register("kayenta", Arc::new(Kayenta::default()));
        }
        providers
    }

    /// Adds those built-in ones that look credentials up in Secrets: `datadog`, `newRelic`,
    /// `wavefront` and `influxdb`. One that is registered already stays.
    #[cfg(feature = "http")]
    pub fn with_secrets(&mut self, secrets: &Arc<dyn Secrets>) {
        let vendors: [(&str, Arc<dyn MetricProvider>); 4] = [
            ("datadog", Arc::new(Datadog::new(secrets.clone()))),
            ("newRelic", Arc::new(NewRelic::new(secrets.clone()))),
            ("wavefront", Arc::new(Wavefront::new(secrets.clone()))),
            ("influxdb", Arc::new(Influxdb::new(secrets.clone()))),
        ];
        for (name, vendor) in vendors {
            if !self.knows(name) {
                self.register(name, vendor);
            }
        }
    }

    /// Whether there is one of that name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Adds or replaces the provider of a name.
    pub fn register(&mut self, name: impl Into<String>, provider: Arc<dyn MetricProvider>) {
        self.0.insert(name.into(), provider);
    }

    /// Carries out what the engine wants measured. `secrets` holds the values of the run's secret
    /// arguments; they are in the settings that the provider gets and nowhere in what comes back.
    pub async fn carry_out(
        &self,
        run: &AnalysisRun,
        measure: &Measure,
        secrets: &BTreeMap<SecretKeyRef, String>,
        now: Timestamp,
    ) -> Observation {
        let name = &measure.metric.name;
        let mut observation = match analysis::resolve(&measure.metric, &run.spec.args, secrets) {
            Ok(metric) => self.ask(run, &metric, &measure.action, now).await,
            Err(error) => Observation::new(name, failed(&measure.action, error.to_string())),
        };
        let measurement = &mut observation.measurement;
        measurement.started_at = measurement.started_at.or_else(|| Some(now.into()));
        measurement.message = analysis::redact(&measurement.message, secrets);
        measurement.value = analysis::redact(&measurement.value, secrets);
        for value in measurement.metadata.values_mut().chain(observation.metadata.values_mut()) {
            *value = analysis::redact(value, secrets);
        }
        observation.metric.clone_from(name);
        observation
    }

    async fn ask(&self, run: &AnalysisRun, metric: &Metric, action: &MeasureAction, now: Timestamp) -> Observation {
        let name = &metric.name;
        let Some((kind, settings)) = metric.provider.provider() else {
            return Observation::new(name, failed(action, "no provider specified".to_owned()));
        };
        let Some(provider) = self.0.get(kind) else {
            let message = format!("no metric provider is registered under the name \"{kind}\"");
            return Observation::new(name, failed(action, message));
        };
        let request = MetricRequest { run, metric, settings, now };
        let measurement = match action {
            MeasureAction::Run => provider.run(&request).await,
            MeasureAction::Resume(it) => provider.resume(&request, it).await,
            MeasureAction::Terminate(it) => {
                let mut ended = provider.terminate(&request, it).await;
                if matches!(ended.phase, AnalysisPhase::Successful | AnalysisPhase::Inconclusive) {
                    ended.message = "Metric Terminated".to_owned();
                }
                ended
            }
            MeasureAction::GarbageCollect(kept) => {
                provider.garbage_collect(&request, *kept).await;
                Measurement::default()
            }
        };
        Observation { metric: name.clone(), measurement, metadata: provider.metadata(&request) }
    }
}

fn failed(action: &MeasureAction, message: String) -> Measurement {
    let begun = match action {
        MeasureAction::Resume(it) | MeasureAction::Terminate(it) => it.clone(),
        _ => Measurement::default(),
    };
    Measurement { phase: AnalysisPhase::Error, message, ..begun }
}

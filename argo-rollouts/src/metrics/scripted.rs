//! Metrics that a test says beforehand.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{MetricProvider, MetricRequest};
use crate::{
    api::{AnalysisRun, Measurement},
    engine::analysis::Reading,
};

/// Measures what it was told: the values of a metric one after the other, the last one over and
/// over. It remembers nothing: which value is next is read from the run, so a restarted controller
/// goes on where it was.
///
/// A value is any JSON; `{"error": "…"}` is a measurement that could not be taken.
#[derive(Debug, Clone, Default)]
pub struct Scripted {
    values: BTreeMap<String, Vec<Value>>,
}

impl Scripted {
    /// Knows no metric yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what a metric measures.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        self.values.insert(name.into(), values.into_iter().map(Into::into).collect());
        self
    }

    /// What is measured next for a run.
    #[must_use]
    pub fn next(&self, request: &MetricRequest<'_>) -> Measurement {
        let Some(value) = self.value(request.run, &request.metric.name) else {
            return request.error(format!("no values are scripted for metric \"{}\"", request.metric.name));
        };
        scripted(request, value)
    }

    fn value(&self, run: &AnalysisRun, metric: &str) -> Option<&Value> {
        let values = self.values.get(metric)?;
        let taken = run.status.result(metric).map_or(0, |it| it.count + it.error);
        values.get(usize::try_from(taken).unwrap_or_default()).or_else(|| values.last())
    }
}

/// The measurement of a value; of `{"error": "…"}` one that could not be taken.
pub(crate) fn scripted(request: &MetricRequest<'_>, value: &Value) -> Measurement {
    match value.get("error").and_then(Value::as_str) {
        Some(error) => request.error(error),
        None => request.judged(value.to_string(), &Reading::Json(value.clone())),
    }
}

#[async_trait::async_trait]
impl MetricProvider for Scripted {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        self.next(request)
    }
}

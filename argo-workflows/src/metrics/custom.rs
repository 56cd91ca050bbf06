//! [`Custom`]: the metrics of workflows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argo_core::Timestamp;

use super::text::{self, Histogram};
use crate::engine::{Emission, Measure, MetricSink};

/// Most metrics, and most label sets of one: more are refused, so that no workflow fills the memory.
const MAX: (usize, usize) = (1000, 10_000);

/// Counts what workflows ask for. Holds nothing that outlives the process, as upstream does.
#[derive(Debug, Default)]
pub struct Custom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    metrics: BTreeMap<String, Metric>,
    /// Realtime gauges by the uid of their workflow.
    realtime: BTreeMap<String, BTreeSet<(String, Labels)>>,
}

type Labels = BTreeMap<String, String>;

#[derive(Debug)]
struct Metric {
    help: String,
    kind: &'static str,
    values: BTreeMap<Labels, (Kept, Timestamp)>,
}

#[derive(Debug)]
enum Kept {
    Number(f64),
    Since { from: Timestamp, until: Option<Timestamp> },
    Histogram(Histogram),
}

impl Custom {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts. `workflow` is the uid of the workflow that asks for it.
    ///
    /// # Errors
    /// As [`MetricSink::check`], or when there are too many.
    pub fn count(&self, workflow: &str, emission: &Emission, now: Timestamp) -> Result<(), String> {
        self.check(emission)?;
        let Emission { name, help, labels, value } = emission;
        let mut state = self.lock();
        if state.metrics.len() >= MAX.0 && !state.metrics.contains_key(name) {
            return Err(format!("there are {} metrics already", MAX.0));
        }
        if let Measure::Since { .. } = value {
            state.realtime.entry(workflow.to_owned()).or_default().insert((name.clone(), labels.clone()));
        }
        let new = || Metric { help: help.clone(), kind: value.kind(), values: BTreeMap::new() };
        let metric = state.metrics.entry(name.clone()).or_insert_with(new);
        if metric.values.len() >= MAX.1 && !metric.values.contains_key(labels) {
            return Err(format!("metric {name} has {} label sets already", MAX.1));
        }
        let first = match value {
            Measure::Observe { buckets, .. } => Kept::Histogram(Histogram::new(buckets)),
            Measure::Since { from, until } => Kept::Since { from: *from, until: *until },
            _ => Kept::Number(0.0),
        };
        let (kept, at) = metric.values.entry(labels.clone()).or_insert((first, now));
        *at = now;
        match (value, kept) {
            (Measure::Count(by) | Measure::Add(by), Kept::Number(number)) => *number += by,
            (Measure::Set(to), Kept::Number(number)) => *number = *to,
            (Measure::Observe { value, .. }, Kept::Histogram(histogram)) => histogram.observe(*value),
            (Measure::Since { from, until }, kept) => *kept = Kept::Since { from: *from, until: *until },
            (Measure::Count(it) | Measure::Add(it) | Measure::Set(it), kept) => *kept = Kept::Number(*it),
            (Measure::Observe { .. }, _) => {}
        }
        Ok(())
    }

    /// The realtime gauges of a workflow that is gone, go.
    pub fn forget(&self, workflow: &str) {
        let mut state = self.lock();
        for (name, labels) in state.realtime.remove(workflow).unwrap_or_default() {
            if let Some(metric) = state.metrics.get_mut(&name) {
                metric.values.remove(&labels);
            }
        }
    }

    /// Drops values that nobody touched for this long; realtime gauges only once they stand still.
    pub fn expire(&self, ttl: Duration, now: Timestamp) {
        let old = |at: &Timestamp| argo_core::time::between(*at, now) > ttl;
        for metric in self.lock().metrics.values_mut() {
            metric.values.retain(|_, (kept, at)| !old(at) || matches!(kept, Kept::Since { until: None, .. }));
        }
    }

    /// Appends all metrics in Prometheus' text form.
    pub fn write(&self, out: &mut String, now: Timestamp) {
        for (name, metric) in &self.lock().metrics {
            if metric.values.is_empty() {
                continue;
            }
            text::head(out, name, &metric.help, metric.kind);
            for (labels, (kept, _)) in &metric.values {
                match kept {
                    Kept::Number(number) => text::line(out, name, labels, *number),
                    Kept::Since { from, until } => {
                        let seconds = until.unwrap_or(now).duration_since(*from).as_secs_f64();
                        text::line(out, name, labels, seconds);
                    }
                    Kept::Histogram(it) => text::histogram(out, name, labels, it),
                }
            }
        }
    }
}

impl MetricSink for Custom {
    fn check(&self, emission: &Emission) -> Result<(), String> {
        let state = self.lock();
        let Some(known) = state.metrics.get(&emission.name) else { return Ok(()) };
        let (name, kind) = (&emission.name, emission.value.kind());
        if known.help != emission.help {
            return Err(format!("help for metric {name} is already set to {}, it cannot be changed", known.help));
        }
        if known.kind != kind {
            return Err(format!("found existing {} for custom metric {name} of type {kind}", known.kind));
        }
        Ok(())
    }
}

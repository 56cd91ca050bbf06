//! When a metric is measured.

use std::time::Duration;

use argo_core::{Timestamp, time};

use super::{Measure, MeasureAction, Pass};
use crate::api::{AnalysisPhase, Measurement, Metric};

/// How soon a metric that could not be measured is tried again.
const ERROR_RETRY: Duration = Duration::from_secs(10);

/// Measurements that a metric takes in all; `None` without end.
pub(super) fn effective_count(metric: &Metric) -> Option<i64> {
    match metric.count.as_ref().and_then(|it| it.as_int()).filter(|it| *it != 0) {
        Some(count) => Some(count),
        None => text(&metric.interval).is_none().then_some(1),
    }
}

pub(super) fn text(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|it| !it.is_empty())
}

fn duration(field: &Option<String>) -> Option<Duration> {
    let parsed = argo_lang::duration::parse(text(field)?).ok()?;
    Some(Duration::try_from(parsed).unwrap_or_default())
}

impl Pass<'_> {
    /// What is to be measured now.
    pub(super) fn due(&self) -> Vec<Measure> {
        let terminating = self.is_terminating();
        let mut due = Vec::new();
        for (at, metric) in self.metrics.iter().enumerate() {
            let action = match self.last(metric) {
                _ if self.is_complete(metric) => continue,
                Some(last) if last.finished_at.is_none() => {
                    let later = last.resume_at.is_some_and(|it| it.timestamp() > self.now);
                    match terminating {
                        true => MeasureAction::Terminate(last.clone()),
                        false if later => continue,
                        false => MeasureAction::Resume(last.clone()),
                    }
                }
                _ if terminating => continue,
                _ => match self.next_measurement(metric) {
                    Some(next) if next <= self.now => MeasureAction::Run,
                    _ => continue,
                },
            };
            due.push(Measure { metric: self.run.spec.metrics[at].clone(), action });
        }
        due
    }

    /// The earliest time at which anything is due.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        let unfinished = self.metrics.iter().filter(|it| !self.is_complete(it));
        unfinished
            .filter_map(|metric| match self.last(metric) {
                Some(last) if last.finished_at.is_none() => last.resume_at.map(|it| it.timestamp()),
                _ => self.next_measurement(metric),
            })
            .min()
    }

    /// When a metric that has no measurement under way is measured next.
    fn next_measurement(&self, metric: &Metric) -> Option<Timestamp> {
        let Some(last) = self.last(metric) else {
            let delay = match duration(&metric.initial_delay) {
                Some(delay) => delay,
                None => return Some(self.now),
            };
            // The delay counts from the start that is written down, once it is.
            return self.status.started_at.map(|it| time::after(it.timestamp(), delay));
        };
        let count = self.status.result(&metric.name).map_or(0, |it| it.count);
        if effective_count(metric).is_some_and(|it| count >= it) {
            return None;
        }
        let interval = match last.phase {
            AnalysisPhase::Error => ERROR_RETRY,
            _ => duration(&metric.interval).unwrap_or(ERROR_RETRY),
        };
        last.finished_at.map(|it| time::after(it.timestamp(), interval))
    }

    fn last(&self, metric: &Metric) -> Option<&Measurement> {
        self.status.result(&metric.name)?.measurements.last()
    }

    fn is_complete(&self, metric: &Metric) -> bool {
        self.status.result(&metric.name).is_some_and(|it| it.phase.is_complete())
    }
}

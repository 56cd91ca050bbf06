//! Metrics with upstream's names.

use std::time::Duration;

use argo_core::runtime::Metrics as Registry;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

/// Sum and count without buckets, as upstream's summaries without quantiles.
type Summary<L> = Family<L, Histogram, fn() -> Histogram>;

/// What sources and sensors count. Clones share it.
#[derive(Debug, Clone)]
pub struct EventMetrics {
    running: Family<Source, Gauge>,
    sent: Family<SourceEvent, Counter>,
    sent_failed: Family<SourceEvent, Counter>,
    processing_failed: Family<SourceEvent, Counter>,
    processing: Summary<SourceEvent>,
    triggered: Family<Trigger, Counter>,
    failed: Family<Trigger, Counter>,
    retries_failed: Family<Trigger, Counter>,
    action: Summary<Trigger>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Source {
    namespace: String,
    eventsource_name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SourceEvent {
    namespace: String,
    eventsource_name: String,
    event_name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Trigger {
    namespace: String,
    sensor_name: String,
    trigger_name: String,
}

fn summary<L: Clone + std::hash::Hash + Eq>() -> Summary<L> {
    let new: fn() -> Histogram = || Histogram::new(std::iter::empty());
    Family::new_with_constructor(new)
}

impl Default for EventMetrics {
    fn default() -> Self {
        Self {
            running: Family::default(),
            sent: Family::default(),
            sent_failed: Family::default(),
            processing_failed: Family::default(),
            processing: summary(),
            triggered: Family::default(),
            failed: Family::default(),
            retries_failed: Family::default(),
            action: summary(),
        }
    }
}

impl EventMetrics {
    /// Shows them where the controller runtime shows its own.
    pub fn register(&self, registry: &Registry) {
        // `_total` of counters is added when they are written.
        let name = |it: &str| format!("argo_events_{it}");
        registry.register(&name("event_service_running_total"), "Events that are listened for", self.running.clone());
        registry.register(&name("events_sent"), "Events on the bus", self.sent.clone());
        registry.register(&name("events_sent_failed"), "Events that the bus refused", self.sent_failed.clone());
        let help = "Events whose filter could not be evaluated";
        registry.register(&name("events_processing_failed"), help, self.processing_failed.clone());
        let help = "How long an event took to the bus";
        registry.register(&name("event_processing_duration_milliseconds"), help, self.processing.clone());
        registry.register(&name("action_triggered"), "Firings that were carried out", self.triggered.clone());
        registry.register(&name("action_failed"), "Attempts that failed", self.failed.clone());
        let help = "Firings whose attempts all failed";
        registry.register(&name("action_retries_failed"), help, self.retries_failed.clone());
        registry.register(&name("action_duration_milliseconds"), "How long an attempt took", self.action.clone());
    }

    pub(super) fn running(&self, namespace: &str, source: &str, change: i64) {
        let labels = Source { namespace: namespace.to_owned(), eventsource_name: source.to_owned() };
        self.running.get_or_create(&labels).inc_by(change);
    }

    pub(crate) fn sent(&self, namespace: &str, source: &str, event: &str, ok: bool, took: Duration) {
        let labels = source_event(namespace, source, event);
        if ok {
            self.sent.get_or_create(&labels).inc();
            self.processing.get_or_create(&labels).observe(took.as_secs_f64() * 1000.0);
        } else {
            self.sent_failed.get_or_create(&labels).inc();
        }
    }

    pub(crate) fn filter_failed(&self, namespace: &str, source: &str, event: &str) {
        self.processing_failed.get_or_create(&source_event(namespace, source, event)).inc();
    }

    pub(super) fn attempted(&self, firing: &crate::engine::firing::Firing, ok: bool, took: Duration) {
        let labels = trigger(firing);
        if ok {
            self.triggered.get_or_create(&labels).inc();
        } else {
            self.failed.get_or_create(&labels).inc();
        }
        self.action.get_or_create(&labels).observe(took.as_secs_f64() * 1000.0);
    }

    pub(super) fn exhausted(&self, firing: &crate::engine::firing::Firing) {
        self.retries_failed.get_or_create(&trigger(firing)).inc();
    }
}

fn source_event(namespace: &str, source: &str, event: &str) -> SourceEvent {
    SourceEvent { namespace: namespace.to_owned(), eventsource_name: source.to_owned(), event_name: event.to_owned() }
}

fn trigger(firing: &crate::engine::firing::Firing) -> Trigger {
    Trigger {
        namespace: firing.namespace.clone(),
        sensor_name: firing.sensor.clone(),
        trigger_name: firing.trigger.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_upstreams() {
        let registry = Registry::default();
        let metrics = EventMetrics::default();
        metrics.register(&registry);
        metrics.sent("n", "s", "e", true, Duration::from_millis(3));
        metrics.sent("n", "s", "e", false, Duration::ZERO);
        metrics.running("n", "s", 1);
        let text = registry.text();
        for line in [
            "argo_events_events_sent_total{namespace=\"n\",eventsource_name=\"s\",event_name=\"e\"} 1",
            "argo_events_events_sent_failed_total{namespace=\"n\",eventsource_name=\"s\",event_name=\"e\"} 1",
            "argo_events_event_service_running_total{namespace=\"n\",eventsource_name=\"s\"} 1",
            "argo_events_event_processing_duration_milliseconds_sum{namespace=\"n\",eventsource_name=\"s\",event_name=\"e\"} 3.0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}

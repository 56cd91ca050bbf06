//! Metrics under upstream's names: dashboards and alerts are written against them.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argo_core::{Note, ObjectKey, Timestamp, runtime::Requests, time};

use crate::engine::Finished;

/// Upper bounds of the buckets, in seconds.
const BUCKETS: [f64; 5] = [0.01, 0.15, 0.25, 0.5, 1.0];

/// How long the series of an object stay after its deletion, so that the last values are scraped.
const KEPT: Duration = Duration::from_secs(65);

/// Of whom a series speaks: `rollout`, `experiment` or `analysis_run`, and which one.
type Key = (&'static str, ObjectKey);

/// What is counted as it happens; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    passes: BTreeMap<Key, Passes>,
    events: BTreeMap<(ObjectKey, &'static str, String), u64>,
    gone: BTreeMap<Key, Timestamp>,
    /// By Rollout, type and reason of the event, and whether it was told.
    told: BTreeMap<(ObjectKey, &'static str, String, bool), u64>,
    telling: BTreeMap<ObjectKey, Passes>,
    /// By metric and outcome.
    durations: BTreeMap<(usize, String), Durations>,
}

/// Durations of updates that ended: name, meaning, upper bounds in seconds.
const DURATIONS: [(&str, &str, &[u32]); 3] = [
    (
        "rollout_duration_seconds",
        "Total wall-clock time for a rollout from start to completion/abort/supersede",
        &[30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800],
    ),
    (
        "rollout_progression_duration_seconds",
        "Active progression time for a rollout (excluding manual pause time)",
        &[30, 60, 120, 300, 600, 900, 1800, 3600],
    ),
    (
        "rollout_manual_pause_duration_seconds",
        "Time spent in manual pause waiting for human intervention",
        &[0, 60, 300, 600, 1800, 3600, 7200, 14400, 28800],
    ),
];

#[derive(Debug, Default)]
struct Durations {
    buckets: Vec<u64>,
    count: u64,
    seconds: f64,
}

#[derive(Debug, Default, Clone)]
struct Passes {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
    errors: u64,
}

impl Passes {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        for (at, bound) in BUCKETS.iter().enumerate() {
            self.buckets[at] += u64::from(seconds <= *bound);
        }
        self.count += 1;
        self.seconds += seconds;
    }

    fn write(&self, name: &str, labels: &str, out: &mut String) {
        for (at, bound) in BUCKETS.iter().enumerate() {
            line(out, &format!("{name}_bucket{{{labels},le=\"{bound}\"}}"), self.buckets[at]);
        }
        line(out, &format!("{name}_bucket{{{labels},le=\"+Inf\"}}"), self.count);
        line(out, &format!("{name}_sum{{{labels}}}"), self.seconds);
        line(out, &format!("{name}_count{{{labels}}}"), self.count);
    }
}

fn kind_of(note: &Note) -> &'static str {
    match note.kind {
        argo_core::NoteKind::Normal => "Normal",
        argo_core::NoteKind::Warning => "Warning",
    }
}

impl Counted {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Counters stay true whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass over an object of a kind.
    pub(super) fn pass(&self, kind: &'static str, key: &ObjectKey, took: Duration, failed: bool) {
        let mut state = self.state();
        let passes = state.passes.entry((kind, key.clone())).or_default();
        passes.add(took);
        passes.errors += u64::from(failed);
    }

    /// An event of a Rollout.
    pub(super) fn event(&self, key: &ObjectKey, note: &Note) {
        *self.state().events.entry((key.clone(), kind_of(note), note.reason.clone())).or_default() += 1;
    }

    /// A notification of an event that was told, or could not be.
    pub(super) fn told(&self, key: &ObjectKey, note: &Note, told: bool) {
        *self.state().told.entry((key.clone(), kind_of(note), note.reason.clone(), told)).or_default() += 1;
    }

    /// How long the notifications of an event took.
    pub(super) fn telling(&self, key: &ObjectKey, took: Duration) {
        self.state().telling.entry(key.clone()).or_default().add(took);
    }

    /// An update that ended.
    pub(super) fn finished(&self, finished: &Finished) {
        let values = [finished.total, finished.total - finished.paused, finished.paused];
        let mut state = self.state();
        for (at, (value, (_, _, bounds))) in values.into_iter().zip(DURATIONS).enumerate() {
            let series = state.durations.entry((at, finished.status.clone())).or_default();
            series.buckets.resize(bounds.len(), 0);
            for (bucket, bound) in series.buckets.iter_mut().zip(bounds) {
                *bucket += u64::from(value <= f64::from(*bound));
            }
            series.count += 1;
            series.seconds += value;
        }
    }

    /// An object that is there no more.
    pub(super) fn gone(&self, kind: &'static str, key: &ObjectKey, now: Timestamp) {
        let mut state = self.state();
        if state.passes.contains_key(&(kind, key.clone())) {
            state.gone.entry((kind, key.clone())).or_insert(now);
        }
    }

    /// Appends all series in text form, without those of objects long gone.
    pub(super) fn write(&self, now: Timestamp, out: &mut String) {
        let mut state = self.state();
        let over: Vec<Key> =
            state.gone.iter().filter(|(_, at)| time::after(**at, KEPT) <= now).map(|(key, _)| key.clone()).collect();
        for key in over {
            state.gone.remove(&key);
            state.passes.remove(&key);
            if key.0 == "rollout" {
                state.events.retain(|(it, _, _), _| *it != key.1);
                state.told.retain(|(it, ..), _| *it != key.1);
                state.telling.remove(&key.1);
            }
        }
        for (kind, what) in [("rollout", "Rollout"), ("experiment", "Experiments"), ("analysis_run", "Analysis Run")] {
            let of_kind = || state.passes.iter().filter(move |((it, _), _)| *it == kind);
            head(out, &format!("{kind}_reconcile"), &format!("{what} reconciliation performance."), "histogram");
            for ((_, key), passes) in of_kind() {
                passes.write(&format!("{kind}_reconcile"), &labels(key), out);
            }
            let help = format!("Error occurring during the {}", kind.replace('_', " "));
            head(out, &format!("{kind}_reconcile_error"), &help, "counter");
            for ((_, key), passes) in of_kind().filter(|it| it.1.errors > 0) {
                line(out, &format!("{kind}_reconcile_error{{{}}}", labels(key)), passes.errors);
            }
        }
        for (at, (name, help, bounds)) in DURATIONS.into_iter().enumerate() {
            head(out, name, help, "histogram");
            for ((_, status), series) in state.durations.iter().filter(|it| it.0.0 == at) {
                for (bucket, bound) in series.buckets.iter().zip(bounds) {
                    line(out, &format!("{name}_bucket{{status=\"{status}\",le=\"{bound}\"}}"), bucket);
                }
                line(out, &format!("{name}_bucket{{status=\"{status}\",le=\"+Inf\"}}"), series.count);
                line(out, &format!("{name}_sum{{status=\"{status}\"}}"), series.seconds);
                line(out, &format!("{name}_count{{status=\"{status}\"}}"), series.count);
            }
        }
        for (name, help, told) in [
            ("notification_send_success", "Notification send success.", true),
            ("notification_send_error", "Error sending the notification", false),
        ] {
            head(out, name, help, "counter");
            for ((key, kind, reason, _), count) in state.told.iter().filter(|it| it.0.3 == told) {
                let labels = format!("{},type=\"{kind}\",reason=\"{}\"", labels(key), escape(reason));
                line(out, &format!("{name}{{{labels}}}"), count);
            }
        }
        head(out, "notification_send", "Notification send performance.", "histogram");
        for (key, passes) in &state.telling {
            passes.write("notification_send", &labels(key), out);
        }
        head(out, "rollout_events_total", "Count of rollout events", "counter");
        for ((key, kind, reason), count) in &state.events {
            let reason = escape(reason);
            line(out, &format!("rollout_events_total{{{},type=\"{kind}\",reason=\"{reason}\"}}", labels(key)), count);
        }
    }
}

/// Requests to the API server.
pub(super) fn requests(requests: &Requests, out: &mut String) {
    const NAME: &str = "controller_clientset_k8s_request_total";
    head(out, NAME, "Number of kubernetes requests executed during application reconciliation.", "counter");
    for (it, count) in requests.each() {
        let (kind, namespace, name) = (escape(&it.kind), escape(&it.namespace), escape(&it.name));
        let (verb, status) = (it.verb, it.status);
        let labels = format!(
            "kind=\"{kind}\",name=\"{name}\",namespace=\"{namespace}\",status_code=\"{status}\",verb=\"{verb}\""
        );
        line(out, &format!("{NAME}{{{labels}}}"), count);
    }
}

/// The two comment lines before a metric.
pub(super) fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing into a String does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// One sample.
pub(super) fn line(out: &mut String, series: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{series} {value}");
}

/// `name` and `namespace` as labels.
pub(super) fn labels(key: &ObjectKey) -> String {
    format!("name=\"{}\",namespace=\"{}\"", escape(&key.name), escape(key.namespace()))
}

/// A label's value as text form wants it.
pub(super) fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_those_that_dashboards_read() {
        let counted = Counted::default();
        let key = ObjectKey::new(Some("shop"), "web");
        counted.pass("rollout", &key, Duration::from_millis(200), false);
        counted.pass("rollout", &key, Duration::from_millis(5), true);
        counted.event(&key, &Note::normal("ScalingReplicaSet", "up"));
        let text = |now: i64| {
            let mut text = String::new();
            counted.write(Timestamp::from_second(now).unwrap(), &mut text);
            text
        };
        let seen = text(10);
        for wanted in [
            "rollout_reconcile_bucket{name=\"web\",namespace=\"shop\",le=\"0.01\"} 1\n",
            "rollout_reconcile_bucket{name=\"web\",namespace=\"shop\",le=\"0.25\"} 2\n",
            "rollout_reconcile_count{name=\"web\",namespace=\"shop\"} 2\n",
            "rollout_reconcile_error{name=\"web\",namespace=\"shop\"} 1\n",
            "rollout_events_total{name=\"web\",namespace=\"shop\",type=\"Normal\",reason=\"ScalingReplicaSet\"} 1\n",
        ] {
            assert!(seen.contains(wanted), "{wanted}{seen}");
        }
        counted.gone("rollout", &key, Timestamp::from_second(20).unwrap());
        assert!(text(84).contains("namespace=\"shop\""));
        assert!(!text(85).contains("namespace=\"shop\""));
    }
}

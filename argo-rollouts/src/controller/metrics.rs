//! Metrics under upstream's names: dashboards and alerts are written against them.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argo_core::{Note, ObjectKey, Timestamp, time};

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
}

#[derive(Debug, Default, Clone)]
struct Passes {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
    errors: u64,
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
        let seconds = took.as_secs_f64();
        for (at, bound) in BUCKETS.iter().enumerate() {
            passes.buckets[at] += u64::from(seconds <= *bound);
        }
        passes.count += 1;
        passes.seconds += seconds;
        passes.errors += u64::from(failed);
    }

    /// An event of a Rollout.
    pub(super) fn event(&self, key: &ObjectKey, note: &Note) {
        let kind = match note.kind {
            argo_core::NoteKind::Normal => "Normal",
            argo_core::NoteKind::Warning => "Warning",
        };
        *self.state().events.entry((key.clone(), kind, note.reason.clone())).or_default() += 1;
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
            }
        }
        for (kind, what) in [("rollout", "Rollout"), ("experiment", "Experiments"), ("analysis_run", "Analysis Run")] {
            let of_kind = || state.passes.iter().filter(move |((it, _), _)| *it == kind);
            head(out, &format!("{kind}_reconcile"), &format!("{what} reconciliation performance."), "histogram");
            for ((_, key), passes) in of_kind() {
                let labels = labels(key);
                for (at, bound) in BUCKETS.iter().enumerate() {
                    line(out, &format!("{kind}_reconcile_bucket{{{labels},le=\"{bound}\"}}"), passes.buckets[at]);
                }
                line(out, &format!("{kind}_reconcile_bucket{{{labels},le=\"+Inf\"}}"), passes.count);
                line(out, &format!("{kind}_reconcile_sum{{{labels}}}"), passes.seconds);
                line(out, &format!("{kind}_reconcile_count{{{labels}}}"), passes.count);
            }
            let help = format!("Error occurring during the {}", kind.replace('_', " "));
            head(out, &format!("{kind}_reconcile_error"), &help, "counter");
            for ((_, key), passes) in of_kind().filter(|it| it.1.errors > 0) {
                line(out, &format!("{kind}_reconcile_error{{{}}}", labels(key)), passes.errors);
            }
        }
        head(out, "rollout_events_total", "Count of rollout events", "counter");
        for ((key, kind, reason), count) in &state.events {
            let reason = escape(reason);
            line(out, &format!("rollout_events_total{{{},type=\"{kind}\",reason=\"{reason}\"}}", labels(key)), count);
        }
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

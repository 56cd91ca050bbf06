//! [`Counted`]: what the controller itself counts.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::text::{self, Histogram};

/// Upper bounds of passes, in seconds: upstream's six steps up to `MAX_OPERATION_TIME`.
const OPERATION: &[f64] = &[0.1, 0.6, 1.1, 1.6, 2.1, 2.6, 5.0, 10.0, 20.0, 30.0];
/// Upper bounds of run times of templates, in seconds.
const RUNTIME: &[f64] =
    &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

type Labels = BTreeMap<String, String>;

/// What the controller itself counts.
#[derive(Debug, Default)]
pub struct Counted(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counters: BTreeMap<&'static str, (&'static str, BTreeMap<Labels, f64>)>,
    histograms: BTreeMap<&'static str, (&'static str, BTreeMap<Labels, Histogram>)>,
}

fn labels(list: &[(&str, &str)]) -> Labels {
    list.iter().map(|(key, it)| ((*key).to_owned(), (*it).to_owned())).collect()
}

impl Counted {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, name: &'static str, help: &'static str, of: &[(&str, &str)]) {
        let mut state = self.lock();
        *state.counters.entry(name).or_insert((help, BTreeMap::new())).1.entry(labels(of)).or_default() += 1.0;
    }

    fn observe(&self, name: &'static str, help: &'static str, of: &[(&str, &str)], bounds: &[f64], value: f64) {
        let mut state = self.lock();
        let of = state.histograms.entry(name).or_insert((help, BTreeMap::new())).1.entry(labels(of));
        of.or_insert_with(|| Histogram::new(bounds)).observe(value);
    }

    /// A workflow entered a phase.
    pub fn workflow(&self, namespace: &str, phase: &str) {
        let help = "Total number of workflows that have entered each phase";
        self.add("total_count", help, &[("namespace", namespace), ("phase", phase)]);
    }

    /// A workflow of a WorkflowTemplate entered a phase; `seconds` is how long it took, where it ended.
    pub fn template(&self, name: &str, namespace: &str, is_cluster: bool, phase: &str, seconds: Option<f64>) {
        let cluster = if is_cluster { "true" } else { "false" };
        let of = [("cluster_scope", cluster), ("name", name), ("namespace", namespace)];
        let help = "A counter of the total number of times a WorkflowTemplate has been triggered";
        let [a, b, c] = of;
        self.add("workflowtemplate_triggered_total", help, &[a, b, c, ("phase", phase)]);
        if let Some(seconds) = seconds {
            let help = "A histogram of the runtime of workflows which use a WorkflowTemplate";
            self.observe("workflowtemplate_runtime", help, &of, RUNTIME, seconds);
        }
    }

    /// A pass took this long.
    pub fn operation(&self, seconds: f64) {
        self.observe("operation_duration_seconds", "A histogram of durations of operations", &[], OPERATION, seconds);
    }

    /// A CronWorkflow made a workflow.
    pub fn cron(&self, name: &str, namespace: &str) {
        let help = "A counter of the total number of times a CronWorkflow has been triggered";
        self.add("cronworkflows_triggered_total", help, &[("name", name), ("namespace", namespace)]);
    }

    /// The pod of a step entered a phase.
    pub fn pod(&self, namespace: &str, phase: &str) {
        let help = "Total number of pods that have entered each phase";
        self.add("pods_total_count", help, &[("namespace", namespace), ("phase", phase)]);
    }

    /// A pod waits, for a reason of few words.
    pub fn pod_pending(&self, reason: &str, namespace: &str) {
        let help = "Total number of pods that started pending by reason";
        self.add("pod_pending_count", help, &[("namespace", namespace), ("reason", reason)]);
    }

    /// A pod is gone without a result; `phase` is that of its node before.
    pub fn pod_missing(&self, phase: &str, recently_started: bool) {
        let recently = if recently_started { "true" } else { "false" };
        self.add("pod_missing", "Incidents of pod missing", &[("node_phase", phase), ("recently_started", recently)]);
    }

    /// A pod is made again as it failed before its work began; `condition` of its machine is empty where it is unknown.
    pub fn pod_restarted(&self, reason: &str, condition: &str, namespace: &str) {
        let help = "Total number of pods automatically restarted due to infrastructure failures before the main container started";
        let of = [("namespace", namespace), ("reason", reason), ("condition", condition)];
        let told = if condition.is_empty() { 2 } else { 3 };
        self.add("pod_restarts_total", help, &of[..told]);
    }

    /// A lock was taken, as statuses call it.
    pub fn lock_taken(&self, lock: &str) {
        let Some(of) = lock_labels(lock) else { return };
        let help = "A counter of the number of synchronization locks taken";
        let mut state = self.lock();
        *state.counters.entry("locks_taken_total").or_insert((help, BTreeMap::new())).1.entry(of).or_default() += 1.0;
    }

    /// Something went wrong.
    pub fn error(&self, cause: &str) {
        let help = "A counter of certain errors incurred by the controller by cause";
        self.add("error_count", help, &[("cause", cause)]);
    }

    /// Appends all metrics in Prometheus' text form.
    pub fn write(&self, out: &mut String) {
        let state = self.lock();
        for (name, (help, values)) in &state.counters {
            text::head(out, name, help, "counter");
            values.iter().for_each(|(labels, it)| text::line(out, name, labels, *it));
        }
        for (name, (help, values)) in &state.histograms {
            text::head(out, name, help, "histogram");
            values.iter().for_each(|(labels, it)| text::histogram(out, name, labels, it));
        }
    }
}

/// What is looked up at every scrape.
#[cfg(feature = "controller")]
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// Workflows by phase.
    pub(crate) phases: BTreeMap<String, f64>,
    /// Workflows by condition and its status.
    pub(crate) conditions: BTreeMap<(String, String), f64>,
    /// Pods by phase, where steps are pods.
    pub(crate) pods: Option<BTreeMap<String, f64>>,
    /// Locks, as statuses call them: how many hold and how many await each.
    pub(crate) locks: Vec<(String, usize, usize)>,
    /// Keys that wait, by queue.
    pub(crate) queues: Vec<(&'static str, usize)>,
}

#[cfg(feature = "controller")]
impl Gauges {
    /// Appends them in Prometheus' text form.
    pub(crate) fn write(&self, out: &mut String) {
        let help = "A gauge of the number of workflows currently in the cluster in each phase";
        text::head(out, "gauge", help, "gauge");
        for phase in ["Error", "Failed", "Pending", "Running", "Succeeded"] {
            let count = self.phases.get(phase).copied().unwrap_or_default();
            text::line(out, "gauge", &labels(&[("phase", phase)]), count);
        }
        text::head(out, "workflow_condition", "A gauge of the number of workflows with different conditions", "gauge");
        for ((kind, status), count) in &self.conditions {
            text::line(out, "workflow_condition", &labels(&[("status", status), ("type", kind)]), *count);
        }
        if let Some(pods) = &self.pods {
            let help = "A gauge of the number of workflow created pods currently in the cluster in each phase";
            text::head(out, "pods_gauge", help, "gauge");
            pods.iter().for_each(|(phase, it)| text::line(out, "pods_gauge", &labels(&[("phase", phase)]), *it));
        }
        for (name, help, waits) in [
            ("locks_held", "A gauge of the number of synchronization locks currently held", false),
            ("locks_pending", "A gauge of the number of pending synchronization lock requests", true),
        ] {
            text::head(out, name, help, "gauge");
            for (lock, held, waiting) in &self.locks {
                let Some(of) = lock_labels(lock) else { continue };
                let count = u32::try_from(if waits { *waiting } else { *held }).map_or(f64::MAX, f64::from);
                text::line(out, name, &of, count);
            }
        }
        text::head(out, "queue_depth_gauge", "A gauge of the current depth of the queues", "gauge");
        for (queue, depth) in &self.queues {
            let depth = u32::try_from(*depth).map_or(f64::MAX, f64::from);
            text::line(out, "queue_depth_gauge", &labels(&[("queue_name", queue)]), depth);
        }
        let help = "Emits 1 if leader, 0 otherwise. Always 1 if leader election is disabled";
        text::head(out, "is_leader", help, "gauge");
        text::line(out, "is_leader", &Labels::new(), 1.0);
        text::head(out, "version", "Build metadata for this Controller", "counter");
        text::line(out, "version", &labels(&[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    }
}

/// Appends requests to the API server in Prometheus' text form.
#[cfg(feature = "controller")]
pub(crate) fn write_requests(requests: &argo_core::runtime::Requests, out: &mut String) {
    let mut counts: BTreeMap<Labels, f64> = BTreeMap::new();
    for (it, count) in requests.each() {
        let status = it.status.to_string();
        let of = labels(&[("kind", &it.kind), ("status_code", &status), ("verb", it.verb)]);
        *counts.entry(of).or_default() += u32::try_from(count).map_or(f64::MAX, f64::from);
    }
    text::head(out, "k8s_request_total", "Number of kubernetes requests executed", "counter");
    counts.iter().for_each(|(labels, it)| text::line(out, "k8s_request_total", labels, *it));
}

/// The labels of a lock of this controller. Those of the database have none: what they are stands there.
fn lock_labels(lock: &str) -> Option<Labels> {
    let mut parts = lock.splitn(3, '/');
    let (namespace, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    let kind = match kind {
        "Mutex" => "mutex",
        "ConfigMap" => "semaphore",
        _ => return None,
    };
    Some(labels(&[("lock_name", name), ("namespace", namespace), ("storage", "configmap"), ("type", kind)]))
}

//! Metrics with the names that controller-runtime's dashboards know.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Metric, Registry},
};

/// The metrics of one process; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    total: Family<Result_, Counter>,
    errors: Family<Name, Counter>,
    seconds: Family<Name, Histogram, fn() -> Histogram>,
    sources: Arc<Mutex<Vec<Source>>>,
}

/// Appends metrics in text form, told at every scrape.
type Source = Arc<dyn Fn(&mut String) + Send + Sync>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Name {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Result_ {
    controller: &'static str,
    result: &'static str,
}

impl Metrics {
    /// Adds a metric of a product's own.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.lock().register(name, help, metric);
    }

    /// Adds metrics that are told at every scrape: `source` appends them in Prometheus' text form. For
    /// names that are an interface already and do not follow OpenMetrics, and for what caches hold.
    pub fn add_source(&self, source: impl Fn(&mut String) + Send + Sync + 'static) {
        self.sources.lock().push(Arc::new(source));
    }

    /// Counts a pass: `Ok(true)` asked to be woken.
    pub fn reconciled(&self, controller: &'static str, result: Result<bool, ()>, took: Duration) {
        let word = match result {
            Ok(true) => "requeue_after",
            Ok(false) => "success",
            Err(()) => "error",
        };
        self.total.get_or_create(&Result_ { controller, result: word }).inc();
        if result.is_err() {
            self.errors.get_or_create(&Name { controller }).inc();
        }
        self.seconds.get_or_create(&Name { controller }).observe(took.as_secs_f64());
    }

    /// What `/metrics` serves.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry.lock()).is_err() {
            text.clear();
        }
        const END: &str = "# EOF\n";
        text.truncate(text.strip_suffix(END).map_or(text.len(), str::len));
        let sources = self.sources.lock().clone();
        for source in sources {
            source(&mut text);
        }
        text.push_str(END);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let total = Family::default();
        let errors = Family::default();
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.005, 2.0, 16));
        let seconds = Family::new_with_constructor(buckets);
        registry.register("controller_runtime_reconcile", "Reconciles per controller and result", total.clone());
        registry.register("controller_runtime_reconcile_errors", "Failed reconciles per controller", errors.clone());
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Length of reconciles per controller",
            seconds.clone(),
        );
        Self { registry: Arc::new(Mutex::new(registry)), total, errors, seconds, sources: Arc::default() }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

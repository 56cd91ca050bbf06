//! Prometheus' text form.

use std::{collections::BTreeMap, fmt::Write as _};

use super::PREFIX;

/// The lines that say what a metric is.
pub(super) fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(out, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
}

/// One value.
pub(super) fn line(out: &mut String, name: &str, labels: &BTreeMap<String, String>, value: f64) {
    sample(out, name, labels, None, value);
}

/// A histogram: how many values each bound has below it, how many there are, and their sum.
pub(super) fn histogram(out: &mut String, name: &str, labels: &BTreeMap<String, String>, it: &Histogram) {
    let bucket = format!("{name}_bucket");
    let mut below = 0;
    for (bound, count) in it.bounds.iter().zip(&it.counts) {
        below += count;
        sample(out, &bucket, labels, Some(&number(*bound)), as_float(below));
    }
    sample(out, &bucket, labels, Some("+Inf"), as_float(it.count));
    line(out, &format!("{name}_sum"), labels, it.sum);
    line(out, &format!("{name}_count"), labels, as_float(it.count));
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn as_float(count: u64) -> f64 {
    count as f64
}

fn sample(out: &mut String, name: &str, labels: &BTreeMap<String, String>, bound: Option<&str>, value: f64) {
    let _ = write!(out, "{PREFIX}{name}");
    let mut all: Vec<(&str, &str)> = labels.iter().map(|(key, it)| (key.as_str(), it.as_str())).collect();
    all.extend(bound.map(|it| ("le", it)));
    if !all.is_empty() {
        let escaped = |it: &str| it.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let pairs: Vec<String> = all.iter().map(|(key, it)| format!("{key}=\"{}\"", escaped(it))).collect();
        let _ = write!(out, "{{{}}}", pairs.join(","));
    }
    let _ = writeln!(out, " {}", number(value));
}

fn number(value: f64) -> String {
    match value {
        it if it.is_nan() => "NaN".to_owned(),
        it if it.is_infinite() => if it > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        it => it.to_string(),
    }
}

/// Values by their upper bounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Histogram {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Histogram {
    pub(super) fn new(bounds: &[f64]) -> Self {
        Self { bounds: bounds.to_vec(), counts: vec![0; bounds.len()], ..Self::default() }
    }

    pub(super) fn observe(&mut self, value: f64) {
        if let Some(at) = self.bounds.iter().position(|it| value <= *it) {
            self.counts[at] += 1;
        }
        self.count += 1;
        self.sum += value;
    }
}

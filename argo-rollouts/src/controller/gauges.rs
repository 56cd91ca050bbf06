//! Gauges over what the caches hold, under upstream's names.

use argo_core::{Object, ObjectKey};
use serde_json::Value;

use super::{
    metrics::{escape, head, labels, line},
    rollout::Caches,
};

/// Phases of a Rollout as `rollout_info` has them, by the reason of its Progressing condition.
const PHASES: [(&str, &str); 5] = [
    ("NewReplicaSetAvailable", "Completed"),
    ("RolloutPaused", "Paused"),
    ("ReplicaSetCreateError", "Error"),
    ("ProgressDeadlineExceeded", "Timeout"),
    ("RolloutAborted", "Abort"),
];
/// Routers as `rollout_info` names them; the last one that is set counts.
const ROUTERS: [(&str, &str); 6] = [
    ("alb", "ALB"),
    ("ambassador", "Ambassador"),
    ("istio", "Istio"),
    ("nginx", "Nginx"),
    ("smi", "SMI"),
    ("appMesh", "AppMesh"),
];
/// Providers as metrics name them.
const PROVIDERS: [(&str, &str); 12] = [
    ("prometheus", "Prometheus"),
    ("job", "Job"),
    ("kayenta", "Kayenta"),
    ("web", "Web"),
    ("datadog", "Datadog"),
    ("wavefront", "Wavefront"),
    ("newRelic", "NewRelic"),
    ("cloudWatch", "CloudWatch"),
    ("graphite", "Graphite"),
    ("influxdb", "Influxdb"),
    ("skywalking", "skywalking"),
    ("plugin", "RPCPlugin"),
];
const ANALYSIS_PHASES: [&str; 6] = ["Pending", "Error", "Failed", "Successful", "Running", "Inconclusive"];
const EXPERIMENT_PHASES: [&str; 5] = ["Pending", "Error", "Successful", "Running", "Inconclusive"];

/// Lines of one metric name, collected over all objects.
#[derive(Default)]
struct Series(Vec<(&'static str, &'static str, String)>);

impl Series {
    fn add(&mut self, name: &'static str, help: &'static str) -> &mut String {
        let at = self.0.iter().position(|it| it.0 == name).unwrap_or_else(|| {
            self.0.push((name, help, String::new()));
            self.0.len() - 1
        });
        &mut self.0[at].2
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, labels: &str, value: i64) {
        line(self.add(name, help), &format!("{name}{{{labels}}}"), value);
    }
}

/// Appends the gauges of all objects of this instance.
pub(super) fn write(caches: &Caches, instance: Option<&str>, out: &mut String) {
    let mut series = Series::default();
    let ours = |it: &std::sync::Arc<Object>| super::is_ours(it, instance);
    caches.rollouts.list().into_iter().filter(ours).for_each(|it| rollout(&it, &mut series));
    caches.experiments.list().into_iter().filter(ours).for_each(|it| experiment(&it, &mut series));
    caches.runs.list().into_iter().filter(ours).for_each(|it| analysis_run(&it, &mut series));
    for template in caches.templates.list().into_iter().chain(caches.cluster_templates.list()).filter(ours) {
        analysis_template(&template, &mut series);
    }
    for (name, help, lines) in series.0 {
        head(out, name, help, "gauge");
        out.push_str(&lines);
    }
    head(out, "argo_rollouts_controller_info", "Running Argo-rollouts version", "gauge");
    line(out, &format!("argo_rollouts_controller_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1);
}

fn rollout(object: &Object, series: &mut Series) {
    let of = labels(&object.key());
    let canary = object.pointer("/spec/strategy/canary").filter(|it| it.is_object());
    let strategy = match (object.pointer("/spec/strategy/blueGreen").filter(|it| it.is_object()), canary) {
        (Some(_), _) => "blueGreen",
        (None, Some(_)) => "canary",
        (None, None) => "none",
    };
    let routing = canary.and_then(|it| it.get("trafficRouting"));
    let named = |(field, _): &&(&str, &str)| routing.is_some_and(|it| it.get(field).is_some_and(Value::is_object));
    let router = ROUTERS.iter().rfind(named).map_or("", |it| it.1);
    let phase = phase(object);
    let info = format!("{of},strategy=\"{strategy}\",traffic_router=\"{router}\",phase=\"{phase}\"");
    series.gauge("rollout_info", "Information about rollout.", &info, 1);
    let count = |field: &str| object.integer(&format!("/status/{field}")).unwrap_or_default();
    let available = count("availableReplicas");
    let replicas: [(&'static str, &'static str, i64); 4] = [
        ("rollout_info_replicas_available", "The number of available replicas per rollout.", available),
        (
            "rollout_info_replicas_unavailable",
            "The number of unavailable replicas per rollout.",
            count("replicas") - available,
        ),
        (
            "rollout_info_replicas_desired",
            "The number of desired replicas per rollout.",
            object.integer("/spec/replicas").unwrap_or(1),
        ),
        ("rollout_info_replicas_updated", "The number of updated replicas per rollout.", count("updatedReplicas")),
    ];
    for (name, help, value) in replicas {
        series.gauge(name, help, &of, value);
    }
    let help = "Information on the state of the rollout (DEPRECATED - use rollout_info)";
    for it in ["Completed", "Progressing", "Paused", "Timeout", "Error", "Abort"] {
        let labels = format!("{of},strategy=\"{strategy}\",phase=\"{it}\"");
        series.gauge("rollout_phase", help, &labels, i64::from(it == phase));
    }
}

fn phase(rollout: &Object) -> &'static str {
    let conditions = rollout.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    if conditions.clone().any(|it| it["type"] == "InvalidSpec") {
        return "InvalidSpec";
    }
    let progressing = conditions.find(|it| it["type"] == "Progressing");
    let reason = progressing.and_then(|it| it["reason"].as_str()).unwrap_or_default();
    PHASES.iter().find(|it| it.0 == reason).map_or("Progressing", |it| it.1)
}

fn experiment(object: &Object, series: &mut Series) {
    let (of, phase) = (labels(&object.key()), object.text("/status/phase"));
    let info = format!("{of},phase=\"{}\"", escape(phase));
    series.gauge("experiment_info", "Information about Experiment.", &info, 1);
    let help = "Information on the state of the experiment (DEPRECATED - use experiment_info)";
    phases(series, "experiment_phase", help, &of, phase, &EXPERIMENT_PHASES);
}

fn analysis_run(object: &Object, series: &mut Series) {
    let (of, phase) = (labels(&object.key()), object.text("/status/phase"));
    let info = format!("{of},phase=\"{}\"", escape(phase));
    series.gauge("analysis_run_info", "Information about analysis run.", &info, 1);
    let help = "Information on the state of the Analysis Run (DEPRECATED - use analysis_run_info)";
    phases(series, "analysis_run_phase", help, &of, phase, &ANALYSIS_PHASES);
    let results = object.pointer("/status/metricResults").and_then(Value::as_array);
    for (name, kind) in metrics(object) {
        let result = results.into_iter().flatten().find(|it| it["name"] == name);
        let of = format!("{of},metric=\"{}\",type=\"{kind}\"", escape(name));
        let help = "Information on the type of a specific metric in the Analysis Runs";
        series.gauge("analysis_run_metric_type", help, &of, 1);
        let dry = result.is_some_and(|it| it["dryRun"] == true);
        let phase = result.and_then(|it| it["phase"].as_str()).unwrap_or_default();
        let help = "Information on the duration of a specific metric in the Analysis Run";
        let of = format!("{of},dry_run=\"{dry}\"");
        phases(series, "analysis_run_metric_phase", help, &of, phase, &ANALYSIS_PHASES);
    }
}

fn analysis_template(object: &Object, series: &mut Series) {
    let of = labels(&ObjectKey::new(object.namespace(), object.name()));
    series.gauge("analysis_template_info", "Information about analysis templates.", &of, 1);
    for (name, kind) in metrics(object) {
        let labels = format!("{of},type=\"{kind}\",metric=\"{}\"", escape(name));
        let help = "Information on metrics in analysis templates.";
        series.gauge("analysis_template_metric_info", help, &labels, 1);
    }
}

/// One series for each phase: 1 for the one it is in. None yet is Pending.
fn phases(
    series: &mut Series,
    name: &'static str,
    help: &'static str,
    labels: &str,
    phase: &str,
    all: &[&'static str],
) {
    for it in all {
        let is = phase == *it || phase.is_empty() && *it == "Pending";
        series.gauge(name, help, &format!("{labels},phase=\"{it}\""), i64::from(is));
    }
}

/// Names of the metrics of a run or template, with the kinds of their providers.
fn metrics(object: &Object) -> impl Iterator<Item = (&str, &'static str)> {
    let metrics = object.pointer("/spec/metrics").and_then(Value::as_array);
    metrics.into_iter().flatten().filter_map(|metric| {
        let provider = |field: &str| metric["provider"].get(field).is_some_and(|it| !it.is_null());
        let kind = PROVIDERS.iter().find(|(field, _)| provider(field)).map_or("Unknown Provider", |it| it.1);
        Some((metric["name"].as_str()?, kind))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rollout_is_told_with_strategy_router_and_phase() {
        let object = Object::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 4, "strategy": {"canary": {"trafficRouting": {"alb": {}, "istio": {}}}}},
            "status": {"replicas": 5, "availableReplicas": 3, "updatedReplicas": 1,
                "conditions": [{"type": "Progressing", "reason": "RolloutPaused"}]}}));
        let mut series = Series::default();
        rollout(&object, &mut series);
        let all: String = series.0.iter().map(|it| it.2.as_str()).collect();
        let of = "name=\"web\",namespace=\"shop\"";
        assert!(all.contains(&format!(
            "rollout_info{{{of},strategy=\"canary\",traffic_router=\"Istio\",phase=\"Paused\"}} 1\n"
        )));
        assert!(all.contains(&format!("rollout_info_replicas_unavailable{{{of}}} 2\n")), "{all}");
        assert!(all.contains(&format!("rollout_phase{{{of},strategy=\"canary\",phase=\"Paused\"}} 1\n")));
        assert!(all.contains(&format!("rollout_phase{{{of},strategy=\"canary\",phase=\"Completed\"}} 0\n")));
    }

    #[test]
    fn a_run_is_told_by_metric() {
        let object = Object::from_value(json!({"metadata": {"name": "r", "namespace": "n"},
            "spec": {"metrics": [{"name": "m", "provider": {"web": {}}}]},
            "status": {"phase": "Running", "metricResults": [{"name": "m", "phase": "Failed", "dryRun": true}]}}));
        let mut series = Series::default();
        analysis_run(&object, &mut series);
        let all: String = series.0.iter().map(|it| it.2.as_str()).collect();
        let wanted = "analysis_run_metric_phase{name=\"r\",namespace=\"n\",metric=\"m\",type=\"Web\",dry_run=\"true\",phase=\"Failed\"} 1\n";
        assert!(all.contains(wanted), "{all}");
        assert!(all.contains("analysis_run_phase{name=\"r\",namespace=\"n\",phase=\"Running\"} 1\n"));
    }
}

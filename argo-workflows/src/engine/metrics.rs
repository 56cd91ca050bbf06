//! Metrics that templates and workflows ask for (`metrics.prometheus`): what is to be counted in a pass.
//!
//! A template's metrics are told when its node ends, a realtime gauge when the node begins and once more when it
//! ends; a workflow's when it ends. Who counts is outside: [`MetricSink`].

use std::collections::BTreeMap;

use argo_core::{Time, Timestamp};
use argo_lang::govaluate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    compile::Compiled,
    ledger::Ledger,
    pass::Pass,
    vars::{How, Scope},
    workflow::set_condition_message,
    world::{StatusChange, World},
};
use crate::api::{CONDITION_METRICS_ERROR, NodeStatus, NodeType, WorkflowPhase};

/// One thing to count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Emission {
    /// Name, without prefix.
    pub name: String,
    /// What it is, for people.
    pub help: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What to do.
    pub value: Measure,
}

/// What is done to a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// A counter goes up by this.
    Count(f64),
    /// A gauge is set.
    Set(f64),
    /// A gauge goes up by this, or down.
    Add(f64),
    /// A histogram takes a value; its upper bounds are given.
    Observe {
        /// The value.
        value: f64,
        /// Upper bounds, without infinity.
        buckets: Vec<f64>,
    },
    /// A gauge tells the seconds since a point of time, until another.
    Since {
        /// The beginning.
        from: Timestamp,
        /// The end, where it is known.
        until: Option<Timestamp>,
    },
}

impl Measure {
    /// Type of the metric.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Count(_) => "counter",
            Self::Set(_) | Self::Add(_) | Self::Since { .. } => "gauge",
            Self::Observe { .. } => "histogram",
        }
    }
}

/// Knows which metrics there are.
pub trait MetricSink: Send + Sync {
    /// Whether a metric may be counted, given those that are there.
    ///
    /// # Errors
    /// When one of its name has another help or type.
    fn check(&self, emission: &Emission) -> Result<(), String>;
}

/// What the names of a metric stand for.
struct Subject<'n> {
    scope: Scope,
    node: Option<&'n NodeStatus>,
    /// When the workflow began and ended.
    workflow: (Timestamp, Option<Timestamp>),
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(|it| it.get("prometheus")).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_realtime(metric: &Value) -> bool {
    metric.pointer("/gauge/realtime") == Some(&Value::Bool(true))
}

/// Counts what the nodes of a pass and its workflow ask for. What is wrong becomes a condition.
pub(crate) fn emit(
    pass: &mut Pass<'_>,
    change: &mut StatusChange,
    is_first: bool,
    ended: Option<WorkflowPhase>,
) -> Vec<Emission> {
    let compiled = pass.compiled;
    let workflow = pass.world.workflow;
    let foreign = !workflow.status.stored_templates.is_empty() || !pass.stored.is_empty();
    if !compiled.has_metrics && !foreign {
        return Vec::new();
    }
    let mut told = Vec::new();
    let mut errors = Vec::new();
    let changed: Vec<(bool, bool, NodeStatus)> = pass
        .nodes
        .changes()
        .filter(|it| executes(&it.1.kind))
        .map(|(before, it)| (before.is_none(), before.is_some_and(NodeStatus::is_fulfilled), it.clone()))
        .filter(|(is_new, was_over, it)| *is_new || !was_over && it.is_fulfilled())
        .collect();
    for (is_new, was_over, node) in changed {
        let Ok((_, template)) = pass.template_of(&node) else { continue };
        let metrics = list(template.template.extra.get("metrics")).to_vec();
        if metrics.is_empty() || is_last_attempt(pass, &node) {
            continue;
        }
        let is_over = !was_over && node.is_fulfilled();
        let subject = subject(pass, Some(&node), ended);
        let wanted = metrics.iter().filter(|it| is_over || is_new && is_realtime(it));
        wanted.for_each(|it| one(pass, it, &subject, &mut told, &mut errors));
    }
    if is_first || ended.is_some() {
        let root = pass.named(&pass.name).cloned();
        let subject = subject(pass, root.as_ref().filter(|_| ended.is_some()), ended);
        let metrics = list(compiled.spec.extra.get("metrics"));
        let wanted = metrics.iter().filter(|it| ended.is_some() || is_realtime(it));
        wanted.for_each(|it| one(pass, it, &subject, &mut told, &mut errors));
    }
    if let Some(message) = errors.pop() {
        set_condition_message(change, workflow, CONDITION_METRICS_ERROR, "True", &message);
    }
    told
}

/// Realtime gauges of a workflow under way and of its open nodes: what a controller that starts again tells.
#[must_use]
pub fn realtime(world: &World<'_>, compiled: &Compiled, now: Timestamp) -> Vec<Emission> {
    let status = &world.workflow.status;
    if status.phase != WorkflowPhase::Running || !compiled.has_metrics {
        return Vec::new();
    }
    let mut pass = Pass::new(*world, compiled, Ledger::default(), now);
    let (mut told, mut errors) = (Vec::new(), Vec::new());
    let whole = subject(&pass, None, None);
    let own = list(compiled.spec.extra.get("metrics")).iter().filter(|it| is_realtime(it));
    own.for_each(|it| one(&pass, it, &whole, &mut told, &mut errors));
    for node in status.nodes.values().filter(|it| executes(&it.kind) && !it.is_fulfilled()) {
        let Ok((_, template)) = pass.template_of(node) else { continue };
        let metrics = list(template.template.extra.get("metrics")).to_vec();
        let subject = subject(&pass, Some(node), None);
        let wanted = metrics.iter().filter(|it| is_realtime(it));
        wanted.for_each(|it| one(&pass, it, &subject, &mut told, &mut errors));
    }
    told
}

/// Whether a node runs a template of its own.
fn executes(kind: &NodeType) -> bool {
    !matches!(kind, NodeType::Skipped | NodeType::StepGroup | NodeType::TaskGroup | NodeType::Container)
}

/// Whether a node is the attempt that its Retry node ended with: that one tells for both.
fn is_last_attempt(pass: &Pass<'_>, node: &NodeStatus) -> bool {
    let parent = node.name.rsplit_once('(').filter(|_| node.is_retried()).and_then(|it| pass.named(it.0));
    parent.is_some_and(|it| it.is_fulfilled() && it.children.last() == Some(&node.id))
}

fn subject<'n>(pass: &Pass<'_>, node: Option<&'n NodeStatus>, ended: Option<WorkflowPhase>) -> Subject<'n> {
    let status = &pass.world.workflow.status;
    let from = status.started_at.map_or(pass.now, Time::timestamp);
    let mut scope = Scope::inside(vec![pass.globals.clone()]);
    for (name, value) in
        [("duration", "0"), ("status", "Pending"), ("resourcesDuration.cpu", "0"), ("resourcesDuration.memory", "0")]
    {
        scope.set(name, value);
    }
    scope.set("workflow.duration", format!("{:.6}", seconds(from, pass.now)));
    if let Some(phase) = ended {
        scope.set("workflow.status", phase.as_str());
    }
    if let Some(node) = node {
        let (from, until) = span(node);
        scope.set("duration", format!("{:.6}", seconds(from, until.unwrap_or(pass.now))));
        scope.set("status", node.phase().as_str());
        if !node.children.is_empty() {
            scope.set("retries", (node.children.len() - 1).to_string());
        }
        for it in node.inputs.iter().flat_map(|it| &it.parameters) {
            scope.set(format!("inputs.parameters.{}", it.name), it.effective().unwrap_or_default());
        }
        for it in node.outputs.iter().flat_map(|it| &it.parameters) {
            scope.set(format!("outputs.parameters.{}", it.name), it.effective().unwrap_or_default());
        }
        if let Some(result) = node.outputs.as_ref().and_then(|it| it.result.as_deref()) {
            scope.set("outputs.result", result);
        }
        if let Some(code) = node.outputs.as_ref().and_then(|it| it.exit_code.as_deref()) {
            scope.set("exitCode", code);
        }
        for (name, it) in &node.resources_duration {
            scope.set(format!("resourcesDuration.{name}"), it.to_string());
        }
    }
    Subject { scope, node, workflow: (from, ended.map(|_| pass.now)) }
}

fn span(node: &NodeStatus) -> (Timestamp, Option<Timestamp>) {
    let until = node.finished_at.filter(|_| node.is_fulfilled()).map(Time::timestamp);
    (node.started_at.map_or(Timestamp::UNIX_EPOCH, Time::timestamp), until)
}

fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    until.duration_since(from).as_secs_f64()
}

fn one(pass: &Pass<'_>, metric: &Value, subject: &Subject<'_>, told: &mut Vec<Emission>, errors: &mut Vec<String>) {
    match measured(pass, metric, subject) {
        Ok(Some(emission)) => told.push(emission),
        Ok(None) => {}
        Err(message) => errors.push(message),
    }
}

fn measured(pass: &Pass<'_>, metric: &Value, subject: &Subject<'_>) -> Result<Option<Emission>, String> {
    let text = |field: &str| metric.get(field).and_then(Value::as_str).unwrap_or_default();
    let raw = text("name");
    if text("help").is_empty() {
        return Err(format!("metric '{raw}' must contain a help string under 'help: ' field"));
    }
    let render = |it: &str| {
        let unable = |it: String| format!("unable to substitute parameters for metric '{raw}': {it}");
        let out = subject.scope.render(it, How::Strict).map_err(|it| unable(it.to_string()))?;
        match out.split_once("{{").and_then(|(_, it)| it.split_once("}}")) {
            Some((tag, _)) => Err(unable(format!("failed to resolve {{{{{tag}}}}}"))),
            None => Ok(out),
        }
    };
    let (name, help, when) = (render(raw)?, render(text("help"))?, render(text("when"))?);
    let mut labels = BTreeMap::new();
    for it in metric.get("labels").and_then(Value::as_array).into_iter().flatten() {
        let of = |field: &str| render(it.get(field).and_then(Value::as_str).unwrap_or_default());
        labels.insert(of("key")?, of("value")?);
    }
    if !when.is_empty() {
        match govaluate::when(&when) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                let workflow = &pass.name;
                return Err(format!("unable to compute 'when' clause for metric '{workflow}': {error}"));
            }
        }
    }
    let value = if is_realtime(metric) {
        let value = metric.pointer("/gauge/value").and_then(Value::as_str).unwrap_or_default();
        let inner = value.strip_prefix("{{").and_then(|it| it.strip_suffix("}}")).map(str::trim);
        let inner = inner.ok_or("real time metrics can only be used with metric variables")?;
        match (inner, subject.node) {
            ("workflow.duration", _) => Measure::Since { from: subject.workflow.0, until: subject.workflow.1 },
            ("duration", Some(node)) => Measure::Since { from: span(node).0, until: span(node).1 },
            _ => return Err(format!("'{inner}' is not available as a real time metric")),
        }
    } else {
        let number = |kind: &str| -> Result<Option<f64>, String> {
            let Some(value) = metric.get(kind).filter(|it| !it.is_null()) else { return Ok(None) };
            let text = render(value.get("value").and_then(Value::as_str).unwrap_or_default())?;
            let parsed = text.trim().parse().map(Some);
            parsed.map_err(|_| {
                format!("could not construct metric '{name}': strconv.ParseFloat: parsing {text:?}: invalid syntax")
            })
        };
        if let Some(value) = number("gauge")? {
            match metric.pointer("/gauge/operation").and_then(Value::as_str) {
                Some("Add") => Measure::Add(value),
                Some("Sub") => Measure::Add(-value),
                _ => Measure::Set(value),
            }
        } else if let Some(value) = number("histogram")? {
            let buckets = metric.pointer("/histogram/buckets").and_then(Value::as_array).into_iter().flatten();
            let number = |it: &Value| it.as_f64().or_else(|| it.as_str()?.trim().parse().ok());
            let mut buckets: Vec<f64> = buckets.filter_map(number).filter(|it| it.is_finite()).collect();
            buckets.sort_by(f64::total_cmp);
            buckets.dedup();
            Measure::Observe { value, buckets }
        } else if let Some(value) = number("counter")? {
            Measure::Count(value)
        } else {
            return Err(format!("could not construct metric '{name}': invalid metric spec"));
        }
    };
    let emission = Emission { name, help, labels, value };
    let failed = |it: String| format!("could not construct metric '{}': {it}", emission.name);
    checked(&emission).map_err(failed)?;
    if let Some(sink) = pass.world.metrics {
        sink.check(&emission).map_err(failed)?;
    }
    Ok(Some(emission))
}

/// Whether names and labels are such that everybody can read them.
fn checked(emission: &Emission) -> Result<(), String> {
    let is = |name: &str| {
        name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    if !is(&emission.name) {
        return Err("metric name is invalid: names may only contain alphanumeric characters or '_'".to_owned());
    }
    match emission.labels.keys().find(|it| !is(it)) {
        Some(label) => {
            Err(format!("metric label '{label}' is invalid: keys may only contain alphanumeric characters or '_'"))
        }
        None => Ok(()),
    }
}

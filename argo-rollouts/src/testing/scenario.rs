//! [`Scenario`]: what happens in a simulation, as a document.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{
    act::Act,
    faults::ApiFault,
    report::{Report, clock},
    simulation::{Simulation, SimulationError},
};
use crate::api::IntOrString;

/// What happens while a Rollout goes from its image to another. Times are Go durations or numbers of
/// seconds, counted from the change.
///
/// ```yaml
/// image: shop:v2
/// horizon: 2h
/// pods:
///   readyIn: 10s                 # 5s by default
///   nodes: 20                    # for DaemonSets; 10 by default
///   images: {"shop:v2": 45s, "shop:v3": never}
/// metrics:
///   error-rate:
///     values: [0.01]             # one measurement after the other, the last one over and over
///     dips: [{at: 7m, for: 2m, value: 0.3}]
/// events:
/// - {at: 3m, act: scale, replicas: 6}
/// - {at: 4m, act: podsFail, image: "shop:v2", count: 1, for: 30s}
/// - {at: 5m, act: abort}         # promote, promoteFull, abort, retry, pause, resume, image
/// api:
/// - {at: 1m, for: 20s, fault: unavailable}   # conflict, throttled, lostAnswer, staleReads
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scenario {
    image: Option<String>,
    horizon: Option<Span>,
    pods: Pods,
    metrics: BTreeMap<String, MetricScript>,
    events: Vec<Event>,
    api: Vec<Outage>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Pods {
    ready_in: Option<Span>,
    nodes: Option<usize>,
    images: BTreeMap<String, IntOrString>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct MetricScript {
    values: Vec<Value>,
    dips: Vec<Dip>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dip {
    at: Span,
    #[serde(rename = "for")]
    lasts: Span,
    value: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outage {
    at: Span,
    #[serde(rename = "for")]
    lasts: Span,
    fault: ApiFault,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    at: Span,
    act: Kind,
    image: Option<String>,
    replicas: Option<i64>,
    count: Option<usize>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Promote,
    PromoteFull,
    Abort,
    Retry,
    Pause,
    Resume,
    Image,
    Scale,
    PodsFail,
}

impl Event {
    fn act(&self) -> Result<Act, SimulationError> {
        let missing = |field: &str| {
            let at = clock(self.at.0);
            SimulationError::Scenario(format!("the event at {at} ({:?}) needs \"{field}\"", self.act))
        };
        let image = || self.image.clone().ok_or_else(|| missing("image"));
        Ok(match self.act {
            Kind::Promote => Act::Promote,
            Kind::PromoteFull => Act::PromoteFull,
            Kind::Abort => Act::Abort,
            Kind::Retry => Act::Retry,
            Kind::Pause => Act::Pause,
            Kind::Resume => Act::Resume,
            Kind::Image => Act::Image(image()?),
            Kind::Scale => Act::Scale(self.replicas.ok_or_else(|| missing("replicas"))?),
            Kind::PodsFail => {
                let count = self.count.ok_or_else(|| missing("count"))?;
                Act::PodsFail { image: image()?, count, lasts: self.lasts.map(|it| it.0) }
            }
        })
    }
}

/// A length of time as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "IntOrString")]
struct Span(Duration);

impl TryFrom<IntOrString> for Span {
    type Error = String;

    fn try_from(text: IntOrString) -> Result<Self, String> {
        let text = text.to_text();
        let parsed = argo_lang::duration::parse_or_seconds(&text).map_err(|it| it.to_string())?;
        let length = Duration::try_from(parsed).map_err(|_| format!("time \"{text}\" lies before the change"))?;
        Ok(Self(length))
    }
}

impl Scenario {
    /// Reads YAML.
    ///
    /// # Errors
    /// What is wrong with it, and where: unknown fields, times that are none, acts that do not exist.
    pub fn from_yaml(yaml: &str) -> Result<Self, SimulationError> {
        let wrong = |it: String| SimulationError::Scenario(it);
        let documents = argo_lang::yaml::decode_all(yaml).map_err(|it| wrong(it.to_string()))?;
        match documents.into_iter().find(|it| !it.is_null()) {
            Some(document) => serde_json::from_value(document).map_err(|it| wrong(it.to_string())),
            None => Ok(Self::default()),
        }
    }

    /// The simulation of a Rollout in which this happens.
    ///
    /// # Errors
    /// When it says a time in a way that is none, or an event lacks what it needs.
    pub fn of(&self, manifests: impl Into<String>) -> Result<Simulation, SimulationError> {
        let mut simulation = Simulation::rollout(manifests);
        if let Some(image) = &self.image {
            simulation = simulation.image(image);
        }
        if let Some(Span(horizon)) = self.horizon {
            simulation = simulation.horizon(horizon);
        }
        if let Some(Span(delay)) = self.pods.ready_in {
            simulation = simulation.ready_in(delay);
        }
        if let Some(nodes) = self.pods.nodes {
            // More than any cluster has are of no use.
            simulation = simulation.nodes(nodes.min(10_000));
        }
        for (image, delay) in &self.pods.images {
            simulation = match delay.to_text().as_str() {
                "never" => simulation.never_ready(image),
                _ => {
                    let delay = Span::try_from(delay.clone());
                    let Span(delay) =
                        delay.map_err(|it| SimulationError::Scenario(format!("pods of {image}: {it}")))?;
                    simulation.image_ready_in(image, delay)
                }
            };
        }
        for (name, script) in &self.metrics {
            if !script.values.is_empty() {
                simulation = simulation.metric(name, script.values.clone());
            }
            for Dip { at, lasts, value } in &script.dips {
                simulation = simulation.metric_dip(name, at.0, lasts.0, value.clone());
            }
        }
        for event in &self.events {
            simulation = simulation.at(event.at.0, event.act()?);
        }
        for Outage { at, lasts, fault } in &self.api {
            simulation = simulation.api_fault(at.0, lasts.0, *fault);
        }
        Ok(simulation)
    }
}

/// Runs a Rollout (and whatever else the YAML holds: templates, Services) through a scenario.
///
/// # Errors
/// When a manifest can not be read, or the Rollout does not become healthy to begin with.
///
/// # Example
/// ```
/// use argo_rollouts::testing::{Scenario, simulate};
///
/// # const ROLLOUT: &str = r#"
/// # apiVersion: argoproj.io/v1alpha1
/// # kind: Rollout
/// # metadata: {name: web}
/// # spec:
/// #   replicas: 5
/// #   selector: {matchLabels: {app: web}}
/// #   template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}
/// #   strategy: {canary: {steps: [{setWeight: 20}, {pause: {duration: 5m}}]}}
/// # "#;
/// let scenario = Scenario::from_yaml("{image: web:2, events: [{at: 2m, act: abort}]}")?;
/// let timeline = simulate(ROLLOUT, &scenario)?;
/// assert!(timeline.is_aborted(), "{timeline}");
/// assert!(timeline.svg().starts_with("<svg"));
/// # Ok::<(), argo_rollouts::testing::SimulationError>(())
/// ```
pub fn simulate(manifests: &str, scenario: &Scenario) -> Result<Report, SimulationError> {
    scenario.of(manifests)?.run()
}

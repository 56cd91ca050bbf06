//! [`Rollout`]: a Deployment that moves to a new template step by step.

use std::collections::BTreeMap;

use argo_core::{Column, ObjectMeta, Resource, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{BlueGreenStrategy, CanaryStrategy, Extra, IntOrString, RolloutStatus, is_false};

/// Owns one ReplicaSet per pod template and moves replicas and traffic from the stable to the new one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `Rollout`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: RolloutSpec,
    /// What is.
    pub status: RolloutStatus,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    /// Pods wanted; 1 when absent (the controller writes it then).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Which pods belong to it; immutable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The pod template, as Kubernetes has it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub template: Value,
    /// Another object that holds the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<Value>,
    /// Seconds a pod must be ready before it counts as available; 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i64>,
    /// Old ReplicaSets kept; 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i64>,
    /// Halts the update.
    #[serde(skip_serializing_if = "is_false")]
    pub paused: bool,
    /// Seconds without progress after which the update counts as stuck; 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i64>,
    /// Aborts when the deadline passes.
    #[serde(skip_serializing_if = "is_false")]
    pub progress_deadline_abort: bool,
    /// Pods created before are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_at: Option<Time>,
    /// How many finished AnalysisRuns are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisRunHistory>,
    /// How to move to a new template.
    pub strategy: RolloutStrategy,
    /// How far back a rollback skips the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_window: Option<RollbackWindow>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How far back a rollback skips the steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollbackWindow {
    /// Revisions counted from the stable one; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revisions: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How many finished AnalysisRuns are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRunHistory {
    /// Successful ones; 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful_run_history_limit: Option<i64>,
    /// Others; 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsuccessful_run_history_limit: Option<i64>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One of the two strategies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStrategy {
    /// In ordered steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStrategy>,
    /// Both in full, then a switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreenStrategy>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `metav1.LabelSelector`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must be equal.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `metav1.LabelSelectorRequirement`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelectorRequirement {
    /// Label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values for `In` and `NotIn`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// Whether these labels are selected. An empty selector selects everything.
    #[must_use]
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.match_labels.iter().all(|(key, value)| label(key) == Some(value))
            && self.match_expressions.iter().all(|it| {
                let found = label(&it.key);
                let listed = found.is_some_and(|found| it.values.iter().any(|value| value == found));
                match it.operator.as_str() {
                    "In" => listed,
                    "NotIn" => !listed,
                    "Exists" => found.is_some(),
                    "DoesNotExist" => found.is_none(),
                    _ => false,
                }
            })
    }

    /// Whether it has no requirement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// As Kubernetes prints a selector: `app=web,tier in (a,b)`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut parts: Vec<(&str, String)> =
            self.match_labels.iter().map(|(key, value)| (key.as_str(), format!("{key}={value}"))).collect();
        for it in &self.match_expressions {
            let mut values = it.values.clone();
            values.sort();
            let values = values.join(",");
            let text = match it.operator.as_str() {
                "In" => format!("{} in ({values})", it.key),
                "NotIn" => format!("{} notin ({values})", it.key),
                "Exists" => it.key.clone(),
                _ => format!("!{}", it.key),
            };
            parts.push((&it.key, text));
        }
        parts.sort_by(|a, b| a.0.cmp(b.0));
        parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
    }
}

impl Rollout {
    /// The Services of the stable and of the canary pods. With ping-pong these are the two that take
    /// turns when `ping_pong` is asked for, or when there are no others.
    #[must_use]
    pub fn services(&self, ping_pong: bool) -> (&str, &str) {
        let Some(canary) = &self.spec.strategy.canary else { return ("", "") };
        let empty = |it: &Option<String>| it.as_deref().is_none_or(str::is_empty);
        let none = empty(&canary.stable_service) && empty(&canary.canary_service);
        match &canary.ping_pong {
            Some(pair) if ping_pong || none => {
                if self.status.canary.stable_ping_pong == super::names::PING {
                    (&pair.ping_service, &pair.pong_service)
                } else {
                    (&pair.pong_service, &pair.ping_service)
                }
            }
            _ => (
                canary.stable_service.as_deref().unwrap_or_default(),
                canary.canary_service.as_deref().unwrap_or_default(),
            ),
        }
    }
}

impl RolloutSpec {
    /// Pods wanted; 1 when absent.
    #[must_use]
    pub fn replicas(&self) -> i64 {
        self.replicas.unwrap_or(1).max(0)
    }

    /// The canary strategy's steps; none for other strategies.
    #[must_use]
    pub fn steps(&self) -> &[super::CanaryStep] {
        self.strategy.canary.as_ref().map_or(&[], |it| it.steps.as_slice())
    }

    /// `maxSurge` of the canary as a count.
    #[must_use]
    pub fn max_surge(&self) -> i64 {
        let default = IntOrString::from("25%");
        let surge = self.strategy.canary.as_ref().and_then(|it| it.max_surge.as_ref()).unwrap_or(&default);
        surge.of(self.replicas(), true).unwrap_or(0).max(0)
    }

    /// `maxUnavailable` as a count, at most `replicas`; 1 when both it and the surge come to 0.
    #[must_use]
    pub fn max_unavailable(&self) -> i64 {
        let default = IntOrString::from("25%");
        let canary = self.strategy.canary.as_ref();
        let blue_green = self.strategy.blue_green.as_ref();
        let share = canary
            .and_then(|it| it.max_unavailable.as_ref())
            .or_else(|| blue_green.and_then(|it| it.max_unavailable.as_ref()))
            .unwrap_or(&default);
        let count = share.of(self.replicas(), false).unwrap_or(0).max(0);
        let count = if count == 0 && self.max_surge() == 0 { 1 } else { count };
        count.min(self.replicas())
    }
}

impl Resource for Rollout {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "Rollout";
    const PLURAL: &'static str = "rollouts";
    const SHORT_NAMES: &'static [&'static str] = &["ro"];
    const STATUS_SUBRESOURCE: bool = true;
    const SCALE: Option<(&'static str, &'static str, &'static str)> =
        Some((".spec.replicas", ".status.HPAReplicas", ".status.selector"));
    const COLUMNS: &'static [Column] = &[
        Column::integer("Desired", ".spec.replicas"),
        Column::integer("Current", ".status.replicas"),
        Column::integer("Up-to-date", ".status.updatedReplicas"),
        Column::integer("Available", ".status.availableReplicas"),
        Column::date("Age", ".metadata.creationTimestamp"),
    ];
    const REQUIRED: &'static [&'static str] = &["spec"];

    /// As of every kind, but a selector stays as it is.
    fn schema() -> Value {
        // The same fields; a trait's own default can not be called from where it is replaced.
        let mut schema = super::AnalysisRun::schema();
        schema["properties"]["spec"]["properties"]["selector"] = json!({
            "type": "object",
            "properties": {
                "matchLabels": {"type": "object", "additionalProperties": {"type": "string"}},
                "matchExpressions": {"type": "array", "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {"type": "string"},
                        "operator": {"type": "string"},
                        "values": {"type": "array", "items": {"type": "string"}},
                    },
                }},
            },
            "x-kubernetes-map-type": "atomic",
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": ".spec.selector is immutable"}],
        });
        schema
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_and_print_as_kubernetes_does() {
        let selector: LabelSelector = serde_json::from_value(json!({
            "matchLabels": {"b": "1"}, "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}],
        }))
        .unwrap();
        assert_eq!(selector.to_text(), "a in (x,y),b=1,!c");
        let labels = BTreeMap::from([("a", "x"), ("b", "1")]);
        assert!(selector.matches(|key| labels.get(key).copied()));
        assert!(!selector.matches(|key| if key == "c" { Some("") } else { labels.get(key).copied() }));
    }

    #[test]
    fn surge_and_unavailable_are_never_both_zero() {
        let spec = |surge: i64, unavailable: i64| RolloutSpec {
            replicas: Some(4),
            strategy: RolloutStrategy {
                canary: Some(CanaryStrategy {
                    max_surge: Some(surge.into()),
                    max_unavailable: Some(unavailable.into()),
                    ..Default::default()
                }),
                ..Default::default()
            },
            ..Default::default()
        };
        assert_eq!(spec(0, 0).max_unavailable(), 1);
        assert_eq!(spec(1, 9).max_unavailable(), 4);
        assert_eq!(RolloutSpec { replicas: Some(10), ..Default::default() }.max_surge(), 3);
    }
}

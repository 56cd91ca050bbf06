//! [`AnalysisTemplate`] and [`ClusterAnalysisTemplate`]: what to measure and how to judge it.

use argo_core::{Column, ObjectMeta, Resource, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Extra, IntOrString, is_false};

/// Metrics to measure, in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplate {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `AnalysisTemplate`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What to measure.
    pub spec: AnalysisTemplateSpec,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Metrics to measure, for every namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterAnalysisTemplate {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `ClusterAnalysisTemplate`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What to measure.
    pub spec: AnalysisTemplateSpec,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What to measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplateSpec {
    /// The metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// What `{{args.name}}` stands for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
    /// Metrics that are measured but do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run: Vec<DryRun>,
    /// How many measurements are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub measurement_retention: Vec<MeasurementRetention>,
    /// Further templates whose metrics join in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<AnalysisTemplateRef>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Names a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplateRef {
    /// Name.
    pub template_name: String,
    /// A ClusterAnalysisTemplate.
    #[serde(skip_serializing_if = "is_false")]
    pub cluster_scope: bool,
}

/// An argument of a template or run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Argument {
    /// Name.
    pub name: String,
    /// Value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where an argument's value is found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    /// A key of a Secret; read when measuring, never stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// A field of the object that asks for the analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A key of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKeyRef {
    /// The Secret, in the run's namespace.
    pub name: String,
    /// The key.
    pub key: String,
}

/// A field, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// `metadata.labels['env']`, `spec.replicas`…
    pub field_path: String,
}

/// A metric that is measured but does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DryRun {
    /// Regular expression over metric names.
    pub metric_name: String,
}

/// How many measurements of a metric are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MeasurementRetention {
    /// Regular expression over metric names.
    pub metric_name: String,
    /// How many.
    pub limit: i64,
}

/// One metric and how to judge it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metric {
    /// Name, unique in the run.
    pub name: String,
    /// Between measurements; Go duration. Absent measures once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Before the first measurement; Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<String>,
    /// Measurements in all; with an interval and without count, without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<IntOrString>,
    /// Expression over `result` that means success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_condition: Option<String>,
    /// Expression over `result` that means failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
    /// Failures tolerated; 0, -1 for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<IntOrString>,
    /// Inconclusive measurements tolerated; 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive_limit: Option<IntOrString>,
    /// Errors in a row tolerated; 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_error_limit: Option<IntOrString>,
    /// Successes in a row that decide for success; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_success_limit: Option<IntOrString>,
    /// Where the value comes from.
    pub provider: MetricProviderSpec,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a metric's value comes from: one key, the provider, with its settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricProviderSpec {
    /// Settings by provider name; `plugin` holds one map of its own.
    pub providers: std::collections::BTreeMap<String, Value>,
}

/// Settings of the `prometheus` provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrometheusMetric {
    /// Base address, `http://prometheus:9090`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// PromQL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Seconds; 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Does not check certificates.
    #[serde(skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// Headers to send.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<WebHeader>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Settings of the `web` provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebMetric {
    /// `GET` (default), `POST` or `PUT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Address.
    pub url: String,
    /// Headers to send.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<WebHeader>,
    /// Body as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Body as JSON; not together with `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_body: Option<Value>,
    /// Seconds; 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// Kubernetes JSONPath into the answer; `{$}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
    /// Does not check certificates.
    #[serde(skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebHeader {
    /// Name.
    pub key: String,
    /// Value.
    pub value: String,
}

impl MetricProviderSpec {
    /// The one provider, under the name it is registered by, with its settings: `prometheus`, or
    /// `vendor/name` for a plugin. `None` when there is none or more than one.
    #[must_use]
    pub fn provider(&self) -> Option<(&str, &Value)> {
        let mut present = self.providers.iter().filter(|(_, settings)| !settings.is_null());
        let (name, settings) = present.next()?;
        if present.next().is_some() {
            return None;
        }
        if name == "plugin" {
            let mut plugins = settings.as_object()?.iter();
            let (name, settings) = plugins.next()?;
            return plugins.next().is_none().then_some((name.as_str(), settings));
        }
        Some((name, settings))
    }

    /// One provider with its settings.
    pub fn of(name: impl Into<String>, settings: Value) -> Self {
        Self { providers: [(name.into(), settings)].into() }
    }
}

impl Resource for AnalysisTemplate {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "AnalysisTemplate";
    const PLURAL: &'static str = "analysistemplates";
    const SHORT_NAMES: &'static [&'static str] = &["at"];
    const COLUMNS: &'static [Column] = &[Column::date("Age", ".metadata.creationTimestamp")];
    const REQUIRED: &'static [&'static str] = &["spec"];
    const FIELDS: &'static [&'static str] = &["spec"];
}

impl Resource for ClusterAnalysisTemplate {
    const GROUP: &'static str = super::GROUP;
    const VERSION: &'static str = super::VERSION;
    const KIND: &'static str = "ClusterAnalysisTemplate";
    const PLURAL: &'static str = "clusteranalysistemplates";
    const SHORT_NAMES: &'static [&'static str] = &["cat"];
    const SCOPE: Scope = Scope::Cluster;
    const COLUMNS: &'static [Column] = &[Column::date("Age", ".metadata.creationTimestamp")];
    const REQUIRED: &'static [&'static str] = &["spec"];
    const FIELDS: &'static [&'static str] = &["spec"];
}

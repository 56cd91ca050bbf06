//! Wire types of `argoproj.io/v1alpha1`: Rollout, AnalysisTemplate, ClusterAnalysisTemplate,
//! AnalysisRun and Experiment. Serde only; names exactly as upstream's; unknown fields survive.

mod analysis_run;
mod analysis_template;
mod canary;
mod experiment;
mod experiment_step;
mod int_or_string;
pub mod names;
mod rollout;
mod rollout_status;
mod traffic;

use argo_core::Resource;
use serde_json::Value;

pub use analysis_run::{
    AnalysisPhase, AnalysisRun, AnalysisRunSpec, AnalysisRunStatus, Measurement, MetricResult, RunSummary, TtlStrategy,
};
pub use analysis_template::{
    AnalysisTemplate, AnalysisTemplateRef, AnalysisTemplateSpec, Argument, ClusterAnalysisTemplate, DryRun, FieldRef,
    MeasurementRetention, Metric, MetricProviderSpec, PrometheusMetric, SecretKeyRef, ValueFrom, WebHeader, WebMetric,
};
pub(crate) use canary::duration_seconds;
pub use canary::{
    AntiAffinity, BlueGreenStrategy, CanaryStep, CanaryStrategy, PingPong, PreferredAntiAffinity,
    ReplicaProgressThreshold, RolloutAnalysis, RolloutAnalysisArgument, RolloutAnalysisStep, RolloutArgumentValueFrom,
    RolloutPause, RunMetadata, SetCanaryScale,
};
pub(crate) use experiment::PROGRESS_DEADLINE;
pub use experiment::{
    Experiment, ExperimentAnalysis, ExperimentAnalysisStatus, ExperimentSpec, ExperimentStatus, ExperimentTemplate,
    TemplatePhase, TemplateService, TemplateStatus,
};
pub use experiment_step::{RolloutExperimentAnalysis, RolloutExperimentStep, RolloutExperimentTemplate};
pub use int_or_string::IntOrString;
pub use rollout::{
    AnalysisRunHistory, LabelSelector, LabelSelectorRequirement, RollbackWindow, Rollout, RolloutSpec, RolloutStrategy,
};
pub use rollout_status::{
    AlbStatus, AwsResource, BlueGreenStatus, CanaryStatus, Condition, DurationStatus, PauseCondition, RolloutStatus,
    RunStatus, StepPluginStatus, TrafficWeights, WeightDestination,
};

pub use traffic::{
    HeaderRoutingMatch, ManagedRoute, RolloutTrafficRouting, RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch,
};

/// API group of every kind here.
pub const GROUP: &str = "argoproj.io";
/// API version of every kind here.
pub const VERSION: &str = "v1alpha1";

/// The CustomResourceDefinitions of the five kinds.
#[must_use]
pub fn crds() -> Vec<Value> {
    vec![Rollout::crd(), AnalysisTemplate::crd(), ClusterAnalysisTemplate::crd(), AnalysisRun::crd(), Experiment::crd()]
}

pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

pub(crate) fn is_zero(value: &i64) -> bool {
    *value == 0
}

pub(crate) type Extra = std::collections::BTreeMap<String, Value>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn crds_have_upstream_names_and_subresources() {
        let crds = crds();
        let names: Vec<_> = crds.iter().map(|it| it["metadata"]["name"].as_str().unwrap_or_default()).collect();
        assert_eq!(
            names,
            [
                "rollouts.argoproj.io",
                "analysistemplates.argoproj.io",
                "clusteranalysistemplates.argoproj.io",
                "analysisruns.argoproj.io",
                "experiments.argoproj.io"
            ]
        );
        let version = &crds[0]["spec"]["versions"][0];
        assert_eq!(version["subresources"]["scale"]["statusReplicasPath"], ".status.HPAReplicas");
        assert!(version["subresources"]["status"].is_object());
        assert!(crds[3]["spec"]["versions"][0].get("subresources").is_none(), "AnalysisRun has no status subresource");
    }

    #[test]
    fn unknown_fields_survive_and_absent_stays_absent() {
        let json = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "a", "futureMeta": 1},
            "spec": {
                "replicas": 2, "future": {"x": 1}, "selector": {"matchLabels": {"app": "a"}},
                "template": {"metadata": {"creationTimestamp": null, "labels": {"app": "a"}}, "spec": {"containers": []}},
                "strategy": {"canary": {"later": true, "maxSurge": "30%", "steps": [
                    {"setWeight": 20}, {"pause": {}}, {"pause": {"duration": "1m"}}, {"pause": {"duration": 5}},
                    {"analysis": {"templates": [{"templateName": "t"}], "args": [
                        {"name": "h", "valueFrom": {"podTemplateHashValue": "Latest"}}]}},
                    {"newKindOfStep": {"a": 1}},
                ]}},
            },
            "status": {"currentStepIndex": 0, "futureStatus": "x", "canary": {"weights": {"canary": {"weight": 5}, "stable": {"weight": 95}}}},
        });
        let typed: Rollout = serde_json::from_value(json.clone()).unwrap();
        let mut back = serde_json::to_value(&typed).unwrap();
        // Kubernetes itself drops this null from embedded metadata; raw templates keep it.
        assert_eq!(back["spec"]["template"]["metadata"]["creationTimestamp"], json!(null));
        assert_eq!(back["spec"], json["spec"]);
        assert_eq!(back["status"], json["status"]);
        assert_eq!(back["metadata"].take(), json["metadata"]);
    }
}

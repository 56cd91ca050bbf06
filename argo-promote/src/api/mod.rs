//! The wire types of the group `kargo.akuity.io/v1alpha1`, one file per kind.
//!
//! Every struct keeps the fields it does not know in `extra`, so that reading and writing back loses nothing.

mod cluster_config;
mod condition;
mod freight;
pub mod names;
mod project;
mod promotion;
mod promotion_task;
mod stage;
mod warehouse;

use argo_core::Resource;
use serde_json::Value;

pub use cluster_config::{ClusterConfig, ClusterConfigSpec, ClusterConfigStatus, GitClientConfig};
pub(crate) use condition::bounded;
pub use condition::{Condition, Conditions, FALSE, TRUE, UNKNOWN};
pub use freight::{
    ApprovedStage, ArtifactReference, Chart, CurrentStage, Freight, FreightOrigin, FreightReference, FreightStatus,
    GitCommit, Image, VerifiedStage,
};
pub(crate) use project::labels_match;
pub use project::{
    HealthStats, LabelSelector, LabelSelectorRequirement, Project, ProjectConfig, ProjectConfigSpec,
    ProjectConfigStatus, ProjectStats, ProjectStatus, PromotionPolicy, PromotionPolicySelector, ResourceStats,
};
pub use promotion::{
    HealthCheckStep, Promotion, PromotionPhase, PromotionSpec, PromotionStatus, PromotionStep, PromotionTaskReference,
    StepExecutionMetadata, StepRetry, StepStatus, Variable,
};
pub use promotion_task::{ClusterPromotionTask, PromotionTask, PromotionTaskSpec};
pub use stage::{
    AnalysisRunArgument, AnalysisRunMetadata, AnalysisRunReference, AnalysisTemplateReference, AutoPromotionHold,
    AutoPromotionOptions, AvailabilityStrategy, FreightCollection, FreightRequest, FreightSources, Health, HealthState,
    PromotionReference, PromotionTemplate, PromotionTemplateSpec, SelectionPolicy, Stage, StageSpec, StageStatus,
    Verification, VerificationInfo, VerificationPhase,
};
pub use warehouse::{
    ChartDiscovery, ChartSubscription, CommitSelectionStrategy, DiscoveredArtifacts, DiscoveredCommit, DiscoveredImage,
    DiscoveryResult, FreightCreationCriteria, FreightCreationPolicy, GitDiscovery, GitSubscription, ImageDiscovery,
    ImageSelectionStrategy, ImageSubscription, ObservedRefs, ObservedTag, OtherSubscription, RepoSubscription,
    SubscriptionError, Warehouse, WarehouseSpec, WarehouseStatus,
};

/// The API group.
pub const GROUP: &str = "kargo.akuity.io";
/// The served version.
pub const VERSION: &str = "v1alpha1";
/// Group and version as they stand in manifests.
pub const API_VERSION: &str = "kargo.akuity.io/v1alpha1";

/// The CustomResourceDefinitions of all kinds.
#[must_use]
pub fn crds() -> Vec<Value> {
    vec![
        ClusterConfig::crd(),
        ClusterPromotionTask::crd(),
        Freight::crd(),
        Project::crd(),
        ProjectConfig::crd(),
        Promotion::crd(),
        PromotionTask::crd(),
        Stage::crd(),
        Warehouse::crd(),
    ]
}

/// For `skip_serializing_if`: what is absent stays absent.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A wire struct: camelCase, every field may be absent, absent stays absent, unknown fields are kept.
macro_rules! wire {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::api::is_default")]
                pub $field: $type,
            )*
            /// What this version does not know.
            #[serde(flatten)]
            pub extra: std::collections::BTreeMap<String, serde_json::Value>,
        }
    };
}

/// A kind: the wire struct with its type and metadata, and reading from and writing to an `Object`.
macro_rules! kind {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        crate::api::wire! {
            $(#[$meta])*
            pub struct $name {
                /// `kargo.akuity.io/v1alpha1`.
                pub api_version: String,
                /// The kind.
                pub kind: String,
                /// Name, labels and so on.
                pub metadata: argo_core::ObjectMeta,
                $($(#[$field_meta])* pub $field: $type,)*
            }
        }

        impl $name {
            /// An empty object of this kind; `namespace` is empty for cluster-scoped kinds.
            #[must_use]
            pub fn named(namespace: &str, name: &str) -> Self {
                Self {
                    api_version: crate::api::API_VERSION.to_owned(),
                    kind: <Self as argo_core::Resource>::KIND.to_owned(),
                    metadata: argo_core::ObjectMeta {
                        name: Some(name.to_owned()),
                        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                        ..Default::default()
                    },
                    ..Self::default()
                }
            }

            /// The name, or an empty text.
            #[must_use]
            pub fn name(&self) -> &str {
                self.metadata.name.as_deref().unwrap_or_default()
            }

            /// The namespace, or an empty text.
            #[must_use]
            pub fn namespace(&self) -> &str {
                self.metadata.namespace.as_deref().unwrap_or_default()
            }

            /// The object's place in the API.
            #[must_use]
            pub fn reference(&self) -> argo_core::ObjectRef {
                let gvk = <Self as argo_core::Resource>::gvk();
                argo_core::ObjectRef::new(gvk, self.metadata.namespace.as_deref(), self.name())
            }

            /// As JSON.
            #[must_use]
            pub fn object(&self) -> argo_core::Object {
                argo_core::Object::from_value(serde_json::to_value(self).unwrap_or_default())
            }
        }
    };
}

pub(crate) use {kind, wire};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn printer_columns_and_names_are_those_of_upstream() {
        let all = crds();
        let names: Vec<_> = all.iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "clusterconfigs.kargo.akuity.io",
                "clusterpromotiontasks.kargo.akuity.io",
                "freights.kargo.akuity.io",
                "projects.kargo.akuity.io",
                "projectconfigs.kargo.akuity.io",
                "promotions.kargo.akuity.io",
                "promotiontasks.kargo.akuity.io",
                "stages.kargo.akuity.io",
                "warehouses.kargo.akuity.io",
            ]
        );
        let columns = |name: &str| -> Vec<String> {
            let crd = all.iter().find(|it| it["spec"]["names"]["kind"] == name).unwrap();
            let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
            columns.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(columns("Stage"), ["Shard", "Current Freight", "Health", "Ready", "Status", "Age"]);
        assert_eq!(columns("Freight"), ["Alias", "Origin (Kind)", "Origin (Name)", "Age"]);
        assert_eq!(columns("Promotion"), ["Shard", "Stage", "Freight", "Phase", "Age"]);
        assert_eq!(columns("Warehouse"), ["Shard", "Age"]);
    }

    #[test]
    fn unknown_fields_survive_and_absent_stays_absent() {
        let json = json!({
            "apiVersion": API_VERSION, "kind": "Stage", "metadata": {"name": "dev", "namespace": "p"},
            "spec": {"requestedFreight": [{"origin": {"kind": "Warehouse", "name": "w"}, "sources": {"direct": true, "novel": 1}}],
                "promotionTemplate": {"spec": {"steps": [{"uses": "x", "config": {"a": null}, "later": true}]}}},
            "status": {"conditions": [], "mystery": {"a": [1]}},
        });
        let stage: Stage = serde_json::from_value(json.clone()).unwrap();
        let mut back = serde_json::to_value(&stage).unwrap();
        back["status"]["conditions"] = json!([]);
        assert_eq!(back, json);
    }
}

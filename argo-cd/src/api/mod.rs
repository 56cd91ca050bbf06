//! Wire types of `argoproj.io/v1alpha1` Application and AppProject, field names exactly upstream's.
//!
//! Empty texts, `false` and empty lists are left out when they are written, as Go's `omitempty` does; where upstream
//! tells "absent" from "zero" the field is an `Option`. Fields unknown here are kept in `extra`.

mod app_project;
mod application;
mod hydrator;
pub mod names;
mod operation;
mod operation_state;
mod source;
mod status;
mod sync_policy;
mod tree;

pub use app_project::{
    AppProject, AppProjectSpec, AppProjectStatus, DestinationServiceAccount, GroupKindPattern, JwtToken, JwtTokens,
    OrphanedResourceKey, OrphanedResources, ProjectDestination, ProjectRole, SignatureKey, SourceIntegrity,
    SourceIntegrityGit, SourceIntegrityGitPolicy, SourceIntegrityGpg, SourceIntegrityRepo, SyncWindow,
};
pub use application::{Application, ApplicationSpec, Destination, IgnoreDifferences, Info};
pub use hydrator::{
    DrySource, HydrateOperation, HydrateTo, HydratorStatus, SourceHydrator, SuccessfulHydrateOperation, SyncSource,
};
pub use operation::{InitiatedBy, Operation, StrategyApply, StrategyHook, SyncOperation, SyncResource, SyncStrategy};
pub use operation_state::{HookType, OperationPhase, OperationState, ResourceResult, ResultCode, SyncResult};
pub use source::{
    Directory, EnvEntry, FileParameter, Helm, HelmParameter, Jsonnet, JsonnetVar, Kustomize, KustomizePatch,
    KustomizeReplica, Plugin, PluginParameter, Source,
};
pub use status::{
    ApplicationStatus, ComparedTo, Condition, ConditionType, HealthState, HealthStatus, ResourceHealth, ResourceStatus,
    RevisionHistory, Summary, SyncState, SyncStatus,
};
pub use sync_policy::{Automated, ManagedNamespaceMetadata, Retry, RetryBackoff, SyncPolicy};
pub use tree::{
    ApplicationTree, HostInfo, HostResourceInfo, InfoItem, LoadBalancerIngress, NetworkingInfo, ResourceNode,
    ResourceRef,
};

use serde_json::Value;

/// The CustomResourceDefinitions of this product.
#[must_use]
pub fn crds() -> Vec<Value> {
    use argo_core::Resource;
    vec![Application::crd(), AppProject::crd()]
}

/// Fields that are unknown here.
pub type Extra = std::collections::BTreeMap<String, Value>;

pub(crate) fn is_false(it: &bool) -> bool {
    !*it
}

pub(crate) fn is_zero(it: &i64) -> bool {
    *it == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_application_of_every_section_reads_and_writes_the_same_json() {
        let json = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "a", "namespace": "argocd", "finalizers": [names::FINALIZER]},
            "spec": {
                "project": "p", "newer": {"field": 1},
                "destination": {"server": names::IN_CLUSTER_SERVER, "namespace": "shop"},
                "source": {"repoURL": "https://x/y.git", "path": "dev", "targetRevision": "main",
                    "directory": {"recurse": true, "include": "*.yaml"},
                    "plugin": {"parameters": [{"name": "p", "map": {}, "array": []}]}},
                "syncPolicy": {"automated": {}, "syncOptions": ["CreateNamespace=true"],
                    "retry": {"limit": 3, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"}}},
                "ignoreDifferences": [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"],
                    "jqPathExpressions": [".spec.x"]}],
                "revisionHistoryLimit": 0
            },
            "operation": {"sync": {"revision": "abc", "prune": true, "syncStrategy": {"hook": {}}},
                "initiatedBy": {"automated": true}, "retry": {"limit": 5}},
            "status": {
                "sync": {"status": "OutOfSync", "revision": "abc", "comparedTo": {
                    "source": {"repoURL": "https://x/y.git"}, "destination": {"namespace": "shop"}}},
                "health": {"status": "Degraded", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z"},
                "conditions": [{"type": "ComparisonError", "message": "m"}, {"type": "Newer", "message": ""}],
                "operationState": {"operation": {"sync": {}}, "phase": "Running", "startedAt": "2026-01-02T03:04:05Z",
                    "syncResult": {"revision": "abc", "resources": [{"group": "", "version": "v1", "kind": "Pod",
                        "namespace": "n", "name": "h", "hookType": "PreSync", "hookPhase": "Running"}]}},
                "summary": {"externalURLs": ["u"], "images": ["i"]}
            }
        });
        let typed: Application = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&typed).unwrap(), json);
        assert!(typed.spec.sync_policy.unwrap().enabled().is_some(), "automated: {{}} is on");
    }

    #[test]
    fn applications_have_no_status_subresource_and_projects_tell_absent_from_empty_lists() {
        let crd = &crds()[0];
        assert!(crd.pointer("/spec/versions/0/subresources").is_none());
        assert_eq!(crd["spec"]["names"]["shortNames"], json!(["app", "apps"]));
        let project: AppProject =
            serde_json::from_value(json!({"metadata": {}, "spec": {"namespaceResourceWhitelist": []}})).unwrap();
        assert_eq!(project.spec.namespace_resource_whitelist, Some(vec![]));
        assert_eq!(
            serde_json::to_value(&project).unwrap()["spec"],
            json!({"namespaceResourceWhitelist": []}),
            "absent stays absent"
        );
    }
}

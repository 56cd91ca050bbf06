//! The resources the controllers work on.

use std::sync::LazyLock;

use crate::store::GroupResource;

/// A built-in kind.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) resource: GroupResource,
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
}

macro_rules! kinds {
    ($($name:ident $group:literal $version:literal $resource:literal $kind:literal;)*) => {
        $(pub(super) static $name: LazyLock<Kind> = LazyLock::new(|| Kind {
            resource: GroupResource::new($group, $resource),
            api_version: if $group.is_empty() { $version } else { concat!($group, "/", $version) },
            kind: $kind,
        });)*
    };
}

kinds! {
    PODS "" "v1" "pods" "Pod";
    NODES "" "v1" "nodes" "Node";
    SERVICES "" "v1" "services" "Service";
    ENDPOINTS "" "v1" "endpoints" "Endpoints";
    CLAIMS "" "v1" "persistentvolumeclaims" "PersistentVolumeClaim";
    REPLICA_SETS "apps" "v1" "replicasets" "ReplicaSet";
    DEPLOYMENTS "apps" "v1" "deployments" "Deployment";
    STATEFUL_SETS "apps" "v1" "statefulsets" "StatefulSet";
    DAEMON_SETS "apps" "v1" "daemonsets" "DaemonSet";
    CONTROLLER_REVISIONS "apps" "v1" "controllerrevisions" "ControllerRevision";
    JOBS "batch" "v1" "jobs" "Job";
    CRON_JOBS "batch" "v1" "cronjobs" "CronJob";
    ENDPOINT_SLICES "discovery.k8s.io" "v1" "endpointslices" "EndpointSlice";
    AUTOSCALERS "autoscaling" "v2" "horizontalpodautoscalers" "HorizontalPodAutoscaler";
    BUDGETS "policy" "v1" "poddisruptionbudgets" "PodDisruptionBudget";
}

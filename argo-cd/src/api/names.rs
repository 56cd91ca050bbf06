//! Names that upstream's clients read: annotations, labels, finalizers, options.

/// Asks for a refresh: `normal` or `hard`.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";
/// Value of [`REFRESH`]: newest revisions, cached manifests.
pub const REFRESH_NORMAL: &str = "normal";
/// Value of [`REFRESH`]: newest revisions, manifests rendered afresh.
pub const REFRESH_HARD: &str = "hard";
/// Asks for hydration: `normal` or `hard`.
pub const HYDRATE: &str = "argocd.argoproj.io/hydrate";
/// `true` takes the Application out of the controller's hands.
pub const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";
/// Paths whose change makes a new revision matter.
pub const MANIFEST_GENERATE_PATHS: &str = "argocd.argoproj.io/manifest-generate-paths";
/// Options of comparison, comma separated.
/// The manager whose fields server-side apply takes over; `kubectl-client-side-apply` without it.
pub const MIGRATION_MANAGER: &str = "argocd.argoproj.io/client-side-apply-migration-manager";
/// What the manager is called that `kubectl apply` writes as.
pub const KUBECTL_MANAGER: &str = "kubectl-client-side-apply";
/// Options of the comparison, separated by commas.
pub const COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";
/// When a person approved deletions (RFC 3339).
pub const DELETION_APPROVED: &str = "argocd.argoproj.io/deletion-approved";
/// Which Application and object an object stands for.
pub const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Which installation an object belongs to.
pub const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
/// Order within a phase.
pub const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// Makes an object a hook.
pub const HOOK: &str = "argocd.argoproj.io/hook";
/// When a hook is deleted.
pub const HOOK_DELETE_POLICY: &str = "argocd.argoproj.io/hook-delete-policy";
/// The operation that a hook was created by, so that no hook runs twice after a crash. Ours: upstream has no such mark.
pub const HOOK_OPERATION: &str = "argocd.argoproj.io/hook-operation";
/// Options of synchronisation, comma separated.
pub const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
/// `true` keeps an object's health out of the Application's.
pub const IGNORE_HEALTHCHECK: &str = "argocd.argoproj.io/ignore-healthcheck";
/// `true` keeps an object's updates from refreshing the Application.
pub const IGNORE_RESOURCE_UPDATES: &str = "argocd.argoproj.io/ignore-resource-updates";
/// `true` keeps the links that are made of an Ingress or a Gateway out of the summary.
pub const IGNORE_DEFAULT_LINKS: &str = "argocd.argoproj.io/ignore-default-links";
/// URL of the Argo CD that manages an Application.
pub const MANAGED_BY_URL: &str = "argocd.argoproj.io/managed-by-url";
/// Prefix of annotations that hold links.
pub const LINK_PREFIX: &str = "link.argocd.argoproj.io/";
/// What `kubectl apply` and the controller applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Helm's hooks.
pub const HELM_HOOK: &str = "helm.sh/hook";
/// Order of Helm's hooks.
pub const HELM_HOOK_WEIGHT: &str = "helm.sh/hook-weight";
/// When a Helm hook is deleted.
pub const HELM_HOOK_DELETE_POLICY: &str = "helm.sh/hook-delete-policy";
/// `keep` spares an object from cascade deletion.
pub const HELM_RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// Label of the instance; informational with annotation tracking.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// The label of installations from before v0.11.
pub const LEGACY_APP_LABEL: &str = "applications.argoproj.io/app-name";
/// Label of Secrets that describe clusters and repositories.
pub const SECRET_TYPE: &str = "argocd.argoproj.io/secret-type";
/// Label of cluster Secrets that want the version of their cluster written on them.
pub const AUTO_LABEL_CLUSTER_INFO: &str = "argocd.argoproj.io/auto-label-cluster-info";
/// Label that holds the version of a cluster.
pub const KUBERNETES_VERSION: &str = "argocd.argoproj.io/kubernetes-version";

/// Finalizer: cascade deletion, foreground.
pub const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
/// Finalizer: cascade deletion, foreground.
pub const FINALIZER_FOREGROUND: &str = "resources-finalizer.argocd.argoproj.io/foreground";
/// Finalizer: cascade deletion, background.
pub const FINALIZER_BACKGROUND: &str = "resources-finalizer.argocd.argoproj.io/background";
/// Finalizer: PreDelete hooks run first.
pub const FINALIZER_PRE_DELETE: &str = "pre-delete-finalizer.argocd.argoproj.io";
/// Finalizer: PreDelete hooks are cleaned up.
pub const FINALIZER_PRE_DELETE_CLEANUP: &str = "pre-delete-finalizer.argocd.argoproj.io/cleanup";
/// Finalizer: PostDelete hooks run last.
pub const FINALIZER_POST_DELETE: &str = "post-delete-finalizer.argocd.argoproj.io";
/// Finalizer: PostDelete hooks are cleaned up.
pub const FINALIZER_POST_DELETE_CLEANUP: &str = "post-delete-finalizer.argocd.argoproj.io/cleanup";
/// Finalizer on hooks.
pub const HOOK_FINALIZER: &str = "argocd.argoproj.io/hook-finalizer";

/// Field manager of server-side apply.
pub const FIELD_MANAGER: &str = "argocd-controller";
/// The API server of the cluster that the controller runs in.
pub const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";
/// Its name.
pub const IN_CLUSTER_NAME: &str = "in-cluster";
/// The project of Applications that name none.
pub const DEFAULT_PROJECT: &str = "default";

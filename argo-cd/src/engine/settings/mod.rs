//! What an installation decides: the parts of upstream's ConfigMaps that engines read.
//!
//! | file | what |
//! |---|---|
//! | `config_map` | from `argocd-cm` and `argocd-cmd-params-cm` to [`Settings`]; what can not be read is a [`SettingsFault`] |
//! | `overrides` | `resource.customizations`, whole and split: [`Override`] by `group/Kind` |
//! | `filter` | `resource.exclusions` and `resource.inclusions`: [`ResourceFilter`] |

mod config_map;
mod filter;
mod overrides;

use std::time::Duration;

pub use config_map::SettingsFault;
pub use filter::{FilteredResource, ResourceFilter};
pub use overrides::{IgnoreRule, KnownTypeField, Override, Overrides};

use super::tracking::Tracking;

/// Settings of an installation. Every default is upstream's unless its line says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Namespace of the controller, its projects and its Secrets; `argocd`.
    pub namespace: String,
    /// Other namespaces that Applications may live in: globs, or regular expressions between slashes; none.
    pub application_namespaces: Vec<String>,
    /// How old a resolved revision may get (`timeout.reconciliation`); 120 s, zero for no limit.
    pub reconciliation: Duration,
    /// Spread that is added to it, by Application (`timeout.reconciliation.jitter`); 60 s.
    pub jitter: Duration,
    /// How old rendered manifests may get (`timeout.hard.reconciliation`); zero, which is no limit.
    pub hard_reconciliation: Duration,
    /// Waits between self-heals (`self.heal.backoff.*`).
    pub self_heal: SelfHeal,
    /// How long an operation may take (`controller.sync.timeout.seconds`); zero, which is no limit.
    pub sync_timeout: Duration,
    /// How long one jq expression of an ignore rule may take on one object (`ignore.normalizer.jq.timeout`), counted in
    /// steps; 1 s.
    pub jq_timeout: Duration,
    /// Pause after each wave but the last (`ARGOCD_SYNC_WAVE_DELAY`); 2 s.
    pub wave_delay: Duration,
    /// Whether `status.resources[].health` is filled. On: upstream's is off since v3, where a cache server holds
    /// the tree; here the status is all there is to read.
    pub persist_health: bool,
    /// Whether Applications have a health of their own, so that a parent waits for its children. Off: upstream asks
    /// for a Lua script in its settings.
    pub application_health: bool,
    /// How objects are marked as an Application's (`application.resourceTrackingMethod`, `application.instanceLabelKey`,
    /// `installationID`).
    pub tracking: Tracking,
    /// Health, actions and differences by kind (`resource.customizations*`); none. `ignore_differences` of them holds
    /// what was configured: `/status` is added by `compare`.
    pub overrides: Overrides,
    /// What counts as a difference (`resource.compareoptions`).
    pub compare: CompareOptions,
    /// Compares through dry runs of the API server (`controller.diff.server.side`); off.
    pub server_side_diff: bool,
    /// Kinds that are not looked at (`resource.exclusions`, `resource.inclusions`).
    pub filter: ResourceFilter,
    /// Whether kinds that the controller may not list are left out (`resource.respectRBAC`); off.
    pub respect_rbac: RespectRbac,
    /// Whether `ignoreResourceUpdates` count (`resource.ignoreResourceUpdatesEnabled`); on.
    pub ignore_resource_updates: bool,
    /// Annotations whose values are masked (`resource.sensitive.mask.annotations`); none.
    pub sensitive_annotations: Vec<String>,
    /// Whether every pass makes the whole resource tree; off, as it costs time where nobody reads it.
    pub resource_tree: bool,
    /// Labels that the resource tree shows (`resource.customLabels`); none.
    pub custom_labels: Vec<String>,
    /// Labels of nodes that the resource tree shows (`application.allowedNodeLabels`); none.
    pub node_labels: Vec<String>,
    /// Whether the controller's own cluster is a destination (`cluster.inClusterEnabled`); on.
    pub in_cluster: bool,
    /// Whether synchronisation acts as a service account (`application.sync.impersonation.enabled`); off.
    pub impersonation: bool,
    /// Whether one must be found for it (`application.sync.impersonation.enforced`); on.
    pub impersonation_enforced: bool,
    /// Projects whose lists are added to others' (`globalProjects`); none.
    pub global_projects: Vec<GlobalProject>,
    /// How long failures of a repository pass in silence (`controller.repo.error.grace.period.seconds`). Zero: ours are
    /// shown at once.
    pub repository_grace: Duration,
    /// Writes of one operation that are under way at once (`controller.kubectl.parallelism.limit`); 20.
    pub parallelism: usize,
    /// Events that are recorded, by reason; every one when absent (`ARGOCD_ENABLE_K8S_EVENT`).
    pub events: Option<Vec<String>>,
    /// Looks at the plan of every operation before its first write, and may refuse it; none.
    pub policy: Option<super::sync::PolicyRef>,
}

/// How objects are marked as an Application's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrackingMethod {
    /// `argocd.argoproj.io/tracking-id`.
    #[default]
    Annotation,
    /// The annotation; the label is there for people.
    AnnotationAndLabel,
    /// The label alone.
    Label,
}

impl TrackingMethod {
    /// As `application.resourceTrackingMethod` spells it; anything else is [`TrackingMethod::Annotation`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "annotation" => Some(Self::Annotation),
            "annotation+label" => Some(Self::AnnotationAndLabel),
            "label" => Some(Self::Label),
            _ => None,
        }
    }
}

/// Whether kinds that may not be listed are left out of a cluster's view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RespectRbac {
    /// They are errors.
    #[default]
    Off,
    /// What a list is refused for is left out.
    Normal,
    /// What a review of access refuses is left out.
    Strict,
}

/// What counts as a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompareOptions {
    /// Leaves rules of aggregated ClusterRoles out; off.
    pub ignore_aggregated_roles: bool,
    /// Which objects' `/status` is left out; every one's.
    pub ignore_status: IgnoreStatus,
    /// Ignored differences do not bring Applications up either; on.
    pub on_resource_updates: bool,
}

/// Whose `/status` is left out of comparisons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IgnoreStatus {
    /// Every object's.
    #[default]
    All,
    /// That of CustomResourceDefinitions.
    Definitions,
    /// Nobody's.
    None,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { ignore_aggregated_roles: false, ignore_status: IgnoreStatus::All, on_resource_updates: true }
    }
}

/// A project whose lists are added to those of the projects that a selector matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GlobalProject {
    /// Its name.
    pub project: String,
    /// The others, by their labels.
    pub selector: super::selector::Selector,
}

/// Waits between self-heals: none before the first, then growing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfHeal {
    /// Wait before the first (`self.heal.timeout`); zero.
    pub first: Duration,
    /// Wait before the second; 2 s.
    pub base: Duration,
    /// Growth; 3.
    pub factor: f64,
    /// Longest; 300 s.
    pub cap: Duration,
}

impl Default for SelfHeal {
    fn default() -> Self {
        Self { first: Duration::ZERO, base: Duration::from_secs(2), factor: 3.0, cap: Duration::from_secs(300) }
    }
}

impl SelfHeal {
    /// The wait before the heal that follows `attempts` heals in a row.
    #[must_use]
    pub fn wait(&self, attempts: i64) -> Duration {
        if attempts <= 0 {
            return self.first;
        }
        let power = i32::try_from(attempts - 1).unwrap_or(i32::MAX);
        let seconds = self.base.as_secs_f64() * self.factor.powi(power);
        if seconds.is_finite() && seconds < self.cap.as_secs_f64() {
            Duration::from_secs_f64(seconds)
        } else {
            self.cap
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: "argocd".to_owned(),
            application_namespaces: Vec::new(),
            reconciliation: Duration::from_secs(120),
            jitter: Duration::from_secs(60),
            hard_reconciliation: Duration::ZERO,
            self_heal: SelfHeal::default(),
            sync_timeout: Duration::ZERO,
            jq_timeout: super::ignored::JQ_TIMEOUT,
            wave_delay: Duration::from_secs(2),
            persist_health: true,
            application_health: false,
            tracking: Tracking::default(),
            overrides: Overrides::default(),
            compare: CompareOptions::default(),
            server_side_diff: false,
            filter: ResourceFilter::default(),
            respect_rbac: RespectRbac::Off,
            ignore_resource_updates: true,
            sensitive_annotations: Vec::new(),
            resource_tree: false,
            custom_labels: Vec::new(),
            node_labels: Vec::new(),
            in_cluster: true,
            impersonation: false,
            impersonation_enforced: true,
            global_projects: Vec::new(),
            repository_grace: Duration::ZERO,
            parallelism: 20,
            events: None,
            policy: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heals_wait_longer_each_time_up_to_the_cap() {
        let heal = SelfHeal::default();
        let waits: Vec<u64> = (0..8).map(|it| heal.wait(it).as_secs()).collect();
        assert_eq!(waits, [0, 2, 6, 18, 54, 162, 300, 300]);
        assert_eq!(heal.wait(i64::MAX).as_secs(), 300);
    }
}

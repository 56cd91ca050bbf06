//! Projects and their settings.

use std::collections::BTreeMap;

use argo_core::{Column, Resource, Scope};
use serde_json::Value;

use super::{Condition, GROUP, VERSION, kind, wire};

kind! {
    /// A project: a namespace with Warehouses, Freight and Stages in it.
    pub struct Project {
        /// What is.
        pub status: ProjectStatus,
    }
}

wire! {
    /// State of a [`Project`].
    pub struct ProjectStatus {
        /// Ready and so on.
        pub conditions: Vec<Condition>,
        /// What is in it.
        pub stats: Option<ProjectStats>,
    }
}

wire! {
    /// Counts of what a project holds.
    pub struct ProjectStats {
        /// Its Warehouses.
        pub warehouses: ResourceStats,
        /// Its Stages.
        pub stages: ResourceStats,
    }
}

wire! {
    /// Counts of one kind.
    pub struct ResourceStats {
        /// How many there are.
        pub count: i64,
        /// How they are.
        pub health: HealthStats,
    }
}

wire! {
    /// Counts by health.
    pub struct HealthStats {
        /// How many are healthy.
        pub healthy: i64,
    }
}

impl Resource for Project {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "Project";
    const PLURAL: &'static str = "projects";
    const SCOPE: Scope = Scope::Cluster;
    const STATUS_SUBRESOURCE: bool = true;
    const COLUMNS: &'static [Column] = &[
        Column::text("Ready", ".status.conditions[?(@.type==\"Ready\")].status"),
        Column::text("Status", ".status.conditions[?(@.type==\"Ready\")].message"),
        Column::date("Age", ".metadata.creationTimestamp"),
    ];
}

kind! {
    /// Settings of a project; name and namespace are the project's.
    pub struct ProjectConfig {
        /// What is wanted.
        pub spec: ProjectConfigSpec,
        /// What is.
        pub status: ProjectConfigStatus,
    }
}

wire! {
    /// What a [`ProjectConfig`] sets.
    pub struct ProjectConfigSpec {
        /// Which Stages take Freight on their own. The first that matches decides.
        pub promotion_policies: Vec<PromotionPolicy>,
        /// Receivers of webhooks that refresh Warehouses.
        pub webhook_receivers: Vec<Value>,
    }
}

wire! {
    /// Whether Stages take available Freight on their own.
    pub struct PromotionPolicy {
        /// Name of one Stage. Deprecated upstream in favour of `stageSelector`.
        pub stage: String,
        /// Which Stages.
        pub stage_selector: Option<PromotionPolicySelector>,
        /// Whether they do.
        pub auto_promotion_enabled: bool,
    }
}

wire! {
    /// Selects Stages by name and labels; both must match.
    pub struct PromotionPolicySelector {
        /// Exact, or a pattern behind `regex:`, `regexp:` or `glob:`.
        pub name: String,
        /// Labels with these values.
        pub match_labels: BTreeMap<String, String>,
        /// Rules on labels.
        pub match_expressions: Vec<LabelSelectorRequirement>,
    }
}

wire! {
    /// `metav1.LabelSelector`.
    pub struct LabelSelector {
        /// Labels with these values.
        pub match_labels: BTreeMap<String, String>,
        /// Rules on labels.
        pub match_expressions: Vec<LabelSelectorRequirement>,
    }
}

wire! {
    /// `metav1.LabelSelectorRequirement`.
    pub struct LabelSelectorRequirement {
        /// The label.
        pub key: String,
        /// In, NotIn, Exists or DoesNotExist.
        pub operator: String,
        /// For In and NotIn.
        pub values: Vec<String>,
    }
}

wire! {
    /// State of a [`ProjectConfig`].
    pub struct ProjectConfigStatus {
        /// Ready and so on.
        pub conditions: Vec<Condition>,
        /// The generation that was last handled.
        pub observed_generation: i64,
        /// The last refresh token handled.
        pub last_handled_refresh: String,
    }
}

impl Resource for ProjectConfig {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "ProjectConfig";
    const PLURAL: &'static str = "projectconfigs";
    const STATUS_SUBRESOURCE: bool = true;
}

impl LabelSelector {
    /// Whether labels match; an empty selector matches all.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        labels_match(&self.match_labels, &self.match_expressions, labels)
    }
}

/// Whether labels satisfy both forms of a selector; an operator that is not known matches nothing.
pub(crate) fn labels_match(
    exact: &BTreeMap<String, String>,
    rules: &[LabelSelectorRequirement],
    labels: &BTreeMap<String, String>,
) -> bool {
    exact.iter().all(|(key, value)| labels.get(key) == Some(value))
        && rules.iter().all(|rule| {
            let value = labels.get(&rule.key);
            match rule.operator.as_str() {
                "In" => value.is_some_and(|it| rule.values.contains(it)),
                "NotIn" => value.is_none_or(|it| !rule.values.contains(it)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

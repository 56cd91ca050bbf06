//! Cluster-wide settings.

use argo_core::{Resource, Scope};
use serde_json::Value;

use super::{Condition, GROUP, VERSION, kind, wire};

kind! {
    /// Settings of the whole installation. Only the name `cluster` counts.
    pub struct ClusterConfig {
        /// What is wanted.
        pub spec: ClusterConfigSpec,
        /// What is.
        pub status: ClusterConfigStatus,
    }
}

wire! {
    /// What a [`ClusterConfig`] sets.
    pub struct ClusterConfigSpec {
        /// Receivers of webhooks that refresh Warehouses.
        pub webhook_receivers: Vec<Value>,
        /// Who commits when a step does not say.
        pub git_client: Option<GitClientConfig>,
    }
}

wire! {
    /// The author of commits that do not name one.
    pub struct GitClientConfig {
        /// Name; `Kargo` when absent.
        pub name: String,
        /// E-mail address; `no-reply@kargo.io` when absent.
        pub email: String,
        /// Secret with a key to sign with.
        pub signing_key_secret: Option<Value>,
    }
}

wire! {
    /// What was made of a [`ClusterConfig`].
    pub struct ClusterConfigStatus {
        /// Ready and so on.
        pub conditions: Vec<Condition>,
        /// The generation that was last handled.
        pub observed_generation: i64,
        /// The last refresh token handled.
        pub last_handled_refresh: String,
    }
}

impl Resource for ClusterConfig {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "ClusterConfig";
    const PLURAL: &'static str = "clusterconfigs";
    const SCOPE: Scope = Scope::Cluster;
    const STATUS_SUBRESOURCE: bool = true;
}

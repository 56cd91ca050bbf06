//! Warehouses: repositories to watch.

use std::collections::BTreeMap;

use argo_core::{Column, Resource, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ArtifactReference, Condition, GROUP, VERSION, kind, wire};

kind! {
    /// Watches repositories and packs their newest revisions into Freight.
    pub struct Warehouse {
        /// What is wanted.
        pub spec: WarehouseSpec,
        /// What is.
        pub status: WarehouseStatus,
    }
}

wire! {
    /// What a [`Warehouse`] watches.
    pub struct WarehouseSpec {
        /// The controller shard that looks after it.
        pub shard: String,
        /// How often to look, as a Go duration; `5m0s` by default.
        pub interval: String,
        /// Whether Freight is made without being asked.
        pub freight_creation_policy: FreightCreationPolicy,
        /// Repositories; each is an object with one key: `git`, `image`, `chart` or another word.
        pub subscriptions: Vec<Value>,
        /// A rule on what is found that must hold for Freight to be made.
        pub freight_creation_criteria: Option<FreightCreationCriteria>,
    }
}

/// Whether Freight is made without being asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FreightCreationPolicy {
    /// Yes.
    #[default]
    Automatic,
    /// No: only look.
    Manual,
}

wire! {
    /// A rule on what is found.
    pub struct FreightCreationCriteria {
        /// An expression without delimiters, true when Freight is to be made.
        pub expression: String,
    }
}

/// One subscription, decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum RepoSubscription {
    /// A git repository.
    Git(GitSubscription),
    /// An image repository.
    Image(ImageSubscription),
    /// A chart repository.
    Chart(ChartSubscription),
    /// Something a registered subscriber knows.
    Other(OtherSubscription),
}

/// A subscription that can not be read.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// Not exactly one key.
    #[error("spec.subscriptions[{index}]: must have exactly one of git, image, chart or another kind, found {found}")]
    Keys {
        /// Position in the list.
        index: usize,
        /// How many keys there are.
        found: usize,
    },
    /// A field is wrong.
    #[error("spec.subscriptions[{index}].{kind}: {message}")]
    Field {
        /// Position in the list.
        index: usize,
        /// The kind.
        kind: String,
        /// What is wrong.
        message: String,
    },
}

impl RepoSubscription {
    /// Reads the subscription at `index` of a Warehouse.
    ///
    /// # Errors
    /// When there is not exactly one key, or a field has the wrong type.
    pub fn parse(index: usize, value: &Value) -> Result<Self, SubscriptionError> {
        let map = value.as_object().filter(|it| it.len() == 1);
        let Some((kind, body)) = map.and_then(|it| it.iter().next()) else {
            return Err(SubscriptionError::Keys { index, found: value.as_object().map_or(0, serde_json::Map::len) });
        };
        let wrong =
            |it: serde_json::Error| SubscriptionError::Field { index, kind: kind.clone(), message: it.to_string() };
        match kind.as_str() {
            "git" => GitSubscription::deserialize(body).map(Self::Git).map_err(wrong),
            "image" => ImageSubscription::deserialize(body).map(Self::Image).map_err(wrong),
            "chart" => ChartSubscription::deserialize(body).map(Self::Chart).map_err(wrong),
            other => {
                let mut it = OtherSubscription::deserialize(body).map_err(wrong)?;
                it.subscription_type = other.to_owned();
                Ok(Self::Other(it))
            }
        }
    }
}

wire! {
    /// A git repository to watch.
    pub struct GitSubscription {
        /// The repository.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// The branch; the default one when empty.
        pub branch: String,
        /// How commits are chosen.
        pub commit_selection_strategy: CommitSelectionStrategy,
        /// For SemVer: which versions.
        pub semver_constraint: String,
        /// For SemVer: three parts are needed; true by default.
        pub strict_semvers: Option<bool>,
        /// Tags must match one, unless empty.
        pub allow_tags_regexes: Vec<String>,
        /// Tags must match none.
        pub ignore_tags_regexes: Vec<String>,
        /// A commit must touch one of these paths, unless empty.
        pub include_paths: Vec<String>,
        /// Paths that do not count.
        pub exclude_paths: Vec<String>,
        /// An expression on the commit or tag, without delimiters.
        pub expression_filter: String,
        /// How many to list; 20 by default, 100 at most.
        pub discovery_limit: i64,
        /// Accepts any TLS certificate.
        #[serde(rename = "insecureSkipTLSVerify")]
        pub insecure_skip_tls_verify: bool,
        /// Only commits since then.
        pub since: Option<Time>,
        /// Gone upstream; set, discovery fails.
        pub allow_tags: String,
        /// Gone upstream; set, discovery fails.
        pub ignore_tags: Vec<String>,
    }
}

/// How commits are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitSelectionStrategy {
    /// The newest of a branch.
    #[default]
    NewestFromBranch,
    /// The tag with the highest semantic version.
    SemVer,
    /// The last tag in the order of the alphabet.
    Lexical,
    /// The tag made last.
    NewestTag,
}

wire! {
    /// An image repository to watch.
    pub struct ImageSubscription {
        /// The repository, without tag.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// How images are chosen.
        pub image_selection_strategy: ImageSelectionStrategy,
        /// For SemVer which versions; for Digest the tag.
        pub constraint: String,
        /// For SemVer: three parts are needed; true by default.
        pub strict_semvers: Option<bool>,
        /// Tags must match one, unless empty.
        pub allow_tags_regexes: Vec<String>,
        /// Tags must match none.
        pub ignore_tags_regexes: Vec<String>,
        /// `os/arch[/variant]`, exactly.
        pub platform: String,
        /// How many to list; 20 by default, 100 at most.
        pub discovery_limit: i64,
        /// Tags never move: a tag seen once need not be asked for again.
        pub cache_by_tag: bool,
        /// Accepts any TLS certificate, and plain HTTP.
        #[serde(rename = "insecureSkipTLSVerify")]
        pub insecure_skip_tls_verify: bool,
        /// Gone upstream; set, discovery fails.
        pub allow_tags: String,
        /// Gone upstream; set, discovery fails.
        pub ignore_tags: Vec<String>,
        /// Gone upstream in favour of `constraint`.
        pub semver_constraint: String,
    }
}

/// How images are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageSelectionStrategy {
    /// The highest semantic version.
    #[default]
    SemVer,
    /// What one moving tag points at.
    Digest,
    /// The last in the order of the alphabet.
    Lexical,
    /// The one built last.
    NewestBuild,
}

wire! {
    /// A chart repository to watch.
    pub struct ChartSubscription {
        /// The repository.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// The chart; not for OCI.
        pub name: String,
        /// Which versions.
        pub semver_constraint: String,
        /// How many to list; 20 by default, 100 at most.
        pub discovery_limit: i64,
        /// Accepts any TLS certificate.
        #[serde(rename = "insecureSkipTLSVerify")]
        pub insecure_skip_tls_verify: bool,
    }
}

wire! {
    /// A subscription for a registered subscriber.
    pub struct OtherSubscription {
        /// The key it stood under.
        #[serde(skip)]
        pub subscription_type: String,
        /// Its name, unique in the Warehouse.
        pub name: String,
        /// What the subscriber needs.
        pub config: Option<Value>,
        /// How many to list; 20 by default.
        pub discovery_limit: i64,
    }
}

wire! {
    /// State of a [`Warehouse`].
    pub struct WarehouseStatus {
        /// Ready, Healthy, Reconciling and so on.
        pub conditions: Vec<Condition>,
        /// The last refresh token handled.
        pub last_handled_refresh: String,
        /// The generation that was last handled.
        pub observed_generation: i64,
        /// Name of the Freight made last.
        #[serde(rename = "lastFreightID")]
        pub last_freight_id: String,
        /// What was found.
        pub discovered_artifacts: Option<DiscoveredArtifacts>,
    }
}

wire! {
    /// What was found in the repositories.
    pub struct DiscoveredArtifacts {
        /// When.
        pub discovered_at: Option<Time>,
        /// In git repositories.
        pub git: Vec<GitDiscovery>,
        /// In image repositories.
        pub images: Vec<ImageDiscovery>,
        /// In chart repositories.
        pub charts: Vec<ChartDiscovery>,
        /// By other subscribers.
        pub results: Vec<DiscoveryResult>,
    }
}

wire! {
    /// What was found in a git repository.
    pub struct GitDiscovery {
        /// The repository.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// Best first.
        pub commits: Vec<DiscoveredCommit>,
        /// What the remote offered then: unchanged, nothing need be fetched.
        pub observed_refs: Option<ObservedRefs>,
    }
}

wire! {
    /// What a remote offered.
    pub struct ObservedRefs {
        /// The head of the branch.
        pub branch_head: String,
        /// The tags, sorted.
        pub tags: Vec<ObservedTag>,
    }
}

wire! {
    /// A tag of a remote.
    pub struct ObservedTag {
        /// Its name.
        pub name: String,
        /// The commit.
        pub id: String,
    }
}

wire! {
    /// A commit that was found.
    pub struct DiscoveredCommit {
        /// 40 hex digits.
        pub id: String,
        /// The branch of the subscription.
        pub branch: String,
        /// The tag it was found by.
        pub tag: String,
        /// First line of the message, 80 characters at most.
        pub subject: String,
        /// `Name <address>`.
        pub author: String,
        /// `Name <address>`.
        pub committer: String,
        /// When it was committed.
        pub creator_date: Option<Time>,
    }
}

wire! {
    /// What was found in an image repository.
    pub struct ImageDiscovery {
        /// The repository.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// The platform asked for.
        pub platform: String,
        /// Best first.
        pub references: Vec<DiscoveredImage>,
    }
}

wire! {
    /// An image that was found.
    pub struct DiscoveredImage {
        /// Tag.
        pub tag: String,
        /// `sha256:…`; of the index where there is one.
        pub digest: String,
        /// Annotations of the image.
        pub annotations: BTreeMap<String, String>,
        /// When it was built.
        pub created_at: Option<Time>,
    }
}

wire! {
    /// What was found in a chart repository.
    pub struct ChartDiscovery {
        /// The repository.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// The chart.
        pub name: String,
        /// The constraint asked for.
        pub semver_constraint: String,
        /// Best first.
        pub versions: Vec<String>,
    }
}

wire! {
    /// What another subscriber found.
    pub struct DiscoveryResult {
        /// The name of the subscription.
        pub name: String,
        /// Best first.
        pub artifact_references: Vec<ArtifactReference>,
    }
}

impl Resource for Warehouse {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "Warehouse";
    const PLURAL: &'static str = "warehouses";
    const STATUS_SUBRESOURCE: bool = true;
    const REQUIRED: &'static [&'static str] = &["spec"];
    const COLUMNS: &'static [Column] =
        &[Column::text("Shard", ".spec.shard"), Column::date("Age", ".metadata.creationTimestamp")];
}

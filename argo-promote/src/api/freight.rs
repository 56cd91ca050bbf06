//! Freight: one revision of each artifact of a Warehouse.

use std::{collections::BTreeMap, fmt};

use argo_core::{Column, Resource, Time};
use serde_json::Value;

use super::{GROUP, VERSION, kind, wire};

kind! {
    /// One revision of every artifact that a Warehouse subscribes to. Immutable but for alias and status.
    pub struct Freight {
        /// A name for people, unique in the project. The label of the same meaning is a copy.
        pub alias: String,
        /// When the newest of it was found.
        pub discovered_at: Option<Time>,
        /// Where it came from.
        pub origin: FreightOrigin,
        /// Commits of git repositories.
        pub commits: Vec<GitCommit>,
        /// Container images.
        pub images: Vec<Image>,
        /// Helm charts.
        pub charts: Vec<Chart>,
        /// Artifacts of other subscriptions.
        pub artifacts: Vec<ArtifactReference>,
        /// Where it is and may go.
        pub status: FreightStatus,
    }
}

wire! {
    /// Where Freight comes from. Printed `Warehouse/name`.
    pub struct FreightOrigin {
        /// Always `Warehouse`.
        pub kind: String,
        /// Its name.
        pub name: String,
    }
}

impl FreightOrigin {
    /// The Warehouse of a name.
    #[must_use]
    pub fn warehouse(name: &str) -> Self {
        Self { kind: "Warehouse".to_owned(), name: name.to_owned(), extra: BTreeMap::new() }
    }
}

impl fmt::Display for FreightOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

wire! {
    /// A commit of a git repository.
    pub struct GitCommit {
        /// The repository.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// 40 hex digits.
        pub id: String,
        /// The branch it was found on.
        pub branch: String,
        /// The tag it was found by.
        pub tag: String,
        /// First line of the message.
        pub message: String,
        /// `Name <address>`.
        pub author: String,
        /// `Name <address>`.
        pub committer: String,
    }
}

wire! {
    /// A container image.
    pub struct Image {
        /// The repository, without tag.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// Tag.
        pub tag: String,
        /// `sha256:…`.
        pub digest: String,
        /// Annotations of the image.
        pub annotations: BTreeMap<String, String>,
    }
}

wire! {
    /// A Helm chart.
    pub struct Chart {
        /// The repository.
        #[serde(rename = "repoURL")]
        pub repo_url: String,
        /// Name in the repository; empty for OCI.
        pub name: String,
        /// Version.
        pub version: String,
    }
}

wire! {
    /// An artifact of a subscription that is neither git, image nor chart.
    pub struct ArtifactReference {
        /// The kind of subscription.
        pub artifact_type: String,
        /// The name of the subscription.
        pub subscription_name: String,
        /// Its version.
        pub version: String,
        /// Whatever the subscriber adds.
        pub metadata: Option<Value>,
    }
}

wire! {
    /// Freight as a Stage's history holds it.
    pub struct FreightReference {
        /// Name of the Freight.
        pub name: String,
        /// Where it came from.
        pub origin: FreightOrigin,
        /// Its commits.
        pub commits: Vec<GitCommit>,
        /// Its images.
        pub images: Vec<Image>,
        /// Its charts.
        pub charts: Vec<Chart>,
        /// Its other artifacts.
        pub artifacts: Vec<ArtifactReference>,
    }
}

impl From<&Freight> for FreightReference {
    fn from(freight: &Freight) -> Self {
        Self {
            name: freight.name().to_owned(),
            origin: freight.origin.clone(),
            commits: freight.commits.clone(),
            images: freight.images.clone(),
            charts: freight.charts.clone(),
            artifacts: freight.artifacts.clone(),
            extra: BTreeMap::new(),
        }
    }
}

wire! {
    /// Where Freight is and may go.
    pub struct FreightStatus {
        /// Stages that hold it now.
        pub currently_in: BTreeMap<String, CurrentStage>,
        /// Stages that verified it.
        pub verified_in: BTreeMap<String, VerifiedStage>,
        /// Stages it was approved for by hand.
        pub approved_for: BTreeMap<String, ApprovedStage>,
        /// What steps remember about it.
        pub metadata: BTreeMap<String, Value>,
    }
}

wire! {
    /// Freight being in a Stage.
    pub struct CurrentStage {
        /// Since when.
        pub since: Option<Time>,
    }
}

wire! {
    /// Freight verified in a Stage.
    pub struct VerifiedStage {
        /// When.
        pub verified_at: Option<Time>,
        /// Longest uninterrupted stay in the Stage, as a Go duration.
        pub longest_soak: Option<String>,
    }
}

wire! {
    /// Freight approved for a Stage.
    pub struct ApprovedStage {
        /// When.
        pub approved_at: Option<Time>,
    }
}

impl Resource for Freight {
    const GROUP: &'static str = GROUP;
    const VERSION: &'static str = VERSION;
    const KIND: &'static str = "Freight";
    const PLURAL: &'static str = "freights";
    const STATUS_SUBRESOURCE: bool = true;
    const FIELDS: &'static [&'static str] = &["origin", "status"];
    const REQUIRED: &'static [&'static str] = &["origin"];
    const COLUMNS: &'static [Column] = &[
        Column::text("Alias", ".alias"),
        Column::text("Origin (Kind)", ".origin.kind"),
        Column::text("Origin (Name)", ".origin.name"),
        Column::date("Age", ".metadata.creationTimestamp"),
    ];
}

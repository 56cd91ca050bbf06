//! The resource tree, as upstream's clients read it from its cache.

use std::collections::BTreeMap;

use argo_core::Time;
use serde::{Deserialize, Serialize};

use super::{ResourceHealth, is_zero};

/// Everything that hangs together below an Application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationTree {
    /// Managed objects and what they own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<ResourceNode>,
    /// Objects of the destination namespace that nobody manages; empty unless the project watches them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orphaned_nodes: Vec<ResourceNode>,
    /// The machines that Pods of the Application run on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostInfo>,
    /// Into how many parts a cache split the tree; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub shards_count: i64,
}

/// Names an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceRef {
    /// Group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// One object of the tree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceNode {
    /// Which.
    #[serde(flatten)]
    pub reference: ResourceRef,
    /// What owns it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<ResourceRef>,
    /// What people see of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<InfoItem>,
    /// What it is connected with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networking_info: Option<NetworkingInfo>,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Images of its containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// How it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<ResourceHealth>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
}

/// A line of what people see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InfoItem {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// What an object is connected with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkingInfo {
    /// Labels of what it sends traffic to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub target_labels: BTreeMap<String, String>,
    /// What it sends traffic to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<ResourceRef>,
    /// Its own labels, by which others find it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where traffic comes in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<LoadBalancerIngress>,
    /// Addresses for people: URLs, or `title|URL`.
    #[serde(rename = "externalURLs", skip_serializing_if = "Vec::is_empty")]
    pub external_urls: Vec<String>,
}

/// An address of a load balancer.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadBalancerIngress {
    /// IP address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Host name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
}

/// A machine that Pods run on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostInfo {
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What is asked of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources_info: Vec<HostResourceInfo>,
    /// `status.nodeInfo` of the Node.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub system_info: serde_json::Value,
    /// Those labels that settings let through.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What is asked of a machine, in thousandths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostResourceInfo {
    /// `cpu`, `memory`, `storage`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_name: String,
    /// By Pods of the Application.
    #[serde(skip_serializing_if = "is_zero")]
    pub requested_by_app: i64,
    /// By all others.
    #[serde(skip_serializing_if = "is_zero")]
    pub requested_by_neighbors: i64,
    /// What there is.
    #[serde(skip_serializing_if = "is_zero")]
    pub capacity: i64,
}

//! Cells of the built-in kinds, as kube-apiserver prints them.

mod cluster;
mod network;
mod rows;
mod storage;
mod workloads;

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, name, row};
use crate::server::meta;

/// The cells of an object at a moment.
pub(super) type Cells = fn(&Value, Timestamp) -> Vec<Value>;

/// The cells of a built-in resource; name and age for those without a printer of their own.
pub(super) fn cells(group: &str, resource: &str) -> Cells {
    workloads::cells(group, resource)
        .or_else(|| network::cells(group, resource))
        .or_else(|| storage::cells(group, resource))
        .or_else(|| cluster::cells(group, resource))
        .unwrap_or(|o, now| row([name(o), age(o, now)]))
}

/// Name and the moment of creation: kinds that the generic table is good enough for.
fn created_at(o: &Value, _: Timestamp) -> Vec<Value> {
    row([name(o), Value::from(meta::text(o, "/metadata/creationTimestamp"))])
}

//! The dynamic distribution: controllers take shards in a ConfigMap and show that they live.

use std::collections::BTreeMap;

use argo_core::{ApplyError, Category, Change, Gvk, Object, ObjectRef, runtime::Context};
use serde_json::json;

use crate::engine::sharding::{CONFIG_MAP, KEY, ShardMapping, take_shard};

/// How often a write that another controller was faster than is tried again.
const ATTEMPTS: usize = 4;

/// A shard could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeartbeatError {
    /// The ConfigMap could not be read.
    #[error("error getting sharding config map: {0}")]
    Read(String),
    /// The ConfigMap holds something else.
    #[error("error unmarshalling shard config map data: {0}; delete the ConfigMap argocd-app-controller-shard-cm")]
    Garbled(String),
    /// The ConfigMap could not be written.
    #[error("unable to get shard due to error updating the sharding config map: {0}")]
    Write(#[from] ApplyError),
    /// Every shard has a controller that lives.
    #[error("all {0} shards have a controller: run as many controllers as ARGOCD_CONTROLLER_REPLICAS says")]
    Taken(usize),
}

/// Takes a shard, or shows that its controller lives; to be called every ten seconds. Returns the shard.
///
/// # Errors
/// When the ConfigMap can not be read or written, or no shard is free.
pub async fn heartbeat(
    context: &Context,
    namespace: &str,
    host: &str,
    replicas: usize,
    wants: Option<usize>,
) -> Result<usize, HeartbeatError> {
    let target = ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some(namespace), CONFIG_MAP);
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let found = context.get(&target).await.map_err(|it| HeartbeatError::Read(it.to_string()))?;
        let text = found.as_ref().and_then(|it| it.get("data")?.get(KEY)?.as_str()).unwrap_or("[]");
        let mapping: Vec<ShardMapping> =
            serde_json::from_str(text).map_err(|it| HeartbeatError::Garbled(it.to_string()))?;
        let (shard, next) = take_shard(&mapping, host, replicas, wants, context.now());
        let shard = shard.ok_or(HeartbeatError::Taken(replicas))?;
        // Plain data encodes.
        let data = BTreeMap::from([(KEY, serde_json::to_string(&next).unwrap_or_default())]);
        let change = match &found {
            Some(_) => Change::Patch {
                target: target.clone(),
                patch: argo_core::Patch { kind: argo_core::plan::PatchKind::Merge, body: json!({"data": data}) },
                subresource: None,
                resource_version: found.as_ref().map(|it| it.resource_version().to_owned()),
            },
            None => {
                let mut object = Object::new(&target.gvk, Some(namespace), CONFIG_MAP);
                object.set(&["data"], json!(data));
                Change::create(object)
            }
        };
        match context.applier().apply(&change).await {
            Ok(_) => return Ok(shard),
            Err(error) if matches!(error.category, Category::Conflict | Category::AlreadyExists) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.map_or(HeartbeatError::Taken(replicas), HeartbeatError::Write))
}

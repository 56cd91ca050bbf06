//! Databases beside the cluster: reading and writing of offloaded nodes, the archive, and what goes out of both.

use std::{sync::Arc, time::Duration};

use argo_core::{
    Category, Change, Failure, Object, Patch,
    error::BoxFailure,
    runtime::{Cache, Context},
};
use serde_json::{Value, json};

use super::{
    NAME,
    compressed::{self, Offloading, Written},
    memo::{Live, Undecodable},
    settings::Settings,
};
use crate::{
    api::{ARCHIVING_ARCHIVED, ARCHIVING_PENDING, LABEL_ARCHIVING_STATUS, LABEL_COMPLETED},
    engine::StatusChange,
    persist::{OFFLOAD_TTL, Stores},
};

/// How often archived workflows are looked through for those whose time is over.
const ARCHIVE_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// Field of a status: the version of its offloaded nodes.
const VERSION: &str = "offloadNodeStatusVersion";

/// A workflow's nodes are in a database, and nobody may look there; the text is upstream's.
#[derive(Debug, thiserror::Error)]
#[error("Workflow has offloaded nodes, but offloading has been disabled")]
struct Disabled;

impl Failure for Disabled {
    fn category(&self) -> Category {
        Category::Invalid
    }
}

/// The stores of a controller.
pub(super) struct Persisting {
    pub(super) stores: Stores,
    pub(super) settings: Arc<Settings>,
}

impl Persisting {
    /// Reads an object, wherever its nodes are.
    pub(super) async fn read(&self, object: &Object) -> Result<Result<Live, Undecodable>, BoxFailure> {
        let mut live = match Live::decode(object) {
            Ok(live) => live,
            Err(error) => return Ok(Err(error)),
        };
        let version = object.pointer("/status").and_then(|it| it.get(VERSION)).and_then(Value::as_str);
        if let Some(version) = version.filter(|it| !it.is_empty()) {
            let store = self.stores.nodes.as_ref().ok_or(Disabled)?;
            let nodes = store.load(object.uid(), version).await?;
            let missing =
                || crate::persist::PersistError::Missing(format!("version {version} of the nodes of {}", object.key()));
            live.hydrate(&nodes.ok_or_else(missing)?)?;
        }
        Ok(Ok(live))
    }

    /// The write of what a pass changes; nodes that have no room in the object are in the database then.
    pub(super) async fn write(
        &self,
        live: &mut Live,
        status: &StatusChange,
        object: &Object,
        now: argo_core::Timestamp,
    ) -> Result<Change, BoxFailure> {
        let offloading = match &self.stores.nodes {
            None => Offloading::Never,
            Some(_) if self.stores.always_offload => Offloading::Always,
            Some(_) => Offloading::WhenTooLarge,
        };
        let (nodes, change) =
            match live.packed.write(status, object, &live.workflow, compressed::MAX_SIZE, offloading)? {
                Written::Whole(change) => return Ok(change),
                Written::Apart { nodes, change } => (nodes, change),
            };
        let Some(store) = &self.stores.nodes else { return Ok(change) };
        let version = store.save(object.uid(), object.namespace().unwrap_or_default(), &nodes, now).await?;
        let Change::Patch { target, patch, subresource, resource_version } = change else { return Ok(change) };
        let mut body = patch.body;
        body["status"][VERSION] = version.into();
        Ok(Change::Patch { target, patch: Patch::merge(body), subresource, resource_version })
    }

    /// Puts a workflow that is over into the archive, if it waits for that.
    pub(super) async fn archive(&self, context: &Context, object: &Object) -> Result<(), BoxFailure> {
        let Some(archive) = &self.stores.archive else { return Ok(()) };
        let is_due = object.label(LABEL_COMPLETED) == Some("true")
            && object.label(LABEL_ARCHIVING_STATUS) == Some(ARCHIVING_PENDING);
        if !is_due {
            return Ok(());
        }
        let mut workflow = object.value().clone();
        let is_apart = |field: &str| {
            object.pointer("/status").and_then(|it| it.get(field)).is_some_and(|it| it.as_str() != Some(""))
        };
        if is_apart(VERSION) || is_apart("compressedNodes") {
            match self.read(object).await? {
                Ok(live) => {
                    workflow["status"]["nodes"] = json!(live.workflow.status.nodes);
                    if let Some(status) = workflow["status"].as_object_mut() {
                        status.remove(VERSION);
                        status.remove("compressedNodes");
                    }
                }
                Err(Undecodable::Nodes(error)) => return Err(error.into()),
                // What can not be read is kept as it is.
                Err(Undecodable::Object(_)) => {}
            }
        }
        archive.store(&workflow).await?;
        let labels = json!({"metadata": {"labels": {LABEL_ARCHIVING_STATUS: ARCHIVING_ARCHIVED}}});
        match context.apply(NAME, &object.key(), &Change::merge(object.reference(), labels)).await {
            // It was deleted in the meantime.
            Err(error) if error.category() == Category::NotFound => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    /// Takes out of the databases what nobody needs any more; does not end.
    pub(super) async fn keep_house(&self, context: &Context, workflows: &Cache) {
        let clock = context.clock();
        let mut archived = clock.now();
        loop {
            clock.sleep(OFFLOAD_TTL).await;
            if let Err(error) = self.forget_nodes(context, workflows).await {
                tracing::warn!(%error, "old nodes stay in the database");
            }
            if argo_core::time::between(archived, clock.now()) >= ARCHIVE_PERIOD {
                archived = clock.now();
                if let Err(error) = self.expire(context).await {
                    tracing::warn!(%error, "old workflows stay in the archive");
                }
            }
        }
    }

    async fn forget_nodes(&self, context: &Context, workflows: &Cache) -> Result<(), BoxFailure> {
        let Some(store) = &self.stores.nodes else { return Ok(()) };
        let before = argo_core::time::before(context.now(), OFFLOAD_TTL);
        let live: std::collections::BTreeMap<String, String> = workflows
            .list()
            .iter()
            .map(|it| {
                (
                    it.uid().to_owned(),
                    it.pointer("/status")
                        .and_then(|it| it.get(VERSION))
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned(),
                )
            })
            .collect();
        for (uid, versions) in store.old(context.namespace().unwrap_or_default(), before).await? {
            for version in versions.iter().filter(|it| live.get(&uid) != Some(it)) {
                store.discard(&uid, version).await?;
            }
        }
        Ok(())
    }

    async fn expire(&self, context: &Context) -> Result<(), BoxFailure> {
        let Some(archive) = &self.stores.archive else { return Ok(()) };
        let config = self.settings.config();
        let ttl = config.persistence.as_ref().and_then(|it| it.archive_ttl().ok().flatten());
        if let Some(ttl) = ttl {
            let gone = archive.expire(argo_core::time::before(context.now(), ttl)).await?;
            tracing::info!(gone, "archived workflows whose time is over are deleted");
        }
        Ok(())
    }
}

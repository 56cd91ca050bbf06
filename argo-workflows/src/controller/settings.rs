//! The configuration in force, and what changes it: the ConfigMap, labels of namespaces.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use argo_core::{
    Object, ObjectKey,
    runtime::{Cache, CacheEvent},
};

use super::shared::{Shared, key_of};
use crate::{api::Workflow, config::Config};

/// Label of a namespace: how many of its workflows may run at once.
pub(super) const LABEL_PARALLELISM: &str = "workflows.argoproj.io/parallelism-limit";

/// The configuration in force.
pub(super) struct Settings {
    config: RwLock<Arc<Config>>,
    namespaces: RwLock<BTreeMap<String, usize>>,
}

impl Settings {
    pub(super) fn new(config: Config) -> Self {
        Self { config: RwLock::new(Arc::new(config)), namespaces: RwLock::default() }
    }

    pub(super) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn defaults(&self) -> Option<Arc<Workflow>> {
        self.config().workflow_defaults.as_deref().map(|it| Arc::new(it.clone()))
    }

    /// Takes a ConfigMap in; one that can not be used, or is gone, changes nothing. Says whether it did.
    pub(super) fn load(&self, object: Option<&Object>) -> bool {
        let Some(object) = object else { return false };
        let data = object.get("data").and_then(|it| it.as_object());
        let data = data.into_iter().flatten().filter_map(|(key, it)| Some((key.clone(), it.as_str()?.to_owned())));
        match Config::from_config_map(&data.collect()) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                true
            }
            Err(error) => {
                tracing::error!(%error, config_map = object.name(), "the configuration stays as it was");
                false
            }
        }
    }

    /// Takes in how many workflows of a namespace may run.
    fn limit_namespace(&self, event: &CacheEvent) {
        let mut namespaces = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        let limit = event.new.as_ref().and_then(|it| it.label(LABEL_PARALLELISM)).and_then(|it| it.parse().ok());
        match limit {
            Some(limit) => drop(namespaces.insert(event.key.name.clone(), limit)),
            None => drop(namespaces.remove(&event.key.name)),
        }
    }

    /// Puts the limits in force; returns the workflows that may begin now.
    pub(super) fn apply(&self, shared: &Shared) -> Vec<ObjectKey> {
        let namespaces = self.namespaces.read().unwrap_or_else(PoisonError::into_inner).clone();
        let limits = self.config().limits(namespaces);
        shared.set_limits(limits).iter().map(|it| key_of(it)).collect()
    }

    /// Follows the ConfigMap and the namespaces for as long as they are watched.
    pub(super) async fn follow(
        &self,
        config_map: Option<Arc<Cache>>,
        namespaces: Option<Arc<Cache>>,
        shared: &Shared,
        wake: impl Fn(ObjectKey),
    ) {
        let mut configs = config_map.as_ref().map(Cache::subscribe);
        let mut limits = namespaces.as_ref().map(Cache::subscribe);
        loop {
            let config = async {
                match &mut configs {
                    Some(it) => it.recv().await,
                    None => std::future::pending().await,
                }
            };
            let limit = async {
                match &mut limits {
                    Some(it) => it.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = config => {
                    let Some(event) = event else { return };
                    if !self.load(event.new.as_deref()) {
                        continue;
                    }
                }
                event = limit => {
                    let Some(event) = event else { return };
                    self.limit_namespace(&event);
                }
            }
            self.apply(shared).into_iter().for_each(&wake);
        }
    }
}

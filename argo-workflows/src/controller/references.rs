//! Templates and ConfigMaps from the caches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use argo_core::{ObjectKey, runtime::Cache};
use serde::Deserialize;

use crate::{
    api::{LABEL_CONFIGMAP_TYPE, Workflow, WorkflowSpec},
    engine::{CacheData, References},
};

/// The caches that specs refer to.
pub(super) struct ClusterReferences {
    pub(super) templates: Arc<Cache>,
    pub(super) cluster_templates: Arc<Cache>,
    pub(super) config_maps: Arc<Cache>,
    /// All of them, once a semaphore needs one.
    pub(super) all_config_maps: OnceLock<Arc<Cache>>,
}

/// What a workflow of one namespace sees of them.
pub(super) struct Within<'a> {
    caches: &'a ClusterReferences,
    namespace: String,
    defaults: Option<Arc<Workflow>>,
    missed: AtomicBool,
}

impl ClusterReferences {
    pub(super) fn within(&self, namespace: &str, defaults: Option<Arc<Workflow>>) -> Within<'_> {
        Within { caches: self, namespace: namespace.to_owned(), defaults, missed: AtomicBool::new(false) }
    }
}

impl Within<'_> {
    /// Whether a ConfigMap was asked for that is not watched.
    pub(super) fn missed_config_maps(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }
}

impl References for Within<'_> {
    fn workflow_template(&self, name: &str, cluster: bool) -> Option<Arc<WorkflowSpec>> {
        let object = if cluster {
            self.caches.cluster_templates.get(&ObjectKey::new(None, name))
        } else {
            self.caches.templates.get(&ObjectKey::new(Some(&self.namespace), name))
        };
        WorkflowSpec::deserialize(object?.get("spec")?).ok().map(Arc::new)
    }

    fn parameters(&self, config_map: &str) -> Option<BTreeMap<String, String>> {
        let object = self.caches.config_maps.get(&ObjectKey::new(Some(&self.namespace), config_map))?;
        let data = object.get("data")?.as_object()?;
        Some(data.iter().filter_map(|(key, it)| Some((key.clone(), it.as_str()?.to_owned()))).collect())
    }
    fn defaults(&self) -> Option<Arc<Workflow>> {
        self.defaults.clone()
    }

    fn cache(&self, config_map: &str) -> Option<CacheData> {
        let Some(cache) = self.caches.all_config_maps.get() else {
            self.missed.store(true, Ordering::Relaxed);
            return None;
        };
        let object = cache.get(&ObjectKey::new(Some(&self.namespace), config_map))?;
        let data = object.get("data").and_then(|it| it.as_object());
        let data = data.into_iter().flatten().filter_map(|(key, it)| Some((key.clone(), it.as_str()?.to_owned())));
        Some(CacheData { kind: object.label(LABEL_CONFIGMAP_TYPE).map(str::to_owned), data: data.collect() })
    }

    fn semaphore_limit(&self, namespace: &str, config_map: &str, key: &str) -> Result<i64, String> {
        let Some(cache) = self.caches.all_config_maps.get() else {
            self.missed.store(true, Ordering::Relaxed);
            return Err("ConfigMaps are not watched yet".to_owned());
        };
        let object = cache.get(&ObjectKey::new(Some(namespace), config_map));
        let object = object.ok_or_else(|| format!("configmaps \"{config_map}\" not found"))?;
        let text = object.get("data").and_then(|it| it.get(key)).and_then(|it| it.as_str());
        crate::engine::limit_of(text, config_map, key)
    }
}

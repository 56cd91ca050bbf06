//! Templates and ConfigMaps from the caches.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::{ObjectKey, runtime::Cache};
use serde::Deserialize;

use crate::{api::WorkflowSpec, engine::References};

/// The caches that specs refer to.
pub(super) struct ClusterReferences {
    pub(super) templates: Arc<Cache>,
    pub(super) cluster_templates: Arc<Cache>,
    pub(super) config_maps: Arc<Cache>,
}

/// What a workflow of one namespace sees of them.
pub(super) struct Within<'a> {
    caches: &'a ClusterReferences,
    namespace: String,
}

impl ClusterReferences {
    pub(super) fn within(&self, namespace: &str) -> Within<'_> {
        Within { caches: self, namespace: namespace.to_owned() }
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
}

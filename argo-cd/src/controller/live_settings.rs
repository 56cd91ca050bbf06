//! Settings that follow their ConfigMaps.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use argo_core::{
    Gvk, Object,
    runtime::{Cache, Context, Query},
};

use crate::engine::{Settings, settings::SettingsFault};

/// Names of the ConfigMaps.
const CONFIG: &str = "argocd-cm";
const PARAMS: &str = "argocd-cmd-params-cm";

pub(super) struct LiveSettings {
    base: Settings,
    config: Arc<Cache>,
    params: Arc<Cache>,
    current: RwLock<Arc<Settings>>,
}

impl LiveSettings {
    pub(super) fn open(context: &Context, base: Settings) -> Self {
        let open = |name: &str| {
            let query = Query::of(Gvk::new("", "v1", "ConfigMap"), Some(&base.namespace));
            context.caches().open(query.fields(format!("metadata.name={name}")))
        };
        let (config, params) = (open(CONFIG), open(PARAMS));
        let current = RwLock::new(Arc::new(base.clone()));
        Self { base, config, params, current }
    }

    pub(super) fn caches(&self) -> [Arc<Cache>; 2] {
        [self.config.clone(), self.params.clone()]
    }

    pub(super) fn current(&self) -> Arc<Settings> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the ConfigMaps again; whether anything changed.
    pub(super) fn reload(&self) -> bool {
        let (settings, mut faults) = self.base.clone().with_params(&data(&self.params));
        let (settings, more) = settings.with_config(&data(&self.config));
        faults.extend(more);
        for SettingsFault { key, message } in &faults {
            tracing::warn!(key, message, "a setting can not be read: its default stands");
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if **current == settings {
            return false;
        }
        *current = Arc::new(settings);
        true
    }
}

fn data(cache: &Cache) -> BTreeMap<String, String> {
    let object: Option<Arc<Object>> = cache.list().into_iter().next();
    let data = object.as_deref().and_then(|it| it.get("data")).and_then(serde_json::Value::as_object);
    let entries = data.into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

//! `memoize`: outputs of an earlier run, kept in a ConfigMap, in place of a run.

use std::collections::BTreeMap;

use argo_core::{Change, Gvk, Object, ObjectRef, Time, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    pass::{Halt, Pass},
    template::{Call, Ready},
    vars::{How, Scope},
};
use crate::api::{LABEL_CONFIGMAP_TYPE, MemoizationStatus, Memoize, NodePhase, Outputs};

/// What stands under a key of a cache.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    #[serde(rename = "nodeID")]
    node_id: String,
    outputs: Option<Outputs>,
    creation_timestamp: Option<Time>,
    last_hit_timestamp: Option<Time>,
}

/// A ConfigMap that outputs are kept in, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheData {
    /// Its label `workflows.argoproj.io/configmap-type`: it must be `Cache`.
    pub kind: Option<String>,
    /// Entries by key.
    pub data: BTreeMap<String, String>,
}

impl Pass<'_> {
    /// Looks for the outputs of an earlier run. `true`: they are there, and the node has ended.
    pub(crate) fn recall(&mut self, call: &Call<'_>, ready: &Ready, retries: bool) -> Result<bool, Halt> {
        let Some(memoize) = &ready.template.template.memoize else { return Ok(false) };
        let id = self.id(&call.name);
        if self.nodes.get(&id).is_some_and(|it| it.memoization_status.is_some() || !self.unlocked.contains(&id)) {
            return Ok(false);
        }
        let found = self.rendered(call, ready, memoize).and_then(|memoize| Ok((self.look_up(&memoize)?, memoize)));
        let (entry, memoize) = match found {
            Ok(found) => found,
            Err(message) => {
                self.refuse(call, &message);
                return Err(Halt::Error(message));
            }
        };
        let kind = Self::node_type(ready, retries);
        self.start(call, ready, &call.name, kind, NodePhase::Pending, call.flag)?;
        let cache = memoize.cache_name();
        let status = MemoizationStatus { hit: entry.is_some(), key: memoize.key.clone(), cache_name: cache.to_owned() };
        if let Some(node) = self.nodes.edit(&id) {
            node.memoization_status = Some(status);
        }
        let Some(mut entry) = entry else { return Ok(false) };
        if let Some(outputs) = &entry.outputs {
            self.publish(outputs);
        }
        if let Some(node) = self.nodes.edit(&id) {
            node.outputs.clone_from(&entry.outputs);
        }
        self.mark(&id, NodePhase::Succeeded, "");
        entry.last_hit_timestamp = Some(self.now.into());
        self.remember(cache, &memoize.key, &entry);
        Ok(true)
    }

    fn rendered(&self, call: &Call<'_>, ready: &Ready, memoize: &Memoize) -> Result<Memoize, String> {
        let json = serde_json::to_value(memoize).map_err(|it| it.to_string())?;
        let local = std::rc::Rc::new(self.local_scope(call, ready, &call.name));
        let scope = Scope::inside(vec![local, self.globals.clone()]);
        let json = scope.render_value(&json, How::Keep).map_err(|it| it.to_string())?;
        serde_json::from_value(json).map_err(|it| it.to_string())
    }

    /// The entry that may stand in for a run.
    fn look_up(&self, memoize: &Memoize) -> Result<Option<Entry>, String> {
        let key = &memoize.key;
        let plain = key.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
        if !plain || !key.starts_with(|it: char| it.is_ascii_alphanumeric()) {
            return Err(format!("invalid cache key: {key}"));
        }
        if let Some(entry) = self.just_kept(memoize) {
            return Ok(Some(entry));
        }
        let Some(cache) = self.world.references.cache(memoize.cache_name()) else { return Ok(None) };
        match cache.kind.as_deref() {
            Some("Cache") => {}
            Some(_) => {
                return Err(format!(
                    "memoization configmap doesn't have label {LABEL_CONFIGMAP_TYPE} = Cache, refusing to use it"
                ));
            }
            None => {
                return Err(format!(
                    "memoization configmap doesn't have {LABEL_CONFIGMAP_TYPE} label, refusing to use it"
                ));
            }
        }
        let Some(text) = cache.data.get(key).filter(|it| !it.is_empty()) else { return Ok(None) };
        let entry: Entry = serde_json::from_str(text)
            .map_err(|it| format!("malformed cache entry: could not unmarshal JSON; unable to parse: {it}"))?;
        if entry.node_id.is_empty() {
            return Ok(None);
        }
        let Some(age) = memoize.max_age.as_deref().filter(|it| !it.is_empty()) else { return Ok(Some(entry)) };
        let age = super::leaf::duration("maxAge", age)
            .map_err(|_| format!("invalid maxAge: time: invalid duration \"{age}\""))?;
        let made = entry.creation_timestamp.map_or(time::Timestamp::UNIX_EPOCH, Time::timestamp);
        Ok(Some(entry).filter(|_| self.now <= time::after(made, age)))
    }

    /// What a node that succeeded in this very pass leaves under the key: it is written in front of the status.
    fn just_kept(&self, memoize: &Memoize) -> Option<Entry> {
        let (_, node) = self.nodes.changes().find(|(before, it)| {
            let is_new = before.is_none_or(|it| it.phase() != NodePhase::Succeeded);
            let kept = it.memoization_status.as_ref().filter(|it| !it.hit);
            let is_it = |it: &&MemoizationStatus| it.key == memoize.key && it.cache_name == memoize.cache_name();
            is_new && it.phase() == NodePhase::Succeeded && kept.as_ref().is_some_and(is_it)
        })?;
        let now = Some(self.now.into());
        let (node_id, outputs) = (node.id.clone(), node.outputs.clone());
        Some(Entry { node_id, outputs, creation_timestamp: now, last_hit_timestamp: now })
    }

    fn remember(&mut self, cache: &str, key: &str, entry: &Entry) {
        let text = serde_json::to_string(entry).unwrap_or_default();
        self.remembered.entry(cache.to_owned()).or_default().insert(key.to_owned(), text);
    }

    /// The writes that keep the outputs of nodes that succeeded in this pass.
    pub(crate) fn memoize(&mut self) -> Vec<Change> {
        let fresh: Vec<(MemoizationStatus, Entry)> = self
            .nodes
            .changes()
            .filter(|(before, it)| {
                it.phase() == NodePhase::Succeeded && before.is_none_or(|it| it.phase() != NodePhase::Succeeded)
            })
            .filter_map(|(_, it)| {
                let status = it.memoization_status.clone().filter(|it| !it.hit)?;
                let now = Some(self.now.into());
                let (node_id, outputs) = (it.id.clone(), it.outputs.clone());
                Some((status, Entry { node_id, outputs, creation_timestamp: now, last_hit_timestamp: now }))
            })
            .collect();
        for (status, entry) in &fresh {
            self.remember(&status.cache_name, &status.key, entry);
        }
        let namespace = Some(self.world.workflow.namespace()).filter(|it| !it.is_empty());
        let gvk = Gvk::new("", "v1", "ConfigMap");
        std::mem::take(&mut self.remembered)
            .into_iter()
            .map(|(cache, entries)| {
                if self.world.references.cache(&cache).is_some() {
                    return Change::merge(ObjectRef::new(gvk.clone(), namespace, &cache), json!({"data": entries}));
                }
                let mut object = Object::new(&gvk, namespace, &cache).with(&["data"], json!(entries));
                object.set_label(LABEL_CONFIGMAP_TYPE, "Cache");
                Change::create(object)
            })
            .collect()
    }
}

impl Memoize {
    /// Name of the ConfigMap.
    fn cache_name(&self) -> &str {
        let cache = self.cache.as_ref().and_then(|it| it.get("configMap"));
        cache.and_then(|it| it.get("name")).and_then(Value::as_str).unwrap_or_default()
    }
}

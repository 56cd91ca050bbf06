//! The machines that Pods of an Application run on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argo_core::{Gvk, Object, ObjectRef};

use super::{Node, pods};
use crate::{
    api::{HostInfo, HostResourceInfo},
    engine::{live::LiveView, settings::Settings},
};

/// What is counted.
const RESOURCES: [&str; 3] = ["cpu", "memory", "storage"];

pub(super) fn hosts(nodes: &[Node], live: &dyn LiveView, settings: &Settings) -> Vec<HostInfo> {
    let pod = Gvk::new("", "v1", "Pod");
    let own: Vec<&Arc<Object>> = nodes.iter().map(|it| &it.object).filter(|it| it.gvk() == pod).collect();
    let uids: BTreeSet<&str> = own.iter().map(|it| it.uid()).collect();
    let names: BTreeSet<&str> = own.iter().map(|it| it.text("/spec/nodeName")).filter(|it| !it.is_empty()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let mut by_app: BTreeMap<&str, BTreeMap<String, i64>> = BTreeMap::new();
    for it in &own {
        add(by_app.entry(it.text("/spec/nodeName")).or_default(), it);
    }
    let all = live.all(&pod);
    let mut by_others: BTreeMap<&str, BTreeMap<String, i64>> = BTreeMap::new();
    for it in all.iter().filter(|it| !uids.contains(it.uid()) && !pods::is_over(it)) {
        let name = it.text("/spec/nodeName");
        if names.contains(name) {
            add(by_others.entry(name).or_default(), it);
        }
    }
    let host = |name: &&str| {
        let node = live.get(&ObjectRef::new(Gvk::new("", "v1", "Node"), None, name))?;
        let capacity = pods::milli(node.pointer("/status/capacity"));
        let of = |map: &BTreeMap<&str, BTreeMap<String, i64>>, resource: &str| {
            map.get(name).and_then(|it| it.get(resource)).copied().unwrap_or_default()
        };
        let resources = RESOURCES.iter().filter_map(|resource| {
            let capacity = capacity.get(*resource).copied().filter(|it| *it > 0)?;
            Some(HostResourceInfo {
                resource_name: (*resource).to_owned(),
                requested_by_app: of(&by_app, resource),
                requested_by_neighbors: of(&by_others, resource),
                capacity,
            })
        });
        let labels = settings.node_labels.iter().filter_map(|key| Some((key.clone(), node.label(key)?.to_owned())));
        Some(HostInfo {
            name: (*name).to_owned(),
            resources_info: resources.collect(),
            system_info: node.pointer("/status/nodeInfo").cloned().unwrap_or_default(),
            labels: labels.collect(),
        })
    };
    names.iter().filter_map(host).collect()
}

fn add(to: &mut BTreeMap<String, i64>, pod: &Object) {
    for (name, value) in pods::requests(pod) {
        let it = to.entry(name).or_default();
        *it = it.saturating_add(value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::live::MemoryLive;

    fn pod(name: &str, cpu: &str, phase: &str) -> Object {
        Object::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n",
            "uid": name}, "spec": {"nodeName": "one", "containers": [{"name": "c",
            "resources": {"requests": {"cpu": cpu, "memory": "1Ki"}}}]}, "status": {"phase": phase}}))
    }

    #[test]
    fn requests_are_counted_by_machine_and_those_of_others_apart() {
        let mut live = MemoryLive::default();
        live.put(Object::from_value(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one", "uid": "one",
            "labels": {"zone": "a", "secret": "b"}},
            "status": {"capacity": {"cpu": "4", "memory": "8Ki", "pods": "110"}, "nodeInfo": {"architecture": "amd64"}}})));
        for it in [pod("own", "250m", "Running"), pod("other", "1", "Running"), pod("over", "2", "Succeeded")] {
            live.put(it);
        }
        let own = Node { object: Arc::new(pod("own", "250m", "Running")), depth: 1, parent: None };
        let settings = Settings { node_labels: vec!["zone".into()], ..Settings::default() };
        let found: Value = serde_json::to_value(hosts(&[own], &live, &settings)).unwrap();
        assert_eq!(
            found,
            json!([{"name": "one", "labels": {"zone": "a"}, "systemInfo": {"architecture": "amd64"}, "resourcesInfo": [
                {"resourceName": "cpu", "requestedByApp": 250, "requestedByNeighbors": 1000, "capacity": 4000},
                {"resourceName": "memory", "requestedByApp": 1_024_000, "requestedByNeighbors": 1_024_000,
                    "capacity": 8_192_000}]}])
        );
    }
}

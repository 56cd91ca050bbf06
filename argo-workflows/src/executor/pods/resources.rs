//! What a Pod has used up: for each container the seconds that it ran times what it asked for.
//!
//! Source of the rules: `util/resource/duration.go` of upstream (v4.1.2).

use std::collections::BTreeMap;

use argo_core::{Object, Timestamp};
use argo_lang::quantity::Quantity;
use serde_json::{Map, Value};

/// By resource: seconds times how often the unit (100Mi of memory, 10Gi of storage, else 1) was asked for. Containers
/// without demands count as 100m of cpu and 100Mi of memory. One that still runs counts until `now`.
pub(super) fn used(pod: &Object, now: Timestamp) -> BTreeMap<String, i64> {
    let list = |path: &str| pod.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let name = |it: &Value| it["name"].as_str().unwrap_or_default().to_owned();
    let mut asked: BTreeMap<String, BTreeMap<String, Quantity>> = BTreeMap::new();
    let mut shared = pod.pointer("/spec/resources");
    for container in list("/spec/initContainers").chain(list("/spec/containers")) {
        let mut all = BTreeMap::new();
        for (name, usual) in [("cpu", "100m"), ("memory", "100Mi")] {
            all.extend(Quantity::parse(usual).ok().map(|it| (name.to_owned(), it)));
        }
        let own = container.get("resources");
        let is_given = ["limits", "requests"].iter().any(|it| fields(own, it).next().is_some());
        // What the pod asks for as a whole counts once.
        let sources = [if is_given { None } else { shared.take() }, own];
        for source in sources.into_iter().flatten() {
            for kind in ["limits", "requests"] {
                let given = fields(Some(source), kind);
                all.extend(given.filter_map(|(name, it)| Some((name.clone(), quantity(it)?))));
            }
        }
        asked.insert(name(container), all);
    }
    let mut used: BTreeMap<String, i64> = BTreeMap::new();
    for status in list("/status/initContainerStatuses").chain(list("/status/containerStatuses")) {
        let time = |path: &str| argo_core::time::parse(status.pointer(path)?.as_str()?).ok();
        let ended = time("/state/terminated/startedAt").zip(time("/state/terminated/finishedAt"));
        let span = ended.or_else(|| Some((time("/state/running/startedAt")?, now)));
        let seconds = span.map_or(0, |(from, to)| (to.as_second() - from.as_second()).max(0));
        for (resource, amount) in asked.get(&name(status)).into_iter().flatten() {
            let unit = match resource.as_str() {
                "memory" => 100 * 1024 * 1024 * 1000,
                "storage" | "ephemeral-storage" => 10 * 1024 * 1024 * 1024 * 1000,
                _ => 1000,
            };
            let more = i128::from(amount.milli_value()) * i128::from(seconds) / unit;
            let sum = used.entry(resource.clone()).or_default();
            *sum = sum.saturating_add(i64::try_from(more).unwrap_or(i64::MAX));
        }
    }
    used
}

fn fields<'v>(resources: Option<&'v Value>, kind: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    resources.and_then(|it| it.get(kind)?.as_object()).into_iter().flat_map(Map::iter)
}

fn quantity(value: &Value) -> Option<Quantity> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Quantity::parse(&text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_count_by_what_they_ask_for() {
        let ran = |name: &str, seconds: i64| {
            let to = argo_core::time::rfc3339(Timestamp::from_second(seconds).unwrap());
            json!({"name": name, "state": {"terminated": {"startedAt": "1970-01-01T00:00:00Z", "finishedAt": to}}})
        };
        let mut pod = json!({
            "spec": {
                "initContainers": [{"name": "init"}],
                "containers": [
                    {"name": "main", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "4", "memory": "1Gi", "nvidia.com/gpu": 1}}},
                    {"name": "wait"},
                ]},
            "status": {"initContainerStatuses": [ran("init", 10)], "containerStatuses": [ran("main", 60), {"name": "wait", "state": {"running": {"startedAt": "1970-01-01T00:00:00Z"}}}]},
        });
        let now = Timestamp::from_second(100).unwrap();
        // cpu: 10·0.1 + 60·2 + 100·0.1; memory: 10 + 60·10.24 + 100; gpu: 60.
        let expected = |cpu: i64, memory: i64| {
            let all = [("cpu", cpu), ("memory", memory), ("nvidia.com/gpu", 60)];
            all.into_iter().map(|(name, it)| (name.to_owned(), it)).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(used(&Object::from_value(pod.clone()), now), expected(131, 724));
        // The pod's own demands count once, for the first container without any.
        pod["spec"]["resources"] = json!({"requests": {"cpu": "1"}});
        assert_eq!(used(&Object::from_value(pod), now), expected(10 + 120 + 10, 724));
        assert!(used(&Object::from_value(json!({"spec": {"containers": [{"name": "main"}]}})), now).is_empty());
    }
}

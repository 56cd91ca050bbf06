//! Which controller holds which shard.

use std::time::Duration;

use argo_core::{Timestamp, time};
use serde::{Deserialize, Serialize};

/// Name of the ConfigMap.
pub const CONFIG_MAP: &str = "argocd-app-controller-shard-cm";
/// Key in it.
pub const KEY: &str = "shardControllerMapping";
/// Wait between signs of life.
pub const HEARTBEAT: Duration = Duration::from_secs(10);
/// Silence after which a shard is free.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// One shard and who holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ShardMapping {
    /// The shard.
    pub shard_number: usize,
    /// Host name of the controller; empty for none.
    pub controller_name: String,
    /// Its last sign of life; absent for never.
    pub heartbeat_time: Option<argo_core::Time>,
}

/// As many free shards as there are replicas.
#[must_use]
pub fn default_mapping(replicas: usize) -> Vec<ShardMapping> {
    (0..replicas).map(|shard_number| ShardMapping { shard_number, ..ShardMapping::default() }).collect()
}

/// The shard that a controller holds now, and the mapping with its sign of life: the one that it `wants`, the one that
/// it holds already, or the first that is free. `None` when all are taken.
#[must_use]
pub fn take_shard(
    mapping: &[ShardMapping],
    host: &str,
    replicas: usize,
    wants: Option<usize>,
    now: Timestamp,
) -> (Option<usize>, Vec<ShardMapping>) {
    let mut next = mapping.to_vec();
    if next.len() > replicas {
        next = default_mapping(replicas);
    }
    for shard_number in next.len()..replicas {
        next.push(ShardMapping { shard_number, ..ShardMapping::default() });
    }
    let held = match wants {
        Some(shard) if shard < replicas => next.iter().position(|it| it.shard_number == shard),
        _ => next.iter().position(|it| it.controller_name == host),
    };
    let is_free = |it: &ShardMapping| {
        it.controller_name.is_empty() || it.heartbeat_time.is_none_or(|at| time::after(at.timestamp(), TIMEOUT) < now)
    };
    let Some(at) = held.or_else(|| next.iter().position(is_free)) else { return (None, next) };
    let entry = &mut next[at];
    host.clone_into(&mut entry.controller_name);
    entry.heartbeat_time = Some(argo_core::Time::new(now));
    let shard = entry.shard_number;
    (Some(shard), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().unwrap()
    }

    fn held(list: &[(&str, u64)]) -> Vec<ShardMapping> {
        let entry = |(shard_number, (host, ago)): (usize, &(&str, u64))| ShardMapping {
            shard_number,
            controller_name: (*host).to_owned(),
            heartbeat_time: (!host.is_empty())
                .then(|| argo_core::Time::new(now() - jiff::SignedDuration::from_secs(i64::try_from(*ago).unwrap()))),
        };
        list.iter().enumerate().map(entry).collect()
    }

    /// Upstream's table: mapping, host, replicas, wanted shard; shard and holders afterwards.
    #[test]
    fn shards_are_kept_taken_and_given_up() {
        type Row = (&'static [(&'static str, u64)], &'static str, usize, Option<usize>, usize, &'static [&'static str]);
        let rows: [Row; 8] = [
            (&[("a", 60)], "a", 2, None, 0, &["a", ""]),
            (&[("a", 0)], "b", 2, None, 1, &["a", "b"]),
            (&[("a", 0), ("b", 0)], "a", 1, None, 0, &["a"]),
            (&[("a", 0), ("b", 60)], "b", 2, Some(1), 1, &["a", "b"]),
            (&[("a", 0)], "b", 2, Some(1), 1, &["a", "b"]),
            (&[("a", 0), ("b", 0), ("c", 0)], "a", 2, Some(1), 1, &["", "a"]),
            (&[("a", 0), ("b", 60)], "b", 2, None, 1, &["a", "b"]),
            (&[("a", 0), ("b", 31)], "c", 2, None, 1, &["a", "c"]),
        ];
        for (mapping, host, replicas, wants, shard, holders) in rows {
            let (found, next) = take_shard(&held(mapping), host, replicas, wants, now());
            let names: Vec<&str> = next.iter().map(|it| it.controller_name.as_str()).collect();
            assert_eq!((found, names.as_slice()), (Some(shard), holders), "{mapping:?} {host}");
            assert_eq!(next[shard].heartbeat_time, Some(argo_core::Time::new(now())));
        }
        assert_eq!(take_shard(&held(&[("a", 0), ("b", 29)]), "c", 2, None, now()).0, None, "all are alive");
    }

    #[test]
    fn the_json_is_upstreams() {
        let text = r#"[{"ShardNumber":0,"ControllerName":"a","HeartbeatTime":"2026-01-01T00:10:00Z"},{"ShardNumber":1,"ControllerName":"","HeartbeatTime":null}]"#;
        let read: Vec<ShardMapping> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert_eq!(read[1], default_mapping(2)[1]);
    }
}

//! Which controller works on which cluster.
//!
//! | file | what |
//! |---|---|
//! | `ring` | consistent hashing with bounded loads, on `blake2b` |
//! | `mapping` | which controller holds which shard: the ConfigMap of the dynamic distribution |

mod blake2b;
mod mapping;
mod ring;

use std::collections::BTreeMap;

pub use mapping::{CONFIG_MAP, HEARTBEAT, KEY, ShardMapping, TIMEOUT, default_mapping, take_shard};
pub use ring::Ring;

use super::clusters::Cluster;

/// How clusters are spread over shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// A hash of the id of each cluster.
    #[default]
    Legacy,
    /// The rank of each cluster by its id.
    RoundRobin,
    /// A ring whose loads are bounded by the number of Applications.
    ConsistentHashing,
}

impl Algorithm {
    /// As `controller.sharding.algorithm` spells it; `None` when it is none, for which [`Algorithm::Legacy`] stands in.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "legacy" => Some(Self::Legacy),
            "round-robin" => Some(Self::RoundRobin),
            "consistent-hashing" => Some(Self::ConsistentHashing),
            _ => None,
        }
    }
}

/// The shard of each cluster by its server, given how many Applications go to each. A shard that a cluster asks for is
/// its own, or 0 when there are not that many.
#[must_use]
pub fn distribute(
    algorithm: Algorithm,
    replicas: usize,
    clusters: &[Cluster],
    applications: &BTreeMap<String, i64>,
) -> BTreeMap<String, usize> {
    let mut sorted: Vec<&Cluster> = clusters.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    let ranks = || sorted.iter().enumerate().map(|(rank, it)| (it.id.as_str(), rank)).collect::<BTreeMap<_, _>>();
    let placed: BTreeMap<&str, usize> = match algorithm {
        _ if replicas <= 1 => BTreeMap::new(),
        Algorithm::Legacy => sorted.iter().map(|it| (it.id.as_str(), legacy(&it.id, replicas))).collect(),
        Algorithm::RoundRobin => ranks().into_iter().map(|(id, rank)| (id, rank % replicas)).collect(),
        Algorithm::ConsistentHashing => {
            let mut ring = Ring::new((0..replicas).map(|it| it.to_string()));
            let place = |it: &&Cluster| {
                let shard = ring.least(&it.id);
                ring.add_load(&shard, applications.get(&it.server).copied().unwrap_or_default());
                shard.parse().unwrap_or_default()
            };
            let shards: Vec<usize> = sorted.iter().map(place).collect();
            sorted.iter().map(|it| it.id.as_str()).zip(shards).collect()
        }
    };
    let shard = |it: &Cluster| match it.shard {
        Some(wanted) if wanted < replicas.max(1) => wanted,
        Some(_) => 0,
        None if it.id.is_empty() => 0,
        None => placed.get(it.id.as_str()).copied().unwrap_or_default(),
    };
    clusters.iter().map(|it| (it.server.clone(), shard(it))).collect()
}

/// FNV-1a of the id, modulo the shards.
fn legacy(id: &str, replicas: usize) -> usize {
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    usize::try_from(hash).unwrap_or_default() % replicas
}

/// The shard that a host's name ends with (`argocd-application-controller-2`); 0 when it ends with none.
#[must_use]
pub fn shard_of_host(host: &str) -> usize {
    host.rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// The controller's own place among its replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its shard, from 0.
    pub shard: usize,
    /// How many there are.
    pub replicas: usize,
    /// How clusters are spread.
    pub algorithm: Algorithm,
}

impl Default for Place {
    /// The only one.
    fn default() -> Self {
        Self { shard: 0, replicas: 1, algorithm: Algorithm::Legacy }
    }
}

impl Place {
    /// As `ARGOCD_CONTROLLER_SHARD` and `ARGOCD_CONTROLLER_REPLICAS` say, else by the host's name.
    #[must_use]
    pub fn new(shard: Option<usize>, replicas: usize, host: &str, algorithm: Algorithm) -> Self {
        if replicas <= 1 {
            return Self { algorithm, ..Self::default() };
        }
        let shard = shard.unwrap_or_else(|| shard_of_host(host));
        // One more than there are is let through, as upstream does; such a controller works on nothing.
        Self { shard: if shard > replicas { 0 } else { shard }, replicas, algorithm }
    }

    /// Whether this controller works on a cluster.
    #[must_use]
    pub fn works_on(&self, cluster: &Cluster, shards: &BTreeMap<String, usize>) -> bool {
        !cluster.skipped
            && (self.replicas <= 1 || shards.get(&cluster.server).copied().unwrap_or_default() == self.shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(id: &str) -> Cluster {
        Cluster { id: id.into(), name: format!("cluster{id}"), server: format!("https://{id}"), ..Cluster::default() }
    }

    fn shards(algorithm: Algorithm, replicas: usize, clusters: &[Cluster]) -> Vec<usize> {
        let placed = distribute(algorithm, replicas, clusters, &BTreeMap::new());
        clusters.iter().map(|it| placed[&it.server]).collect()
    }

    #[test]
    fn placements_are_upstreams() {
        let vectors = include_str!("../../../tests/data/sharding/placements.jsonl");
        let mut placed = 0;
        for line in vectors.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let replicas = usize::try_from(case["replicas"].as_u64().unwrap()).unwrap();
            let ids: Vec<&str> = case["ids"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
            let apps = case["apps"].as_array().unwrap().iter().map(|it| it.as_i64().unwrap());
            let clusters: Vec<Cluster> = ids.iter().map(|it| cluster(it)).collect();
            let loads: BTreeMap<String, i64> = clusters.iter().map(|it| it.server.clone()).zip(apps).collect();
            for (algorithm, wanted) in
                [(Algorithm::Legacy, &case["legacy"]), (Algorithm::ConsistentHashing, &case["consistent"])]
            {
                let found = distribute(algorithm, replicas, &clusters, &loads);
                for it in &clusters {
                    assert_eq!(Some(found[&it.server] as u64), wanted[&it.id].as_u64(), "{algorithm:?} {line}");
                    placed += 1;
                }
            }
        }
        assert_eq!(placed, 1368);
    }

    #[test]
    fn round_robin_counts_and_fixed_shards_are_kept_while_there_are_that_many() {
        let mut five: Vec<Cluster> = ["1", "2", "3", "4", "5"].map(cluster).into();
        assert_eq!(shards(Algorithm::RoundRobin, 1, &five), [0; 5]);
        assert_eq!(shards(Algorithm::RoundRobin, 2, &five), [0, 1, 0, 1, 0]);
        assert_eq!(shards(Algorithm::RoundRobin, 3, &five), [0, 1, 2, 0, 1]);
        assert_eq!(shards(Algorithm::Legacy, 5, &five[..4]), [4, 1, 2, 2], "as upstream's own test");
        five[4].shard = Some(1);
        assert_eq!(shards(Algorithm::RoundRobin, 4, &five)[4], 1);
        five[4].shard = Some(9);
        assert_eq!(shards(Algorithm::RoundRobin, 4, &five)[4], 0);
        assert_eq!(shards(Algorithm::Legacy, 3, &[Cluster::own()]), [0], "the own cluster without a secret");
    }

    #[test]
    fn a_ring_that_loses_a_shard_moves_only_that_ones_clusters() {
        let many: Vec<Cluster> = (0..133).map(|it| cluster(&format!("{it:06}"))).collect();
        let three = shards(Algorithm::ConsistentHashing, 3, &many);
        let two = shards(Algorithm::ConsistentHashing, 2, &many);
        assert!(three.iter().zip(&two).all(|(was, is)| *was == 2 || was == is));
        let count = |shard: usize| three.iter().filter(|it| **it == shard).count();
        assert!((0..3).all(|it| (40..=48).contains(&count(it))), "{:?}", [count(0), count(1), count(2)]);
    }

    #[test]
    fn places_come_from_the_environment_or_the_host() {
        let place = |shard, replicas, host| Place::new(shard, replicas, host, Algorithm::Legacy).shard;
        assert_eq!(place(None, 3, "example-shard-3"), 3);
        assert_eq!(place(None, 3, "exampleshard"), 0);
        assert_eq!(place(None, 3, "example-shard"), 0);
        assert_eq!((place(Some(3), 1, "x"), place(Some(3), 2, "x"), place(Some(1), 2, "x")), (0, 0, 1));
        let skipped = Cluster { skipped: true, ..cluster("1") };
        assert!(!Place::default().works_on(&skipped, &BTreeMap::new()));
        let second = Place { shard: 1, replicas: 2, algorithm: Algorithm::Legacy };
        assert!(!second.works_on(&cluster("1"), &BTreeMap::new()), "a cluster without a shard is the first's");
        assert_eq!(Algorithm::parse("stars"), None);
    }
}

//! Consistent hashing with bounded loads.

use std::collections::BTreeMap;

use super::blake2b;

/// Places of each host on the ring.
const REPLICATION: usize = 1000;
/// How much more than the average a host may carry.
const FACTOR: f64 = 1.25;

/// Hosts on a ring, with their loads.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    places: BTreeMap<u64, String>,
    loads: BTreeMap<String, i64>,
}

impl Ring {
    /// A ring with these hosts.
    #[must_use]
    pub fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        let mut ring = Self::default();
        for host in hosts {
            for i in 0..REPLICATION {
                ring.places.insert(hash(&format!("{host}{i}")), host.clone());
            }
            ring.loads.insert(host, 0);
        }
        ring
    }

    /// The next host on the ring that may carry more; empty when there are no hosts.
    #[must_use]
    pub fn least(&self, key: &str) -> String {
        let from = hash(key);
        // Whoever lies at the key's own place is passed by.
        let behind = self.places.range(from..).skip_while(|(place, _)| **place == from);
        let around = behind.chain(self.places.iter()).map(|(_, host)| host);
        let mut first = None;
        for host in around.take(self.places.len() + 1) {
            if self.may_carry(host) {
                return host.clone();
            }
            first.get_or_insert(host);
        }
        first.cloned().unwrap_or_default()
    }

    /// Adds to what a host carries.
    pub fn add_load(&mut self, host: &str, load: i64) {
        if let Some(it) = self.loads.get_mut(host) {
            *it = it.saturating_add(load);
        }
    }

    fn may_carry(&self, host: &str) -> bool {
        let total: i64 = self.loads.values().fold(0_i64, |sum, it| sum.saturating_add(*it)).max(0);
        let hosts = i64::try_from(self.loads.len()).unwrap_or(i64::MAX).max(1);
        // The average is of whole numbers, as upstream divides.
        let average = ((total + 1) / hosts).max(1);
        #[allow(clippy::cast_precision_loss, reason = "numbers of Applications")]
        let most = (average as f64 * FACTOR).ceil();
        #[allow(clippy::cast_precision_loss, reason = "numbers of Applications")]
        let load = self.loads.get(host).copied().unwrap_or_default() as f64;
        load < most
    }
}

fn hash(text: &str) -> u64 {
    let digest = blake2b::hash(text.as_bytes());
    u64::from_le_bytes(digest[..8].try_into().unwrap_or_default())
}

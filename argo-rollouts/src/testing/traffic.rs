//! Where requests flow in a simulation.

use super::samples::share_of_others;
use crate::engine::RouteTraffic;

/// Traffic as it was last routed, and whether pods could serve it.
#[derive(Default)]
pub(super) struct Traffic {
    routed: Option<RouteTraffic>,
    /// The most pods that were missing for the traffic of a version.
    overload: i64,
}

impl Traffic {
    /// Routes it; false when it flows so already.
    pub(super) fn route(&mut self, traffic: &RouteTraffic) -> bool {
        let news = !self.flows_as(traffic);
        if news {
            self.routed = Some(traffic.clone());
        }
        news
    }

    /// Whether requests go these ways.
    pub(super) fn flows_as(&self, traffic: &RouteTraffic) -> bool {
        let ways = |it: &RouteTraffic| {
            let shares = (it.weight, it.canary_hash.clone(), it.stable_hash.clone(), it.additional.clone());
            (shares, it.header_route.clone(), it.mirror_route.clone())
        };
        self.routed.as_ref().is_some_and(|it| ways(it) == ways(traffic))
    }

    /// The templates that requests may reach.
    pub(super) fn hashes(&self) -> impl Iterator<Item = String> + '_ {
        let hashes = self.routed.iter().flat_map(|it| [&it.canary_hash, &it.stable_hash]);
        hashes.filter(|it| !it.is_empty()).cloned()
    }

    /// Remembers how many of the pods that the traffic of a version needs were not available.
    pub(super) fn note(&mut self, replicas: i64, available: impl Fn(&str) -> i64) {
        let Some(traffic) = &self.routed else { return };
        let whole = traffic.max_weight.max(1);
        for (hash, share) in [(&traffic.canary_hash, traffic.weight), (&traffic.stable_hash, whole - traffic.weight)] {
            let needed = (replicas * share + whole - 1) / whole;
            self.overload = self.overload.max(needed - available(hash));
        }
    }

    /// The share, in percent, of everything but this template; `None` where nothing is routed.
    pub(super) fn share_of_others(&self, hash: &str) -> Option<i64> {
        let traffic = self.routed.as_ref()?;
        Some(share_of_others(traffic, hash))
    }

    /// The most pods that a version lacked for its share.
    pub(super) fn overload(&self) -> i64 {
        self.overload
    }

    /// Begins to count anew.
    pub(super) fn forget_overload(&mut self) {
        self.overload = 0;
    }
}

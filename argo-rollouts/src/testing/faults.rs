//! [`ApiFault`]: what goes wrong between the controller and the API server.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use argo_core::{Change, Object};

/// A fault of the API server, as the controller meets it. What it fails at it tries again after
/// 5 ms·2ⁿ, 1000 s at most, as the controller's queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ApiFault {
    /// Writes are refused: somebody else wrote before (409).
    Conflict,
    /// Writes are refused: too many requests (429).
    Throttled,
    /// Writes are refused: the server is not well (5xx).
    Unavailable,
    /// Writes are carried out, and their answers are lost.
    LostAnswer,
    /// Lists and watches show what was there before, except for what the controller itself wrote.
    StaleReads,
}

impl fmt::Display for ApiFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "the API server refuses a write: conflict (409)",
            Self::Throttled => "the API server refuses a write: too many requests (429)",
            Self::Unavailable => "the API server refuses a write: unavailable (503)",
            Self::LostAnswer => "the answer to a write is lost",
            Self::StaleReads => "what the controller sees is stale",
        })
    }
}

/// When the API server fails, and how the controller stands with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// From, how long, what.
    pub(super) windows: Vec<(Duration, Duration, ApiFault)>,
    /// At these writes, counted from 1 since the change.
    pub(super) at_writes: BTreeMap<u64, ApiFault>,
    /// Failures in a row.
    failures: u32,
    /// What the controller saw last of each kind.
    seen: BTreeMap<String, Vec<Arc<Object>>>,
}

impl Faults {
    /// What happens to the `count`-th write.
    pub(super) fn of_write(&self, since: Duration, count: u64) -> Option<ApiFault> {
        let at_write = self.at_writes.get(&count).copied();
        at_write.or_else(|| self.under_way(since).find(|it| *it != ApiFault::StaleReads))
    }

    fn under_way(&self, since: Duration) -> impl Iterator<Item = ApiFault> {
        self.windows.iter().filter(move |(from, lasts, _)| *from <= since && since < *from + *lasts).map(|it| it.2)
    }

    /// When reads are no longer stale: something to look at again.
    pub(super) fn ends(&self, since: Duration) -> Option<Duration> {
        self.windows.iter().map(|(from, lasts, _)| *from + *lasts).filter(|it| *it > since).min()
    }

    /// What the controller sees of a kind.
    pub(super) fn seen(&mut self, kind: &str, since: Duration, fresh: Vec<Arc<Object>>) -> Vec<Arc<Object>> {
        if self.under_way(since).any(|it| it == ApiFault::StaleReads)
            && let Some(stale) = self.seen.get(kind)
        {
            return stale.clone();
        }
        self.seen.insert(kind.to_owned(), fresh.clone());
        fresh
    }

    /// The controller wrote to a kind: it goes on only when it sees that.
    pub(super) fn wrote(&mut self, change: &Change) {
        self.seen.remove(&change.target().gvk.kind);
    }

    /// A pass failed: how long until the next.
    pub(super) fn failed(&mut self) -> Duration {
        let wait = Duration::from_millis(5).saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures += 1;
        wait.min(Duration::from_secs(1000))
    }

    /// A pass went through.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

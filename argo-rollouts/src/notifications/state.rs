//! What was told already, on the object itself.

use std::collections::BTreeMap;

use argo_core::Timestamp;

use super::{Destination, Outcome};

/// How many are remembered, the newest.
const KEPT: usize = 100;

/// What was told and when, in Unix seconds: the annotation [`NOTIFIED`](super::NOTIFIED).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State(BTreeMap<String, i64>);

impl State {
    /// Reads the annotation; what can not be read remembers nothing.
    #[must_use]
    pub fn parse(annotation: Option<&str>) -> Self {
        Self(annotation.and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default())
    }

    /// Remembers whether a condition's notification was told; false when that was known.
    pub fn set(&mut self, trigger: &str, outcome: &Outcome, to: &Destination, told: bool, now: Timestamp) -> bool {
        let mut key = format!("{trigger}:{}:{}:{}", outcome.key, to.service, to.recipient);
        if !outcome.once_per.is_empty() {
            key = format!("{}:{key}", outcome.once_per);
        }
        if self.0.contains_key(&key) == told {
            return false;
        }
        if told {
            self.0.insert(key, now.as_second());
        } else if outcome.once_per.is_empty() {
            self.0.remove(&key);
        } else {
            return false;
        }
        true
    }

    /// Forgets one that could not be told after all.
    pub fn forget(&mut self, trigger: &str, outcome: &Outcome, to: &Destination) {
        let key = format!("{trigger}:{}:{}:{}", outcome.key, to.service, to.recipient);
        self.0.remove(&if outcome.once_per.is_empty() { key } else { format!("{}:{key}", outcome.once_per) });
    }

    /// The annotation; absent when nothing is remembered. The oldest beyond 100 are forgotten.
    #[must_use]
    pub fn annotation(mut self) -> Option<String> {
        let mut ages: Vec<(i64, String)> = self.0.iter().map(|(key, at)| (*at, key.clone())).collect();
        ages.sort();
        for (_, key) in ages.iter().take(ages.len().saturating_sub(KEPT)) {
            self.0.remove(key);
        }
        (!self.0.is_empty()).then(|| serde_json::json!(self.0).to_string())
    }
}

//! [`Firing`]: one time that a trigger goes off, and the names that come from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::Event;

/// Events by the dependency they satisfied.
pub type Events = BTreeMap<String, Event>;

/// Letters that Kubernetes' own generated names use.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// One time that a trigger goes off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// Namespace of the Sensor.
    pub namespace: String,
    /// Name of the Sensor.
    pub sensor: String,
    /// Name of the trigger.
    pub trigger: String,
    /// The events.
    pub events: Events,
}

impl Firing {
    /// The same for the same events on the same trigger, however often they are delivered; another
    /// for every other event. 64 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.digest())
    }

    /// Ends a `generateName` the way the API server would, but the same on every delivery, so that
    /// a second attempt meets the object of the first.
    #[must_use]
    pub fn name_suffix(&self) -> String {
        let letters = self.digest();
        letters.iter().take(10).map(|it| char::from(ALPHABET[usize::from(*it) % ALPHABET.len()])).collect()
    }

    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        for part in [&self.namespace, &self.sensor, &self.trigger] {
            add(part);
        }
        for (dependency, event) in &self.events {
            add(dependency);
            add(&event.id);
            // An id may come back later for a new happening (a delivery that is sent again by hand).
            add(&event.time.map(|it| it.to_string()).unwrap_or_default());
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing(id: &str, at: &str) -> Firing {
        let event = Event::new(id, "s", "e", "webhook", at.parse().unwrap(), &serde_json::json!({}));
        Firing {
            namespace: "n".into(),
            sensor: "s".into(),
            trigger: "t".into(),
            events: Events::from([("dep".to_owned(), event)]),
        }
    }

    #[test]
    fn the_same_events_give_the_same_names() {
        let (a, b) = (firing("1", "2026-01-01T00:00:00Z"), firing("1", "2026-01-01T00:00:00Z"));
        assert_eq!(a.id(), b.id());
        assert_eq!(a.name_suffix(), b.name_suffix());
        assert_eq!(a.name_suffix().len(), 10);
        assert_ne!(a.id(), firing("2", "2026-01-01T00:00:00Z").id());
        assert_ne!(a.id(), firing("1", "2026-01-01T00:00:01Z").id());
    }
}

//! What waits, and is not to be woken by the controller's own writes.

use std::{collections::BTreeMap, sync::Mutex, sync::PoisonError};

use argo_core::{ObjectKey, Timestamp};

/// Until when a key waits, as long as its object is as the controller left it. Lost with the process, and then a look
/// more is taken.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<BTreeMap<ObjectKey, Wait>>);

#[derive(Debug, Clone)]
struct Wait {
    version: String,
    until: Timestamp,
    failures: u32,
}

impl Waits {
    /// Waits until then, unless the object changes or something pokes.
    pub(super) fn set(&self, key: &ObjectKey, version: &str, until: Timestamp) {
        self.put(key, Wait { version: version.to_owned(), until, failures: 0 });
    }

    /// After a failure, one more than before; returns how many.
    pub(super) fn failed(&self, key: &ObjectKey) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = all.entry(key.clone()).or_insert_with(|| Wait {
            version: String::new(),
            until: Timestamp::MIN,
            failures: 0,
        });
        wait.failures = wait.failures.saturating_add(1);
        wait.failures
    }

    /// Waits until then after a failure.
    pub(super) fn set_after_failure(&self, key: &ObjectKey, version: &str, until: Timestamp, failures: u32) {
        self.put(key, Wait { version: version.to_owned(), until, failures });
    }

    fn put(&self, key: &ObjectKey, wait: Wait) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), wait);
    }

    /// Until when the key waits at this version of its object.
    pub(super) fn until(&self, key: &ObjectKey, version: &str, now: Timestamp) -> Option<Timestamp> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).filter(|it| it.version == version && it.until > now).map(|it| it.until)
    }

    /// Something that the key waits for has changed.
    pub(super) fn poke(&self, key: &ObjectKey) {
        if let Some(wait) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            wait.until = Timestamp::MIN;
        }
    }

    /// The key is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

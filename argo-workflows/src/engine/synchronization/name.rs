//! [`LockName`]: how locks are called in statuses and messages.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::{Mutex, SemaphoreRef, Synchronization};

/// Where a lock lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LockKind {
    /// One place, in the controller.
    Mutex {
        /// Name of the mutex.
        name: String,
    },
    /// As many places as a key of a ConfigMap says.
    ConfigMap {
        /// The ConfigMap.
        name: String,
        /// The key.
        key: String,
    },
    /// In the database that controllers share.
    Database {
        /// Its key there.
        key: String,
        /// Whether it is a mutex: one place, whatever the database says.
        is_mutex: bool,
    },
}

/// A lock: `<namespace>/Mutex/<name>`, `<namespace>/ConfigMap/<name>/<key>` or `<namespace>/Database/<key>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockName {
    /// Namespace of the lock.
    pub namespace: String,
    /// Where it lives.
    pub kind: LockKind,
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = &self.namespace;
        match &self.kind {
            LockKind::Mutex { name } => write!(f, "{namespace}/Mutex/{name}"),
            LockKind::ConfigMap { name, key } => write!(f, "{namespace}/ConfigMap/{name}/{key}"),
            LockKind::Database { key, .. } => write!(f, "{namespace}/Database/{key}"),
        }
    }
}

impl LockName {
    /// The locks that `wanted` names, semaphores first, for a workflow of `namespace`.
    ///
    /// # Errors
    /// When one is named twice, or can not be named.
    pub fn all_of(wanted: &Synchronization, namespace: &str) -> Result<Vec<Self>, String> {
        let semaphores = wanted.semaphores.iter().map(|it| Self::of_semaphore(it, namespace));
        let mutexes = wanted.mutexes.iter().map(|it| Self::of_mutex(it, namespace));
        let mut all: Vec<Self> = Vec::new();
        for it in semaphores.chain(mutexes) {
            let it = it?;
            if all.contains(&it) {
                return Err("duplicate synchronization item found".to_owned());
            }
            all.push(it);
        }
        Ok(all)
    }

    fn of_semaphore(semaphore: &SemaphoreRef, namespace: &str) -> Result<Self, String> {
        let kind = match (&semaphore.config_map_key_ref, &semaphore.database) {
            (Some(_), Some(_)) => return Err("invalid semaphore with both ConfigMapKeyRef and Database".to_owned()),
            (Some(it), None) => LockKind::ConfigMap { name: it.name.clone(), key: it.key.clone() },
            (None, Some(it)) => LockKind::Database { key: it.key.clone(), is_mutex: false },
            (None, None) => {
                return Err("cannot get LockName for a Semaphore without a ConfigMapRef or Database".to_owned());
            }
        };
        Self::checked(semaphore.namespace.as_deref(), namespace, kind)
    }

    fn of_mutex(mutex: &Mutex, namespace: &str) -> Result<Self, String> {
        let name = mutex.name.clone().unwrap_or_default();
        let kind = if mutex.database == Some(true) {
            LockKind::Database { key: name, is_mutex: true }
        } else {
            LockKind::Mutex { name }
        };
        Self::checked(mutex.namespace.as_deref(), namespace, kind)
    }

    fn checked(own: Option<&str>, namespace: &str, kind: LockKind) -> Result<Self, String> {
        let namespace = own.filter(|it| !it.is_empty()).unwrap_or(namespace);
        match &kind {
            _ if namespace.is_empty() => Err("Invalid lock key: Namespace is missing".to_owned()),
            LockKind::Mutex { name: it }
            | LockKind::ConfigMap { name: it, .. }
            | LockKind::Database { key: it, .. }
                if it.is_empty() =>
            {
                Err("Invalid lock key: ResourceName is missing".to_owned())
            }
            LockKind::ConfigMap { key, .. } if key.is_empty() => {
                Err("Invalid lock key: Key is missing for ConfigMap lock".to_owned())
            }
            _ => Ok(Self { namespace: namespace.to_owned(), kind }),
        }
    }

    /// Its key in the tables of the database, for one that lives there: `mtx/<namespace>/<name>`, `sem/<namespace>/<key>`.
    #[must_use]
    pub fn database_key(&self) -> Option<String> {
        let LockKind::Database { key, is_mutex } = &self.kind else { return None };
        Some(format!("{}/{}/{key}", if *is_mutex { "mtx" } else { "sem" }, self.namespace))
    }

    /// Whether it counts as a mutex in `status.synchronization`.
    #[must_use]
    pub fn is_mutex(&self) -> bool {
        matches!(self.kind, LockKind::Mutex { .. } | LockKind::Database { is_mutex: true, .. })
    }
}

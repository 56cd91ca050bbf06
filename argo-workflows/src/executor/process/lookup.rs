//! [`Lookup`]: ConfigMaps and Secrets for processes.

use std::{collections::BTreeMap, fmt};

/// Kinds of objects that give values to containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret; its values are decoded.
    Secret,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        })
    }
}

/// Knows ConfigMaps and Secrets.
#[async_trait::async_trait]
pub trait Lookup: Send + Sync + fmt::Debug {
    /// The data of an object, `None` where it is not there.
    async fn data(&self, source: Source, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>>;
}

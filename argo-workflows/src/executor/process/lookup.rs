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

/// ConfigMaps and Secrets of a Kubernetes API.
#[cfg(feature = "controller")]
pub struct ClusterLookup(argo_core::runtime::Context);

#[cfg(feature = "controller")]
impl ClusterLookup {
    /// Reads with the client of this context.
    #[must_use]
    pub fn new(context: argo_core::runtime::Context) -> Self {
        Self(context)
    }
}

#[cfg(feature = "controller")]
impl fmt::Debug for ClusterLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterLookup")
    }
}

#[cfg(feature = "controller")]
#[async_trait::async_trait]
impl Lookup for ClusterLookup {
    async fn data(&self, source: Source, namespace: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        use argo_core::{Gvk, ObjectRef};
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        use serde_json::Value;

        let target = ObjectRef::new(Gvk::new("", "v1", source.to_string()), Some(namespace), name);
        let object = match self.0.get(&target).await {
            Ok(object) => object?,
            Err(error) => {
                tracing::warn!(%source, namespace, name, %error, "can not be read");
                return None;
            }
        };
        let mut data = BTreeMap::new();
        for (field, encoded) in [("/data", source == Source::Secret), ("/binaryData", true)] {
            for (key, value) in object.pointer(field).and_then(Value::as_object).into_iter().flatten() {
                let text = value.as_str().unwrap_or_default();
                let bytes = if encoded { STANDARD.decode(text).ok() } else { Some(text.as_bytes().to_vec()) };
                data.insert(key.clone(), bytes.unwrap_or_default());
            }
        }
        Some(data)
    }
}

//! Where the vendors' providers find their credentials.

use std::{collections::BTreeMap, fmt};

/// Reads Secrets for providers.
///
/// Contract: `None` names the namespace that the controller runs in. A Secret that does not exist is
/// `None`; an error says why none could be read and holds no value of it.
#[async_trait::async_trait]
pub trait Secrets: Send + Sync + fmt::Debug {
    /// The decoded values of a Secret.
    async fn read(&self, namespace: Option<&str>, name: &str) -> Result<Option<BTreeMap<String, String>>, String>;
}

/// Secrets by name, for tests and for programs that hold their own.
#[async_trait::async_trait]
impl Secrets for BTreeMap<String, BTreeMap<String, String>> {
    async fn read(&self, namespace: Option<&str>, name: &str) -> Result<Option<BTreeMap<String, String>>, String> {
        let key = namespace.map_or_else(|| name.to_owned(), |it| format!("{it}/{name}"));
        Ok(self.get(&key).cloned())
    }
}

/// Secrets of a cluster, read past the caches: they are not watched.
#[cfg(feature = "controller")]
#[derive(Debug)]
pub(crate) struct OfCluster {
    pub(crate) context: argo_core::runtime::Context,
    /// Where the controller runs.
    pub(crate) namespace: String,
}

#[cfg(feature = "controller")]
#[async_trait::async_trait]
impl Secrets for OfCluster {
    async fn read(&self, namespace: Option<&str>, name: &str) -> Result<Option<BTreeMap<String, String>>, String> {
        use base64::Engine;
        let gvk = argo_core::Gvk::new("", "v1", "Secret");
        let target = argo_core::ObjectRef::new(gvk, Some(namespace.unwrap_or(&self.namespace)), name);
        let found = self.context.get(&target).await.map_err(|it| it.to_string())?;
        Ok(found.map(|secret| {
            let data = secret.get("data").and_then(serde_json::Value::as_object);
            let decoded = data.into_iter().flatten().filter_map(|(key, value)| {
                let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str()?).ok()?;
                Some((key.clone(), String::from_utf8_lossy(&bytes).into_owned()))
            });
            decoded.collect()
        }))
    }
}

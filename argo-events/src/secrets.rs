//! Where the values of Secrets and ConfigMaps come from.

use std::{collections::BTreeMap, fmt};

use argo_core::{Category, Failure, Gvk, Object, ObjectRef, runtime::Context};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::api::{ConfigMapKeySelector, SecretKeySelector};

/// A value that nobody prints by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A value that could not be had. Names Secret and key, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {namespace}/{name}, key {key:?}: {message}")]
pub struct SecretError {
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Key.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// The kind of failure.
    pub category: Category,
}

impl Failure for SecretError {
    fn category(&self) -> Category {
        self.category
    }

    fn is_transient(&self) -> bool {
        // Somebody may be about to make it.
        true
    }
}

/// Resolves references of a namespace. One trailing newline of a value is cut, as upstream does.
#[async_trait::async_trait]
pub trait SecretResolver: Send + Sync + fmt::Debug + 'static {
    /// The value of a key of a Secret.
    ///
    /// # Errors
    /// When it is not there or can not be read.
    async fn secret(&self, namespace: &str, selector: &SecretKeySelector) -> Result<Secret, SecretError>;

    /// The value of a key of a ConfigMap.
    ///
    /// # Errors
    /// When it is not there or can not be read.
    async fn config_map(&self, namespace: &str, selector: &ConfigMapKeySelector) -> Result<String, SecretError>;
}

/// Reads the Kubernetes API, past every cache: Secrets are not kept in memory.
#[derive(Debug, Clone)]
pub struct KubeSecrets(Context);

/// Fixed values, for tests and for embedding without Kubernetes.
#[derive(Clone, Default)]
pub struct FixedSecrets(BTreeMap<(String, String, String), String>);

impl Secret {
    /// Takes a value in, without one trailing newline.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        let mut value = value.into();
        if value.ends_with('\n') {
            value.pop();
        }
        Self(value)
    }

    /// The value.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the value, in time that depends on the lengths only.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        use sha2::{Digest, Sha256};
        // Digests have the same length and tell nothing of where texts differ.
        let (a, b) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(other));
        a.iter().zip(b.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FixedSecrets {
    /// With one more value, under a name and key of a namespace.
    #[must_use]
    pub fn with(mut self, namespace: &str, name: &str, key: &str, value: &str) -> Self {
        self.0.insert((namespace.to_owned(), name.to_owned(), key.to_owned()), value.to_owned());
        self
    }

    fn get(&self, kind: &'static str, namespace: &str, it: &SecretKeySelector) -> Result<String, SecretError> {
        let found = self.0.get(&(namespace.to_owned(), it.name.clone(), it.key.clone()));
        found.cloned().ok_or_else(|| error(kind, namespace, it, Category::NotFound, "not found"))
    }
}

impl fmt::Debug for FixedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[async_trait::async_trait]
impl SecretResolver for FixedSecrets {
    async fn secret(&self, namespace: &str, selector: &SecretKeySelector) -> Result<Secret, SecretError> {
        self.get("Secret", namespace, selector).map(Secret::new)
    }

    async fn config_map(&self, namespace: &str, selector: &ConfigMapKeySelector) -> Result<String, SecretError> {
        self.get("ConfigMap", namespace, selector)
    }
}

impl KubeSecrets {
    /// Reads through this context's client.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self(context)
    }

    async fn read(&self, kind: &'static str, namespace: &str, it: &SecretKeySelector) -> Result<Object, SecretError> {
        let target = ObjectRef::new(Gvk::new("", "v1", kind), Some(namespace), &it.name);
        match self.0.get(&target).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(error(kind, namespace, it, Category::NotFound, "not found")),
            Err(failure) => Err(error(kind, namespace, it, failure.category(), &failure.to_string())),
        }
    }
}

#[async_trait::async_trait]
impl SecretResolver for KubeSecrets {
    async fn secret(&self, namespace: &str, selector: &SecretKeySelector) -> Result<Secret, SecretError> {
        let object = self.read("Secret", namespace, selector).await?;
        let fail = |message: &str| error("Secret", namespace, selector, Category::Invalid, message);
        // A server gives `data`; `stringData` is there when nobody translated it.
        if let Some(text) = object.get("stringData").and_then(|it| it.get(&selector.key)).and_then(Value::as_str) {
            return Ok(Secret::new(text));
        }
        let Some(data) = object.get("data").and_then(|it| it.get(&selector.key)).and_then(Value::as_str) else {
            return Err(error("Secret", namespace, selector, Category::NotFound, "the key is not there"));
        };
        let bytes = STANDARD.decode(data).map_err(|_| fail("the value is not base64"))?;
        String::from_utf8(bytes).map(Secret::new).map_err(|_| fail("the value is not text"))
    }

    async fn config_map(&self, namespace: &str, selector: &ConfigMapKeySelector) -> Result<String, SecretError> {
        let object = self.read("ConfigMap", namespace, selector).await?;
        let value = object.get("data").and_then(|it| it.get(&selector.key)).and_then(Value::as_str);
        let missing = || error("ConfigMap", namespace, selector, Category::NotFound, "the key is not there");
        value.map(str::to_owned).ok_or_else(missing)
    }
}

fn error(
    kind: &'static str,
    namespace: &str,
    selector: &SecretKeySelector,
    category: Category,
    message: &str,
) -> SecretError {
    SecretError {
        kind,
        namespace: namespace.to_owned(),
        name: selector.name.clone(),
        key: selector.key.clone(),
        message: message.to_owned(),
        category,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_compare_but_do_not_print() {
        let secret = Secret::new("hunter2\n");
        assert!(secret.matches(b"hunter2") && !secret.matches(b"hunter2\n") && !secret.matches(b""));
        let fixed = FixedSecrets::default().with("n", "s", "k", "hunter2");
        assert!(!format!("{secret:?} {fixed:?}").contains("hunter2"));
    }
}

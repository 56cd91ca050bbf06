//! Credentials from Secrets of the project, then of the shared namespace.

use std::{fmt, sync::Arc};

use argo_core::{Object, runtime::Cache};

use crate::steps::{CredentialKind, CredentialSource, UserPassword, choose};

/// Reads a cache of labelled Secrets.
pub(super) struct SecretCredentials {
    pub(super) secrets: Arc<Cache>,
    pub(super) shared_namespace: String,
}

impl fmt::Debug for SecretCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCredentials")
    }
}

#[async_trait::async_trait]
impl CredentialSource for SecretCredentials {
    async fn find(&self, project: &str, kind: CredentialKind, url: &str) -> Option<UserPassword> {
        [project, &self.shared_namespace].into_iter().find_map(|namespace| {
            let secrets: Vec<Object> = self.secrets.in_namespace(namespace).iter().map(|it| (**it).clone()).collect();
            choose(&secrets, kind, url)
        })
    }
}

//! Artifacts behind URLs: plain HTTP, and Artifactory.

use std::{path::Path, sync::Arc};

use argo_core::Category;
use serde_json::Value;

use super::{ArtifactDriver, ArtifactError, Secrets, kind, transfer};
use crate::api::Artifact;

/// Reads and writes `http` (`url headers auth.basicAuth`) and `artifactory` (`url usernameSecret
/// passwordSecret`) artifacts. OAuth2 and client certificates are not supported.
#[derive(Debug, Clone)]
pub struct HttpDriver {
    secrets: Arc<dyn Secrets>,
}

impl HttpDriver {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets }
    }

    fn request(&self, method: reqwest::Method, artifact: &Artifact) -> Result<reqwest::RequestBuilder, ArtifactError> {
        let invalid = |text: &str| ArtifactError::new(Category::Invalid, text);
        let location = kind(artifact).map(|it| &artifact.extra[it]).ok_or_else(|| invalid("http is required"))?;
        let url = location.get("url").and_then(Value::as_str).ok_or_else(|| invalid("http.url is required"))?;
        for it in ["/auth/oauth2/tokenURLSecret/name", "/auth/clientCert/clientCertSecret/name"] {
            if location.pointer(it).and_then(Value::as_str).is_some_and(|it| !it.is_empty()) {
                return Err(ArtifactError::unsupported("http", it.split('/').nth(2).unwrap_or("auth")));
            }
        }
        let mut request = transfer::client(None)?.request(method, url);
        for it in location.get("headers").and_then(Value::as_array).into_iter().flatten() {
            let text = |field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default();
            request = request.header(text("name"), text("value"));
        }
        let secret = |pointer: &str| transfer::secret(&*self.secrets, location, pointer);
        let user = secret("/auth/basicAuth/usernameSecret")?.or(secret("/usernameSecret")?);
        let password = secret("/auth/basicAuth/passwordSecret")?.or(secret("/passwordSecret")?);
        if let Some(user) = user {
            request = request.basic_auth(user, password);
        }
        Ok(request)
    }
}

#[async_trait::async_trait]
impl ArtifactDriver for HttpDriver {
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError> {
        let response = transfer::send(self.request(reqwest::Method::GET, artifact)?).await?;
        transfer::into_file(response, to).await
    }

    async fn save(&self, from: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
        if from.is_dir() {
            return Err(ArtifactError::unsupported("http", "saving directories"));
        }
        let bytes = std::fs::read(from).map_err(|it| ArtifactError::io("open", from, &it))?;
        transfer::send(self.request(reqwest::Method::PUT, artifact)?.body(bytes)).await.map(|_| ())
    }

    async fn list(&self, _: &Artifact) -> Result<Vec<String>, ArtifactError> {
        Err(ArtifactError::unsupported("http", "listing"))
    }

    async fn delete(&self, artifact: &Artifact) -> Result<(), ArtifactError> {
        match transfer::send(self.request(reqwest::Method::DELETE, artifact)?).await {
            Err(error) if error.category != Category::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

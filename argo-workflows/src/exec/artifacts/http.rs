//! Artifacts behind URLs: plain HTTP, and Artifactory.

use std::{path::Path, sync::Arc};

use argo_core::Category;
use serde_json::Value;

use super::{ArtifactDriver, ArtifactError, Secrets, kind, oauth::Credentials, transfer};
use crate::api::Artifact;

/// Reads and writes `http` (`url headers auth.basicAuth`) and `artifactory` (`url usernameSecret
/// passwordSecret`) artifacts; `auth` of `http` is `basicAuth`, `clientCert` or `oauth2` (client credentials).
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

    async fn request(
        &self,
        method: reqwest::Method,
        artifact: &Artifact,
    ) -> Result<reqwest::RequestBuilder, ArtifactError> {
        let invalid = |text: &str| ArtifactError::new(Category::Invalid, text);
        let location = kind(artifact).map(|it| &artifact.extra[it]).ok_or_else(|| invalid("http is required"))?;
        let url = location.get("url").and_then(Value::as_str).ok_or_else(|| invalid("http.url is required"))?;
        let secret = |pointer: &str| transfer::secret(&*self.secrets, location, pointer);
        let certificate = secret("/auth/clientCert/clientCertSecret")?;
        let own = match (certificate, secret("/auth/clientCert/clientKeySecret")?) {
            (Some(certificate), Some(key)) => Some(format!("{certificate}\n{key}")),
            _ => None,
        };
        let client = transfer::client_as(None, own.as_deref())?;
        let mut request = client.request(method, url);
        if let Some(oauth) = Credentials::read(location, &*self.secrets)? {
            request = request.bearer_auth(oauth.token().await?);
        }
        for it in location.get("headers").and_then(Value::as_array).into_iter().flatten() {
            let text = |field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default();
            request = request.header(text("name"), text("value"));
        }
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
        let response = transfer::send(self.request(reqwest::Method::GET, artifact).await?).await?;
        transfer::into_file(response, to).await
    }

    async fn save(&self, from: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
        if from.is_dir() {
            return Err(ArtifactError::unsupported("http", "saving directories"));
        }
        let bytes = std::fs::read(from).map_err(|it| ArtifactError::io("open", from, &it))?;
        transfer::send(self.request(reqwest::Method::PUT, artifact).await?.body(bytes)).await.map(|_| ())
    }

    async fn list(&self, _: &Artifact) -> Result<Vec<String>, ArtifactError> {
        Err(ArtifactError::unsupported("http", "listing"))
    }

    async fn delete(&self, artifact: &Artifact) -> Result<(), ArtifactError> {
        match transfer::send(self.request(reqwest::Method::DELETE, artifact).await?).await {
            Err(error) if error.category != Category::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

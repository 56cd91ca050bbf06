//! How to get into repositories: Secrets with a label that says what they are for.

use std::fmt;

use argo_core::Object;
use base64::Engine as _;

use crate::{
    api::names,
    engine::urls::{normalize_chart, normalize_git, normalize_image},
};

/// What credentials are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A git repository.
    Git,
    /// A chart repository.
    Helm,
    /// An image repository.
    Image,
}

impl CredentialKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Helm => "helm",
            Self::Image => "image",
        }
    }

    fn normalize(self, url: &str) -> String {
        match self {
            Self::Git => normalize_git(url),
            Self::Helm => normalize_chart(url),
            Self::Image => normalize_image(url),
        }
    }
}

/// A user and a password, or a key. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserPassword {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
    /// A private key in OpenSSH form, instead of a password.
    pub ssh_private_key: String,
}

impl fmt::Debug for UserPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserPassword({}, …)", self.username)
    }
}

impl UserPassword {
    /// As git takes them.
    #[must_use]
    pub fn for_git(self) -> argo_core::git::Credentials {
        if self.ssh_private_key.is_empty() {
            argo_core::git::Credentials::Basic { username: self.username, password: self.password }
        } else {
            argo_core::git::Credentials::Ssh { private_key: self.ssh_private_key }
        }
    }
}

/// Finds credentials for repositories.
#[async_trait::async_trait]
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// The credentials of a project for a repository; `None` means to try without.
    async fn find(&self, project: &str, kind: CredentialKind, url: &str) -> Option<UserPassword>;
}

/// No credentials at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

#[async_trait::async_trait]
impl CredentialSource for NoCredentials {
    async fn find(&self, _: &str, _: CredentialKind, _: &str) -> Option<UserPassword> {
        None
    }
}

/// The credentials for a repository among Secrets: in order of their names, exact URLs and patterns alike. Plain HTTP
/// gets none.
#[must_use]
pub fn choose(secrets: &[Object], kind: CredentialKind, url: &str) -> Option<UserPassword> {
    if url.trim().to_lowercase().starts_with("http://") {
        return None;
    }
    let wanted = kind.normalize(url);
    let mut sorted: Vec<&Object> =
        secrets.iter().filter(|it| it.label(names::LABEL_CRED_TYPE) == Some(kind.as_str())).collect();
    sorted.sort_by(|a, b| a.name().cmp(b.name()));
    let value = |secret: &Object, key: &str| -> String {
        let encoded = secret.get("data").and_then(|it| it.get(key)).and_then(|it| it.as_str());
        let decoded = encoded.and_then(|it| base64::engine::general_purpose::STANDARD.decode(it).ok());
        let plain = secret.get("stringData").and_then(|it| it.get(key)).and_then(|it| it.as_str());
        let text = decoded.map(|it| String::from_utf8_lossy(&it).into_owned());
        text.or_else(|| plain.map(str::to_owned)).unwrap_or_default()
    };
    let fits = |secret: &&&Object| {
        let pattern = value(secret, "repoURL");
        if value(secret, "repoURLIsRegex") != "true" {
            return !pattern.is_empty() && kind.normalize(&pattern) == wanted;
        }
        match argo_lang::regexp::compile(&pattern) {
            Ok(regex) => regex.is_match(url) || regex.is_match(&wanted),
            Err(_) => {
                tracing::warn!(secret = %secret.key(), "repoURL of these credentials is not a regular expression");
                false
            }
        }
    };
    let found = sorted.iter().find(fits)?;
    Some(UserPassword {
        username: value(found, "username"),
        password: value(found, "password"),
        ssh_private_key: value(found, "sshPrivateKey"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_secret_that_fits_wins() {
        let secret = |name: &str, kind: &str, url: &str, regex: bool| {
            Object::from_value(json!({"kind": "Secret", "apiVersion": "v1",
                "metadata": {"name": name, "labels": {"kargo.akuity.io/cred-type": kind}},
                "stringData": {"repoURL": url, "repoURLIsRegex": regex.to_string(), "username": name, "password": "p"}}))
        };
        let all = [
            secret("z", "git", "https://github.com/a/b.git", false),
            secret("m", "git", "^https://github.com/a/", true),
            secret("a", "image", "ghcr.io/a/b", false),
            secret("b", "git", "(", true),
        ];
        let user = |kind, url| choose(&all, kind, url).map(|it| it.username);
        assert_eq!(user(CredentialKind::Git, "https://github.com/A/B"), Some("m".to_owned()));
        assert_eq!(user(CredentialKind::Image, "ghcr.io/a/b:v1"), Some("a".to_owned()));
        assert_eq!(user(CredentialKind::Git, "http://github.com/a/b"), None, "not over plain HTTP");
        assert_eq!(user(CredentialKind::Helm, "ghcr.io/a/b"), None);
        let found = choose(&all, CredentialKind::Image, "ghcr.io/a/b").unwrap();
        assert!(!format!("{found:?}").contains("\"p\""));
    }
}

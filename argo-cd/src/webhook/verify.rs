//! Secrets and signatures.

use std::fmt;

use argo_core::Object;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::engine::secrets;

/// What hosts share with this installation, from the Secret `argocd-secret`; empty ones are not asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// `webhook.github.secret`; packages of GHCR are signed with it, too.
    pub github: String,
    /// `webhook.gitlab.secret`.
    pub gitlab: String,
    /// `webhook.bitbucket.uuid`.
    pub bitbucket: String,
    /// `webhook.bitbucketserver.secret`.
    pub bitbucket_server: String,
    /// `webhook.gogs.secret`.
    pub gogs: String,
    /// `webhook.azuredevops.username`.
    pub azure_username: String,
    /// `webhook.azuredevops.password`.
    pub azure_password: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// From `argocd-secret`. A value `$key` stands for another key of it.
    #[must_use]
    pub fn read(secret: &Object) -> Self {
        let of = |key: &str| {
            let value = secrets::text(secret, key).unwrap_or_default();
            match value.strip_prefix('$') {
                Some(other) => secrets::text(secret, other).unwrap_or(value),
                None => value,
            }
        };
        Self {
            github: of("webhook.github.secret"),
            gitlab: of("webhook.gitlab.secret"),
            bitbucket: of("webhook.bitbucket.uuid"),
            bitbucket_server: of("webhook.bitbucketserver.secret"),
            gogs: of("webhook.gogs.secret"),
            azure_username: of("webhook.azuredevops.username"),
            azure_password: of("webhook.azuredevops.password"),
        }
    }
}

/// Whether a hex signature is the body's under SHA-256.
pub(super) fn sha256(secret: &str, body: &[u8], signature: &str) -> bool {
    let (Ok(mut mac), Ok(signature)) = (Hmac::<Sha256>::new_from_slice(secret.as_bytes()), hex::decode(signature))
    else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// Whether a hex signature is the body's under SHA-1.
pub(super) fn sha1(secret: &str, body: &[u8], signature: &str) -> bool {
    let (Ok(mut mac), Ok(signature)) = (Hmac::<Sha1>::new_from_slice(secret.as_bytes()), hex::decode(signature)) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// Compares in a time that does not depend on where the texts differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0_u8, |differs, (a, b)| differs | (a ^ b)) == 0
}

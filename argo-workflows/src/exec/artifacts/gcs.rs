//! Artifacts in Google Cloud Storage, by its JSON API.

use std::{path::Path, sync::Arc};

use argo_core::{Category, Clock, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ArtifactDriver, ArtifactError, Secrets,
    store::{self, ObjectStore, encode},
    transfer,
};
use crate::api::Artifact;

const API: &str = "https://storage.googleapis.com";
/// Where machines of Google ask for a token of their own.
const METADATA: &str = "http://metadata.google.internal";
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// Most pages of one listing, a thousand keys each.
const MAX_PAGES: usize = 1000;

/// Reads and writes `gcs` artifacts: `bucket key serviceAccountKeySecret`. Without a key of a service account
/// the machine's own identity serves (workload identity).
#[derive(Debug, Clone)]
pub struct GcsDriver {
    secrets: Arc<dyn Secrets>,
    clock: Clock,
    api: String,
    metadata: String,
}

/// The key of a service account, as its file has it.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    token_uri: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

struct Bucket<'d> {
    driver: &'d GcsDriver,
    name: String,
    token: String,
}

fn invalid(text: impl Into<String>) -> ArtifactError {
    ArtifactError::new(Category::Invalid, text)
}

impl GcsDriver {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        let host = std::env::var("GCE_METADATA_HOST").ok().filter(|it| !it.is_empty());
        let metadata = host.map_or_else(|| METADATA.to_owned(), |it| format!("http://{it}"));
        Self { secrets, clock: Clock::system(), api: API.to_owned(), metadata }
    }

    /// Speaks to another server of this API.
    #[must_use]
    pub fn endpoint(mut self, url: &str) -> Self {
        self.api = url.trim_end_matches('/').to_owned();
        self
    }

    /// Asks another server for the machine's own token.
    #[must_use]
    pub fn metadata(mut self, url: &str) -> Self {
        self.metadata = url.trim_end_matches('/').to_owned();
        self
    }

    async fn open(&self, artifact: &Artifact) -> Result<(Bucket<'_>, String), ArtifactError> {
        let gcs = artifact.extra.get("gcs").ok_or_else(|| invalid("gcs is required"))?;
        let text = |field: &str| gcs.get(field).and_then(Value::as_str).filter(|it| !it.is_empty());
        let name = text("bucket").ok_or_else(|| invalid("gcs.bucket is required"))?.to_owned();
        let key = text("key").ok_or_else(|| invalid("gcs.key is required"))?.to_owned();
        let account = transfer::secret(&*self.secrets, gcs, "/serviceAccountKeySecret")?;
        let request = match account {
            Some(json) => {
                // What is in it stays out of the error.
                let account: ServiceAccount = serde_json::from_str(&json)
                    .map_err(|_| invalid("gcs.serviceAccountKeySecret holds no key of a service account"))?;
                let url = match account.token_uri.as_str() {
                    "" => "https://oauth2.googleapis.com/token",
                    own => own,
                };
                let assertion = assertion(&account, url, self.clock.now())?;
                let form =
                    format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
                transfer::form(transfer::client(None)?.post(url), form)
            }
            None => {
                let url = format!("{}/computeMetadata/v1/instance/service-accounts/default/token", self.metadata);
                transfer::client(None)?.get(url).header("Metadata-Flavor", "Google")
            }
        };
        let token: Token = transfer::json(transfer::send(request).await?).await?;
        Ok((Bucket { driver: self, name, token: token.access_token }, key))
    }
}

/// A token request signed with the account's key (RFC 7523).
fn assertion(account: &ServiceAccount, audience: &str, now: Timestamp) -> Result<String, ArtifactError> {
    let part = |it: Value| URL_SAFE_NO_PAD.encode(it.to_string());
    let header = part(json!({"alg": "RS256", "kid": account.private_key_id, "typ": "JWT"}));
    let (from, until) = (now.as_second(), now.as_second() + 3600);
    let claims = part(json!({
        "aud": audience, "exp": until, "iat": from, "iss": account.client_email, "scope": SCOPE,
    }));
    let text = format!("{header}.{claims}");
    let unusable = || invalid("the private_key of the service account can not be used: it must be RSA, in PEM form");
    let key = PrivateKeyDer::from_pem_slice(account.private_key.as_bytes()).map_err(|_| unusable())?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| unusable())?;
    let signer = key.choose_scheme(&[rustls::SignatureScheme::RSA_PKCS1_SHA256]).ok_or_else(unusable)?;
    let signature = signer.sign(text.as_bytes()).map_err(|_| unusable())?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

impl Bucket<'_> {
    fn request(&self, method: reqwest::Method, path: &str) -> Result<reqwest::RequestBuilder, ArtifactError> {
        Ok(transfer::client(None)?.request(method, format!("{}{path}", self.driver.api)).bearer_auth(&self.token))
    }

    fn object(&self, key: &str) -> String {
        format!("/storage/v1/b/{}/o/{}", encode(&self.name, false), encode(key, false))
    }
}

#[async_trait::async_trait]
impl ObjectStore for Bucket<'_> {
    async fn get(&self, key: &str, to: &Path) -> Result<(), ArtifactError> {
        let path = format!("{}?alt=media", self.object(key));
        transfer::into_file(transfer::send(self.request(reqwest::Method::GET, &path)?).await?, to).await
    }

    async fn put(&self, key: &str, from: &Path) -> Result<(), ArtifactError> {
        let bytes = std::fs::read(from).map_err(|it| ArtifactError::io("open", from, &it))?;
        let path = format!(
            "/upload/storage/v1/b/{}/o?uploadType=media&name={}",
            encode(&self.name, false),
            encode(key, false)
        );
        let request = self.request(reqwest::Method::POST, &path)?.header("content-type", "application/octet-stream");
        transfer::send(request.body(bytes)).await.map(|_| ())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, ArtifactError> {
        let mut keys = Vec::new();
        let mut page = String::new();
        for _ in 0..MAX_PAGES {
            let mut path = format!("/storage/v1/b/{}/o?prefix={}", encode(&self.name, false), encode(prefix, false));
            if !page.is_empty() {
                path.push_str(&format!("&pageToken={}", encode(&page, false)));
            }
            let answer: Value =
                transfer::json(transfer::send(self.request(reqwest::Method::GET, &path)?).await?).await?;
            let items = answer.get("items").and_then(Value::as_array).into_iter().flatten();
            keys.extend(items.filter_map(|it| it.get("name")?.as_str().map(str::to_owned)));
            match answer.get("nextPageToken").and_then(Value::as_str) {
                Some(next) if !next.is_empty() => next.clone_into(&mut page),
                _ => break,
            }
        }
        Ok(keys)
    }

    async fn remove(&self, key: &str) -> Result<(), ArtifactError> {
        transfer::send(self.request(reqwest::Method::DELETE, &self.object(key))?).await.map(|_| ())
    }
}

#[async_trait::async_trait]
impl ArtifactDriver for GcsDriver {
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError> {
        let (bucket, key) = self.open(artifact).await?;
        store::load(&bucket, &key, to).await
    }

    async fn save(&self, from: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
        let (bucket, key) = self.open(artifact).await?;
        store::save(&bucket, from, &key).await
    }

    async fn list(&self, artifact: &Artifact) -> Result<Vec<String>, ArtifactError> {
        let (bucket, key) = self.open(artifact).await?;
        bucket.keys(&key).await
    }

    async fn delete(&self, artifact: &Artifact) -> Result<(), ArtifactError> {
        let (bucket, key) = self.open(artifact).await?;
        store::delete(&bucket, &key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature is what `openssl dgst -sha256 -sign` makes of the same text with the same key.
    #[test]
    fn the_assertion_is_signed_as_openssl_signs_it() {
        let account = ServiceAccount {
            client_email: "a@b".into(),
            private_key: include_str!("data/rsa-for-tests.pem").into(),
            private_key_id: "k1".into(),
            token_uri: String::new(),
        };
        let expected = concat!(
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJhdWQiOiJodHRwczovL3Rva2VuIiwiZXhwIj",
            "ozNjAwLCJpYXQiOjAsImlzcyI6ImFAYiIsInNjb3BlIjoiaHR0cHM6Ly93d3cuZ29vZ2xlYXBpcy5jb20vYXV0aC9k",
            "ZXZzdG9yYWdlLnJlYWRfd3JpdGUifQ.QbEjr1xGQ16S22Cn2J-rxRPDPpXVFRmhc83DneWeae7qsubfruzJTnE8FbN",
            "MHTqSn4EnEEKo_ZZsaJ-rdIoEoWPSSS7VXDQzjldoSiom-96oZolvpeHHGkQd9ssiZ4b4OlmVe5pI7PS40FpbdrPe1",
            "w-9jekGvYz4C14b1Ut2jTx82tKetgXy9JkBeTZWKLI2e7Fj2u89d8c0CgQHw8ArioAfSeyAmf3dKK2kCea0SnxGqAx",
            "NuYarP50aMBL4RnnXEd6beSt8O06weJ1MZBhWHJ6iXKz2wSorjIsBQCRGHxNoZUwTEwQCcJw_SLVt6JaZYjrWDW9XW",
            "2GSUCqUvUCR-A",
        );
        assert_eq!(assertion(&account, "https://token", Timestamp::UNIX_EPOCH).unwrap(), expected);
        let broken = ServiceAccount { private_key: "-----BEGIN PRIVATE KEY-----\nAAAA\n".into(), ..account };
        let error = assertion(&broken, "https://token", Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(error.message.contains("must be RSA") && !error.message.contains("AAAA"), "{error}");
    }
}

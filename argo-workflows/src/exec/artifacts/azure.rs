//! Artifacts in Azure Blob Storage.

use std::{fmt::Write as _, path::Path, sync::Arc};

use argo_core::{Category, Clock, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::{
    ArtifactDriver, ArtifactError, Secrets,
    s3::elements,
    store::{self, ObjectStore, encode},
    transfer,
};
use crate::api::Artifact;

const VERSION: &str = "2021-08-06";
/// Where machines of Azure ask for a token of their own.
const METADATA: &str = "http://169.254.169.254";
const RESOURCE: &str = "https://storage.azure.com/";
/// Most pages of one listing, five thousand keys each.
const MAX_PAGES: usize = 1000;

/// Reads and writes `azure` artifacts: `endpoint container blob accountKeySecret useSDKCreds`. The secret
/// holds a key of the account, or a SAS token; with `useSDKCreds` workload identity or the machine's own
/// managed identity serves.
#[derive(Debug, Clone)]
pub struct AzureDriver {
    secrets: Arc<dyn Secrets>,
    clock: Clock,
    metadata: String,
}

enum Access {
    Key { account: String, key: Vec<u8> },
    Sas(String),
    Bearer(String),
}

struct Container<'d> {
    driver: &'d AzureDriver,
    /// With the container's name, without a slash at its end.
    url: reqwest::Url,
    access: Access,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

fn invalid(text: impl Into<String>) -> ArtifactError {
    ArtifactError::new(Category::Invalid, text)
}

impl AzureDriver {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, clock: Clock::system(), metadata: METADATA.to_owned() }
    }

    /// Asks another server for the machine's own token.
    #[must_use]
    pub fn metadata(mut self, url: &str) -> Self {
        self.metadata = url.trim_end_matches('/').to_owned();
        self
    }

    async fn open(&self, artifact: &Artifact) -> Result<(Container<'_>, String), ArtifactError> {
        let azure = artifact.extra.get("azure").ok_or_else(|| invalid("azure is required"))?;
        let text = |field: &str| azure.get(field).and_then(Value::as_str).filter(|it| !it.is_empty());
        let required = |field: &str| text(field).ok_or_else(|| invalid(format!("azure.{field} is required")));
        let (endpoint, container, blob) = (required("endpoint")?, required("container")?, required("blob")?);
        let url = format!("{}/{}", endpoint.trim_end_matches('/'), encode(container, false));
        let url = reqwest::Url::parse(&url)
            .map_err(|it| invalid(format!("unable to parse Azure Blob Storage endpoint url {endpoint}: {it}")))?;
        let access = if azure.get("useSDKCreds") == Some(&Value::Bool(true)) {
            Access::Bearer(self.own_token().await?)
        } else {
            let missing = "accountKey secret is required for Azure Blob Storage if useSDKCreds is false";
            let secret = transfer::secret(&*self.secrets, azure, "/accountKeySecret")?;
            access(&url, &secret.ok_or_else(|| invalid(missing))?)?
        };
        Ok((Container { driver: self, url, access }, blob.to_owned()))
    }

    /// A token of the workload's identity, or else of the machine's.
    async fn own_token(&self) -> Result<String, ArtifactError> {
        let var = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        let federated = (var("AZURE_FEDERATED_TOKEN_FILE"), var("AZURE_CLIENT_ID"), var("AZURE_TENANT_ID"));
        let request = if let (Some(file), Some(client), Some(tenant)) = federated {
            let assertion =
                std::fs::read_to_string(&file).map_err(|it| ArtifactError::io("open", Path::new(&file), &it))?;
            let authority =
                var("AZURE_AUTHORITY_HOST").unwrap_or_else(|| "https://login.microsoftonline.com".to_owned());
            let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
            let form = format!(
                "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_id={}&client_assertion={}&scope={}",
                encode(&client, false),
                encode(assertion.trim(), false),
                encode(&format!("{RESOURCE}.default"), false)
            );
            transfer::form(transfer::client(None)?.post(url), form)
        } else {
            let path = "metadata/identity/oauth2/token?api-version=2018-02-01";
            let url = format!("{}/{path}&resource={}", self.metadata, encode(RESOURCE, false));
            transfer::client(None)?.get(url).header("Metadata", "true")
        };
        let token: Token = transfer::json(transfer::send(request).await?).await?;
        Ok(token.access_token)
    }
}

/// What a secret gives access by: a SAS token is known by its parameters.
fn access(url: &reqwest::Url, secret: &str) -> Result<Access, ArtifactError> {
    let is_sas = secret.split_once(['?', '&']).is_some_and(|(_, rest)| {
        rest.split_once('=')
            .is_some_and(|(name, value)| !name.is_empty() && !value.is_empty() && !value.starts_with('&'))
    });
    if is_sas {
        return Ok(Access::Sas(secret.trim_start_matches('?').to_owned()));
    }
    let host = url.host_str().unwrap_or_default();
    let account = if host.starts_with("127.0.0.1") || host.starts_with("localhost") {
        let mut parts = url.path().split('/').skip(1);
        let account = parts.next().unwrap_or_default().to_owned();
        parts.next().ok_or_else(|| invalid(format!("unable to determine storage account name from {url}")))?;
        account
    } else {
        host.split('.').next().unwrap_or_default().to_owned()
    };
    let key = STANDARD
        .decode(secret)
        .map_err(|_| invalid("unable to create Azure shared key credential: the account key is no base64"))?;
    Ok(Access::Key { account, key })
}

/// What the signature of a request covers.
struct Request<'a> {
    method: &'a str,
    url: &'a reqwest::Url,
    length: usize,
    content_type: &'a str,
    /// Names and values of `x-ms-` headers, by name.
    headers: &'a [(&'a str, String)],
}

/// The header `authorization` of a request (Shared Key).
fn sign(account: &str, key: &[u8], request: &Request<'_>) -> String {
    let length = if request.length == 0 { String::new() } else { request.length.to_string() };
    let mut text = format!("{}\n\n\n{length}\n\n{}\n\n\n\n\n\n\n", request.method, request.content_type);
    for (name, value) in request.headers {
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "/{account}{}", request.url.path());
    let mut query: Vec<(String, String)> =
        request.url.query_pairs().map(|(name, value)| (name.to_lowercase(), value.into_owned())).collect();
    query.sort();
    for (name, value) in query {
        let _ = write!(text, "\n{name}:{value}");
    }
    // A MAC takes keys of every length.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else { return String::new() };
    mac.update(text.as_bytes());
    format!("SharedKey {account}:{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn date(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

impl Container<'_> {
    async fn call(
        &self,
        method: reqwest::Method,
        blob: Option<&str>,
        query: &str,
        body: Option<Vec<u8>>,
    ) -> Result<reqwest::Response, ArtifactError> {
        let mut url = self.url.clone();
        if let Some(blob) = blob {
            url.set_path(&format!("{}/{}", url.path(), encode(blob, true)));
        }
        let sas = if let Access::Sas(token) = &self.access { token.as_str() } else { "" };
        let all: Vec<&str> = [query, sas].into_iter().filter(|it| !it.is_empty()).collect();
        url.set_query(Some(all.join("&").as_str()).filter(|it| !it.is_empty()));
        let content_type = if body.is_some() { "application/octet-stream" } else { "" };
        let mut headers = vec![("x-ms-date", date(self.driver.clock.now())), ("x-ms-version", VERSION.to_owned())];
        if body.is_some() {
            headers.insert(0, ("x-ms-blob-type", "BlockBlob".to_owned()));
        }
        let length = body.as_ref().map_or(0, Vec::len);
        let mut request = transfer::client(None)?.request(method.clone(), url.clone());
        match &self.access {
            Access::Key { account, key } => {
                let of = Request { method: method.as_str(), url: &url, length, content_type, headers: &headers };
                request = request.header("authorization", sign(account, key, &of));
            }
            Access::Bearer(token) => request = request.bearer_auth(token),
            Access::Sas(_) => {}
        }
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", content_type).body(body);
        }
        transfer::send(request).await
    }
}

#[async_trait::async_trait]
impl ObjectStore for Container<'_> {
    async fn get(&self, key: &str, to: &Path) -> Result<(), ArtifactError> {
        transfer::into_file(self.call(reqwest::Method::GET, Some(key), "", None).await?, to).await
    }

    async fn put(&self, key: &str, from: &Path) -> Result<(), ArtifactError> {
        let bytes = std::fs::read(from).map_err(|it| ArtifactError::io("open", from, &it))?;
        self.call(reqwest::Method::PUT, Some(key), "", Some(bytes)).await.map(|_| ())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, ArtifactError> {
        let mut keys = Vec::new();
        let mut marker = String::new();
        for _ in 0..MAX_PAGES {
            let mut query = format!("restype=container&comp=list&prefix={}", encode(prefix, false));
            if !marker.is_empty() {
                let _ = write!(query, "&marker={}", encode(&marker, false));
            }
            let answer = self.call(reqwest::Method::GET, None, &query, None).await?;
            let text = answer.text().await.map_err(|it| ArtifactError::new(Category::Unavailable, it.to_string()))?;
            keys.extend(elements(&text, "Name"));
            match elements(&text, "NextMarker").into_iter().next() {
                Some(next) if !next.is_empty() => marker = next,
                _ => break,
            }
        }
        Ok(keys)
    }

    async fn remove(&self, key: &str) -> Result<(), ArtifactError> {
        self.call(reqwest::Method::DELETE, Some(key), "", None).await.map(|_| ())
    }
}

#[async_trait::async_trait]
impl ArtifactDriver for AzureDriver {
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError> {
        let (container, blob) = self.open(artifact).await?;
        store::load(&container, &blob, to).await
    }

    async fn save(&self, from: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
        let (container, blob) = self.open(artifact).await?;
        store::save(&container, from, &blob).await
    }

    async fn list(&self, artifact: &Artifact) -> Result<Vec<String>, ArtifactError> {
        let (container, blob) = self.open(artifact).await?;
        container.keys(&blob).await
    }

    async fn delete(&self, artifact: &Artifact) -> Result<(), ArtifactError> {
        let (container, blob) = self.open(artifact).await?;
        store::delete(&container, &blob).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What azblob 1.8.3 sent with the key `c2VjcmV0IGtleSBmb3IgdGVzdHM=` in that second.
    const SENT: &[(&str, &str, usize, &str)] = &[
        (
            "GET",
            "https://acc.blob.core.windows.net/box/a%20b%2F%C3%BC.txt",
            0,
            "acc:+UT2JVE11SCJRaBuOY59v5fJf3ng3uTJ+bO1BplXBi4=",
        ),
        (
            "PUT",
            "https://acc.blob.core.windows.net/box/a%20b%2Ff",
            5,
            "acc:MTf1SmgfEMfbG8oKX3EcewwgprTM8UlraMBZZSXqZiA=",
        ),
        (
            "GET",
            "https://acc.blob.core.windows.net/box?comp=list&prefix=a%20b%2F&restype=container",
            0,
            "acc:83PFmj7U6w3IiB3GijKyKwQltlBg6GHrDhqeavy1M4E=",
        ),
        ("DELETE", "https://acc.blob.core.windows.net/box/x", 0, "acc:hk0bmGp0dBa/7e9PC2wOtKpn/GwPGgvrnbjvwY/7m2E="),
        (
            "GET",
            "http://127.0.0.1:10000/devstoreaccount1/box/a%20b%2F%C3%BC.txt",
            0,
            "devstoreaccount1:LJz8+CS/xvPFFMlVPzT2tQTNguI7fKpekEbXuHoLnU8=",
        ),
        (
            "PUT",
            "http://127.0.0.1:10000/devstoreaccount1/box/a%20b%2Ff",
            5,
            "devstoreaccount1:jbK/pYmmNTmqRHNdVvouJkgp4jBBj35ZMOJwL4s9X5U=",
        ),
        (
            "GET",
            "http://127.0.0.1:10000/devstoreaccount1/box?comp=list&prefix=a%20b%2F&restype=container",
            0,
            "devstoreaccount1:6s7hRlpCz/wUNmPyxT3XR/iOJiX/kNnW/Fg1K0sHSAM=",
        ),
        (
            "DELETE",
            "http://127.0.0.1:10000/devstoreaccount1/box/x",
            0,
            "devstoreaccount1:q9bT8ZTel9Qmv3xdUoteUAKxsJ7wfvNCxhnJ7cMLFFs=",
        ),
    ];

    #[test]
    fn requests_are_signed_as_azures_own_client_signs_them() {
        for (method, url, length, expected) in SENT {
            let url = reqwest::Url::parse(url).unwrap();
            let Ok(Access::Key { account, key }) = access(&url, "c2VjcmV0IGtleSBmb3IgdGVzdHM=") else {
                panic!("a key of the account")
            };
            let mut headers = vec![
                ("x-ms-date", "Mon, 23 Nov 2026 19:10:28 GMT".to_owned()),
                ("x-ms-version", "2026-12-06".to_owned()),
            ];
            let mut content_type = "";
            if *length > 0 {
                headers.insert(0, ("x-ms-blob-type", "BlockBlob".to_owned()));
                content_type = "application/octet-stream";
            }
            let request = Request { method, url: &url, length: *length, content_type, headers: &headers };
            assert_eq!(sign(&account, &key, &request), format!("SharedKey {expected}"), "{method} {url}");
        }
        assert_eq!(date(argo_core::time::parse("2026-11-23T19:10:28Z").unwrap()), "Mon, 23 Nov 2026 19:10:28 GMT");
    }

    #[test]
    fn a_token_is_known_by_its_parameters() {
        let url = reqwest::Url::parse("https://acc.blob.core.windows.net/box").unwrap();
        assert!(matches!(access(&url, "?sv=2021&sig=abc"), Ok(Access::Sas(it)) if it == "sv=2021&sig=abc"));
        assert!(matches!(access(&url, "sv=2021&sig=abc"), Ok(Access::Sas(_))));
        assert!(matches!(access(&url, "c2VjcmV0"), Ok(Access::Key { .. })));
        assert!(access(&url, "no base64!").is_err());
        let local = reqwest::Url::parse("http://localhost/box").unwrap();
        let error = access(&local, "c2VjcmV0").err().unwrap();
        assert!(error.message.contains("unable to determine storage account name"), "{error}");
    }
}

//! Artifacts in S3 and what speaks its protocol.

use std::{fmt::Write as _, path::Path, sync::Arc};

use argo_core::{Category, Clock, Timestamp};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    ArtifactDriver, ArtifactError, Secrets,
    store::{self, ObjectStore, encode},
    transfer,
};
use crate::api::Artifact;

/// Most keys of one listing: a million.
const MAX_KEYS: usize = 1_000_000;

/// Reads and writes `s3` artifacts: `endpoint bucket region insecure key accessKeySecret secretKeySecret
/// sessionTokenSecret caSecret createBucketIfNotPresent`. Requests are signed with version 4; without
/// credentials they go unsigned. Buckets stand in the path.
#[derive(Debug, Clone)]
pub struct S3Driver {
    secrets: Arc<dyn Secrets>,
    clock: Clock,
}

struct Place {
    base: String,
    host: String,
    bucket: String,
    key: String,
    region: String,
    access: Option<Access>,
    ca: Option<String>,
}

struct Access {
    id: String,
    secret: String,
    token: Option<String>,
}

impl S3Driver {
    /// With a place to look credentials up.
    #[must_use]
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets, clock: Clock::system() }
    }

    fn place(&self, artifact: &Artifact) -> Result<Place, ArtifactError> {
        let invalid = |text: &str| ArtifactError::new(Category::Invalid, text);
        let s3 = artifact.extra.get("s3").ok_or_else(|| invalid("s3 is required"))?;
        let text = |field: &str| s3.get(field).and_then(Value::as_str).filter(|it| !it.is_empty());
        let endpoint = text("endpoint").unwrap_or("s3.amazonaws.com");
        let scheme = if s3.get("insecure") == Some(&Value::Bool(true)) { "http" } else { "https" };
        let secret = |pointer: &str| transfer::secret(&*self.secrets, s3, pointer);
        let access = match (secret("/accessKeySecret")?, secret("/secretKeySecret")?) {
            (Some(id), Some(secret_key)) => {
                Some(Access { id, secret: secret_key, token: secret("/sessionTokenSecret")? })
            }
            _ => None,
        };
        Ok(Place {
            base: format!("{scheme}://{endpoint}"),
            host: endpoint.to_owned(),
            bucket: text("bucket").ok_or_else(|| invalid("s3.bucket is required"))?.to_owned(),
            key: text("key").unwrap_or_default().trim_start_matches('/').to_owned(),
            region: text("region").unwrap_or("us-east-1").to_owned(),
            access,
            ca: secret("/caSecret")?,
        })
    }

    async fn call(
        &self,
        place: &Place,
        method: reqwest::Method,
        key: &str,
        query: &[(&str, &str)],
        body: Option<(Vec<u8>, String)>,
    ) -> Result<reqwest::Response, ArtifactError> {
        let path = format!("/{}/{}", encode(&place.bucket, false), encode(key, true));
        let path = path.trim_end_matches('/').to_owned();
        let mut pairs: Vec<String> =
            query.iter().map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false))).collect();
        pairs.sort();
        let query = pairs.join("&");
        let (bytes, hash) = body.unwrap_or_else(|| (Vec::new(), hex_hash(b"")));
        let url =
            if query.is_empty() { format!("{}{path}", place.base) } else { format!("{}{path}?{query}", place.base) };
        let mut request = transfer::client(place.ca.as_deref())?.request(method.clone(), url);
        if let Some(access) = &place.access {
            let request_of = Request { method: method.as_str(), path: &path, query: &query, hash: &hash };
            for (name, value) in sign(place, access, &request_of, self.clock.now()) {
                request = request.header(name, value);
            }
        }
        if method == reqwest::Method::PUT {
            request = request.body(bytes);
        }
        transfer::send(request).await
    }

    async fn keys(&self, place: &Place, prefix: &str) -> Result<Vec<String>, ArtifactError> {
        let mut keys = Vec::new();
        let mut token = String::new();
        loop {
            let mut query = vec![("list-type", "2"), ("prefix", prefix)];
            if !token.is_empty() {
                query.push(("continuation-token", &token));
            }
            let response = self.call(place, reqwest::Method::GET, "", &query, None).await?;
            let text = response.text().await;
            let text = text.map_err(|it| ArtifactError::new(Category::Unavailable, it.to_string()))?;
            keys.extend(elements(&text, "Key"));
            let more = elements(&text, "IsTruncated").first().is_some_and(|it| it == "true");
            match elements(&text, "NextContinuationToken").into_iter().next() {
                Some(next) if more && keys.len() < MAX_KEYS => token = next,
                _ => return Ok(keys),
            }
        }
    }
}

/// A bucket, open.
struct Bucket<'d> {
    driver: &'d S3Driver,
    place: Place,
}

#[async_trait::async_trait]
impl ObjectStore for Bucket<'_> {
    async fn get(&self, key: &str, to: &Path) -> Result<(), ArtifactError> {
        let response = self.driver.call(&self.place, reqwest::Method::GET, key, &[], None).await?;
        transfer::into_file(response, to).await
    }

    async fn put(&self, key: &str, from: &Path) -> Result<(), ArtifactError> {
        let bytes = std::fs::read(from).map_err(|it| ArtifactError::io("open", from, &it))?;
        let hash = hex_hash(&bytes);
        self.driver.call(&self.place, reqwest::Method::PUT, key, &[], Some((bytes, hash))).await.map(|_| ())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, ArtifactError> {
        self.driver.keys(&self.place, prefix).await
    }

    async fn remove(&self, key: &str) -> Result<(), ArtifactError> {
        self.driver.call(&self.place, reqwest::Method::DELETE, key, &[], None).await.map(|_| ())
    }
}

#[async_trait::async_trait]
impl ArtifactDriver for S3Driver {
    async fn load(&self, artifact: &Artifact, to: &Path) -> Result<(), ArtifactError> {
        let bucket = Bucket { driver: self, place: self.place(artifact)? };
        store::load(&bucket, &bucket.place.key, to).await
    }

    async fn save(&self, from: &Path, artifact: &Artifact) -> Result<(), ArtifactError> {
        let bucket = Bucket { driver: self, place: self.place(artifact)? };
        let create = artifact.extra["s3"].pointer("/createBucketIfNotPresent").is_some_and(Value::is_object);
        if create {
            // One that is there already is what was wanted.
            let _ = self.call(&bucket.place, reqwest::Method::PUT, "", &[], None).await;
        }
        store::save(&bucket, from, &bucket.place.key).await
    }

    async fn list(&self, artifact: &Artifact) -> Result<Vec<String>, ArtifactError> {
        let place = self.place(artifact)?;
        self.keys(&place, &place.key).await
    }

    async fn delete(&self, artifact: &Artifact) -> Result<(), ArtifactError> {
        let bucket = Bucket { driver: self, place: self.place(artifact)? };
        store::delete(&bucket, &bucket.place.key).await
    }
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    hash: &'a str,
}

/// Headers of a signed request (AWS Signature Version 4).
fn sign(place: &Place, access: &Access, request: &Request<'_>, now: Timestamp) -> Vec<(&'static str, String)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let scope = format!("{day}/{}/s3/aws4_request", place.region);
    let mut headers = vec![
        ("host", place.host.clone()),
        ("x-amz-content-sha256", request.hash.to_owned()),
        ("x-amz-date", time.clone()),
    ];
    if let Some(token) = &access.token {
        headers.push(("x-amz-security-token", token.clone()));
    }
    let names: Vec<&str> = headers.iter().map(|it| it.0).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in &headers {
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let _ = write!(canonical, "\n{names}\n{}", request.hash);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex_hash(canonical.as_bytes()));
    let mut key = format!("AWS4{}", access.secret).into_bytes();
    for part in [day, &place.region, "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &text));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", access.id);
    headers.remove(0);
    headers.push(("authorization", authorization));
    headers
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A MAC takes keys of every length.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex_hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Texts of all elements of a name, in an answer that has no nested ones of it.
pub(super) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut all = Vec::new();
    let mut rest = xml;
    while let Some((_, from)) = rest.split_once(open.as_str()) {
        let Some((text, after)) = from.split_once(close.as_str()) else { break };
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
        all.push(text.replace("&amp;", "&"));
        rest = after;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_signed_as_in_the_documentation() {
        // GET Object of the examples in Amazon's documentation of the signature, without its Range header.
        let place = Place {
            base: String::new(),
            host: "examplebucket.s3.amazonaws.com".into(),
            bucket: String::new(),
            key: String::new(),
            region: "us-east-1".into(),
            access: None,
            ca: None,
        };
        let access = Access {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            token: None,
        };
        let now = argo_core::time::parse("2013-05-24T00:00:00Z").unwrap();
        let hash = hex_hash(b"");
        let list = Request { method: "GET", path: "/", query: "max-keys=2&prefix=J", hash: &hash };
        let headers = sign(&place, &access, &list, now);
        let (_, authorization) = headers.last().unwrap();
        assert!(
            authorization.ends_with("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
            "{authorization}"
        );
    }

    #[test]
    fn keys_come_out_of_listings() {
        let xml = "<R><Contents><Key>a&amp;b</Key></Contents><Contents><Key>c</Key></Contents></R>";
        assert_eq!(elements(xml, "Key"), ["a&b", "c"]);
    }
}

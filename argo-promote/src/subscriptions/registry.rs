//! Images from OCI registries over HTTP.
//!
//! An own small client: `Retry-After`, page links and size limits matter here, and general clients drop them.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argo_core::Timestamp;
use futures::StreamExt;
use reqwest::{Response, StatusCode, header};
use serde_json::Value;

use super::{ImageError, ImageInfo, ImageRepository, ImageSource, Platform};
use crate::engine::urls::split_image;

/// How to talk to registries.
#[derive(Debug, Clone)]
pub struct OciRegistryConfig {
    /// Longest time for one request; 30 s by default.
    pub timeout: Duration,
    /// Most tags of a repository that are read; 100,000 by default.
    pub tags: usize,
    /// Most bytes of a manifest or configuration; 4 MiB by default.
    pub document: usize,
}

impl Default for OciRegistryConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), tags: 100_000, document: 4 << 20 }
    }
}

/// Reads OCI and Docker registries. Registries on this machine are spoken to in plain HTTP.
#[derive(Debug)]
pub struct OciRegistry {
    config: OciRegistryConfig,
    strict: reqwest::Client,
    lenient: reqwest::Client,
    tokens: Mutex<BTreeMap<(String, String), String>>,
    /// Documents by digest never change.
    documents: Mutex<BTreeMap<String, Value>>,
}

const DOCUMENTS: usize = 10_000;
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const CREATED: [&str; 2] = ["org.opencontainers.image.created", "org.label-schema.build-date"];

impl OciRegistry {
    /// With these settings.
    ///
    /// # Errors
    /// When the HTTP client can not be made (no TLS provider, say).
    pub fn new(config: OciRegistryConfig) -> Result<Self, ImageError> {
        let client = |insecure: bool| {
            let builder = crate::tls::client().timeout(config.timeout).danger_accept_invalid_certs(insecure);
            builder.build().map_err(|it| ImageError::Unavailable { repository: String::new(), message: it.to_string() })
        };
        Ok(Self {
            strict: client(false)?,
            lenient: client(true)?,
            config,
            tokens: Mutex::default(),
            documents: Mutex::default(),
        })
    }
}

/// A repository taken apart.
struct Place<'a> {
    repository: &'a ImageRepository,
    base: String,
    path: String,
}

impl<'a> Place<'a> {
    fn of(repository: &'a ImageRepository) -> Self {
        let url = repository.url.trim();
        let (host, path) = split_image(url);
        let (host, path) = match host {
            None | Some("docker.io" | "index.docker.io") => {
                let path = if path.contains('/') { path.to_owned() } else { format!("library/{path}") };
                ("registry-1.docker.io", path)
            }
            Some(host) => (host, path.to_owned()),
        };
        let scheme = if is_local(host) { "http" } else { "https" };
        Self { repository, base: format!("{scheme}://{host}/v2/{path}"), path }
    }

    fn unavailable(&self, error: reqwest::Error) -> ImageError {
        let mut message = error.without_url().to_string();
        if message.is_empty() {
            "request failed".clone_into(&mut message);
        }
        ImageError::Unavailable { repository: self.repository.url.clone(), message }
    }

    fn invalid(&self, message: impl Into<String>) -> ImageError {
        ImageError::Invalid { repository: self.repository.url.clone(), message: message.into() }
    }
}

fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

impl OciRegistry {
    fn client(&self, place: &Place<'_>) -> &reqwest::Client {
        if place.repository.insecure { &self.lenient } else { &self.strict }
    }

    /// A GET with whatever authentication the registry asks for.
    async fn get(&self, place: &Place<'_>, url: &str, accept: &str) -> Result<Response, ImageError> {
        let user = place.repository.credentials.as_ref().map_or("", |it| it.username.as_str());
        let key = (place.base.clone(), user.to_owned());
        let known = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let response = self.send(place, url, accept, known.as_deref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return checked(place, response);
        }
        let challenge =
            response.headers().get(header::WWW_AUTHENTICATE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let authorization = self.answer(place, challenge).await?;
        let response = self.send(place, url, accept, Some(&authorization)).await?;
        if response.status().is_success() {
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(key, authorization);
        }
        checked(place, response)
    }

    async fn send(
        &self,
        place: &Place<'_>,
        url: &str,
        accept: &str,
        authorization: Option<&str>,
    ) -> Result<Response, ImageError> {
        let try_one = |url: String| {
            let mut request = self.client(place).get(url).header(header::ACCEPT, accept);
            if let Some(value) = authorization {
                request = request.header(header::AUTHORIZATION, value);
            }
            request.send()
        };
        match try_one(url.to_owned()).await {
            // A registry that may be insecure may not speak TLS at all.
            Err(error) if place.repository.insecure && error.is_connect() && url.starts_with("https://") => {
                try_one(url.replacen("https://", "http://", 1)).await.map_err(|it| place.unavailable(it))
            }
            other => other.map_err(|it| place.unavailable(it)),
        }
    }

    /// What to send for a `WWW-Authenticate` challenge.
    async fn answer(&self, place: &Place<'_>, challenge: &str) -> Result<String, ImageError> {
        use base64::Engine as _;
        let basic = place.repository.credentials.as_ref().map(|it| {
            let text = format!("{}:{}", it.username, it.password);
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
        });
        let denied = |message: &str| ImageError::Denied {
            repository: place.repository.url.clone(),
            message: message.to_owned(),
        };
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return basic.ok_or_else(|| denied("credentials are needed"));
        }
        let values = parameters(rest);
        let realm = values.get("realm").ok_or_else(|| denied("the registry names no place to get a token from"))?;
        let mut url =
            reqwest::Url::parse(realm).map_err(|_| denied("the registry's place to get a token from is no URL"))?;
        {
            let mut pairs = url.query_pairs_mut();
            if let Some(service) = values.get("service") {
                pairs.append_pair("service", service);
            }
            let own = format!("repository:{}:pull", place.path);
            pairs.append_pair("scope", values.get("scope").unwrap_or(&own));
        }
        let mut request = self.client(place).get(url);
        if let Some(basic) = basic {
            request = request.header(header::AUTHORIZATION, basic);
        }
        let response = checked(place, request.send().await.map_err(|it| place.unavailable(it))?)?;
        let json = self.json(place, response).await?;
        let token = json.get("token").or_else(|| json.get("access_token")).and_then(Value::as_str);
        token.map(|it| format!("Bearer {it}")).ok_or_else(|| denied("the registry gave no token"))
    }

    async fn json(&self, place: &Place<'_>, response: Response) -> Result<Value, ImageError> {
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|it| place.unavailable(it))?);
            if bytes.len() > self.config.document {
                return Err(place.invalid(format!("document is larger than {} bytes", self.config.document)));
            }
        }
        serde_json::from_slice(&bytes).map_err(|it| place.invalid(format!("answer is not JSON: {it}")))
    }

    async fn by_digest(&self, place: &Place<'_>, kind: &str, digest: &str) -> Result<Value, ImageError> {
        if let Some(known) = self.documents.lock().unwrap_or_else(PoisonError::into_inner).get(digest) {
            return Ok(known.clone());
        }
        let response = self.get(place, &format!("{}/{kind}/{digest}", place.base), ACCEPT).await?;
        let json = self.json(place, response).await?;
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if documents.len() >= DOCUMENTS {
            documents.clear();
        }
        documents.insert(digest.to_owned(), json.clone());
        Ok(json)
    }

    /// Annotations, platform and time of one image manifest.
    async fn describe(
        &self,
        place: &Place<'_>,
        manifest: &Value,
    ) -> Result<(BTreeMap<String, String>, Option<Timestamp>, Value), ImageError> {
        let annotations = annotations(manifest);
        let digest = manifest.pointer("/config/digest").and_then(Value::as_str).unwrap_or_default();
        let is_image = manifest
            .pointer("/config/mediaType")
            .and_then(Value::as_str)
            .is_none_or(|it| it.contains("image") || it.contains("container"));
        let config =
            if digest.is_empty() || !is_image { Value::Null } else { self.by_digest(place, "blobs", digest).await? };
        let label = |key: &str| config.pointer("/config/Labels").and_then(|it| it.get(key)).and_then(Value::as_str);
        let named = CREATED.iter().find_map(|it| annotations.get(*it).map(String::as_str));
        let text = named
            .or_else(|| CREATED.iter().find_map(|it| label(it)))
            .or_else(|| config.get("created").and_then(Value::as_str));
        let created = text.and_then(|it| it.parse().ok());
        Ok((annotations, created, config))
    }
}

#[async_trait::async_trait]
impl ImageSource for OciRegistry {
    async fn tags(&self, repository: &ImageRepository) -> Result<Vec<String>, ImageError> {
        let place = Place::of(repository);
        let mut url = format!("{}/tags/list?n=1000", place.base);
        let mut tags: Vec<String> = Vec::new();
        loop {
            let response = self.get(&place, &url, "application/json").await?;
            let next = response.headers().get(header::LINK).and_then(|it| it.to_str().ok()).and_then(next_page);
            let next = next.and_then(|it| response.url().join(&it).ok());
            let json = self.json(&place, response).await?;
            let page = json.get("tags").and_then(Value::as_array);
            let before = tags.len();
            tags.extend(page.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
            if tags.len() > self.config.tags {
                return Err(place.invalid(format!("repository has more than {} tags", self.config.tags)));
            }
            match next {
                // An empty page that has a next one would never end.
                Some(next) if tags.len() > before => url = next.to_string(),
                _ => return Ok(tags),
            }
        }
    }

    async fn image(
        &self,
        repository: &ImageRepository,
        tag: &str,
        platform: Option<&Platform>,
    ) -> Result<Option<ImageInfo>, ImageError> {
        let place = Place::of(repository);
        let response = match self.get(&place, &format!("{}/manifests/{tag}", place.base), ACCEPT).await {
            Err(ImageError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let named = response.headers().get("docker-content-digest").and_then(|it| it.to_str().ok()).map(str::to_owned);
        let bytes = {
            let json = self.json(&place, response).await?;
            (named, json)
        };
        let (Some(digest), manifest) = bytes else {
            return Err(place.invalid(format!("the registry gave no digest for tag {tag:?}")));
        };
        let Some(children) = manifest.get("manifests").and_then(Value::as_array) else {
            // A single image carries its platform only in its configuration: asked for one, it is left out.
            if platform.is_some() {
                return Ok(None);
            }
            let (annotations, created_at, _) = self.describe(&place, &manifest).await?;
            return Ok(Some(ImageInfo { digest, annotations, created_at }));
        };
        let mut info = ImageInfo { digest, annotations: annotations(&manifest), created_at: None };
        let mut usable = 0;
        let mut matching = 0;
        for child in children {
            let part =
                |name: &str| child.pointer(&format!("/platform/{name}")).and_then(Value::as_str).unwrap_or_default();
            let (os, architecture) = (part("os"), part("architecture"));
            // Attestations and the like are no images.
            if os.is_empty() || architecture.is_empty() || os == "unknown" || architecture == "unknown" {
                continue;
            }
            usable += 1;
            let fits = platform
                .is_none_or(|it| it.os == os && it.architecture == architecture && it.variant == part("variant"));
            let Some(child_digest) = child.get("digest").and_then(Value::as_str).filter(|_| fits) else { continue };
            matching += 1;
            let child_manifest = self.by_digest(&place, "manifests", child_digest).await?;
            let (own, created, _) = self.describe(&place, &child_manifest).await?;
            if platform.is_some() {
                let mut all = annotations(child);
                all.extend(std::mem::take(&mut info.annotations));
                all.extend(own);
                info.annotations = all;
            }
            info.created_at = info.created_at.max(created);
        }
        if usable == 0 {
            return Err(place.invalid(format!("index of tag {tag:?} names no image for any platform")));
        }
        Ok((matching > 0).then_some(info))
    }
}

fn annotations(document: &Value) -> BTreeMap<String, String> {
    let map = document.get("annotations").and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn checked(place: &Place<'_>, response: Response) -> Result<Response, ImageError> {
    let repository = place.repository.url.clone();
    let status = response.status();
    match status {
        _ if status.is_success() => Ok(response),
        StatusCode::NOT_FOUND => Err(ImageError::NotFound { repository }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(ImageError::Denied { repository, message: status.to_string() })
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let seconds =
                response.headers().get(header::RETRY_AFTER).and_then(|it| it.to_str().ok()?.trim().parse().ok());
            Err(ImageError::Throttled { repository, retry_after: seconds.map(Duration::from_secs) })
        }
        _ => Err(ImageError::Unavailable { repository, message: status.to_string() }),
    }
}

/// The parameters of a challenge: `realm="…",service="…"`.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim().trim_start_matches(',').trim().to_lowercase();
        let (value, tail) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        out.insert(key, value.to_owned());
        rest = tail.trim_start().trim_start_matches(',').trim_start();
    }
    out
}

/// The address of the next page in a `Link` header.
fn next_page(link: &str) -> Option<String> {
    let (url, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"next\"").then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_their_place() {
        let base = |url: &str| Place::of(&ImageRepository { url: url.into(), ..Default::default() }).base;
        assert_eq!(base("nginx"), "https://registry-1.docker.io/v2/library/nginx");
        assert_eq!(base("ghcr.io/a/b"), "https://ghcr.io/v2/a/b");
        assert_eq!(base("127.0.0.1:5000/app"), "http://127.0.0.1:5000/v2/app");
        assert_eq!(base("localhost:5000/app"), "http://localhost:5000/v2/app");
    }

    #[test]
    fn challenges_and_links_are_read() {
        let found = parameters(r#"realm="https://auth/token",service="reg",scope="repository:a/b:pull,push""#);
        assert_eq!(found["realm"], "https://auth/token");
        assert_eq!(found["scope"], "repository:a/b:pull,push");
        assert_eq!(next_page("</v2/a/tags/list?last=x&n=2>; rel=\"next\""), Some("/v2/a/tags/list?last=x&n=2".into()));
        assert_eq!(next_page("</x>; rel=\"prev\""), None);
    }
}

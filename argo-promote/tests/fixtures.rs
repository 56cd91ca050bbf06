//! A registry over real HTTP, a bare git repository, and kinds of other products.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use argo_core::Resource;
use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

// === registry ===

/// An OCI registry that only reads. Clones share the content.
#[derive(Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    tags: BTreeMap<String, BTreeMap<String, String>>,
    documents: BTreeMap<String, (String, Vec<u8>)>,
    throttled: u32,
    requests: Vec<String>,
    token: Option<String>,
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Registry {
    pub(crate) async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route(
                "/token",
                get(async |State(registry): State<Self>| {
                    let token = registry.0.lock().unwrap().token.clone();
                    axum::Json(json!({"token": token}))
                }),
            )
            .route("/v2/{*path}", get(answer))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    fn document(&self, kind: &str, value: &Value) -> String {
        let bytes = serde_json::to_vec(value).unwrap();
        let digest = digest(&bytes);
        self.0.lock().unwrap().documents.insert(digest.clone(), (kind.to_owned(), bytes));
        digest
    }

    /// An image; returns its digest.
    pub(crate) fn image(&self, created: &str, annotations: &Value) -> String {
        let config =
            self.document("application/vnd.oci.image.config.v1+json", &json!({"created": created, "os": "linux"}));
        self.document(
            MANIFEST,
            &json!({"schemaVersion": 2, "mediaType": MANIFEST, "annotations": annotations,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config}, "layers": []}),
        )
    }

    /// An index of images by `os/arch`; returns its digest.
    pub(crate) fn index(&self, images: &[(&str, &str)]) -> String {
        let child = |(platform, digest): &(&str, &str)| {
            let (os, architecture) = platform.split_once('/').unwrap();
            json!({"mediaType": MANIFEST, "digest": digest, "platform": {"os": os, "architecture": architecture}})
        };
        let children: Vec<Value> = images.iter().map(child).collect();
        self.document(INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}))
    }

    pub(crate) fn tag(&self, repository: &str, tag: &str, digest: &str) {
        let mut content = self.0.lock().unwrap();
        content.tags.entry(repository.to_owned()).or_default().insert(tag.to_owned(), digest.to_owned());
    }

    pub(crate) fn push(&self, repository: &str, tag: &str) {
        let digest = self.image("2026-01-01T00:00:00Z", &json!({"tag": tag}));
        self.tag(repository, tag, &digest);
    }

    pub(crate) fn throttle(&self, requests: u32) {
        self.0.lock().unwrap().throttled = requests;
    }

    pub(crate) fn ask_for_token(&self, token: &str) {
        self.0.lock().unwrap().token = Some(token.to_owned());
    }

    pub(crate) fn requests(&self) -> usize {
        self.0.lock().unwrap().requests.len()
    }
}

async fn answer(State(registry): State<Registry>, UrlPath(path): UrlPath<String>, headers: HeaderMap) -> Response {
    let mut content = registry.0.lock().unwrap();
    content.requests.push(path.clone());
    if content.throttled > 0 {
        content.throttled -= 1;
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")]).into_response();
    }
    if let Some(token) = &content.token {
        let sent = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
        if sent != format!("Bearer {token}") {
            let host = headers[header::HOST].to_str().unwrap();
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"test\"");
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
        }
    }
    if let Some(repository) = path.strip_suffix("/tags/list") {
        return match content.tags.get(repository) {
            Some(tags) => {
                axum::Json(json!({"name": repository, "tags": tags.keys().collect::<Vec<_>>()})).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    let found = ["/manifests/", "/blobs/"].into_iter().find_map(|it| path.split_once(it));
    let Some((repository, reference)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let digest =
        content.tags.get(repository).and_then(|it| it.get(reference)).cloned().unwrap_or_else(|| reference.to_owned());
    match content.documents.get(&digest) {
        Some((kind, bytes)) => {
            ([(header::CONTENT_TYPE.as_str(), kind.clone()), ("docker-content-digest", digest)], bytes.clone())
                .into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

// === git ===

/// A bare repository in a temporary folder.
pub(crate) struct Repo {
    folder: tempfile::TempDir,
}

pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Dev", "-c", "user.email=dev@example.com", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(folder)
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Repo {
    /// With these files in one commit on `main`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "-q", "--bare", "bare.git"]);
        let repo = Self { folder };
        repo.commit("first", files);
        repo
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("bare.git")
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// A commit of somebody else.
    pub(crate) fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        let work = tempfile::tempdir().unwrap();
        git(self.folder.path(), &["clone", "-q", "bare.git", &work.path().display().to_string()]);
        for (path, content) in files {
            let file = work.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }
        git(work.path(), &["checkout", "-q", "-B", "main"]);
        git(work.path(), &["add", "-A"]);
        git(work.path(), &["commit", "-q", "-m", message]);
        git(work.path(), &["push", "-q", "origin", "main"]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        git(&self.path(), &["rev-parse", "main"])
    }

    pub(crate) fn file(&self, path: &str) -> String {
        git(&self.path(), &["show", &format!("main:{path}")])
    }

    /// Subjects of the commits, newest first.
    pub(crate) fn subjects(&self) -> Vec<String> {
        git(&self.path(), &["log", "--format=%an: %s", "main"]).lines().map(str::to_owned).collect()
    }
}

// === kinds of other products, as far as they are read here ===

macro_rules! kind {
    ($name:ident, $plural:literal, $scope:ident) => {
        struct $name;
        impl Resource for $name {
            const GROUP: &'static str = "argoproj.io";
            const VERSION: &'static str = "v1alpha1";
            const KIND: &'static str = stringify!($name);
            const PLURAL: &'static str = $plural;
            const SCOPE: argo_core::Scope = argo_core::Scope::$scope;
            const FIELDS: &'static [&'static str] = &["spec", "status", "operation"];
        }
    };
}

kind!(Application, "applications", Namespaced);
kind!(AnalysisRun, "analysisruns", Namespaced);
kind!(AnalysisTemplate, "analysistemplates", Namespaced);
kind!(ClusterAnalysisTemplate, "clusteranalysistemplates", Cluster);

pub(crate) fn crds() -> Vec<Value> {
    let mut all = argo_promote::api::crds();
    all.extend([Application::crd(), AnalysisRun::crd(), AnalysisTemplate::crd(), ClusterAnalysisTemplate::crd()]);
    all
}

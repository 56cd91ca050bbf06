//! Drivers of artifact stores against small servers of their protocols.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use argo_core::Category;
use argo_workflows::{
    api::Artifact,
    exec::artifacts::{ArtifactDriver, AzureDriver, GcsDriver, HttpDriver, S3Driver, Secrets},
};
use serde_json::{Value, json};

use crate::server::{Request, Response, Server};

#[derive(Debug, Clone, Default)]
struct Known(BTreeMap<String, String>);

impl Secrets for Known {
    fn read(&self, name: &str, key: &str) -> Option<String> {
        (name == "cred").then(|| self.0.get(key).cloned()).flatten()
    }
}

fn known(list: &[(&str, &str)]) -> Arc<Known> {
    Arc::new(Known(list.iter().map(|(key, it)| ((*key).to_owned(), (*it).to_owned())).collect()))
}

fn secret(key: &str) -> Value {
    json!({"name": "cred", "key": key})
}

fn artifact(location: &str, value: Value) -> Artifact {
    serde_json::from_value(json!({"name": "a", location: value})).unwrap()
}

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap()
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').filter_map(|it| it.split_once('=')).find(|it| it.0 == name).map(|it| unescaped(it.1))
}

fn ok(body: impl Into<Vec<u8>>) -> Response {
    (200, vec![], body.into())
}

/// The same for every store: a file, a directory, a prefix, what is missing, and deleting.
async fn behaves(driver: &dyn ArtifactDriver, of: impl Fn(&str) -> Artifact) {
    let dir = tempfile::tempdir().unwrap();
    let path = |it: &str| dir.path().join(it);
    let read = |it: &Path| std::fs::read_to_string(it).unwrap();
    std::fs::write(path("file"), "one").unwrap();
    driver.save(&path("file"), &of("x y/ü")).await.unwrap();
    driver.save(&path("file"), &of("x y/ü")).await.unwrap();
    driver.load(&of("x y/ü"), &path("back")).await.unwrap();
    assert_eq!(read(&path("back")), "one");
    std::fs::create_dir_all(path("d/sub")).unwrap();
    std::fs::write(path("d/a"), "two").unwrap();
    std::fs::write(path("d/sub/b"), "three").unwrap();
    driver.save(&path("d"), &of("x y/dir")).await.unwrap();
    driver.load(&of("x y/dir"), &path("dir")).await.unwrap();
    assert_eq!((read(&path("dir/a")), read(&path("dir/sub/b"))), ("two".into(), "three".into()));
    assert_eq!(driver.list(&of("x y/")).await.unwrap(), ["x y/dir/a", "x y/dir/sub/b", "x y/ü"]);
    let missing = driver.load(&of("nowhere"), &path("none")).await.unwrap_err();
    assert_eq!(missing.category, Category::NotFound, "{missing}");
    driver.delete(&of("x y/dir")).await.unwrap();
    driver.delete(&of("x y/dir")).await.unwrap();
    assert_eq!(driver.list(&of("x y/")).await.unwrap(), ["x y/ü"]);
}

fn gcs(objects: &Objects, request: &Request) -> Response {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if path == "/token" {
        let assertion = parameter(&request.text(), "assertion").unwrap();
        assert_eq!(assertion.split('.').count(), 3);
        return ok(json!({"access_token": "t1", "expires_in": 3600}).to_string());
    }
    if path.starts_with("/computeMetadata/") {
        assert_eq!(request.header("metadata-flavor"), "Google");
        return ok(json!({"access_token": "t1"}).to_string());
    }
    if request.header("authorization") != "Bearer t1" {
        return (401, vec![], vec![]);
    }
    let mut objects = objects.lock().unwrap();
    if path == "/upload/storage/v1/b/box/o" {
        objects.insert(parameter(query, "name").unwrap(), request.body.clone());
        return ok("{}");
    }
    if path == "/storage/v1/b/box/o" {
        // One key a page.
        let prefix = parameter(query, "prefix").unwrap();
        let after = parameter(query, "pageToken").unwrap_or_default();
        let mut found = objects.keys().filter(|it| it.starts_with(&prefix) && **it > after);
        let first = found.next().cloned();
        let next = found.next().and_then(|_| first.clone());
        let items: Vec<Value> = first.iter().map(|it| json!({"name": it})).collect();
        return ok(json!({"items": items, "nextPageToken": next}).to_string());
    }
    let key = unescaped(path.strip_prefix("/storage/v1/b/box/o/").unwrap());
    match request.method.as_str() {
        "DELETE" => objects.remove(&key).map_or((404, vec![], vec![]), |_| (204, vec![], vec![])),
        _ => objects.get(&key).map_or((404, vec![], vec![]), |it| ok(it.clone())),
    }
}

#[tokio::test]
async fn gcs_with_the_key_of_an_account_and_with_the_machines_own_identity() {
    let objects = Objects::default();
    let server = Server::start(move |it| gcs(&objects, it)).await;
    let key = include_str!("../src/exec/artifacts/data/rsa-for-tests.pem");
    let account = json!({"type": "service_account", "client_email": "a@b", "private_key": key, "private_key_id": "k",
        "token_uri": format!("{}/token", server.url)});
    let secrets = known(&[("account", &account.to_string()), ("broken", "{\"private_key\": \"hush\"}")]);
    let driver = GcsDriver::new(secrets.clone()).endpoint(&server.url);
    behaves(&driver, |key| {
        artifact("gcs", json!({"bucket": "box", "key": key, "serviceAccountKeySecret": secret("account")}))
    })
    .await;
    let own = GcsDriver::new(secrets.clone()).endpoint(&server.url).metadata(&server.url);
    let plain = artifact("gcs", json!({"bucket": "box", "key": "x y/"}));
    assert_eq!(own.list(&plain).await.unwrap(), ["x y/ü"]);
    let broken = artifact("gcs", json!({"bucket": "box", "key": "k", "serviceAccountKeySecret": secret("broken")}));
    let error = driver.list(&broken).await.unwrap_err();
    assert!(error.message.contains("holds no key of a service account") && !error.message.contains("hush"), "{error}");
}

fn azure(objects: &Objects, request: &Request) -> Response {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if path.starts_with("/metadata/identity") {
        assert_eq!(request.header("metadata"), "true");
        return ok(json!({"access_token": "t1"}).to_string());
    }
    let signed = request.header("authorization");
    let allowed = signed.starts_with("SharedKey acc:") || signed == "Bearer t1" || parameter(query, "sig").is_some();
    if !allowed || request.header("x-ms-version").is_empty() {
        return (403, vec![], vec![]);
    }
    let mut objects = objects.lock().unwrap();
    if path == "/acc/box" {
        let prefix = parameter(query, "prefix").unwrap();
        let after = parameter(query, "marker").unwrap_or_default();
        let mut found = objects.keys().filter(|it| it.starts_with(&prefix) && **it > after);
        let first = found.next().cloned();
        let names: String = first.iter().map(|it| format!("<Blob><Name>{it}</Name></Blob>")).collect();
        let next = found.next().and(first).unwrap_or_default();
        return ok(format!("<R><Blobs>{names}</Blobs><NextMarker>{next}</NextMarker></R>"));
    }
    let key = unescaped(path.strip_prefix("/acc/box/").unwrap());
    match request.method.as_str() {
        "PUT" => {
            assert_eq!(request.header("x-ms-blob-type"), "BlockBlob");
            objects.insert(key, request.body.clone());
            (201, vec![], vec![])
        }
        "DELETE" => objects.remove(&key).map_or((404, vec![], vec![]), |_| (202, vec![], vec![])),
        _ => objects.get(&key).map_or((404, vec![], vec![]), |it| ok(it.clone())),
    }
}

#[tokio::test]
async fn azure_with_a_key_a_token_and_an_identity() {
    let objects = Objects::default();
    let server = Server::start(move |it| azure(&objects, it)).await;
    let secrets = known(&[("key", "c2VjcmV0"), ("sas", "?sv=2021&sig=abc")]);
    let driver = AzureDriver::new(secrets).metadata(&server.url);
    let endpoint = format!("{}/acc", server.url);
    let of = |blob: &str, access: Value| {
        let mut location = json!({"endpoint": endpoint, "container": "box", "blob": blob});
        location.as_object_mut().unwrap().extend(access.as_object().unwrap().clone());
        artifact("azure", location)
    };
    for access in [
        json!({"accountKeySecret": secret("key")}),
        json!({"accountKeySecret": secret("sas")}),
        json!({"useSDKCreds": true}),
    ] {
        behaves(&driver, |blob| of(blob, access.clone())).await;
    }
    let error = driver.list(&of("b", json!({}))).await.unwrap_err();
    assert_eq!(error.message, "accountKey secret is required for Azure Blob Storage if useSDKCreds is false");
}

fn s3(objects: &Objects, request: &Request) -> Response {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut objects = objects.lock().unwrap();
    if path == "/box" {
        let prefix = parameter(query, "prefix").unwrap();
        let names: String =
            objects.keys().filter(|it| it.starts_with(&prefix)).map(|it| format!("<Key>{it}</Key>")).collect();
        return ok(format!("<R>{names}</R>"));
    }
    let key = unescaped(path.strip_prefix("/box/").unwrap());
    match request.method.as_str() {
        "PUT" => drop(objects.insert(key, request.body.clone())),
        "DELETE" => drop(objects.remove(&key)),
        _ => return objects.get(&key).map_or((404, vec![], vec![]), |it| ok(it.clone())),
    }
    ok("")
}

#[tokio::test]
async fn s3_behaves_as_the_others() {
    let objects = Objects::default();
    let server = Server::start(move |it| s3(&objects, it)).await;
    let endpoint = server.url.trim_start_matches("http://").to_owned();
    let driver = S3Driver::new(known(&[]));
    behaves(&driver, |key| {
        artifact("s3", json!({"endpoint": endpoint, "bucket": "box", "key": key, "insecure": true}))
    })
    .await;
}

#[tokio::test]
async fn http_with_a_password_and_with_a_token() {
    let server = Server::start(|it| match (it.path.as_str(), it.header("authorization")) {
        // This one takes credentials in the form only.
        ("/token", "") if it.text().contains("client_id=me&client_secret=s%2Fs") => {
            assert!(it.text().contains("grant_type=client_credentials&scope=a%20b&audience=all"), "{}", it.text());
            ok(r#"{"access_token": "t1"}"#)
        }
        ("/token", _) => (401, vec![], vec![]),
        ("/form", _) => {
            (200, vec![("content-type", "text/plain; charset=utf-8".to_owned())], b"x=1&access_token=t%31".to_vec())
        }
        ("/file", "Bearer t1" | "Basic bWU6aHVzaA==") => ok("content"),
        _ => (403, vec![], vec![]),
    })
    .await;
    let token = format!("{}/token", server.url);
    let form = format!("{}/form", server.url);
    let secrets = known(&[("id", "me"), ("secret", "s/s"), ("url", &token), ("form", &form), ("password", "hush")]);
    let driver = HttpDriver::new(secrets);
    let dir = tempfile::tempdir().unwrap();
    for auth in [
        json!({"basicAuth": {"usernameSecret": secret("id"), "passwordSecret": secret("password")}}),
        json!({"oauth2": {"clientIDSecret": secret("id"), "clientSecretSecret": secret("secret"),
            "tokenURLSecret": secret("url"), "scopes": ["a", "b"], "endpointParams": [{"key": "audience", "value": "all"}]}}),
        json!({"oauth2": {"clientIDSecret": secret("id"), "clientSecretSecret": secret("secret"), "tokenURLSecret": secret("form")}}),
    ] {
        let it = artifact("http", json!({"url": format!("{}/file", server.url), "auth": auth}));
        driver.load(&it, &dir.path().join("f")).await.unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("f")).unwrap(), "content");
    }
    let certificate = json!({"clientCert": {"clientCertSecret": secret("id"), "clientKeySecret": secret("secret")}});
    let it = artifact("http", json!({"url": format!("{}/file", server.url), "auth": certificate}));
    let error = driver.load(&it, &dir.path().join("g")).await.unwrap_err();
    assert_eq!(error.message, "the client certificate and its key can not be used");
}

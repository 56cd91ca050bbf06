//! Counts what a client asks of the API server.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{Method, Uri};
use kube::client::Body;
use parking_lot::Mutex;

/// How many series there may be: objects beyond that are counted without their names.
const SERIES: usize = 10_000;

/// Stands for what is not told.
const NONE: &str = "N/A";

/// What was asked and how it was answered, in the words of the metrics that upstream's controllers have.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Plural of the kind as the path has it, `Unknown` where it names none.
    pub kind: String,
    /// Namespace; empty where the request names none.
    pub namespace: String,
    /// Name of the object; `N/A` for lists, creations, Events and ReplicaSets, which would be too many.
    pub name: String,
    /// `List`, `Watch`, `Get`, `Create`, `Update`, `Patch`, `Delete` or `Unknown`.
    pub verb: &'static str,
    /// Status code of the answer; 0 when there was none.
    pub status: u16,
}

impl Request {
    /// Reads method and address, without an answer yet.
    #[must_use]
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let unknown = || Self {
            kind: "Unknown".to_owned(),
            namespace: "Unknown".to_owned(),
            name: "Unknown".to_owned(),
            verb: "Unknown",
            status: 0,
        };
        let mut parts = uri.path().trim_matches('/').split('/').skip_while(|it| *it != "api" && *it != "apis");
        let skipped = match parts.next() {
            Some("api") => 1,
            Some(_) => 2,
            None => return unknown(),
        };
        let rest: Vec<&str> = parts.skip(skipped).collect();
        // A namespace itself is asked for as `namespaces/NAME`.
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, kind, rest @ ..] if !matches!(*kind, "status" | "finalize") => {
                (*namespace, [&[*kind], rest].concat())
            }
            _ => ("", rest),
        };
        let Some((kind, rest)) = rest.split_first() else { return unknown() };
        let watches = || uri.query().is_some_and(|it| it.split('&').any(|it| it == "watch=true" || it == "watch=1"));
        let verb = match *method {
            Method::POST => "Create",
            Method::DELETE => "Delete",
            Method::PATCH => "Patch",
            Method::PUT => "Update",
            Method::GET if !rest.is_empty() => "Get",
            Method::GET if watches() => "Watch",
            Method::GET => "List",
            _ => return unknown(),
        };
        let name = rest.first().filter(|_| *kind != "events" && *kind != "replicasets");
        Self {
            kind: (*kind).to_owned(),
            namespace: namespace.to_owned(),
            name: name.map_or(NONE, |it| *it).to_owned(),
            verb,
            status: 0,
        }
    }
}

/// Counts of requests; clones share them.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<BTreeMap<Request, u64>>>);

impl Requests {
    /// A client that asks through this one, counted.
    #[must_use]
    pub fn counting(&self, client: kube::Client) -> kube::Client {
        let namespace = client.default_namespace().to_owned();
        kube::Client::new(Counting { client, requests: self.clone() }, namespace)
    }

    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.lock().values().sum()
    }

    /// How many there were of each.
    #[must_use]
    pub fn each(&self) -> Vec<(Request, u64)> {
        self.0.lock().iter().map(|(request, count)| (request.clone(), *count)).collect()
    }

    fn count(&self, mut request: Request) {
        let mut counts = self.0.lock();
        if counts.len() >= SERIES && !counts.contains_key(&request) {
            NONE.clone_into(&mut request.name);
        }
        *counts.entry(request).or_default() += 1;
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("total", &self.total()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Counting {
    client: kube::Client,
    requests: Requests,
}

impl tower::Service<http::Request<Body>> for Counting {
    type Response = http::Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The client waits by itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut asked = Request::of(request.method(), request.uri());
        let Self { client, requests } = self.clone();
        Box::pin(async move {
            let answer = client.send(request).await;
            asked.status = answer.as_ref().map_or(0, |it| it.status().as_u16());
            requests.count(asked);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &Method, path: &str) -> String {
        let it = Request::of(method, &path.parse().unwrap());
        format!("{} {} {} {}", it.verb, it.kind, it.namespace, it.name)
    }

    #[test]
    fn requests_are_told_as_upstreams_metrics_tell_them() {
        let get = |path: &str| of(&Method::GET, path);
        assert_eq!(get("/api/v1/namespaces/shop/services/web"), "Get services shop web");
        assert_eq!(get("/api/v1/namespaces/shop/services?limit=5"), "List services shop N/A");
        assert_eq!(get("/apis/argoproj.io/v1alpha1/rollouts?watch=true&resourceVersion=5"), "Watch rollouts  N/A");
        assert_eq!(get("/api/v1/namespaces/shop"), "Get namespaces  shop");
        assert_eq!(get("/apis/apps/v1/namespaces/shop/replicasets/web-1"), "Get replicasets shop N/A");
        assert_eq!(get("/apis/apps/v1"), "Unknown Unknown Unknown Unknown");
        assert_eq!(get("/version"), "Unknown Unknown Unknown Unknown");
        let status = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/status";
        assert_eq!(of(&Method::PATCH, status), "Patch rollouts shop web");
        assert_eq!(of(&Method::POST, "/api/v1/namespaces/shop/events"), "Create events shop N/A");
        assert_eq!(of(&Method::PUT, "/proxied/api/v1/namespaces/shop/configmaps/a"), "Update configmaps shop a");
        assert_eq!(of(&Method::DELETE, "/api/v1/namespaces/shop/pods/p"), "Delete pods shop p");
    }

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let requests = Requests::default();
        for at in 0..SERIES + 50 {
            let path = format!("/api/v1/namespaces/n/configmaps/c{at}");
            requests.count(Request::of(&Method::GET, &path.parse().unwrap()));
        }
        assert_eq!(requests.total(), SERIES as u64 + 50);
        let each = requests.each();
        assert_eq!(each.len(), SERIES + 1);
        assert!(each.iter().any(|(it, count)| it.name == NONE && *count == 50));
    }
}

//! What kubelets answer themselves: logs, commands and ports of their pods, without the API server in between.

use std::sync::Arc;

use argo_lang::quantity::Quantity;
use serde_json::{Value, json};

use super::encode::{self, ResponseBody};
use super::proxy::plain;
use super::request::{Caller, Path, Query, RawRequest, Verb};
use super::{Attributes, MASTERS, Outcome, Server, meta, timestamp_text};
use crate::faults::Verdict;
use crate::session::Session;
use crate::store::GroupResource;

// === impl Server ===

impl Server {
    /// Answers a request to a kubelet's own port.
    pub(crate) async fn ask_kubelet(
        self: &Arc<Self>,
        request: RawRequest,
        session: &Session,
    ) -> http::Response<ResponseBody> {
        let verb = match request.method.as_str() {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "get",
        };
        let wanted = Attributes {
            verb: verb.to_owned(),
            resource: "nodes".to_owned(),
            subresource: "proxy".to_owned(),
            ..Attributes::default()
        };
        let allowed = self.state.lock().decide(&request.caller, &wanted).allowed;
        if !allowed {
            let user = &request.caller.user;
            return plain(403, format!("Forbidden (user={user}, verb={verb}, resource=nodes, subresource=[proxy])"));
        }
        self.kubelet(request, None, session).await
    }

    /// Answers a request to the kubelet of a node, or to one that stands for all nodes. Whether the caller may is decided already.
    pub(crate) async fn kubelet(
        self: &Arc<Self>,
        request: RawRequest,
        node: Option<String>,
        session: &Session,
    ) -> http::Response<ResponseBody> {
        let segments: Vec<&str> = request.path.split('/').filter(|it| !it.is_empty()).collect();
        let (subresource, namespace, pod, container) = match segments[..] {
            ["healthz"] => return plain(200, "ok".to_owned()),
            ["pods" | "runningpods"] => return self.pods_of(node.as_deref()),
            ["stats", "summary"] => return self.summary(node.as_deref()),
            ["containerLogs", namespace, pod, container] => ("log", namespace, pod, container),
            ["exec" | "attach", namespace, pod, container] | ["exec" | "attach", namespace, pod, _, container] => {
                (segments[0], namespace, pod, container)
            }
            ["portForward", namespace, pod] | ["portForward", namespace, pod, _] => ("portforward", namespace, pod, ""),
            _ => return plain(404, "404 page not found\n".to_owned()),
        };
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/{subresource}");
        let query = translate(&request.query, container);
        let inner = RawRequest {
            method: http::Method::GET,
            path,
            query,
            caller: Caller { user: "system:kubelet".to_owned(), groups: vec![MASTERS.to_owned()], ..request.caller },
            ..request
        };
        let now = self.clock.now();
        let Some(parsed) = Path::parse(&inner.path) else { return plain(404, "404 page not found\n".to_owned()) };
        let performed = self.perform_asking(&inner, &parsed, Verb::Get, &Verdict::default()).await;
        match performed.result {
            Ok((_, Outcome::Stream(opened))) => encode::switch(self.clone(), &inner, *opened, now),
            Ok((target, Outcome::Follow(log))) => encode::follow(self.clone(), session.clone(), target, log),
            Ok((target, outcome)) => encode::respond(&inner, Some(&target), Ok(outcome), now),
            Err(error) if error.code == 404 => plain(404, "pod does not exist\n".to_owned()),
            Err(error) => plain(error.code, format!("{}\n", error.message)),
        }
    }

    fn pods_of(&self, node: Option<&str>) -> http::Response<ResponseBody> {
        let state = self.state.lock();
        let pods = state.store.objects(&GroupResource::new("", "pods"), None).map(|(_, pod)| &**pod);
        let here = |pod: &&Value| {
            let its = meta::text(pod, "/spec/nodeName");
            !its.is_empty() && node.is_none_or(|node| node == its)
        };
        let items: Vec<&Value> = pods.filter(here).collect();
        in_json(&json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
    }

    /// What is used: nothing is measured, so it is what the containers that run ask for.
    fn summary(&self, node: Option<&str>) -> http::Response<ResponseBody> {
        let state = self.state.lock();
        let time = timestamp_text(self.clock.now());
        let mut pods = Vec::new();
        let mut total = Usage::default();
        for (_, pod) in state.store.objects(&GroupResource::new("", "pods"), None) {
            let its = meta::text(pod, "/spec/nodeName");
            let here = !its.is_empty() && node.is_none_or(|node| node == its);
            if !here || meta::text(pod, "/status/phase") != "Running" {
                continue;
            }
            let mut sum = Usage::default();
            let mut containers = Vec::new();
            for container in pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten() {
                let usage = Usage::of(container);
                sum.add(usage);
                containers.push(usage.told(&time, json!({ "name": meta::text(container, "/name") })));
            }
            total.add(sum);
            let of = |field: &str| meta::text(pod, &format!("/metadata/{field}"));
            let reference = json!({ "name": of("name"), "namespace": of("namespace"), "uid": of("uid") });
            pods.push(sum.told(&time, json!({ "podRef": reference, "containers": containers })));
        }
        let node = total.told(&time, json!({ "nodeName": node.unwrap_or_default() }));
        in_json(&json!({ "node": node, "pods": pods }))
    }
}

#[derive(Clone, Copy, Default)]
struct Usage {
    nano_cores: u64,
    bytes: u64,
}

// === impl Usage ===

impl Usage {
    fn of(container: &Value) -> Self {
        let millis = |field: &str| {
            let amount = container.pointer(&format!("/resources/requests/{field}")).and_then(Value::as_str);
            let amount = amount.and_then(|text| Quantity::parse(text).ok()).map_or(0, |amount| amount.milli_value());
            u64::try_from(amount).unwrap_or(0)
        };
        Self { nano_cores: millis("cpu").saturating_mul(1_000_000), bytes: millis("memory") / 1_000 }
    }

    fn add(&mut self, other: Self) {
        self.nano_cores = self.nano_cores.saturating_add(other.nano_cores);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    fn told(self, time: &str, mut of: Value) -> Value {
        of["cpu"] = json!({ "time": time, "usageNanoCores": self.nano_cores });
        of["memory"] = json!({ "time": time, "usageBytes": self.bytes, "workingSetBytes": self.bytes });
        of
    }
}

fn in_json(value: &Value) -> http::Response<ResponseBody> {
    let mut response = plain(200, value.to_string());
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// A kubelet names the streams of a command otherwise than the API server.
fn translate(query: &Query, container: &str) -> Query {
    let mut query = query.clone();
    query.set("container", container);
    for (theirs, ours) in [("input", "stdin"), ("output", "stdout"), ("error", "stderr")] {
        if query.flag(theirs) {
            query.set(ours, "true");
        }
    }
    if let Some(port) = query.get("port").map(str::to_owned) {
        query.push("ports", port);
    }
    query
}

//! Where traffic comes from and goes to.

use std::collections::{BTreeMap, BTreeSet};

use argo_core::Object;
use serde_json::Value;

use crate::api::{LoadBalancerIngress, NetworkingInfo, ResourceRef, names};

const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

/// Links that annotations hold, `title|URL` as they are; only http and https count.
pub(super) fn links(object: &Object) -> impl Iterator<Item = String> {
    let links = object.annotations().filter(|(key, _)| key.starts_with(names::LINK_PREFIX));
    links.map(|(_, value)| value).filter(|it| is_web(it.split_once('|').map_or(*it, |(_, url)| url))).map(str::to_owned)
}

fn is_web(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    url.is_empty() || matches!(scheme.as_deref(), Some("http" | "https"))
}

/// What an object is connected with; `None` for kinds that have nothing to do with it and hold no links.
pub(super) fn networking(object: &Object) -> Option<NetworkingInfo> {
    let gvk = object.gvk();
    let mut info = match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => {
            let labels = object.labels().map(|(key, value)| (key.to_owned(), value.to_owned()));
            Some(NetworkingInfo { labels: labels.collect(), ..NetworkingInfo::default() })
        }
        ("", "Service") => Some(service(object)),
        ("extensions" | "networking.k8s.io", "Ingress") => Some(ingress(object)),
        ("networking.istio.io", "VirtualService") => Some(virtual_service(object)),
        ("networking.istio.io", "ServiceEntry") => service_entry(object),
        (GATEWAY_GROUP, "HTTPRoute" | "GRPCRoute" | "TCPRoute" | "TLSRoute" | "UDPRoute") => Some(route(object)),
        (GATEWAY_GROUP, "Gateway") => Some(gateway(object)),
        _ => None,
    };
    let mut urls: BTreeSet<String> = links(object).collect();
    if let Some(info) = &mut info {
        urls.extend(std::mem::take(&mut info.external_urls));
    }
    if !urls.is_empty() {
        info.get_or_insert_default().external_urls = urls.into_iter().collect();
    }
    info
}

fn service(object: &Object) -> NetworkingInfo {
    let balanced = object.text("/spec/type") == "LoadBalancer";
    NetworkingInfo {
        target_labels: strings(object.pointer("/spec/selector")),
        ingress: if balanced { addresses(object) } else { Vec::new() },
        ..NetworkingInfo::default()
    }
}

/// `status.loadBalancer.ingress`.
fn addresses(object: &Object) -> Vec<LoadBalancerIngress> {
    let of = |it: &Value| {
        let (hostname, ip) = (text(it, "/hostname"), text(it, "/ip"));
        let ip = if hostname.is_empty() { ip } else { "" };
        LoadBalancerIngress { ip: ip.to_owned(), hostname: hostname.to_owned() }
    };
    list(object.pointer("/status/loadBalancer/ingress"))
        .map(of)
        .filter(|it| *it != LoadBalancerIngress::default())
        .collect()
}

fn ignores_default_links(object: &Object) -> bool {
    matches!(object.annotation(names::IGNORE_DEFAULT_LINKS), Some("true" | "True" | "TRUE" | "t" | "T" | "1"))
}

fn ingress(object: &Object) -> NetworkingInfo {
    let addresses = addresses(object);
    let namespace = object.namespace().unwrap_or_default();
    let mut targets = BTreeSet::new();
    let mut urls = BTreeSet::new();
    let mut target = |backend: Option<&Value>| {
        let name = backend.map(|it| match text(it, "/service/name") {
            "" => text(it, "/serviceName"),
            name => name,
        });
        if let Some(name) = name.filter(|it| !it.is_empty()) {
            targets.insert(to_service(namespace, name));
        }
    };
    target(object.pointer("/spec/backend"));
    target(object.pointer("/spec/defaultBackend"));
    for rule in list(object.pointer("/spec/rules")) {
        let first = addresses.first().map(|it| if it.hostname.is_empty() { &it.ip } else { &it.hostname });
        let host = match text(rule, "/host") {
            "" => first.map(String::as_str).unwrap_or_default(),
            host => host,
        };
        for path in list(rule.pointer("/http/paths")) {
            target(path.get("backend"));
            if host.is_empty() {
                continue;
            }
            let secured = list(object.pointer("/spec/tls")).any(|it| {
                it.get("secretName").is_some()
                    || text(it, "/host") == host
                    || list(it.get("hosts")).any(|it| it.as_str() == Some(host))
            });
            let scheme = if secured { "https" } else { "http" };
            let path = text(path, "/path");
            urls.insert(format!("{scheme}://{host}{}", path.strip_suffix('*').unwrap_or(path)));
        }
    }
    let external_urls = if ignores_default_links(object) { Vec::new() } else { urls.into_iter().collect() };
    NetworkingInfo {
        target_refs: targets.into_iter().collect(),
        ingress: addresses,
        external_urls,
        ..Default::default()
    }
}

fn virtual_service(object: &Object) -> NetworkingInfo {
    let own = object.namespace().unwrap_or_default();
    let routes = list(object.pointer("/spec/http")).flat_map(|it| list(it.get("route")));
    let hosts = routes.map(|it| text(it, "/destination/host")).filter(|it| !it.is_empty());
    let targets: BTreeSet<ResourceRef> = hosts
        .map(|host| {
            let mut parts = host.split('.');
            let name = parts.next().unwrap_or_default();
            to_service(parts.next().unwrap_or(own), name)
        })
        .collect();
    NetworkingInfo { target_refs: targets.into_iter().collect(), ..NetworkingInfo::default() }
}

fn service_entry(object: &Object) -> Option<NetworkingInfo> {
    let labels = object.pointer("/spec/workloadSelector/labels")?;
    let pod = ResourceRef { kind: "Pod".to_owned(), ..ResourceRef::default() };
    Some(NetworkingInfo { target_labels: strings(Some(labels)), target_refs: vec![pod], ..NetworkingInfo::default() })
}

fn route(object: &Object) -> NetworkingInfo {
    let own = object.namespace().unwrap_or_default();
    let or = |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
    let reference = |it: &Value, group: &str, kind: &str| ResourceRef {
        group: or(text(it, "/group"), group),
        kind: or(text(it, "/kind"), kind),
        namespace: or(text(it, "/namespace"), own),
        name: text(it, "/name").to_owned(),
        ..ResourceRef::default()
    };
    let parents = list(object.pointer("/spec/parentRefs")).map(|it| reference(it, GATEWAY_GROUP, "Gateway"));
    let rules = list(object.pointer("/spec/rules")).flat_map(|it| list(it.get("backendRefs")));
    let backends = rules.map(|it| reference(it, "", "Service"));
    let targets: BTreeSet<ResourceRef> = parents.chain(backends).filter(|it| !it.name.is_empty()).collect();
    NetworkingInfo { target_refs: targets.into_iter().collect(), ..NetworkingInfo::default() }
}

fn gateway(object: &Object) -> NetworkingInfo {
    let address = |it: &Value| {
        let value = text(it, "/value").to_owned();
        match text(it, "/type") {
            _ if value.is_empty() => None,
            "Hostname" => Some(LoadBalancerIngress { hostname: value, ip: String::new() }),
            "IPAddress" | "" => Some(LoadBalancerIngress { ip: value, hostname: String::new() }),
            _ => None,
        }
    };
    let ingress: Vec<LoadBalancerIngress> = list(object.pointer("/status/addresses")).filter_map(address).collect();
    let mut urls = BTreeSet::new();
    for listener in list(object.pointer("/spec/listeners")) {
        let scheme = if matches!(text(listener, "/protocol"), "HTTPS" | "TLS") { "https" } else { "http" };
        let port = listener.get("port").and_then(Value::as_i64).unwrap_or_default();
        let usual = matches!((scheme, port), ("http", 80) | ("https", 443));
        let hosts: Vec<&str> = match text(listener, "/hostname") {
            "" | "*" => {
                ingress.iter().map(|it| if it.hostname.is_empty() { &it.ip } else { &it.hostname }.as_str()).collect()
            }
            host => vec![host],
        };
        for host in hosts {
            urls.insert(if usual { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") });
        }
    }
    let external_urls = if ignores_default_links(object) { Vec::new() } else { urls.into_iter().collect() };
    NetworkingInfo { ingress, external_urls, ..NetworkingInfo::default() }
}

fn to_service(namespace: &str, name: &str) -> ResourceRef {
    ResourceRef {
        kind: "Service".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..ResourceRef::default()
    }
}

fn strings(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

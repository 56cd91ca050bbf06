//! What the server does with a service before it is checked: addresses, families and ports, out of what it was and what the cluster has.

use serde_json::{Value, json};

use super::defaults::put;
use super::meta::{self, set_path};
use super::state::State;
use super::status::ApiError;
use crate::store::{GroupResource, ObjectKey, Op};

// === impl State ===

impl State {
    /// Says where the server itself is. An address of this machine alone is none that others may be told, so the slice is not asked
    /// whether it may be.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn announce(&mut self, mut slice: Value, now: jiff::Timestamp) -> Result<(), ApiError> {
        let slices = GroupResource::new("discovery.k8s.io", "endpointslices");
        let key = ObjectKey::new(Some(meta::text(&slice, "/metadata/namespace")), meta::name(&slice));
        let known = self.store.read(&slices, &key);
        let uid = known.as_ref().map_or_else(|| self.ids.uid(), |known| meta::uid(known).to_owned());
        slice["metadata"]["uid"] = json!(uid);
        slice["metadata"]["generation"] = json!(1);
        slice["metadata"]["creationTimestamp"] = json!(meta::timestamp_text(now));
        let op = match known {
            None => Op::Create { key, object: slice },
            Some(_) => Op::Update { key, object: slice, expected: None },
        };
        self.commit(&slices, op, false).map(|_| ())
    }
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    meta::text(object, &format!("/spec/{field}"))
}

fn spec_mut(object: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    object.get_mut("spec").and_then(Value::as_object_mut)
}

fn needs_address(object: &Value) -> bool {
    text(object, "type") != "ExternalName"
}

fn needs_ports(object: &Value) -> bool {
    matches!(text(object, "type"), "NodePort" | "LoadBalancer")
}

/// Brings the one address and the list of them together, and keeps what the client left out of an update.
pub(super) fn normalize(object: &mut Value, live: Option<&Value>) {
    if let Some(live) = live {
        keep(object, live);
    }
    let (one, all) = (object.pointer("/spec/clusterIP").cloned(), object.pointer("/spec/clusterIPs").cloned());
    let given = one.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let before = live.map(|live| text(live, "clusterIP").to_owned());
    let Some(spec) = spec_mut(object) else { return };
    match before {
        None => {
            if !given.is_empty() && all.is_none() {
                spec.insert("clusterIPs".to_owned(), json!([given]));
            }
        }
        Some(before) if before != given => {
            let same = live.and_then(|live| live.pointer("/spec/clusterIPs")) == all.as_ref();
            if given.is_empty() && same {
                spec.remove("clusterIPs");
            } else if same || all.is_none() {
                spec.insert("clusterIPs".to_owned(), json!([given]));
            }
        }
        Some(_) if all.is_none() && !given.is_empty() => {
            let kept =
                live.and_then(|live| live.pointer("/spec/clusterIPs")).cloned().unwrap_or_else(|| json!([given]));
            spec.insert("clusterIPs".to_owned(), kept);
        }
        Some(_) => {}
    }
}

/// Values that were given before stay where the client does not name them.
fn keep(object: &mut Value, live: &Value) {
    if needs_address(live) && needs_address(object) && text(object, "clusterIP").is_empty() {
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(value) = live.pointer(&format!("/spec/{field}"))
                && object.pointer(&format!("/spec/{field}")).is_none_or(|given| given == "")
            {
                set_path(object, &["spec".to_owned(), field.to_owned()], value.clone());
            }
        }
    }
    if needs_ports(live) && needs_ports(object) {
        let old = live.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
        for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
            if port.get("nodePort").is_none()
                && let Some(number) = old.iter().find(same).and_then(|other| other.get("nodePort")).cloned()
            {
                port["nodePort"] = number;
            }
        }
    }
    let checked =
        |object: &Value| text(object, "type") == "LoadBalancer" && text(object, "externalTrafficPolicy") == "Local";
    if checked(live)
        && checked(object)
        && let Some(port) = live.pointer("/spec/healthCheckNodePort").cloned()
    {
        put(object, &["spec", "healthCheckNodePort"], port);
    }
}

/// Gives a service what it has not: families, an address, ports.
pub(super) fn allocate(state: &mut State, object: &mut Value, live: Option<&Value>) {
    if let Some(live) = live {
        forget(object, live);
    }
    if live.is_none() || text(object, "type") != "LoadBalancer" {
        set_path(object, &["status".to_owned(), "loadBalancer".to_owned()], json!({}));
    }
    put(object, &["status", "loadBalancer"], json!({}));
    if !needs_address(object) {
        return;
    }
    let alone = object.pointer("/spec/selector").is_none();
    if text(object, "clusterIP") == "None" && alone {
        // Whoever makes the endpoints may use both families.
        put(object, &["spec", "ipFamilyPolicy"], json!("RequireDualStack"));
        put(object, &["spec", "ipFamilies"], json!(["IPv4"]));
        if text(object, "ipFamilyPolicy") != "SingleStack"
            && let Some(families) = object.pointer_mut("/spec/ipFamilies").and_then(Value::as_array_mut)
            && families.len() == 1
        {
            let other = if families[0] == "IPv4" { "IPv6" } else { "IPv4" };
            families.push(json!(other));
        }
    }
    put(object, &["spec", "ipFamilyPolicy"], json!("SingleStack"));
    put(object, &["spec", "ipFamilies"], json!(["IPv4"]));
    if text(object, "clusterIP").is_empty() {
        let number = state.ids.number(60_000) + 257;
        let address = format!("10.96.{}.{}", (number / 250) % 256, number % 250 + 1);
        set_path(object, &["spec".to_owned(), "clusterIP".to_owned()], json!(address));
    }
    let address = object.pointer("/spec/clusterIP").cloned().unwrap_or_default();
    put(object, &["spec", "clusterIPs"], json!([address]));
    let wanted = object.pointer("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    if text(object, "type") == "NodePort" || text(object, "type") == "LoadBalancer" && wanted {
        for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port.get("nodePort").is_none() {
                let number = 30_000 + state.ids.number(2_768);
                put(port, &["nodePort"], json!(number));
            }
        }
    }
    if text(object, "type") == "LoadBalancer" && text(object, "externalTrafficPolicy") == "Local" {
        let number = 30_000 + state.ids.number(2_768);
        put(object, &["spec", "healthCheckNodePort"], json!(number));
    }
}

/// What goes with a type that the service has no longer, unless the client has changed it too.
fn forget(object: &mut Value, live: &Value) {
    let unchanged = |object: &Value, field: &str| {
        let pointer = format!("/spec/{field}");
        object.pointer(&pointer) == live.pointer(&pointer)
    };
    let balanced = |object: &Value| text(object, "type") == "LoadBalancer";
    let checked = |object: &Value| balanced(object) && text(object, "externalTrafficPolicy") == "Local";
    let mut gone: Vec<&str> = Vec::new();
    if needs_address(live) && !needs_address(object) {
        let addresses = unchanged(object, "clusterIP") && unchanged(object, "clusterIPs");
        gone.extend(["clusterIP", "clusterIPs"].iter().filter(|_| addresses));
        gone.extend(
            ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"].iter().filter(|field| unchanged(object, field)),
        );
    }
    if checked(live) && !checked(object) && unchanged(object, "healthCheckNodePort") {
        gone.push("healthCheckNodePort");
    }
    if balanced(live) && !balanced(object) {
        let fields = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
        gone.extend(fields.iter().filter(|field| unchanged(object, field)));
    }
    if needs_ports(live) && !needs_ports(object) && unchanged(object, "externalTrafficPolicy") {
        gone.push("externalTrafficPolicy");
    }
    let old: Vec<Value> =
        live.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten().cloned().collect();
    let drop_ports = needs_ports(live) && !needs_ports(object);
    let Some(spec) = spec_mut(object) else { return };
    for field in gone {
        spec.remove(field);
    }
    if drop_ports {
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten() {
            let known = old.iter().any(|other| other.get("nodePort") == port.get("nodePort"));
            if known && let Some(fields) = port.as_object_mut() {
                fields.remove("nodePort");
            }
        }
    }
}

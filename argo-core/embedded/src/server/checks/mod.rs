//! Checks of the built-in kinds that users meet.

mod network;
mod pod;
mod policies;
mod workloads;

use serde_json::{Map, Value, json};

use super::Call;
use super::meta;
use super::status::Cause;

/// The most bytes of data in a ConfigMap or Secret.
const SIZE_LIMIT: usize = 1024 * 1024;

/// Checks of the built-in kinds.
pub(super) fn apply(call: &Call<'_>, object: &Value, live: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    match (call.def.group(), call.def.resource()) {
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") if call.subresource.is_none() => {
            workloads::workload(call.def.resource(), object, live, &mut causes);
        }
        ("apps", "controllerrevisions") if object.get("data").is_none() => {
            causes.push(Cause::required("data", "data is mandatory"));
        }
        ("batch", "jobs") if call.subresource.is_none() => {
            workloads::job(object.get("spec").unwrap_or(&Value::Null), "spec", &mut causes);
            for pointer in ["/spec/selector", "/spec/completionMode"] {
                immutable(object, live, pointer, &mut causes);
            }
        }
        ("batch", "cronjobs") if call.subresource.is_none() => workloads::cron_job(object, &mut causes),
        ("autoscaling", "horizontalpodautoscalers") if call.subresource.is_none() => {
            workloads::autoscaler(object, &mut causes);
        }
        ("", "podtemplates") => {
            let spec = object.pointer("/template/spec").unwrap_or(&Value::Null);
            pod::spec(spec, "template.spec", pod::Restart::Any, &mut causes);
        }
        ("", "replicationcontrollers") if call.subresource.is_none() => {
            let spec = object.get("spec").unwrap_or(&Value::Null);
            if spec.get("selector").is_none_or(|selector| selector.as_object().is_some_and(Map::is_empty)) {
                causes.push(Cause::required("spec.selector", ""));
            }
            match spec.get("template") {
                None => causes.push(Cause::required("spec.template", "")),
                Some(template) => {
                    let spec = template.get("spec").unwrap_or(&Value::Null);
                    pod::spec(spec, "spec.template.spec", pod::Restart::Always, &mut causes);
                }
            }
            negative(spec, "replicas", "spec", &mut causes);
        }
        ("", "persistentvolumeclaims") if call.subresource.is_none() => claim(object, &mut causes),
        ("networking.k8s.io", "ingresses") if call.subresource.is_none() => {
            let spec = object.get("spec").unwrap_or(&Value::Null);
            if spec.get("defaultBackend").is_none() && items(spec, "/rules").is_empty() {
                let why = "either `defaultBackend` or `rules` must be specified";
                causes.push(Cause::invalid("spec", spec.get("rules").unwrap_or(&Value::Null), why));
            }
            network::ingress(spec, &mut causes);
        }
        ("networking.k8s.io", "networkpolicies") => {
            network::policy(object.get("spec").unwrap_or(&Value::Null), &mut causes);
        }
        ("coordination.k8s.io", "leases") => policies::lease(object, &mut causes),
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => {
            policies::role(call.def.resource() == "roles", object, &mut causes);
        }
        ("discovery.k8s.io", "endpointslices") => {
            let kind = meta::text(object, "/addressType");
            if kind.is_empty() {
                causes.push(Cause::required("addressType", ""));
            } else {
                one_of(kind, &["FQDN", "IPv4", "IPv6"], "addressType".to_owned(), &mut causes);
            }
        }
        ("", "pods") => {
            if call.subresource.is_none() {
                pod::spec(object.get("spec").unwrap_or(&Value::Null), "spec", pod::Restart::Any, &mut causes);
            }
            if let Some(live) = live {
                match call.subresource {
                    None => pod_update(live, object, &mut causes),
                    Some("ephemeralcontainers") => ephemeral_containers(live, object, &mut causes),
                    Some(_) => {}
                }
            }
        }
        ("", "services") => {
            let ports = object.pointer("/spec/ports").and_then(Value::as_array);
            let external =
                meta::text(object, "/spec/type") == "ExternalName" || meta::text(object, "/spec/clusterIP") == "None";
            if ports.is_none_or(Vec::is_empty) && !external {
                causes.push(Cause::required("spec.ports", ""));
            }
            service_ports(ports.map_or(&[], Vec::as_slice), &mut causes);
            if call.subresource.is_none() {
                network::service(object, live.is_none(), &mut causes);
            }
            if live.is_some_and(|live| !meta::text(live, "/spec/clusterIP").is_empty())
                && meta::text(object, "/spec/type") != "ExternalName"
            {
                let (before, after) =
                    (live.and_then(|live| live.pointer("/spec/clusterIP")), object.pointer("/spec/clusterIP"));
                if before != after {
                    causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([after]), "may not change once set"));
                }
            }
        }
        ("", "configmaps" | "secrets") => {
            if live.is_some_and(|live| live.get("immutable") == Some(&Value::Bool(true))) {
                if object.get("immutable") != Some(&Value::Bool(true)) {
                    causes.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
                }
                for field in ["data", "binaryData"] {
                    if live.and_then(|live| live.get(field)) != object.get(field) {
                        causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
                    }
                }
            }
            let required: &[&str] = match (call.def.resource(), meta::text(object, "/type")) {
                ("secrets", "kubernetes.io/tls") => &["tls.crt", "tls.key"],
                ("secrets", "kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
                ("secrets", "kubernetes.io/ssh-auth") => &["ssh-privatekey"],
                _ => &[],
            };
            for key in required {
                if object.get("data").and_then(|data| data.get(key)).is_none() {
                    causes.push(Cause::required(format!("data[{key}]"), ""));
                }
            }
            if call.def.resource() == "secrets" {
                policies::secret(object, &mut causes);
            }
            if call.def.resource() == "secrets"
                && let Some(live) = live
                && live.get("type") != object.get("type")
            {
                causes.push(Cause::invalid("type", &object["type"], "field is immutable"));
            }
            let mut size = 0;
            for field in ["data", "binaryData"] {
                for (key, value) in object.get(field).and_then(Value::as_object).into_iter().flatten() {
                    size += value.as_str().map_or(0, |text| match (field, call.def.resource()) {
                        ("data", "configmaps") => text.len(),
                        _ => text.len() / 4 * 3,
                    });
                    let at = format!("{field}[{key}]");
                    let shown = Value::from(key.as_str());
                    if field == "data" && object.get("binaryData").is_some_and(|other| other.get(key).is_some()) {
                        causes.push(Cause::invalid(at.clone(), &shown, "duplicate of key present in binaryData"));
                    }
                    match key.as_str() {
                        "." => causes.push(Cause::invalid(at, &shown, "must not be '.'")),
                        ".." => causes.push(Cause::invalid(at, &shown, "must not be '..'")),
                        key if key.starts_with("..") => {
                            causes.push(Cause::invalid(at, &shown, "must not start with '..'"));
                        }
                        key if key.len() > 253 => {
                            causes.push(Cause::invalid(at, &shown, "must be no more than 253 characters"));
                        }
                        _ => {}
                    }
                }
            }
            if size > SIZE_LIMIT {
                let field = if call.def.resource() == "secrets" { "data" } else { "[]" };
                causes.push(Cause::too_long(field, SIZE_LIMIT));
            }
            for key in object.get("data").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                if !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
                    causes.push(Cause::invalid(
                        format!("data[{key}]"),
                        &Value::from(key.as_str()),
                        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                    ));
                }
            }
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            let reference = object.get("roleRef").unwrap_or(&Value::Null);
            let kind = meta::text(reference, "/kind");
            let kinds: &[&str] =
                if call.def.resource() == "rolebindings" { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
            if !kinds.contains(&kind) {
                let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
                causes.push(Cause::not_supported("roleRef.kind", &Value::from(kind), &kinds));
            }
            if meta::text(reference, "/name").is_empty() {
                causes.push(Cause::required("roleRef.name", ""));
            }
            policies::binding(call.def.resource() == "rolebindings", object, &mut causes);
            if let Some(live) = live
                && live.get("roleRef") != object.get("roleRef")
            {
                causes.push(Cause::invalid("roleRef", &object["roleRef"], "cannot change roleRef"));
            }
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            causes.extend(crate::crd::validate_definition(object, live))
        }
        _ => {}
    }
    causes
}

/// Of a pod's spec only images, deadlines, grace and added tolerations may change.
fn pod_update(live: &Value, object: &Value, causes: &mut Vec<Cause>) {
    let fixed = |pod: &Value| {
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        if let Some(fields) = spec.as_object_mut() {
            for field in [
                "activeDeadlineSeconds",
                "tolerations",
                "terminationGracePeriodSeconds",
                "schedulingGates",
                "nodeSelector",
                "affinity",
            ] {
                fields.remove(field);
            }
            for list in ["containers", "initContainers"] {
                for container in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Some(container) = container.as_object_mut() {
                        container.remove("image");
                    }
                }
            }
        }
        spec
    };
    if fixed(live) != fixed(object) {
        causes.push(Cause::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
}

/// Ephemeral containers come and stay as they are.
fn ephemeral_containers(live: &Value, object: &Value, causes: &mut Vec<Cause>) {
    let list =
        |pod: &Value| pod.pointer("/spec/ephemeralContainers").and_then(Value::as_array).cloned().unwrap_or_default();
    let (before, after) = (list(live), list(object));
    for (index, container) in after.iter().enumerate() {
        let at = format!("spec.ephemeralContainers[{index}]");
        for field in ["name", "image"] {
            if meta::text(container, &format!("/{field}")).is_empty() {
                causes.push(Cause::required(format!("{at}.{field}"), ""));
            }
        }
    }
    for (index, old) in before.iter().enumerate() {
        let name = meta::text(old, "/name");
        let why = match after.iter().find(|new| new["name"] == old["name"]) {
            None => format!("existing ephemeral containers {name:?} may not be removed\n"),
            Some(new) if new != old => format!("existing ephemeral containers {name:?} may not be changed\n"),
            Some(_) => continue,
        };
        let field = if why.contains("removed") {
            "spec.ephemeralContainers".to_owned()
        } else {
            format!("spec.ephemeralContainers[{index}]")
        };
        causes.push(Cause::forbidden(field, &why));
    }
}

fn service_ports(ports: &[Value], causes: &mut Vec<Cause>) {
    for (index, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        let name = meta::text(port, "/name");
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(format!("{at}.name"), ""));
        } else if !name.is_empty() && ports[..index].iter().any(|other| meta::text(other, "/name") == name) {
            causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
        }
        for field in ["port", "targetPort"] {
            if let Some(number) = port.get(field).and_then(Value::as_i64)
                && !(1..=65_535).contains(&number)
            {
                causes.push(Cause::invalid(
                    format!("{at}.{field}"),
                    &Value::from(number),
                    "must be between 1 and 65535, inclusive",
                ));
            }
        }
    }
}

fn claim(object: &Value, causes: &mut Vec<Cause>) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let modes = items(spec, "/accessModes");
    if modes.is_empty() {
        causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    if spec.pointer("/resources/requests/storage").is_none() {
        causes.push(Cause::required("spec.resources[storage]", ""));
    }
    policies::claim(spec, causes);
}

// === small readings and rules ===

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

fn one_of(text: &str, allowed: &[&str], field: String, causes: &mut Vec<Cause>) {
    if !text.is_empty() && !allowed.contains(&text) {
        let allowed: Vec<String> = allowed.iter().map(|text| (*text).to_owned()).collect();
        causes.push(Cause::not_supported(field, &Value::from(text), &allowed));
    }
}

fn negative(value: &Value, field: &str, path: &str, causes: &mut Vec<Cause>) {
    if let Some(number) = value.get(field).and_then(Value::as_i64).filter(|number| *number < 0) {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid(format!("{path}.{field}"), &Value::from(number), why));
    }
}

fn port_number(number: i64, field: String, causes: &mut Vec<Cause>) {
    if !(1..=65_535).contains(&number) {
        causes.push(Cause::invalid(field, &Value::from(number), "must be between 1 and 65535, inclusive"));
    }
}

fn labels(labels: Option<&Value>, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        for problem in super::names::qualified_name_problems(key) {
            causes.push(Cause::invalid(field, &Value::from(key.as_str()), &problem));
        }
        if let Some(value) = value.as_str().filter(|value| !super::names::is_label_value(value)) {
            causes.push(Cause::invalid(field, &Value::from(value), super::names::label_value_problem(value)));
        }
    }
}

fn immutable(object: &Value, live: Option<&Value>, pointer: &str, causes: &mut Vec<Cause>) {
    let value = object.pointer(pointer);
    if let Some(live) = live
        && live.pointer(pointer) != value
    {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        causes.push(Cause::invalid(field, value.unwrap_or(&Value::Null), "field is immutable"));
    }
}

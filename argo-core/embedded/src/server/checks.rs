//! Checks of the built-in kinds that users meet.

use serde_json::{Map, Value, json};

use super::Call;
use super::meta;
use super::selector::LabelSelector;
use super::status::Cause;

/// Checks of the built-in kinds.
pub(super) fn apply(call: &Call<'_>, object: &Value, live: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let immutable = |causes: &mut Vec<Cause>, pointer: &str| {
        let value = object.pointer(pointer);
        if let Some(live) = live
            && live.pointer(pointer) != value
        {
            causes.push(Cause::invalid(
                pointer.trim_start_matches('/').replace('/', "."),
                value.unwrap_or(&Value::Null),
                "field is immutable",
            ));
        }
    };
    match (call.def.group(), call.def.resource()) {
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            workload(object, &mut causes);
            immutable(&mut causes, "/spec/selector");
            restart_policy(object, "spec.template.spec", &["Always"], &mut causes);
            containers(object, "/spec/template/spec", "spec.template.spec", &mut causes);
        }
        ("batch", "jobs") => {
            containers(object, "/spec/template/spec", "spec.template.spec", &mut causes);
            let policy = meta::text(object, "/spec/template/spec/restartPolicy");
            if !matches!(policy, "OnFailure" | "Never") {
                causes.push(if policy.is_empty() || policy == "Always" {
                    Cause {
                        reason: "FieldValueRequired",
                        field: "spec.template.spec.restartPolicy".to_owned(),
                        message: "Required value: valid values: \"OnFailure\", \"Never\"".to_owned(),
                    }
                } else {
                    Cause::not_supported(
                        "spec.template.spec.restartPolicy",
                        &Value::from(policy),
                        &["OnFailure".to_owned(), "Never".to_owned()],
                    )
                });
            }
            immutable(&mut causes, "/spec/selector");
            immutable(&mut causes, "/spec/completionMode");
        }
        ("", "pods") => {
            restart_policy(object, "spec", &["Always", "OnFailure", "Never"], &mut causes);
            containers(object, "/spec", "spec", &mut causes);
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
            if call.def.resource() == "secrets"
                && let Some(live) = live
                && live.get("type") != object.get("type")
            {
                causes.push(Cause::invalid("type", &object["type"], "field is immutable"));
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

fn restart_policy(object: &Value, path: &str, allowed: &[&str], causes: &mut Vec<Cause>) {
    let policy = meta::text(object, &format!("/{}/restartPolicy", path.replace('.', "/")));
    if !policy.is_empty() && !allowed.contains(&policy) {
        let allowed: Vec<String> = allowed.iter().map(|policy| (*policy).to_owned()).collect();
        causes.push(Cause::not_supported(format!("{path}.restartPolicy"), &Value::from(policy), &allowed));
    }
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

/// Selector and template labels of a workload belong together.
fn workload(object: &Value, causes: &mut Vec<Cause>) {
    match object.pointer("/spec/selector") {
        None => {
            causes.push(Cause::required("spec.selector", ""));
            let labels = object.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
            causes.push(Cause::invalid(
                "spec.template.metadata.labels",
                &labels,
                "`selector` does not match template `labels`",
            ));
        }
        Some(selector) => match LabelSelector::from_object(selector) {
            Some(parsed) if parsed.is_empty() => {
                causes.push(Cause::invalid("spec.selector", selector, "empty selector is invalid for deployment"))
            }
            Some(parsed) => {
                if !parsed.matches(object.pointer("/spec/template").unwrap_or(&Value::Null)) {
                    let labels = object.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
                    causes.push(Cause::invalid(
                        "spec.template.metadata.labels",
                        &labels,
                        "`selector` does not match template `labels`",
                    ));
                }
            }
            None => causes.push(Cause::invalid("spec.selector", selector, "invalid label selector")),
        },
    }
    if object.pointer("/spec/replicas").and_then(Value::as_i64).is_some_and(|replicas| replicas < 0) {
        causes.push(Cause::invalid("spec.replicas", &object["spec"]["replicas"], "must be greater than or equal to 0"));
    }
}

fn containers(object: &Value, pointer: &str, path: &str, causes: &mut Vec<Cause>) {
    let spec = object.pointer(pointer).unwrap_or(&Value::Null);
    if spec.get("containers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        causes.push(Cause::required(format!("{path}.containers"), ""));
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    let named = ["initContainers", "containers"]
        .map(|field| (field, spec.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)));
    for (field, list) in named {
        for (index, container) in list.iter().enumerate() {
            let at = format!("{path}.{field}[{index}]");
            let name = meta::text(container, "/name");
            if name.is_empty() {
                causes.push(Cause::required(format!("{at}.name"), ""));
            } else if !super::names::is_label(name) {
                causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), super::names::LABEL));
            } else if seen.contains(&name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
            }
            seen.push(name);
            if meta::text(container, "/image").is_empty() {
                causes.push(Cause::required(format!("{at}.image"), ""));
            }
        }
    }
}

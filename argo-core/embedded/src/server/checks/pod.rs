//! Pod specs, alone or in a template.

use serde_json::Value;

use super::super::meta;
use super::super::names;
use super::super::status::Cause;
use super::{items, negative, number, one_of, port_number};

const PORT_NAME: &str = "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)";

/// The restart policies that a spec may have.
pub(super) enum Restart {
    Any,
    Always,
    /// Jobs do not run for ever.
    Ends,
}

/// Checks a pod spec; `path` is its place in messages.
pub(super) fn spec(spec: &Value, path: &str, restart: Restart, causes: &mut Vec<Cause>) {
    let at = |field: &str| format!("{path}.{field}");
    let volumes = volumes(spec, path, causes);
    containers(spec, path, &volumes, causes);
    let policy = meta::text(spec, "/restartPolicy");
    match restart {
        Restart::Any => one_of(policy, &["Always", "OnFailure", "Never"], at("restartPolicy"), causes),
        Restart::Always => one_of(policy, &["Always"], at("restartPolicy"), causes),
        Restart::Ends if policy.is_empty() || policy == "Always" => causes.push(Cause {
            reason: "FieldValueRequired",
            field: at("restartPolicy"),
            message: "Required value: valid values: \"OnFailure\", \"Never\"".to_owned(),
        }),
        Restart::Ends => one_of(policy, &["OnFailure", "Never"], at("restartPolicy"), causes),
    }
    let dns = meta::text(spec, "/dnsPolicy");
    one_of(dns, &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], at("dnsPolicy"), causes);
    if dns == "None" && items(spec, "/dnsConfig/nameservers").is_empty() {
        let field = if spec.get("dnsConfig").is_some() { at("dnsConfig.nameservers") } else { at("dnsConfig") };
        let why = if spec.get("dnsConfig").is_some() {
            "must provide at least one DNS nameserver when `dnsPolicy` is None".to_owned()
        } else {
            "must provide `dnsConfig` when `dnsPolicy` is None".to_owned()
        };
        causes.push(Cause::required(field, &why));
    }
    if let Some(deadline) = number(spec, "/activeDeadlineSeconds")
        && !(1..=i64::from(i32::MAX)).contains(&deadline)
    {
        let why = "must be between 1 and 2147483647, inclusive";
        causes.push(Cause::invalid(at("activeDeadlineSeconds"), &Value::from(deadline), why));
    }
    super::labels(spec.get("nodeSelector"), &at("nodeSelector"), causes);
    for (field, label) in [("hostname", true), ("subdomain", true)] {
        let text = meta::text(spec, &format!("/{field}"));
        if label && !text.is_empty() && !names::is_label(text) {
            causes.push(Cause::invalid(at(field), &Value::from(text), names::LABEL));
        }
    }
    for field in ["serviceAccountName", "nodeName"] {
        let text = meta::text(spec, &format!("/{field}"));
        if !text.is_empty() && !names::is_subdomain(text) {
            causes.push(Cause::invalid(at(field), &Value::from(text), names::SUBDOMAIN));
        }
    }
    tolerations(spec, path, causes);
}

/// Names of the volumes.
fn volumes(spec: &Value, path: &str, causes: &mut Vec<Cause>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for (index, volume) in items(spec, "/volumes").iter().enumerate() {
        let at = format!("{path}.volumes[{index}]");
        let name = meta::text(volume, "/name");
        let sources =
            volume.as_object().map_or(0, |fields| fields.keys().filter(|field| field.as_str() != "name").count());
        if sources == 0 {
            causes.push(Cause::required(at.clone(), "must specify a volume type"));
        }
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        } else if !names::is_label(name) {
            causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), names::LABEL));
        } else if seen.iter().any(|other| other == name) {
            causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
        }
        seen.push(name.to_owned());
        for (source, field) in [
            ("hostPath", "path"),
            ("secret", "secretName"),
            ("configMap", "name"),
            ("persistentVolumeClaim", "claimName"),
        ] {
            if let Some(source_value) = volume.get(source)
                && meta::text(source_value, &format!("/{field}")).is_empty()
            {
                causes.push(Cause::required(format!("{at}.{source}.{field}"), ""));
            }
        }
    }
    seen
}

fn containers(spec: &Value, path: &str, volumes: &[String], causes: &mut Vec<Cause>) {
    if items(spec, "/containers").is_empty() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let mut seen: Vec<&str> = Vec::new();
    for field in ["initContainers", "containers"] {
        for (index, container) in items(spec, &format!("/{field}")).iter().enumerate() {
            let at = format!("{path}.{field}[{index}]");
            let name = meta::text(container, "/name");
            if name.is_empty() {
                causes.push(Cause::required(format!("{at}.name"), ""));
            } else if name.len() > 63 {
                causes.push(Cause::invalid(
                    format!("{at}.name"),
                    &Value::from(name),
                    "must be no more than 63 characters",
                ));
            } else if !names::is_label(name) {
                causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), names::LABEL));
            } else if seen.contains(&name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
            }
            seen.push(name);
            let image = meta::text(container, "/image");
            if image.is_empty() {
                causes.push(Cause::required(format!("{at}.image"), ""));
            } else if image.trim() != image {
                let why = "must not have leading or trailing whitespace";
                causes.push(Cause::invalid(format!("{at}.image"), &Value::from(image), why));
            }
            one_of(
                meta::text(container, "/imagePullPolicy"),
                &["Always", "IfNotPresent", "Never"],
                format!("{at}.imagePullPolicy"),
                causes,
            );
            ports(container, &at, causes);
            environment(container, &at, causes);
            mounts(container, &at, volumes, causes);
            probes(container, &at, causes);
        }
    }
}

fn ports(container: &Value, at: &str, causes: &mut Vec<Cause>) {
    let mut names_seen: Vec<&str> = Vec::new();
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let at = format!("{at}.ports[{index}]");
        let name = meta::text(port, "/name");
        if !name.is_empty() {
            port_name(name, &format!("{at}.name"), causes);
            if names_seen.contains(&name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
            }
            names_seen.push(name);
        }
        match number(port, "/containerPort") {
            None | Some(0) => causes.push(Cause::required(format!("{at}.containerPort"), "")),
            Some(number) => port_number(number, format!("{at}.containerPort"), causes),
        }
        if let Some(host) = number(port, "/hostPort").filter(|host| *host != 0) {
            port_number(host, format!("{at}.hostPort"), causes);
        }
        one_of(meta::text(port, "/protocol"), &["SCTP", "TCP", "UDP"], format!("{at}.protocol"), causes);
    }
}

/// An IANA service name.
pub(super) fn port_name(name: &str, field: &str, causes: &mut Vec<Cause>) {
    let mut invalid = |why: &str| causes.push(Cause::invalid(field, &Value::from(name), why));
    if name.len() > 15 {
        invalid("must be no more than 15 characters");
    }
    if !name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-') {
        invalid(PORT_NAME);
    }
    if !name.bytes().any(|c| c.is_ascii_lowercase()) {
        invalid("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        invalid("must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        invalid("must not begin or end with a hyphen");
    }
}

fn environment(container: &Value, at: &str, causes: &mut Vec<Cause>) {
    for (index, variable) in items(container, "/env").iter().enumerate() {
        let at = format!("{at}.env[{index}]");
        let name = meta::text(variable, "/name");
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        } else if name.contains('=') {
            let why =
                "a valid environment variable name must consist only of printable ASCII characters other than '='";
            causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), why));
        }
        let Some(source) = variable.get("valueFrom").and_then(Value::as_object) else { continue };
        match source.len() {
            0 => {
                let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
                causes.push(Cause::invalid(format!("{at}.valueFrom"), &Value::from(""), why));
            }
            1 if !meta::text(variable, "/value").is_empty() => causes.push(Cause::invalid(
                format!("{at}.valueFrom"),
                &Value::from(""),
                "may not be specified when `value` is not empty",
            )),
            1 => {}
            _ => causes.push(Cause::invalid(
                format!("{at}.valueFrom"),
                &Value::from(""),
                "may not have more than one field specified at a time",
            )),
        }
        for reference in ["configMapKeyRef", "secretKeyRef"] {
            let Some(reference_value) = source.get(reference) else { continue };
            for field in ["name", "key"] {
                let text = meta::text(reference_value, &format!("/{field}"));
                if text.is_empty() {
                    causes.push(Cause::required(format!("{at}.valueFrom.{reference}.{field}"), ""));
                }
            }
        }
    }
}

fn mounts(container: &Value, at: &str, volumes: &[String], causes: &mut Vec<Cause>) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, mount) in items(container, "/volumeMounts").iter().enumerate() {
        let at = format!("{at}.volumeMounts[{index}]");
        let (name, path) = (meta::text(mount, "/name"), meta::text(mount, "/mountPath"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
        if path.is_empty() {
            causes.push(Cause::required(format!("{at}.mountPath"), ""));
        }
        if !volumes.iter().any(|volume| volume == name) {
            causes.push(Cause::not_found(format!("{at}.name"), &Value::from(name)));
        }
        if seen.contains(&path) {
            causes.push(Cause::invalid(format!("{at}.mountPath"), &Value::from(path), "must be unique"));
        }
        seen.push(path);
    }
}

fn probes(container: &Value, at: &str, causes: &mut Vec<Cause>) {
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(value) = container.get(probe).filter(|value| value.is_object()) else { continue };
        let at = format!("{at}.{probe}");
        let handlers: Vec<&str> = ["exec", "httpGet", "tcpSocket", "grpc"]
            .into_iter()
            .filter(|handler| value.get(*handler).is_some())
            .collect();
        match handlers.as_slice() {
            [] => causes.push(Cause::required(at.clone(), "must specify a handler type")),
            [_] => {}
            [_, others @ ..] => {
                for other in others {
                    let why = "may not specify more than 1 handler type";
                    causes.push(Cause::forbidden(format!("{at}.{other}"), why));
                }
            }
        }
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            negative(value, field, &at, causes);
        }
        if probe != "readinessProbe"
            && let Some(threshold) = number(value, "/successThreshold").filter(|threshold| *threshold != 1)
        {
            causes.push(Cause::invalid(format!("{at}.successThreshold"), &Value::from(threshold), "must be 1"));
        }
    }
}

fn tolerations(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (index, toleration) in items(spec, "/tolerations").iter().enumerate() {
        let at = format!("{path}.tolerations[{index}]");
        let key = meta::text(toleration, "/key");
        if !key.is_empty() {
            for problem in names::qualified_name_problems(key) {
                causes.push(Cause::invalid(format!("{at}.key"), &Value::from(key), &problem));
            }
        }
        let operator = meta::text(toleration, "/operator");
        if key.is_empty() && operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            causes.push(Cause::invalid(format!("{at}.operator"), &Value::from(operator), why));
        }
        if toleration.get("tolerationSeconds").is_some() && meta::text(toleration, "/effect") != "NoExecute" {
            let effect = Value::from(meta::text(toleration, "/effect"));
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(Cause::invalid(format!("{at}.effect"), &effect, why));
        }
        if operator == "Exists" && !meta::text(toleration, "/value").is_empty() {
            let why = "value must be empty when `operator` is 'Exists'";
            causes.push(Cause::invalid(format!("{at}.operator"), toleration, why));
        }
    }
}

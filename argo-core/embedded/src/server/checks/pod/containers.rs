//! Containers of the three kinds.

use super::super::place::Place;
use super::{Pod, environment, handlers, mounts, resources, security};

/// Checks the containers of a spec.
pub(super) fn check(spec: &Place<'_, '_>, pod: &Pod<'_>) {
    let [regular, init, ephemeral] = ["containers", "initContainers", "ephemeralContainers"].map(|list| spec.at(list));
    let names = |list: &Place<'_, '_>| -> Vec<String> {
        list.items().map(|container| container.at("name").text().to_owned()).collect()
    };
    regulars(&regular, pod);
    inits(&init, names(&regular), pod);
    ephemerals(&ephemeral, [names(&regular), names(&init)].concat(), pod);
}

fn regulars(list: &Place<'_, '_>, pod: &Pod<'_>) {
    if list.is_empty() {
        return list.required("");
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut ports: Vec<String> = Vec::new();
    for container in list.items() {
        common(&container, pod);
        let name = container.at("name");
        if seen.contains(&name.text()) {
            name.duplicate(name.text());
        }
        seen.push(name.text());
        handlers::lifecycle(&container, pod);
        handlers::probes(&container, pod);
        if container.has("restartPolicy") {
            container.at("restartPolicy").forbidden("may not be set for non-init containers");
        }
    }
    for container in list.items() {
        host_ports(&container, &mut ports);
    }
}

fn inits(list: &Place<'_, '_>, mut seen: Vec<String>, pod: &Pod<'_>) {
    for container in list.items() {
        common(&container, pod);
        let policy = container.at("restartPolicy");
        if policy.is_set() {
            policy.must_be(&["Always"]);
        }
        let name = container.at("name");
        if seen.iter().any(|other| other == name.text()) {
            name.duplicate(name.text());
        } else if !name.is_empty() {
            seen.push(name.text().to_owned());
        }
        host_ports(&container, &mut Vec::new());
        if policy.text() == "Always" {
            handlers::lifecycle(&container, pod);
            handlers::probes(&container, pod);
        } else {
            for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if container.has(field) {
                    container.at(field).forbidden("may not be set for init containers without restartPolicy=Always");
                }
            }
        }
    }
}

/// What an ephemeral container may have, besides what is refused of its mounts.
const EPHEMERAL: [&str; 16] = [
    "name",
    "image",
    "command",
    "args",
    "workingDir",
    "env",
    "envFrom",
    "volumeMounts",
    "volumeDevices",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "imagePullPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "tty",
];

fn ephemerals(list: &Place<'_, '_>, others: Vec<String>, pod: &Pod<'_>) {
    const WHY: &str = "cannot be set for an Ephemeral Container";
    let mut seen = others.clone();
    for container in list.items() {
        common(&container, pod);
        trimmed_image(&container);
        let name = container.at("name");
        if seen.iter().any(|other| other == name.text()) {
            name.duplicate(name.text());
        } else {
            seen.push(name.text().to_owned());
        }
        let target = container.at("targetContainerName");
        if !target.is_empty() && !others.iter().any(|other| other == target.text()) {
            target.not_found(target.text());
        }
        for (field, value) in container.entries() {
            if field != "targetContainerName" && !EPHEMERAL.contains(&field) && !value.is_empty() {
                container.at(field).forbidden(WHY);
            }
        }
        for mount in container.at("volumeMounts").items() {
            for field in ["subPath", "subPathExpr"] {
                if !mount.at(field).is_empty() {
                    mount.at(field).forbidden(WHY);
                }
            }
        }
    }
}

/// The image of a container of a pod is not padded; that of a template may be.
pub(super) fn trimmed_image(container: &Place<'_, '_>) {
    let image = container.at("image");
    if image.text().trim() != image.text() {
        image.invalid_text("must not have leading or trailing whitespace");
    }
}

/// What holds of containers of every kind.
fn common(container: &Place<'_, '_>, pod: &Pod<'_>) {
    let name = container.at("name");
    if name.is_empty() {
        name.required("");
    } else {
        name.label();
    }
    container.at("image").needed();
    container.at("terminationMessagePolicy").required_choice(&["File", "FallbackToLogsOnError"]);
    ports(&container.at("ports"));
    environment::check(container);
    mounts::check(container, pod);
    container.at("imagePullPolicy").required_choice(&["Always", "IfNotPresent", "Never"]);
    resources::of_container(&container.at("resources"), &pod.claims);
    resize_policy(&container.at("resizePolicy"), pod);
    security::of_container(&container.at("securityContext"), pod);
}

fn ports(ports: &Place<'_, '_>) {
    let mut seen: Vec<&str> = Vec::new();
    for port in ports.items() {
        let name = port.at("name");
        if !name.is_empty() {
            let problems = super::names::port_name_problems(name.text());
            if !problems.is_empty() {
                name.each(problems);
            } else if seen.contains(&name.text()) {
                name.duplicate(name.text());
            } else {
                seen.push(name.text());
            }
        }
        let inner = port.at("containerPort");
        if inner.int() == 0 {
            inner.required("");
        } else {
            inner.port();
        }
        if port.at("hostPort").int() != 0 {
            port.at("hostPort").port();
        }
        port.at("protocol").required_choice(&["SCTP", "TCP", "UDP"]);
    }
}

/// No two containers may take one port of the host.
fn host_ports(container: &Place<'_, '_>, taken: &mut Vec<String>) {
    for port in container.at("ports").items() {
        let host = port.at("hostPort");
        if host.int() == 0 {
            continue;
        }
        let text = format!("{}/{}/{}", port.at("protocol").text(), port.at("hostIP").text(), host.int());
        if taken.contains(&text) {
            host.duplicate(text);
        } else {
            taken.push(text);
        }
    }
}

fn resize_policy(list: &Place<'_, '_>, pod: &Pod<'_>) {
    let mut seen: Vec<&str> = Vec::new();
    for policy in list.items() {
        let (resource, restart) = (policy.at("resourceName").text(), policy.at("restartPolicy").text());
        if seen.contains(&resource) {
            policy.duplicate(resource);
        }
        seen.push(resource);
        match resource {
            "cpu" | "memory" => {}
            "" => list.required(""),
            _ => list.unsupported(resource, &["cpu", "memory"]),
        }
        match restart {
            "NotRequired" | "RestartContainer" => {}
            "" => list.required(""),
            _ => list.unsupported(restart, &["NotRequired", "RestartContainer"]),
        }
        if pod.restart == "Never" && restart != "NotRequired" {
            list.wrong(restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

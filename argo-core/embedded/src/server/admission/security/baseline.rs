//! The checks of the level `baseline`: what lets a container reach its node.

use serde_json::Value;

use super::pod::{Pod, Values, Violation, context, name, named, plural, quoted, violation};
use crate::server::meta;

/// Capabilities that containers have anyway.
const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Kernel parameters that concern a pod alone, with the minor version since which they are held harmless.
const SYSCTLS: &[(&str, u32)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

/// Types of SELinux contexts, likewise.
const SELINUX_TYPES: &[(&str, u32)] =
    &[("", 0), ("container_t", 0), ("container_init_t", 0), ("container_kvm_t", 0), ("container_engine_t", 31)];

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

pub(super) fn app_armor(pod: &Pod<'_>) -> Option<Violation> {
    let is_bad = |kind: &str| !matches!(kind, "RuntimeDefault" | "Localhost");
    let field = "appArmorProfile/type";
    let containers = pod.those(|it| context(it, field).and_then(Value::as_str).is_some_and(is_bad));
    let mut setters = pod.setters(pod.context(field).and_then(Value::as_str).is_some_and(is_bad), &containers);
    let mut values: Vec<String> = pod.values(field, is_bad).into_iter().collect();
    let is_allowed =
        |profile: &str| profile.is_empty() || profile == "runtime/default" || profile.starts_with("localhost/");
    let old = pod.annotations().filter(|(key, value)| key.starts_with(APP_ARMOR) && !is_allowed(value));
    let old: Values = old.map(|(key, value)| format!("{key}={value:?}")).collect();
    if !old.is_empty() {
        setters.push(plural("annotation", old.len()));
        values.extend(old);
    }
    (!setters.is_empty()).then(|| {
        let reason = plural("forbidden AppArmor profile", values.len());
        violation(
            &reason,
            format!("{} must not set AppArmor profile type to {}", setters.join(" and "), quoted(values)),
        )
    })
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Option<Violation> {
    added(pod, CAPABILITIES).map(|detail| violation("non-default capabilities", detail))
}

/// Which containers add other capabilities than the allowed ones.
pub(super) fn added(pod: &Pod<'_>, allowed: &[&str]) -> Option<String> {
    let forbidden = |container| {
        let all = context(container, "capabilities/add").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).filter(|it| !allowed.contains(it)).map(str::to_owned).collect::<Values>()
    };
    let containers = pod.those(|container| !forbidden(container).is_empty());
    let values: Values = pod.containers().flat_map(forbidden).collect();
    (!containers.is_empty()).then(|| {
        let who = named("container", &containers);
        format!("{who} must not include {} in securityContext.capabilities.add", quoted(values))
    })
}

pub(super) fn host_namespaces(pod: &Pod<'_>) -> Option<Violation> {
    let is_set = |field: &&str| pod.template.pointer(&format!("/spec/{field}")) == Some(&Value::Bool(true));
    let shared: Vec<String> =
        ["hostNetwork", "hostPID", "hostIPC"].iter().filter(|it| is_set(it)).map(|it| format!("{it}=true")).collect();
    (!shared.is_empty()).then(|| violation("host namespaces", shared.join(", ")))
}

pub(super) fn host_paths(pod: &Pod<'_>) -> Option<Violation> {
    let volumes: Vec<&str> = pod.list("volumes").filter(|it| it.get("hostPath").is_some()).map(name).collect();
    (!volumes.is_empty()).then(|| violation("hostPath volumes", named("volume", &volumes)))
}

pub(super) fn host_ports(pod: &Pod<'_>) -> Option<Violation> {
    let ports = |container: &Value| {
        let all = container.get("ports").and_then(Value::as_array).into_iter().flatten();
        let ports = all.filter_map(|it| it.get("hostPort").and_then(Value::as_i64)).filter(|port| *port != 0);
        ports.map(|port| port.to_string()).collect::<Values>()
    };
    users(pod, ports, "hostPort").map(|(who, values)| {
        let values: Vec<String> = values.into_iter().collect();
        violation("hostPort", format!("{who} {}", values.join(", ")))
    })
}

pub(super) fn host_probes(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor < 34 {
        return None;
    }
    const HANDLERS: &[&str] =
        &["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"];
    let hosts = |container: &Value| {
        let handlers = HANDLERS.iter().flat_map(|it| [format!("/{it}/httpGet/host"), format!("/{it}/tcpSocket/host")]);
        let hosts = handlers.map(|pointer| meta::text(container, &pointer).to_owned());
        hosts.filter(|host| !host.is_empty()).collect::<Values>()
    };
    let what = "probe or lifecycle host";
    users(pod, hosts, what).map(|(who, values)| violation(what, format!("{who} {}", quoted(values))))
}

/// Which containers use what they must not, in the order of their names for hosts of probes.
fn users(pod: &Pod<'_>, values: impl Fn(&Value) -> Values, what: &str) -> Option<(String, Values)> {
    let mut containers = pod.those(|container| !values(container).is_empty());
    if what.contains(' ') {
        containers.sort_unstable();
        containers.dedup();
    }
    let values: Values = pod.containers().flat_map(values).collect();
    (!containers.is_empty()).then(|| {
        let verb = if containers.len() == 1 { "uses" } else { "use" };
        (format!("{} {verb} {}", named("container", &containers), plural(what, values.len())), values)
    })
}

pub(super) fn privileged(pod: &Pod<'_>) -> Option<Violation> {
    let containers = pod.those(|it| context(it, "privileged") == Some(&Value::Bool(true)));
    (!containers.is_empty()).then(|| {
        violation(
            "privileged",
            format!("{} must not set securityContext.privileged=true", named("container", &containers)),
        )
    })
}

pub(super) fn proc_mount(pod: &Pod<'_>) -> Option<Violation> {
    let mount = |container| context(container, "procMount").and_then(Value::as_str).filter(|it| *it != "Default");
    let containers = pod.those(|it| mount(it).is_some());
    let values: Values = pod.containers().filter_map(mount).map(str::to_owned).collect();
    (!containers.is_empty()).then(|| {
        let who = named("container", &containers);
        violation("procMount", format!("{who} must not set securityContext.procMount to {}", quoted(values)))
    })
}

pub(super) fn selinux(pod: &Pod<'_>) -> Option<Violation> {
    let allowed = |kind: &str| SELINUX_TYPES.iter().any(|(it, since)| *it == kind && pod.minor >= *since);
    let has = |options: &Value, field: &str| !meta::text(options, &format!("/{field}")).is_empty();
    let is_bad =
        |options: &Value| !allowed(meta::text(options, "/type")) || has(options, "user") || has(options, "role");
    let field = "seLinuxOptions";
    let who = pod.who(field, is_bad)?;
    let contexts = || pod.context(field).into_iter().chain(pod.containers().filter_map(|it| context(it, field)));
    let types: Values =
        contexts().map(|it| meta::text(it, "/type")).filter(|it| !allowed(it)).map(str::to_owned).collect();
    let mut data = Vec::new();
    if !types.is_empty() {
        data.push(format!("{} {}", plural("type", types.len()), quoted(types)));
    }
    let owned = ["user", "role"].into_iter().filter(|part| contexts().any(|it| has(it, part)));
    data.extend(owned.map(|part| format!("{part} may not be set")));
    Some(violation(field, format!("{who} set forbidden securityContext.seLinuxOptions: {}", data.join("; "))))
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor >= 19 {
        return bad_seccomp(pod);
    }
    let is_allowed = |it: &str| it == "runtime/default" || it == "docker/default" || it.starts_with("localhost/");
    let keys: Values = pod.containers().map(|it| format!("{SECCOMP_CONTAINER}{}", name(it))).collect();
    let old =
        pod.annotations().filter(|(key, value)| (*key == SECCOMP_POD || keys.contains(*key)) && !is_allowed(value));
    let old: Values = old.map(|(key, value)| format!("{key}={value:?}")).collect();
    (!old.is_empty()).then(|| {
        let what = plural("annotation", old.len());
        let shown: Vec<String> = old.into_iter().collect();
        violation("seccompProfile", format!("forbidden {what} {}", shown.join(", ")))
    })
}

/// A profile that confines nothing.
pub(super) fn bad_seccomp(pod: &Pod<'_>) -> Option<Violation> {
    let field = "seccompProfile/type";
    let is_bad = |kind: &str| !matches!(kind, "RuntimeDefault" | "Localhost");
    let who = pod.who(field, |it| it.as_str().is_some_and(is_bad))?;
    let values = quoted(pod.values(field, is_bad));
    Some(violation("seccompProfile", format!("{who} must not set securityContext.seccompProfile.type to {values}")))
}

pub(super) fn sysctls(pod: &Pod<'_>) -> Option<Violation> {
    let allowed = |name: &str| SYSCTLS.iter().any(|(it, since)| *it == name && pod.minor >= *since);
    let all = pod.list("securityContext/sysctls").map(name);
    let forbidden: Vec<&str> = all.filter(|it| !allowed(it)).collect();
    (!forbidden.is_empty()).then(|| violation("forbidden sysctls", forbidden.join(", ")))
}

pub(super) fn host_process(pod: &Pod<'_>) -> Option<Violation> {
    let who = pod.who("windowsOptions/hostProcess", |it| it == &Value::Bool(true))?;
    Some(violation("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true")))
}

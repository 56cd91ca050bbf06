//! The checks that the level `restricted` adds: what every pod could do without.

use serde_json::Value;

use super::baseline::{added, bad_seccomp};
use super::pod::{Names, Pod, Values, Violation, context, name, named, plural, quoted, violation};

/// Sources of volumes that are not of a node, nor of a vendor's storage.
const VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The check of the other level, as long as this one had none of its own.
pub(super) fn old_capabilities(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor < 22 { super::baseline::capabilities(pod) } else { None }
}

/// Likewise.
pub(super) fn old_seccomp(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor < 19 { super::baseline::seccomp(pod) } else { None }
}

pub(super) fn escalation(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor < 8 || (pod.minor >= 25 && pod.is_windows()) {
        return None;
    }
    let containers = pod.those(|it| context(it, "allowPrivilegeEscalation") != Some(&Value::Bool(false)));
    (!containers.is_empty()).then(|| {
        let who = named("container", &containers);
        violation(
            "allowPrivilegeEscalation != false",
            format!("{who} must set securityContext.allowPrivilegeEscalation=false"),
        )
    })
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor < 22 || (pod.minor >= 25 && pod.is_windows()) {
        return None;
    }
    let drops_all = |container| {
        let all = context(container, "capabilities/drop").and_then(Value::as_array);
        all.is_some_and(|all| all.iter().any(|it| it == "ALL"))
    };
    let missing = pod.those(|it| !drops_all(it));
    let mut details = Vec::new();
    if !missing.is_empty() {
        let who = named("container", &missing);
        details.push(format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    details.extend(added(pod, &["NET_BIND_SERVICE"]));
    (!details.is_empty()).then(|| violation("unrestricted capabilities", details.join("; ")))
}

pub(super) fn volumes(pod: &Pod<'_>) -> Option<Violation> {
    let mut volumes: Names<'_> = Vec::new();
    let mut types = Values::new();
    for volume in pod.list("volumes") {
        let mut sources = volume.as_object().into_iter().flat_map(|it| it.keys()).filter(|key| *key != "name");
        if !sources.clone().any(|it| VOLUMES.contains(&it.as_str())) {
            volumes.push(name(volume));
            types.insert(sources.next().cloned().unwrap_or_else(|| "unknown".to_owned()));
        }
    }
    (!volumes.is_empty()).then(|| {
        let verb = if volumes.len() == 1 { "uses" } else { "use" };
        let what = plural("restricted volume type", types.len());
        violation("restricted volume types", format!("{} {verb} {what} {}", named("volume", &volumes), quoted(types)))
    })
}

pub(super) fn not_root(pod: &Pod<'_>) -> Option<Violation> {
    let field = "runAsNonRoot";
    let reason = "runAsNonRoot != true";
    if let Some(who) = pod.who(field, |it| it == &Value::Bool(false)) {
        return Some(violation(reason, format!("{who} must not set securityContext.runAsNonRoot=false")));
    }
    let unset = unset(pod, field);
    (!unset.is_empty()).then(|| {
        violation(reason, format!("pod or {} must set securityContext.runAsNonRoot=true", named("container", &unset)))
    })
}

/// Containers that leave a field to the pod, which leaves it open too.
fn unset<'a>(pod: &Pod<'a>, field: &str) -> Names<'a> {
    match pod.context(field) {
        Some(_) => Vec::new(),
        None => pod.those(|it| context(it, field).is_none()),
    }
}

pub(super) fn user(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor < 23 {
        return None;
    }
    let who = pod.who("runAsUser", |it| it.as_i64() == Some(0))?;
    Some(violation("runAsUser=0", format!("{who} must not set runAsUser=0")))
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Option<Violation> {
    if pod.minor < 19 || (pod.minor >= 25 && pod.is_windows()) {
        return None;
    }
    if let Some(bad) = bad_seccomp(pod) {
        return Some(bad);
    }
    let unset = unset(pod, "seccompProfile/type");
    (!unset.is_empty()).then(|| {
        let who = named("container", &unset);
        violation(
            "seccompProfile",
            format!("pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""),
        )
    })
}

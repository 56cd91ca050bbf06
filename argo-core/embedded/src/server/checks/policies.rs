//! Checks of roles, bindings, claims and leases, in the words of the real server.

use serde_json::{Map, Value};

use super::super::meta;
use super::super::names;
use super::super::status::Cause;
use super::{items, labels, negative, one_of};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Rules of a Role or ClusterRole.
pub(super) fn role(namespaced: bool, object: &Value, causes: &mut Vec<Cause>) {
    if let Some(rule) = object.get("aggregationRule").filter(|rule| !rule.is_null())
        && items(rule, "/clusterRoleSelectors").is_empty()
    {
        let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        causes.push(Cause::required("aggregationRule.clusterRoleSelectors", why));
    }
    for (index, rule) in items(object, "/rules").iter().enumerate() {
        let at = format!("rules[{index}]");
        let none = |field: &str| items(rule, field).is_empty();
        if none("/verbs") {
            causes.push(Cause::required(format!("{at}.verbs"), "verbs must contain at least one value"));
        }
        if !none("/nonResourceURLs") {
            let mut wrong =
                |why| causes.push(Cause::invalid(format!("{at}.nonResourceURLs"), &rule["nonResourceURLs"], why));
            if namespaced {
                wrong("namespaced rules cannot apply to non-resource URLs");
            }
            if !(none("/apiGroups") && none("/resources") && none("/resourceNames")) {
                wrong("rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        if none("/apiGroups") {
            let why = "resource rules must supply at least one api group";
            causes.push(Cause::required(format!("{at}.apiGroups"), why));
        }
        if none("/resources") {
            causes.push(Cause::required(format!("{at}.resources"), "resource rules must supply at least one resource"));
        }
    }
}

/// The role and the subjects of a binding, beyond the kind of the role.
pub(super) fn binding(namespaced: bool, object: &Value, causes: &mut Vec<Cause>) {
    one_of(meta::text(object, "/roleRef/apiGroup"), &[RBAC], "roleRef.apiGroup".to_owned(), causes);
    let name = meta::text(object, "/roleRef/name");
    for part in ["/", "%"] {
        if name.contains(part) {
            causes.push(Cause::invalid("roleRef.name", &Value::from(name), &format!("may not contain '{part}'")));
        }
    }
    for (index, subject) in items(object, "/subjects").iter().enumerate() {
        let at = format!("subjects[{index}]");
        let [kind, name, group] = ["/kind", "/name", "/apiGroup"].map(|field| meta::text(subject, field));
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        }
        match kind {
            "ServiceAccount" => {
                if !name.is_empty() && !names::is_subdomain(name) {
                    causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), names::SUBDOMAIN));
                }
                one_of(group, &[""], format!("{at}.apiGroup"), causes);
                if !namespaced && meta::text(subject, "/namespace").is_empty() {
                    causes.push(Cause::required(format!("{at}.namespace"), ""));
                }
            }
            "User" | "Group" => one_of(group, &[RBAC], format!("{at}.apiGroup"), causes),
            _ => {
                let kinds = ["ServiceAccount", "User", "Group"].map(str::to_owned);
                causes.push(Cause::not_supported(format!("{at}.kind"), &Value::from(kind), &kinds));
            }
        }
    }
}

/// Durations and counts of a Lease.
pub(super) fn lease(object: &Value, causes: &mut Vec<Cause>) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if let Some(seconds) = spec.get("leaseDurationSeconds").and_then(Value::as_i64).filter(|seconds| *seconds <= 0) {
        causes.push(Cause::invalid("spec.leaseDurationSeconds", &Value::from(seconds), "must be greater than 0"));
    }
    negative(spec, "leaseTransitions", "spec", causes);
}

/// Modes, class and selector of a claim.
pub(super) fn claim(spec: &Value, causes: &mut Vec<Cause>) {
    let modes = items(spec, "/accessModes");
    for mode in modes.iter().filter_map(Value::as_str) {
        let known = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
        one_of(mode, &known, "spec.accessModes".to_owned(), causes);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        let why = "may not use ReadWriteOncePod with other access modes";
        causes.push(Cause::forbidden("spec.accessModes", why));
    }
    one_of(meta::text(spec, "/volumeMode"), &["Block", "Filesystem"], "spec.volumeMode".to_owned(), causes);
    let class = meta::text(spec, "/storageClassName");
    if !class.is_empty() && !names::is_subdomain(class) {
        causes.push(Cause::invalid("spec.storageClassName", &Value::from(class), names::SUBDOMAIN));
    }
    labels(spec.pointer("/selector/matchLabels"), "spec.selector.matchLabels", causes);
}

/// What typed secrets must hold besides their keys, and that what is immutable stays so.
pub(super) fn secret(object: &Value, causes: &mut Vec<Cause>) {
    match meta::text(object, "/type") {
        "kubernetes.io/basic-auth" => {
            let data = object.get("data").and_then(Value::as_object);
            let has = |key: &str| data.is_some_and(|data: &Map<String, Value>| data.contains_key(key));
            if !has("username") && !has("password") {
                causes.push(Cause::required("data[username]", ""));
                causes.push(Cause::required("data[password]", ""));
            }
        }
        "kubernetes.io/service-account-token"
            if meta::text(object, "/metadata/annotations/kubernetes.io~1service-account.name").is_empty() =>
        {
            causes.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
        }
        _ => {}
    }
}

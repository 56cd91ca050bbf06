//! Roles and their bindings.

use super::super::super::names;
use super::super::place::Place;
use super::super::selector;
use super::super::shown::Go;

const GROUP: &str = "rbac.authorization.k8s.io";
static REFERENCE: Go =
    Go::plain(&[("APIGroup", "apiGroup", Go::Text), ("Kind", "kind", Go::Text), ("Name", "name", Go::Text)]);

/// Rules of a Role or ClusterRole.
pub(in super::super) fn role(object: &Place<'_, '_>, namespaced: bool) {
    let aggregation = object.at("aggregationRule");
    let selectors = aggregation.at("clusterRoleSelectors");
    if aggregation.is_set() && selectors.is_empty() {
        selectors.required("at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for selected in selectors.items() {
        let before = selected.found();
        selector::labels(&selected);
        if selected.found() > before {
            selected.invalid_shown("null", "invalid label selector.");
        }
    }
    object.at("rules").items().for_each(|item| rule(&item, namespaced));
}

fn rule(rule: &Place<'_, '_>, namespaced: bool) {
    let needed = |field: &str, why: &str| {
        if rule.at(field).is_empty() {
            rule.at(field).required(why);
        }
    };
    needed("verbs", "verbs must contain at least one value");
    let urls = rule.at("nonResourceURLs");
    if !urls.is_empty() {
        if namespaced {
            urls.invalid("namespaced rules cannot apply to non-resource URLs");
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|field| !rule.at(field).is_empty()) {
            urls.invalid("rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    needed("apiGroups", "resource rules must supply at least one api group");
    needed("resources", "resource rules must supply at least one resource");
}

/// A RoleBinding or ClusterRoleBinding: its role stays.
pub(in super::super) fn binding(object: &Place<'_, '_>, live: Option<&Place<'_, '_>>, namespaced: bool) {
    let reference = object.at("roleRef");
    reference.at("apiGroup").must_be(&[GROUP]);
    reference.at("kind").must_be(if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] });
    let name = reference.at("name");
    if name.is_empty() {
        name.required("");
    } else {
        name.each(names::path_segment_problems(name.text()));
    }
    object.at("subjects").items().for_each(|item| subject(&item, namespaced));
    if let Some(live) = live
        && live.at("roleRef").value() != reference.value()
    {
        reference.invalid_struct(&REFERENCE, "cannot change roleRef");
    }
}

fn subject(subject: &Place<'_, '_>, namespaced: bool) {
    let [kind, name, group] = ["kind", "name", "apiGroup"].map(|field| subject.at(field));
    name.needed();
    match kind.text() {
        "ServiceAccount" => {
            if !name.is_empty() {
                name.subdomain();
            }
            if !group.is_empty() {
                group.unsupported(group.text(), &[""]);
            }
            if !namespaced {
                subject.at("namespace").needed();
            }
        }
        "User" | "Group" => group.must_be(&[GROUP]),
        other => kind.unsupported(other, &["ServiceAccount", "User", "Group"]),
    }
}

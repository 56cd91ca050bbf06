//! Configuration, rights, nodes, events, admission, and what a cluster is set up with.

use serde_json::Value;

use super::super::cells::{age, flag, items, name, number, row, size, text, text_or};
use super::super::human;
use super::{Cells, created_at, rows};
use crate::server::meta;
use crate::server::selector::LabelSelector;

pub(super) fn cells(group: &str, resource: &str) -> Option<Cells> {
    Some(match (group, resource) {
        ("", "configmaps") => |o, now| row([name(o), (size(o, "/data") + size(o, "/binaryData")).into(), age(o, now)]),
        ("", "secrets") => |o, now| row([name(o), meta::text(o, "/type").into(), size(o, "/data").into(), age(o, now)]),
        ("", "namespaces") => |o, now| row([name(o), meta::text(o, "/status/phase").into(), age(o, now)]),
        ("", "serviceaccounts") => |o, now| row([name(o), size(o, "/secrets").into(), age(o, now)]),
        ("", "events") | ("events.k8s.io", "events") => rows::event,
        ("", "nodes") => rows::node,
        ("", "limitranges") | ("apiextensions.k8s.io", "customresourcedefinitions") => created_at,
        ("rbac.authorization.k8s.io", "roles" | "clusterroles") => created_at,
        ("", "resourcequotas") => rows::quota,
        ("", "componentstatuses") => |o, _| {
            let healthy = items(o, "/conditions").iter().find(|it| meta::text(it, "/type") == "Healthy");
            let status = match healthy.map(|it| meta::text(it, "/status")) {
                Some("True") => "Healthy",
                Some(_) => "Unhealthy",
                None => "Unknown",
            };
            let of = |field: &str| healthy.map_or("", |it| meta::text(it, field));
            row([name(o), status.into(), of("/message").into(), of("/error").into()])
        },
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => |o, now| {
            let subjects = |kind: &str| {
                let of_kind = items(o, "/subjects").iter().filter(|subject| meta::text(subject, "/kind") == kind);
                let named = of_kind.map(|subject| match kind {
                    "ServiceAccount" => {
                        format!("{}/{}", meta::text(subject, "/namespace"), meta::text(subject, "/name"))
                    }
                    _ => meta::text(subject, "/name").to_owned(),
                });
                Value::from(named.collect::<Vec<_>>().join(", "))
            };
            row([
                name(o),
                format!("{}/{}", meta::text(o, "/roleRef/kind"), meta::text(o, "/roleRef/name")).into(),
                age(o, now),
                subjects("User"),
                subjects("Group"),
                subjects("ServiceAccount"),
            ])
        },
        ("coordination.k8s.io", "leases") => {
            |o, now| row([name(o), meta::text(o, "/spec/holderIdentity").into(), age(o, now)])
        }
        ("scheduling.k8s.io", "priorityclasses") => |o, now| {
            row([
                name(o),
                number(o, "/value").into(),
                flag(o, "/globalDefault").into(),
                age(o, now),
                meta::text(o, "/preemptionPolicy").into(),
            ])
        },
        ("node.k8s.io", "runtimeclasses") => |o, now| row([name(o), meta::text(o, "/handler").into(), age(o, now)]),
        ("certificates.k8s.io", "certificatesigningrequests") => |o, now| {
            let has = |kind: &str| items(o, "/status/conditions").iter().any(|it| meta::text(it, "/type") == kind);
            let mut status = match () {
                () if has("Denied") => "Denied".to_owned(),
                () if has("Approved") => "Approved".to_owned(),
                () => "Pending".to_owned(),
            };
            if has("Failed") {
                status.push_str(",Failed");
            }
            if !meta::text(o, "/status/certificate").is_empty() {
                status.push_str(",Issued");
            }
            let duration = o.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
            row([
                name(o),
                age(o, now),
                text(o, "/spec/signerName").into(),
                meta::text(o, "/spec/username").into(),
                duration.map_or_else(|| "<none>".to_owned(), human).into(),
                status.into(),
            ])
        },
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            |o, now| row([name(o), size(o, "/webhooks").into(), age(o, now)])
        }
        ("admissionregistration.k8s.io", "validatingadmissionpolicies") => |o, now| {
            let param = o.pointer("/spec/paramKind").map_or_else(
                || "<unset>".to_owned(),
                |kind| format!("{}/{}", meta::text(kind, "/apiVersion"), meta::text(kind, "/kind")),
            );
            row([name(o), size(o, "/spec/validations").into(), param.into(), age(o, now)])
        },
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies") => |o, now| {
            let param = o.pointer("/spec/paramKind").map_or_else(
                || "<unset>".to_owned(),
                |kind| format!("{}/{}", meta::text(kind, "/apiVersion"), meta::text(kind, "/kind")),
            );
            row([name(o), size(o, "/spec/mutations").into(), param.into(), age(o, now)])
        },
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings") => {
            |o, now| {
                let of = |field: &str| meta::text(o, &format!("/spec/paramRef/{field}"));
                let param = match (o.pointer("/spec/paramRef"), of("name"), of("namespace")) {
                    (None, ..) => "<unset>".to_owned(),
                    (Some(param), "", _) => param
                        .get("selector")
                        .and_then(LabelSelector::from_object)
                        .map_or_else(|| "<unset>".to_owned(), |it| it.text()),
                    (_, name, "") => format!("*/{name}"),
                    (_, name, namespace) => format!("{namespace}/{name}"),
                };
                row([name(o), meta::text(o, "/spec/policyName").into(), param.into(), age(o, now)])
            }
        }
        ("apiregistration.k8s.io", "apiservices") => |o, now| {
            let service = o.pointer("/spec/service").map_or_else(
                || "Local".to_owned(),
                |it| format!("{}/{}", meta::text(it, "/namespace"), meta::text(it, "/name")),
            );
            let available = items(o, "/status/conditions").iter().find(|it| meta::text(it, "/type") == "Available");
            let available = match available {
                None => "Unknown".to_owned(),
                Some(it) if meta::text(it, "/status") == "True" => "True".to_owned(),
                Some(it) => format!("{} ({})", meta::text(it, "/status"), meta::text(it, "/reason")),
            };
            row([name(o), service.into(), available.into(), age(o, now)])
        },
        ("flowcontrol.apiserver.k8s.io", "flowschemas") => |o, now| {
            let dangling = items(o, "/status/conditions").iter().find(|it| meta::text(it, "/type") == "Dangling");
            row([
                name(o),
                meta::text(o, "/spec/priorityLevelConfiguration/name").into(),
                number(o, "/spec/matchingPrecedence").into(),
                text(o, "/spec/distinguisherMethod/type").into(),
                age(o, now),
                dangling.map_or("?", |it| meta::text(it, "/status")).into(),
            ])
        },
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations") => |o, now| {
            let of = |pointer: &str| match o.pointer(&format!("/spec/limited/{pointer}")) {
                Some(number) => number.clone(),
                None => Value::from("<none>"),
            };
            row([
                name(o),
                meta::text(o, "/spec/type").into(),
                of("nominalConcurrencyShares"),
                of("limitResponse/queuing/queues"),
                of("limitResponse/queuing/handSize"),
                of("limitResponse/queuing/queueLengthLimit"),
                age(o, now),
            ])
        },
        ("resource.k8s.io", "resourceclaims") => |o, now| {
            let mut states = Vec::new();
            let allocated = o.pointer("/status/allocation").is_some();
            if meta::is_deleting(o) {
                states.push("deleted");
            } else if !allocated {
                states.push("pending");
            }
            if allocated {
                states.push("allocated");
                states.extend((size(o, "/status/reservedFor") > 0).then_some("reserved"));
            }
            row([name(o), states.join(",").into(), age(o, now)])
        },
        ("resource.k8s.io", "resourceslices") => |o, now| {
            row([
                name(o),
                text_or(o, "/spec/nodeName", "").into(),
                meta::text(o, "/spec/driver").into(),
                meta::text(o, "/spec/pool/name").into(),
                age(o, now),
            ])
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bindings_name_their_subjects_by_kind() {
        let binding = json!({ "metadata": { "name": "b" }, "roleRef": { "kind": "Role", "name": "r" }, "subjects": [
            { "kind": "User", "name": "jane" }, { "kind": "Group", "name": "dev" }, { "kind": "Group", "name": "ops" },
            { "kind": "ServiceAccount", "namespace": "ns", "name": "robot" },
        ] });
        let cells =
            cells("rbac.authorization.k8s.io", "rolebindings").map(|it| it(&binding, jiff::Timestamp::UNIX_EPOCH));
        let shown = ["b", "Role/r", "<unknown>", "jane", "dev, ops", "ns/robot"].map(Value::from);
        assert_eq!(cells, Some(shown.to_vec()));
    }
}

//! Checks of the built-in kinds, in the words of the real server.
//!
//! Rules look at a [`place::Place`], a value that knows its path, and say there what is wrong with it. A folder has the rules of a group of
//! kinds; the table below says which hold for which kind, on which path of writing.

mod network;
mod paths;
mod place;
mod pod;
mod policies;
mod rules;
mod selector;
mod shown;
mod warnings;
mod workloads;

use serde_json::Value;

use super::Call;
use super::names;
use super::status::Cause;
use place::{Found, Place};

pub(super) use warnings::of as warnings;

/// Checks an object that is about to be stored; `live` is what it was.
pub(super) fn apply(call: &Call<'_>, object: &Value, live: Option<&Value>) -> Vec<Cause> {
    if call.def.group() == "apiextensions.k8s.io" && call.def.resource() == "customresourcedefinitions" {
        return match call.subresource {
            None => crate::crd::validate_definition(object, live),
            Some(_) => Vec::new(),
        };
    }
    let found = Found::default();
    let object = Place::root(object, "", &found);
    let live = live.map(|live| Place::root(live, "", &found));
    match call.subresource {
        None | Some("scale") => whole(call, &object, live.as_ref()),
        Some("status") => status(call, &object, live.as_ref()),
        Some("finalize") => policies::namespace(&object, true),
        Some(other) => {
            if let Some(live) = &live {
                match other {
                    "ephemeralcontainers" => pod::ephemeral(live, &object),
                    "resize" => pod::resize(live, &object),
                    _ => {}
                }
            }
        }
    }
    found.into_causes()
}

fn whole(call: &Call<'_>, object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    match (call.def.group(), call.def.resource()) {
        ("", "pods") => match live {
            None => pod::create(object),
            Some(live) => pod::update(live, object),
        },
        ("", "podtemplates") => pod::template(&object.at("template")),
        ("", "replicationcontrollers") => workloads::controller(object),
        ("apps", "deployments") => workloads::deployment(object, live),
        ("apps", "replicasets") => workloads::replica_set(object, live),
        ("apps", "daemonsets") => workloads::daemon_set(object, live),
        ("apps", "statefulsets") => {
            workloads::stateful_set(object, live.is_none());
            if let Some(live) = live {
                workloads::stateful_set_update(live, object);
            }
        }
        ("apps", "controllerrevisions") => workloads::controller_revision(object, live),
        ("batch", "jobs") => {
            workloads::job(object);
            if let Some(live) = live {
                workloads::job_update(live, object);
            }
        }
        ("batch", "cronjobs") => workloads::cron_job(object, live),
        ("policy", "poddisruptionbudgets") => workloads::budget(object),
        ("autoscaling", "horizontalpodautoscalers") => workloads::autoscaler(object),
        ("", "services") => network::service(object, live),
        ("", "endpoints") => network::endpoints(object, live),
        ("discovery.k8s.io", "endpointslices") => network::endpoint_slice(object, live),
        ("networking.k8s.io", "ingresses") => network::ingress(object, live.is_none()),
        ("networking.k8s.io", "ingressclasses") => network::ingress_class(object, live),
        ("networking.k8s.io", "networkpolicies") => network::policy(&object.at("spec")),
        ("", "configmaps") => policies::config_map(object, live),
        ("", "secrets") => policies::secret(object, live),
        ("", "persistentvolumeclaims") => policies::claim(object, live),
        ("", "persistentvolumes") => policies::volume(object, live),
        ("storage.k8s.io", "storageclasses") => policies::storage_class(object, live),
        ("scheduling.k8s.io", "priorityclasses") => policies::priority_class(object, live),
        ("node.k8s.io", "runtimeclasses") => policies::runtime_class(object, live),
        ("", "resourcequotas") => policies::quota(object, live),
        ("", "limitranges") => policies::limit_range(object),
        ("", "nodes") => policies::node(object, live),
        ("", "namespaces") if live.is_none() => policies::namespace(object, false),
        ("", "events") => policies::event(object, live, true),
        ("events.k8s.io", "events") => policies::event(object, live, false),
        ("coordination.k8s.io", "leases") => policies::lease(object),
        ("admissionregistration.k8s.io", kind) => match kind {
            "mutatingwebhookconfigurations" => policies::webhooks(object, true),
            "validatingwebhookconfigurations" => policies::webhooks(object, false),
            "validatingadmissionpolicies" => policies::validating_policy(object),
            "mutatingadmissionpolicies" => policies::mutating_policy(object),
            "validatingadmissionpolicybindings" => policies::policy_binding(object, true),
            "mutatingadmissionpolicybindings" => policies::policy_binding(object, false),
            _ => {}
        },
        ("rbac.authorization.k8s.io", "roles") => policies::role(object, true),
        ("rbac.authorization.k8s.io", "clusterroles") => policies::role(object, false),
        ("rbac.authorization.k8s.io", "rolebindings") => policies::binding(object, live, true),
        ("rbac.authorization.k8s.io", "clusterrolebindings") => policies::binding(object, live, false),
        _ => {}
    }
}

fn status(call: &Call<'_>, object: &Place<'_, '_>, live: Option<&Place<'_, '_>>) {
    match (call.def.group(), call.def.resource()) {
        ("", "pods") => {
            if let Some(live) = live {
                pod::status(live, object);
            }
        }
        ("", "replicationcontrollers") => workloads::controller_status(object),
        ("apps", "deployments") => workloads::deployment_status(object, live),
        ("apps", "replicasets") => workloads::replica_set_status(object),
        ("apps", "daemonsets") => workloads::daemon_set_status(object, live),
        ("apps", "statefulsets") => workloads::stateful_set_status(object, live),
        ("batch", "jobs") => {
            if let Some(live) = live {
                workloads::job_status(live, object);
            }
        }
        ("policy", "poddisruptionbudgets") => workloads::budget_status(object),
        ("autoscaling", "horizontalpodautoscalers") => workloads::autoscaler_status(object),
        ("", "services") => network::load_balancer(object),
        ("networking.k8s.io", "ingresses") => network::ingress_status(object),
        ("", "resourcequotas") => policies::quota_status(object),
        ("", "nodes") => policies::node(object, live),
        ("", "namespaces") => policies::namespace_status(object),
        _ => {}
    }
}

/// What a cluster has not for a service that is about to get its addresses.
pub(super) fn addresses(object: &Value, new: bool) -> Vec<Cause> {
    let found = Found::default();
    network::cluster(&Place::root(object, "", &found).at("spec"), new);
    found.into_causes()
}

/// Whether nothing is in a value.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether two values mean the same: absent, null and empty lists do.
fn same(one: &Value, two: &Value) -> bool {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    match (one, two) {
        (Value::Object(left), Value::Object(right)) => {
            let there =
                |fields: &serde_json::Map<String, Value>, key: &String| fields.get(key).cloned().unwrap_or_default();
            left.keys().chain(right.keys()).all(|key| match (left.get(key), right.get(key)) {
                (Some(one), Some(two)) => same(one, two),
                _ => same(&there(left, key), &there(right, key)),
            })
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(one, two)| same(one, two))
        }
        (one, two) => one == two || empty(one) && empty(two),
    }
}

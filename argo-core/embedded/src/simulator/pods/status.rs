//! The status of a pod, out of its containers.

use std::net::Ipv4Addr;

use argo_core::time::{Timestamp, rfc3339};
use serde_json::{Value, json};

use super::container::{Container, Stage};
use super::kubelet::{Sandbox, is_sidecar};
use crate::simulator::read::{condition_is, generation, list, text, with_condition};
use crate::simulator::script::Behaviour;

pub(super) fn of(pod: &Value, sandbox: &Sandbox, plays: &impl Fn(&Value) -> Behaviour, now: Timestamp) -> Value {
    let stamp = rfc3339(now);
    let phase = phase(pod, sandbox);
    let mut status = pod.get("status").cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    // Promises are kept by now.
    if let Some(members) = status.as_object_mut() {
        members.remove("nominatedNodeName");
    }
    status["phase"] = json!(phase);
    status["startTime"] = json!(rfc3339(sandbox.started));
    if generation(pod) > 0 {
        status["observedGeneration"] = json!(generation(pod));
    }
    status["hostIP"] = json!(host_address(text(pod, "/spec/nodeName")));
    status["hostIPs"] = json!([{"ip": status["hostIP"]}]);
    status["qosClass"] = json!(quality(pod));
    let address = sandbox.address.map(|address| Ipv4Addr::from(0x0af4_0000 | address).to_string());
    if let Some(address) = address {
        status["podIP"] = json!(address);
        status["podIPs"] = json!([{"ip": address}]);
    }
    if let Some((reason, message)) = &sandbox.failed {
        status["reason"] = json!(reason);
        status["message"] = json!(message);
    }
    let ended = matches!(phase, "Succeeded" | "Failed");
    let initialized = sandbox.init.iter().all(|container| {
        if is_sidecar(&container.spec) { container.is_running() || ended } else { container.succeeded() }
    });
    let entries = |containers: &[Container]| {
        let creating = if initialized { "ContainerCreating" } else { "PodInitializing" };
        Value::Array(containers.iter().map(|container| container.status(&plays(&container.spec), creating)).collect())
    };
    if !sandbox.init.is_empty() {
        status["initContainerStatuses"] = entries(&sandbox.init);
    }
    status["containerStatuses"] = entries(&sandbox.main);
    if !sandbox.ephemeral.is_empty() {
        status["ephemeralContainerStatuses"] = entries(&sandbox.ephemeral);
    }

    let all_ready = !ended && sandbox.main.iter().all(|container| container.ready) && initialized;
    let gates =
        list(pod, "/spec/readinessGates").iter().all(|gate| condition_is(pod, text(gate, "/conditionType"), "True"));
    let not_ready: Vec<&str> = sandbox.main.iter().filter(|container| !container.ready).map(Container::name).collect();
    let mut conditions = list(pod, "/status/conditions").to_vec();
    let containers_reason = if phase == "Succeeded" {
        ("PodCompleted", String::new())
    } else if phase == "Failed" {
        ("PodFailed", String::new())
    } else {
        ("ContainersNotReady", format!("containers with unready status: [{}]", not_ready.join(" ")))
    };
    let not_initialized = || {
        let waiting: Vec<&str> =
            sandbox.init.iter().filter(|container| !container.succeeded()).map(Container::name).collect();
        ("ContainersNotInitialized", format!("containers with incomplete status: [{}]", waiting.join(" ")))
    };
    let ready_reason = if all_ready {
        ("ReadinessGatesNotReady", "the status of pod readiness gates is not \"True\"".to_owned())
    } else {
        containers_reason.clone()
    };
    for (kind, holds, why) in [
        ("PodReadyToStartContainers", !ended, (String::new(), String::new())),
        ("Initialized", initialized || phase == "Succeeded", owned(not_initialized())),
        ("Ready", all_ready && gates, owned(ready_reason)),
        ("ContainersReady", all_ready, owned(containers_reason)),
        ("PodScheduled", true, (String::new(), String::new())),
    ] {
        let mut condition =
            json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastProbeTime": null});
        if !holds {
            for (field, text) in [("reason", why.0), ("message", why.1)] {
                if !text.is_empty() {
                    condition[field] = json!(text);
                }
            }
        }
        conditions = with_condition(conditions, condition, &stamp);
    }
    status["conditions"] = Value::Array(conditions);
    status
}

fn owned((reason, message): (&str, String)) -> (String, String) {
    (reason.to_owned(), message)
}

fn phase(pod: &Value, sandbox: &Sandbox) -> &'static str {
    if sandbox.failed.is_some() {
        return "Failed";
    }
    let main = sandbox.main.as_slice();
    let init_failed = sandbox
        .init
        .iter()
        .any(|container| container.is_done() && !container.succeeded() && !is_sidecar(&container.spec));
    if init_failed && text(pod, "/spec/restartPolicy") == "Never" {
        return "Failed";
    }
    if main.iter().all(Container::is_done) {
        return if main.iter().all(Container::succeeded) { "Succeeded" } else { "Failed" };
    }
    let started = |container: &Container| {
        matches!(container.stage, Stage::Running { .. } | Stage::CrashLoop { .. } | Stage::Done)
    };
    if main.iter().all(started) { "Running" } else { "Pending" }
}

/// An address for a node, from its name.
pub(in crate::simulator) fn host_address(node: &str) -> String {
    let number = node.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    Ipv4Addr::from(0x0a00_0000 | (number & 0xffff).max(1)).to_string()
}

fn quality(pod: &Value) -> &'static str {
    let containers = list(pod, "/spec/containers");
    let has = |container: &Value, kind: &str, resource: &str| {
        container.pointer(&format!("/resources/{kind}/{resource}")).cloned()
    };
    let guaranteed = containers.iter().all(|container| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = has(container, "limits", resource);
            limit.is_some() && has(container, "requests", resource).is_none_or(|request| Some(request) == limit)
        })
    });
    let any = containers.iter().any(|container| {
        ["limits", "requests"].iter().any(|kind| {
            container.pointer(&format!("/resources/{kind}")).and_then(Value::as_object).is_some_and(|it| !it.is_empty())
        })
    });
    match (guaranteed && !containers.is_empty(), any) {
        (true, _) => "Guaranteed",
        (_, true) => "Burstable",
        _ => "BestEffort",
    }
}

//! What of a pod may change, and through which subresource.

use serde_json::Value;

use super::super::super::names;
use super::super::place::Place;
use super::super::same;
use super::metadata_and_spec;

/// A pod whose spec is written anew: images, deadlines, added tolerations, gates that go; and where it may run while it is gated.
pub(in super::super) fn update(live: &Place<'_, '_>, pod: &Place<'_, '_>) {
    metadata_and_spec(pod);
    annotations(live, pod);
    let (old, new) = (live.at("spec"), pod.at("spec"));
    for list in ["containers", "initContainers"] {
        let (before, after) = (old.at(list), new.at(list));
        if before.list().len() != after.list().len() {
            return after.forbidden("pod updates may not add or remove containers");
        }
    }
    let (before, after) = (old.at("activeDeadlineSeconds"), new.at("activeDeadlineSeconds"));
    match (before.number(), after.number()) {
        (_, Some(given)) if !(0..=i64::from(i32::MAX)).contains(&given) => {
            return after.invalid("must be between 0 and 2147483647, inclusive");
        }
        (Some(most), Some(given)) if given > most => {
            return after.invalid("must be less than or equal to previous value");
        }
        (Some(_), None) => after.invalid("must not update from a positive integer to nil value"),
        _ => {}
    }
    tolerations(&old.at("tolerations"), &new.at("tolerations"));
    gates(&old.at("schedulingGates"), &new.at("schedulingGates"));
    let mut expected = new.value().clone();
    let gated = !old.at("schedulingGates").is_empty();
    if gated {
        node_selector(&old.at("nodeSelector"), &new.at("nodeSelector"));
        let path = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
        node_terms(&old.at(path), &new.at(path));
    }
    forgive(&mut expected, old.value(), gated);
    if !same(&expected, old.value()) {
        let diff = super::super::shown::changes("PodSpec", old.value(), &expected);
        new.forbidden(&format!(
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n{diff}"
        ));
    }
}

/// Takes from the old spec what may differ.
fn forgive(spec: &mut Value, old: &Value, gated: bool) {
    let negative_grace = old.get("terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|it| it < 0)
        && spec.get("terminationGracePeriodSeconds") == Some(&Value::from(1));
    let Some(fields) = spec.as_object_mut() else { return };
    let mut open = vec!["activeDeadlineSeconds", "schedulingGates", "tolerations"];
    if negative_grace {
        open.push("terminationGracePeriodSeconds");
    }
    if gated {
        open.push("nodeSelector");
    }
    for field in open {
        match old.get(field) {
            Some(value) => fields.insert(field.to_owned(), value.clone()),
            None => fields.remove(field),
        };
    }
    for list in ["containers", "initContainers"] {
        let Some(containers) = fields.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for (index, container) in containers.iter_mut().enumerate() {
            let image = old.get(list).and_then(|list| list.get(index)?.get("image"));
            if let Some(image) = image {
                container["image"] = image.clone();
            }
        }
    }
    if gated {
        let nodes = old.get("affinity").and_then(|affinity| affinity.get("nodeAffinity"));
        let had = old.get("affinity").is_some();
        if let Some(affinity) = fields.get_mut("affinity").and_then(Value::as_object_mut) {
            match nodes {
                Some(nodes) => affinity.insert("nodeAffinity".to_owned(), nodes.clone()),
                None => affinity.remove("nodeAffinity"),
            };
            if affinity.is_empty() && !had {
                fields.remove("affinity");
            }
        } else if let Some(nodes) = nodes {
            fields.insert("affinity".to_owned(), serde_json::json!({ "nodeAffinity": nodes }));
        }
    }
}

/// Annotations of the kubelet and of AppArmor stay as they are.
fn annotations(live: &Place<'_, '_>, pod: &Place<'_, '_>) {
    const ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
    const MIRROR: &str = "kubernetes.io/config.mirror";
    let (old, new) = (live.at("metadata.annotations"), pod.at("metadata.annotations"));
    for (key, value) in old.entries() {
        if new.key(key).value() == value.value() {
            continue;
        }
        if key.starts_with(ARMOR) {
            new.key(key).forbidden("may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            new.key(key).forbidden("may not remove or update mirror pod annotation");
        }
    }
    for (key, value) in new.entries().filter(|(key, _)| !old.key(key).is_set()) {
        if key.starts_with(ARMOR) {
            value.forbidden("may not add AppArmor annotations");
        }
        if key == MIRROR {
            value.forbidden("may not add mirror pod annotation");
        }
    }
}

fn tolerations(old: &Place<'_, '_>, new: &Place<'_, '_>) {
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        if let Some(fields) = toleration.as_object_mut() {
            fields.remove("tolerationSeconds");
        }
        toleration
    };
    let kept = |old: &Value| new.list().iter().any(|new| same(&timeless(old), &timeless(new)));
    if !old.list().iter().all(kept) {
        new.forbidden("existing toleration can not be modified except its tolerationSeconds");
    }
}

fn gates(old: &Place<'_, '_>, new: &Place<'_, '_>) {
    for gate in new.items() {
        let name = gate.at("name");
        if !old.items().any(|other| other.at("name").text() == name.text()) {
            let text = name.text();
            name.forbidden(&format!("only deletion is allowed, but found new scheduling gate '{text}'"));
        }
    }
}

fn node_selector(old: &Place<'_, '_>, new: &Place<'_, '_>) {
    if old.entries().any(|(key, value)| new.key(key).value() != value.value()) {
        new.invalid("only additions to spec.nodeSelector are allowed (no mutations or deletions)");
    }
}

fn node_terms(old: &Place<'_, '_>, new: &Place<'_, '_>) {
    if old.is_empty() {
        return;
    }
    if old.list().len() != new.list().len() {
        return new.invalid("no additions/deletions to non-empty NodeSelectorTerms list are allowed");
    }
    for (before, after) in old.items().zip(new.items()) {
        let lists = ["matchExpressions", "matchFields"];
        let empty = lists.iter().all(|field| before.at(field).is_empty());
        let grown = lists.iter().all(|field| after.at(field).list().starts_with(before.at(field).list()));
        let filled = empty && lists.iter().any(|field| !after.at(field).is_empty());
        if !grown || filled {
            after.invalid("only additions are allowed (no mutations or deletions)");
        }
    }
}

/// Ephemeral containers come and stay as they are.
pub(in super::super) fn ephemeral(live: &Place<'_, '_>, pod: &Place<'_, '_>) {
    metadata_and_spec(pod);
    let (old, new) = (live.at("spec.ephemeralContainers"), pod.at("spec.ephemeralContainers"));
    for before in old.items() {
        let name = before.at("name").text();
        let after = new.items().find(|after| after.at("name").text() == name);
        match after {
            None => new.forbidden(&format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(after) if !same(after.value(), before.value()) => {
                new.forbidden(&format!("existing ephemeral containers {name:?} may not be changed\n"));
            }
            Some(_) => {}
        }
    }
}

/// Requests and limits of cpu and memory change; the quality of service stays.
pub(in super::super) fn resize(live: &Place<'_, '_>, pod: &Place<'_, '_>) {
    metadata_and_spec(pod);
    let (old, new) = (live.at("spec"), pod.at("spec"));
    let levels =
        |spec: &Place<'_, '_>| !spec.at("resources.requests").is_empty() || !spec.at("resources.limits").is_empty();
    let whole = pod.elsewhere(pod.value(), "");
    if levels(&old) || levels(&new) {
        return whole.forbidden("pods with pod-level resources cannot be resized");
    }
    if live.has("metadata.annotations") && live.at("metadata.annotations").key("kubernetes.io/config.mirror").is_set() {
        return whole.forbidden("static pods cannot be resized");
    }
    if old.at("os.name").text() == "windows" {
        return whole.forbidden("windows pods cannot be resized");
    }
    let class = live.at("status.qosClass").text();
    if !class.is_empty() && class != super::super::super::allocate::quality_of_service(pod.value()) {
        new.wrong(class, "Pod QOS Class may not change as a result of resizing");
    }
    for list in ["containers", "initContainers"] {
        let (before, after) = (old.at(list), new.at(list));
        for (index, container) in before.items().enumerate() {
            let now = after.index(index);
            for side in ["requests", "limits"] {
                let (had, has) = (container.at("resources"), now.at("resources"));
                let (had, has) = (had.at(side), has.at(side));
                if had.entries().any(|(name, _)| !has.key(name).is_set()) {
                    has.forbidden(&format!("resource {side} cannot be removed"));
                }
            }
        }
    }
}

/// The status of a pod.
pub(in super::super) fn status(live: &Place<'_, '_>, pod: &Place<'_, '_>) {
    let (old, new) = (live.at("status"), pod.at("status"));
    for condition in new.at("conditions").items() {
        let observed = condition.at("observedGeneration");
        if observed.int() < 0 {
            observed.invalid("must be a non-negative integer");
        }
        let kind = condition.at("type").text();
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            condition.at("Type").wrongs(kind, names::qualified_name_problems(kind));
        }
    }
    let nominated = new.at("nominatedNodeName");
    if !nominated.is_empty() && nominated.text() != old.at("nominatedNodeName").text() {
        nominated.subdomain();
    }
    if new.at("observedGeneration").int() < 0 {
        new.at("observedGeneration").invalid("must be a non-negative integer");
    }
    let class = new.at("qosClass");
    if class.text() != old.at("qosClass").text() {
        class.invalid_text("field is immutable");
    }
    for list in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        transitions(live, &old.at(list), &new.at(list), list);
    }
    addresses(&old.at("podIPs"), &new.at("podIPs"));
    let hosts = new.at("hostIPs");
    if !hosts.is_empty() && new.at("hostIP").text() != hosts.index(0).at("ip").text() {
        hosts.index(0).at("ip").invalid_text("must be equal to `hostIP`");
    }
    addresses(&old.at("hostIPs"), &hosts);
}

/// What has ended stays so, unless it is started again by the policy of the pod.
fn transitions(live: &Place<'_, '_>, old: &Place<'_, '_>, new: &Place<'_, '_>, list: &str) {
    let policy = live.at("spec.restartPolicy").text().to_owned();
    for before in old.items() {
        let ended = before.at("state.terminated");
        let name = before.at("name").text();
        if !ended.is_set() {
            continue;
        }
        let sidecar = live
            .at("spec.initContainers")
            .items()
            .any(|container| container.at("name").text() == name && container.at("restartPolicy").text() == "Always");
        let again = policy == "Always" || policy == "OnFailure" && ended.at("exitCode").int() != 0;
        if list != "ephemeralContainerStatuses" && (again || list == "initContainerStatuses" && sidecar) {
            continue;
        }
        if new.items().any(|after| after.at("name").text() == name && !after.has("state.terminated")) {
            let path = format!("{}.state", before.path());
            new.elsewhere(before.value(), &path).forbidden("may not be transitioned to non-terminated state");
        }
    }
}

/// One address of each family.
fn addresses(old: &Place<'_, '_>, new: &Place<'_, '_>) {
    for item in new.items() {
        let text = item.at("ip").text();
        let known = old.items().any(|other| other.at("ip").text() == text);
        if !known && names::legacy_ip(text).is_none() {
            item.wrong(text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        }
    }
    let six = |item: &Place<'_, '_>| item.at("ip").text().contains(':');
    let sixes = new.items().filter(six).count();
    let all = new.list().len();
    if all > 1 && (all > 2 || sixes != 1) {
        let shown: Vec<String> =
            new.items().map(|item| format!("{{\"IP\":{}}}", Value::from(item.at("ip").text()))).collect();
        new.invalid_shown(&format!("[{}]", shown.join(",")), "may specify no more than one IP for each IP family");
    }
}

//! Defaults, allocations and checks of the built-in kinds that users meet.

use serde_json::{Map, Value, json};

use super::Call;
use super::meta::{self, set_path};
use super::selector::LabelSelector;
use super::state::State;
use super::status::{ApiError, Cause};

/// Fills in what kube-apiserver fills in. `live` is the object being replaced.
pub(super) fn apply(
    state: &mut State,
    call: &Call<'_>,
    object: &mut Value,
    live: Option<&Value>,
) -> Result<(), ApiError> {
    match (call.def.group(), call.def.resource()) {
        ("", "pods") => pod(object, live),
        ("", "services") => service(state, object, live),
        ("", "namespaces") => namespace(object, live),
        ("", "secrets") => secret(object),
        ("", "serviceaccounts" | "configmaps") => {}
        ("", "persistentvolumeclaims") => {
            put(object, &["spec", "volumeMode"], json!("Filesystem"));
            if live.is_none() {
                put(object, &["status", "phase"], json!("Pending"));
            }
        }
        ("", "replicationcontrollers") => {
            put(object, &["spec", "replicas"], json!(1));
            template(object, &["spec", "template"], "Always");
        }
        ("apps", "deployments") => {
            put(object, &["spec", "replicas"], json!(1));
            put(object, &["spec", "revisionHistoryLimit"], json!(10));
            put(object, &["spec", "progressDeadlineSeconds"], json!(600));
            put(object, &["spec", "strategy", "type"], json!("RollingUpdate"));
            if meta::text(object, "/spec/strategy/type") == "RollingUpdate" {
                put(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], json!("25%"));
                put(object, &["spec", "strategy", "rollingUpdate", "maxSurge"], json!("25%"));
            }
            template(object, &["spec", "template"], "Always");
        }
        ("apps", "replicasets") => {
            put(object, &["spec", "replicas"], json!(1));
            template(object, &["spec", "template"], "Always");
            if live.is_none() {
                put(object, &["status", "replicas"], json!(0));
            }
        }
        ("apps", "statefulsets") => {
            put(object, &["spec", "replicas"], json!(1));
            put(object, &["spec", "revisionHistoryLimit"], json!(10));
            put(object, &["spec", "podManagementPolicy"], json!("OrderedReady"));
            put(object, &["spec", "updateStrategy", "type"], json!("RollingUpdate"));
            if meta::text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
                put(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], json!(0));
            }
            put(
                object,
                &["spec", "persistentVolumeClaimRetentionPolicy"],
                json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }),
            );
            template(object, &["spec", "template"], "Always");
        }
        ("apps", "daemonsets") => {
            put(object, &["spec", "revisionHistoryLimit"], json!(10));
            put(object, &["spec", "updateStrategy", "type"], json!("RollingUpdate"));
            if meta::text(object, "/spec/updateStrategy/type") == "RollingUpdate" {
                put(object, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"], json!(1));
                put(object, &["spec", "updateStrategy", "rollingUpdate", "maxSurge"], json!(0));
            }
            template(object, &["spec", "template"], "Always");
        }
        ("batch", "jobs") => job(object),
        ("batch", "cronjobs") => {
            put(object, &["spec", "concurrencyPolicy"], json!("Allow"));
            put(object, &["spec", "suspend"], json!(false));
            put(object, &["spec", "successfulJobsHistoryLimit"], json!(3));
            put(object, &["spec", "failedJobsHistoryLimit"], json!(1));
            template(object, &["spec", "jobTemplate", "spec", "template"], "");
        }
        ("autoscaling", "horizontalpodautoscalers") => put(object, &["spec", "minReplicas"], json!(1)),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
                let group = matches!(meta::text(subject, "/kind"), "User" | "Group");
                if group && subject.get("apiGroup").is_none() {
                    subject["apiGroup"] = json!("rbac.authorization.k8s.io");
                }
            }
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => crate::crd::prepare(object, live),
        _ => {}
    }
    Ok(())
}

/// Checks of the built-in kinds.
pub(super) fn validate(call: &Call<'_>, object: &Value, live: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let immutable = |causes: &mut Vec<Cause>, pointer: &str| {
        let value = object.pointer(pointer);
        if let Some(live) = live
            && live.pointer(pointer) != value
        {
            causes.push(Cause::invalid(
                pointer.trim_start_matches('/').replace('/', "."),
                value.unwrap_or(&Value::Null),
                "field is immutable",
            ));
        }
    };
    match (call.def.group(), call.def.resource()) {
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            workload(object, &mut causes);
            immutable(&mut causes, "/spec/selector");
            containers(object, "/spec/template/spec", "spec.template.spec", &mut causes);
        }
        ("batch", "jobs") => {
            containers(object, "/spec/template/spec", "spec.template.spec", &mut causes);
            let policy = meta::text(object, "/spec/template/spec/restartPolicy");
            if !matches!(policy, "OnFailure" | "Never") {
                causes.push(if policy.is_empty() || policy == "Always" {
                    Cause {
                        reason: "FieldValueRequired",
                        field: "spec.template.spec.restartPolicy".to_owned(),
                        message: "Required value: valid values: \"OnFailure\", \"Never\"".to_owned(),
                    }
                } else {
                    Cause::not_supported(
                        "spec.template.spec.restartPolicy",
                        &Value::from(policy),
                        &["OnFailure".to_owned(), "Never".to_owned()],
                    )
                });
            }
            immutable(&mut causes, "/spec/selector");
            immutable(&mut causes, "/spec/completionMode");
        }
        ("", "pods") => containers(object, "/spec", "spec", &mut causes),
        ("", "services") => {
            let ports = object.pointer("/spec/ports").and_then(Value::as_array);
            let external =
                meta::text(object, "/spec/type") == "ExternalName" || meta::text(object, "/spec/clusterIP") == "None";
            if ports.is_none_or(Vec::is_empty) && !external {
                causes.push(Cause::required("spec.ports", ""));
            }
            if live.is_some_and(|live| !meta::text(live, "/spec/clusterIP").is_empty())
                && meta::text(object, "/spec/type") != "ExternalName"
            {
                let (before, after) =
                    (live.and_then(|live| live.pointer("/spec/clusterIP")), object.pointer("/spec/clusterIP"));
                if before != after {
                    causes.push(Cause::invalid("spec.clusterIPs[0]", &json!([after]), "may not change once set"));
                }
            }
        }
        ("", "configmaps" | "secrets") => {
            if live.is_some_and(|live| live.get("immutable") == Some(&Value::Bool(true))) {
                for field in ["data", "binaryData"] {
                    if live.and_then(|live| live.get(field)) != object.get(field) {
                        causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
                    }
                }
            }
            if call.def.resource() == "secrets"
                && let Some(live) = live
                && live.get("type") != object.get("type")
            {
                causes.push(Cause::invalid("type", &object["type"], "field is immutable"));
            }
            for key in object.get("data").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                if !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
                    causes.push(Cause::invalid(
                        format!("data[{key}]"),
                        &Value::from(key.as_str()),
                        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                    ));
                }
            }
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            if let Some(live) = live
                && live.get("roleRef") != object.get("roleRef")
            {
                causes.push(Cause::invalid("roleRef", &object["roleRef"], "cannot change roleRef"));
            }
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            causes.extend(crate::crd::validate_definition(object, live))
        }
        _ => {}
    }
    causes
}

/// Puts a value where there is none, making maps on the way.
fn put(object: &mut Value, path: &[&str], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut current = object;
    for step in parents {
        let Some(fields) = current.as_object_mut() else { return };
        current = fields.entry((*step).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    if let Some(fields) = current.as_object_mut() {
        fields.entry((*last).to_owned()).or_insert(value);
    }
}

fn template(object: &mut Value, path: &[&str], restart_policy: &str) {
    let found = path.iter().try_fold(&mut *object, |value, step| value.get_mut(*step));
    if let Some(template) = found
        && let Some(spec) = template.get_mut("spec").filter(|spec| spec.is_object())
    {
        pod_spec(spec, restart_policy);
    }
}

fn pod_spec(spec: &mut Value, restart_policy: &str) {
    if !restart_policy.is_empty() {
        put(spec, &["restartPolicy"], json!(restart_policy));
    }
    put(spec, &["dnsPolicy"], json!("ClusterFirst"));
    put(spec, &["schedulerName"], json!("default-scheduler"));
    put(spec, &["securityContext"], json!({}));
    put(spec, &["terminationGracePeriodSeconds"], json!(30));
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        put(spec, &["serviceAccount"], account);
    } else if let Some(account) = spec.get("serviceAccount").cloned() {
        put(spec, &["serviceAccountName"], account);
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter(|container| container.is_object())
        {
            put(container, &["terminationMessagePath"], json!("/dev/termination-log"));
            put(container, &["terminationMessagePolicy"], json!("File"));
            put(container, &["resources"], json!({}));
            let image = meta::text(container, "/image");
            let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map(|(_, tag)| tag);
            let policy =
                if !image.contains('@') && matches!(tag, None | Some("latest")) { "Always" } else { "IfNotPresent" };
            put(container, &["imagePullPolicy"], json!(policy));
            for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
                put(port, &["protocol"], json!("TCP"));
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if let Some(probe) = container.get_mut(probe) {
                    for (field, value) in
                        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
                    {
                        put(probe, &[field], json!(value));
                    }
                    if probe.get("httpGet").is_some() {
                        put(probe, &["httpGet", "scheme"], json!("HTTP"));
                        put(probe, &["httpGet", "path"], json!("/"));
                    }
                }
            }
            for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
                if variable.pointer("/valueFrom/fieldRef").is_some() {
                    put(variable, &["valueFrom", "fieldRef", "apiVersion"], json!("v1"));
                }
            }
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume.get(source).is_some_and(Value::is_object) {
                put(volume, &[source, "defaultMode"], json!(420));
            }
        }
    }
}

fn pod(object: &mut Value, live: Option<&Value>) {
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        pod_spec(spec, "Always");
        put(spec, &["enableServiceLinks"], json!(true));
        if live.is_none() {
            put(spec, &["serviceAccountName"], json!("default"));
            put(spec, &["serviceAccount"], json!("default"));
            put(spec, &["priority"], json!(0));
            put(spec, &["preemptionPolicy"], json!("PreemptLowerPriority"));
            put(
                spec,
                &["tolerations"],
                json!([
                    { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
                    { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
                ]),
            );
        }
    }
    if live.is_none() {
        put(object, &["status", "phase"], json!("Pending"));
        let class = quality_of_service(object);
        put(object, &["status", "qosClass"], json!(class));
    }
}

/// Guaranteed, Burstable or BestEffort, by requests and limits of cpu and memory.
fn quality_of_service(pod: &Value) -> &'static str {
    let containers: Vec<&Value> = ["containers", "initContainers"]
        .iter()
        .filter_map(|list| pod.pointer(&format!("/spec/{list}"))?.as_array())
        .flatten()
        .collect();
    let quantity = |container: &Value, side: &str, resource: &str| {
        container.pointer(&format!("/resources/{side}/{resource}")).cloned()
    };
    let any = containers.iter().any(|container| {
        ["requests", "limits"]
            .iter()
            .any(|side| ["cpu", "memory"].iter().any(|resource| quantity(container, side, resource).is_some()))
    });
    if !any {
        return "BestEffort";
    }
    let guaranteed = containers.iter().all(|container| {
        ["cpu", "memory"].iter().all(|resource| {
            let limit = quantity(container, "limits", resource);
            limit.is_some() && quantity(container, "requests", resource).is_none_or(|request| Some(request) == limit)
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

fn service(state: &mut State, object: &mut Value, live: Option<&Value>) {
    put(object, &["spec", "type"], json!("ClusterIP"));
    put(object, &["spec", "sessionAffinity"], json!("None"));
    for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        put(port, &["protocol"], json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        put(port, &["targetPort"], number);
    }
    if live.is_none() {
        put(object, &["status", "loadBalancer"], json!({}));
    }
    let kind = meta::text(object, "/spec/type").to_owned();
    if kind == "ExternalName" {
        return;
    }
    put(object, &["spec", "internalTrafficPolicy"], json!("Cluster"));
    put(object, &["spec", "ipFamilyPolicy"], json!("SingleStack"));
    put(object, &["spec", "ipFamilies"], json!(["IPv4"]));
    if meta::text(object, "/spec/clusterIP").is_empty() {
        let address =
            live.map(|live| meta::text(live, "/spec/clusterIP").to_owned()).filter(|address| !address.is_empty());
        let address = address.unwrap_or_else(|| {
            let number = state.ids.number(60_000) + 257;
            format!("10.96.{}.{}", (number / 250) % 256, number % 250 + 1)
        });
        set_path(object, &["spec".to_owned(), "clusterIP".to_owned()], json!(address));
    }
    let address = object.pointer("/spec/clusterIP").cloned().unwrap_or_default();
    put(object, &["spec", "clusterIPs"], json!([address]));
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        put(object, &["spec", "externalTrafficPolicy"], json!("Cluster"));
        if kind == "LoadBalancer" {
            put(object, &["spec", "allocateLoadBalancerNodePorts"], json!(true));
        }
        for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port.get("nodePort").is_none() {
                let number = 30_000 + state.ids.number(2_768);
                put(port, &["nodePort"], json!(number));
            }
        }
    }
}

fn namespace(object: &mut Value, live: Option<&Value>) {
    let name = meta::name(object).to_owned();
    set_path(object, &["metadata", "labels", "kubernetes.io/metadata.name"].map(str::to_owned), json!(name));
    if live.is_none() {
        put(object, &["spec", "finalizers"], json!(["kubernetes"]));
        put(object, &["status", "phase"], json!("Active"));
    }
}

fn secret(object: &mut Value) {
    put(object, &["type"], json!("Opaque"));
    let Some(plain) = object.as_object_mut().and_then(|root| root.remove("stringData")) else { return };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        set_path(object, &["data".to_owned(), key.clone()], Value::from(encoded));
    }
}

fn job(object: &mut Value) {
    let single = object.pointer("/spec/completions").is_none() && object.pointer("/spec/parallelism").is_none();
    if single {
        put(object, &["spec", "completions"], json!(1));
    }
    put(object, &["spec", "parallelism"], json!(1));
    put(object, &["spec", "backoffLimit"], json!(6));
    put(object, &["spec", "completionMode"], json!("NonIndexed"));
    put(object, &["spec", "suspend"], json!(false));
    put(object, &["spec", "manualSelector"], json!(false));
    put(object, &["spec", "podReplacementPolicy"], json!("TerminatingOrFailed"));
    template(object, &["spec", "template"], "");
}

/// The selector of a job is made from its uid, which is drawn after defaulting.
pub(super) fn job_selector(object: &mut Value) {
    if object.pointer("/spec/selector").is_some() || object.pointer("/spec/manualSelector") == Some(&Value::Bool(true))
    {
        return;
    }
    let (uid, name) = (meta::uid(object).to_owned(), meta::name(object).to_owned());
    let labels = [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ];
    for (label, value) in labels {
        set_path(
            object,
            &["spec", "template", "metadata", "labels", label].map(str::to_owned),
            Value::from(value.as_str()),
        );
    }
    set_path(
        object,
        &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"].map(str::to_owned),
        Value::from(uid),
    );
}

/// Selector and template labels of a workload belong together.
fn workload(object: &Value, causes: &mut Vec<Cause>) {
    match object.pointer("/spec/selector") {
        None => causes.push(Cause::required("spec.selector", "")),
        Some(selector) => match LabelSelector::from_object(selector) {
            Some(parsed) if parsed.is_empty() => {
                causes.push(Cause::invalid("spec.selector", selector, "empty selector is invalid for deployment"))
            }
            Some(parsed) => {
                if !parsed.matches(object.pointer("/spec/template").unwrap_or(&Value::Null)) {
                    let labels = object.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
                    causes.push(Cause::invalid(
                        "spec.template.metadata.labels",
                        &labels,
                        "`selector` does not match template `labels`",
                    ));
                }
            }
            None => causes.push(Cause::invalid("spec.selector", selector, "invalid label selector")),
        },
    }
    if object.pointer("/spec/replicas").and_then(Value::as_i64).is_some_and(|replicas| replicas < 0) {
        causes.push(Cause::invalid("spec.replicas", &object["spec"]["replicas"], "must be greater than or equal to 0"));
    }
}

fn containers(object: &Value, pointer: &str, path: &str, causes: &mut Vec<Cause>) {
    let spec = object.pointer(pointer).unwrap_or(&Value::Null);
    if spec.get("containers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        causes.push(Cause::required(format!("{path}.containers"), ""));
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    let named = ["initContainers", "containers"]
        .map(|field| (field, spec.get(field).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)));
    for (field, list) in named {
        for (index, container) in list.iter().enumerate() {
            let at = format!("{path}.{field}[{index}]");
            let name = meta::text(container, "/name");
            if name.is_empty() {
                causes.push(Cause::required(format!("{at}.name"), ""));
            } else if !super::names::is_label(name) {
                causes.push(Cause::invalid(format!("{at}.name"), &Value::from(name), super::names::LABEL));
            } else if seen.contains(&name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &Value::from(name)));
            }
            seen.push(name);
            if meta::text(container, "/image").is_empty() {
                causes.push(Cause::required(format!("{at}.image"), ""));
            }
        }
    }
}

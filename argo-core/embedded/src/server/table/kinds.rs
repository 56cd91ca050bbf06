//! Columns and cells of the built-in kinds, as kube-apiserver prints them.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, containers, items, name, number, ratio, row, selector, size, text};
use super::rows::{event, job, pod, service};
use super::{Column, age_of};
use crate::server::meta;

type Cells = fn(&Value, Timestamp) -> Vec<Value>;

const NAME: Column = ("Name", "string", 0);
const AGE: Column = ("Age", "string", 0);
const CONTAINERS: Column = ("Containers", "string", 1);
const IMAGES: Column = ("Images", "string", 1);
const SELECTOR: Column = ("Selector", "string", 1);

/// Columns and cells of a built-in resource; name and age for those without a printer of their own.
pub(super) fn builtin(group: &str, resource: &str) -> (&'static [Column], Cells) {
    match (group, resource) {
        ("", "pods") => (
            &[
                NAME,
                ("Ready", "string", 0),
                ("Status", "string", 0),
                ("Restarts", "string", 0),
                AGE,
                ("IP", "string", 1),
                ("Node", "string", 1),
                ("Nominated Node", "string", 1),
                ("Readiness Gates", "string", 1),
            ],
            pod,
        ),
        ("apps", "deployments") => (
            &[
                NAME,
                ("Ready", "string", 0),
                ("Up-to-date", "string", 0),
                ("Available", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/template/spec");
                let ready = ratio(number(o, "/status/readyReplicas"), number(o, "/spec/replicas"));
                row([
                    name(o),
                    ready,
                    number(o, "/status/updatedReplicas").into(),
                    number(o, "/status/availableReplicas").into(),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/selector"),
                ])
            },
        ),
        ("apps", "replicasets") | ("", "replicationcontrollers") => (
            &[
                NAME,
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/template/spec");
                row([
                    name(o),
                    number(o, "/spec/replicas").into(),
                    number(o, "/status/replicas").into(),
                    number(o, "/status/readyReplicas").into(),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/selector"),
                ])
            },
        ),
        ("apps", "statefulsets") => (&[NAME, ("Ready", "string", 0), AGE, CONTAINERS, IMAGES], |o, now| {
            let [names, images] = containers(o, "/spec/template/spec");
            row([
                name(o),
                ratio(number(o, "/status/readyReplicas"), number(o, "/spec/replicas")),
                age(o, now),
                names,
                images,
            ])
        }),
        ("apps", "daemonsets") => (
            &[
                NAME,
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                ("Up-to-date", "integer", 0),
                ("Available", "integer", 0),
                ("Node Selector", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/template/spec");
                let counts = [
                    "desiredNumberScheduled",
                    "currentNumberScheduled",
                    "numberReady",
                    "updatedNumberScheduled",
                    "numberAvailable",
                ];
                let mut cells = vec![name(o)];
                cells.extend(counts.iter().map(|field| Value::from(number(o, &format!("/status/{field}")))));
                cells.extend([
                    selector(o, "/spec/template/spec/nodeSelector"),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/selector"),
                ]);
                cells
            },
        ),
        ("apps", "controllerrevisions") => {
            (&[NAME, ("Controller", "string", 0), ("Revision", "string", 0), AGE], |o, now| {
                let owner = items(o, "/metadata/ownerReferences")
                    .iter()
                    .find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
                let owner = owner.map_or_else(
                    || "<none>".to_owned(),
                    |owner| format!("{}/{}", meta::text(owner, "/kind").to_lowercase(), meta::text(owner, "/name")),
                );
                row([name(o), owner.into(), number(o, "/revision").into(), age(o, now)])
            })
        }
        ("batch", "jobs") => (
            &[
                NAME,
                ("Status", "string", 0),
                ("Completions", "string", 0),
                ("Duration", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            job,
        ),
        ("batch", "cronjobs") => (
            &[
                NAME,
                ("Schedule", "string", 0),
                ("Timezone", "string", 0),
                ("Suspend", "boolean", 0),
                ("Active", "integer", 0),
                ("Last Schedule", "string", 0),
                AGE,
                CONTAINERS,
                IMAGES,
                SELECTOR,
            ],
            |o, now| {
                let [names, images] = containers(o, "/spec/jobTemplate/spec/template/spec");
                let last = meta::text(o, "/status/lastScheduleTime");
                let last = if last.is_empty() { "<none>".to_owned() } else { age_of(last, now) };
                row([
                    name(o),
                    text(o, "/spec/schedule").into(),
                    text(o, "/spec/timeZone").into(),
                    text(o, "/spec/suspend").replace("true", "True").replace("false", "False").into(),
                    size(o, "/status/active").into(),
                    last.into(),
                    age(o, now),
                    names,
                    images,
                    selector(o, "/spec/jobTemplate/spec/selector"),
                ])
            },
        ),
        ("", "services") => (
            &[
                NAME,
                ("Type", "string", 0),
                ("Cluster-IP", "string", 0),
                ("External-IP", "string", 0),
                ("Port(s)", "string", 0),
                AGE,
                SELECTOR,
            ],
            service,
        ),
        ("", "configmaps") => (&[NAME, ("Data", "string", 0), AGE], |o, now| {
            row([name(o), (size(o, "/data") + size(o, "/binaryData")).into(), age(o, now)])
        }),
        ("", "secrets") => (&[NAME, ("Type", "string", 0), ("Data", "string", 0), AGE], |o, now| {
            row([name(o), text(o, "/type").into(), size(o, "/data").into(), age(o, now)])
        }),
        ("", "namespaces") => (&[NAME, ("Status", "string", 0), AGE], |o, now| {
            row([name(o), text(o, "/status/phase").into(), age(o, now)])
        }),
        ("", "serviceaccounts") => {
            (&[NAME, ("Secrets", "string", 0), AGE], |o, now| row([name(o), size(o, "/secrets").into(), age(o, now)]))
        }
        ("", "events") => (
            &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Message", "string", 0),
                ("Count", "integer", 1),
                ("Name", "string", 1),
            ],
            event,
        ),
        ("events.k8s.io", "events") => (
            &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Message", "string", 0),
                ("Count", "integer", 1),
                ("Name", "string", 1),
            ],
            event,
        ),
        ("", "nodes") => {
            (&[NAME, ("Status", "string", 0), ("Roles", "string", 0), AGE, ("Version", "string", 0)], |o, now| {
                let ready = items(o, "/status/conditions").iter().any(|condition| {
                    meta::text(condition, "/type") == "Ready" && meta::text(condition, "/status") == "True"
                });
                row([
                    name(o),
                    if ready { "Ready" } else { "NotReady" }.into(),
                    "<none>".into(),
                    age(o, now),
                    text(o, "/status/nodeInfo/kubeletVersion").into(),
                ])
            })
        }
        ("", "persistentvolumeclaims") => (
            &[
                NAME,
                ("Status", "string", 0),
                ("Volume", "string", 0),
                ("Capacity", "string", 0),
                ("Access Modes", "string", 0),
                ("StorageClass", "string", 0),
                AGE,
            ],
            |o, now| {
                let blank = |pointer: &str| Value::from(meta::text(o, pointer));
                row([
                    name(o),
                    text(o, "/status/phase").into(),
                    blank("/spec/volumeName"),
                    blank("/status/capacity/storage"),
                    "".into(),
                    blank("/spec/storageClassName"),
                    age(o, now),
                ])
            },
        ),
        ("", "endpoints") => (&[NAME, ("Endpoints", "string", 0), AGE], |o, now| {
            let addresses: Vec<String> = items(o, "/subsets")
                .iter()
                .flat_map(|subset| {
                    items(subset, "/addresses").iter().flat_map(move |address| {
                        items(subset, "/ports")
                            .iter()
                            .map(move |port| format!("{}:{}", meta::text(address, "/ip"), number(port, "/port")))
                    })
                })
                .collect();
            row([
                name(o),
                if addresses.is_empty() { "<none>".to_owned() } else { addresses.join(",") }.into(),
                age(o, now),
            ])
        }),
        ("discovery.k8s.io", "endpointslices") => (
            &[NAME, ("AddressType", "string", 0), ("Ports", "string", 0), ("Endpoints", "string", 0), AGE],
            |o, now| {
                let join = |list: Vec<String>| if list.is_empty() { "<unset>".to_owned() } else { list.join(",") };
                let ports = join(items(o, "/ports").iter().map(|port| text(port, "/port")).collect());
                let addresses = join(
                    items(o, "/endpoints")
                        .iter()
                        .flat_map(|endpoint| items(endpoint, "/addresses"))
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                );
                row([name(o), text(o, "/addressType").into(), ports.into(), addresses.into(), age(o, now)])
            },
        ),
        ("coordination.k8s.io", "leases") => (&[NAME, ("Holder", "string", 0), AGE], |o, now| {
            row([name(o), Value::from(meta::text(o, "/spec/holderIdentity")), age(o, now)])
        }),
        ("networking.k8s.io", "ingresses") => (
            &[
                NAME,
                ("Class", "string", 0),
                ("Hosts", "string", 0),
                ("Address", "string", 0),
                ("Ports", "string", 0),
                AGE,
            ],
            |o, now| {
                let hosts: Vec<&str> = items(o, "/spec/rules")
                    .iter()
                    .map(|rule| meta::text(rule, "/host"))
                    .filter(|host| !host.is_empty())
                    .collect();
                let addresses: Vec<&str> = items(o, "/status/loadBalancer/ingress")
                    .iter()
                    .map(|it| {
                        if meta::text(it, "/ip").is_empty() {
                            meta::text(it, "/hostname")
                        } else {
                            meta::text(it, "/ip")
                        }
                    })
                    .collect();
                let ports = if size(o, "/spec/tls") > 0 { "80, 443" } else { "80" };
                row([
                    name(o),
                    text(o, "/spec/ingressClassName").into(),
                    if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }.into(),
                    addresses.join(",").into(),
                    ports.into(),
                    age(o, now),
                ])
            },
        ),
        ("networking.k8s.io", "networkpolicies") => (&[NAME, ("Pod-Selector", "string", 0), AGE], |o, now| {
            row([name(o), selector(o, "/spec/podSelector"), age(o, now)])
        }),
        ("policy", "poddisruptionbudgets") => (
            &[
                NAME,
                ("Min Available", "string", 0),
                ("Max Unavailable", "string", 0),
                ("Allowed Disruptions", "integer", 0),
                AGE,
            ],
            |o, now| {
                let or_na = |pointer: &str| text(o, pointer).replace("<none>", "N/A");
                row([
                    name(o),
                    or_na("/spec/minAvailable").into(),
                    or_na("/spec/maxUnavailable").into(),
                    number(o, "/status/disruptionsAllowed").into(),
                    age(o, now),
                ])
            },
        ),
        ("autoscaling", "horizontalpodautoscalers") => (
            &[
                NAME,
                ("Reference", "string", 0),
                ("Targets", "string", 0),
                ("MinPods", "string", 0),
                ("MaxPods", "string", 0),
                ("Replicas", "string", 0),
                AGE,
            ],
            |o, now| {
                let reference = format!(
                    "{}/{}",
                    meta::text(o, "/spec/scaleTargetRef/kind"),
                    meta::text(o, "/spec/scaleTargetRef/name")
                );
                let targets: Vec<String> = items(o, "/spec/metrics")
                    .iter()
                    .map(|metric| {
                        let resource = meta::text(metric, "/resource/name");
                        let current = items(o, "/status/currentMetrics")
                            .iter()
                            .find(|it| meta::text(it, "/resource/name") == resource);
                        let current = current
                            .and_then(|it| it.pointer("/resource/current/averageUtilization")?.as_i64())
                            .map_or_else(|| "<unknown>".to_owned(), |it| format!("{it}%"));
                        format!("{resource}: {current}/{}%", number(metric, "/resource/target/averageUtilization"))
                    })
                    .collect();
                row([
                    name(o),
                    reference.into(),
                    if targets.is_empty() { "<none>".to_owned() } else { targets.join(", ") }.into(),
                    text(o, "/spec/minReplicas").into(),
                    text(o, "/spec/maxReplicas").into(),
                    number(o, "/status/currentReplicas").into(),
                    age(o, now),
                ])
            },
        ),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            (&[NAME, ("Role", "string", 0), AGE], |o, now| {
                row([
                    name(o),
                    format!("{}/{}", meta::text(o, "/roleRef/kind"), meta::text(o, "/roleRef/name")).into(),
                    age(o, now),
                ])
            })
        }
        ("rbac.authorization.k8s.io", _) | ("apiextensions.k8s.io", "customresourcedefinitions") => {
            (&[NAME, ("Created At", "date", 0)], |o, _| {
                row([name(o), Value::from(meta::text(o, "/metadata/creationTimestamp"))])
            })
        }
        _ => (&[NAME, AGE], |o, now| row([name(o), age(o, now)])),
    }
}

//! What both sides work on, made here and written to files for Go.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

pub(crate) const DEPLOYMENT: &str = include_str!("deployment.tpl");
pub(crate) const CONDITION: &str = "result[0] < 0.05 && len(result) > 0 && name startsWith 'error'";
pub(crate) const PREDICATES: &str =
    "sum(map(filter(pods, .ready && .restarts < 3), .weight)) + len(filter(pods, .name matches '^web-[0-9]+$')) * 2";
pub(crate) const GOVALUATE: &str = "weight > 10 && (phase == 'Ready' || phase =~ '^Pro') && retries + 1 <= limit * 2";
pub(crate) const JSONPATH: &str =
    "{range .items[?(@.status.ready==true)]}{.metadata.name}{\"\\t\"}{.spec.containers[*].image}{\"\\n\"}{end}";
pub(crate) const CONSTRAINT: &str = ">=1.2.0 <2.0.0 || ~3.1 || ^4.5.6";
pub(crate) const JQ: &str = "[.items[] | select(.status.ready) | {name: .metadata.name, cpu: (.spec.containers | map(.cpu) | add), \
     app: .metadata.labels.app}] | group_by(.app) | map({app: .[0].app, cpu: (map(.cpu) | add), pods: length}) | sort_by(-.cpu)";

pub(crate) fn values() -> Value {
    json!({
        "Chart": {"Name": "shop", "Version": "1.4.2+build.7", "AppVersion": "2.11.0"},
        "Release": {"Name": "prod", "Service": "Helm", "Namespace": "shop"},
        "Values": {
            "nameOverride": "", "replicaCount": 3, "autoscaling": {"enabled": false},
            "image": {"repository": "registry.local/shop", "tag": "", "pullPolicy": "IfNotPresent"},
            "config": {"log": "info", "features": ["a", "b"], "limits": {"rps": 200}},
            "podAnnotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "imagePullSecrets": [{"name": "pull"}],
            "ports": {"http": 8080, "metrics": 9090, "admin": 7000},
            "env": [
                {"name": "log-level", "value": "debug"},
                {"name": "database-url", "value": "postgres://db:5432/shop?sslmode=disable"},
                {"name": "cache-ttl", "value": "30s"}, {"name": "feature-x", "value": "yes"},
                {"name": "region", "value": "eu-1"}
            ],
            "probes": {"kind": "http"},
            "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "nodeSelector": {"kubernetes.io/os": "linux", "pool": "web"},
            "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "web", "effect": "NoSchedule"}]
        }
    })
}

/// A container template of two kilobytes with ten tags.
pub(crate) fn task() -> Value {
    let env: Vec<Value> = (0..12)
        .map(|it| json!({"name": format!("SETTING_{it}"), "value": format!("a value without a tag, number {it}")}))
        .collect();
    let script = "set -e\necho processing {{inputs.parameters.index}} as {{inputs.parameters.name}}\n\
        curl -s http://store.{{workflow.namespace}}.svc/items/{{inputs.parameters.index}} > /tmp/in\n\
        /app/run --in /tmp/in --out /tmp/out --retries 3\n";
    json!({
        "name": "work",
        "inputs": {"parameters": [
            {"name": "name", "value": "{{inputs.parameters.name}}"},
            {"name": "index", "value": "{{inputs.parameters.index}}"}
        ]},
        "metadata": {
            "labels": {"workflow": "{{workflow.name}}", "task": "{{inputs.parameters.name}}"},
            "annotations": {"note": "item {{inputs.parameters.index}} of {{workflow.name}} \"quoted\""}
        },
        "container": {
            "image": "{{inputs.parameters.image}}", "command": ["sh", "-c"], "args": [script], "env": env,
            "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}]
        },
        "outputs": {"parameters": [{"name": "result", "valueFrom": {"path": "/tmp/out"}}]},
        "retryStrategy": {"limit": "3", "backoff": {"duration": "5s", "factor": "2"}},
        "nodeSelector": {"pool": "batch"}, "activeDeadlineSeconds": 600
    })
}

pub(crate) fn env() -> Value {
    let pod = |it: usize| {
        let name = format!("{}-{it}", if it.is_multiple_of(3) { "web" } else { "job" });
        json!({"name": name, "ready": !it.is_multiple_of(4), "restarts": it % 5, "weight": it * 2})
    };
    json!({"result": [0.01, 0.02, 0.5], "name": "error-rate", "pods": (0..50).map(pod).collect::<Vec<_>>()})
}

pub(crate) fn parameters() -> Value {
    json!({"weight": 25, "phase": "Progressing", "retries": 2, "limit": 5})
}

fn pod(it: usize) -> Value {
    let container = |c: usize| {
        json!({
            "name": format!("c{c}"), "image": format!("registry.local/app:{}.{c}", it % 5), "cpu": (it + c) % 10,
            "args": ["--port=8080", "--verbose"], "env": [{"name": "A", "value": "yes"}, {"name": "B", "value": "12"}]
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("pod-{it}"), "namespace": "shop",
            "labels": {"app": format!("app-{}", it % 7), "tier": "web"},
            "annotations": {"note": "started by hand\nsee the runbook\n", "checksum": format!("{:064x}", it * 7919)}
        },
        "spec": {"nodeName": format!("node-{}", it % 9), "containers": (0..2).map(container).collect::<Vec<_>>()},
        "status": {
            "ready": !it.is_multiple_of(3), "phase": if it.is_multiple_of(3) { "Pending" } else { "Running" },
            "podIP": format!("10.0.{}.{}", it / 250, it % 250), "restarts": it % 4
        }
    })
}

pub(crate) fn list(count: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": (0..count).map(pod).collect::<Vec<_>>()})
}

/// Some megabytes of manifests, in block style with comments, as repositories have them.
pub(crate) fn manifests() -> String {
    let mut out = String::new();
    for it in 0..2500 {
        let _ = write!(
            out,
            r#"---
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-{it}
  namespace: shop
  labels: {{app.kubernetes.io/name: shop, app.kubernetes.io/instance: "prod-{it}"}}
  annotations:
    checksum/config: "{:064x}"
    description: |
      Serves the shop of region {it}.
      Ask the team before it is changed.
spec:
  replicas: {}
  progressDeadlineSeconds: 600
  selector:
    matchLabels:
      app: shop-{it}
  template:
    metadata:
      labels:
        app: shop-{it} # as the selector
    spec:
      serviceAccountName: 'shop'
      containers:
      - name: shop
        image: "registry.local/shop:1.{}.0"
        args: ["--port=8080", "--log=info"]
        env:
        - name: REGION
          value: "eu-{it}"
        - name: DEBUG
          value: "no"
        ports:
        - containerPort: 8080
          name: http
        resources:
          limits:
            cpu: 500m
            memory: 256Mi
        readinessProbe:
          httpGet: {{path: /ready, port: http}}
          periodSeconds: 5
          failureThreshold: 3
      securityContext:
        runAsNonRoot: true
        fsGroup: 2000
"#,
            it * 7919,
            it % 10,
            it % 30,
        );
    }
    out
}

pub(crate) fn versions() -> Vec<String> {
    (0..200)
        .map(|it| format!("v{}.{}.{}{}", it % 6, it % 13, it % 17, if it % 11 == 0 { "-rc.1" } else { "" }))
        .collect()
}

pub(crate) fn write(dir: &Path, outputs: &[(&str, String)]) -> std::io::Result<()> {
    let mut files = vec![
        ("deployment.tpl", DEPLOYMENT.to_owned()),
        ("values.json", values().to_string()),
        ("task.json", task().to_string()),
        ("env.json", env().to_string()),
        ("condition.expr", CONDITION.to_owned()),
        ("predicates.expr", PREDICATES.to_owned()),
        ("filter.govaluate", GOVALUATE.to_owned()),
        ("parameters.json", parameters().to_string()),
        ("manifests.yaml", manifests()),
        ("list.json", list(200).to_string()),
        ("list.jsonpath", JSONPATH.to_owned()),
        ("object.json", list(2000).to_string()),
        ("object.jq", JQ.to_owned()),
        ("versions.txt", versions().join("\n")),
    ];
    files.extend(outputs.iter().map(|(name, text)| (*name, text.clone())));
    files.iter().try_for_each(|(name, text)| std::fs::write(dir.join(name), text))
}

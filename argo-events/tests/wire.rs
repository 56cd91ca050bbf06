//! Manifests keep everything that was written in them.

use argo_core::Object;
use argo_events::api::{EventBus, EventSource, Sensor, crds};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

fn round_trip<T: Serialize + DeserializeOwned>(manifest: Value) {
    let typed: T = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), manifest);
}

#[test]
fn event_sources_of_every_type_round_trip() {
    round_trip::<EventSource>(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource",
        "metadata": {"name": "all", "namespace": "n", "labels": {"a": "b"}},
        "spec": {
            "eventBusName": "other", "replicas": 2, "type": "stale",
            "template": {"serviceAccountName": "sa", "container": {"env": [{"name": "A", "value": "1"}]}},
            "service": {"ports": [{"port": 12000, "targetPort": 12000}]},
            "webhook": {"a": {"endpoint": "/a", "port": "1", "method": "POST", "stale": {"x": [1]}}},
            "github": {"b": {"repositories": [{"owner": "o", "names": ["r"]}], "events": ["*"], "active": true, "contentType": "json"}},
            "kafka": {"c": {"url": "k:9092", "topic": "t", "connectionBackoff": {"duration": "10s", "steps": 5, "factor": 2, "jitter": 0.2}}},
            "minio": {"d": {"bucket": {"name": "in"}, "events": ["s3:ObjectCreated:Put"], "filter": {"prefix": ""}}},
            "redis": {"e": {"hostAddress": "redis:6379", "db": 0, "channels": ["FOO"]}},
        },
        "status": {"conditions": [{"type": "Deployed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    }));
}

#[test]
fn sensors_round_trip() {
    round_trip::<Sensor>(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Sensor",
        "metadata": {"name": "s", "finalizers": ["sensor-controller"]},
        "spec": {
            "template": {"serviceAccountName": "sa"}, "replicas": 1, "errorOnFailedRound": true, "revisionHistoryLimit": 3,
            "loggingFields": {"team": "x"},
            "dependencies": [{
                "name": "d", "eventSourceName": "e", "eventName": "n", "filtersLogicalOperator": "or",
                "transform": {"jq": ".a"},
                "filters": {
                    "time": {"start": "02:00:00", "stop": "04:00:00"}, "context": {"type": "webhook", "id": "1"},
                    "data": [{"path": "body.x", "type": "number", "comparator": ">", "value": ["1"]}],
                    "exprs": [{"expr": "a == 1", "fields": [{"name": "a", "path": "x"}]}], "script": "return true",
                },
            }],
            "triggers": [{
                "atLeastOnce": true, "rateLimit": {"unit": "Minute", "requestsPerUnit": 3},
                "retryStrategy": {"steps": 3, "duration": 1000000000, "factor": 1.5, "jitter": 0},
                "policy": {"k8s": {"labels": {"a": "b"}, "backoff": {"steps": 2}}, "status": {"allow": [200]}},
                "parameters": [{"src": {"dependencyName": "d", "dataKey": "x", "value": ""}, "dest": "k8s.x", "operation": "append"}],
                "template": {
                    "name": "t", "conditions": "d", "conditionsReset": [{"byTime": {"cron": "0 0 * * *", "timezone": "UTC"}}],
                    "k8s": {"group": "stale", "operation": "create", "source": {"resource": {"apiVersion": "v1", "kind": "Pod"}}},
                    "openwhisk": {"stale": true},
                },
                "dlqTrigger": {"atLeastOnce": true, "template": {"name": "dlq", "log": {"intervalSeconds": 5}}},
            }],
        },
    }));
}

#[test]
fn buses_round_trip() {
    for spec in [
        json!({"jetstream": {"version": "2.10.10", "replicas": 3, "settings": "x", "persistence": {"volumeSize": "1Gi"}}}),
        json!({"nats": {"native": {"replicas": 3, "auth": "token"}}}),
        json!({"kafka": {"url": "a,b", "topic": "t"}}),
        json!({"jetstreamExotic": {"url": "nats://x"}}),
    ] {
        round_trip::<EventBus>(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "metadata": {"name": "default"}, "spec": spec,
            "status": {"conditions": [{"type": "Configured", "status": "True"}], "config": {"jetstream": {"url": "nats://x"}}},
        }));
    }
}

#[test]
fn definitions_have_upstreams_names() {
    let crds = crds();
    let names: Vec<(String, Value)> = crds
        .iter()
        .map(|it| (Object::from_value(it.clone()).name().to_owned(), it["spec"]["names"]["shortNames"].clone()))
        .collect();
    assert_eq!(
        names,
        [
            ("eventbus.argoproj.io".to_owned(), json!(["eb"])),
            ("eventsources.argoproj.io".to_owned(), json!(["es"])),
            ("sensors.argoproj.io".to_owned(), json!(["sn"])),
        ]
    );
    for crd in crds {
        assert_eq!(crd["spec"]["versions"][0]["subresources"], json!({"status": {}}));
        assert_eq!(crd["spec"]["versions"][0].get("additionalPrinterColumns"), None);
    }
}

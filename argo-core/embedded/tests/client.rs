//! A stock kube client: create, read, update, patch, delete.

use argo_embedded::Cluster;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn created_object_is_read_listed_updated_and_deleted() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let created = maps.create(&PostParams::default(), &config_map("a", json!({ "k": "1" }))).await.expect("created");
    assert!(created.metadata.uid.is_some() && created.metadata.creation_timestamp.is_some());
    assert_eq!(created.metadata.namespace.as_deref(), Some("default"));

    let mut read = maps.get("a").await.expect("read");
    assert_eq!(read, created);
    read.data.get_or_insert_default().insert("k".to_owned(), "2".to_owned());
    let replaced = maps.replace("a", &PostParams::default(), &read).await.expect("replaced");
    assert_ne!(replaced.metadata.resource_version, created.metadata.resource_version);
    let stale = status_of(maps.replace("a", &PostParams::default(), &created).await.expect_err("stale"));
    assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        stale.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );

    let list = maps.list(&ListParams::default()).await.expect("list");
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.metadata.resource_version, replaced.metadata.resource_version);
    maps.delete("a", &DeleteParams::default()).await.expect("deleted");
    let missing = status_of(maps.get("a").await.expect_err("gone"));
    assert_eq!((missing.code, missing.message.as_str()), (404, "configmaps \"a\" not found"));
}

#[tokio::test]
async fn errors_are_worded_as_by_the_api_server() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
    let twice = status_of(maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect_err("twice"));
    assert_eq!(
        (twice.code, twice.reason.as_str(), twice.message.as_str()),
        (409, "AlreadyExists", "configmaps \"a\" already exists")
    );

    let elsewhere: Api<ConfigMap> = Api::namespaced(cluster.client(), "nowhere");
    let missing = status_of(
        elsewhere.create(&PostParams::default(), &config_map("a", json!({}))).await.expect_err("no namespace"),
    );
    assert_eq!((missing.code, missing.message.as_str()), (404, "namespaces \"nowhere\" not found"));

    let invalid =
        status_of(maps.create(&PostParams::default(), &config_map("Bad_Name", json!({}))).await.expect_err("bad name"));
    assert_eq!((invalid.code, invalid.reason.as_str()), (422, "Invalid"));
    assert!(invalid.message.starts_with("ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain"), "{}", invalid.message);
    assert_eq!(invalid.details.expect("details").causes[0].field, "metadata.name");

    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client());
    let unknown = status_of(deployments.get("x").await.expect_err("missing"));
    assert_eq!(unknown.message, "deployments.apps \"x\" not found");
}

#[tokio::test]
async fn update_that_changes_nothing_is_not_written() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let created = maps.create(&PostParams::default(), &config_map("a", json!({ "k": "1" }))).await.expect("created");
    let mark = cluster.journal().mark();
    let patched = maps
        .patch("a", &PatchParams::default(), &Patch::Merge(json!({ "data": { "k": "1" } })))
        .await
        .expect("patched");
    assert_eq!(patched.metadata.resource_version, created.metadata.resource_version);
    assert_eq!(cluster.journal().writes_since(mark), []);
}

#[tokio::test]
async fn builtin_defaults_are_filled_in_and_status_is_apart() {
    let cluster = Cluster::new();
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client());
    let mut wanted = deployment("web");
    wanted["status"] = json!({ "replicas": 7 });
    let created = deployments
        .create(&PostParams::default(), &serde_json::from_value(wanted).expect("deployment"))
        .await
        .expect("created");
    let spec = created.spec.clone();
    assert_eq!(
        (spec.replicas, spec.revision_history_limit, spec.progress_deadline_seconds),
        (Some(1), Some(10), Some(600))
    );
    assert_eq!(spec.template.spec.expect("pod").termination_grace_period_seconds, Some(30));
    assert_eq!(created.metadata.generation, Some(1));
    assert_eq!(created.status.unwrap_or_default().replicas, None);

    let status = Patch::Merge(json!({ "status": { "replicas": 3 }, "spec": { "replicas": 9 } }));
    let after = deployments.patch_status("web", &PatchParams::default(), &status).await.expect("status");
    assert_eq!((after.status.as_ref().and_then(|s| s.replicas), after.spec.replicas), (Some(3), Some(1)));
    assert_eq!(after.metadata.generation, Some(1));
    let scaled = deployments
        .patch(
            "web",
            &PatchParams::default(),
            &Patch::Merge(json!({ "spec": { "replicas": 2 }, "status": { "replicas": 8 } })),
        )
        .await
        .expect("spec");
    assert_eq!((scaled.status.and_then(|s| s.replicas), scaled.metadata.generation), (Some(3), Some(2)));

    let scale = deployments.get_scale("web").await.expect("scale");
    assert_eq!(
        (scale.spec.expect("spec").replicas, scale.status.expect("status").selector.as_deref()),
        (Some(2), Some("app=web"))
    );
    deployments
        .patch_scale("web", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "replicas": 5 } })))
        .await
        .expect("scaled");
    assert_eq!(deployments.get("web").await.expect("read").spec.replicas, Some(5));
}

#[tokio::test]
async fn secrets_services_and_namespaces_get_what_the_server_adds() {
    let cluster = Cluster::new();
    let secrets: Api<Secret> = Api::default_namespaced(cluster.client());
    let secret: Secret =
        serde_json::from_value(json!({ "metadata": { "name": "s" }, "stringData": { "password": "x" } }))
            .expect("secret");
    let created = secrets.create(&PostParams::default(), &secret).await.expect("created");
    assert_eq!(
        (created.data.expect("data")["password"].0.as_slice(), created.string_data, created.type_.as_deref()),
        (b"x".as_slice(), None, Some("Opaque"))
    );

    let services: Api<Service> = Api::default_namespaced(cluster.client());
    let service: Service =
        serde_json::from_value(json!({ "metadata": { "name": "web" }, "spec": { "ports": [{ "port": 80 }] } }))
            .expect("service");
    let spec = services.create(&PostParams::default(), &service).await.expect("created").spec.expect("spec");
    assert!(spec.cluster_ip.as_deref().is_some_and(|ip| ip.starts_with("10.96.")));
    assert_eq!(
        (spec.type_.as_deref(), spec.ports.expect("ports")[0].protocol.as_deref()),
        (Some("ClusterIP"), Some("TCP"))
    );

    let default = Api::<Namespace>::all(cluster.client()).get("default").await.expect("default");
    assert_eq!(default.metadata.labels.expect("labels")["kubernetes.io/metadata.name"], "default");
    assert_eq!(default.status.expect("status").phase.as_deref(), Some("Active"));
}

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let mut map = config_map("a", json!({}));
    map.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
    maps.create(&PostParams::default(), &map).await.expect("created");
    let pending = maps.delete("a", &DeleteParams::default()).await.expect("deleted").left().expect("still there");
    let stamp = pending.metadata.deletion_timestamp.clone().expect("deletionTimestamp");

    let added = Patch::Merge(json!({ "metadata": { "finalizers": ["example.com/hold", "example.com/other"] } }));
    let refused = status_of(maps.patch("a", &PatchParams::default(), &added).await.expect_err("no new finalizers"));
    assert!(
        refused
            .message
            .contains("metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"),
        "{}",
        refused.message
    );
    let kept = maps
        .patch(
            "a",
            &PatchParams::default(),
            &Patch::Merge(json!({ "metadata": { "deletionTimestamp": null }, "data": { "x": "1" } })),
        )
        .await
        .expect("patched");
    assert_eq!(kept.metadata.deletion_timestamp, Some(stamp));

    let none: Patch<Value> = Patch::Json(
        serde_json::from_value(json!([{ "op": "remove", "path": "/metadata/finalizers/0" }])).expect("patch"),
    );
    maps.patch("a", &PatchParams::default(), &none).await.expect("released");
    assert!(maps.get_opt("a").await.expect("read").is_none());
}

#[tokio::test]
async fn json_patch_on_a_missing_path_is_refused() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
    let patch: Patch<Value> = Patch::Json(
        serde_json::from_value(json!([{ "op": "test", "path": "/metadata/finalizers/0", "value": "x" }]))
            .expect("patch"),
    );
    let refused = status_of(maps.patch("a", &PatchParams::default(), &patch).await.expect_err("refused"));
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
}

#[tokio::test]
async fn strategic_merge_merges_containers_by_name() {
    let cluster = Cluster::new();
    let deployments: Api<Deployment> = Api::default_namespaced(cluster.client());
    deployments
        .create(&PostParams::default(), &serde_json::from_value(deployment("web")).expect("deployment"))
        .await
        .expect("created");
    let patch =
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "side", "image": "side:1" }] } } } });
    let patched = deployments.patch("web", &PatchParams::default(), &Patch::Strategic(patch)).await.expect("patched");
    let names: Vec<String> =
        patched.spec.template.spec.expect("pod").containers.into_iter().map(|container| container.name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
async fn server_side_apply_owns_conflicts_and_removes() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let apply = |manager: &str, data: Value| {
        let (maps, params) = (maps.clone(), PatchParams::apply(manager));
        async move {
            maps.patch(
                "a",
                &params,
                &Patch::Apply(
                    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": data }),
                ),
            )
            .await
        }
    };
    apply("one", json!({ "x": "1", "y": "1" })).await.expect("created by apply");
    let conflict = status_of(apply("two", json!({ "x": "2" })).await.expect_err("owned by one"));
    assert_eq!(
        (conflict.code, conflict.message.as_str()),
        (409, "Apply failed with 1 conflict: conflict with \"one\": .data.x")
    );
    apply("two", json!({ "z": "2" })).await.expect("shares the object");
    let after = apply("one", json!({ "x": "1" })).await.expect("gives up y");
    assert_eq!(serde_json::to_value(after.data).expect("data"), json!({ "x": "1", "z": "2" }));
    let managers: Vec<(String, String)> = after
        .metadata
        .managed_fields
        .expect("managed")
        .into_iter()
        .map(|entry| (entry.manager.unwrap_or_default(), entry.operation.unwrap_or_default()))
        .collect();
    assert_eq!(managers, [("one".to_owned(), "Apply".to_owned()), ("two".to_owned(), "Apply".to_owned())]);
    let before = cluster.revision();
    apply("one", json!({ "x": "1" })).await.expect("again");
    assert_eq!(cluster.revision(), before, "an apply that changes nothing is not written");
}

#[tokio::test]
async fn dry_run_and_preconditions_leave_the_store_alone() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    let before = cluster.revision();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let shown = maps.create(&dry, &config_map("a", json!({}))).await.expect("dry run");
    assert!(shown.metadata.uid.is_some());
    assert_eq!(cluster.revision(), before);
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("created");
    let other =
        DeleteParams::default().preconditions(Preconditions { uid: Some("other".to_owned()), resource_version: None });
    let refused = status_of(maps.delete("a", &other).await.expect_err("another uid"));
    assert!(
        refused.message.contains("the UID in the precondition (other) does not match the UID in record ("),
        "{}",
        refused.message
    );
    maps.delete("a", &DeleteParams::default().dry_run()).await.expect("dry run");
    assert!(maps.get_opt("a").await.expect("read").is_some());
}

#[tokio::test]
async fn pods_on_nodes_get_grace_and_others_go_at_once() {
    let cluster = Cluster::new();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    for pod in [pod("placed", Some("node")), pod("waiting", None)] {
        pods.create(&PostParams::default(), &serde_json::from_value(pod).expect("pod")).await.expect("created");
    }
    let placed = pods.delete("placed", &DeleteParams::default()).await.expect("deleted").left().expect("a pod");
    assert_eq!(
        (placed.metadata.deletion_grace_period_seconds, placed.status.expect("status").phase.as_deref()),
        (Some(30), Some("Pending"))
    );
    pods.delete("waiting", &DeleteParams::default()).await.expect("deleted");
    assert!(pods.get_opt("waiting").await.expect("read").is_none());
    pods.delete("placed", &DeleteParams::default().grace_period(0)).await.expect("killed");
    assert!(pods.get_opt("placed").await.expect("read").is_none());
}

#[tokio::test]
async fn propagation_policies_become_finalizers() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    for (name, policy, finalizer) in
        [("f", PropagationPolicy::Foreground, "foregroundDeletion"), ("o", PropagationPolicy::Orphan, "orphan")]
    {
        maps.create(&PostParams::default(), &config_map(name, json!({}))).await.expect("created");
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        let pending = maps.delete(name, &params).await.expect("deleted").left().expect("pending");
        assert_eq!(pending.metadata.finalizers, Some(vec![finalizer.to_owned()]));
    }
}

#[tokio::test]
async fn namespaces_take_their_content_along() {
    let cluster = Cluster::new();
    namespace(&cluster, "team").await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "team");
    let mut held = config_map("held", json!({}));
    held.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
    maps.create(&PostParams::default(), &held).await.expect("created");
    maps.create(&PostParams::default(), &config_map("plain", json!({}))).await.expect("created");
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    namespaces.delete("team", &DeleteParams::default()).await.expect("deleted");
    assert_eq!(
        namespaces.get("team").await.expect("read").status.expect("status").phase.as_deref(),
        Some("Terminating")
    );
    assert_eq!(maps.list(&ListParams::default()).await.expect("list").items.len(), 1);
    let refused =
        status_of(maps.create(&PostParams::default(), &config_map("new", json!({}))).await.expect_err("terminating"));
    assert_eq!(
        refused.message,
        "configmaps \"new\" is forbidden: unable to create new content in namespace team because it is being terminated"
    );
    maps.patch("held", &PatchParams::default(), &Patch::Merge(json!({ "metadata": { "finalizers": null } })))
        .await
        .expect("released");
    assert!(namespaces.get_opt("team").await.expect("read").is_none());
}

#[tokio::test]
async fn lists_are_cut_into_consistent_pages() {
    let cluster = Cluster::new();
    let maps = config_maps(&cluster);
    for name in ["a", "b", "c", "d", "e"] {
        maps.create(&PostParams::default(), &config_map(name, json!({}))).await.expect("created");
    }
    let first = maps.list(&ListParams::default().limit(2)).await.expect("page");
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (2, Some(3)));
    maps.delete("d", &DeleteParams::default()).await.expect("deleted");
    let token = first.metadata.continue_.expect("token");
    let rest = maps.list(&ListParams::default().continue_token(&token)).await.expect("rest");
    let names: Vec<_> = rest.items.into_iter().filter_map(|map| map.metadata.name).collect();
    assert_eq!(names, ["c", "d", "e"], "a page shows the state at which the list began");
    cluster.compact().expect("compacted");
    let expired = status_of(maps.list(&ListParams::default().continue_token(&token)).await.expect_err("expired"));
    assert_eq!((expired.code, expired.reason.as_str()), (410, "Expired"));
}

#[tokio::test]
async fn selectors_choose_by_labels_and_fields() {
    let cluster = Cluster::new();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    for (name, tier, node) in [("a", "web", "n1"), ("b", "db", "n2"), ("c", "cache", "n1")] {
        let mut pod = pod(name, Some(node));
        pod["metadata"]["labels"] = json!({ "tier": tier, "app": "x" });
        pods.create(&PostParams::default(), &serde_json::from_value(pod).expect("pod")).await.expect("created");
    }
    let names = |params: ListParams| {
        let pods = pods.clone();
        async move {
            pods.list(&params)
                .await
                .map(|list| list.items.into_iter().filter_map(|pod| pod.metadata.name).collect::<String>())
        }
    };
    for (selector, expected) in [
        ("tier=web", "a"),
        ("tier in (web,db)", "ab"),
        ("tier notin (web)", "bc"),
        ("app,tier!=db", "ac"),
        ("!app", ""),
        ("app==x,tier in (cache)", "c"),
    ] {
        assert_eq!(names(ListParams::default().labels(selector)).await.expect("list"), expected, "{selector}");
    }
    for (selector, expected) in
        [("spec.nodeName=n1", "ac"), ("metadata.name!=a", "bc"), ("status.phase=Pending,metadata.name=b", "b")]
    {
        assert_eq!(names(ListParams::default().fields(selector)).await.expect("list"), expected, "{selector}");
    }
    let refused = status_of(names(ListParams::default().fields("spec.unknown=1")).await.expect_err("unknown"));
    assert_eq!((refused.code, refused.message.as_str()), (400, "field label not supported: spec.unknown"));
    assert_eq!(status_of(names(ListParams::default().labels("a in (")).await.expect_err("bad")).code, 400);
    pods.delete_collection(&DeleteParams::default().grace_period(0), &ListParams::default().labels("tier=web"))
        .await
        .expect("deleted");
    assert_eq!(names(ListParams::default()).await.expect("list"), "bc");
}

#[tokio::test]
async fn metadata_only_requests_carry_no_body() {
    let cluster = Cluster::new();
    config_maps(&cluster).create(&PostParams::default(), &config_map("a", json!({ "k": "v" }))).await.expect("created");
    let meta: Api<PartialObjectMeta<ConfigMap>> = Api::default_namespaced(cluster.client());
    assert_eq!(meta.get("a").await.expect("read").metadata.name.as_deref(), Some("a"));
    assert_eq!(meta.list(&ListParams::default()).await.expect("list").items.len(), 1);
}

#[tokio::test]
async fn uids_and_generated_names_follow_the_seed() {
    let run = |seed| async move {
        let cluster = Cluster::builder().seed(seed).build().expect("in memory");
        let mut map = config_map("", json!({}));
        map.metadata.name = None;
        map.metadata.generate_name = Some("job-".to_owned());
        let created = config_maps(&cluster).create(&PostParams::default(), &map).await.expect("created");
        (created.metadata.name.expect("name"), created.metadata.uid.expect("uid"))
    };
    let (first, again, other) = (run(1).await, run(1).await, run(2).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert!(first.0.starts_with("job-") && first.0.len() == 9, "{}", first.0);
}

#[tokio::test]
async fn unknown_paths_types_and_verbs_are_refused_in_kind() {
    let cluster = Cluster::new();
    let client = cluster.client();
    let send = |method: &str, path: &str, content_type: &str, body: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(body.as_bytes().to_vec())
            .expect("request");
        let client = client.clone();
        async move { status_of(client.request::<Value>(request).await.expect_err("refused")) }
    };
    let answers = [
        ("GET", "/apis/apps/v1/things", "", "", 404, "NotFound"),
        ("POST", "/api/v1/namespaces/default/configmaps", "application/json", "{not json", 400, "BadRequest"),
        ("POST", "/api/v1/namespaces/default/configmaps", "text/plain", "x", 415, "UnsupportedMediaType"),
        (
            "POST",
            "/api/v1/namespaces/default/configmaps",
            "application/json",
            r#"{"kind":"Secret","apiVersion":"v1"}"#,
            400,
            "BadRequest",
        ),
        ("POST", "/api/v1/namespaces/default/configmaps", "application/json", r#"{"metadata":{}}"#, 422, "Invalid"),
        (
            "POST",
            "/apis/apps/v1/namespaces/default/deployments",
            "application/json",
            r#"{"metadata":{"name":"a"},"spec":{"replicas":"two"}}"#,
            400,
            "BadRequest",
        ),
        ("POST", "/api/v1/configmaps", "application/json", "{}", 405, "MethodNotAllowed"),
        ("PATCH", "/api/v1/namespaces/default", "application/unknown", "{}", 415, "UnsupportedMediaType"),
    ];
    for (method, path, content_type, body, code, reason) in answers {
        let status = send(method, path, content_type, body).await;
        assert_eq!((status.code, status.reason.as_str()), (code, reason), "{method} {path}: {}", status.message);
    }
}

#[tokio::test]
async fn logs_are_read_cut_and_followed_to_the_end_of_the_pod() {
    use futures::{AsyncBufReadExt, TryStreamExt};
    use kube::api::LogParams;
    let cluster = Cluster::new();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    pods.create(&PostParams::default(), &serde_json::from_value(pod("a", Some("node"))).expect("pod"))
        .await
        .expect("created");
    let waiting = status_of(pods.logs("a", &LogParams::default()).await.expect_err("not started"));
    assert_eq!(waiting.message, "container \"main\" in pod \"a\" is waiting to start: ContainerCreating");
    cluster.set_log("default", "a", "main", "one\ntwo\n");
    assert_eq!(pods.logs("a", &LogParams::default()).await.expect("log"), "one\ntwo\n");
    let tail = LogParams { tail_lines: Some(1), ..LogParams::default() };
    assert_eq!(pods.logs("a", &tail).await.expect("log"), "two\n");

    let follow = LogParams { follow: true, ..tail };
    let mut lines = pods.log_stream("a", &follow).await.expect("stream").lines();
    assert_eq!(lines.try_next().await.expect("line").as_deref(), Some("two"));
    cluster.append_log("default", "a", "main", "three\n");
    assert_eq!(lines.try_next().await.expect("line").as_deref(), Some("three"));
    let ended = Patch::Merge(json!({ "status": { "phase": "Succeeded" } }));
    pods.patch_status("a", &PatchParams::default(), &ended).await.expect("ended");
    assert_eq!(lines.try_next().await.expect("end"), None);
}

#[tokio::test]
async fn disruption_budgets_stand_against_evictions() {
    let cluster = Cluster::new();
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let mut running = pod("a", Some("node"));
    running["metadata"]["labels"] = json!({ "app": "a" });
    pods.create(&PostParams::default(), &serde_json::from_value(running).expect("pod")).await.expect("created");
    pods.patch_status("a", &PatchParams::default(), &Patch::Merge(json!({ "status": { "phase": "Running" } })))
        .await
        .expect("running");
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "b" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "a" } } },
    });
    cluster.direct("test").create(budget).expect("created");
    let refused = status_of(pods.evict("a", &Default::default()).await.expect_err("budget"));
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (429, "Cannot evict pod as it would violate the pod's disruption budget.")
    );
    let allowed = json!({ "status": { "disruptionsAllowed": 1 } });
    cluster.direct("test").merge_patch("poddisruptionbudgets.policy/status", "default", "b", allowed).expect("allowed");
    pods.evict("a", &Default::default()).await.expect("evicted");
    assert!(pods.get("a").await.expect("within its grace").metadata.deletion_timestamp.is_some());
}

#[tokio::test]
async fn roles_decide_where_rbac_is_on() {
    let cluster = Cluster::builder().rbac().build().expect("in memory");
    let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client_as("jane", &["team"]));
    let refused = status_of(maps.get("a").await.expect_err("forbidden"));
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (
            403,
            "configmaps \"a\" is forbidden: User \"jane\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"default\""
        )
    );
    let roles = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get, create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: Group, name: team, apiGroup: rbac.authorization.k8s.io}]
";
    cluster.apply_yaml(roles).expect("applied");
    maps.create(&PostParams::default(), &config_map("a", json!({}))).await.expect("allowed");
    maps.get("a").await.expect("allowed");
    assert_eq!(status_of(maps.delete("a", &DeleteParams::default()).await.expect_err("forbidden")).code, 403);
}

#[derive(Debug)]
struct Labels;

impl argo_embedded::Admission for Labels {
    fn name(&self) -> &str {
        "labels.example.com"
    }

    fn admit(&self, request: &argo_embedded::AdmissionRequest<'_>, object: &mut Value) -> Result<(), String> {
        if request.resource == "configmaps" {
            if object["metadata"]["name"] == "bad" {
                return Err("bad names are not liked".to_owned());
            }
            object["metadata"]["labels"]["seen"] = Value::from("yes");
        }
        Ok(())
    }
}

#[tokio::test]
async fn admission_hooks_change_and_refuse() {
    let cluster = Cluster::builder().admission(Labels).build().expect("in memory");
    let maps = config_maps(&cluster);
    let created = maps.create(&PostParams::default(), &config_map("good", json!({}))).await.expect("created");
    assert_eq!(created.metadata.labels.expect("labels")["seen"], "yes");
    let refused = status_of(maps.create(&PostParams::default(), &config_map("bad", json!({}))).await.expect_err("bad"));
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (403, "admission webhook \"labels.example.com\" denied the request: bad names are not liked")
    );
}

#[tokio::test]
async fn events_of_both_groups_are_the_same_objects() {
    let cluster = Cluster::new();
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e" }, "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": { "kind": "Pod", "name": "a", "namespace": "default" }, "note": "hello", "reason": "Said", "type": "Normal",
        "action": "Say", "reportingController": "test", "reportingInstance": "test-0",
    });
    cluster.direct("test").create(event).expect("created");
    let core = cluster.direct("test").get("events", "default", "e").expect("read");
    assert_eq!((&core["message"], &core["involvedObject"]["name"]), (&json!("hello"), &json!("a")));
    let listed = Api::<k8s_openapi::api::core::v1::Event>::default_namespaced(cluster.client())
        .list(&ListParams::default().fields("involvedObject.name=a,reason=Said"))
        .await
        .expect("list");
    assert_eq!(listed.items.len(), 1);
    let other = cluster.direct("test").get("events.events.k8s.io", "default", "e").expect("read");
    assert_eq!(other["note"], "hello");
}

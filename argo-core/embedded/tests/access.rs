//! Who may do what, where roles decide: default and aggregated roles, anonymous clients, impersonation. Messages: `differential::rbac`.

use argo_embedded::Cluster;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams, PostParams};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::support::*;

fn with_rbac() -> Cluster {
    Cluster::builder().rbac().build().expect("in memory")
}

fn bind(cluster: &Cluster, user: &str, role: &str) {
    let text = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: {user}, namespace: default}}, \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}, \
         subjects: [{{kind: User, name: {user}, apiGroup: rbac.authorization.k8s.io}}]}}"
    );
    cluster.apply_yaml(&text).expect("bound");
}

fn rules(cluster: &Cluster, role: &str) -> Vec<Value> {
    let role = cluster.direct("test").get("clusterroles.rbac.authorization.k8s.io", "", role).expect("a role");
    role["rules"].as_array().cloned().unwrap_or_default()
}

/// Code and body of a plain request.
async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = http::Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.send(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    let code = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (code, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn default_roles_are_aggregated_and_bind_as_upstream() {
    let cluster = with_rbac();
    bind(&cluster, "viewer", "view");
    bind(&cluster, "editor", "edit");
    let [viewer, editor] = ["viewer", "editor"].map(|user| cluster.client_as(user, &[]));
    Api::<ConfigMap>::default_namespaced(viewer.clone()).list(&ListParams::default()).await.expect("may view");
    let secrets = Api::<Secret>::default_namespaced(viewer.clone()).list(&ListParams::default()).await;
    assert_eq!(status_of(secrets.expect_err("no secrets for viewers")).code, 403);
    let made =
        Api::<ConfigMap>::default_namespaced(viewer).create(&PostParams::default(), &config_map("a", json!({}))).await;
    assert_eq!(status_of(made.expect_err("only views")).code, 403);
    Api::<ConfigMap>::default_namespaced(editor.clone())
        .create(&PostParams::default(), &config_map("a", json!({})))
        .await
        .expect("may edit");
    Api::<Secret>::default_namespaced(editor).list(&ListParams::default()).await.expect("edits secrets");
}

#[tokio::test]
async fn aggregated_roles_follow_the_roles_they_select() {
    let cluster = with_rbac();
    let before = rules(&cluster, "view").len();
    let part = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: widgets, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}
rules: [{apiGroups: [example.com], resources: [widgets], verbs: [get]}]
";
    cluster.apply_yaml(part).expect("applied");
    let rule = json!({ "apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"] });
    for role in ["view", "edit", "admin"] {
        assert!(rules(&cluster, role).contains(&rule), "{role} aggregates what view does");
    }
    let view = cluster.direct("test").get("clusterroles.rbac.authorization.k8s.io", "", "view").expect("a role");
    let managers = view["metadata"]["managedFields"].as_array().expect("managers");
    assert!(
        managers.iter().any(|it| it["manager"] == "clusterrole-aggregation-controller" && it["operation"] == "Apply")
    );
    let revision = cluster.revision();
    cluster.apply_yaml(part).expect("applied");
    assert_eq!(cluster.revision(), revision, "nothing to do twice");
    cluster
        .direct("test")
        .delete("clusterroles.rbac.authorization.k8s.io", "", "widgets", &Default::default())
        .expect("deleted");
    assert_eq!(rules(&cluster, "view").len(), before);
    assert!(!rules(&cluster, "admin").contains(&rule));
}

#[tokio::test]
async fn roles_that_aggregate_each_other_come_to_rest() {
    let cluster = Cluster::new();
    let ring = |name: &str, of: &str, rules: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name, "labels": { "ring": name } },
            "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "ring": of } }] }, "rules": rules,
        })
    };
    let rule = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    for (name, of, rules) in [("a", "b", json!([])), ("b", "c", rule), ("c", "a", json!([]))] {
        cluster.direct("test").create(ring(name, of, rules)).expect("created");
    }
    assert!(cluster.revision() > 0);
}

#[tokio::test]
async fn who_shows_nothing_is_anonymous() {
    let cluster = with_rbac();
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    let kubeconfig = Kubeconfig::from_yaml(serving.kubeconfig()).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    config.auth_info = Default::default();
    let nobody = Client::try_from(config).expect("a client");
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(get(&nobody, path, &[]).await.0, 200, "{path}");
    }
    for path in ["/api", "/apis", "/api/v1/namespaces", "/openapi/v3", "/nothing"] {
        let (code, body) = get(&nobody, path, &[]).await;
        assert!(code == 403 && body.contains("User \\\"system:anonymous\\\" cannot "), "{path}: {body}");
    }
    let wrong = get(&nobody, "/healthz", &[("authorization", "Bearer wrong")]).await;
    assert_eq!(wrong.0, 401, "a wrong token is worse than none");
}

#[tokio::test]
async fn impersonation_is_for_those_who_may() {
    let cluster = with_rbac();
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: actor}
rules:
- {apiGroups: [''], resources: [users], resourceNames: [anna], verbs: [impersonate]}
- {apiGroups: [authentication.k8s.io], resources: [userextras/scopes], verbs: [impersonate]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: actor}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: actor}
subjects: [{kind: User, name: bert, apiGroup: rbac.authorization.k8s.io}]
";
    cluster.apply_yaml(role).expect("applied");
    bind(&cluster, "anna", "view");
    let bert = cluster.client_as("bert", &[]);
    let path = "/api/v1/namespaces/default/configmaps";
    assert_eq!(get(&bert, path, &[]).await.0, 403);
    assert_eq!(get(&bert, path, &[("impersonate-user", "anna")]).await.0, 200);
    let extra = [("impersonate-user", "anna"), ("impersonate-extra-scopes", "all")];
    assert_eq!(get(&bert, path, &extra).await.0, 200);
    for (headers, what) in [
        (
            vec![("impersonate-user", "otto")],
            "users \\\"otto\\\" is forbidden: User \\\"bert\\\" cannot impersonate resource \\\"users\\\"",
        ),
        (
            vec![("impersonate-user", "anna"), ("impersonate-group", "system:masters")],
            "groups \\\"system:masters\\\" is forbidden",
        ),
        (
            vec![("impersonate-user", "anna"), ("impersonate-uid", "1")],
            "uids.authentication.k8s.io \\\"1\\\" is forbidden",
        ),
        (
            vec![("impersonate-user", "anna"), ("impersonate-extra-other", "x")],
            "cannot impersonate resource \\\"userextras/other\\\"",
        ),
        (
            vec![("impersonate-user", "system:serviceaccount:default:robot")],
            "serviceaccounts \\\"robot\\\" is forbidden",
        ),
    ] {
        let (code, body) = get(&bert, path, &headers).await;
        assert!(code == 403 && body.contains(what), "{headers:?}: {body}");
    }
}

//! The HTTPS face: kubectl, tokens, certificates, ports in use.

use std::path::Path;
use std::process::Stdio;

use argo_embedded::{Cluster, ServeError};
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use crate::support::*;

pub(crate) async fn client(kubeconfig: &str) -> Client {
    let config = Config::from_custom_kubeconfig(
        Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig"),
        &KubeConfigOptions::default(),
    )
    .await
    .expect("a config");
    Client::try_from(config).expect("a client")
}

#[tokio::test]
async fn stock_client_with_the_kubeconfig_reaches_the_same_store() {
    let cluster = Cluster::new();
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    let remote: Api<k8s_openapi::api::core::v1::ConfigMap> =
        Api::default_namespaced(client(serving.kubeconfig()).await);
    remote.create(&PostParams::default(), &config_map("a", json!({ "k": "1" }))).await.expect("created");
    assert_eq!(config_maps(&cluster).list(&ListParams::default()).await.expect("list").items.len(), 1);
    assert!(
        matches!(cluster.serve(serving.address()).await, Err(ServeError::AddressInUse(address)) if address == serving.address())
    );

    let stranger = Kubeconfig::from_yaml(serving.kubeconfig()).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(stranger, &KubeConfigOptions::default()).await.expect("a config");
    config.auth_info = Default::default();
    let refused = Api::<k8s_openapi::api::core::v1::ConfigMap>::default_namespaced(
        Client::try_from(config.clone()).expect("a client"),
    )
    .get("a")
    .await;
    assert_eq!(status_of(refused.expect_err("nobody")).code, 401);
    config.auth_info.token = Some(serving.token().to_owned().into());
    let holder =
        Api::<k8s_openapi::api::core::v1::ConfigMap>::default_namespaced(Client::try_from(config).expect("a client"));
    holder.get("a").await.expect("a token is as good as a certificate");
}

async fn kubectl(kubeconfig: &Path, arguments: &[&str], input: &str) -> (bool, String) {
    use tokio::io::AsyncWriteExt;
    let mut child = tokio::process::Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(arguments)
        .env("HOME", kubeconfig.parent().expect("a folder"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("kubectl starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("written");
    drop(stdin);
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), child.wait_with_output())
        .await
        .expect("in time")
        .expect("ran");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_works_against_it() {
    if std::process::Command::new("kubectl")
        .arg("version")
        .arg("--client")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("skipped: kubectl is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let kubeconfig = folder.path().join("kubeconfig");
    let cluster = Cluster::new();
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    std::fs::write(&kubeconfig, serving.kubeconfig()).expect("written");
    let manifest = argo_lang::yaml::to_yaml(&deployment("web"));
    let changed = manifest.replace("web:1", "web:2");
    let definition = argo_lang::yaml::to_yaml(&widgets(true));
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\n";
    let steps: [(&[&str], &str, &str); 21] = [
        (&["get", "namespaces"], "", "kube-system"),
        (&["apply", "-f", "-"], &manifest, "deployment.apps/web created"),
        (&["apply", "-f", "-"], &manifest, "deployment.apps/web unchanged"),
        (&["apply", "-f", "-"], &changed, "deployment.apps/web configured"),
        (
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
            &changed,
            "deployment.apps/web serverside-applied",
        ),
        (&["get", "deployments", "-o", "wide"], "", "web:2"),
        (&["describe", "deployment", "web"], "", "RollingUpdateStrategy:  25% max unavailable, 25% max surge"),
        (&["scale", "deployment", "web", "--replicas", "4"], "", "deployment.apps/web scaled"),
        (&["get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"], "", "4"),
        (&["patch", "deployment", "web", "-p", "{\"spec\":{\"replicas\":2}}"], "", "patched"),
        (&["create", "configmap", "c", "--from-literal=k=v"], "", "configmap/c created"),
        (&["wait", "--for=jsonpath={.data.k}=v", "configmap/c"], "", "condition met"),
        (&["create", "token", "nobody"], "", "serviceaccounts \"nobody\" not found"),
        (&["apply", "-f", "-"], &definition, "widgets.example.com created"),
        (&["apply", "-f", "-"], widget, "widget.example.com/w created"),
        (&["get", "wd"], "", "SIZE"),
        (&["explain", "widget.spec.size"], "", "integer"),
        (&["auth", "can-i", "create", "pods"], "", "yes"),
        (&["api-resources", "--api-group", "example.com"], "", "widgets"),
        (&["delete", "deployment", "web", "--cascade=background"], "", "deployment.apps \"web\" deleted"),
        (&["get", "deployment", "web"], "", "deployments.apps \"web\" not found"),
    ];
    for (arguments, input, expected) in steps {
        let (_, output) = kubectl(&kubeconfig, arguments, input).await;
        assert!(output.contains(expected), "kubectl {}: {output}", arguments.join(" "));
    }
}

#[tokio::test]
async fn nothing_printed_for_debugging_holds_a_secret() {
    let cluster = Cluster::new();
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": { "p": "hunter2" } });
    cluster.direct("test").create(secret).expect("created");
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    let printed = format!("{cluster:?} {serving:?}");
    assert!(!printed.contains(serving.token()) && !printed.contains("aHVudGVyMg") && !printed.contains("hunter2"));
}

#[tokio::test]
async fn service_account_tokens_carry_the_rights_of_their_account() {
    let cluster = Cluster::builder().rbac().build().expect("in memory");
    let seed = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: robot, namespace: default}]
";
    cluster.apply_yaml(seed).expect("applied");
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::default_namespaced(cluster.client());
    let request =
        serde_json::from_value(json!({ "spec": { "audiences": [], "expirationSeconds": 600 } })).expect("a request");
    let review = accounts.create_token_request("robot", &PostParams::default(), &request).await.expect("a token");
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    let kubeconfig = Kubeconfig::from_yaml(serving.kubeconfig()).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a config");
    config.auth_info = Default::default();
    config.auth_info.token = Some(review.status.expect("a status").token.expect("a token").into());
    let robot =
        Api::<k8s_openapi::api::core::v1::ConfigMap>::default_namespaced(Client::try_from(config).expect("a client"));
    robot.list(&ListParams::default()).await.expect("allowed");
    let refused =
        status_of(robot.create(&PostParams::default(), &config_map("a", json!({}))).await.expect_err("forbidden"));
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (
            403,
            "configmaps is forbidden: User \"system:serviceaccount:default:robot\" cannot create resource \"configmaps\" in API group \"\" in the namespace \"default\""
        )
    );
}

#[tokio::test]
async fn a_served_cluster_says_where_and_what_it_is() {
    let cluster = Cluster::new();
    let before = cluster.revision();
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await.expect("serving");
    assert!(cluster.revision() > before, "a cluster that nobody serves has none of this");
    let client = client(serving.kubeconfig()).await;
    let get = |path: &'static str| client.request_text(http::Request::get(path).body(Vec::new()).expect("a request"));
    let service = get("/api/v1/namespaces/default/services/kubernetes").await.expect("the service");
    assert!(service.starts_with(r#"{"kind":"Service","apiVersion":"v1","metadata":{"#), "{service}");
    let slice = get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes").await.expect("the slice");
    assert!(slice.contains(&format!("\"port\":{}", serving.address().port())), "{slice}");
    get("/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin").await.expect("the role");
    get("/api/v1/componentstatuses/scheduler").await.expect("the component");
    let line = get("/api/v1/namespaces/default/services?watch=true&timeoutSeconds=1").await.expect("a watch");
    assert!(line.starts_with(r#"{"type":"ADDED","object":{"kind":"Service","apiVersion":"v1","#), "{line}");
}

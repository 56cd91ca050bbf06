//! Projects, other users, and Applications that outgrow the API server, on an embedded cluster.

use std::sync::{Arc, Mutex};

use argo_cd::engine::Settings;
use argo_core::{
    ApplyError, Category, Change, ClusterApplier, Gvk, Note, Object, ObjectRef, apply::KubeApplier, runtime::Mapper,
};
use serde_json::json;

use crate::support::*;

fn project_ref(name: &str) -> ObjectRef {
    ObjectRef::new(Gvk::new("argoproj.io", "v1alpha1", "AppProject"), Some("argocd"), name)
}

#[tokio::test(start_paused = true)]
async fn a_project_goes_when_nobody_uses_it_and_specs_are_written_in_their_normal_form() {
    let lab = Lab::new();
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    lab.apply(&json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "shop",
        "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}}));
    let mut user = app("shop", "app", automated());
    user["spec"]["project"] = json!("shop");
    lab.apply(&user);
    let mut bare = app("bare", "app", json!({"syncOptions": []}));
    bare["spec"]["project"] = json!("");
    bare["spec"]["source"]["directory"] = json!({"recurse": false});
    lab.apply(&bare);
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    let spec = lab.app("bare").get("spec").cloned().unwrap();
    assert_eq!(
        (&spec["project"], spec.get("syncPolicy"), spec["source"].get("directory")),
        (&json!("default"), None, None)
    );
    lab.delete(&project_ref("shop"));
    lab.sleep(10).await;
    assert!(lab.get(&project_ref("shop")).is_some(), "an Application still uses it");
    lab.delete(&app_ref("shop"));
    lab.until("both are gone", 60, |lab| lab.get(&project_ref("shop")).is_none()).await;
    running.stop().await;
}

/// Writes as others, and remembers as whom; or refuses what is too large.
#[derive(Debug, Clone)]
struct Noted {
    inner: Arc<KubeApplier>,
    user: String,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    too_large: bool,
}

#[async_trait::async_trait]
impl ClusterApplier for Noted {
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        if self.too_large
            && let Change::Patch { patch, .. } = change
            && patch.body.pointer("/status/resources").is_some()
        {
            return Err(ApplyError::new(change, Category::LimitExceeded, "Request entity too large: limit is 3145728"));
        }
        self.seen.lock().unwrap().push((self.user.clone(), change.target().gvk.kind));
        self.inner.apply(change).await
    }

    fn impersonating(&self, user: &str) -> Option<Arc<dyn ClusterApplier>> {
        Some(Arc::new(Self { user: user.to_owned(), ..self.clone() }))
    }

    async fn note(&self, regarding: &Object, note: &Note) {
        self.inner.note(regarding, note).await;
    }
}

fn noted(lab: &Lab, too_large: bool) -> Noted {
    let client = lab.cluster.client();
    let inner = KubeApplier::new(client.clone(), Mapper::new(client), lab.clock(), "argocd-controller");
    Noted { inner: Arc::new(inner), user: String::new(), seen: Arc::default(), too_large }
}

#[tokio::test(start_paused = true)]
async fn objects_are_written_and_deleted_as_the_service_account_of_the_destination() {
    let lab = Lab::with(Settings { impersonation: true, ..Settings::default() });
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    let accounts = json!([{"server": "*", "namespace": "shop", "defaultServiceAccount": "deployer"}]);
    for (name, accounts) in [("shop", accounts), ("none", json!([]))] {
        lab.apply(&json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": {"name": name, "namespace": "argocd"}, "spec": {"sourceRepos": ["*"],
                "destinations": [{"server": "*", "namespace": "*"}], "destinationServiceAccounts": accounts}}));
        let mut it = app(name, "app", automated());
        it["spec"]["project"] = json!(name);
        lab.apply(&it);
    }
    let applier = noted(&lab, false);
    let running = lab.run_applied(Arc::new(applier.clone()));
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    lab.until("refused", 60, |lab| {
        lab.app("none").text("/status/operationState/message").starts_with(
            "no matching service account found for destination server https://kubernetes.default.svc and namespace shop",
        )
    })
    .await;
    lab.delete(&app_ref("shop"));
    lab.until("gone", 60, |lab| lab.get(&app_ref("shop")).is_none()).await;
    let seen = applier.seen.lock().unwrap().clone();
    let maps: Vec<&str> = seen.iter().filter(|(_, kind)| kind == "ConfigMap").map(|(user, _)| user.as_str()).collect();
    assert!(maps.len() >= 2 && maps.iter().all(|it| *it == "system:serviceaccount:shop:deployer"), "{maps:?}");
    let own = seen.iter().filter(|(_, kind)| kind == "Application").all(|(user, _)| user.is_empty());
    assert!(own, "Applications are the controller's own: {seen:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_too_large_is_said_in_a_condition() {
    let lab = Lab::new();
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    lab.apply(&app("shop", "app", json!({})));
    let running = lab.run_applied(Arc::new(noted(&lab, true)));
    let said = |lab: &Lab| {
        let list =
            lab.app("shop").pointer("/status/conditions").and_then(|it| it.as_array().cloned()).unwrap_or_default();
        list.iter().any(|it| {
            it["type"] == "UnknownError"
                && it["message"].as_str().unwrap_or_default().starts_with(
                    "Application status exceeds the Kubernetes resource size limit and could not be persisted.",
                )
        })
    };
    lab.until("said", 30, said).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_folder_deletes_nothing_by_itself_and_namespace_labels_are_a_difference() {
    let lab = Lab::new();
    lab.commit(&[("app/a.yaml", &config_map("a", "1"))]);
    let mut policy = automated();
    policy["managedNamespaceMetadata"] = json!({"labels": {"team": "a"}});
    policy["syncOptions"] = json!(["CreateNamespace=true"]);
    lab.apply(&app("shop", "app", policy));
    let running = lab.run();
    lab.until("deployed", 60, |lab| lab.is_synced("shop")).await;
    let label = |lab: &Lab| {
        let namespace = lab.all("Namespace").into_iter().find(|it| it.name() == "shop").unwrap();
        namespace.label("team").map(str::to_owned)
    };
    lab.until("labelled", 30, |lab| label(lab).as_deref() == Some("a")).await;
    lab.patch(
        &app_ref("shop"),
        &json!({"spec": {"syncPolicy": {"managedNamespaceMetadata": {"labels": {"team": "b"}}}}}),
    );
    lab.until("labelled anew", 60, |lab| label(lab).as_deref() == Some("b") && lab.is_synced("shop")).await;
    lab.commit(&[("app/notes.md", "nothing to deploy")]);
    lab.refresh("shop", "hard");
    lab.until("refused", 30, |lab| {
        lab.app("shop").text("/status/conditions/0/message").contains("auto-sync will wipe out all resources")
    })
    .await;
    lab.sleep(300).await;
    assert!(lab.map("a").is_some());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_can_not_go_on_says_why() {
    let lab = Lab::new();
    let hook = r#"{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "bye",
        "annotations": {"argocd.argoproj.io/hook": "PostDelete"}}, "spec": {"template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "main", "image": "busybox"}]}}}}"#;
    lab.commit(&[("app/bye.json", hook)]);
    let mut it = app("shop", "app", json!({}));
    it["spec"]["destination"]["namespace"] = json!("nowhere");
    lab.apply(&it);
    let running = lab.run();
    let waits = |lab: &Lab| lab.app("shop").has_finalizer("post-delete-finalizer.argocd.argoproj.io");
    lab.until("the hook is seen", 30, waits).await;
    lab.delete(&app_ref("shop"));
    lab.until("said", 30, |lab| {
        let app = lab.app("shop");
        app.text("/status/conditions/0/type") == "DeletionError"
            && app.text("/status/conditions/0/message").contains("namespaces \"nowhere\" not found")
    })
    .await;
    lab.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nowhere"}}));
    lab.until("gone", 120, |lab| lab.get(&app_ref("shop")).is_none()).await;
    running.stop().await;
}

//! Folders of plain manifests through the controller on a real API server.
//!
//! `KUBECONFIG` names the cluster, `ARGO_CD_REPO` a git repository, `ARGO_CD_APPS` its folders (comma separated). The
//! definitions of Application and AppProject, upstream's for instance, must be installed. Makes and deletes the namespaces
//! `argo-cd-real` and `argo-cd-real-<folder>`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use argo_cd::{Application, Controller, engine::Settings};
use argo_core::{
    Change, Gvk, Object, ObjectRef, Resource,
    git::{GitRepos, GitReposConfig},
    runtime::{Context, Shutdown},
};
use serde_json::json;

const NAMESPACE: &str = "argo-cd-real";
/// Longest wait for all folders to be deployed, and for all to be gone again.
const PATIENCE: Duration = Duration::from_secs(240);

fn namespace(name: &str) -> ObjectRef {
    ObjectRef::new(Gvk::new("", "v1", "Namespace"), None, name)
}

fn application(repo: &str, folder: &str) -> Object {
    Object::from_value(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": folder, "namespace": NAMESPACE, "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {
            "project": "default",
            "source": {"repoURL": repo, "path": folder, "targetRevision": "HEAD"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": format!("{NAMESPACE}-{folder}")},
            "syncPolicy": {"automated": {"prune": true}, "syncOptions": ["CreateNamespace=true"],
                "retry": {"limit": 2, "backoff": {"duration": "2s"}}},
        }
    }))
}

fn line(app: &Object) -> String {
    let text = |pointer: &str| app.text(pointer).to_owned();
    format!(
        "{:<36} {:<10} {:<12} {:<10} {}",
        app.name(),
        text("/status/sync/status"),
        text("/status/health/status"),
        text("/status/operationState/phase"),
        text("/status/operationState/message")
    )
}

fn is_over(app: &Object) -> bool {
    let phase = app.text("/status/operationState/phase");
    matches!(phase, "Succeeded" | "Failed" | "Error") && app.get("operation").is_none()
}

fn is_synced(app: &Object) -> bool {
    is_over(app)
        && app.text("/status/sync/status") == "Synced"
        && app.text("/status/operationState/phase") == "Succeeded"
}

#[tokio::test]
async fn folders_of_plain_manifests_are_synced_on_a_real_api_server() {
    let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let (Some(_), Some(repo), Some(folders)) =
        (variable("KUBECONFIG"), variable("ARGO_CD_REPO"), variable("ARGO_CD_APPS"))
    else {
        println!("skipped: set KUBECONFIG, ARGO_CD_REPO and ARGO_CD_APPS to sync folders on a real API server");
        return;
    };
    let folders: Vec<String> = folders.split(',').map(|it| it.trim().to_owned()).collect();
    let shutdown = Shutdown::new();
    let client = kube::Client::try_default().await.expect("the cluster of KUBECONFIG answers");
    let context = Context::builder(client).manager("argocd-controller").shutdown(shutdown.clone()).build();
    let apply = |change: Change| {
        let context = context.clone();
        async move { context.applier().apply(&change).await.map_err(|it| it.to_string()) }
    };
    apply(Change::apply(Object::new(&Gvk::new("", "v1", "Namespace"), None, NAMESPACE), "test")).await.unwrap();
    let url = format!("file://{}", PathBuf::from(&repo).canonicalize().unwrap().display());
    for it in &folders {
        apply(Change::apply(application(&url, it), "test")).await.unwrap();
    }
    let mirrors = tempfile::tempdir().unwrap();
    let controller = Controller::builder(context.clone())
        .git(Arc::new(GitRepos::new(GitReposConfig::new(mirrors.path()))))
        .settings(Settings { namespace: NAMESPACE.to_owned(), ..Settings::default() })
        .workers(4)
        .build()
        .unwrap();
    let running = tokio::spawn(controller.run(shutdown.clone()));
    let list = || async { context.list(&Application::gvk(), Some(NAMESPACE), None).await.unwrap() };
    let until = |done: fn(&[Object]) -> bool| async move {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let apps = list().await;
            if done(&apps) || tokio::time::Instant::now() > deadline {
                return apps;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let apps = until(|apps| {
        apps.iter().all(|it| is_over(it) && (is_synced(it) || it.text("/status/operationState/phase") != "Succeeded"))
    })
    .await;
    apps.iter().for_each(|it| println!("{}", line(it)));
    let synced = apps.iter().filter(|it| is_synced(it)).count();
    println!("{synced} of {} synced", folders.len());
    for it in &apps {
        let _ = apply(Change::delete(it)).await;
    }
    let left = until(<[Object]>::is_empty).await;
    for it in folders.iter().map(|it| format!("{NAMESPACE}-{it}")).chain([NAMESPACE.to_owned()]) {
        let gone =
            Change::Delete { target: namespace(&it), uid: None, propagation: argo_core::Propagation::Background };
        let _ = apply(gone).await;
    }
    shutdown.cancel();
    let _ = running.await;
    assert_eq!(left.iter().map(Object::name).collect::<Vec<_>>(), [""; 0], "every Application went with what it made");
    assert_eq!(synced, folders.len(), "every folder is synced");
}

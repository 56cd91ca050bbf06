//! The controllers on a Kubernetes API in the process, with a real registry and real git.

use std::{path::Path, sync::Arc, time::Duration};

use argo_core::{
    Clock,
    runtime::{Context, Shutdown},
};
use argo_embedded::{ClientOptions, Cluster, ListFilter};
use argo_promote::{api::names, controller::Controller};
use serde_json::{Value, json};

use crate::fixtures::{Registry, Repo, crds};

const VALUES: &str = "# the image\nimage:\n  tag: \"0\"   # set by promotions\n";

struct Shop {
    cluster: Cluster,
    registry: Registry,
    image: String,
    repo: Repo,
    folder: tempfile::TempDir,
}

struct Running {
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

fn start(cluster: &Cluster, client: kube::Client, folder: &Path) -> Running {
    let shutdown = Shutdown::new();
    let context = Context::builder(client).clock(cluster.clock().clone()).shutdown(shutdown.clone()).build();
    let controller = Controller::builder(context).folder(folder).build().unwrap();
    let task = tokio::spawn(controller.run(shutdown.clone()));
    Running { shutdown, task }
}

impl Shop {
    async fn new() -> Self {
        let cluster = Cluster::builder().clock(Clock::scaled(20.0)).build().unwrap();
        cluster.install_crds(&crds()).unwrap();
        let registry = Registry::default();
        let image = format!("{}/app", registry.serve().await);
        let repo = Repo::new(&[("dev/values.yaml", VALUES), ("prod/values.yaml", VALUES)]);
        let shop = Self { cluster, registry, image, repo, folder: tempfile::tempdir().unwrap() };
        shop.create(json!({"kind": "Project", "metadata": {"name": "shop"}}));
        shop
    }

    fn start(&self) -> Running {
        start(&self.cluster, self.cluster.client(), self.folder.path())
    }

    fn create(&self, mut object: Value) {
        object["apiVersion"] = json!("kargo.akuity.io/v1alpha1");
        self.cluster.direct("test").create(object).unwrap();
    }

    fn get(&self, kind: &str, name: &str) -> Option<Arc<Value>> {
        self.cluster.direct("test").get(&format!("{kind}.kargo.akuity.io"), "shop", name).ok()
    }

    fn list(&self, kind: &str) -> Vec<Arc<Value>> {
        self.cluster
            .direct("test")
            .list(&format!("{kind}.kargo.akuity.io"), "shop", &ListFilter::default())
            .unwrap()
            .items
    }

    /// Waits until something holds; everything is brought about by others.
    async fn until<T>(&self, what: &str, mut holds: impl FnMut(&Self) -> Option<T>) -> T {
        for _ in 0..1500 {
            if let Some(it) = holds(self) {
                return it;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let state: Vec<String> = ["warehouses", "stages", "promotions"]
            .iter()
            .flat_map(|kind| self.list(kind))
            .map(|it| format!("{} {}: {}", it["kind"], it["metadata"]["name"], it["status"]))
            .collect();
        panic!("{what} did not come about:\n{}", state.join("\n"));
    }

    async fn namespace(&self) {
        let ready = |it: &Self| it.cluster.direct("test").get("namespaces", "", "shop").ok();
        let namespace = self.until("the namespace", ready).await;
        assert_eq!(namespace["metadata"]["labels"][names::LABEL_PROJECT], "true");
    }

    fn furnish(&self) {
        let meta = |name: &str| json!({"name": name, "namespace": "shop"});
        self.create(json!({"kind": "ProjectConfig", "metadata": meta("shop"),
            "spec": {"promotionPolicies": [{"stageSelector": {"name": "dev"}, "autoPromotionEnabled": true}]}}));
        self.create(
            json!({"kind": "Warehouse", "metadata": meta("web"), "spec": {"interval": "30s", "subscriptions": [
            {"image": {"repoURL": self.image, "constraint": ">=1.0.0"}}]}}),
        );
        self.stage("dev", json!({"direct": true}), &[]);
        self.stage("prod", json!({"stages": ["dev"]}), &[]);
    }

    fn stage(&self, name: &str, sources: Value, more: &[Value]) {
        let mut steps = vec![
            json!({"uses": "git-clone", "config": {"repoURL": self.repo.url(), "checkout": [{"branch": "main", "path": "./src"}]}}),
            json!({"uses": "yaml-update", "as": "update", "config": {"path": format!("./src/{name}/values.yaml"),
                "updates": [{"key": "image.tag", "value": format!("${{{{ quote(imageFrom('{}').Tag) }}}}", self.image)}]}}),
            json!({"uses": "git-commit", "as": "commit", "config": {"path": "./src", "message": format!("{name}: ${{{{ outputs.update.commitMessage }}}}")}}),
            json!({"uses": "git-push", "if": "${{ status('commit') == 'Succeeded' }}", "config": {"path": "./src"}}),
        ];
        steps.extend_from_slice(more);
        self.create(json!({"kind": "Stage", "metadata": {"name": name, "namespace": "shop"}, "spec": {
            "requestedFreight": [{"origin": {"kind": "Warehouse", "name": "web"}, "sources": sources}],
            "promotionTemplate": {"spec": {"steps": steps}}}}));
    }

    async fn holds(&self, stage: &str, tag: &str) -> String {
        self.until(&format!("{tag} in {stage}"), |it| {
            let found = it.get("stages", stage)?;
            let name = found["status"]["freightSummary"].as_str()?.to_owned();
            let ready = found["status"]["conditions"]
                .as_array()?
                .iter()
                .any(|it| it["type"] == "Ready" && it["status"] == "True");
            let freight = it.get("freights", &name)?;
            (ready && freight["images"][0]["tag"] == tag).then_some(name)
        })
        .await
    }
}

fn condition(object: &Value, kind: &str) -> (String, String) {
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = all.into_iter().find(|it| it["type"] == kind).unwrap_or_default();
    (found["status"].as_str().unwrap_or_default().to_owned(), found["reason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_travels_from_the_registry_through_git_to_production() {
    let shop = Shop::new().await;
    shop.registry.push("app", "1.0.0");
    let running = shop.start();
    shop.namespace().await;
    shop.furnish();
    let first = shop.holds("dev", "1.0.0").await;
    assert_eq!(shop.repo.file("dev/values.yaml"), VALUES.replace("\"0\"", "\"1.0.0\"").trim_end());
    assert_eq!(shop.repo.subjects(), ["Kargo: dev: Updated ./src/dev/values.yaml", "Dev: first"]);
    assert_eq!(shop.list("promotions").len(), 1, "production is nobody's automatic promotion");

    // By hand, as kubectl does it: no admission, nothing but Stage and Freight.
    shop.create(json!({"kind": "Promotion", "metadata": {"name": "go", "namespace": "shop"},
        "spec": {"stage": "prod", "freight": first}}));
    shop.holds("prod", "1.0.0").await;
    assert_eq!(shop.repo.file("prod/values.yaml"), VALUES.replace("\"0\"", "\"1.0.0\"").trim_end());

    // The interval brings the next tag.
    shop.registry.push("app", "1.1.0");
    let second = shop.holds("dev", "1.1.0").await;
    let freight = shop.get("freights", &second).unwrap();
    assert!(freight["status"]["verifiedIn"]["dev"]["verifiedAt"].is_string());
    let old = shop.get("freights", &first).unwrap();
    assert!(old["status"]["currentlyIn"]["dev"].is_null() && old["status"]["currentlyIn"]["prod"].is_object());
    assert_eq!(shop.repo.subjects().len(), 4);
    let left = std::fs::read_dir(shop.folder.path().join("promotions")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "no folder of a promotion is left");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_in_trouble_shows_on_the_warehouse_and_is_asked_again() {
    let shop = Shop::new().await;
    let running = shop.start();
    shop.namespace().await;
    shop.furnish();
    let health = |shop: &Shop| shop.get("warehouses", "web").map(|it| condition(&it, "Healthy"));
    shop.until("the failure", |it| (health(it)? == ("False".into(), "DiscoveryFailed".into())).then_some(())).await;
    shop.registry.throttle(2);
    shop.registry.push("app", "1.0.0");
    shop.until("recovery", |it| (health(it)? == ("True".into(), "ReconciliationSucceeded".into())).then_some(())).await;
    shop.holds("dev", "1.0.0").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_are_synced_and_verification_runs() {
    let shop = Shop::new().await;
    shop.registry.push("app", "1.0.0");
    let direct = shop.cluster.direct("test");
    direct.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})).unwrap();
    direct
        .create(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "dev", "namespace": "argocd", "annotations": {"kargo.akuity.io/authorized-stage": "shop:dev"}},
            "spec": {"source": {"repoURL": shop.repo.url(), "targetRevision": "main"}}}))
        .unwrap();
    let running = shop.start();
    shop.namespace().await;
    direct
        .create(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "check", "namespace": "shop"},
            "spec": {"args": [{"name": "stage"}], "metrics": [{"name": "m", "provider": {"web": {}}}]}}))
        .unwrap();
    shop.furnish();
    let more = [json!({"uses": "argocd-update", "config": {"apps": [{"name": "dev"}]}})];
    direct.delete("stages.kargo.akuity.io", "shop", "dev", &Default::default()).unwrap();
    shop.until("the old stage to go", |it| it.get("stages", "dev").is_none().then_some(())).await;
    shop.stage("dev", json!({"direct": true}), &more);
    let verification = json!({"spec": {"verification": {"analysisTemplates": [{"name": "check"}],
        "args": [{"name": "stage", "value": "${{ ctx.stage }}"}]}}});
    direct.merge_patch("stages.kargo.akuity.io", "shop", "dev", verification).unwrap();

    // Argo CD, by hand: takes the operation up and ends it.
    let app = || direct.get("applications.argoproj.io", "argocd", "dev").unwrap();
    let operation = shop.until("the operation", |_| app().get("operation").cloned()).await;
    assert_eq!(operation["sync"], json!({"revision": "main"}));
    let done = json!({"operation": null, "metadata": {"annotations": {"argocd.argoproj.io/refresh": null}}, "status": {
        "operationState": {"phase": "Succeeded", "operation": operation, "syncResult": {"revision": shop.repo.head()},
            "finishedAt": "2026-01-01T00:00:00Z"},
        "reconciledAt": "2026-01-01T00:00:01Z", "sync": {"status": "Synced", "revision": shop.repo.head()}, "health": {"status": "Healthy"}}});
    direct.merge_patch("applications.argoproj.io", "argocd", "dev", done).unwrap();

    let runs = || direct.list("analysisruns.argoproj.io", "shop", &ListFilter::default()).unwrap().items;
    let run = shop.until("the analysis run", |_| runs().first().cloned()).await;
    assert_eq!(run["spec"]["args"], json!([{"name": "stage", "value": "dev"}]));
    assert_eq!(run["metadata"]["ownerReferences"][0]["kind"], "Freight");
    let name = run["metadata"]["name"].as_str().unwrap();
    let verdict = json!({"status": {"phase": "Successful"}});
    direct.merge_patch("analysisruns.argoproj.io", "shop", name, verdict).unwrap();
    shop.holds("dev", "1.0.0").await;

    // A degraded Application makes the Stage unhealthy.
    let bad = json!({"status": {"health": {"status": "Degraded"}}});
    direct.merge_patch("applications.argoproj.io", "argocd", "dev", bad).unwrap();
    let unhealthy = |it: &Shop| {
        let stage = it.get("stages", "dev")?;
        (condition(&stage, "Healthy").0 == "False").then_some(stage)
    };
    let stage = shop.until("the stage to be unhealthy", unhealthy).await;
    assert_eq!(condition(&stage, "Ready"), ("False".into(), "Unhealthy".into()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_any_write_it_ends_the_same_with_nothing_done_twice() {
    for (writes, keep_files) in [
        (1, true),
        (4, true),
        (6, false),
        (8, true),
        (9, false),
        (11, true),
        (12, false),
        (13, true),
        (15, true),
        (18, false),
    ] {
        let shop = Shop::new().await;
        shop.registry.push("app", "1.0.0");
        let before = shop.start();
        shop.namespace().await;
        before.stop().await;
        shop.furnish();
        let options = ClientOptions::named("dies").cut_after_writes(writes).lose_last_answer();
        let (client, session) = shop.cluster.client_with(options);
        let dying = start(&shop.cluster, client, shop.folder.path());
        // Either it dies, or it was done before.
        let cut = tokio::time::timeout(Duration::from_secs(10), session.cut()).await;
        dying.shutdown.cancel();
        dying.task.abort();
        let _ = dying.task.await;
        assert!(cut.is_ok(), "fewer than {writes} writes");
        if !keep_files {
            let _ = std::fs::remove_dir_all(shop.folder.path().join("promotions"));
        }
        let running = shop.start();
        shop.holds("dev", "1.0.0").await;
        assert_eq!(
            shop.repo.subjects(),
            ["Kargo: dev: Updated ./src/dev/values.yaml", "Dev: first"],
            "after {writes} writes"
        );
        assert_eq!(shop.list("promotions").len(), 1, "after {writes} writes");
        assert_eq!(shop.list("freights").len(), 1);
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_object_does_not_stop_the_others() {
    let shop = Shop::new().await;
    shop.registry.push("app", "1.0.0");
    let running = shop.start();
    shop.namespace().await;
    shop.create(
        json!({"kind": "Stage", "metadata": {"name": "broken", "namespace": "shop"}, "spec": {"vars": "none"}}),
    );
    shop.create(json!({"kind": "Warehouse", "metadata": {"name": "broken", "namespace": "shop"}, "spec": {"subscriptions": [{"a": {}, "b": {}}]}}));
    shop.furnish();
    shop.holds("dev", "1.0.0").await;
    let ready = |kind: &str| shop.get(kind, "broken").map(|it| condition(&it, "Ready")).unwrap_or_default();
    assert_eq!(ready("stages"), ("False".into(), "InvalidObject".into()));
    assert_eq!(ready("warehouses"), ("False".into(), "DiscoveryFailure".into()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_somebody_elses_is_left_alone() {
    let cluster = Cluster::new();
    cluster.install_crds(&crds()).unwrap();
    let direct = cluster.direct("test");
    direct.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})).unwrap();
    direct
        .create(json!({"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Project", "metadata": {"name": "mine"}}))
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = start(&cluster, cluster.client(), folder.path());
    let project = || direct.get("projects.kargo.akuity.io", "", "mine").unwrap();
    for _ in 0..500 {
        if condition(&project(), "Ready").1 == "NamespaceConflict" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(condition(&project(), "Ready"), ("False".into(), "NamespaceConflict".into()));
    let namespace = direct.get("namespaces", "", "mine").unwrap();
    assert!(namespace["metadata"]["labels"][names::LABEL_PROJECT].is_null());
    running.stop().await;
}

//! What the cluster tests share.

use std::{sync::Arc, time::Duration};

use argo_cd::{Controller, controller::Builder, engine::Settings};
use argo_core::{
    Clock, ClusterApplier, FileTree, Gvk, Object, ObjectRef,
    git::MemoryGit,
    runtime::{Context, Metrics, Shutdown},
};
use argo_embedded::{ClientOptions, Cluster, simulator::SimulatorConfig};
use serde_json::{Value, json};

pub(crate) const REPO: &str = "https://git.example/config.git";

/// An embedded cluster in virtual time with a repository and a controller.
pub(crate) struct Lab {
    pub(crate) cluster: Cluster,
    pub(crate) git: MemoryGit,
    pub(crate) settings: Settings,
}

/// Stops its controller when it is dropped.
pub(crate) struct Running(Shutdown, tokio::task::JoinHandle<()>);

impl Running {
    /// As `kill -9`: nothing is finished.
    pub(crate) fn kill(self) {
        self.1.abort();
        self.0.cancel();
    }

    pub(crate) async fn stop(self) {
        self.0.cancel();
        let _ = self.1.await;
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let cluster = Cluster::builder()
            .clock(Clock::virtual_at("2026-01-01T00:00:00Z".parse().unwrap()))
            .simulator(SimulatorConfig::default())
            .build()
            .unwrap();
        cluster.install_crds(&argo_cd::crds()).unwrap();
        cluster.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}").unwrap();
        cluster.apply_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").unwrap();
        Self { cluster, git: MemoryGit::default(), settings }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.cluster.clock().clone()
    }

    pub(crate) fn run(&self) -> Running {
        self.run_on(self.cluster.client())
    }

    pub(crate) fn run_cut(&self, writes: u64, lose_answer: bool) -> (Running, argo_embedded::Session) {
        let mut options = ClientOptions::named("doomed").cut_after_writes(writes);
        if lose_answer {
            options = options.lose_last_answer();
        }
        let (client, session) = self.cluster.client_with(options);
        (self.run_on(client), session)
    }

    /// With more said to the builder.
    pub(crate) fn run_with(&self, more: impl FnOnce(Builder) -> Builder) -> Running {
        self.run_on_with(self.cluster.client(), more)
    }

    /// With a registry that the test reads.
    pub(crate) fn run_measured(&self, metrics: Metrics, more: impl FnOnce(Builder) -> Builder) -> Running {
        self.run_whole(self.cluster.client(), metrics, more)
    }

    /// With writes that go through this applier.
    pub(crate) fn run_applied(&self, applier: Arc<dyn ClusterApplier>) -> Running {
        self.start(self.cluster.client(), Metrics::default(), Some(applier), |it| it)
    }

    fn run_on(&self, client: kube::Client) -> Running {
        self.run_on_with(client, |it| it)
    }

    fn run_on_with(&self, client: kube::Client, more: impl FnOnce(Builder) -> Builder) -> Running {
        self.run_whole(client, Metrics::default(), more)
    }

    fn run_whole(&self, client: kube::Client, metrics: Metrics, more: impl FnOnce(Builder) -> Builder) -> Running {
        self.start(client, metrics, None, more)
    }

    fn start(
        &self,
        client: kube::Client,
        metrics: Metrics,
        applier: Option<Arc<dyn ClusterApplier>>,
        more: impl FnOnce(Builder) -> Builder,
    ) -> Running {
        let shutdown = Shutdown::new();
        let mut context = Context::builder(client)
            .clock(self.cluster.clock().clone())
            .shutdown(shutdown.clone())
            .manager("argocd-controller")
            .metrics(metrics);
        if let Some(applier) = applier {
            context = context.applier(applier);
        }
        let context = context.build();
        let builder = Controller::builder(context).git(Arc::new(self.git.clone())).settings(self.settings.clone());
        let controller = more(builder).build().unwrap();
        let task = tokio::spawn(controller.run(shutdown.clone()));
        Running(shutdown, task)
    }

    pub(crate) async fn sleep(&self, seconds: u64) {
        self.cluster.clock().sleep(Duration::from_secs(seconds)).await;
    }

    /// Waits until a fact holds, at most `seconds` of virtual time.
    pub(crate) async fn until(&self, what: &str, seconds: u64, fact: impl Fn(&Self) -> bool) {
        for _ in 0..seconds * 4 {
            if fact(self) {
                return;
            }
            self.cluster.clock().sleep(Duration::from_millis(250)).await;
        }
        let apps: Vec<String> =
            self.all("Application").iter().map(|it| serde_json::to_string_pretty(it.value()).unwrap()).collect();
        panic!("not within {seconds} s: {what}\n{}", apps.join("\n"));
    }

    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        let mut tree = FileTree::new();
        for (path, content) in files {
            tree.insert(path, content);
        }
        self.git.commit(REPO, "main", "change", tree)
    }

    pub(crate) fn apply(&self, object: &Value) {
        self.cluster.apply_yaml(&object.to_string()).unwrap();
    }

    pub(crate) fn patch(&self, reference: &ObjectRef, body: &Value) {
        let direct = self.cluster.direct("someone");
        let plural = plural(&reference.gvk);
        direct
            .merge_patch(&plural, reference.namespace.as_deref().unwrap_or_default(), &reference.name, body.clone())
            .unwrap();
    }

    pub(crate) fn delete(&self, reference: &ObjectRef) {
        let direct = self.cluster.direct("someone");
        let namespace = reference.namespace.as_deref().unwrap_or_default();
        direct.delete(&plural(&reference.gvk), namespace, &reference.name, &Default::default()).unwrap();
    }

    pub(crate) fn refresh(&self, name: &str, how: &str) {
        self.patch(&app_ref(name), &json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": how}}}));
    }

    pub(crate) fn phase(&self, name: &str) -> String {
        self.app(name).text("/status/operationState/phase").to_owned()
    }

    pub(crate) fn get(&self, reference: &ObjectRef) -> Option<Object> {
        let found = self.cluster.dump().into_iter().map(|it| Object::from_value((*it).clone()));
        found.into_iter().find(|it| it.reference() == *reference)
    }

    pub(crate) fn all(&self, kind: &str) -> Vec<Object> {
        let found = self.cluster.dump().into_iter().map(|it| Object::from_value((*it).clone()));
        found.filter(|it| it.text("/kind") == kind).collect()
    }

    pub(crate) fn app(&self, name: &str) -> Object {
        self.get(&app_ref(name)).unwrap_or_else(|| panic!("no Application {name}"))
    }

    pub(crate) fn map(&self, name: &str) -> Option<Object> {
        self.get(&map_ref(name))
    }

    pub(crate) fn is_synced(&self, name: &str) -> bool {
        self.get(&app_ref(name)).is_some_and(|it| {
            it.text("/status/sync/status") == "Synced"
                && it.text("/status/health/status") == "Healthy"
                && it.get("operation").is_none()
        })
    }
}

fn plural(gvk: &Gvk) -> String {
    let plural = format!("{}s", gvk.kind.to_lowercase());
    if gvk.group.is_empty() { plural } else { format!("{plural}.{}", gvk.group) }
}

pub(crate) fn app_ref(name: &str) -> ObjectRef {
    ObjectRef::new(Gvk::new("argoproj.io", "v1alpha1", "Application"), Some("argocd"), name)
}

pub(crate) fn map_ref(name: &str) -> ObjectRef {
    ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some("shop"), name)
}

/// An Application of a folder, with this sync policy.
pub(crate) fn app(name: &str, path: &str, policy: Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {
            "project": "default",
            "source": {"repoURL": REPO, "path": path, "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": policy,
        }
    })
}

pub(crate) fn automated() -> Value {
    json!({"automated": {"prune": true, "selfHeal": true}})
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  value: {value:?}\n")
}

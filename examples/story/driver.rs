//! The story itself: acts as the developer, the approver and the careless operator, and holds what
//! the controllers do against what it expects.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use argo_core::{
    ApplyError, Category, Change, Failure, Gvk, Object, ObjectKey, ObjectRef, Resource, runtime::Context, time,
};
use argo_examples::fixtures::registry::Registry;
use serde_json::{Value, json};

use crate::{
    report::Report,
    repos::{self, Repos, STAGES},
    summary,
    watch::Watch,
};

/// The shared secret of the webhook; made anew for every story.
pub(crate) const WEBHOOK_SECRET: &str = "github-webhook";

/// How often an API that is away is asked again.
const TRIES: u32 = 300;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Everything the story acts on.
pub(crate) struct Story {
    pub(crate) context: Context,
    pub(crate) watch: Watch,
    pub(crate) report: Report,
    pub(crate) repos: Repos,
    pub(crate) registry: Registry,
    pub(crate) config_url: String,
    pub(crate) secret: String,
    pub(crate) wait_for_approval: bool,
}

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Some(namespace), name)
}

fn application() -> Gvk {
    argo_cd::api::Application::gvk()
}

fn rollout() -> Gvk {
    argo_rollouts::api::Rollout::gvk()
}

fn workflow() -> Gvk {
    argo_workflows::api::Workflow::gvk()
}

fn kargo(kind: &str) -> Gvk {
    Gvk::new("kargo.akuity.io", "v1alpha1", kind)
}

fn event_kind(kind: &str) -> Gvk {
    Gvk::new("argoproj.io", "v1alpha1", kind)
}

fn tag(object: &Object) -> &str {
    object.text("/images/0/tag")
}

impl Story {
    /// The whole story. Every step may be repeated: what is done already is found done.
    pub(crate) async fn tell(&self) -> Result<()> {
        self.bootstrap().await?;
        self.good_release().await?;
        self.bad_release().await?;
        self.drift().await?;
        Ok(())
    }

    async fn bootstrap(&self) -> Result<()> {
        self.report.chapter("one root Application bootstraps everything from git");
        for namespace in ["argocd", "ci"] {
            self.create(Object::new(&Gvk::new("", "v1", "Namespace"), None, namespace)).await?;
        }
        let mut secret = Object::new(&Gvk::new("", "v1", "Secret"), Some("ci"), WEBHOOK_SECRET);
        secret.set(&["stringData"], json!({"secret": self.secret}));
        self.create(secret).await?;
        let root = include_str!("files/config/bootstrap/root.yaml").replace("@CONFIG_REPO@", &self.config_url);
        let root = argo_lang::yaml::decode(&root).context("the root Application is YAML")?;
        self.create(Object::from_value(root)).await?;

        for name in ["root", "platform", "dev", "staging", "production"] {
            // A Stage without Freight counts as Degraded: the platform is whole only once production has one.
            let healthy = name != "platform";
            let what = format!("Application {name} is Synced{}", if healthy { " and Healthy" } else { "" });
            self.watch
                .object(&what, &application(), &key("argocd", name), |it| {
                    it.text("/status/sync/status") == "Synced"
                        && (!healthy || it.text("/status/health/status") == "Healthy")
                })
                .await?;
        }
        for (stage, _) in STAGES {
            let what = format!("the Rollout in {stage} is Healthy");
            self.watch
                .object(&what, &rollout(), &key(&format!("shop-{stage}"), "web"), |it| {
                    it.text("/status/phase") == "Healthy" && it.integer("/status/availableReplicas") == Some(5)
                })
                .await?;
        }
        for kind in ["EventSource", "Sensor"] {
            let what = format!("the {kind} is Deployed");
            self.watch.until(&what, &event_kind(kind), |it| summary::condition(it, "Deployed", "True")).await?;
        }
        self.report.hop("bootstrap", "5 Applications, 3 Rollouts of 1.0.0, EventSource, Sensor, 3 Stages");
        Ok(())
    }

    async fn good_release(&self) -> Result<()> {
        self.report.chapter("a developer pushes release 1.1.0");
        let freight = self.build("1.1.0", "0.004").await?;
        for (stage, _) in STAGES {
            if stage == "production" {
                self.approval(&freight, stage).await?;
            }
            self.promoted(&freight, stage, "1.1.0").await?;
        }
        Ok(())
    }

    /// From the push to the Freight.
    async fn build(&self, version: &str, error_rate: &str) -> Result<String> {
        let commit = repos::release(&self.repos, version, error_rate).await?;
        let short = &commit[..7];
        self.report.line(&format!("git push {short} (release {version}); GitHub posts its signed webhook"));
        let built = self
            .watch
            .until(&format!("a Workflow for {short}"), &workflow(), |it| {
                it.label("commit") == Some(short) && !it.text("/status/phase").is_empty()
            })
            .await?;
        self.report.hop("push -> webhook -> event -> Workflow", built.name());
        let what = format!("Workflow {} succeeds", built.name());
        let done = self
            .watch
            .object(&what, &workflow(), &built.key(), |it| {
                !matches!(it.text("/status/phase"), "" | "Pending" | "Running")
            })
            .await?;
        ensure!(done.text("/status/phase") == "Succeeded", "{} ended {}", built.key(), summary::of(&done));
        ensure!(self.registry.tags("shop/web").contains(version), "the Workflow pushed no image {version}");
        self.report.hop("make build, make test, push image", &format!("shop/web:{version}"));
        let freight =
            self.watch.until(&format!("Freight with {version}"), &kargo("Freight"), |it| tag(it) == version).await?;
        self.report
            .hop("image -> Warehouse -> Freight", &format!("{} ({})", freight.text("/alias"), short_name(&freight)));
        Ok(freight.name().to_owned())
    }

    async fn approval(&self, freight: &str, stage: &str) -> Result<()> {
        let name = key("shop", freight);
        self.watch
            .object("the Freight is verified in staging", &kargo("Freight"), &name, |it| {
                it.pointer("/status/verifiedIn/staging").is_some()
            })
            .await?;
        let promotions = self.watch.now(&kargo("Promotion")).await;
        ensure!(
            !promotions.iter().any(|it| it.text("/spec/stage") == stage && it.text("/spec/freight") == freight)
                || self.approved(freight, stage).await?,
            "{stage} was promoted to without approval"
        );
        if self.wait_for_approval {
            println!(
                "\n{stage} waits for your approval:\n  kubectl -n shop patch freight {freight} --subresource status --type merge \
                 -p '{{\"status\":{{\"approvedFor\":{{\"{stage}\":{{\"approvedAt\":\"{}\"}}}}}}}}'\n",
                time::rfc3339(self.context.now())
            );
        } else if !self.approved(freight, stage).await? {
            let target = ObjectRef::new(kargo("Freight"), Some("shop"), freight);
            let at = time::rfc3339(self.context.now());
            let body = json!({"status": {"approvedFor": {stage: {"approvedAt": at}}}});
            let patch = argo_core::Patch::merge(body);
            let change = Change::Patch { target, patch, subresource: Some("status".into()), resource_version: None };
            self.apply(&change).await?;
        }
        let patience = Duration::from_secs(if self.wait_for_approval { 24 * 3600 } else { 60 });
        self.watch
            .until_within("the approval", &kargo("Freight"), patience, |it| {
                it.name() == freight && it.pointer(&format!("/status/approvedFor/{stage}")).is_some()
            })
            .await?;
        self.report.hop(&format!("approval for {stage}"), "approvedFor in the Freight's status");
        Ok(())
    }

    async fn approved(&self, freight: &str, stage: &str) -> Result<bool> {
        let target = ObjectRef::new(kargo("Freight"), Some("shop"), freight);
        let freight = self.get(&target).await?;
        Ok(freight.is_some_and(|it| it.pointer(&format!("/status/approvedFor/{stage}")).is_some()))
    }

    async fn promoted(&self, freight: &str, stage: &str, version: &str) -> Result<()> {
        let namespace = format!("shop-{stage}");
        let done = self.promotion_ended(freight, stage).await?;
        ensure!(done.text("/status/phase") == "Succeeded", "{} ended {}", done.key(), summary::of(&done));
        self.report.hop(&format!("promotion to {stage}"), "clone, edit, commit, push, Argo CD synced");

        let what = format!("the canary in {stage} reaches 100 % of {version}");
        let image = format!(":{version}");
        let rolled = self
            .watch
            .object(&what, &rollout(), &key(&namespace, "web"), |it| {
                it.text("/spec/template/spec/containers/0/image").ends_with(&image)
                    && it.text("/status/observedGeneration") == it.generation().to_string()
                    && it.text("/status/phase") == "Healthy"
                    && it.text("/status/stableRS") == it.text("/status/currentPodHash")
                    && it.integer("/status/updatedReplicas") == Some(5)
            })
            .await?;
        let analysis = argo_rollouts::api::AnalysisRun::gvk();
        let what = format!("an analysis in {stage} was successful");
        let hash = rolled.text("/status/currentPodHash");
        let run = self
            .watch
            .until(&what, &analysis, |it| {
                it.namespace() == Some(&namespace)
                    && it.label("rollouts-pod-template-hash") == Some(hash)
                    && it.text("/status/phase") == "Successful"
            })
            .await?;
        self.report.hop(&format!("canary in {stage} 20 % -> 50 % -> 100 %"), &format!("{} Successful", run.name()));

        self.watch
            .object(&format!("{stage} is verified"), &kargo("Freight"), &key("shop", freight), |it| {
                it.pointer(&format!("/status/verifiedIn/{stage}")).is_some()
            })
            .await?;
        self.report.hop(&format!("verification of {stage}"), "AnalysisRun successful, Freight verified");
        Ok(())
    }

    async fn promotion_ended(&self, freight: &str, stage: &str) -> Result<std::sync::Arc<Object>> {
        let what = format!("the Promotion of {freight} to {stage} ends");
        self.watch
            .until(&what, &kargo("Promotion"), |it| {
                it.text("/spec/stage") == stage
                    && it.text("/spec/freight") == freight
                    && !matches!(it.text("/status/phase"), "" | "Pending" | "Running")
            })
            .await
    }

    async fn bad_release(&self) -> Result<()> {
        self.report.chapter("a developer pushes release 1.2.0, which fails four requests in ten");
        let freight = self.build("1.2.0", "0.4").await?;
        let done = self.promotion_ended(&freight, "dev").await?;
        self.report.hop("promotion to dev", &format!("{} ({})", done.text("/status/phase"), done.name()));
        let web = key("shop-dev", "web");
        let aborted = self
            .watch
            .object("the Rollout in dev aborts", &rollout(), &web, |it| {
                it.pointer("/status/abort") == Some(&Value::Bool(true)) && it.text("/status/phase") == "Degraded"
            })
            .await?;
        self.report.hop("canary in dev aborted", aborted.text("/status/message"));
        let stable = aborted.text("/status/stableRS").to_owned();
        ensure!(stable != aborted.text("/status/currentPodHash"), "the bad release must not have become stable");
        self.watch
            .object("all traffic in dev is back on stable", &rollout(), &web, |it| {
                it.integer("/status/updatedReplicas").unwrap_or_default() == 0
                    && it.integer("/status/availableReplicas") == Some(5)
            })
            .await?;
        let service = Gvk::new("", "v1", "Service");
        for name in ["web-stable", "web-canary"] {
            let what = format!("Service {name} selects the stable pods");
            self.watch
                .object(&what, &service, &key("shop-dev", name), |it| {
                    it.text("/spec/selector/rollouts-pod-template-hash") == stable
                })
                .await?;
        }
        self.report.hop("traffic back on stable", &format!("5 of 5 pods run {stable}"));
        self.watch
            .object("Stage dev turns Unhealthy", &kargo("Stage"), &key("shop", "dev"), |it| {
                it.text("/status/health/status") == "Unhealthy"
            })
            .await?;
        let freight = ObjectRef::new(kargo("Freight"), Some("shop"), &freight);
        let bad = self.get(&freight).await?.context("the bad Freight is there")?;
        ensure!(bad.pointer("/status/verifiedIn/dev").is_none(), "the bad release was verified in dev");
        let promotions = self.watch.now(&kargo("Promotion")).await;
        let strayed =
            promotions.iter().find(|it| it.text("/spec/freight") == freight.name && it.text("/spec/stage") != "dev");
        ensure!(
            strayed.is_none(),
            "the bad release was promoted to {}",
            strayed.map(|it| it.text("/spec/stage")).unwrap_or_default()
        );
        self.report.hop("Stage dev Unhealthy", "the Freight never reaches staging");
        Ok(())
    }

    async fn drift(&self) -> Result<()> {
        self.report.chapter("somebody edits a live ConfigMap in production by hand");
        let config_map = Gvk::new("", "v1", "ConfigMap");
        let target = ObjectRef::new(config_map.clone(), Some("shop-production"), "web");
        let edited_at = self.context.now().as_second();
        let change = Change::merge(target.clone(), json!({"data": {"CURRENCY": "DOLLAR"}}));
        let edited = self.apply(&change).await?.context("the ConfigMap is there")?;
        let version: u64 = edited.resource_version().parse().unwrap_or_default();
        self.watch
            .object("self-heal puts the ConfigMap back", &config_map, &target.key(), |it| {
                it.text("/data/CURRENCY") == "EUR" && it.resource_version().parse().unwrap_or(u64::MAX) > version
            })
            .await?;
        let app = self
            .watch
            .object("the Application says why", &application(), &key("argocd", "production"), |it| {
                it.text("/status/sync/status") == "Synced"
                    && it.text("/status/operationState/phase") == "Succeeded"
                    && time::parse(it.text("/status/operationState/startedAt"))
                        .is_ok_and(|it| it.as_second() >= edited_at)
            })
            .await?;
        let automated = app.pointer("/status/operationState/operation/initiatedBy/automated");
        ensure!(automated == Some(&Value::Bool(true)), "the sync that healed the drift was not an automated one");
        let event = Gvk::new("", "v1", "Event");
        let event = self
            .watch
            .until("an Event says why", &event, |it| {
                it.text("/involvedObject/name") == "production"
                    && it.text("/involvedObject/kind") == "Application"
                    && it.text("/message").contains("automated sync")
                    && time::parse(it.text("/lastTimestamp")).is_ok_and(|it| it.as_second() >= edited_at)
            })
            .await?;
        self.report.hop("drift healed", &format!("{}: {}", event.text("/reason"), event.text("/message")));
        Ok(())
    }

    async fn create(&self, object: Object) -> Result<()> {
        match self.apply(&Change::create(object)).await {
            Err(error) if error.category != Category::AlreadyExists => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Writes; an API that is away is asked again, as a person would.
    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        let mut tries = 0;
        loop {
            match self.context.applier().apply(change).await {
                Err(error) if error.category == Category::Unavailable && tries < TRIES => tries += 1,
                result => return result,
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    /// Reads, as patiently.
    async fn get(&self, target: &ObjectRef) -> Result<Option<Object>> {
        let mut tries = 0;
        loop {
            match self.context.get(target).await {
                Err(error) if error.is_transient() && tries < TRIES => tries += 1,
                result => return Ok(result?),
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}

fn short_name(freight: &Object) -> &str {
    freight.name().get(..7).unwrap_or_default()
}

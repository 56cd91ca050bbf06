//! What the controllers share: caches, registries, settings.

use std::{collections::BTreeMap, sync::Arc};

use argo_core::{
    ApplyError, Change, Failure, Gvk, Note, Object, ObjectKey, ObjectRef, Resource, Timestamp,
    git::Author,
    runtime::{Cache, Context, Query},
};
use serde::de::DeserializeOwned;

use super::{Controller, Settings, credentials::SecretCredentials, wait::Waits};
use crate::{
    admission::Tasks,
    api::{
        ClusterConfig, ClusterPromotionTask, Freight, Project, ProjectConfig, Promotion, PromotionTask, Stage,
        Warehouse, names,
    },
    engine::{
        argocd,
        expression::{Data, Need},
        stage::analysis_run,
    },
    steps::{CredentialSource, Registry, StepCluster, StepError, Workspace},
    subscriptions::Subscribers,
};

pub(super) struct Shared {
    pub(super) context: Context,
    pub(super) settings: Settings,
    pub(super) workspace: Workspace,
    pub(super) registry: Registry,
    pub(super) subscribers: Subscribers,
    pub(super) credentials: Arc<dyn CredentialSource>,
    pub(super) waits: Waits,
    pub(super) projects: Arc<Cache>,
    pub(super) namespaces: Arc<Cache>,
    pub(super) project_configs: Arc<Cache>,
    pub(super) cluster_configs: Arc<Cache>,
    pub(super) warehouses: Arc<Cache>,
    pub(super) freight: Arc<Cache>,
    pub(super) stages: Arc<Cache>,
    pub(super) promotions: Arc<Cache>,
    tasks: Arc<Cache>,
    cluster_tasks: Arc<Cache>,
    pub(super) applications: Option<Arc<Cache>>,
    pub(super) runs: Option<Arc<Cache>>,
    templates: Option<[Arc<Cache>; 2]>,
}

fn argo(kind: &str) -> Gvk {
    Gvk::new("argoproj.io", "v1alpha1", kind)
}

impl Shared {
    /// Opens the caches. Argo CD and Argo Rollouts are looked at only where they are served.
    pub(super) async fn open(controller: Controller) -> Self {
        let Controller { context, settings, workspace, registry, subscribers, credentials } = controller;
        let served = async |gvk: Gvk, wanted: bool| -> Option<Arc<Cache>> {
            if !wanted {
                return None;
            }
            loop {
                match context.mapper().is_namespaced(&gvk).await {
                    Ok(_) => return Some(context.cache(gvk)),
                    // Not answered is not the same as not served.
                    Err(error) if error.category().is_transient() && !context.shutdown().is_cancelled() => {
                        context.clock().sleep(std::time::Duration::from_secs(1)).await;
                    }
                    Err(error) => {
                        tracing::warn!(%gvk, %error, "integration is off: the kind is not served");
                        return None;
                    }
                }
            }
        };
        let applications = served(argocd::application(), settings.argocd).await;
        let runs = served(analysis_run(), settings.rollouts).await;
        let own = served(argo("AnalysisTemplate"), runs.is_some()).await;
        let cluster = served(argo("ClusterAnalysisTemplate"), runs.is_some()).await;
        let templates = own.zip(cluster).map(|(a, b)| [a, b]);
        let query = Query::of(Gvk::new("", "v1", "Secret"), context.namespace()).labelled(names::LABEL_CRED_TYPE);
        let secrets = context.caches().open(query);
        let shared_namespace = settings.shared_namespace.clone();
        let credentials =
            credentials.unwrap_or_else(|| Arc::new(SecretCredentials { secrets: secrets.clone(), shared_namespace }));
        let cluster_cache = |gvk: Gvk| context.caches().open(Query::of(gvk, None));
        let shared = Self {
            projects: cluster_cache(Project::gvk()),
            namespaces: cluster_cache(Gvk::new("", "v1", "Namespace")),
            project_configs: context.cache_of::<ProjectConfig>(),
            cluster_configs: cluster_cache(ClusterConfig::gvk()),
            warehouses: context.cache_of::<Warehouse>(),
            freight: context.cache_of::<Freight>(),
            stages: context.cache_of::<Stage>(),
            promotions: context.cache_of::<Promotion>(),
            tasks: context.cache_of::<PromotionTask>(),
            cluster_tasks: cluster_cache(ClusterPromotionTask::gvk()),
            applications,
            runs,
            templates,
            waits: Waits::default(),
            context,
            settings,
            workspace,
            registry,
            subscribers,
            credentials,
        };
        let mut all = vec![
            &shared.project_configs,
            &shared.cluster_configs,
            &shared.warehouses,
            &shared.freight,
            &shared.stages,
            &shared.promotions,
            &shared.tasks,
            &shared.cluster_tasks,
            &secrets,
        ];
        all.extend(shared.applications.iter().chain(&shared.runs).chain(shared.templates.iter().flatten()));
        let synced = futures::future::join_all(all.into_iter().map(|it| it.synced()));
        tokio::select! {
            () = shared.context.shutdown().cancelled() => {}
            _ = synced => {}
        }
        shared
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.now()
    }

    /// Whether this controller looks after an object with this shard.
    pub(super) fn is_mine(&self, shard: &str) -> bool {
        self.settings.shard.as_deref().unwrap_or_default() == shard
    }

    /// `controller:<name>`, with the shard behind it.
    pub(super) fn actor(&self, name: &str) -> String {
        match &self.settings.shard {
            Some(shard) => format!("controller:{name}-{shard}"),
            None => format!("controller:{name}"),
        }
    }

    pub(super) fn tasks(&self, project: &str) -> Tasks {
        Tasks::new(decoded(&self.tasks, project), decoded_all(&self.cluster_tasks))
    }

    pub(super) fn warehouses(&self, project: &str) -> Vec<Warehouse> {
        decoded(&self.warehouses, project)
    }

    pub(super) fn freight(&self, project: &str) -> Vec<Freight> {
        decoded(&self.freight, project)
    }

    pub(super) fn stage(&self, project: &str, name: &str) -> Option<Stage> {
        self.stages.get(&ObjectKey::new(Some(project), name))?.decode().ok()
    }

    pub(super) fn applications(&self) -> Option<BTreeMap<(String, String), Object>> {
        let cache = self.applications.as_ref()?;
        let entry = |it: Arc<Object>| {
            let key = (it.namespace().unwrap_or_default().to_owned(), it.name().to_owned());
            // Only those that some Stage may change are of interest.
            it.annotation(names::ANNOTATION_AUTHORIZED_STAGE)?;
            Some((key, (*it).clone()))
        };
        Some(cache.list().into_iter().filter_map(entry).collect())
    }

    pub(super) fn runs(&self, project: &str) -> Option<Vec<Object>> {
        let cache = self.runs.as_ref()?;
        Some(cache.in_namespace(project).iter().map(|it| (**it).clone()).collect())
    }

    pub(super) fn templates(&self, project: &str) -> Vec<Object> {
        let Some([own, cluster]) = &self.templates else { return Vec::new() };
        own.in_namespace(project).into_iter().chain(cluster.list()).map(|it| (*it).clone()).collect()
    }

    /// Who commits when nobody is named.
    pub(super) fn author(&self) -> Author {
        let config = self.cluster_configs.get(&ObjectKey::new(None, names::CLUSTER_CONFIG));
        let client = config.and_then(|it| it.decode::<ClusterConfig>().ok()).and_then(|it| it.spec.git_client);
        let or = |text: Option<String>, default: &str| {
            text.filter(|it| !it.is_empty()).unwrap_or_else(|| default.to_owned())
        };
        let (name, email) = client.map_or((None, None), |it| (Some(it.name), Some(it.email)));
        Author { name: or(name, "Kargo"), email: or(email, "no-reply@kargo.io") }
    }

    /// Reads what expressions ask for.
    pub(super) async fn load(
        &self,
        project: &str,
        needs: impl IntoIterator<Item = Need>,
        data: &mut Data,
    ) -> Result<(), argo_core::runtime::api::ReadError> {
        for need in needs {
            let place = |shared: bool| if shared { self.settings.shared_namespace.as_str() } else { project };
            let target = match &need {
                Need::Secret { name, shared } => {
                    ObjectRef::new(Gvk::new("", "v1", "Secret"), Some(place(*shared)), name)
                }
                Need::ConfigMap { name, shared } => {
                    ObjectRef::new(Gvk::new("", "v1", "ConfigMap"), Some(place(*shared)), name)
                }
                Need::Freight(name) => ObjectRef::new(Freight::gvk(), Some(project), name),
                Need::Stage(name) => ObjectRef::new(Stage::gvk(), Some(project), name),
            };
            let found = self.context.get(&target).await?;
            data.insert(need, found);
        }
        Ok(())
    }
}

/// The objects of a namespace that decode; others show their own trouble and stop nobody.
pub(super) fn decoded<T: DeserializeOwned>(cache: &Cache, namespace: &str) -> Vec<T> {
    cache.in_namespace(namespace).iter().filter_map(|it| it.decode().ok()).collect()
}

fn decoded_all<T: DeserializeOwned>(cache: &Cache) -> Vec<T> {
    cache.list().iter().filter_map(|it| it.decode().ok()).collect()
}

/// The cluster as steps see it.
#[derive(Debug)]
pub(super) struct ContextCluster<'a> {
    pub(super) context: &'a Context,
    pub(super) controller: &'static str,
    pub(super) key: &'a ObjectKey,
    pub(super) applications: bool,
}

impl ContextCluster<'_> {
    fn check(&self, gvk: &Gvk) -> Result<(), StepError> {
        if *gvk == argocd::application() && !self.applications {
            return Err(StepError::terminal(
                "Argo CD integration is disabled on this controller; cannot update Argo CD Application resources",
            ));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl StepCluster for ContextCluster<'_> {
    async fn get(&self, target: &ObjectRef) -> Result<Option<Object>, StepError> {
        self.check(&target.gvk)?;
        self.context.get(target).await.map_err(|it| StepError::from_failure(&it))
    }

    async fn list(&self, gvk: &Gvk, namespace: &str) -> Result<Vec<Object>, StepError> {
        self.check(gvk)?;
        self.context.list(gvk, Some(namespace), None).await.map_err(|it| StepError::from_failure(&it))
    }

    async fn apply(&self, change: &Change) -> Result<Option<Object>, ApplyError> {
        self.context.apply(self.controller, self.key, change).await
    }

    async fn note(&self, regarding: &Object, note: &Note) {
        self.context.note(regarding, note).await;
    }
}

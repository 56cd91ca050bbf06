//! How pods are made.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::executor::process::Image;

/// `failedPodRestart.maxRestarts` where it is not said.
const MAX_RESTARTS: u32 = 3;

/// How pods are made. `Default` is what upstream's controller does without any configuration.
#[derive(Debug, Clone)]
pub struct PodConfig {
    /// Image with the executor in it, as the program `argoexec`. Default `quay.io/argoproj/argoexec:latest`.
    pub executor_image: String,
    /// When it is pulled. Default as Kubernetes decides.
    pub executor_image_pull_policy: Option<String>,
    /// Log level of the executor. Default `info`.
    pub log_level: String,
    /// Fields of the executor's containers: `resources`, `securityContext`, `env`, `args`.
    pub executor: Value,
    /// Merged under every main container.
    pub main_container: Value,
    /// Entrypoints of images, for containers without a command.
    pub images: BTreeMap<String, Image>,
    /// Label value of everything that belongs to this controller.
    pub instance_id: Option<String>,
    /// Where artifacts go that do not say it themselves, where no ConfigMap of the namespace says it.
    pub repository: Option<ArtifactRepository>,
    /// How long a finished pod stays where a strategy deletes it. Default 5 s.
    pub gc_delay: Duration,
    /// Whether somebody else makes the agents' pods. Default false.
    pub disable_agent: bool,
    /// How often an agent may report results; ours reports at once. Default 1 s, which upstream's takes.
    pub agent_patch: Duration,
    /// Whether ConfigMaps labelled as executor plugins are looked for. Default false.
    pub executor_plugins: bool,
    /// Whether workflows may bring plugins along. Default false.
    pub workflow_plugins: bool,
    /// Namespace of the controller, whose plugins every workflow may use. Default none.
    pub namespace: Option<String>,
    /// Label of machines by which further attempts keep away from those of earlier ones; upstream's
    /// `RETRY_HOST_NAME_LABEL_KEY`. Default `kubernetes.io/hostname`.
    pub retry_host_label: String,
    /// How often a pod may be made again that failed before its work began, for a reason outside of it
    /// (`Evicted`, `NodeShutdown`, `NodeAffinity`, `UnexpectedAdmissionError`). Default none: such a step has failed.
    pub restarts: Option<u32>,
    /// How often the executor reports progress. Default 1 min.
    pub progress_patch: Duration,
    /// How often the executor reads progress. Default 3 s.
    pub progress_read: Duration,
}

impl Default for PodConfig {
    fn default() -> Self {
        Self {
            executor_image: "quay.io/argoproj/argoexec:latest".to_owned(),
            executor_image_pull_policy: None,
            log_level: "info".to_owned(),
            executor: Value::Null,
            main_container: Value::Null,
            images: BTreeMap::new(),
            instance_id: None,
            repository: None,
            gc_delay: Duration::from_secs(5),
            disable_agent: false,
            agent_patch: Duration::from_secs(1),
            executor_plugins: false,
            workflow_plugins: false,
            namespace: None,
            retry_host_label: "kubernetes.io/hostname".to_owned(),
            restarts: None,
            progress_patch: Duration::from_secs(60),
            progress_read: Duration::from_secs(3),
        }
    }
}

impl From<&crate::config::Config> for PodConfig {
    /// What the controller's ConfigMap says of pods; the image is chosen by a flag.
    fn from(config: &crate::config::Config) -> Self {
        let value = |it: &Option<Value>| it.clone().unwrap_or(Value::Null);
        let mut executor = value(&config.executor);
        let policy = executor.as_object_mut().and_then(|it| it.remove("imagePullPolicy"));
        let default = Self::default();
        let delay = config.pod_gc_delete_delay_duration.as_deref();
        let delay = delay.and_then(|it| argo_lang::duration::parse_or_seconds(it).ok()?.try_into().ok());
        let images = config.images.iter().map(|(name, it)| {
            let image = Image { entrypoint: it.entrypoint.clone(), cmd: it.cmd.clone(), ..Image::default() };
            (name.clone(), image)
        });
        Self {
            executor_image_pull_policy: policy.as_ref().and_then(Value::as_str).map(str::to_owned),
            executor,
            main_container: value(&config.main_container),
            images: images.collect(),
            instance_id: config.instance_id.clone(),
            repository: config.artifact_repository.as_ref().and_then(ArtifactRepository::read),
            restarts: config
                .failed_pod_restart
                .filter(|it| it.enabled)
                .map(|it| it.max_restarts.unwrap_or(MAX_RESTARTS)),
            gc_delay: delay.unwrap_or(default.gc_delay),
            disable_agent: config.disable_agent_pod_creation,
            ..default
        }
    }
}

/// Where artifacts go that do not say it themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct ArtifactRepository {
    /// The location with its credentials, without a key: `{"s3": {"bucket": …, "endpoint": …}}`.
    pub location: Value,
    /// First part of keys; tags in it are replaced. Default `{{workflow.name}}/{{pod.name}}`.
    pub key_format: String,
    /// Whether the output of containers becomes an artifact.
    pub archive_logs: bool,
}

/// Upstream's keys.
const KEY_FORMAT: &str = "{{workflow.name}}/{{pod.name}}";

impl ArtifactRepository {
    /// Reads a repository as ConfigMaps hold it: `archiveLogs` and one location with `keyFormat`
    /// (`blobNameFormat` for Azure, `keyFormat` of GCS and OSS, `pathFormat` of HDFS, `repoURL` and
    /// `keyFormat` of Artifactory).
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let (kind, location) = crate::api::LOCATIONS.iter().find_map(|it| Some((*it, value.get(*it)?)))?;
        let mut location = location.as_object()?.clone();
        let format = match kind {
            "azure" => "blobNameFormat",
            "hdfs" => "pathFormat",
            _ => "keyFormat",
        };
        let prefix = match location.remove("keyPrefix").as_ref().and_then(Value::as_str) {
            Some(prefix) if !prefix.is_empty() => format!("{prefix}/{KEY_FORMAT}"),
            _ => KEY_FORMAT.to_owned(),
        };
        let given = location.remove(format).and_then(|it| it.as_str().map(str::to_owned));
        let mut key_format = given.filter(|it| !it.is_empty()).unwrap_or(prefix);
        if let (true, Some(url)) = (kind == "artifactory", location.remove("repoURL")) {
            key_format = format!("{}/{key_format}", url.as_str().unwrap_or_default().trim_end_matches('/'));
        }
        let archive_logs = value.get("archiveLogs") == Some(&Value::Bool(true));
        Some(Self { location: serde_json::json!({ kind: location }), key_format, archive_logs })
    }
}

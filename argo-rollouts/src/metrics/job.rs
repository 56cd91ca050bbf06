//! Kubernetes Jobs: one that completes is good, one that fails is bad.

use std::{collections::BTreeMap, time::Duration};

use argo_core::{
    Category, Change, Failure, Gvk, Object, ObjectRef, Propagation, Resource, Time, runtime::Context, time,
};
use serde_json::{Value, json};

use super::{MetricProvider, MetricRequest};
use crate::api::{AnalysisPhase, AnalysisRun, Measurement};

/// Metadata of a measurement: the Job.
const JOB_NAME: &str = "job-name";
/// Metadata of a measurement: the Job's namespace.
const JOB_NAMESPACE: &str = "job-namespace";
/// Label of the Job and its pods: the run.
const RUN_UID: &str = "analysisrun.argoproj.io/uid";
/// Annotations of the Job.
const RUN_NAME: &str = "analysisrun.argoproj.io/name";
const RUN_NAMESPACE: &str = "analysisrun.argoproj.io/namespace";
const METRIC_NAME: &str = "analysisrun.argoproj.io/metric-name";
/// Longest name of a Job: its pods carry it as a label.
const NAME_LIMIT: usize = 63;
/// How soon a Job is looked after at the earliest.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// Why a container waits that will not start by itself.
const HOPELESS: [&str; 3] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"];

/// Runs a Job for every measurement.
///
/// Its name says which measurement it is for, so one that was begun before a crash is found again.
/// It is looked after in growing intervals, the square root of twice its age in seconds.
#[derive(Debug)]
pub struct Job {
    context: Context,
    namespace: Option<String>,
    /// Jobs run elsewhere than their runs: no owner can be named there.
    elsewhere: bool,
}

impl Job {
    /// Runs Jobs beside their runs.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, namespace: None, elsewhere: false }
    }

    /// Runs Jobs on another cluster than their runs.
    #[must_use]
    pub fn on_another_cluster(context: Context) -> Self {
        Self { context, namespace: None, elsewhere: true }
    }

    /// Runs all Jobs in one namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    async fn begin(&self, request: &MetricRequest<'_>) -> Result<Measurement, String> {
        let job = self.object(request)?;
        let (name, namespace) = (job.name().to_owned(), job.namespace().unwrap_or_default().to_owned());
        let uid = request.run.metadata.uid.clone().unwrap_or_default();
        if let Err(error) = self.context.applier().apply(&Change::create(job.clone())).await {
            let begun_before = error.category() == Category::AlreadyExists
                && self.get(&namespace, &name).await?.is_some_and(|it| it.label(RUN_UID) == Some(&uid));
            if !begun_before {
                return Err(error.message);
            }
        }
        Ok(Measurement {
            phase: AnalysisPhase::Running,
            started_at: Some(request.now.into()),
            resume_at: Some(time::after(request.now, SHORTEST_WAIT).into()),
            metadata: [(JOB_NAME.to_owned(), name), (JOB_NAMESPACE.to_owned(), namespace)].into(),
            ..Default::default()
        })
    }

    fn object(&self, request: &MetricRequest<'_>) -> Result<Object, String> {
        let (run, metric) = (&request.run.metadata, &request.metric.name);
        let own = run.namespace.as_deref().unwrap_or_default();
        let namespace = self.namespace.as_deref().unwrap_or(own);
        let uid = run.uid.as_deref().unwrap_or_default();
        let name = job_name(uid, metric, number(request.run, metric));
        let mut job = Object::new(&gvk(), Some(namespace), &name);
        for field in ["labels", "annotations"] {
            for (key, value) in texts(request.settings.pointer(&format!("/metadata/{field}"))) {
                job.set(&["metadata", field, key], value);
            }
        }
        job.set_label(RUN_UID, uid);
        job.set_annotation(RUN_NAME, run.name.as_deref().unwrap_or_default());
        job.set_annotation(RUN_NAMESPACE, own);
        job.set_annotation(METRIC_NAME, &**metric);
        if namespace == own && !self.elsewhere {
            let owner = json!({"apiVersion": AnalysisRun::gvk().api_version(), "kind": AnalysisRun::KIND,
                "name": run.name, "uid": uid, "controller": true, "blockOwnerDeletion": true});
            job.set(&["metadata", "ownerReferences"], json!([owner]));
        }
        let spec = request.settings.get("spec").filter(|it| it.is_object());
        let mut spec = spec.cloned().ok_or("the job has no spec")?;
        if !spec["template"].is_object() {
            return Err("the job's spec has no template".to_owned());
        }
        let template = &mut spec["template"];
        if !template["metadata"].is_object() {
            template["metadata"] = json!({});
        }
        if !template["metadata"]["labels"].is_object() {
            template["metadata"]["labels"] = json!({});
        }
        template["metadata"]["labels"][RUN_UID] = json!(uid);
        job.set(&["spec"], spec);
        Ok(job)
    }

    async fn look(&self, request: &MetricRequest<'_>, measurement: &Measurement) -> Result<Measurement, String> {
        let (namespace, name) = located(request, measurement)?;
        let job = self.get(&namespace, &name).await?;
        let job = job.ok_or_else(|| format!("jobs.batch \"{name}\" not found"))?;
        let mut next = measurement.clone();
        let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten().filter(|it| it["status"] != "False") {
            match condition["type"].as_str() {
                Some("Complete") => next.phase = AnalysisPhase::Successful,
                Some("Failed") => next.phase = AnalysisPhase::Failed,
                _ => {}
            }
        }
        if !next.phase.is_complete()
            && let Some(why) = self.hopeless(&namespace, job.uid(), request).await?
        {
            next.phase = AnalysisPhase::Inconclusive;
            next.message = why;
        }
        if next.phase.is_complete() {
            next.finished_at = Some(request.now.into());
        } else {
            let begun = measurement.started_at.map_or(request.now, Time::timestamp);
            let age = time::between(begun, request.now).as_secs_f64();
            let delay = Duration::from_secs_f64((2.0 * age).sqrt());
            next.resume_at = Some(time::after(request.now, delay.max(SHORTEST_WAIT)).into());
        }
        Ok(next)
    }

    /// A container of the Job that will never start, and why.
    async fn hopeless(
        &self,
        namespace: &str,
        job: &str,
        request: &MetricRequest<'_>,
    ) -> Result<Option<String>, String> {
        let uid = request.run.metadata.uid.as_deref().unwrap_or_default();
        let label = format!("{RUN_UID}={uid}");
        let pods = self.context.list(&Gvk::new("", "v1", "Pod"), Some(namespace), Some(&label)).await;
        let pods = pods.map_err(|it| it.to_string())?;
        for pod in pods.iter().filter(|it| it.is_controlled_by(job)) {
            for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
                for container in pod.pointer(list).and_then(Value::as_array).into_iter().flatten() {
                    let waiting = &container["state"]["waiting"];
                    let reason = waiting["reason"].as_str().unwrap_or_default();
                    if HOPELESS.contains(&reason) {
                        return Ok(Some(format!(
                            "Pod {}, container {} has terminal error ({reason}): {}",
                            pod.name(),
                            container["name"].as_str().unwrap_or_default(),
                            waiting["message"].as_str().unwrap_or_default()
                        )));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<Object>, String> {
        let target = ObjectRef::new(gvk(), Some(namespace), name);
        self.context.get(&target).await.map_err(|it| it.to_string())
    }

    async fn delete(&self, namespace: &str, name: &str) -> Result<(), String> {
        let job = Object::new(&gvk(), Some(namespace), name);
        match self.context.applier().apply(&Change::delete_with(&job, Propagation::Foreground)).await {
            Err(error) if error.category() != Category::NotFound => Err(error.message),
            _ => Ok(()),
        }
    }
}

fn gvk() -> Gvk {
    Gvk::new("batch", "v1", "Job")
}

fn texts(map: Option<&Value>) -> impl Iterator<Item = (&str, &str)> {
    let map = map.and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

/// Which measurement of the metric comes next; from 1.
fn number(run: &AnalysisRun, metric: &str) -> i64 {
    run.status.result(metric).map_or(1, |it| it.count + it.error + 1)
}

/// `<uid>.<metric>.<number>`, with as much of the metric's name as fits.
fn job_name(uid: &str, metric: &str, number: i64) -> String {
    let number = number.to_string();
    let room = NAME_LIMIT.saturating_sub(uid.len() + number.len() + 2);
    let metric: String = metric
        .chars()
        .scan(0, |used, it| {
            *used += it.len_utf8();
            (*used <= room).then_some(it)
        })
        .collect();
    format!("{uid}.{metric}.{number}")
}

/// Where the Job of a measurement is.
fn located(request: &MetricRequest<'_>, measurement: &Measurement) -> Result<(String, String), String> {
    let metadata: &BTreeMap<String, String> = &measurement.metadata;
    let name = metadata.get(JOB_NAME).filter(|it| !it.is_empty()).ok_or("job metadata reference missing")?;
    let own = || request.run.metadata.namespace.clone().unwrap_or_default();
    let namespace = metadata.get(JOB_NAMESPACE).filter(|it| !it.is_empty()).cloned().unwrap_or_else(own);
    Ok((namespace, name.clone()))
}

#[async_trait::async_trait]
impl MetricProvider for Job {
    async fn run(&self, request: &MetricRequest<'_>) -> Measurement {
        self.begin(request).await.unwrap_or_else(|message| request.error(message))
    }

    async fn resume(&self, request: &MetricRequest<'_>, measurement: &Measurement) -> Measurement {
        match self.look(request, measurement).await {
            Ok(next) => next,
            Err(message) => Measurement { phase: AnalysisPhase::Error, message, ..measurement.clone() },
        }
    }

    async fn terminate(&self, request: &MetricRequest<'_>, measurement: &Measurement) -> Measurement {
        let ended = match located(request, measurement) {
            Ok((namespace, name)) => self.delete(&namespace, &name).await,
            Err(message) => Err(message),
        };
        match ended {
            Ok(()) => Measurement { phase: AnalysisPhase::Inconclusive, ..measurement.clone() },
            Err(message) => Measurement { phase: AnalysisPhase::Error, message, ..measurement.clone() },
        }
    }

    async fn garbage_collect(&self, request: &MetricRequest<'_>, kept: usize) {
        let run = &request.run.metadata;
        let label = format!("{RUN_UID}={}", run.uid.as_deref().unwrap_or_default());
        let namespace = self.namespace.as_deref().or(run.namespace.as_deref());
        let Ok(mut jobs) = self.context.list(&gvk(), namespace, Some(&label)).await else { return };
        jobs.retain(|it| it.annotation(METRIC_NAME) == Some(&request.metric.name) && !it.is_deleting());
        jobs.sort_by_cached_key(|it| (it.created_at(), it.name().to_owned()));
        let surplus = jobs.len().saturating_sub(kept);
        for job in &jobs[..surplus] {
            if let Err(message) = self.delete(job.namespace().unwrap_or_default(), job.name()).await {
                tracing::debug!(job = job.name(), message, "an old job stays for now");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_a_label() {
        let uid = "2bd5b8a0-1f0b-4b7c-9d8e-0123456789ab";
        assert_eq!(job_name(uid, "errors", 3), format!("{uid}.errors.3"));
        let long = job_name(uid, &"m".repeat(80), 12);
        assert_eq!(long.len(), NAME_LIMIT);
        assert!(long.starts_with(uid) && long.ends_with("m.12"));
    }
}

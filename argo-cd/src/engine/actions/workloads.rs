//! Workloads of Kubernetes: restart, pause, scale, suspend, terminate, run now.

use serde_json::{Map, Value, json};

use super::{
    ActionError, ActionInfo, Discovered, Look,
    builtin::{Entry, Run},
    edit::{Call, dense, number, owner, put, remove},
};

const RESTART: Run = Run::Edit(restart);
const SUSPEND: Run = Run::Edit(suspend);
const RESUME: Run = Run::Edit(resume);

pub(super) const KINDS: &[Entry] = &[
    ("apps", "DaemonSet", |_| Ok(vec![restart_info()]), &[("restart", RESTART)]),
    (
        "apps",
        "Deployment",
        deployment,
        &[
            ("pause", Run::Edit(pause)),
            ("restart", RESTART),
            ("resume", Run::Edit(unpause)),
            ("scale", Run::Edit(scale)),
        ],
    ),
    (
        "apps",
        "StatefulSet",
        |_| Ok(vec![restart_info(), scale_info()]),
        &[("restart", RESTART), ("scale", Run::Edit(scale))],
    ),
    (
        "batch",
        "CronJob",
        cron_job,
        &[("create-job", Run::Create(create_job)), ("resume", RESUME), ("suspend", SUSPEND)],
    ),
    ("batch", "Job", job, &[("resume", RESUME), ("suspend", SUSPEND), ("terminate", Run::Edit(terminate))]),
];

fn restart_info() -> ActionInfo {
    ActionInfo::new("restart").icon("fa fa-fw fa-redo")
}

fn scale_info() -> ActionInfo {
    ActionInfo::new("scale").icon("fa fa-fw fa-plus-circle").asks("replicas")
}

fn deployment(object: Look<'_>) -> Discovered {
    let paused = object.get("spec").at("paused")?.truthy();
    Ok(vec![
        restart_info(),
        ActionInfo::new("pause").icon("fa fa-fw fa-pause-circle").disabled(paused),
        ActionInfo::new("resume").icon("fa fa-fw fa-play-circle").disabled(!paused),
        scale_info(),
    ])
}

fn restart(object: &mut Value, call: &Call<'_>) -> Result<(), ActionError> {
    let path = ["spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"];
    put(object, 2, &path, call.time().into())
}

pub(super) fn pause(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    put(object, 1, &["spec", "paused"], true.into())
}

fn unpause(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    remove(object, 1, &["spec", "paused"])
}

fn scale(object: &mut Value, call: &Call<'_>) -> Result<(), ActionError> {
    let text = call.param("replicas")?;
    let replicas = number(text).ok_or_else(|| ActionError::Failed(format!("invalid number: {text}")))?;
    put(object, 1, &["spec", "replicas"], replicas)
}

pub(super) fn suspend(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    put(object, 1, &["spec", "suspend"], true.into())
}

/// What is not suspended stays as it is.
pub(super) fn resume(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    if Look::new(object).get("spec").at("suspend")?.truthy() {
        put(object, 1, &["spec", "suspend"], false.into())?;
    }
    Ok(())
}

fn cron_job(object: Look<'_>) -> Discovered {
    let toggle = if object.get("spec").at("suspend")?.truthy() {
        ActionInfo::new("resume").icon("fa fa-fw fa-play")
    } else {
        ActionInfo::new("suspend").icon("fa fa-fw fa-pause")
    };
    Ok(vec![ActionInfo::new("create-job").icon("fa fa-fw fa-plus").shown("Create Job"), toggle])
}

fn create_job(object: &Value, call: &Call<'_>) -> Result<Value, ActionError> {
    let template = Look::new(object).get("spec").at("jobTemplate")?;
    template.at("metadata")?;
    let metadata = dense(object.pointer("/spec/jobTemplate/metadata")).unwrap_or_else(|| Value::Object(Map::new()));
    let name = Look::new(object).path("metadata.name").text()?;
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata});
    put(&mut job, 1, &["metadata", "name"], format!("{name}-{}", call.date("0601021504")).into())?;
    if let Some(namespace) = object.pointer("/metadata/namespace") {
        put(&mut job, 1, &["metadata", "namespace"], namespace.clone())?;
    }
    put(&mut job, 1, &["metadata", "annotations", "cronjob.kubernetes.io/instantiate"], "manual".into())?;
    let mut owner = owner(object);
    put(&mut owner, 0, &["blockOwnerDeletion"], true.into())?;
    put(&mut owner, 0, &["controller"], true.into())?;
    put(&mut job, 1, &["metadata", "ownerReferences"], json!([owner]))?;
    if let Some(spec) = dense(object.pointer("/spec/jobTemplate/spec")) {
        put(&mut job, 0, &["spec"], spec)?;
    }
    Ok(job)
}

fn is_over(object: Look<'_>) -> bool {
    let ends = ["Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"];
    object.conditions().any(|it| it.get("type").is_one(&ends) && it.get("status").is("True"))
}

fn job(object: Look<'_>) -> Discovered {
    if is_over(object) {
        return Ok(Vec::new());
    }
    let mut actions = vec![if object.get("spec").at("suspend")?.truthy() {
        ActionInfo::new("resume").icon("fa fa-fw fa-play")
    } else {
        ActionInfo::new("suspend").icon("fa fa-fw fa-pause")
    }];
    if object.get("status").present() {
        actions.push(ActionInfo::new("terminate").icon("fa fa-fw fa-stop"));
    }
    Ok(actions)
}

/// A job without a status has nothing to end yet.
fn terminate(object: &mut Value, call: &Call<'_>) -> Result<(), ActionError> {
    let look = Look::new(object);
    if look.get("status").absent() || is_over(look) {
        return Ok(());
    }
    let condition = json!({"lastTransitionTime": call.time(), "message": "Job was terminated explicitly through Argo CD",
        "reason": "ManuallyTerminated", "status": "True", "type": "FailureTarget"});
    match object.pointer_mut("/status/conditions") {
        Some(Value::Array(conditions)) => conditions.push(condition),
        _ => put(object, 1, &["status", "conditions"], json!([condition]))?,
    }
    Ok(())
}

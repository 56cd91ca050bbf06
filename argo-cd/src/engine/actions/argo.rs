//! Rollouts, AnalysisRuns, Applications, workflows from templates, pull requests of the promoter.

use serde_json::{Map, Value, json};

use super::{
    ActionError, ActionInfo, Discovered, Look,
    builtin::{Entry, Run},
    edit::{Call, dense, owner, put, remove},
    workloads,
};

pub(super) const KINDS: &[Entry] = &[
    (
        "argoproj.io",
        "AnalysisRun",
        analysis_run,
        &[("terminate", Run::Edit(|it, _| put(it, 1, &["spec", "terminate"], true.into())))],
    ),
    ("argoproj.io", "Application", application, &[("toggle-auto-sync", Run::Edit(toggle_auto_sync))]),
    ("argoproj.io", "CronWorkflow", creates_workflows, &[("create-workflow", Run::Create(from_cron))]),
    ("argoproj.io", "WorkflowTemplate", creates_workflows, &[("create-workflow", Run::Create(from_template))]),
    (
        "argoproj.io",
        "Rollout",
        rollout,
        &[
            ("abort", Run::Edit(|it, _| put(it, 1, &["status", "abort"], true.into()))),
            ("pause", Run::Edit(workloads::pause)),
            ("promote-full", Run::Edit(promote)),
            ("restart", Run::Edit(|it, call| put(it, 1, &["spec", "restartAt"], call.time().into()))),
            ("resume", Run::Edit(resume)),
            ("retry", Run::Edit(|it, _| remove(it, 1, &["status", "abort"]))),
            ("skip-current-step", Run::Edit(skip)),
        ],
    ),
    (
        "promoter.argoproj.io",
        "PullRequest",
        |object| {
            let open = object.get("spec").at("state")?.is("open");
            Ok(vec![ActionInfo::new("merge").icon("fa fa-fw fa-code-merge").disabled(!open).shown("Merge PR")])
        },
        &[("merge", Run::Edit(|it, _| put(it, 1, &["spec", "state"], "merged".into())))],
    ),
];

fn analysis_run(object: Look<'_>) -> Discovered {
    let asked = object.get("spec").at("terminate")?.truthy();
    let ended = || -> Result<bool, super::Unjudged> {
        let phase = object.get("status").at("phase")?;
        Ok(phase.is_one(&["Successful", "Failed", "Error", "Inconclusive"]))
    };
    Ok(vec![ActionInfo::new("terminate").disabled(asked || ended()?)])
}

fn is_automated(object: Look<'_>) -> bool {
    let automated = object.path("spec.syncPolicy.automated");
    let enabled = automated.get("enabled");
    automated.present() && (enabled.absent() || enabled.is_bool(true))
}

fn application(object: Look<'_>) -> Discovered {
    let name = if is_automated(object) { "Disable Auto-Sync" } else { "Enable Auto-Sync" };
    Ok(vec![ActionInfo::new("toggle-auto-sync").shown(name)])
}

fn toggle_auto_sync(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    let enabled = !is_automated(Look::new(object));
    put(object, 0, &["spec", "syncPolicy", "automated", "enabled"], enabled.into())
}

fn creates_workflows(_: Look<'_>) -> Discovered {
    Ok(vec![ActionInfo::new("create-workflow").icon("fa fa-fw fa-plus").shown("Create Workflow")])
}

/// A Workflow named by the minute.
fn workflow(object: &Value, call: &Call<'_>) -> Result<Value, ActionError> {
    let name = Look::new(object).path("metadata.name").text()?;
    let name = format!("{name}-{}", call.date("200601021504"));
    let mut made = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": name, "labels": {}, "ownerReferences": [owner(object)]}});
    if let Some(namespace) = object.pointer("/metadata/namespace") {
        put(&mut made, 1, &["metadata", "namespace"], namespace.clone())?;
    }
    Ok(made)
}

fn from_template(object: &Value, call: &Call<'_>) -> Result<Value, ActionError> {
    let mut made = workflow(object, call)?;
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    put(&mut made, 1, &["metadata", "labels", "workflows.argoproj.io/workflow-template"], name.clone())?;
    put(&mut made, 0, &["spec", "workflowTemplateRef", "name"], name)?;
    Ok(made)
}

fn from_cron(object: &Value, call: &Call<'_>) -> Result<Value, ActionError> {
    let mut made = workflow(object, call)?;
    Look::new(object).get("spec").at("workflowMetadata")?;
    let copied = |field: &str| {
        dense(object.pointer(&format!("/spec/workflowMetadata/{field}"))).unwrap_or_else(|| Value::Object(Map::new()))
    };
    for field in ["labels", "annotations"] {
        put(&mut made, 1, &["metadata", field], copied(field))?;
    }
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    put(&mut made, 1, &["metadata", "labels", "workflows.argoproj.io/cron-workflow"], name)?;
    let instance = "workflows.argoproj.io/controller-instanceid";
    if let Some(id) = object.pointer("/metadata/labels").and_then(|it| it.get(instance)) {
        put(&mut made, 1, &["metadata", "labels", instance], id.clone())?;
    }
    // upstream writes the day where the hour belongs
    let scheduled = call.date("2006-01-02T02:15:04Z");
    put(&mut made, 1, &["metadata", "annotations", "workflows.argoproj.io/scheduled-time"], scheduled.into())?;
    let finalizers = object.pointer("/spec/workflowMetadata/finalizers").cloned().unwrap_or_else(|| json!([]));
    put(&mut made, 0, &["finalizers"], finalizers)?;
    if let Some(spec) = dense(object.pointer("/spec/workflowSpec")) {
        put(&mut made, 0, &["spec"], spec)?;
    }
    Ok(made)
}

/// Controllers before 1.0 observed a hash, and later generations.
fn is_old(object: Look<'_>) -> Result<bool, super::Unjudged> {
    let observed = object.path("status.observedGeneration");
    match observed.float().or_else(|| observed.str()?.trim().parse().ok()) {
        None => Ok(true),
        Some(observed) => Ok(observed > object.get("metadata").at("generation")?.number()?),
    }
}

fn rollout(object: Look<'_>) -> Discovered {
    let (spec, status) = (object.get("spec"), object.get("status"));
    let pauses = status.get("pauseConditions");
    let paused = if pauses.present() { pauses.length() > 0 } else { spec.at("paused")?.truthy() };
    let promoted = status.at("currentPodHash")?.same(status.get("stableRS"));
    let aborted = status.get("abort").truthy();
    let mut no_promotion = true;
    if !promoted {
        no_promotion = is_old(object)? && spec.get("strategy").at("blueGreen")?.present();
    }
    let steps = spec.at("strategy")?.at("canary")?.get("steps");
    let last = |steps: Look<'_>| status.get("currentStepIndex").is_number(steps.length() as f64);
    let pause = promoted || aborted || spec.get("paused").truthy();
    Ok(vec![
        ActionInfo::new("restart").shown("Restart Pods"),
        ActionInfo::new("resume").disabled(!paused),
        ActionInfo::new("abort").disabled(promoted || aborted),
        ActionInfo::new("retry").disabled(promoted || !aborted),
        ActionInfo::new("pause").disabled(pause),
        ActionInfo::new("promote-full").disabled(no_promotion),
        ActionInfo::new("skip-current-step").disabled(steps.absent() || last(steps)),
    ])
}

fn promote(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    let look = Look::new(object);
    if look.get("status").absent() {
        return Ok(());
    }
    if !is_old(look)? {
        return put(object, 1, &["status", "promoteFull"], true.into());
    }
    let steps = look.get("spec").at("strategy")?.get("canary").at("steps")?;
    let last = steps.present().then(|| steps.length());
    remove(object, 1, &["status", "abort"])?;
    match last {
        Some(last) => put(object, 1, &["status", "currentStepIndex"], last.into()),
        None => Ok(()),
    }
}

fn resume(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    let look = Look::new(object);
    let waits = look.get("status").at("pauseConditions")?.length() > 0;
    let paused = look.get("spec").at("paused")?.truthy();
    if waits {
        remove(object, 1, &["status", "pauseConditions"])?;
    }
    if paused {
        put(object, 1, &["spec", "paused"], false.into())?;
    }
    Ok(())
}

fn skip(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    let look = Look::new(object);
    if look.get("status").absent() {
        return Ok(());
    }
    let steps = look.get("spec").at("strategy")?.at("canary")?.get("steps");
    if steps.absent() {
        return Ok(());
    }
    let at = look.path("status.currentStepIndex").number()?;
    if at < steps.length() as f64 {
        if look.path("status.pauseConditions").length() > 0 {
            remove(object, 1, &["status", "pauseConditions"])?;
        }
        let next = argo_lang::gofloat::json_number(at + 1.0).map_or(Value::Null, Value::Number);
        put(object, 1, &["status", "currentStepIndex"], next)?;
    }
    Ok(())
}

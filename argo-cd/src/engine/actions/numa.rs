//! Numaflow and Numaplane: pause, resume slowly or fast, force a promotion, allow the loss of data.

use serde_json::Value;

use super::{
    ActionError, ActionInfo, Discovered, Look,
    builtin::{Entry, Run},
    edit::{Call, annotate, put},
};

const GROUP: &str = "numaflow.numaproj.io";
const PLANE: &str = "numaplane.numaproj.io";
const FORCE: &str = "numaplane.numaproj.io/force-promote";
const UPGRADE: &str = "numaplane.numaproj.io/upgrade-state";
const LOSS: &str = "numaplane.numaproj.io/allow-data-loss";
const FORCE_PROMOTE: Run = Run::Edit(|it, _| put(it, 1, &["metadata", "labels", FORCE], "true".into()));

pub(super) const KINDS: &[Entry] = &[
    (GROUP, "InterStepBufferService", |object| Ok(vec![force_promote(object)?]), &[("force-promote", FORCE_PROMOTE)]),
    (
        GROUP,
        "MonoVertex",
        |object| {
            let mut actions = pauses(object.get("spec"), object.get("spec"))?;
            actions.push(force_promote(object)?.shown("Force Promote"));
            Ok(actions)
        },
        &[
            ("force-promote", FORCE_PROMOTE),
            ("pause", Run::Edit(|it, _| put(it, 1, &["spec", "lifecycle", "desiredPhase"], "Paused".into()))),
            ("unpause-fast", Run::Edit(|it, _| put(it, 2, &["spec", "lifecycle", "desiredPhase"], "Running".into()))),
            ("unpause-gradual", Run::Edit(unpause_vertex)),
        ],
    ),
    (
        GROUP,
        "Pipeline",
        |object| {
            let mut actions = pauses(object.get("spec"), object.get("spec"))?;
            actions.push(force_promote(object)?.shown("Force Promote"));
            let recyclable = object.path("metadata.labels").get(UPGRADE).is("recyclable");
            actions
                .push(ActionInfo::new("delete").shown("Delete").icon("fa-solid fa-fw fa-trash").disabled(!recyclable));
            Ok(actions)
        },
        &[
            ("delete", Run::Edit(|it, _| annotate(it, "numaplane.numaproj.io/marked-for-deletion", "true"))),
            ("force-promote", FORCE_PROMOTE),
            ("pause", Run::Edit(|it, _| put(it, 1, &["spec", "lifecycle", "desiredPhase"], "Paused".into()))),
            ("unpause-fast", Run::Edit(|it, _| unpause_pipeline(it, "fast"))),
            ("unpause-gradual", Run::Edit(|it, _| unpause_pipeline(it, "slow"))),
        ],
    ),
    (
        PLANE,
        "MonoVertexRollout",
        |object| {
            let template = object.get("spec").at("monoVertex")?;
            pauses(template, template.at("spec")?)
        },
        &[
            (
                "pause",
                Run::Edit(|it, _| {
                    put(it, 3, &["spec", "monoVertex", "spec", "lifecycle", "desiredPhase"], "Paused".into())
                }),
            ),
            ("unpause-fast", Run::Edit(|it, _| unpause_rollout(it, "monoVertex", true))),
            ("unpause-gradual", Run::Edit(|it, _| unpause_rollout(it, "monoVertex", false))),
        ],
    ),
    (
        PLANE,
        "PipelineRollout",
        pipeline_rollout,
        &[
            ("allow-data-loss", Run::Edit(|it, _| annotate(it, LOSS, "true"))),
            ("disallow-data-loss", Run::Edit(|it, _| annotate(it, LOSS, "false"))),
            (
                "pause",
                Run::Edit(|it, _| {
                    put(it, 3, &["spec", "pipeline", "spec", "lifecycle", "desiredPhase"], "Paused".into())
                }),
            ),
            ("unpause-fast", Run::Edit(|it, _| unpause_rollout(it, "pipeline", true))),
            ("unpause-gradual", Run::Edit(|it, _| unpause_rollout(it, "pipeline", false))),
        ],
    ),
];

fn force_promote(object: Look<'_>) -> Result<ActionInfo, super::Unjudged> {
    let labels = object.get("metadata").at("labels")?;
    let can = labels.get(UPGRADE).is_one(&["in-progress", "trial"]) && !labels.get(FORCE).is("true");
    Ok(ActionInfo::new("force-promote").icon("fa-solid fa-fw fa-forward").disabled(!can))
}

/// Pause and both ways to resume: `annotated` says which are allowed, `spec` whether it is paused.
fn pauses(annotated: Look<'_>, spec: Look<'_>) -> Discovered {
    let paused = spec.at("lifecycle")?.get("desiredPhase").is("Paused");
    let allowed = annotated.path("metadata.annotations").get("numaflow.numaproj.io/allowed-resume-strategies");
    let gradual = paused && !allowed.is("fast");
    let fast = paused && allowed.is_one(&["fast", "slow, fast"]);
    let play = "fa-solid fa-fw fa-play";
    Ok(vec![
        ActionInfo::new("pause").icon("fa-solid fa-fw fa-pause").disabled(paused),
        ActionInfo::new("unpause-gradual").shown("Unpause (gradual)").icon(play).disabled(!gradual),
        ActionInfo::new("unpause-fast").shown("Unpause (fast)").icon(play).disabled(!fast),
    ])
}

fn pipeline_rollout(object: Look<'_>) -> Discovered {
    let template = object.get("spec").at("pipeline")?;
    let mut actions = pauses(template, template.at("spec")?)?;
    let draining = object.path("status.upgradeInProgress").is("PipelinePauseAndDrain");
    let allowed = object.path("metadata.annotations").get(LOSS).is("true");
    actions.push(
        ActionInfo::new("allow-data-loss")
            .shown("Allow (Possible) Data Loss")
            .icon("fa-solid fa-fw fa-unlock")
            .disabled(!draining),
    );
    actions.push(
        ActionInfo::new("disallow-data-loss")
            .shown("Disallow Data Loss")
            .icon("fa-solid fa-fw fa-lock")
            .disabled(!allowed),
    );
    Ok(actions)
}

/// Its replicas start again from the autoscaler's least.
fn unpause_vertex(object: &mut Value, _: &Call<'_>) -> Result<(), ActionError> {
    put(object, 2, &["spec", "lifecycle", "desiredPhase"], "Running".into())?;
    super::edit::remove(object, 1, &["spec", "replicas"])
}

fn unpause_pipeline(object: &mut Value, how: &str) -> Result<(), ActionError> {
    put(object, 2, &["spec", "lifecycle", "desiredPhase"], "Running".into())?;
    annotate(object, "numaflow.numaproj.io/resume-strategy", how)
}

fn unpause_rollout(object: &mut Value, template: &str, fast: bool) -> Result<(), ActionError> {
    put(object, 4, &["spec", template, "spec", "lifecycle", "desiredPhase"], "Running".into())?;
    put(object, 1, &["spec", "strategy", "pauseResume", "fastResume"], fast.into())
}

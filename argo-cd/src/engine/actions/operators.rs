//! Operators: KEDA, External Secrets, CloudNativePG, MariaDB, Percona, Strimzi.

use serde_json::Value;

use super::{
    ActionError, ActionInfo, Discovered, Look,
    builtin::{Entry, Run},
    edit::{Call, annotate, number, put, remove},
    workloads,
};

const PAUSED: &str = "autoscaling.keda.sh/paused";
const PAUSED_REPLICAS: &str = "autoscaling.keda.sh/paused-replicas";
const LOOP: &str = "cnpg.io/reconciliationLoop";
const ROLL: &str = "strimzi.io/manual-rolling-update";
const FORCE_SYNC: Run = Run::Edit(|it, call| annotate(it, "force-sync", call.time()));
const PAUSE: Run = Run::Edit(|it, _| put(it, 0, &["metadata", "annotations", PAUSED], "true".into()));

pub(super) const KINDS: &[Entry] = &[
    (
        "core.strimzi.io",
        "StrimziPodSet",
        |object| {
            let rolling = object.get("metadata").at("annotations")?.get(ROLL).is("true");
            Ok(vec![ActionInfo::new("rolling-update").disabled(rolling)])
        },
        &[("rolling-update", Run::Edit(|it, _| annotate(it, ROLL, "true")))],
    ),
    (
        "external-secrets.io",
        "ExternalSecret",
        |object| {
            let disabled = never(object)? && !object.path("spec.refreshPolicy").is("OnChange");
            Ok(vec![ActionInfo::new("refresh").disabled(disabled)])
        },
        &[("refresh", FORCE_SYNC)],
    ),
    (
        "external-secrets.io",
        "PushSecret",
        |object| Ok(vec![ActionInfo::new("push").disabled(never(object)?)]),
        &[("push", FORCE_SYNC)],
    ),
    (
        "k8s.mariadb.com",
        "MariaDB",
        |object| {
            let suspended = object.path("spec.suspend").is_bool(true);
            Ok(vec![if suspended {
                ActionInfo::new("resume").icon("fa fa-fw fa-play").shown("Resume")
            } else {
                ActionInfo::new("suspend").icon("fa fa-fw fa-pause").shown("Suspend")
            }])
        },
        &[
            ("resume", Run::Edit(workloads::resume)),
            (
                "suspend",
                Run::Edit(|it, call| if it.get("spec").is_some() { workloads::suspend(it, call) } else { Ok(()) }),
            ),
        ],
    ),
    (
        "keda.sh",
        "ScaledJob",
        |object| Ok(toggle(object.path("metadata.annotations").get(PAUSED).is("true")).into()),
        &[("pause", PAUSE), ("resume", Run::Edit(|it, _| remove(it, 0, &["metadata", "annotations", PAUSED])))],
    ),
    (
        "keda.sh",
        "ScaledObject",
        scaled_object,
        &[
            ("pause", PAUSE),
            ("paused-replicas", Run::Edit(pause_replicas)),
            (
                "resume",
                Run::Edit(|it, _| {
                    remove(it, 0, &["metadata", "annotations", PAUSED])?;
                    remove(it, 0, &["metadata", "annotations", PAUSED_REPLICAS])
                }),
            ),
        ],
    ),
    (
        "postgresql.cnpg.io",
        "Cluster",
        postgres,
        &[
            ("promote", Run::Edit(promote)),
            (
                "reload",
                Run::Edit(|it, call| {
                    put(it, 0, &["metadata", "annotations", "cnpg.io/reloadedAt"], call.time().into())
                }),
            ),
            (
                "restart",
                Run::Edit(|it, call| {
                    put(it, 0, &["metadata", "annotations", "kubectl.kubernetes.io/restartedAt"], call.time().into())
                }),
            ),
            ("resume", Run::Edit(|it, _| remove(it, 0, &["metadata", "annotations", LOOP]))),
            ("suspend", Run::Edit(|it, _| put(it, 0, &["metadata", "annotations", LOOP], "disabled".into()))),
        ],
    ),
    (
        "psmdb.percona.com",
        "PerconaServerMongoDB",
        |object| {
            let paused = object.get("spec").at("pause")?.is_bool(true);
            Ok(vec![
                ActionInfo::new("pause").icon("fa fa-fw fa-pause-circle").disabled(paused),
                ActionInfo::new("unpause").icon("fa fa-fw fa-play-circle").disabled(!paused),
            ])
        },
        &[
            ("pause", Run::Edit(|it, _| put(it, 1, &["spec", "pause"], true.into()))),
            ("unpause", Run::Edit(|it, _| put(it, 1, &["spec", "pause"], false.into()))),
        ],
    ),
];

/// Whether the interval is zero: never refreshed by time.
fn never(object: Look<'_>) -> Result<bool, super::Unjudged> {
    let interval = object.get("spec").at("refreshInterval")?;
    let units = ["0", "0ns", "0us", "0µs", "0ms", "0s", "0m", "0h"];
    Ok(interval.is_one(&units) || interval.is_number(0.0))
}

fn toggle(paused: bool) -> [ActionInfo; 2] {
    [
        ActionInfo::new("pause").icon("fa fa-fw fa-pause-circle").disabled(paused),
        ActionInfo::new("resume").icon("fa fa-fw fa-play-circle").disabled(!paused),
    ]
}

fn scaled_object(object: Look<'_>) -> Discovered {
    let annotations = object.path("metadata.annotations");
    let paused = annotations.get(PAUSED).is("true");
    let mut actions: Vec<ActionInfo> = toggle(paused || annotations.get(PAUSED_REPLICAS).present()).into();
    let replicas = ActionInfo::new("paused-replicas").icon("fa fa-fw fa-pause-circle").disabled(paused);
    actions.push(replicas.asks("replicas"));
    Ok(actions)
}

fn pause_replicas(object: &mut Value, call: &Call<'_>) -> Result<(), ActionError> {
    let text = call.param("replicas")?;
    let replicas = number(text).filter(|it| it.as_f64().is_some_and(|it| it >= 0.0));
    let replicas = replicas.ok_or_else(|| ActionError::Failed(format!("invalid number: {text} (must be >= 0)")))?;
    put(object, 0, &["metadata", "annotations", PAUSED_REPLICAS], replicas.to_string().into())
}

fn postgres(object: Look<'_>) -> Discovered {
    let healthy = object.get("status").at("instancesStatus")?.get("healthy");
    let suspended = object.path("metadata.annotations").get(LOOP).is("disabled");
    Ok(vec![
        ActionInfo::new("restart").icon("fa fa-fw fa-recycle").shown("Rollout restart Cluster"),
        ActionInfo::new("reload").icon("fa fa-fw fa-rotate-right").shown("Reload all Configuration"),
        ActionInfo::new("promote")
            .icon("fa fa-fw fa-angles-up")
            .shown("Promote Replica to Primary")
            .disabled(healthy.length() < 2)
            .asks("instance"),
        if suspended {
            ActionInfo::new("resume").icon("fa fa-fw fa-play").shown("Resume Reconciliation")
        } else {
            ActionInfo::new("suspend").icon("fa fa-fw fa-pause").shown("Suspend Reconciliation")
        },
    ])
}

/// By name, by number, or any: the healthy one after the primary.
fn promote(object: &mut Value, call: &Call<'_>) -> Result<(), ActionError> {
    let wanted = call.param("instance")?;
    let look = Look::new(object);
    let status = look.get("status");
    let healthy: Vec<String> =
        status.at("instancesStatus")?.at("healthy")?.list().filter_map(|it| it.str().map(str::to_owned)).collect();
    let selected = if wanted == "any" {
        let primary = status.get("currentPrimary");
        let after = healthy.iter().position(|it| primary.is(it)).map_or(0, |at| (at + 1) % healthy.len());
        healthy.get(after)
    } else {
        let numbered = number(wanted).map(|_| format!("{}-{wanted}", look.path("metadata.name").message()));
        let name = numbered.as_deref().unwrap_or(wanted);
        healthy.iter().find(|it| *it == name)
    };
    let Some(selected) = selected.cloned() else {
        let message = format!("Could not find a healthy instance matching the criteria: {wanted}");
        return Err(ActionError::Failed(message));
    };
    put(object, 1, &["status", "phase"], "Switchover in progress".into())?;
    put(object, 1, &["status", "phaseReason"], format!("Switching over to {selected}").into())?;
    put(object, 1, &["status", "targetPrimaryTimestamp"], call.time().into())?;
    put(object, 1, &["status", "targetPrimary"], selected.into())
}

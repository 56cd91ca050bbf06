//! The order of tasks: phase, wave, kind, name.

use std::collections::BTreeMap;

use super::tasks::Task;
use crate::{
    api::HookType,
    engine::{options, target::defined_kind},
};

/// Kinds that come before others, in this order; everything else comes after them.
const KINDS: [&str; 35] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

fn rank(kind: &str) -> usize {
    KINDS.iter().position(|it| *it == kind).unwrap_or(KINDS.len())
}

/// Puts tasks in order; gives tasks that delete their waves in reverse.
pub(super) fn sort(tasks: &mut Vec<Task>, app_options: &[String]) {
    reverse_prune_waves(tasks);
    prune_last(tasks, app_options);
    tasks.sort_by(|a, b| {
        let key = |it: &Task| (it.phase.order(), it.wave, rank(&it.key.kind));
        key(a).cmp(&key(b)).then_with(|| a.key.name.cmp(&b.key.name)).then_with(|| a.key.cmp(&b.key))
    });
    move_before(
        tasks,
        |it| it.key.kind == "Namespace" && it.key.group.is_empty(),
        |namespace, it| it.key.namespace == namespace.key.name,
    );
    move_before(
        tasks,
        |it| it.target.as_ref().is_some_and(|it| defined_kind(it).is_some()),
        |definition, it| {
            let defined = definition.target.as_ref().and_then(defined_kind);
            defined.is_some_and(|(group, kind)| it.key.group == group && it.key.kind == kind)
        },
    );
}

/// The distinct waves of deletions, the first changed with the last and so on.
fn reverse_prune_waves(tasks: &mut [Task]) {
    let mut waves: Vec<i64> = tasks.iter().filter(|it| it.is_prune()).map(|it| it.wave).collect();
    waves.sort_unstable();
    waves.dedup();
    let reversed: BTreeMap<i64, i64> = waves.iter().copied().zip(waves.iter().rev().copied()).collect();
    for task in tasks.iter_mut().filter(|it| it.is_prune()) {
        task.wave = reversed.get(&task.wave).copied().unwrap_or(task.wave);
    }
}

fn prune_last(tasks: &mut [Task], app_options: &[String]) {
    let last = tasks.iter().filter(|it| it.phase == HookType::Sync).map(|it| it.wave).max().unwrap_or_default().max(0);
    for task in tasks.iter_mut().filter(|it| it.is_prune()) {
        if options::option_is_on(task.live.as_deref(), app_options, "PruneLast") {
            task.wave = last + 1;
        }
    }
}

/// Moves what others need before the first that needs it, into that one's phase and wave.
fn move_before(tasks: &mut Vec<Task>, is: impl Fn(&Task) -> bool, needs: impl Fn(&Task, &Task) -> bool) {
    for at in 0..tasks.len() {
        if tasks[at].is_prune() || !is(&tasks[at]) {
            continue;
        }
        let Some(first) = (0..at).find(|it| !tasks[*it].is_prune() && needs(&tasks[at], &tasks[*it])) else { continue };
        let mut task = tasks.remove(at);
        task.wave = tasks[first].wave;
        task.phase = tasks[first].phase;
        tasks.insert(first, task);
    }
}

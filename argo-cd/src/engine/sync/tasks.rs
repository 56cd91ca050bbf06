//! What is to be done, from a comparison.

use std::{collections::BTreeSet, sync::Arc};

use argo_core::{Gvk, Object};

use super::{Input, hooks, order};
use crate::{
    api::{HookType, OperationPhase, ResourceResult, ResultCode, names},
    engine::{key::ResourceKey, live::KindScope, normalize, options, target::defined_kind},
};

/// One object in one phase: to apply, to create (hooks) or to delete.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its phase.
    pub phase: HookType,
    /// Its wave.
    pub wave: i64,
    /// Its key.
    pub key: ResourceKey,
    /// Its kind.
    pub gvk: Gvk,
    /// What is wanted; absent for deletions.
    pub target: Option<Object>,
    /// What is there.
    pub live: Option<Arc<Object>>,
    /// Whether it is a hook.
    pub is_hook: bool,
    /// What was recorded of it in this attempt.
    pub result: Option<ResourceResult>,
}

impl Task {
    /// Whether it deletes.
    #[must_use]
    pub fn is_prune(&self) -> bool {
        self.target.is_none()
    }

    /// Whether nothing was done yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.result.is_none()
    }

    pub(super) fn state(&self) -> Option<OperationPhase> {
        let result = self.result.as_ref()?;
        result.hook_phase.or(match result.status {
            Some(ResultCode::Synced) => Some(OperationPhase::Running),
            Some(ResultCode::SyncFailed) => Some(OperationPhase::Failed),
            Some(ResultCode::Pruned | ResultCode::PruneSkipped) => Some(OperationPhase::Succeeded),
            None => None,
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.state() == Some(OperationPhase::Running)
    }

    pub(super) fn is_completed(&self) -> bool {
        self.state().is_some_and(OperationPhase::is_completed)
    }

    pub(super) fn is_failed(&self) -> bool {
        self.state().is_some_and(OperationPhase::is_failure)
    }

    /// What was recorded of it, if anything was.
    pub(super) fn status(&self) -> Option<ResultCode> {
        self.result.as_ref()?.status
    }

    /// Whether the API server did not take it, rather than that it ended badly.
    pub(super) fn is_refused(&self) -> bool {
        self.status() == Some(ResultCode::SyncFailed) && self.state() == Some(OperationPhase::Failed)
    }

    /// Whether it runs when the operation fails.
    pub(super) fn is_fail_hook(&self) -> bool {
        self.phase == HookType::SyncFail
    }

    /// Whether a result is of this task.
    pub(super) fn is_named_by(&self, result: &ResourceResult) -> bool {
        result.group == self.key.group
            && result.kind == self.key.kind
            && result.namespace == self.key.namespace
            && result.name == self.key.name
            && (result.sync_phase == Some(self.phase) || (!self.is_hook && result.hook_type.is_none()))
    }

    /// `group/Kind/name`, as messages name it.
    pub(super) fn label(&self) -> String {
        format!("{}/{}/{}", self.key.group, self.key.kind, self.key.name)
    }

    pub(super) fn message(&self) -> &str {
        self.result.as_ref().map(|it| it.message.as_str()).unwrap_or_default()
    }

    /// A result of this task.
    pub(super) fn outcome(
        &self,
        status: Option<ResultCode>,
        phase: OperationPhase,
        message: impl Into<String>,
    ) -> ResourceResult {
        let own = if self.is_hook { Some(self.phase) } else { None };
        ResourceResult {
            group: self.key.group.clone(),
            version: self.gvk.version.clone(),
            kind: self.key.kind.clone(),
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            status,
            message: message.into(),
            hook_type: own,
            hook_phase: Some(phase),
            sync_phase: Some(self.phase),
            images: self.target.as_ref().map(normalize::images).unwrap_or_default(),
            ..ResourceResult::default()
        }
    }
}

/// Some tasks can not be carried out at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Invalid {
    /// The sentence for `operationState.message`.
    pub message: String,
    /// What is recorded of them.
    pub results: Vec<ResourceResult>,
}

/// The tasks of a pass, in order.
///
/// # Errors
/// When a kind is not served or an object is not permitted.
pub fn tasks(input: &Input<'_>) -> Result<Vec<Task>, Invalid> {
    let mut tasks = Vec::new();
    let out_of_sync_only = input.operation.has_option("ApplyOutOfSyncOnly=true");
    for managed in &input.comparison.managed {
        if managed.status.hook || managed.status.status.is_none() || !is_selected(input, &managed.key) {
            continue;
        }
        let Some(object) = managed.object() else { continue };
        if managed.target.is_none() && !managed.status.requires_pruning {
            continue;
        }
        let mut task = Task {
            phase: HookType::Sync,
            wave: options::wave(object),
            key: managed.key.clone(),
            gvk: object.gvk(),
            target: managed.target.clone(),
            live: managed.live.clone(),
            is_hook: false,
            result: None,
        };
        if input.operation.has_option("RespectIgnoreDifferences=true")
            && let (Some(target), Some(live)) = (&task.target, &task.live)
        {
            task.target = Some(input.ignored.respect(target, live));
        }
        let changed = managed.target.is_none() || managed.live.is_none() || managed.diff.modified;
        if out_of_sync_only && !changed && recorded(input, &task).is_none() {
            continue;
        }
        tasks.push(task);
    }
    if !input.operation.skips_hooks() {
        for hook in &input.comparison.hooks {
            tasks.extend(options::sync_phases(hook).into_iter().map(|phase| hook_task(input, hook, phase)));
        }
    }
    tasks.extend(namespace_task(input, &tasks));
    order::sort(&mut tasks, &input.operation.sync_options);
    for task in &mut tasks {
        task.result = recorded(input, task).cloned();
    }
    check(input, &tasks)?;
    Ok(tasks)
}

fn hook_task(input: &Input<'_>, hook: &Object, phase: HookType) -> Task {
    let target = hooks::prepare(hook, phase, input);
    let key = ResourceKey::of(&target);
    let live = input.comparison.live_hooks.get(&key).cloned().or_else(|| (input.lookup)(&target.reference()));
    Task {
        phase,
        wave: options::wave(hook),
        gvk: target.gvk(),
        key,
        target: Some(target),
        live,
        is_hook: true,
        result: None,
    }
}

fn is_selected(input: &Input<'_>, key: &ResourceKey) -> bool {
    let wanted = &input.operation.resources;
    wanted.is_empty()
        || wanted.iter().any(|it| {
            it.kind == key.kind
                && it.group == key.group
                && it.name == key.name
                && (it.namespace.is_empty() || it.namespace == key.namespace)
        })
}

/// What was recorded of a task earlier in this attempt, in whatever phase a dependency put it.
fn recorded<'a>(input: &'a Input<'_>, task: &Task) -> Option<&'a ResourceResult> {
    let results = &input.state.sync_result.as_ref()?.resources;
    results.iter().find(|it| task.is_named_by(it))
}

/// The destination namespace as a task, for `CreateNamespace=true`.
fn namespace_task(input: &Input<'_>, tasks: &[Task]) -> Option<Task> {
    let name = &input.destination.namespace;
    if name.is_empty() || !input.operation.has_option("CreateNamespace=true") {
        return None;
    }
    let gvk = Gvk::new("", "v1", "Namespace");
    let defined = tasks.iter().any(|it| it.gvk == gvk && it.key.name == *name);
    if defined {
        return None;
    }
    let mut target = Object::new(&gvk, None, name);
    let live = (input.lookup)(&target.reference());
    let mut task = Task {
        phase: HookType::PreSync,
        wave: 0,
        key: ResourceKey::of(&target),
        gvk,
        target: None,
        live,
        is_hook: false,
        result: None,
    };
    if let Some(metadata) = input.namespace_metadata {
        for (key, value) in &metadata.labels {
            target.set_label(key, value.clone());
        }
        for (key, value) in &metadata.annotations {
            target.set_annotation(key, value.clone());
        }
        target.set_annotation(names::SYNC_OPTIONS, "ServerSideApply=true");
    } else if task.live.is_some() && recorded(input, &task).is_none() {
        return None;
    }
    task.target = Some(target);
    Some(task)
}

fn check(input: &Input<'_>, tasks: &[Task]) -> Result<(), Invalid> {
    let defined: BTreeSet<(String, String)> =
        tasks.iter().filter_map(|it| it.target.as_ref()).filter_map(defined_kind).collect();
    let mut results = Vec::new();
    let mut messages = BTreeSet::new();
    for task in tasks {
        if let Some(message) = fault(input, task, &defined) {
            messages.insert(message.clone());
            results.push(task.outcome(Some(ResultCode::SyncFailed), OperationPhase::Failed, message));
        }
    }
    if results.is_empty() {
        return Ok(());
    }
    let messages: Vec<String> = messages.into_iter().collect();
    let message = format!("one or more synchronization tasks are not valid: {}", messages.join("; "));
    Err(Invalid { message, results })
}

fn fault(input: &Input<'_>, task: &Task, defined: &BTreeSet<(String, String)>) -> Option<String> {
    let scope = input.kinds.get(&task.gvk).copied().unwrap_or(KindScope::NotServed);
    let (group, kind) = (&task.key.group, &task.key.kind);
    if scope == KindScope::NotServed {
        let skips =
            options::option_is_on(task.target.as_ref(), &input.operation.sync_options, "SkipDryRunOnMissingResource");
        if !skips && !defined.contains(&(group.clone(), kind.clone())) {
            return Some(format!(
                "The Kubernetes API could not find {group}/{kind} for requested resource {}/{}. Make sure the \"{kind}\" \
                 CRD is installed on the destination cluster.",
                task.key.namespace, task.key.name
            ));
        }
    }
    let namespaced = scope != KindScope::Cluster;
    // The destination itself may be made whatever kinds the project permits.
    let own_namespace =
        task.phase == HookType::PreSync && kind == "Namespace" && task.key.name == input.destination.namespace;
    if !own_namespace && !input.project.permits_kind(group, kind, &task.key.name, namespaced) {
        return Some(format!("resource {group}:{kind} is not permitted in project {}", input.project_name));
    }
    if namespaced
        && !input.project.permits_destination(&input.destination.server, &input.destination.name, &task.key.namespace)
    {
        return Some(format!("namespace {} is not permitted in project '{}'", task.key.namespace, input.project_name));
    }
    None
}

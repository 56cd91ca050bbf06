//! Hooks: names, marks, finalizers.

use argo_core::{Change, Object};

use crate::{
    api::{HookType, names},
    engine::sync::Input,
};

/// The hook as it is created in a phase of this attempt.
pub(super) fn prepare(hook: &Object, phase: HookType, input: &Input<'_>) -> Object {
    let mut hook = hook.clone();
    if hook.name().is_empty() {
        let revision = input.state.sync_result.as_ref().map(|it| it.revision.as_str()).unwrap_or_default();
        let short = if revision.len() >= 8 { revision.get(..7).unwrap_or(revision) } else { revision };
        let started = input.state.started_at.timestamp().as_second();
        let suffix = format!("{short}-{}-{started}", phase.as_str()).to_lowercase();
        let name = format!("{}{suffix}", hook.text("/metadata/generateName"));
        hook.set(&["metadata", "name"], name);
        hook.remove(&["metadata", "generateName"]);
        // A name that does not make a label was an error of the comparison already: nothing runs then.
        let _ = input.settings.tracking.track(&mut hook, input.instance, &input.destination.namespace);
    }
    let mut finalizers: Vec<String> = hook.finalizers().map(str::to_owned).collect();
    if !finalizers.iter().any(|it| it == names::HOOK_FINALIZER) {
        finalizers.push(names::HOOK_FINALIZER.to_owned());
    }
    hook.set(&["metadata", "finalizers"], finalizers);
    hook.set_annotation(names::HOOK_OPERATION, mark(phase, input));
    hook
}

/// Whether a live hook was made by this attempt in this phase.
pub(super) fn is_of_attempt(live: &Object, phase: HookType, input: &Input<'_>) -> bool {
    live.annotation(names::HOOK_OPERATION) == Some(mark(phase, input).as_str())
}

fn mark(phase: HookType, input: &Input<'_>) -> String {
    format!("{}-{}", input.attempt(), phase.as_str())
}

/// The write that lets a hook go.
#[must_use]
pub(crate) fn release(live: &Object) -> Option<Change> {
    if !live.has_finalizer(names::HOOK_FINALIZER) {
        return None;
    }
    let rest: Vec<String> = live.finalizers().filter(|it| *it != names::HOOK_FINALIZER).map(str::to_owned).collect();
    let mut released = live.clone();
    if rest.is_empty() {
        released.remove(&["metadata", "finalizers"]);
    } else {
        released.set(&["metadata", "finalizers"], rest);
    }
    Change::merge_between(live, &released)
}

//! Options in annotations and operations.

use argo_core::Object;

use crate::api::{HookType, names};

/// Whether a comma-separated annotation has an entry.
#[must_use]
pub fn has_entry(object: &Object, annotation: &str, entry: &str) -> bool {
    object.annotation(annotation).is_some_and(|it| it.split(',').any(|it| it.trim() == entry))
}

/// Whether an object's sync options have an entry such as `Prune=false`.
#[must_use]
pub fn sync_option(object: &Object, option: &str) -> bool {
    has_entry(object, names::SYNC_OPTIONS, option)
}

/// The value of a sync option that an object overrides: `ServerSideApply` of `ServerSideApply=true`.
#[must_use]
pub fn sync_option_value<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    let list = object.annotation(names::SYNC_OPTIONS)?;
    list.split(',').find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Whether an option is on: the object's own word first, then the application's list.
#[must_use]
pub fn option_is_on(object: Option<&Object>, app_options: &[String], name: &str) -> bool {
    if let Some(value) = object.and_then(|it| sync_option_value(it, name)) {
        return value == "true";
    }
    app_options.iter().any(|it| it.trim().strip_prefix(name).and_then(|it| it.strip_prefix('=')) == Some("true"))
}

/// When hooks are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeletePolicy {
    /// After it succeeded.
    HookSucceeded,
    /// After it failed.
    HookFailed,
    /// Before the next one with its name; the default.
    BeforeHookCreation,
}

/// The wave of an object: `sync-wave`, else Helm's hook weight, else 0.
#[must_use]
pub fn wave(object: &Object) -> i64 {
    let number = |annotation| object.annotation(annotation).and_then(|it| it.trim().parse().ok());
    number(names::SYNC_WAVE).or_else(|| number(names::HELM_HOOK_WEIGHT)).unwrap_or_default()
}

/// Whether an object is a hook rather than something to keep.
#[must_use]
pub fn is_hook(object: &Object) -> bool {
    if let Some(text) = object.annotation(names::HOOK) {
        return text.trim() != HookType::Skip.as_str();
    }
    object.annotation(names::HELM_HOOK).is_some_and(|it| !it.split(',').any(|it| it.trim() == "crd-install"))
}

/// Whether an object is never applied.
#[must_use]
pub fn is_skipped(object: &Object) -> bool {
    object.annotation(names::HOOK).is_some_and(|it| it.trim() == HookType::Skip.as_str())
}

/// The kinds of hook that an object is; empty for one that names none that is known.
#[must_use]
pub fn hook_types(object: &Object) -> Vec<HookType> {
    let mut types = Vec::new();
    let mut add = |it| {
        if !types.contains(&it) {
            types.push(it);
        }
    };
    if let Some(text) = object.annotation(names::HOOK) {
        text.split(',').filter_map(|it| HookType::parse(it.trim())).for_each(&mut add);
    } else if let Some(text) = object.annotation(names::HELM_HOOK) {
        let helm = |it: &str| match it {
            "pre-install" | "pre-upgrade" => Some(HookType::PreSync),
            "post-install" | "post-upgrade" => Some(HookType::PostSync),
            "pre-delete" => Some(HookType::PreDelete),
            "post-delete" => Some(HookType::PostDelete),
            _ => None,
        };
        text.split(',').filter_map(|it| helm(it.trim())).for_each(&mut add);
    }
    types
}

/// The phases of a synchronisation that a hook runs in.
#[must_use]
pub fn sync_phases(object: &Object) -> Vec<HookType> {
    let phases = [HookType::PreSync, HookType::Sync, HookType::PostSync, HookType::SyncFail];
    let types = hook_types(object);
    phases.into_iter().filter(|it| types.contains(it)).collect()
}

/// When a hook is deleted; Argo's and Helm's annotations together.
#[must_use]
pub fn delete_policies(object: &Object) -> Vec<DeletePolicy> {
    let mut policies = Vec::new();
    let mut add = |it: DeletePolicy| {
        if !policies.contains(&it) {
            policies.push(it);
        }
    };
    for text in object.annotation(names::HOOK_DELETE_POLICY).into_iter().flat_map(|it| it.split(',')) {
        match text.trim() {
            "HookSucceeded" => add(DeletePolicy::HookSucceeded),
            "HookFailed" => add(DeletePolicy::HookFailed),
            "BeforeHookCreation" => add(DeletePolicy::BeforeHookCreation),
            _ => {}
        }
    }
    for text in object.annotation(names::HELM_HOOK_DELETE_POLICY).into_iter().flat_map(|it| it.split(',')) {
        match text.trim() {
            "hook-succeeded" => add(DeletePolicy::HookSucceeded),
            "hook-failed" => add(DeletePolicy::HookFailed),
            "before-hook-creation" => add(DeletePolicy::BeforeHookCreation),
            _ => {}
        }
    }
    if policies.is_empty() {
        policies.push(DeletePolicy::BeforeHookCreation);
    }
    policies
}

#[cfg(test)]
mod tests {
    use argo_core::Gvk;

    use super::*;

    fn with(annotations: &[(&str, &str)]) -> Object {
        let mut object = Object::new(&Gvk::new("batch", "v1", "Job"), Some("n"), "j");
        for (key, value) in annotations {
            object.set_annotation(key, *value);
        }
        object
    }

    #[test]
    fn hooks_are_told_by_either_annotation() {
        assert!(!is_hook(&with(&[])));
        let hook = with(&[(names::HOOK, "PreSync, PostSync,Nonsense")]);
        assert!(is_hook(&hook));
        assert_eq!(sync_phases(&hook), [HookType::PreSync, HookType::PostSync]);
        assert!(!is_hook(&with(&[(names::HOOK, "Skip")])) && is_skipped(&with(&[(names::HOOK, "Skip")])));
        let helm = with(&[(names::HELM_HOOK, "pre-install,pre-upgrade"), (names::HELM_HOOK_WEIGHT, "-5")]);
        assert_eq!((sync_phases(&helm), wave(&helm)), (vec![HookType::PreSync], -5));
        assert!(!is_hook(&with(&[(names::HELM_HOOK, "crd-install")])));
        let both = with(&[(names::SYNC_WAVE, "3"), (names::HELM_HOOK_WEIGHT, "1")]);
        assert_eq!(wave(&both), 3);
        assert_eq!(wave(&with(&[(names::SYNC_WAVE, "x")])), 0);
    }

    #[test]
    fn hooks_are_deleted_before_the_next_one_unless_they_say_otherwise() {
        assert_eq!(delete_policies(&with(&[])), [DeletePolicy::BeforeHookCreation]);
        let both =
            with(&[(names::HOOK_DELETE_POLICY, "HookSucceeded"), (names::HELM_HOOK_DELETE_POLICY, "hook-failed")]);
        assert_eq!(delete_policies(&both), [DeletePolicy::HookSucceeded, DeletePolicy::HookFailed]);
    }

    #[test]
    fn an_objects_own_option_wins() {
        let app = ["ServerSideApply=true".to_owned()];
        assert!(option_is_on(Some(&with(&[])), &app, "ServerSideApply"));
        let own = with(&[(names::SYNC_OPTIONS, "Prune=false, ServerSideApply=false")]);
        assert!(!option_is_on(Some(&own), &app, "ServerSideApply"));
        assert!(sync_option(&own, "Prune=false"));
    }
}

//! What the sources say should be in the cluster.

use std::collections::BTreeMap;

use argo_core::{Gvk, Object};
use serde_json::Value;

use super::{
    conditions::condition,
    key::ResourceKey,
    live::{KindScope, Kinds},
    normalize::drop_nulls,
    options,
    tracking::{self, Tracking},
};
use crate::api::{Condition, ConditionType, HookType};

/// What the sources say, ready to be compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// Objects to keep.
    pub objects: Vec<Object>,
    /// Hooks of a synchronisation.
    pub hooks: Vec<Object>,
    /// Hooks of a cascade deletion.
    pub delete_hooks: Vec<Object>,
    /// Warnings and errors found on the way.
    pub conditions: Vec<Condition>,
}

/// For whom the targets are.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// How its objects are marked.
    pub tracking: &'a Tracking,
    /// The name that the Application is tracked by.
    pub instance: &'a str,
    /// Namespace of objects that name none.
    pub namespace: &'a str,
}

/// Brings rendered manifests into shape: namespaces, tracking, doubles, exclusions; tells hooks from objects.
#[must_use]
pub fn targets(manifests: &[Object], owner: Owner<'_>, kinds: &Kinds) -> Targets {
    let mut targets = Targets::default();
    let mut unique: BTreeMap<(ResourceKey, String), (usize, usize)> = BTreeMap::new();
    let mut ordered: Vec<Option<Object>> = Vec::new();
    for (index, manifest) in manifests.iter().enumerate() {
        let mut object = manifest.clone();
        drop_nulls(object.value_mut());
        let gvk = object.gvk();
        if is_excluded(&gvk) {
            let message = format!("Resource {}/{} {} is excluded in the settings", gvk.group, gvk.kind, object.name());
            targets.conditions.push(condition(ConditionType::ExcludedResourceWarning, message));
            continue;
        }
        let generated = object.text("/metadata/generateName").to_owned();
        if object.name().is_empty() && generated.is_empty() {
            let message = format!("Failed to load target state: {gvk} has neither metadata.name nor generateName");
            targets.conditions.push(condition(ConditionType::ComparisonError, message));
            continue;
        }
        if let Err(message) = place(&mut object, owner.namespace, kinds.get(&gvk).copied()) {
            targets.conditions.push(condition(ConditionType::InvalidSpecError, message));
            continue;
        }
        if let Err(message) = owner.tracking.track(&mut object, owner.instance, owner.namespace) {
            let message = format!("Failed to load target state: {message}");
            targets.conditions.push(condition(ConditionType::ComparisonError, message));
            continue;
        }
        let extra = if object.name().is_empty() { format!("{generated}{index}") } else { String::new() };
        let key = (ResourceKey::of(&object), extra);
        if let Some((at, count)) = unique.get_mut(&key) {
            *count += 1;
            ordered[*at] = None;
            *at = ordered.len();
        } else {
            unique.insert(key, (ordered.len(), 1));
        }
        ordered.push(Some(object));
    }
    for ((key, _), (_, count)) in unique.iter().filter(|(_, (_, count))| *count > 1) {
        let message = format!(
            "Resource {}/{}/{}/{} appeared {count} times among application resources.",
            key.group, key.kind, key.namespace, key.name
        );
        targets.conditions.push(condition(ConditionType::RepeatedResourceWarning, message));
    }
    for object in ordered.into_iter().flatten() {
        if !options::is_hook(&object) {
            targets.objects.push(object);
            continue;
        }
        let types = options::hook_types(&object);
        if types.iter().any(|it| matches!(it, HookType::PreDelete | HookType::PostDelete)) {
            targets.delete_hooks.push(object.clone());
        }
        if !options::sync_phases(&object).is_empty() {
            targets.hooks.push(object);
        }
    }
    targets
}

/// Gives an object the namespace it belongs to, or none.
fn place(object: &mut Object, namespace: &str, scope: Option<KindScope>) -> Result<(), String> {
    match scope {
        Some(KindScope::Cluster) => {
            object.remove(&["metadata", "namespace"]);
        }
        Some(KindScope::Namespaced) if object.namespace().is_none() => {
            if namespace.is_empty() {
                let gvk = object.gvk();
                return Err(format!(
                    "Namespace for {} {}, Kind={} is missing.",
                    object.name(),
                    gvk.api_version(),
                    gvk.kind
                ));
            }
            object.set(&["metadata", "namespace"], namespace);
        }
        // A kind that nobody serves yet is taken to live in namespaces, as most do.
        Some(KindScope::NotServed) | None if object.namespace().is_none() && !namespace.is_empty() => {
            object.set(&["metadata", "namespace"], namespace);
        }
        _ => {}
    }
    Ok(())
}

/// Kinds that are never managed.
#[must_use]
pub fn is_excluded(gvk: &Gvk) -> bool {
    matches!(
        (gvk.group.as_str(), gvk.kind.as_str()),
        ("" | "events.k8s.io", "Event") | ("coordination.k8s.io", "Lease") | ("metrics.k8s.io", _)
    )
}

/// The kinds that a set of manifests is of; definitions among them add the kinds that they define.
pub fn kinds_of<'a>(objects: impl IntoIterator<Item = &'a Object>) -> std::collections::BTreeSet<Gvk> {
    objects.into_iter().map(Object::gvk).filter(|it| !is_excluded(it)).collect()
}

/// The group and kind that a CustomResourceDefinition defines.
#[must_use]
pub fn defined_kind(object: &Object) -> Option<(String, String)> {
    if !tracking::is_crd(object) {
        return None;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some((text("/spec/group")?, text("/spec/names/kind")?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::names;

    fn object(kind: &str, name: &str, namespace: Option<&str>) -> Object {
        Object::new(&Gvk::new("", "v1", kind), namespace, name)
    }

    fn kinds() -> Kinds {
        [("ConfigMap", KindScope::Namespaced), ("Namespace", KindScope::Cluster)]
            .map(|(kind, scope)| (Gvk::new("", "v1", kind), scope))
            .into()
    }

    fn owner(tracking: &Tracking) -> Owner<'_> {
        Owner { tracking, instance: "app", namespace: "dest" }
    }

    #[test]
    fn objects_get_the_namespace_of_their_scope_and_are_tracked() {
        let list = [
            object("ConfigMap", "a", None),
            object("ConfigMap", "b", Some("own")),
            object("Namespace", "c", Some("x")),
        ];
        let targets = targets(&list, owner(&Tracking::default()), &kinds());
        let seen: Vec<_> =
            targets.objects.iter().map(|it| (it.namespace(), it.annotation(names::TRACKING_ID).unwrap())).collect();
        assert_eq!(
            seen,
            [
                (Some("dest"), "app:/ConfigMap:dest/a"),
                (Some("own"), "app:/ConfigMap:own/b"),
                (None, "app:/Namespace:dest/c")
            ]
        );
    }

    #[test]
    fn of_equal_names_the_last_wins_with_a_warning() {
        let first = object("ConfigMap", "a", None).with(&["data", "x"], "1");
        let last = object("ConfigMap", "a", Some("dest")).with(&["data", "x"], "2");
        let targets = targets(&[first, object("ConfigMap", "b", None), last], owner(&Tracking::default()), &kinds());
        let names: Vec<_> = targets.objects.iter().map(Object::name).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(targets.objects[1].value()["data"]["x"], "2");
        assert_eq!(
            targets.conditions[0].message,
            "Resource /ConfigMap/dest/a appeared 2 times among application resources."
        );
    }

    #[test]
    fn excluded_nameless_and_homeless_objects_become_conditions() {
        let nameless = Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}));
        let list = [object("Event", "e", None), nameless, object("ConfigMap", "a", None)];
        let owner = Owner { tracking: &Tracking::default(), instance: "app", namespace: "" };
        let targets = targets(&list, owner, &kinds());
        let types: Vec<_> = targets.conditions.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(types, ["ExcludedResourceWarning", "ComparisonError", "InvalidSpecError"]);
        assert!(targets.objects.is_empty());
    }

    #[test]
    fn hooks_are_told_apart_and_those_without_a_known_phase_vanish() {
        let hook = |types: &str| {
            let mut it = object("ConfigMap", types, None);
            it.set_annotation(names::HOOK, types);
            it
        };
        let list = ["PreSync", "PreDelete", "PostDelete,PostSync", "Nonsense", "Skip"].map(hook);
        let targets = targets(&list, owner(&Tracking::default()), &kinds());
        let names = |list: &[Object]| list.iter().map(|it| it.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&targets.hooks), ["PreSync", "PostDelete,PostSync"]);
        assert_eq!(names(&targets.delete_hooks), ["PreDelete", "PostDelete,PostSync"]);
        assert_eq!(names(&targets.objects), ["Skip"]);
    }
}

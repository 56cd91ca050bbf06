//! One object: from target and live object to a write, in kubectl's words.

use argo_core::{
    Change, Object,
    plan::{Patch, PatchKind},
};
use argo_lang::gojson;
use argo_merge::{merge_patch, strategic};
use serde_json::Value;

use crate::{
    api::names,
    engine::{diff, ignored::Ignored, options},
};

/// What applying an object comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The write; absent when there is nothing to write.
    pub change: Option<Change>,
    /// What is recorded when it went well: `deployment.apps/web configured`.
    pub message: String,
}

/// How an object is named in messages: `deployment.apps/web`.
#[must_use]
pub fn label(object: &Object) -> String {
    let gvk = object.gvk();
    let kind = gvk.kind.to_lowercase();
    if gvk.group.is_empty() {
        format!("{kind}/{}", object.name())
    } else {
        format!("{kind}.{}/{}", gvk.group, object.name())
    }
}

/// The write that makes `live` what `target` says. Without options it is what `kubectl apply` does: three ways, with the
/// last-applied annotation.
///
/// # Errors
/// The message for the result, when no patch can be made.
pub fn apply(target: &Object, live: Option<&Object>, app_options: &[String]) -> Result<Applied, String> {
    let on = |name| options::option_is_on(Some(target), app_options, name);
    let say = |verb: &str| format!("{} {verb}", label(target));
    if on("Replace") {
        return Ok(match live {
            None => Applied { change: Some(Change::create(target.clone())), message: say("created") },
            Some(live) => {
                let mut object = target.clone();
                object.set(&["metadata", "resourceVersion"], live.resource_version());
                for field in ["uid", "finalizers"] {
                    if object.pointer(&format!("/metadata/{field}")).is_none()
                        && let Some(value) = live.pointer(&format!("/metadata/{field}"))
                    {
                        object.set(&["metadata", field], value.clone());
                    }
                }
                let same = diff::diff(Some(target), Some(live), &Ignored::default()).is_ok_and(|it| !it.modified);
                Applied { change: (!same).then_some(Change::Update { object }), message: say("replaced") }
            }
        });
    }
    if on("ServerSideApply") {
        let change = Change::apply(target.clone(), names::FIELD_MANAGER);
        return Ok(Applied { change: Some(change), message: say("serverside-applied") });
    }
    let applied = client_side(target, live, displaced(target, live, app_options).is_some())?;
    if !is_rbac(target) {
        return Ok(applied);
    }
    // Permissions are reconciled first, which makes what is not there; applying finds it then.
    let verb = if applied.change.is_some() { "configured" } else { "unchanged" };
    Ok(Applied { message: format!("{}. {}", say("reconciled"), say(verb)), ..applied })
}

/// The deletion that has to come before an object can be applied: a binding's role can not be changed, so it is made anew.
#[must_use]
pub(super) fn displaced(target: &Object, live: Option<&Object>, app_options: &[String]) -> Option<Change> {
    let live = live?;
    let on = |name| options::option_is_on(Some(target), app_options, name);
    let role = |it: &Object| ["apiGroup", "kind", "name"].map(|field| it.text(&format!("/roleRef/{field}")).to_owned());
    let differs = is_rbac(target) && live.get("roleRef").is_some() && role(target) != role(live);
    (differs && !on("Replace") && !on("ServerSideApply") && !live.is_deleting()).then(|| Change::delete(live))
}

fn is_rbac(object: &Object) -> bool {
    object.text("/apiVersion") == "rbac.authorization.k8s.io/v1"
}

/// As `kubectl apply`; `anew` when the live object goes first.
fn client_side(target: &Object, live: Option<&Object>, anew: bool) -> Result<Applied, String> {
    let say = |verb: &str| format!("{} {verb}", label(target));
    let wanted = with_last_applied(target);
    let Some(live) = live.filter(|_| !anew) else {
        return Ok(Applied { change: Some(Change::create(wanted)), message: say("created") });
    };
    let original = diff::last_applied(live);
    let (kind, body) = match diff::schema(target) {
        Some(schema) => {
            let patch = strategic::three_way(original.as_ref(), wanted.value(), live.value(), &schema)
                .map_err(|error| format!("error when creating patch for {}: {error}", label(target)))?;
            (PatchKind::Strategic, patch)
        }
        None => (PatchKind::Merge, merge_patch::three_way(original.as_ref(), wanted.value(), live.value())),
    };
    if body.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(Applied { change: None, message: say("unchanged") });
    }
    let change = Change::Patch {
        target: target.reference(),
        patch: Patch { kind, body },
        subresource: None,
        resource_version: None,
    };
    Ok(Applied { change: Some(change), message: say("configured") })
}

/// The target with itself in the annotation that the next three-way comparison reads.
fn with_last_applied(target: &Object) -> Object {
    let mut bare = target.clone();
    bare.remove(&["metadata", "annotations", names::LAST_APPLIED]);
    if bare.pointer("/metadata/annotations").is_none() {
        bare.set(&["metadata", "annotations"], Value::Object(serde_json::Map::new()));
    }
    let mut text = gojson::to_string(bare.value());
    text.push('\n');
    bare.set_annotation(names::LAST_APPLIED, text);
    bare
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(data: Value) -> Object {
        Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "n"}, "data": data}))
    }

    fn created(applied: Applied) -> Object {
        match applied.change {
            Some(Change::Create { object }) => object,
            other => panic!("not created: {other:?}"),
        }
    }

    #[test]
    fn creating_leaves_what_kubectl_reads() {
        let applied = apply(&map(json!({"a": "<1>"})), None, &[]).unwrap();
        assert_eq!(applied.message, "configmap/c created");
        assert_eq!(
            created(applied).annotation(names::LAST_APPLIED),
            Some(
                "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"\\u003c1\\u003e\"},\"kind\":\"ConfigMap\",\
                 \"metadata\":{\"annotations\":{},\"name\":\"c\",\"namespace\":\"n\"}}\n"
            )
        );
    }

    #[test]
    fn fields_that_left_the_source_are_removed_and_those_of_others_stay() {
        let mut live = created(apply(&map(json!({"a": "1", "b": "2"})), None, &[]).unwrap());
        live.set(&["data", "other"], "x");
        let applied = apply(&map(json!({"a": "1"})), Some(&live), &[]).unwrap();
        assert_eq!(applied.message, "configmap/c configured");
        let Some(Change::Patch { patch, .. }) = applied.change else { panic!("no patch") };
        assert_eq!(patch.kind, PatchKind::Strategic);
        assert_eq!(patch.body["data"], json!({"b": null}));
        let merged = strategic::apply(live.value(), &patch.body, &diff::schema(&live).unwrap()).unwrap();
        assert_eq!(merged["data"], json!({"a": "1", "other": "x"}));
        let again = apply(&map(json!({"a": "1"})), Some(&Object::from_value(merged)), &[]).unwrap();
        assert_eq!((again.change, again.message.as_str()), (None, "configmap/c unchanged"));
    }

    #[test]
    fn permissions_are_reconciled_and_bindings_of_another_role_are_made_anew() {
        let binding = |role: &str| {
            Object::from_value(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "b", "namespace": "n"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}}))
        };
        let name = "rolebinding.rbac.authorization.k8s.io/b";
        let first = apply(&binding("a"), None, &[]).unwrap();
        assert_eq!(first.message, format!("{name} reconciled. {name} configured"));
        let live = created(first);
        assert_eq!(displaced(&binding("a"), Some(&live), &[]), None);
        let same = apply(&binding("a"), Some(&live), &[]).unwrap();
        assert_eq!((same.change, same.message), (None, format!("{name} reconciled. {name} unchanged")));
        assert!(matches!(displaced(&binding("b"), Some(&live), &[]), Some(Change::Delete { .. })));
        assert_eq!(created(apply(&binding("b"), Some(&live), &[]).unwrap()).text("/roleRef/name"), "b");
        let server_side = ["ServerSideApply=true".to_owned()];
        assert_eq!(displaced(&binding("b"), Some(&live), &server_side), None, "the API server says what it thinks");
    }

    #[test]
    fn options_choose_how() {
        let on = |it: &str| vec![it.to_owned()];
        let target = map(json!({"a": "1"}));
        let server_side = apply(&target, None, &on("ServerSideApply=true")).unwrap();
        assert!(
            matches!(server_side.change, Some(Change::Apply { ref manager, force: true, .. }) if manager == "argocd-controller")
        );
        assert_eq!(server_side.message, "configmap/c serverside-applied");
        let live = map(json!({"b": "1"})).with(&["metadata", "resourceVersion"], "7");
        let replaced = apply(&target, Some(&live), &on("Replace=true")).unwrap();
        let Some(Change::Update { object }) = replaced.change else { panic!("not replaced") };
        assert_eq!(object.resource_version(), "7");
        let deployment = Object::new(&argo_core::Gvk::new("apps", "v1", "Deployment"), Some("n"), "web");
        assert_eq!(label(&deployment), "deployment.apps/web");
    }
}

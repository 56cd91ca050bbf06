//! From what an action comes to, to writes.

use argo_core::{
    Change, Object,
    plan::{Patch, PatchKind},
};
use argo_merge::merge_patch;
use serde_json::{Value, json};

use super::{Impact, Operation};

/// What is to be written, in order. Creations are tried as dry runs before anything is written, so that fewer
/// actions end half way.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionWrite {
    /// A new object.
    Create(Change),
    /// A change without a status.
    Patch(Change),
    /// A change with a status: where the kind has a status subresource, `status` and then `rest`; where it has none (the
    /// server does not find it), `whole`.
    WithStatus {
        /// For the status subresource.
        status: Box<Change>,
        /// For the object itself, if more than the status changes.
        rest: Option<Box<Change>>,
        /// For the object itself, everything.
        whole: Box<Change>,
    },
}

/// The project does not permit what an action would write. Nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("application is not permitted to manage {group}/{kind}/{name} in {namespace}")]
pub struct Refused {
    /// Group of the object.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// The writes of an action on `live`. `permitted` says what the project allows.
///
/// # Errors
/// One of the objects is not permitted: then nothing is to be written.
pub fn writes(
    live: &Object,
    impacts: &[Impact],
    permitted: impl Fn(&Object) -> bool,
) -> Result<Vec<ActionWrite>, Refused> {
    if let Some(impact) = impacts.iter().find(|it| !permitted(&it.object)) {
        let gvk = impact.object.gvk();
        return Err(Refused {
            group: gvk.group,
            kind: gvk.kind,
            name: impact.object.name().to_owned(),
            namespace: impact.object.namespace().unwrap_or_default().to_owned(),
        });
    }
    Ok(impacts.iter().filter_map(|it| write(live, it)).collect())
}

fn write(live: &Object, impact: &Impact) -> Option<ActionWrite> {
    if impact.operation == Operation::Create {
        return Some(ActionWrite::Create(Change::create(impact.object.clone())));
    }
    let body = merge_patch::diff(live.value(), impact.object.value());
    let members = body.as_object().filter(|it| !it.is_empty())?;
    let patch = |body: Value, subresource: Option<&str>| Change::Patch {
        target: impact.object.reference(),
        patch: Patch { kind: PatchKind::Merge, body },
        subresource: subresource.map(str::to_owned),
        resource_version: None,
    };
    let Some(status) = members.get("status") else { return Some(ActionWrite::Patch(patch(body, None))) };
    let mut rest = members.clone();
    rest.remove("status");
    Some(ActionWrite::WithStatus {
        status: Box::new(patch(json!({"status": status}), Some("status"))),
        rest: (!rest.is_empty()).then(|| Box::new(patch(Value::Object(rest), None))),
        whole: Box::new(patch(body, None)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout() -> Object {
        Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "web", "namespace": "n"}, "spec": {"paused": true}, "status": {"abort": true}}))
    }

    fn patched(edit: impl FnOnce(&mut Object)) -> Vec<ActionWrite> {
        let mut object = rollout();
        edit(&mut object);
        writes(&rollout(), &[Impact { operation: Operation::Patch, object }], |_| true).unwrap()
    }

    fn body(change: &Change) -> (&Value, Option<&str>) {
        match change {
            Change::Patch { patch, subresource, .. } => (&patch.body, subresource.as_deref()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_status_goes_through_its_subresource_where_there_is_one() {
        let both = patched(|it| {
            it.remove(&["status", "abort"]);
            it.set(&["spec", "paused"], false);
        });
        let [ActionWrite::WithStatus { status, rest: Some(rest), whole }] = &both[..] else { panic!("{both:?}") };
        assert_eq!(body(status), (&json!({"status": {"abort": null}}), Some("status")));
        assert_eq!(body(rest), (&json!({"spec": {"paused": false}}), None));
        assert_eq!(body(whole), (&json!({"spec": {"paused": false}, "status": {"abort": null}}), None));
        let spec = patched(|it| it.set(&["spec", "paused"], false));
        let [ActionWrite::Patch(change)] = &spec[..] else { panic!("{spec:?}") };
        assert_eq!(body(change).0, &json!({"spec": {"paused": false}}));
        assert_eq!(patched(|_| {}), []);
    }

    #[test]
    fn what_the_project_forbids_stops_the_whole_action() {
        let job = Object::new(&argo_core::Gvk::new("batch", "v1", "Job"), Some("n"), "run");
        let impacts = [
            Impact { operation: Operation::Patch, object: rollout().with(&["spec", "paused"], false) },
            Impact { operation: Operation::Create, object: job },
        ];
        let refused = writes(&rollout(), &impacts, |it| it.text("/kind") != "Job").unwrap_err();
        assert_eq!(refused.to_string(), "application is not permitted to manage batch/Job/run in n");
    }
}

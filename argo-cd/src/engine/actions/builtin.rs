//! The actions of kinds that upstream has built in.

use argo_core::Object;
use jiff::Timestamp;
use serde_json::Value;

use super::{ActionError, ActionInfo, Discovered, Impact, Look, Operation, Params, config_key, edit::Call, look};

/// Group, kind, what there is, what it does.
pub(super) type Entry = (&'static str, &'static str, fn(Look<'_>) -> Discovered, &'static [(&'static str, Run)]);

/// What an action does.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Changes the object.
    Edit(fn(&mut Value, &Call<'_>) -> Result<(), ActionError>),
    /// Makes a new one.
    Create(fn(&Value, &Call<'_>) -> Result<Value, ActionError>),
}

const ALL: [&[Entry]; 5] =
    [super::argo::KINDS, super::flux::KINDS, super::numa::KINDS, super::operators::KINDS, super::workloads::KINDS];

fn entry(object: &Object) -> Option<&'static Entry> {
    let gvk = object.gvk();
    ALL.iter().copied().flatten().find(|(group, kind, ..)| *group == gvk.group && *kind == gvk.kind)
}

pub(super) fn discover(object: &Object) -> Result<Vec<ActionInfo>, ActionError> {
    match entry(object) {
        Some((_, _, discover, _)) => Ok(discover(look(object))?),
        None => Ok(Vec::new()),
    }
}

pub(super) fn run(object: &Object, action: &str, params: &Params, now: Timestamp) -> Result<Vec<Impact>, ActionError> {
    let actions = entry(object).map(|it| it.3).unwrap_or_default();
    let Some((_, run)) = actions.iter().find(|it| it.0 == action) else {
        let known: Vec<&str> = actions.iter().map(|it| it.0).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(ActionError::Unknown { kind: config_key(object), action: action.to_owned(), known });
    };
    let call = Call { params, now };
    Ok(vec![match run {
        Run::Edit(edit) => {
            let mut value = object.value().clone();
            edit(&mut value, &call)?;
            Impact { operation: Operation::Patch, object: Object::from_value(value) }
        }
        Run::Create(create) => {
            let made = create(object.value(), &call)?;
            Impact { operation: Operation::Create, object: Object::from_value(made) }
        }
    }])
}

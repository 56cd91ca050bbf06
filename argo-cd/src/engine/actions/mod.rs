//! What users can do with a live object: restart, pause, resume, scale, promote, …
//!
//! [`discover`] says what there is and what is disabled at the moment; [`run`] says what an action makes of the object, and
//! what it creates; [`writes`] makes that writes. Built-in actions are in Rust, one file per family; those of the
//! installation are Lua (`resource.customizations.actions.<group_kind>`, feature `lua`).

mod argo;
mod builtin;
mod edit;
mod flux;
mod numa;
mod operators;
#[cfg(feature = "lua")]
mod script;
mod workloads;
mod write;

use std::collections::BTreeMap;

use argo_core::Object;
use argo_lang::yaml;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    look::{Look, Unjudged},
    settings::Settings,
};
pub use write::{ActionWrite, Refused, writes};

/// One action that an object has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionInfo {
    /// Its name.
    pub name: String,
    /// What it asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<ActionParam>,
    /// Whether it makes no sense at the moment.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// CSS class of its icon.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon_class: String,
    /// How it is shown; by its name when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
}

/// A value that an action asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionParam {
    /// Its name.
    pub name: String,
}

impl ActionInfo {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    fn icon(self, class: &str) -> Self {
        Self { icon_class: class.to_owned(), ..self }
    }

    fn shown(self, name: &str) -> Self {
        Self { display_name: name.to_owned(), ..self }
    }

    fn disabled(self, disabled: bool) -> Self {
        Self { disabled, ..self }
    }

    fn asks(mut self, name: &str) -> Self {
        self.params.push(ActionParam { name: name.to_owned() });
        self
    }
}

/// What an action does to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Impact {
    /// How.
    pub operation: Operation,
    /// What comes of it.
    pub object: Object,
}

/// How an action writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new object.
    Create,
    /// A change of the object that the action is run on.
    Patch,
}

/// Why an action gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The kind has no such action.
    #[error("built-in script does not exist: {kind} has no action {action:?}; it has {known}")]
    Unknown {
        /// Group and kind.
        kind: String,
        /// What was asked for.
        action: String,
        /// What there is.
        known: String,
    },
    /// The action failed, in its own words.
    #[error("{0}")]
    Failed(String),
    /// The settings of the kind's actions can not be read.
    #[error("resource.customizations.actions of {kind}: {message}")]
    Settings {
        /// Group and kind.
        kind: String,
        /// Why.
        message: String,
    },
    /// The installation's actions are Lua, and this build runs none.
    #[error("actions of {0} are Lua scripts, and this build runs none (feature `lua`)")]
    NoLua(String),
}

impl From<Unjudged> for ActionError {
    fn from(error: Unjudged) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Values of an action's parameters.
pub type Params = BTreeMap<String, String>;

/// `group/Kind`, or the kind alone in the core group: the key of a kind in `resource.customizations`.
pub(crate) fn config_key(object: &Object) -> String {
    let gvk = object.gvk();
    if gvk.group.is_empty() { gvk.kind } else { format!("{}/{}", gvk.group, gvk.kind) }
}

/// `resource.customizations.actions.<group_kind>`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Custom {
    #[serde(rename = "discovery.lua")]
    discovery: String,
    definitions: Vec<Definition>,
    #[serde(rename = "mergeBuiltinActions")]
    merge: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Definition {
    name: String,
    #[serde(rename = "action.lua")]
    script: String,
}

fn custom(object: &Object, settings: &Settings) -> Result<Option<Custom>, ActionError> {
    let kind = config_key(object);
    let Some(text) = settings.overrides.get(&kind).map(|it| it.actions.as_str()).filter(|it| !it.is_empty()) else {
        return Ok(None);
    };
    let fault = |message: String| ActionError::Settings { kind: kind.clone(), message };
    let value = yaml::decode(text).map_err(|error| fault(error.to_string()))?;
    serde_json::from_value(value).map(Some).map_err(|error| fault(error.to_string()))
}

/// The actions of an object, by name.
///
/// # Errors
/// A script or the settings of the kind fail.
pub fn discover(object: &Object, settings: &Settings, now: Timestamp) -> Result<Vec<ActionInfo>, ActionError> {
    let mut found: BTreeMap<String, ActionInfo> = BTreeMap::new();
    let custom = custom(object, settings)?;
    if let Some(custom) = &custom {
        for action in discover_custom(object, &custom.discovery, now)? {
            found.entry(action.name.clone()).or_insert(action);
        }
    }
    if custom.is_none_or(|it| it.merge) {
        for action in builtin::discover(object)? {
            found.entry(action.name.clone()).or_insert(action);
        }
    }
    Ok(found.into_values().collect())
}

/// What an action comes to on a live object; nothing is written.
///
/// # Errors
/// There is no such action, or it fails.
pub fn run(
    object: &Object,
    action: &str,
    params: &Params,
    settings: &Settings,
    now: Timestamp,
) -> Result<Vec<Impact>, ActionError> {
    let custom = custom(object, settings)?;
    let defined = custom.iter().flat_map(|it| &it.definitions).find(|it| it.name == action);
    match defined {
        Some(definition) => run_custom(object, &definition.script, params, now),
        None => builtin::run(object, action, params, now),
    }
}

#[cfg(feature = "lua")]
use script::{discover as discover_custom, run as run_custom};

#[cfg(not(feature = "lua"))]
fn discover_custom(object: &Object, _: &str, _: Timestamp) -> Result<Vec<ActionInfo>, ActionError> {
    Err(ActionError::NoLua(config_key(object)))
}

#[cfg(not(feature = "lua"))]
fn run_custom(object: &Object, _: &str, _: &Params, _: Timestamp) -> Result<Vec<Impact>, ActionError> {
    Err(ActionError::NoLua(config_key(object)))
}

/// What a discovery says.
type Discovered = Result<Vec<ActionInfo>, Unjudged>;

fn look(object: &Object) -> Look<'_> {
    Look::new(object.value())
}

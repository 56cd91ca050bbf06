//! [`NodeSelector`]: which nodes an operation means.

use super::OperationError;
use crate::api::NodeStatus;

/// Conditions on fields of a node, all of which must hold: `displayName=approve,phase!=Failed`. Fields:
/// `displayName`, `templateName`, `phase`, `name`, `id`, `templateRef.name`, `templateRef.template`,
/// `inputs.parameters.<name>.value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSelector(Vec<(String, bool, String)>);

impl NodeSelector {
    /// Reads a field selector.
    ///
    /// # Errors
    /// When a part is not `field=value`, `field==value` or `field!=value`.
    pub fn parse(text: &str) -> Result<Self, OperationError> {
        let mut conditions = Vec::new();
        for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, true, value)
            } else {
                return Err(OperationError::Selector(part.to_owned()));
            };
            conditions.push((field.trim().to_owned(), equal, value.trim().to_owned()));
        }
        Ok(Self(conditions))
    }

    /// Whether a node is meant.
    #[must_use]
    pub fn matches(&self, node: &NodeStatus) -> bool {
        self.0.iter().all(|(field, equal, value)| (field_of(node, field) == *value) == *equal)
    }
}

fn field_of(node: &NodeStatus, field: &str) -> String {
    let text = |it: Option<&String>| it.cloned().unwrap_or_default();
    let reference = node.template_ref.as_ref();
    match field {
        "displayName" => node.display_name.clone(),
        "templateName" => text(node.template_name.as_ref()),
        "phase" => node.phase().as_str().to_owned(),
        "name" => node.name.clone(),
        "id" => node.id.clone(),
        "templateRef.name" => text(reference.and_then(|it| it.name.as_ref())),
        "templateRef.template" => text(reference.and_then(|it| it.template.as_ref())),
        other => {
            let name = other.strip_prefix("inputs.parameters.").and_then(|it| it.strip_suffix(".value"));
            let inputs = node.inputs.iter().flat_map(|it| &it.parameters);
            let found = name.and_then(|name| inputs.into_iter().find(|it| it.name == name));
            found.and_then(|it| it.value.as_ref()).map(|it| it.0.clone()).unwrap_or_default()
        }
    }
}

//! Where the object of a `k8s` or `argoWorkflow` trigger comes from.

use argo_core::Object;
use serde_json::Value;

use super::{Call, TriggerError};
use crate::{
    api::{ArtifactLocation, TriggerParameter},
    engine::parameters,
};

/// Checks a location.
pub(super) fn validate(source: Option<&ArtifactLocation>) -> Result<(), String> {
    let source = source.ok_or("source can't be empty")?;
    if source.inline.is_some() || source.configmap.is_some() || source.resource.is_some() {
        return Ok(());
    }
    for kind in ["s3", "git", "url"] {
        if source.extra.contains_key(kind) {
            return Err(format!("source {kind} is not supported yet: use resource, inline or configmap"));
        }
    }
    if source.extra.contains_key("file") {
        // Upstream reads the sensor's own pod; here that would be the controller's.
        return Err("source file is refused, it would read the controller's files: use configmap".to_owned());
    }
    Err("source needs one of resource, inline, configmap".to_owned())
}

/// The object, with the parameters of the resource put in.
pub(super) async fn object(
    call: &Call<'_>,
    source: Option<&ArtifactLocation>,
    parameters: &[TriggerParameter],
) -> Result<Object, TriggerError> {
    validate(source).map_err(TriggerError::Invalid)?;
    let source = source.cloned().unwrap_or_default();
    let mut json = if let Some(text) = source.inline {
        yaml(&text)?
    } else if let Some(selector) = source.configmap {
        yaml(&call.services.secrets.config_map(&call.firing.namespace, &selector).await?)?
    } else {
        source.resource.unwrap_or_default()
    };
    if !json.is_object() {
        return Err(TriggerError::Invalid("source is not an object".to_owned()));
    }
    parameters::apply(&mut json, parameters, &call.firing.events)?;
    let object = Object::from_value(json);
    if object.text("/apiVersion").is_empty() || object.text("/kind").is_empty() {
        return Err(TriggerError::Invalid("source has no apiVersion or no kind".to_owned()));
    }
    Ok(object)
}

fn yaml(text: &str) -> Result<Value, TriggerError> {
    argo_lang::yaml::decode(text).map_err(|it| TriggerError::Invalid(format!("source: {it}")))
}

//! Ingresses.

use argo_core::Object;
use serde_json::Value;

use super::{healthy, progressing};
use crate::api::ResourceHealth;

pub(super) fn ingress(object: &Object) -> ResourceHealth {
    let ingress = object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    if ingress.is_some_and(|it| !it.is_empty()) { healthy("") } else { progressing("") }
}

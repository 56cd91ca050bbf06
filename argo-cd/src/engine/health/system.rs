//! APIServices.

use argo_core::Object;

use super::{conditions, field, healthy, progressing};
use crate::api::ResourceHealth;

pub(super) fn api_service(object: &Object) -> ResourceHealth {
    let Some(condition) = conditions(object).find(|it| field(it, "type") == "Available") else {
        return progressing("Waiting to be processed");
    };
    let message = format!("{}: {}", field(condition, "reason"), field(condition, "message"));
    if field(condition, "status") == "True" { healthy(message) } else { progressing(message) }
}

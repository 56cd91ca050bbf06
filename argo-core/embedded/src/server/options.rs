//! What the query of a write may say: dry run, field manager, field validation.

use serde_json::json;

use super::request::{RawRequest, Verb};
use super::status::{ApiError, Cause};

const MANAGER_LIMIT: usize = 128;

/// Checks the options of a write and answers whether it is a dry run.
pub(super) fn check(request: &RawRequest, verb: Verb) -> Result<bool, ApiError> {
    let kind = match verb {
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch => "PatchOptions",
        Verb::Delete | Verb::DeleteCollection => "DeleteOptions",
        Verb::Get | Verb::List | Verb::Watch => return Ok(false),
    };
    let query = &request.query;
    let mut causes = Vec::new();
    let dry_run = match query.get("dryRun") {
        None => false,
        Some("All") => true,
        Some(other) => {
            causes.push(Cause::not_supported("dryRun", &json!([other]), &["All".to_owned()]));
            false
        }
    };
    if kind != "DeleteOptions" {
        let manager = query.get("fieldManager").unwrap_or_default();
        if manager.len() > MANAGER_LIMIT {
            causes.push(Cause::too_long("fieldManager", MANAGER_LIMIT));
        }
        for (at, c) in manager.char_indices().filter(|(_, c)| c.is_control()) {
            let why = format!("invalid character U+{:04X} (at position {at})", u32::from(c));
            causes.push(Cause {
                reason: "FieldValueInvalid",
                field: "fieldManager".to_owned(),
                message: format!("Invalid value: {}: {why}", super::status::go_quoted(manager)),
            });
        }
        let wanted = query.get("fieldValidation").unwrap_or_default();
        if !matches!(wanted, "" | "Ignore" | "Strict" | "Warn") {
            let supported = ["", "Ignore", "Strict", "Warn"].map(str::to_owned);
            causes.push(Cause::not_supported("fieldValidation", &json!(wanted), &supported));
        }
    }
    if causes.is_empty() { Ok(dry_run) } else { Err(ApiError::invalid("meta.k8s.io", kind, "", &causes)) }
}

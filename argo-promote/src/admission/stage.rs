//! Stages: what must hold for one to work.

use std::collections::BTreeSet;

use super::AdmissionError;
use crate::api::{PromotionStep, SelectionPolicy, Stage};

/// Checks a Stage.
///
/// # Errors
/// Names the first field that is wrong.
pub fn validate_stage(stage: &Stage) -> Result<(), AdmissionError> {
    let requests = &stage.spec.requested_freight;
    if requests.is_empty() {
        return Err(AdmissionError::field("spec.requestedFreight", "at least one is required"));
    }
    let mut origins = BTreeSet::new();
    for (index, request) in requests.iter().enumerate() {
        let path = |field: &str| format!("spec.requestedFreight[{index}].{field}");
        if !origins.insert(request.origin.to_string()) {
            let message = format!("freight with origin {} requested multiple times", request.origin);
            return Err(AdmissionError::field(path("origin"), message));
        }
        let sources = &request.sources;
        if !sources.direct && sources.stages.is_empty() {
            return Err(AdmissionError::field(path("sources"), "must be direct or name at least one stage"));
        }
        if let Some(soak) = &sources.required_soak_time {
            argo_lang::duration::parse(soak)
                .map_err(|it| AdmissionError::field(path("sources.requiredSoakTime"), it.to_string()))?;
        }
        let policy = sources.auto_promotion_options.as_ref().map(|it| it.selection_policy);
        if policy == Some(SelectionPolicy::MatchUpstream) && (sources.direct || sources.stages.len() != 1) {
            let message = "MatchUpstream needs exactly one upstream stage and no direct source";
            return Err(AdmissionError::field(path("sources.autoPromotionOptions.selectionPolicy"), message));
        }
    }
    let mut aliases = BTreeSet::new();
    for (index, step) in stage.steps().iter().enumerate() {
        validate_step(step, &format!("spec.promotionTemplate.spec.steps[{index}]"), &mut aliases)?;
    }
    Ok(())
}

fn validate_step(step: &PromotionStep, path: &str, aliases: &mut BTreeSet<String>) -> Result<(), AdmissionError> {
    if step.uses.is_empty() == step.task.is_none() {
        return Err(AdmissionError::field(path, "must have exactly one of uses and task"));
    }
    if step.task.is_some() {
        let forbidden = [
            ("continueOnError", step.continue_on_error),
            ("retry", step.retry.is_some()),
            ("if", !step.condition.is_empty()),
            ("config", step.config.is_some()),
        ];
        if let Some((field, _)) = forbidden.iter().find(|(_, set)| *set) {
            return Err(AdmissionError::field(format!("{path}.{field}"), "may not be set on a step that is a task"));
        }
    }
    if step.alias.is_empty() {
        return Ok(());
    }
    let reserved = ["step-", "task-"].iter().filter_map(|it| step.alias.strip_prefix(it));
    if reserved.into_iter().any(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit())) {
        return Err(AdmissionError::field(format!("{path}.as"), format!("step alias {:?} is reserved", step.alias)));
    }
    if !aliases.insert(step.alias.clone()) {
        return Err(AdmissionError::field(format!("{path}.as"), format!("step alias {:?} is not unique", step.alias)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(requested: Value, steps: Value) -> Result<(), String> {
        let stage = json!({"metadata": {"name": "s"},
            "spec": {"requestedFreight": requested, "promotionTemplate": {"spec": {"steps": steps}}}});
        validate_stage(&serde_json::from_value(stage).unwrap()).map_err(|it| it.to_string())
    }

    #[test]
    fn wrong_fields_are_named() {
        let direct = json!([{"origin": {"kind": "Warehouse", "name": "w"}, "sources": {"direct": true}}]);
        assert_eq!(check(direct.clone(), json!([{"uses": "x", "as": "a"}])), Ok(()));
        let no_source = json!([{"origin": {"kind": "Warehouse", "name": "w"}, "sources": {}}]);
        assert!(check(no_source, json!([])).unwrap_err().starts_with("spec.requestedFreight[0].sources"));
        let twice = json!([direct[0], direct[0]]);
        assert!(check(twice, json!([])).unwrap_err().contains("multiple times"));
        for (steps, at) in [
            (json!([{"uses": "x", "as": "step-3"}]), "as"),
            (json!([{"uses": "x", "as": "a"}, {"uses": "x", "as": "a"}]), "as"),
            (json!([{"uses": "x", "task": {"name": "t"}}]), "steps[0]"),
            (json!([{"as": "y"}]), "steps[0]"),
            (json!([{"task": {"name": "t"}, "if": "${{ true }}"}]), "if"),
        ] {
            assert!(check(direct.clone(), steps.clone()).unwrap_err().contains(at), "{steps}");
        }
        let upstream = json!([{"origin": {"kind": "Warehouse", "name": "w"},
            "sources": {"stages": ["a", "b"], "autoPromotionOptions": {"selectionPolicy": "MatchUpstream"}}}]);
        assert!(check(upstream, json!([])).unwrap_err().contains("MatchUpstream"));
    }
}

//! What an Experiment must be before anything is done: the first error is reported.

use std::collections::BTreeSet;

use crate::api::{Experiment, PROGRESS_DEADLINE};

/// Why an Experiment can not be carried out; `None` when it can.
pub(super) fn experiment(ex: &Experiment) -> Option<String> {
    let name = ex.metadata.name.as_deref().unwrap_or_default();
    let deadline = ex.spec.progress_deadline_seconds.unwrap_or(PROGRESS_DEADLINE);
    let mut names = BTreeSet::new();
    for (index, template) in ex.spec.templates.iter().enumerate() {
        let Some(selector) = &template.selector else {
            return Some(format!("Rollout has missing field '.Spec.Templates[{index}].Selector'"));
        };
        if selector.is_empty() {
            return Some(format!(
                "This experiment is selecting all pods at index {index}. A non-empty selector is required."
            ));
        }
        if template.min_ready_seconds.unwrap_or_default() > deadline {
            return Some(format!(
                "MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index {index}"
            ));
        }
        if template.name.is_empty() {
            return Some(format!("Experiment {name} has empty template name at index {index}"));
        }
        if !names.insert(&template.name) {
            return Some(format!("Experiment {name} has repeated template name '{}' in templates", template.name));
        }
        if !template.template.is_object() {
            return Some(format!("Rollout has missing field '.Spec.Templates[{index}].Template'"));
        }
    }
    let duration = ex.spec.duration.as_deref()?;
    let error = argo_lang::duration::parse(duration).err()?;
    Some(format!("Experiment {name} has no duration in '{duration}': {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn verdict(spec: Value) -> Option<String> {
        experiment(&serde_json::from_value(json!({"metadata": {"name": "e"}, "spec": spec})).unwrap())
    }

    #[test]
    fn the_first_error_is_told_in_upstreams_words() {
        let ok = json!({"name": "a", "selector": {"matchLabels": {"app": "a"}}, "template": {}});
        assert_eq!(verdict(json!({"templates": [ok], "duration": "5m"})), None);
        let with = |field: &str, value: Value| {
            let mut template = ok.clone();
            template[field] = value;
            verdict(json!({"templates": [template]})).unwrap_or_default()
        };
        assert_eq!(with("selector", Value::Null), "Rollout has missing field '.Spec.Templates[0].Selector'");
        assert_eq!(
            with("selector", json!({})),
            "This experiment is selecting all pods at index 0. A non-empty selector is required."
        );
        assert_eq!(
            with("minReadySeconds", json!(601)),
            "MinReadySeconds cannot be longer than ProgressDeadlineSeconds. Check template index 0"
        );
        assert_eq!(with("name", json!("")), "Experiment e has empty template name at index 0");
        assert_eq!(
            verdict(json!({"templates": [ok, ok]})).unwrap_or_default(),
            "Experiment e has repeated template name 'a' in templates"
        );
        assert!(verdict(json!({"templates": [ok], "duration": "soon"})).is_some_and(|it| it.contains("'soon'")));
    }
}

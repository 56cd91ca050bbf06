//! What metrics must be.

use std::collections::BTreeSet;

use super::schedule::text;
use crate::api::{IntOrString, Metric};

/// Checks all metrics; the words are upstream's.
pub(super) fn metrics(metrics: &[Metric]) -> Result<(), String> {
    if metrics.is_empty() {
        return Err("no metrics specified".to_owned());
    }
    let mut names = BTreeSet::new();
    for (at, it) in metrics.iter().enumerate() {
        if !names.insert(&it.name) {
            return Err(format!("metrics[{at}]: duplicate name '{}'", it.name));
        }
        metric(it).map_err(|error| format!("metrics[{at}]: {error}"))?;
    }
    Ok(())
}

fn metric(metric: &Metric) -> Result<(), String> {
    let number = |field: &Option<IntOrString>, name: &str| match field {
        None => Ok(0),
        Some(it) => it.as_int().ok_or_else(|| format!("{name} must be a whole number, not {it:?}")),
    };
    let count = number(&metric.count, "count")?;
    let failures = number(&metric.failure_limit, "failureLimit")?;
    let successes = number(&metric.consecutive_success_limit, "consecutiveSuccessLimit")?;
    let inconclusive = number(&metric.inconclusive_limit, "inconclusiveLimit")?;
    let errors = number(&metric.consecutive_error_limit, "consecutiveErrorLimit")?;
    let checks = [
        (successes < 0, "consecutiveSuccessLimit must be >= 0".to_owned()),
        (failures < -1, "failureLimit must be >= 0, or -1 to be disabled".to_owned()),
        (
            successes == 0 && failures == -1,
            "failureLimit and consecutiveSuccessLimit cannot both be disabled".to_owned(),
        ),
        (inconclusive < 0, "inconclusiveLimit must be >= 0".to_owned()),
        (errors < 0, "consecutiveErrorLimit must be >= 0".to_owned()),
        (
            count > 0 && failures >= 0 && count < failures + successes,
            format!(
                "count ({count}) must be >= failureLimit + consecutiveSuccessLimit ({failures} + {successes}) if both >= 0"
            ),
        ),
        (count > 0 && failures < 0 && count < successes, "count must be >= consecutiveSuccessLimit".to_owned()),
        (count > 0 && count < inconclusive, "count must be >= inconclusiveLimit".to_owned()),
        (count > 1 && text(&metric.interval).is_none(), "interval must be specified when count > 1".to_owned()),
    ];
    if let Some((_, message)) = checks.into_iter().find(|it| it.0) {
        return Err(message);
    }
    for (field, what) in [(&metric.interval, "interval"), (&metric.initial_delay, "startDelay")] {
        if let Some(duration) = text(field) {
            argo_lang::duration::parse(duration).map_err(|it| format!("invalid {what} string: {it}"))?;
        }
    }
    let providers = metric.provider.providers.iter().filter(|(_, it)| !it.is_null());
    let providers: usize =
        providers.map(|(name, it)| if name == "plugin" { it.as_object().map_or(0, |it| it.len()) } else { 1 }).sum();
    match providers {
        0 => Err("no provider specified".to_owned()),
        1 => Ok(()),
        _ => Err("multiple providers specified".to_owned()),
    }
}

/// For every metric the last rule that matches its name; each rule must match one.
pub(super) fn rules(kind: &str, rules: &[&str], metrics: &[Metric]) -> Result<Vec<Option<usize>>, String> {
    let mut found = vec![None; metrics.len()];
    for (at, rule) in rules.iter().enumerate() {
        // A pattern that is none matches nothing.
        let pattern = argo_lang::regexp::compile(rule).ok();
        let mut matched = false;
        for (metric, slot) in metrics.iter().zip(&mut found) {
            if pattern.as_ref().is_some_and(|it| it.is_match(&metric.name)) {
                *slot = Some(at);
                matched = true;
            }
        }
        if !matched {
            return Err(format!("{kind}[{at}]: Rule didn't match any metric name(s)"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_mistake_has_its_words() {
        for (mistake, words) in [
            (json!([]), "no metrics specified"),
            (
                json!([{"name": "a", "provider": {"web": {}}}, {"name": "a", "provider": {"web": {}}}]),
                "metrics[1]: duplicate name 'a'",
            ),
            (json!([{"name": "a", "provider": {}}]), "metrics[0]: no provider specified"),
            (json!([{"name": "a", "provider": {"web": {}, "job": {}}}]), "metrics[0]: multiple providers specified"),
            (
                json!([{"name": "a", "count": 2, "provider": {"web": {}}}]),
                "metrics[0]: interval must be specified when count > 1",
            ),
            (
                json!([{"name": "a", "failureLimit": -2, "provider": {"web": {}}}]),
                "metrics[0]: failureLimit must be >= 0, or -1 to be disabled",
            ),
            (
                json!([{"name": "a", "failureLimit": -1, "provider": {"web": {}}}]),
                "metrics[0]: failureLimit and consecutiveSuccessLimit cannot both be disabled",
            ),
            (
                json!([{"name": "a", "count": 1, "failureLimit": 1, "consecutiveSuccessLimit": 1, "provider": {"web": {}}}]),
                "metrics[0]: count (1) must be >= failureLimit + consecutiveSuccessLimit (1 + 1) if both >= 0",
            ),
            (
                json!([{"name": "a", "interval": "x", "provider": {"web": {}}}]),
                "metrics[0]: invalid interval string: time: invalid duration \"x\"",
            ),
        ] {
            let list: Vec<Metric> = serde_json::from_value(mistake).unwrap();
            assert_eq!(metrics(&list).unwrap_err(), words);
        }
    }

    #[test]
    fn rules_are_patterns_and_must_match() {
        let list: Vec<Metric> = serde_json::from_value(json!([{"name": "err-a"}, {"name": "lat"}])).unwrap();
        assert_eq!(rules("dryRun", &["err.*"], &list).unwrap(), [Some(0), None]);
        assert_eq!(rules("dryRun", &["none"], &list).unwrap_err(), "dryRun[0]: Rule didn't match any metric name(s)");
    }
}

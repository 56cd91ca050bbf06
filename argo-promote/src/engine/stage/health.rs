//! How a Stage is: the health checks that the steps of its last promotion asked for.

use std::collections::BTreeMap;

use argo_core::{Change, Object, Timestamp};
use serde_json::{Value, json};

use crate::{
    api::{Health, HealthCheckStep, HealthState},
    engine::argocd,
};

/// The one kind of health check: Argo CD Applications.
pub(super) const ARGOCD_UPDATE: &str = "argocd-update";

/// Runs health checks over the Applications as they are; the changes ask Argo CD to look again where it has not yet.
/// No checks means healthy.
#[must_use]
pub fn assess(
    checks: &[HealthCheckStep],
    applications: Option<&BTreeMap<(String, String), Object>>,
    now: Timestamp,
) -> (Health, Vec<Change>) {
    let mut health = Health::default();
    let mut refresh = Vec::new();
    let mut outputs = Vec::new();
    for check in checks {
        let config = check.config.clone().unwrap_or_default();
        if check.uses != ARGOCD_UPDATE {
            let issue = format!("no health checker is registered for kind {:?}", check.uses);
            argocd::merge_health(&mut health, unknown(issue));
            continue;
        }
        let Some(applications) = applications else {
            let issue = "Argo CD integration is disabled; cannot assess the health of Applications".to_owned();
            argocd::merge_health(&mut health, unknown(issue));
            continue;
        };
        let mut statuses = Vec::new();
        for target in argocd::health_targets(&config) {
            let app = applications.get(&(target.namespace.clone(), target.name.clone()));
            let (status, issue, look_again) = argocd::application_health(&target, app, now);
            let issues = issue.into_iter().collect();
            argocd::merge_health(&mut health, Health { status, issues, ..Health::default() });
            statuses.push(argocd::health_output(&target, app));
            if let Some(app) = app.filter(|_| look_again) {
                let patch = json!({"metadata": {"annotations": {argocd::ANNOTATION_REFRESH: "hard"}}});
                refresh.push(Change::merge(app.reference(), patch));
            }
        }
        outputs.push(json!({"applicationStatuses": statuses}));
    }
    if !checks.is_empty() {
        health.config = serde_json::to_value(checks).ok();
        health.output = Some(Value::Array(outputs));
    }
    (health, refresh)
}

fn unknown(issue: String) -> Health {
    Health { status: HealthState::Unknown, issues: vec![issue], ..Health::default() }
}

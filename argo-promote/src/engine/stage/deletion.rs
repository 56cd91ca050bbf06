//! A Stage that goes: its marks on Freight, its AnalysisRuns, then the finalizer.

use argo_core::{Change, Object, Plan};
use serde_json::json;

use super::Effect;
use crate::{
    api::{Freight, Stage, StageStatus, names},
    engine::{freight, names::label_value},
};

/// What is to be done before a Stage is gone.
#[must_use]
pub fn delete(
    read: &Object,
    stage: &Stage,
    freights: &[(Object, Freight)],
    runs: &[Object],
) -> Plan<StageStatus, Effect> {
    let mut plan = Plan::default();
    for (object, known) in freights {
        let mut left = known.clone();
        left.status.verified_in.remove(stage.name());
        left.status.approved_for.remove(stage.name());
        left.status.currently_in.remove(stage.name());
        if left != *known
            && let Some(change) = freight::status_change(object, &left)
        {
            plan.push(change);
        }
    }
    let label = label_value(stage.name());
    for run in runs.iter().filter(|it| it.label(names::LABEL_STAGE) == Some(label.as_str())) {
        plan.push(Change::delete(run));
    }
    if read.has_finalizer(names::FINALIZER) {
        let left: Vec<&str> = read.finalizers().filter(|it| *it != names::FINALIZER).collect();
        let mut to = read.clone();
        to.set(&["metadata", "finalizers"], json!(left));
        if let Some(change) = Change::merge_between(read, &to) {
            plan.push(change);
        }
    }
    plan
}

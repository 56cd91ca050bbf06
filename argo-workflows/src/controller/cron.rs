//! CronWorkflows: the thin part.

use std::sync::Arc;

use argo_core::{
    Change, Object, ObjectKey,
    runtime::{Cache, Context, Outcome, Reconcile, ReconcileResult},
};
use serde_json::json;

use super::{Unwritable, counting::Counting};
use crate::{
    api::{CronWorkflow, LABEL_CONTROLLER_INSTANCE_ID},
    engine::{CronWorld, reconcile_cron},
};

/// Name of the controller in logs and metrics.
pub(super) const NAME: &str = "cron-workflows";

pub(super) struct CronReconciler {
    pub(super) context: Context,
    pub(super) crons: Arc<Cache>,
    pub(super) workflows: Arc<Cache>,
    pub(super) counting: Arc<Counting>,
    /// Only CronWorkflows with this label are run; `None`: only those without.
    pub(super) instance_id: Option<String>,
}

#[async_trait::async_trait]
impl Reconcile for CronReconciler {
    async fn reconcile(&self, key: &ObjectKey) -> ReconcileResult {
        let Some(object) = self.crons.get(key).filter(|it| !it.is_deleting()) else { return Ok(Outcome::DONE) };
        if object.label(LABEL_CONTROLLER_INSTANCE_ID) != self.instance_id.as_deref() {
            return Ok(Outcome::DONE);
        }
        let cron: CronWorkflow = match object.decode() {
            Ok(cron) => cron,
            Err(error) => {
                let message = error.to_string();
                self.counting.counted.error("CronWorkflowSpecError");
                let conditions = json!([{"type": "SpecError", "status": "True", "message": message}]);
                let to = (*object).clone().with(&["status", "conditions"], conditions);
                if let Some(change) = Change::merge_between(&object, &to) {
                    self.context.apply(NAME, key, &change).await?;
                }
                return Ok(Outcome::DONE);
            }
        };
        let owned = self.workflows.owned_by(object.uid());
        let workflows: Vec<&Object> = owned.iter().map(AsRef::as_ref).collect();
        let plan = reconcile_cron(&CronWorld { cron: &cron, workflows: &workflows }, self.context.now());
        // Workflows first: their names follow from the time, so that a repeat after a crash is seen as done.
        for change in plan.changes() {
            self.context.apply(NAME, key, change).await?;
            if matches!(change, Change::Create { .. }) {
                self.counting.counted.cron(&key.name, key.namespace());
            }
        }
        if let Some(status) = &plan.status {
            let mut to = (*object).clone();
            to.set(&["status"], serde_json::to_value(status).map_err(Unwritable)?);
            if let Some(Change::Patch { target, patch, subresource, .. }) = Change::merge_between(&object, &to) {
                // Only this controller writes the status; its own change of the metadata came in between.
                let change = Change::Patch { target, patch, subresource, resource_version: None };
                self.context.apply(NAME, key, &change).await?;
            }
        }
        Ok(plan.wake.into())
    }
}

//! How long a workflow and its nodes will take: as long as the last run of the same template that succeeded.

use std::collections::BTreeMap;

use argo_core::Time;

use super::names::node_id;
use crate::api::{LABEL_CLUSTER_WORKFLOW_TEMPLATE, LABEL_CRON_WORKFLOW, LABEL_WORKFLOW_TEMPLATE, Workflow};

/// A run that estimates are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    name: String,
    seconds: i64,
    nodes: BTreeMap<String, i64>,
}

impl Baseline {
    /// Of a run that is over.
    #[must_use]
    pub fn of(run: &Workflow) -> Self {
        let seconds = |from: Option<Time>, to: Option<Time>| match (from, to) {
            (Some(from), Some(to)) => to.timestamp().as_second() - from.timestamp().as_second(),
            _ => 0,
        };
        let nodes = run.status.nodes.iter();
        Self {
            name: run.name().to_owned(),
            seconds: seconds(run.status.started_at, run.status.finished_at),
            nodes: nodes.map(|(id, it)| (id.clone(), seconds(it.started_at, it.finished_at))).collect(),
        }
    }

    /// Seconds that a workflow will take; `None` where that is not known.
    pub(crate) fn workflow(&self) -> Option<i64> {
        Some(self.seconds).filter(|it| *it > 0)
    }

    /// Seconds that a node of `workflow` will take.
    pub(crate) fn node(&self, workflow: &str, node_name: &str) -> Option<i64> {
        let there = node_name.replacen(workflow, &self.name, 1);
        self.nodes.get(&node_id(&self.name, &there)).copied().filter(|it| *it > 0)
    }
}

/// The label, and its value, that the runs share which a workflow is compared with: those of its template, or of its
/// CronWorkflow. Upstream takes any of several; here the template comes first.
#[must_use]
pub fn baseline_label(workflow: &Workflow) -> Option<(&'static str, &str)> {
    if let Some(reference) = &workflow.spec.workflow_template_ref {
        let is_cluster = reference.cluster_scope == Some(true);
        let label = if is_cluster { LABEL_CLUSTER_WORKFLOW_TEMPLATE } else { LABEL_WORKFLOW_TEMPLATE };
        return Some((label, &reference.name));
    }
    [LABEL_WORKFLOW_TEMPLATE, LABEL_CLUSTER_WORKFLOW_TEMPLATE, LABEL_CRON_WORKFLOW]
        .into_iter()
        .find_map(|it| Some((it, workflow.metadata.label(it)?)))
}

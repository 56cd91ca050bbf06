//! Conditions of an Experiment.

use argo_core::Timestamp;

use super::Pass;
use crate::{
    api::{AnalysisPhase, ExperimentStatus, names},
    engine::{conditions, pass::new_condition},
};
use names::{condition as kind, reason};

/// Sets InvalidSpec, also when only its message is another.
pub(super) fn set_invalid(status: &mut ExperimentStatus, message: &str, now: Timestamp) {
    if status.condition(kind::INVALID_SPEC).is_some_and(|it| it.message != message) {
        remove(status, kind::INVALID_SPEC);
    }
    let condition = new_condition(kind::INVALID_SPEC, "True", reason::INVALID_SPEC, message, now);
    conditions::put(&mut status.conditions, condition);
}

fn remove(status: &mut ExperimentStatus, kind: &str) {
    status.conditions.retain(|it| it.kind != kind);
}

impl Pass<'_> {
    pub(super) fn calculate_conditions(&mut self) {
        remove(&mut self.next, kind::INVALID_SPEC);
        let name = self.world.experiment.name().to_owned();
        if self.next.phase == AnalysisPhase::Successful {
            let message = format!("Experiment \"{name}\" has successfully ran and completed.");
            self.progressing("False", reason::EXPERIMENT_COMPLETED, &message);
        } else if self.progressed() {
            // Progress refreshes the time even when the reason stays.
            let message = format!("Experiment \"{name}\" is progressing.");
            let mut condition = new_condition(kind::PROGRESSING, "True", reason::RS_UPDATED, &message, self.now);
            if let Some(current) = self.ex.status.condition(kind::PROGRESSING) {
                if current.status == "True" {
                    condition.last_transition_time = current.last_transition_time;
                }
                remove(&mut self.next, kind::PROGRESSING);
            }
            conditions::put(&mut self.next.conditions, condition);
        } else if self.ex.status.available_at.is_some() && !self.is_over() {
            let message = format!("Experiment \"{name}\" is running.");
            self.progressing("True", reason::RS_AVAILABLE, &message);
        }
    }

    fn progressing(&mut self, status: &str, why: &str, message: &str) {
        let condition = new_condition(kind::PROGRESSING, status, why, message, self.now);
        conditions::put(&mut self.next.conditions, condition);
    }

    /// Whether pods came or went, or a template is new.
    fn progressed(&self) -> bool {
        let (old, new) = (&self.ex.status, &self.next);
        old.template_statuses.len() < new.template_statuses.len()
            || old.template_statuses.iter().any(|old| {
                let counts = |it: &crate::api::TemplateStatus| {
                    (it.replicas, it.updated_replicas, it.ready_replicas, it.available_replicas)
                };
                new.template(&old.name).is_some_and(|new| counts(old) != counts(new))
            })
    }
}

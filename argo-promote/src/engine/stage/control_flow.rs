//! Stages without steps: they forward what is available at once.

use argo_core::{Note, ObjectRef, Time};

use super::Pass;
use crate::{
    api::{StageStatus, TRUE, names},
    engine::freight,
};

impl Pass<'_> {
    pub(super) fn control_flow(&mut self) {
        let now = self.world.now;
        let before = std::mem::take(&mut self.stage.status);
        self.stage.status = StageStatus {
            conditions: before.conditions,
            last_handled_refresh: before.last_handled_refresh,
            metadata: before.metadata,
            extra: before.extra,
            freight_summary: "N/A".to_owned(),
            observed_generation: self.generation(),
            ..StageStatus::default()
        };
        for kind in ["Promoting", "Healthy", "Verified", "Reconciling"] {
            self.drop_condition(kind);
        }
        let name = self.stage.name().to_owned();
        let mut marked: Vec<ObjectRef> = Vec::new();
        let mut soaked_at = None;
        for it in &mut self.freight {
            match freight::available_from(&self.stage, it, now) {
                Some(at) if at <= now && !it.status.verified_in.contains_key(&name) => {
                    let verified = it.status.verified_in.entry(name.clone()).or_default();
                    verified.verified_at = Some(Time::new(now));
                    marked.push(it.reference());
                }
                Some(at) if at > now => {
                    soaked_at = Some(soaked_at.map_or(at, |known: argo_core::Timestamp| known.min(at)))
                }
                _ => {}
            }
        }
        if let Some(at) = soaked_at {
            self.plan.wake_at(at);
        }
        for freight in marked {
            let note = Note::normal(names::events::FREIGHT_VERIFICATION_SUCCEEDED, "Freight verification succeeded");
            self.note(note.on(freight));
        }
        self.condition("Ready", TRUE, "ControlFlowStage", "Control flow Stage is ready");
    }
}

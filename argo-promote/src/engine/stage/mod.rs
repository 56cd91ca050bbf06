//! One pass over a Stage: whose turn it is, where its Freight is, how it is, whether it is verified, what comes next.
//!
//! ```text
//! promotions -> freight -> health -> verification -> verified freight -> holds -> automatic promotion -> conditions
//! ```
//! The order is upstream's; each part reads the status as the part before left it.

mod auto;
mod control_flow;
mod deletion;
mod health;
mod promotions;
mod status;
#[cfg(test)]
mod tests;
mod verification;

use std::collections::BTreeMap;

use argo_core::{Change, Note, Object, Plan, Timestamp, time};

use super::{expression::Data, freight};
use crate::{
    admission::Tasks,
    api::{Freight, Promotion, PromotionPolicy, Stage, StageStatus, Warehouse},
};

pub use auto::{auto_promotion_enabled, intents};
pub use deletion::delete;
pub use health::assess;
pub use promotions::{in_order, is_newer};
pub use status::failed;
pub use verification::{Rollouts, analysis_run, flatten_templates};

/// Everything that a pass looks at.
#[derive(Debug)]
pub struct World<'a> {
    /// The Stage as it was read.
    pub read: &'a Object,
    /// The same, decoded.
    pub stage: &'a Stage,
    /// Its Promotions.
    pub promotions: &'a [Promotion],
    /// The project's Freight, as read and decoded.
    pub freight: &'a [(Object, Freight)],
    /// The project's Warehouses.
    pub warehouses: &'a [Warehouse],
    /// Which Stages take Freight on their own.
    pub policies: &'a [PromotionPolicy],
    /// Argo CD Applications; absent where Argo CD is not used.
    pub applications: Option<&'a BTreeMap<(String, String), Object>>,
    /// AnalysisRuns and templates; absent where Argo Rollouts is not used.
    pub rollouts: Option<Rollouts<'a>>,
    /// Tasks that the template may name.
    pub tasks: &'a Tasks,
    /// What expressions have asked for so far.
    pub data: &'a Data,
    /// Who acts: `controller:stage-controller`, with the shard behind it.
    pub actor: &'a str,
    /// The time.
    pub now: Timestamp,
}

/// What a pass wants from outside the cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Objects that expressions read; run the pass again with them.
    Load(std::collections::BTreeSet<super::expression::Need>),
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Load(needs) => write!(f, "load {} object(s) that expressions read", needs.len()),
        }
    }
}

/// How long a Stage goes unlooked at when nothing happens.
pub const RESYNC: std::time::Duration = std::time::Duration::from_secs(300);

/// Decides what is to be done about a Stage.
#[must_use]
pub fn pass(world: &World<'_>) -> Plan<StageStatus, Effect> {
    let mut pass = Pass {
        world,
        stage: world.stage.clone(),
        freight: world.freight.iter().map(|(_, it)| it.clone()).collect(),
        plan: Plan::default(),
        error: None,
    };
    if let Some(token) = world.stage.metadata.annotation(crate::api::names::ANNOTATION_REFRESH) {
        token.clone_into(&mut pass.stage.status.last_handled_refresh);
    }
    if world.stage.is_control_flow() {
        pass.control_flow();
    } else {
        pass.regular();
    }
    pass.finish()
}

/// A pass under way: the Stage and the Freight as they will be.
struct Pass<'a> {
    world: &'a World<'a>,
    stage: Stage,
    freight: Vec<Freight>,
    plan: Plan<StageStatus, Effect>,
    error: Option<String>,
}

impl Pass<'_> {
    fn regular(&mut self) {
        self.stage.status.auto_promotion_enabled = auto_promotion_enabled(self.world.policies, &self.stage);
        self.sync_promotions();
        self.sync_freight();
        self.assess_health();
        self.verify();
        self.mark_verified();
        self.sync_holds();
        if self.stage.status.auto_promotion_enabled {
            self.auto_promote();
        }
        self.summarize();
    }

    fn sync_freight(&mut self) {
        for freight in &mut self.freight {
            freight::sync_currently_in(freight, &self.stage, self.world.now);
        }
    }

    fn generation(&self) -> i64 {
        self.world.read.generation()
    }

    fn condition(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        use crate::api::Conditions;
        let (generation, now) = (self.generation(), self.world.now);
        self.stage.status.conditions.set_condition(kind, status, reason, message, generation, now);
    }

    fn drop_condition(&mut self, kind: &str) {
        use crate::api::Conditions;
        self.stage.status.conditions.remove_condition(kind);
    }

    fn note(&mut self, note: Note) {
        self.plan.note(note);
    }

    /// Writes on Freight come first: the status then speaks of what is so.
    fn finish(mut self) -> Plan<StageStatus, Effect> {
        let mut changes: Vec<Change> = Vec::new();
        for ((read, _), freight) in self.world.freight.iter().zip(&self.freight) {
            changes.extend(freight::status_change(read, freight));
        }
        let later = std::mem::take(&mut self.plan.actions);
        self.plan.actions = changes.into_iter().map(Into::into).chain(later).collect();
        self.plan.wake_at(time::after(self.world.now, RESYNC));
        if self.stage.status != self.world.stage.status {
            self.plan.status = Some(self.stage.status);
        }
        self.plan
    }
}

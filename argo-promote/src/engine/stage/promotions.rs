//! Whose turn it is, and what the Promotions that ended leave behind.

use std::cmp::Ordering;

use argo_core::Change;
use serde_json::{Value, json};

use super::{Pass, auto};
use crate::api::{
    FALSE, Health, HealthState, Promotion, PromotionPhase, PromotionReference, StageStatus, TRUE, UNKNOWN, names,
};

/// Most collections that a Stage remembers.
const HISTORY: usize = 10;

/// The order in which Promotions were made. Names are ULIDs where admission made them; creation times cover those
/// that skipped it.
fn made(a: &Promotion, b: &Promotion) -> Ordering {
    let key = |it: &Promotion| it.metadata.creation_timestamp;
    key(a).cmp(&key(b)).then_with(|| a.name().cmp(b.name()))
}

/// The order of a Stage's queue: the running one, then those that wait, oldest first, then those that ended, newest
/// first.
#[must_use]
pub fn in_order(promotions: &[Promotion]) -> Vec<&Promotion> {
    let class = |it: &Promotion| match it.status.phase {
        PromotionPhase::Running => 0,
        phase if !phase.is_terminal() => 1,
        _ => 2,
    };
    let mut list: Vec<&Promotion> = promotions.iter().collect();
    list.sort_by(|a, b| {
        let order = class(a).cmp(&class(b));
        order.then_with(|| if class(a) == 2 { made(b, a) } else { made(a, b) })
    });
    list
}

/// Whether a Promotion came after the one that a Stage remembers as its last.
#[must_use]
pub fn is_newer(promotion: &Promotion, last: Option<&PromotionReference>, all: &[Promotion]) -> bool {
    let Some(last) = last else { return true };
    if promotion.name() == last.name {
        return false;
    }
    match all.iter().find(|it| it.name() == last.name) {
        Some(last) => made(promotion, last).is_gt(),
        // The last one is gone: what ended after it came after it.
        None => promotion.status.finished_at > last.finished_at,
    }
}

pub(super) fn reference(promotion: &Promotion) -> PromotionReference {
    PromotionReference {
        name: promotion.name().to_owned(),
        freight: promotion.status.freight.clone(),
        status: Some(promotion.status.clone()),
        finished_at: promotion.status.finished_at,
        ..PromotionReference::default()
    }
}

impl Pass<'_> {
    pub(super) fn sync_promotions(&mut self) {
        let world = self.world;
        let queue = in_order(world.promotions);
        let highest = queue.first().copied();
        let current = self.stage.status.current_promotion.as_ref().map(|it| it.name.clone());
        let Some(highest) = highest else {
            self.stage.status.current_promotion = None;
            self.drop_condition("Promoting");
            return;
        };
        let last = self.stage.status.last_promotion.clone();
        let mut ended: Vec<&Promotion> = queue
            .iter()
            .copied()
            .filter(|it| it.status.phase.is_terminal() && is_newer(it, last.as_ref(), world.promotions))
            .collect();
        ended.sort_by(|a, b| made(a, b));
        let moved_on = current.as_ref().is_some_and(|it| it != highest.name() || highest.status.phase.is_terminal());
        // One that ran and was never seen running leaves its mark too: the controller was away.
        if moved_on || ended.iter().any(|it| it.status.started_at.is_some()) {
            self.stage.status.current_promotion = None;
            self.drop_condition("Promoting");
            for promotion in ended {
                self.replay(promotion);
            }
            if highest.status.phase.is_terminal() {
                return;
            }
        }
        if highest.status.phase.is_terminal() {
            self.stage.status.current_promotion = None;
            self.drop_condition("Promoting");
            return;
        }
        if highest.status.phase != PromotionPhase::Running && !gate_is_open(&self.stage.status) {
            return;
        }
        let message = format!("Promotion {:?} is currently {}", highest.name(), phase_word(highest.status.phase));
        self.condition("Promoting", TRUE, "ActivePromotion", &message);
        let known = self.stage.status.current_promotion.as_ref().is_some_and(|it| it.name == highest.name());
        if !known {
            let freight = highest.status.freight.clone().or_else(|| {
                let found = self.freight.iter().find(|it| it.name() == highest.spec.freight);
                found.map(Into::into)
            });
            self.stage.status.current_promotion =
                Some(PromotionReference { name: highest.name().to_owned(), freight, ..PromotionReference::default() });
        }
    }

    /// Takes a Promotion that ended into the Stage's memory.
    fn replay(&mut self, promotion: &Promotion) {
        let phase = promotion.status.phase;
        if phase != PromotionPhase::Aborted {
            auto::apply_intents(&mut self.stage.status.auto_promotion_holds, promotion);
        }
        let mut last = reference(promotion);
        if phase == PromotionPhase::Aborted
            && let Some(status) = last.status.as_mut().filter(|it| it.freight_collection.is_none())
        {
            // Ended before it started: what the Stage holds is what it held.
            let before = self.stage.status.last_promotion.as_ref().and_then(|it| it.status.as_ref());
            status.freight_collection = before.and_then(|it| it.freight_collection.clone());
        }
        self.stage.status.last_promotion = Some(last);
        if phase != PromotionPhase::Succeeded {
            return;
        }
        if let Some(collection) = promotion.status.freight_collection.clone() {
            let same = self.stage.status.freight_history.first().is_some_and(|it| it.id == collection.id);
            let mut collection = collection;
            if same {
                // Promoted again: what was verified stays verified.
                let before = self.stage.status.freight_history.remove(0);
                collection.verification_history = before.verification_history;
            }
            self.stage.status.freight_history.insert(0, collection);
            self.stage.status.freight_history.truncate(HISTORY);
        }
        self.stage.status.health = None;
        self.condition("Healthy", UNKNOWN, "WaitingForHealthCheck", "Waiting for health check to be performed");
        self.condition("Verified", UNKNOWN, "WaitingForVerification", "Waiting for verification to be performed");
        self.sync_argocd_context(promotion);
    }

    /// The Applications that the last promotion touched, for the UI.
    fn sync_argocd_context(&mut self, promotion: &Promotion) {
        let mut apps = Vec::new();
        for check in promotion.status.health_checks.iter().filter(|it| it.uses == super::health::ARGOCD_UPDATE) {
            for target in crate::engine::argocd::health_targets(check.config.as_ref().unwrap_or(&Value::Null)) {
                apps.push(json!({"name": target.name, "namespace": target.namespace}));
            }
        }
        let wanted = (!apps.is_empty()).then(|| Value::Array(apps).to_string());
        let found = self.stage.metadata.annotations.get(names::ANNOTATION_ARGOCD_CONTEXT).cloned();
        if wanted != found {
            let patch = json!({"metadata": {"annotations": {names::ANNOTATION_ARGOCD_CONTEXT: wanted}}});
            self.plan.push(Change::merge(self.world.read.reference(), patch));
            match wanted {
                Some(it) => self.stage.metadata.annotations.insert(names::ANNOTATION_ARGOCD_CONTEXT.to_owned(), it),
                None => self.stage.metadata.annotations.remove(names::ANNOTATION_ARGOCD_CONTEXT),
            };
        }
    }

    pub(super) fn assess_health(&mut self) {
        let status = &self.stage.status;
        if status.current_promotion.is_some() {
            let issue = "cannot assess health because a Promotion is currently active";
            let unknown = Health { status: HealthState::Unknown, issues: vec![issue.to_owned()], ..Health::default() };
            self.stage.status.health = Some(unknown);
            self.condition("Healthy", UNKNOWN, "ActivePromotion", issue);
            return;
        }
        let Some(last) = status.last_promotion.clone() else {
            self.stage.status.health = None;
            self.condition("Healthy", UNKNOWN, "NoFreight", "Stage has no current Freight");
            return;
        };
        let last_status = last.status.unwrap_or_default();
        if last_status.phase != PromotionPhase::Succeeded {
            let issue = "Last Promotion did not succeed".to_owned();
            let reason = format!("LastPromotion{}", last_status.phase);
            self.condition("Healthy", UNKNOWN, &reason, &issue);
            let unknown = Health { status: HealthState::Unknown, issues: vec![issue], ..Health::default() };
            self.stage.status.health = Some(unknown);
            return;
        }
        let (health, refresh) =
            super::health::assess(&last_status.health_checks, self.world.applications, self.world.now);
        for change in refresh {
            self.plan.push(change);
        }
        let message = match health.issues.as_slice() {
            [] => format!("Stage is {}", health.status.as_str().to_lowercase()),
            issues => format!("Stage is {}: {}", health.status.as_str().to_lowercase(), issues.join("; ")),
        };
        let condition = match health.status {
            HealthState::Healthy | HealthState::NotApplicable => TRUE,
            HealthState::Unhealthy => FALSE,
            HealthState::Progressing | HealthState::Unknown => UNKNOWN,
        };
        self.condition("Healthy", condition, health.status.as_str(), &message);
        self.stage.status.health = Some(health);
    }
}

fn phase_word(phase: PromotionPhase) -> &'static str {
    if phase == PromotionPhase::New { "Pending" } else { phase.as_str() }
}

/// Whether the next Promotion may start: what the Stage holds has been verified, or will not be for now.
///
/// Unhealthy Stages and failed verifications let the next one through: it may be the repair.
fn gate_is_open(status: &StageStatus) -> bool {
    let Some(current) = status.freight_history.first() else { return true };
    match current.verification_history.first() {
        Some(verification) => verification.phase.is_terminal(),
        None => {
            let last_failed = status.last_promotion.as_ref().and_then(|it| it.status.as_ref());
            if last_failed.is_some_and(|it| it.phase != PromotionPhase::Succeeded) {
                return true;
            }
            !matches!(status.health.as_ref().map(|it| it.status), None | Some(HealthState::Healthy))
        }
    }
}

//! Automatic promotion: policies, holds, and what is promoted next.

use std::collections::BTreeMap;

use argo_core::{Change, Note};

use super::{Pass, in_order, is_newer};
use crate::{
    admission::{PromotionRequest, new_promotion},
    api::{
        AutoPromotionHold, Conditions, FreightOrigin, Promotion, PromotionPhase, PromotionPolicy, Stage, TRUE, names,
    },
    engine::{freight, selection::name_matches},
};

/// Whether a Stage takes Freight on its own. The first policy that matches decides; none means no.
#[must_use]
pub fn auto_promotion_enabled(policies: &[PromotionPolicy], stage: &Stage) -> bool {
    let matches = |policy: &&PromotionPolicy| match &policy.stage_selector {
        Some(selector) => {
            (selector.name.is_empty() || name_matches(&selector.name, stage.name()))
                && crate::api::labels_match(&selector.match_labels, &selector.match_expressions, &stage.metadata.labels)
        }
        None => policy.stage == stage.name(),
    };
    policies.iter().find(matches).is_some_and(|it| it.auto_promotion_enabled)
}

/// What a Promotion made by hand says about automatic promotion: pause (hold) or go on (resume), by origin.
#[must_use]
pub fn intents(promotion: &Promotion) -> Option<(String, bool)> {
    let origin = |annotation: &str| promotion.metadata.annotation(annotation).map(str::to_owned);
    match origin(names::ANNOTATION_AUTO_PROMOTION_HOLD) {
        Some(it) => Some((it, true)),
        None => origin(names::ANNOTATION_AUTO_PROMOTION_RESUME).map(|it| (it, false)),
    }
}

pub(super) fn apply_intents(holds: &mut BTreeMap<String, AutoPromotionHold>, promotion: &Promotion) {
    let Some((origin, hold)) = intents(promotion) else { return };
    if !hold {
        holds.remove(&origin);
        return;
    }
    let parsed = origin
        .split_once('/')
        .map(|(kind, name)| FreightOrigin { kind: kind.to_owned(), ..FreightOrigin::warehouse(name) });
    let hold = AutoPromotionHold {
        freight_name: promotion.spec.freight.clone(),
        origin: parsed,
        promotion_name: promotion.name().to_owned(),
        actor: promotion.metadata.annotation(names::ANNOTATION_CREATE_ACTOR).unwrap_or_default().to_owned(),
        created_at: promotion.metadata.creation_timestamp,
        ..AutoPromotionHold::default()
    };
    holds.insert(origin, hold);
}

impl Pass<'_> {
    /// Holds that last, and those that Promotions on their way will add.
    pub(super) fn sync_holds(&mut self) {
        let status = &mut self.stage.status;
        if !status.auto_promotion_enabled {
            status.auto_promotion_holds.clear();
            status.effective_auto_promotion_holds.clear();
            return;
        }
        let spec = &self.stage.spec;
        let requested: Vec<String> = spec.requested_freight.iter().map(|it| it.origin.to_string()).collect();
        status.auto_promotion_holds.retain(|it, _| requested.contains(it));
        let mut effective = status.auto_promotion_holds.clone();
        let last = status.last_promotion.clone();
        let mut queue = in_order(self.world.promotions);
        queue.sort_by_key(|it| (it.metadata.creation_timestamp, it.name().to_owned()));
        for promotion in queue {
            let newer = is_newer(promotion, last.as_ref(), self.world.promotions);
            if newer && promotion.status.phase != PromotionPhase::Aborted {
                apply_intents(&mut effective, promotion);
            }
        }
        effective.retain(|it, _| requested.contains(it));
        status.effective_auto_promotion_holds = effective;
    }

    pub(super) fn auto_promote(&mut self) {
        let world = self.world;
        let now = world.now;
        let mut notes = Vec::new();
        for request in self.stage.spec.requested_freight.clone() {
            let origin = request.origin.to_string();
            self.wake_when_soaked(&request.origin);
            if self.stage.status.effective_auto_promotion_holds.contains_key(&origin) {
                continue;
            }
            let Some(next) = freight::candidate(&self.stage, &request.origin, &self.freight, now) else { continue };
            let held = self.stage.current_freight().and_then(|it| it.freight.get(&origin));
            if held.is_some_and(|it| it.name == next.name()) {
                continue;
            }
            let last = self.stage.status.last_promotion.as_ref();
            let mut of_this: Vec<&Promotion> =
                in_order(world.promotions).into_iter().filter(|it| it.spec.freight == next.name()).collect();
            let waiting = of_this.iter().any(|it| {
                !it.status.phase.is_terminal()
                    || (it.status.phase == PromotionPhase::Succeeded && is_newer(it, last, world.promotions))
            });
            of_this.retain(|it| it.status.phase.is_terminal());
            if waiting || of_this.first().is_some_and(|it| it.status.phase != PromotionPhase::Succeeded) {
                continue;
            }
            let seed = format!("{}/{}/{}", world.read.uid(), self.stage.name(), next.name());
            let request = PromotionRequest { freight: next.name(), actor: world.actor, now, seed: &seed };
            match new_promotion(&self.stage, world.tasks, request) {
                Ok(promotion) => {
                    let mut note = Note::normal(
                        names::events::PROMOTION_CREATED,
                        format!(
                            "Automatically promoted Freight from origin {origin} for Stage {:?}",
                            self.stage.name()
                        ),
                    );
                    note.annotations
                        .insert(format!("{}promotion-name", names::EVENT_PREFIX), promotion.name().to_owned());
                    notes.push(note);
                    self.plan.push(Change::create(promotion.object()));
                }
                Err(error) => self.error = Some(format!("error auto-promoting freight {:?}: {error}", next.name())),
            }
        }
        for note in notes {
            self.note(note);
        }
    }

    /// Upstream finds the end of a soak time at the next resync only; here the wake-up is planned.
    fn wake_when_soaked(&mut self, origin: &FreightOrigin) {
        let now = self.world.now;
        let of_origin = self.freight.iter().filter(|it| it.origin == *origin);
        let next =
            of_origin.filter_map(|it| freight::available_from(&self.stage, it, now)).filter(|it| *it > now).min();
        if let Some(at) = next {
            self.plan.wake_at(at);
        }
    }

    /// The conditions that sum the others up.
    pub(super) fn summarize(&mut self) {
        let requests = self.stage.spec.requested_freight.len();
        let held = self.stage.current_freight();
        let fulfilled = held.map_or(0, |it| {
            let wanted = self.stage.spec.requested_freight.iter();
            wanted.filter(|request| it.freight.contains_key(&request.origin.to_string())).count()
        });
        let summary = match (requests, held.and_then(|it| it.freight.values().next())) {
            (1, Some(freight)) if fulfilled == 1 => freight.name.clone(),
            _ => format!("{fulfilled}/{requests} Fulfilled"),
        };
        self.stage.status.freight_summary = summary;
        self.ready();
    }

    fn ready(&mut self) {
        use crate::api::FALSE;
        if let Some(error) = self.error.clone() {
            self.condition("Reconciling", TRUE, "RetryAfterError", &error);
            self.condition("Ready", FALSE, "ReconcileError", &error);
            return;
        }
        self.drop_condition("Reconciling");
        let status = &self.stage.status;
        let last = status.last_promotion.as_ref().and_then(|it| it.status.as_ref());
        let not_ready = |kind: &str| {
            let condition = status.conditions.condition(kind);
            condition.filter(|it| it.status != TRUE).map(|it| (it.reason.clone(), it.message.clone()))
        };
        let verdict = if let Some(it) = status.conditions.condition("Promoting").filter(|it| it.status == TRUE) {
            Some((it.reason.clone(), it.message.clone()))
        } else if let Some(last) = last.filter(|it| it.phase != PromotionPhase::Succeeded) {
            let message = if last.message.is_empty() { "Last Promotion did not succeed" } else { &last.message };
            Some((format!("LastPromotion{}", last.phase), message.to_owned()))
        } else {
            not_ready("Healthy").or_else(|| not_ready("Verified"))
        };
        match verdict {
            Some((reason, message)) => self.condition("Ready", FALSE, &reason, &message),
            None => {
                self.condition("Ready", TRUE, "Verified", "Freight has been verified");
                self.stage.status.observed_generation = self.generation();
            }
        }
    }
}

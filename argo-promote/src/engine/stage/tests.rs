//! Stages from one end to the other, in memory.

use std::time::Duration;

use argo_core::{Gvk, Resource};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    api::{Conditions, HealthState, PromotionPhase, Stage, VerificationPhase, names},
    engine::promotion::{StepError, StepOutcome},
    testing::{PROJECT, Simulation, stage},
};

fn argo(kind: &str) -> Gvk {
    Gvk::new("argoproj.io", "v1alpha1", kind)
}

fn chain() -> Simulation {
    let mut world = Simulation::new();
    world.step("deploy", |_| Ok(StepOutcome::done()));
    world.put(stage("dev").direct("app").step("deploy"));
    world.put(stage("staging").after("app", &["dev"]).step("deploy"));
    world.put(stage("prod").after("app", &["staging"]).step("deploy"));
    world
}

fn template(world: &mut Simulation, name: &str) {
    world.put(argo_core::Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
        "metadata": {"name": name, "namespace": PROJECT}, "spec": {"metrics": [{"name": "m", "provider": {}}]}})));
}

fn runs(world: &Simulation) -> Vec<argo_core::Object> {
    world.store.list(&argo("AnalysisRun"), PROJECT).into_iter().cloned().collect()
}

fn ready(stage: &Stage) -> (String, String) {
    stage.status.conditions.condition("Ready").map(|it| (it.status.clone(), it.reason.clone())).unwrap_or_default()
}

#[test]
fn freight_travels_as_far_as_automatic_promotion_goes() {
    let mut world = chain();
    world.auto_promote(&["dev", "staging"]);
    let freight = world.freight("app", "1.0.0");
    world.settle();
    for name in ["dev", "staging"] {
        let stage = world.stage(name);
        assert_eq!(stage.status.freight_summary, freight, "{name}");
        assert_eq!(ready(&stage), ("True".into(), "Verified".into()), "{name}");
        assert_eq!(stage.status.observed_generation, 1);
    }
    assert_eq!(world.stage("prod").status.freight_summary, "0/1 Fulfilled");
    let status = world.freight_named(&freight).status;
    assert_eq!(status.verified_in.keys().collect::<Vec<_>>(), ["dev", "staging"]);
    assert_eq!(status.currently_in.keys().collect::<Vec<_>>(), ["dev", "staging"]);
    assert!(world.promotions("prod").is_empty());
}

#[test]
fn a_promotion_made_by_hand_needs_verified_or_approved_freight() {
    let mut world = chain();
    let freight = world.freight("app", "1.0.0");
    world.promote("by-hand-1", "prod", &freight);
    world.settle();
    let first = &world.promotions("prod")[0];
    assert_eq!(first.status.phase, PromotionPhase::Errored);
    assert!(first.status.message.contains("is not available to Stage \"prod\""), "{}", first.status.message);
    world.approve(&freight, "prod");
    world.advance(Duration::from_secs(5));
    world.promote("by-hand-2", "prod", &freight);
    world.settle();
    assert_eq!(world.promotions("prod")[1].status.phase, PromotionPhase::Succeeded);
    assert_eq!(world.stage("prod").status.freight_summary, freight);
}

#[test]
fn a_promotion_that_skipped_admission_is_completed() {
    let mut world = chain();
    let freight = world.freight("app", "1.0.0");
    world.promote("plain", "dev", &freight);
    world.settle();
    let promotion = &world.promotions("dev")[0];
    assert_eq!(promotion.spec.steps[0].alias, "step-1");
    assert_eq!(promotion.metadata.label(names::LABEL_STAGE), Some("dev"));
    assert_eq!(promotion.metadata.controller().map(|it| it.name.as_str()), Some("dev"));
    assert_eq!(promotion.status.phase, PromotionPhase::Succeeded);
}

#[test]
fn a_failed_promotion_is_not_repeated_by_itself() {
    let mut world = chain();
    world.step("deploy", |_| Err(StepError::failed("no")));
    world.auto_promote(&["dev"]);
    world.freight("app", "1.0.0");
    world.settle();
    world.advance(Duration::from_secs(3600));
    world.settle();
    assert_eq!(world.promotions("dev").len(), 1);
    assert_eq!(ready(&world.stage("dev")), ("False".into(), "LastPromotionFailed".into()));
    // The next Freight is tried.
    world.freight("app", "1.0.1");
    world.settle();
    assert_eq!(world.promotions("dev").len(), 2);
}

#[test]
fn verification_decides_whether_freight_goes_on() {
    for (phase, expected) in [("Successful", true), ("Failed", false), ("Inconclusive", false), ("Error", false)] {
        let mut world = chain();
        template(&mut world, "check");
        world.put(stage("dev").direct("app").step("deploy").verified_by("check"));
        world.auto_promote(&["dev", "staging"]);
        let freight = world.freight("app", "1.0.0");
        world.settle();
        let all = runs(&world);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].label(names::LABEL_STAGE), Some("dev"));
        assert!(world.promotions("staging").is_empty(), "nothing goes on before the verdict");
        let status = json!({"status": {"phase": phase, "message": "because"}});
        world.patch(argo("AnalysisRun"), all[0].name(), status);
        world.settle();
        assert_eq!(!world.promotions("staging").is_empty(), expected, "{phase}");
        let dev = world.stage("dev");
        let verification = &dev.status.freight_history[0].verification_history[0];
        assert_eq!(verification.phase.as_str(), phase);
        assert_eq!(world.freight_named(&freight).status.verified_in.contains_key("dev"), expected);
        assert_eq!(ready(&dev).0 == "True", expected);
        let reason = if expected { names::events::FREIGHT_VERIFICATION_SUCCEEDED } else { "FreightVerification" };
        assert!(world.notes().iter().any(|it| it.reason.starts_with(reason)));
    }
}

#[test]
fn verification_is_repeated_and_aborted_on_request() {
    let mut world = chain();
    template(&mut world, "check");
    world.put(stage("dev").direct("app").step("deploy").verified_by("check"));
    world.auto_promote(&["dev"]);
    world.freight("app", "1.0.0");
    world.settle();
    world.patch(argo("AnalysisRun"), runs(&world)[0].name(), json!({"status": {"phase": "Failed"}}));
    world.settle();
    let first = world.stage("dev").status.freight_history[0].verification_history[0].id.clone();
    world.advance(Duration::from_secs(60));
    let request = json!({"metadata": {"annotations": {names::ANNOTATION_REVERIFY: first}}});
    world.patch(Stage::gvk(), "dev", request);
    world.settle();
    assert_eq!(runs(&world).len(), 2);
    let second = world.stage("dev").status.freight_history[0].verification_history[0].id.clone();
    let abort = json!({"id": second, "actor": "email:a@b"}).to_string();
    world.patch(Stage::gvk(), "dev", json!({"metadata": {"annotations": {names::ANNOTATION_ABORT: abort}}}));
    world.settle();
    let history = world.stage("dev").status.freight_history[0].verification_history.clone();
    assert_eq!(history[0].phase, VerificationPhase::Aborted);
    assert!(history[0].message.contains("email:a@b"));
    assert_eq!(history.len(), 2);
    assert!(runs(&world).iter().any(|it| it.pointer("/spec/terminate") == Some(&json!(true))));
}

#[test]
fn the_next_promotion_waits_for_verification() {
    let mut world = chain();
    template(&mut world, "check");
    world.put(stage("dev").direct("app").step("deploy").verified_by("check"));
    world.auto_promote(&["dev"]);
    world.freight("app", "1.0.0");
    world.settle();
    world.advance(Duration::from_secs(60));
    world.freight("app", "1.1.0");
    world.settle();
    let waiting = |world: &Simulation| {
        world.promotions("dev").iter().filter(|it| it.status.phase == PromotionPhase::Pending).count()
    };
    assert_eq!(waiting(&world), 1);
    world.patch(argo("AnalysisRun"), runs(&world)[0].name(), json!({"status": {"phase": "Failed"}}));
    world.settle();
    assert_eq!(waiting(&world), 0, "a failed verification lets the next one in");
}

#[test]
fn soak_time_is_waited_for_without_an_event() {
    let mut world = chain();
    world.put(stage("staging").after_soaking("app", &["dev"], "1h").step("deploy"));
    world.auto_promote(&["dev", "staging"]);
    world.freight("app", "1.0.0");
    world.settle();
    world.advance(Duration::from_secs(3599));
    world.settle();
    assert!(world.promotions("staging").is_empty());
    world.advance(Duration::from_secs(1));
    world.settle();
    assert_eq!(world.promotions("staging").len(), 1);
}

#[test]
fn control_flow_stages_forward_freight() {
    let mut world = chain();
    world.put(stage("gate").after("app", &["dev"]));
    world.put(stage("prod").after("app", &["gate"]).step("deploy"));
    world.auto_promote(&["dev", "prod"]);
    let freight = world.freight("app", "1.0.0");
    world.settle();
    assert_eq!(world.stage("gate").status.freight_summary, "N/A");
    assert_eq!(world.stage("prod").status.freight_summary, freight);
    assert!(world.promotions("gate").is_empty());
}

#[test]
fn health_comes_from_the_applications_of_the_last_promotion() {
    let mut world = chain();
    world.step("deploy", |_| {
        let config = json!({"apps": [{"name": "web", "namespace": "argocd"}]});
        let check =
            crate::api::HealthCheckStep { uses: "argocd-update".into(), config: Some(config), ..Default::default() };
        Ok(StepOutcome::Succeeded { output: None, health_check: Some(check), message: String::new() })
    });
    world.auto_promote(&["dev", "staging"]);
    let app = |health: &str| {
        argo_core::Object::from_value(json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "web", "namespace": "argocd"}, "status": {"health": {"status": health}}}))
    };
    world.put(app("Progressing"));
    world.freight("app", "1.0.0");
    world.settle();
    assert_eq!(world.stage("dev").status.health.unwrap().status, HealthState::Progressing);
    assert!(world.promotions("staging").is_empty());
    assert_eq!(
        world.stage("dev").metadata.annotation(names::ANNOTATION_ARGOCD_CONTEXT),
        Some(r#"[{"name":"web","namespace":"argocd"}]"#)
    );
    world.put(app("Degraded"));
    world.settle();
    assert_eq!(world.stage("dev").status.health.unwrap().status, HealthState::Unhealthy);
    assert_eq!(ready(&world.stage("dev")), ("False".into(), "Unhealthy".into()));
    assert!(world.promotions("staging").is_empty(), "unhealthy Freight stays where it is");
    world.put(app("Healthy"));
    world.settle();
    assert_eq!(world.promotions("staging").len(), 1);
}

#[test]
fn a_rollback_by_hand_pauses_automatic_promotion() {
    let mut world = chain();
    world.auto_promote(&["dev"]);
    let old = world.freight("app", "1.0.0");
    world.settle();
    world.advance(Duration::from_secs(10));
    let new = world.freight("app", "1.1.0");
    world.settle();
    assert_eq!(world.stage("dev").status.freight_summary, new);
    world.advance(Duration::from_secs(10));
    world.promote("back", "dev", &old);
    world.settle();
    let dev = world.stage("dev");
    assert_eq!(dev.status.freight_summary, old, "it stays");
    assert_eq!(dev.status.auto_promotion_holds["Warehouse/app"].freight_name, old);
    world.advance(Duration::from_secs(10));
    world.promote("forth", "dev", &new);
    world.settle();
    let dev = world.stage("dev");
    assert_eq!(dev.status.freight_summary, new);
    assert!(dev.status.auto_promotion_holds.is_empty(), "what would come anyway resumes");
}

#[derive(Debug, Clone)]
enum Move {
    Freight,
    Promote(usize, usize),
    Approve(usize, usize),
    Wait(u64),
    Auto(bool),
    Break(bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        Just(Move::Freight),
        (0..3usize, 0..4usize).prop_map(|(stage, freight)| Move::Promote(stage, freight)),
        (0..3usize, 0..4usize).prop_map(|(stage, freight)| Move::Approve(stage, freight)),
        (1..600u64).prop_map(Move::Wait),
        any::<bool>().prop_map(Move::Auto),
        any::<bool>().prop_map(Move::Break),
    ];
    proptest::collection::vec(one, 1..12)
}

const STAGES: [&str; 3] = ["dev", "staging", "prod"];

/// Plays moves; `dies` kills the process after so many writes of every settling, as often as given.
fn play(moves: &[Move], dies: Option<u64>) -> Simulation {
    let mut world = chain();
    let broken = std::rc::Rc::new(std::cell::Cell::new(false));
    let flag = broken.clone();
    world.step("deploy", move |_| if flag.get() { Err(StepError::failed("broken")) } else { Ok(StepOutcome::done()) });
    let mut freight = Vec::new();
    for (index, it) in moves.iter().enumerate() {
        world.advance(Duration::from_secs(1));
        match it {
            Move::Freight => freight.push(world.freight("app", &format!("1.0.{index}"))),
            Move::Promote(stage, which) => {
                if let Some(name) = freight.get(*which) {
                    world.promote(&format!("p-{index:03}"), STAGES[*stage], name);
                }
            }
            Move::Approve(stage, which) => {
                if let Some(name) = freight.get(*which) {
                    world.approve(name, STAGES[*stage]);
                }
            }
            Move::Wait(seconds) => world.advance(Duration::from_secs(*seconds)),
            Move::Auto(all) => world.auto_promote(if *all { &STAGES } else { &[] }),
            Move::Break(it) => broken.set(*it),
        }
        if let Some(writes) = dies {
            let mut kills = 0;
            loop {
                world.store.die_after((kills < 40).then_some(writes));
                let ended = world.try_settle();
                world.restart(kills % 2 == 0);
                if ended.is_ok() {
                    break;
                }
                kills += 1;
                check(&world);
            }
        } else {
            world.settle();
        }
        check(&world);
    }
    world
}

/// What must hold at any time.
fn check(world: &Simulation) {
    for (place, name) in STAGES.iter().enumerate() {
        let promotions = world.promotions(name);
        let running = promotions.iter().filter(|it| it.status.phase == PromotionPhase::Running).count();
        assert!(running <= 1, "{running} promotions run in {name}");
        for promotion in promotions.iter().filter(|it| it.status.phase == PromotionPhase::Succeeded) {
            let status = world.freight_named(&promotion.spec.freight).status;
            let allowed = place == 0
                || status.approved_for.contains_key(*name)
                || status.verified_in.contains_key(STAGES[place - 1]);
            assert!(allowed, "{} skipped {}", promotion.spec.freight, STAGES[place - 1]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_runs_at_a_time_and_nothing_skips_a_stage(moves in moves()) {
        let mut world = play(&moves, None);
        let rested = world.store.snapshot();
        let writes = world.store.writes();
        world.settle();
        prop_assert_eq!(world.store.writes(), writes, "a pass over its own result writes nothing");
        prop_assert_eq!(world.store.snapshot(), rested);
    }

    #[test]
    fn a_kill_at_any_write_ends_in_the_same_state(moves in moves(), writes in 0..12u64) {
        let whole = play(&moves, None);
        let killed = play(&moves, Some(writes));
        prop_assert_eq!(killed.store.snapshot(), whole.store.snapshot());
    }
}

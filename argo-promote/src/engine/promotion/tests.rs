//! Promotions step by step, in memory.

use std::{cell::RefCell, rc::Rc, time::Duration};

use argo_core::{Resource, Time};
use serde_json::{Value, json};

use super::{StepDefaults, StepError, StepOutcome, StepResult};
use crate::{
    api::{Promotion, PromotionPhase, StepStatus, names},
    testing::{PROJECT, Simulation, stage},
};

/// A Stage with these steps, Freight on its way to it, and a log of what ran.
struct Case {
    world: Simulation,
    log: Rc<RefCell<Vec<(String, Value)>>>,
    freight: String,
}

fn case(steps: &[Value]) -> Case {
    let mut world = Simulation::new();
    let log: Rc<RefCell<Vec<(String, Value)>>> = Rc::default();
    let seen = log.clone();
    world.step("note", move |call| {
        seen.borrow_mut().push((call.alias.clone(), call.config.clone()));
        Ok(StepOutcome::output(call.config.clone()))
    });
    world.step("fail", |_| Err(StepError::failed("said no")));
    world.step("error", |_| Err(StepError::retryable("broke")));
    world.step("compose-output", |call| Ok(StepOutcome::output(call.config.clone())));
    let mut built = stage("dev").direct("app");
    for step in steps {
        built = built.step_with(step.clone());
    }
    world.put(built);
    let freight = world.freight("app", "1.10");
    Case { world, log, freight }
}

impl Case {
    fn run(mut self) -> (Promotion, Self) {
        self.world.promote("promo", "dev", &self.freight);
        self.world.settle();
        (self.promotion(), self)
    }

    fn promotion(&self) -> Promotion {
        self.world.promotions("dev").remove(0)
    }

    fn ran(&self) -> Vec<String> {
        self.log.borrow().iter().map(|(alias, _)| alias.clone()).collect()
    }
}

fn statuses(promotion: &Promotion) -> Vec<&'static str> {
    promotion.status.step_execution_metadata.iter().map(|it| it.status.as_str()).collect()
}

#[test]
fn steps_run_in_order_and_read_what_earlier_ones_gave() {
    let (promotion, case) = case(&[
        json!({"uses": "note", "as": "a", "config": {"tag": "${{ quote(imageFrom('registry/app').Tag) }}"}}),
        json!({"uses": "note", "vars": [{"name": "x", "value": "${{ outputs.a.tag }}-x"}],
            "config": {"text": "${{ vars.x }} ${{ ctx.stage }} ${{ ctx.targetFreight.origin.name }} ${{ ctx.meta.step.alias }}"}}),
    ])
    .run();
    assert_eq!(promotion.status.phase, PromotionPhase::Succeeded);
    assert_eq!(statuses(&promotion), ["Succeeded", "Succeeded"]);
    assert_eq!(case.log.borrow()[1].1, json!({"text": "1.10-x dev app step-2"}));
    assert_eq!(promotion.status.state["a"], json!({"tag": "1.10"}));
    assert!(promotion.status.started_at.is_some() && promotion.status.finished_at.is_some());
}

#[test]
fn after_a_failure_only_steps_that_ask_for_it_run() {
    let (promotion, case) = case(&[
        json!({"uses": "fail"}),
        json!({"uses": "note", "as": "skipped"}),
        json!({"uses": "note", "as": "cleanup", "if": "${{ failure() }}"}),
        json!({"uses": "note", "as": "always", "if": "${{ always() }}"}),
        json!({"uses": "note", "as": "only-if-good", "if": "${{ success() }}"}),
        json!({"uses": "note", "as": "by-status", "if": "${{ status('cleanup') == 'Succeeded' }}"}),
    ])
    .run();
    assert_eq!(promotion.status.phase, PromotionPhase::Failed);
    assert_eq!(promotion.status.message, "said no");
    assert_eq!(case.ran(), ["cleanup", "always", "by-status"]);
    assert_eq!(statuses(&promotion), ["Failed", "Skipped", "Succeeded", "Succeeded", "Skipped", "Succeeded"]);
    assert_eq!(promotion.status.step_execution_metadata[1].started_at, None);
}

#[test]
fn a_failure_may_be_allowed() {
    let (promotion, case) =
        case(&[json!({"uses": "fail", "continueOnError": true}), json!({"uses": "note", "as": "next"})]).run();
    assert_eq!(promotion.status.phase, PromotionPhase::Succeeded);
    assert_eq!(case.ran(), ["next"]);
}

#[test]
fn what_can_not_be_built_is_an_error_of_that_step() {
    for (step, message) in [
        (json!({"uses": "nope"}), "step kind \"nope\" is not registered"),
        (json!({"uses": "note", "config": {"a": "${{ nowhere.x }}"}}), "failed to build step context"),
        (json!({"uses": "note", "if": "${{ 'text' }}"}), "expression must evaluate to a boolean"),
    ] {
        let (promotion, _) = case(std::slice::from_ref(&step)).run();
        assert_eq!(promotion.status.phase, PromotionPhase::Errored, "{step}");
        assert!(promotion.status.message.contains(message), "{}", promotion.status.message);
    }
}

#[test]
fn errors_are_retried_with_backoff_up_to_the_threshold() {
    let mut case = case(&[json!({"uses": "error", "retry": {"errorThreshold": 3}})]);
    case.world.promote("promo", "dev", &case.freight.clone());
    case.world.settle();
    let promotion = case.promotion();
    let meta = &promotion.status.step_execution_metadata[0];
    assert_eq!((promotion.status.phase, meta.error_count), (PromotionPhase::Running, 1));
    assert_eq!(meta.message, "broke; step will be retried");
    case.world.settle();
    assert_eq!(case.promotion().status.step_execution_metadata[0].error_count, 1, "not before its time");
    for seconds in [1, 2] {
        case.world.advance(Duration::from_secs(seconds));
        case.world.settle();
    }
    let promotion = case.promotion();
    assert_eq!(promotion.status.phase, PromotionPhase::Errored);
    assert_eq!(promotion.status.message, "step \"step-1\" met error threshold of 3: broke");
}

#[test]
fn waiting_steps_are_asked_again_and_time_out() {
    let mut case = case(&[json!({"uses": "wait", "retry": {"timeout": "1m"}})]);
    case.world.step("wait", |_| {
        Ok(StepOutcome::Pending { output: None, message: "not yet".into(), after: Some(Duration::from_secs(20)) })
    });
    case.world.promote("promo", "dev", &case.freight.clone());
    case.world.settle();
    assert_eq!(statuses(&case.promotion()), ["Running"]);
    assert_eq!(case.promotion().status.step_execution_metadata[0].message, "not yet");
    for _ in 0..3 {
        case.world.advance(Duration::from_secs(20));
        case.world.settle();
    }
    let promotion = case.promotion();
    assert_eq!(promotion.status.phase, PromotionPhase::Errored);
    assert_eq!(promotion.status.message, "step \"step-1\" timed out after 1m0s");
}

#[test]
fn a_promotion_is_ended_on_request() {
    let mut case = case(&[json!({"uses": "wait"}), json!({"uses": "note"})]);
    case.world.step("wait", |_| Ok(StepOutcome::pending("not yet")));
    case.world.promote("promo", "dev", &case.freight.clone());
    case.world.settle();
    let abort = json!({"action": "terminate", "actor": "email:a@b"}).to_string();
    case.world.patch(Promotion::gvk(), "promo", json!({"metadata": {"annotations": {names::ANNOTATION_ABORT: abort}}}));
    case.world.settle();
    let promotion = case.promotion();
    assert_eq!(promotion.status.phase, PromotionPhase::Aborted);
    assert_eq!(promotion.status.message, "Promotion terminated by email:a@b");
    assert_eq!(statuses(&promotion), ["Aborted"]);
    assert!(case.world.stage("dev").status.current_promotion.is_none());
}

#[test]
fn tasks_publish_what_they_compose() {
    let steps = [
        json!({"uses": "note", "as": "t::one", "config": {"v": "1x"}}),
        json!({"uses": "compose-output", "as": "t::two", "config": {"sum": "${{ task.outputs.one.v }}y"}}),
        json!({"uses": "note", "as": "after", "config": {"a": "${{ outputs.t.sum }}", "b": "${{ outputs['t::one'].v }}"}}),
    ];
    let (promotion, case) = case(&steps).run();
    assert_eq!(promotion.status.phase, PromotionPhase::Succeeded, "{}", promotion.status.message);
    assert_eq!(case.log.borrow()[1].1, json!({"a": "1xy", "b": "1x"}));
}

#[test]
fn secrets_do_not_reach_the_status() {
    let mut case = case(&[
        json!({"uses": "note", "as": "leak", "config": {"token": "${{ secret('s').token }}"}}),
        json!({"uses": "shout", "config": {"token": "${{ secret('s').token }}"}}),
    ]);
    case.world
        .step("shout", |call| -> StepResult { Err(StepError::failed(format!("bad token {}", call.config["token"]))) });
    case.world.put(argo_core::Object::from_value(json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "namespace": PROJECT, "labels": {"kargo.akuity.io/cred-type": "generic"}},
        "data": {"token": "aHVudGVyMg=="}})));
    let (promotion, case) = case.run();
    assert_eq!(case.log.borrow()[0].1, json!({"token": "hunter2"}), "the step itself gets it");
    assert!(!promotion.object().value().to_string().contains("hunter2"));
    assert!(promotion.status.message.contains("[redacted]"), "{}", promotion.status.message);
}

#[test]
fn with_the_files_lost_only_steps_that_use_files_run_again() {
    let mut case = case(&[
        json!({"uses": "note", "as": "clone"}),
        json!({"uses": "call", "as": "call"}),
        json!({"uses": "wait", "as": "wait"}),
    ]);
    let calls: Rc<RefCell<u32>> = Rc::default();
    let count = calls.clone();
    let outside = StepDefaults { uses_files: false, ..StepDefaults::default() };
    case.world.step_with("call", outside, move |_| {
        *count.borrow_mut() += 1;
        Ok(StepOutcome::done())
    });
    case.world.step_with("wait", outside, |_| Ok(StepOutcome::pending("not yet")));
    case.world.promote("promo", "dev", &case.freight.clone());
    case.world.settle();
    case.world.restart(true);
    case.world.settle();
    assert_eq!(case.ran(), ["clone", "clone"]);
    assert_eq!(*calls.borrow(), 1, "nothing is done twice outside");
    assert_eq!(statuses(&case.promotion()), ["Succeeded", "Succeeded", "Running"]);
    case.world.restart(false);
    case.world.settle();
    assert_eq!(case.ran(), ["clone", "clone"], "files that are there are used");
}

#[test]
fn promotions_queue_in_the_order_they_were_made() {
    let mut case = case(&[json!({"uses": "wait"})]);
    let open: Rc<RefCell<bool>> = Rc::default();
    let gate = open.clone();
    case.world.step(
        "wait",
        move |_| if *gate.borrow() { Ok(StepOutcome::done()) } else { Ok(StepOutcome::pending("closed")) },
    );
    for (index, name) in ["z-first", "m-second", "a-third"].into_iter().enumerate() {
        case.world.advance(Duration::from_secs(index as u64 + 1));
        case.world.promote(name, "dev", &case.freight.clone());
        case.world.settle();
    }
    let phases = |world: &Simulation| -> Vec<(String, PromotionPhase)> {
        world.promotions("dev").iter().map(|it| (it.name().to_owned(), it.status.phase)).collect()
    };
    let running: Vec<_> = phases(&case.world).into_iter().filter(|it| it.1 == PromotionPhase::Running).collect();
    assert_eq!(running, [("z-first".to_owned(), PromotionPhase::Running)]);
    *open.borrow_mut() = true;
    case.world.advance(Duration::from_secs(300));
    case.world.settle();
    let finished: Vec<Option<Time>> = case.world.promotions("dev").iter().map(|it| it.status.finished_at).collect();
    assert!(finished.iter().all(Option::is_some));
    assert_eq!(case.world.stage("dev").status.last_promotion.unwrap().name, "a-third");
    assert_eq!(StepStatus::Errored.max(StepStatus::Failed), StepStatus::Errored);
}

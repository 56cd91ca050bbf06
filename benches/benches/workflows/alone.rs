//! What needs no cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argo_core::runtime::{Context, Shutdown};
use argo_core::{ObjectKey, Timestamp};
use argo_embedded::Cluster;
use argo_workflows::Controller;
use argo_workflows::api::{NodePhase, Workflow};
use argo_workflows::engine::{
    Catalog, Compiled, Effect, Ledger, LiveStep, StepRequest, StepResult, StepState, World, reconcile_with,
};
use argo_workflows::executor::{Executor, ExecutorError, Wake, WorkflowId};
use serde_json::{Value, json};

use argo_benches::Result;

use crate::work;

/// Prints the median cost of a pass in which one step of a workflow ended.
pub(crate) fn passes() {
    println!("| a pass when one of the nodes changed | 1,000 nodes | 10,000 nodes | 50,000 nodes |");
    println!("| --- | ---: | ---: | ---: |");
    let sizes = [1_000, 10_000, 50_000];
    let fan = |count: usize| json!({"steps": [[{"name": "all", "template": "run", "withSequence": {"count": count}}]]});
    for (question, main, open) in [
        ("a dag, all but fifty ended", &work::dag as &dyn Fn(usize) -> Value, 50),
        ("a loop, all but fifty ended", &fan, 50),
        ("a loop, all run", &fan, usize::MAX),
    ] {
        let row: Vec<String> = sizes.iter().map(|count| pass(main(*count), *count, open)).collect();
        println!("| {question} | {} |", row.join(" | "));
    }
    println!();
}

fn pass(main: Value, count: usize, open: usize) -> String {
    let mut workflow: Workflow = serde_json::from_value(work::workflow("wf", main)).expect("it is a workflow");
    workflow.metadata.uid = Some("uid".to_owned());
    let catalog = Catalog::default();
    let compiled = Compiled::new(&workflow, &catalog).expect("it compiles");
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut steps: BTreeMap<String, StepState> = BTreeMap::new();
    let mut ledger = Ledger::default();
    let running = StepState::Live(LiveStep { ready: true, host: Some("host".to_owned()), ..LiveStep::default() });
    let mut next = |workflow: &mut Workflow, steps: &mut BTreeMap<String, StepState>| {
        let began = Instant::now();
        let plan = reconcile_with(&World::new(workflow, steps, &catalog), &compiled, &mut ledger, now);
        let took = began.elapsed();
        if let Some(change) = &plan.status {
            change.apply_to(workflow);
        }
        for effect in plan.effects() {
            if let Effect::Start(step) = effect {
                steps.insert(step.node_id.clone(), running.clone());
            }
        }
        // What is over is dropped, as the pods do.
        steps.retain(|id, _| !workflow.status.nodes.get(id).is_some_and(|it| it.phase().is_fulfilled()));
        took
    };
    let done =
        StepState::Finished(StepResult { phase: NodePhase::Succeeded, exit_code: Some(0), ..StepResult::default() });
    next(&mut workflow, &mut steps);
    // Until so many are left, in large steps.
    let mut ended = 0;
    let left = open.min(count);
    while ended + left < count {
        let some: Vec<String> = steps.keys().take(count - left - ended).cloned().collect();
        ended += some.len();
        steps.extend(some.into_iter().map(|it| (it, done.clone())));
        next(&mut workflow, &mut steps);
    }
    next(&mut workflow, &mut steps);
    let mut times = Vec::new();
    for _ in 0..21.min(left - 1) {
        let one = steps.keys().next().cloned().expect("one is left");
        steps.insert(one, done.clone());
        times.push(next(&mut workflow, &mut steps));
    }
    times.sort();
    let median = times[times.len() / 2].as_secs_f64();
    if median < 0.001 { format!("{:.0} µs", median * 1e6) } else { format!("{:.1} ms", median * 1e3) }
}

/// Prints how long a controller needs until it looked at every workflow that runs.
pub(crate) async fn restart() -> Result<()> {
    let count = crate::SIZES.scaled(10_000);
    let cluster = Cluster::new();
    let direct = cluster.direct("bench");
    for definition in argo_workflows::api::crds() {
        direct.create(definition)?;
    }
    let steps: Vec<Value> = (0..5).map(|it| json!([{"name": format!("s{it}"), "template": "run"}])).collect();
    let mut known = BTreeMap::new();
    for at in 0..count {
        let name = format!("live-{at}");
        let manifest = direct.create(work::workflow(&name, json!({"steps": steps})))?;
        let mut workflow: Workflow = serde_json::from_value((*manifest).clone())?;
        // Its first step runs.
        let catalog = Catalog::default();
        let compiled = Compiled::new(&workflow, &catalog)?;
        let none = BTreeMap::new();
        let plan = reconcile_with(
            &World::new(&workflow, &none, &catalog),
            &compiled,
            &mut Ledger::default(),
            Timestamp::now(),
        );
        plan.status.as_ref().ok_or("nothing began")?.apply_to(&mut workflow);
        let id = WorkflowId { key: ObjectKey::new(Some("default"), &name), uid: workflow.uid().to_owned() };
        let started = plan.effects().filter_map(|it| match it {
            Effect::Start(step) => Some((step.node_id.clone(), StepState::Pending(String::new()))),
            _ => None,
        });
        known.insert(id, started.collect::<BTreeMap<_, _>>());
        direct.update(serde_json::to_value(&workflow)?)?;
    }
    let executor = Arc::new(Known { steps: known, seen: Mutex::default(), all: tokio::sync::Notify::new() });
    let began = Instant::now();
    let shutdown = Shutdown::new();
    let controller = Controller::builder(Context::from(cluster.client())).executor(executor.clone()).build()?;
    let running = tokio::spawn(controller.run(shutdown.clone()));
    tokio::time::timeout(Duration::from_secs(600), executor.all.notified()).await?;
    println!(
        "A controller starts with {count} workflows under way: all were looked at after {:.2} s.\n",
        began.elapsed().as_secs_f64()
    );
    shutdown.cancel();
    running.await?;
    Ok(())
}

/// Steps that all wait; it notes whose were asked for.
#[derive(Debug)]
struct Known {
    steps: BTreeMap<WorkflowId, BTreeMap<String, StepState>>,
    seen: Mutex<BTreeSet<ObjectKey>>,
    all: tokio::sync::Notify,
}

#[async_trait::async_trait]
impl Executor for Known {
    async fn start(&self, _: &StepRequest, _: Timestamp) -> std::result::Result<(), ExecutorError> {
        Ok(())
    }

    async fn stop(&self, _: &WorkflowId, _: &str) -> std::result::Result<(), ExecutorError> {
        Ok(())
    }

    async fn release(&self, _: &WorkflowId) -> std::result::Result<(), ExecutorError> {
        Ok(())
    }

    fn observe(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(workflow.key.clone());
        if seen.len() == self.steps.len() {
            self.all.notify_one();
        }
        self.steps.get(workflow).cloned().unwrap_or_default()
    }

    fn workflows(&self, _: &ObjectKey) -> Vec<WorkflowId> {
        Vec::new()
    }

    fn announce_to(&self, _: Wake) {}
}

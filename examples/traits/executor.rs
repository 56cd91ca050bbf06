//! Your own `Executor`: steps are functions of this program, and a Workflow runs them, on the embedded
//! Kubernetes.
//!
//! cargo run --example executor

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use argo_core::{
    ObjectKey, Timestamp,
    runtime::{Context, Shutdown},
};
use argo_embedded::Cluster;
use argo_workflows::{
    Controller,
    api::Workflow,
    engine::{StepRequest, StepResult, StepState},
    executor::{Executor, ExecutorError, Wake, WorkflowId},
};
use async_trait::async_trait;
use parking_lot::Mutex;

type Step = fn(&[String]) -> StepResult;

/// The image names the function.
#[derive(Default)]
struct Functions {
    functions: BTreeMap<&'static str, Step>,
    steps: Mutex<BTreeMap<WorkflowId, BTreeMap<String, StepState>>>,
    wake: OnceLock<Wake>,
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Functions({:?})", self.functions.keys())
    }
}

#[async_trait]
impl Executor for Functions {
    async fn start(&self, step: &StepRequest, _: Timestamp) -> Result<(), ExecutorError> {
        let mut steps = self.steps.lock();
        let states = steps.entry(WorkflowId::of(step)).or_default();
        if states.contains_key(&step.node_id) {
            return Ok(());
        }
        let container = serde_json::to_value(&step.template).unwrap_or_default()["container"].take();
        let image = container["image"].as_str().unwrap_or_default();
        let arguments: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap_or_default();
        let result = match self.functions.get(image) {
            Some(function) => function(&arguments),
            None => StepResult::error(format!("no function {image}: there are {:?}", self.functions.keys())),
        };
        println!("{} -> {}", step.node_name, result.result.as_deref().unwrap_or(&result.message));
        states.insert(step.node_id.clone(), StepState::Finished(result));
        drop(steps);
        if let Some(wake) = self.wake.get() {
            wake(&step.workflow);
        }
        Ok(())
    }

    async fn stop(&self, _: &WorkflowId, _: &str) -> Result<(), ExecutorError> {
        Ok(())
    }

    fn observe(&self, workflow: &WorkflowId) -> BTreeMap<String, StepState> {
        self.steps.lock().get(workflow).cloned().unwrap_or_default()
    }

    fn workflows(&self, key: &ObjectKey) -> Vec<WorkflowId> {
        self.steps.lock().keys().filter(|it| it.key == *key).cloned().collect()
    }

    async fn release(&self, workflow: &WorkflowId) -> Result<(), ExecutorError> {
        self.steps.lock().remove(workflow);
        Ok(())
    }

    fn announce_to(&self, wake: Wake) {
        // Only the first controller is told.
        let _ = self.wake.set(wake);
    }
}

fn add(arguments: &[String]) -> StepResult {
    let sum: i64 = arguments.iter().filter_map(|it| it.parse::<i64>().ok()).sum();
    StepResult::succeeded().result(sum.to_string())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cluster = Cluster::new();
    cluster.install_crds(&argo_workflows::api::crds())?;
    let context = Context::from(cluster.client());
    let stop = Shutdown::new();
    let functions = Functions { functions: BTreeMap::from([("add", add as Step)]), ..Functions::default() };
    let controller = Controller::builder(context.clone()).executor(Arc::new(functions)).build()?;
    let running = tokio::spawn(controller.run(stop.clone()));

    cluster.apply_yaml(
        "
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: sum, namespace: default}
spec:
  entrypoint: main
  templates:
  - name: main
    dag:
      tasks:
      - {name: a, template: add, arguments: {parameters: [{name: left, value: '1'}, {name: right, value: '2'}]}}
      - {name: b, template: add, arguments: {parameters: [{name: left, value: '3'}, {name: right, value: '4'}]}}
      - name: total
        template: add
        dependencies: [a, b]
        arguments:
          parameters:
          - {name: left, value: '{{tasks.a.outputs.result}}'}
          - {name: right, value: '{{tasks.b.outputs.result}}'}
  - name: add
    inputs: {parameters: [{name: left}, {name: right}]}
    container: {image: add, args: ['{{inputs.parameters.left}}', '{{inputs.parameters.right}}']}
",
    )?;
    let mut events = context.cache_of::<Workflow>().subscribe();
    let ended = async {
        while let Some(event) = events.recv().await {
            if let Some(it) = event.new.filter(|it| !matches!(it.text("/status/phase"), "" | "Pending" | "Running")) {
                return Ok(it);
            }
        }
        Err(anyhow::anyhow!("the cluster went away"))
    };
    let workflow = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await??;
    println!("Workflow {}: {} {}", workflow.name(), workflow.text("/status/phase"), workflow.text("/status/message"));
    anyhow::ensure!(workflow.text("/status/phase") == "Succeeded");
    stop.cancel();
    running.await?;
    Ok(())
}

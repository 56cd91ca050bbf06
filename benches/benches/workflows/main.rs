//! cargo bench -p argo-benches --bench workflows
//!
//! Alone: what one pass of the engine costs when one node changed, and how long a controller needs to know 10,000 workflows that run
//! again after a restart.
//!
//! Beside upstream's controller, on the cluster of `KUBECONFIG` with fake nodes (kwok, label `type: fake`), if `WORKFLOW_CONTROLLER` names
//! upstream's program: wall time, processor time, peak memory and requests to the API server of each over the same workflows. Both are
//! processes of their own that see one namespace; this program stands in for the executors in the pods, which report when they are done.
//!
//! `WORKFLOWS_BENCH_SCALE` (default 1) multiplies the sizes, `WORKFLOWS_BENCH_ONLY` names parts: `pass`, `restart`, `many`, `dag`, `fan-out`.

mod alone;
mod beside;
mod work;

use std::process::Command;
use std::sync::Arc;

use argo_benches::{Result, Running, Sizes};
use argo_workflows::executor::PodsExecutor;
use argo_workflows::executor::pods::PodConfig;

const SIZES: Sizes = Sizes { only: "WORKFLOWS_BENCH_ONLY", scale: "WORKFLOWS_BENCH_SCALE" };

fn main() -> Result<()> {
    let runtime = argo_benches::runtime()?;
    if let Some(namespace) = argo_benches::controlled() {
        return runtime.block_on(argo_benches::control(&namespace, |context, shutdown| {
            let executor = PodsExecutor::new(context.clone(), PodConfig::default());
            let controller = argo_workflows::Controller::builder(context).executor(Arc::new(executor)).build()?;
            Ok(controller.run(shutdown))
        }));
    }
    if SIZES.wanted("pass") {
        alone::passes();
    }
    if SIZES.wanted("restart") {
        runtime.block_on(alone::restart())?;
    }
    runtime.block_on(beside::compare())
}

/// Upstream's controller, without the limit of twenty requests a second that it sets itself.
fn upstream(program: &str, namespace: &str) -> Result<Running> {
    let mut command = Command::new(program);
    command.args(["--namespaced", "--managed-namespace", namespace, "--namespace", namespace]);
    command.args(["--executor-image", "argoexec", "--loglevel", "error", "--qps", "10000", "--burst", "10000"]);
    command.env("LEADER_ELECTION_DISABLE", "true");
    Running::other(command, 9090)
}

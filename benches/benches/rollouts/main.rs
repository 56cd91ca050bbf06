//! cargo bench -p argo-benches --bench rollouts
//!
//! Alone: what one decision about a Rollout costs.
//!
//! Beside upstream's controller, on the cluster of `KUBECONFIG` with fake nodes (kwok, label `type: fake`), if `ROLLOUTS_CONTROLLER` names
//! upstream's program: 1,000 Rollouts get a new image at once, until all are Healthy; 10,000 Rollouts of which none changes. Both controllers
//! are processes of their own that see one namespace.
//!
//! `ROLLOUTS_BENCH_SCALE` (default 1) multiplies the sizes, `ROLLOUTS_BENCH_ONLY` names parts: `decisions`, `update`, `idle`.

mod alone;
mod beside;
mod work;

use std::process::Command;

use argo_benches::{Result, Running, Sizes};

const SIZES: Sizes = Sizes { only: "ROLLOUTS_BENCH_ONLY", scale: "ROLLOUTS_BENCH_SCALE" };

fn main() -> Result<()> {
    let runtime = argo_benches::runtime()?;
    if let Some(namespace) = argo_benches::controlled() {
        return runtime.block_on(argo_benches::control(&namespace, |context, shutdown| {
            Ok(argo_rollouts::Controller::builder(context).build()?.run(shutdown))
        }));
    }
    if SIZES.wanted("decisions") {
        alone::decisions()?;
    }
    runtime.block_on(beside::compare())
}

/// Upstream's controller, without the limit of forty requests a second that it sets itself.
fn upstream(program: &str, namespace: &str) -> Result<Running> {
    let mut command = Command::new(program);
    command.args(["--namespaced", "--namespace", namespace, "--leader-elect=false", "--loglevel", "error"]);
    command.args(["--qps", "10000", "--burst", "10000", "--metricsPort", "9098", "--healthzPort", "9099"]);
    Running::other(command, 9098)
}

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
mod process;
mod work;

use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    if arguments.next().as_deref() == Some(process::CONTROL) {
        let namespace = arguments.next().ok_or("no namespace")?;
        return runtime.block_on(process::control(&namespace));
    }
    if wanted("pass") {
        alone::passes();
    }
    if wanted("restart") {
        runtime.block_on(alone::restart())?;
    }
    runtime.block_on(beside::compare())
}

/// Whether a part is to be measured.
fn wanted(part: &str) -> bool {
    std::env::var("WORKFLOWS_BENCH_ONLY").map_or(true, |it| it.split([',', ' ']).any(|it| it == part))
}

/// A number of things at the scale that is asked for.
fn scaled(count: usize) -> usize {
    let scale = std::env::var("WORKFLOWS_BENCH_SCALE").ok().and_then(|it| it.parse::<f64>().ok()).unwrap_or(1.0);
    ((count as f64 * scale) as usize).max(1)
}

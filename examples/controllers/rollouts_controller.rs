//! Argo Rollouts: rollouts, experiments and analysis, with upstream's flags.
//!
//! cargo run --example rollouts-controller -- --help

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    argo_examples::rollouts::main().await
}

//! Argo CD: applications from git to cluster, with upstream's flags.
//!
//! cargo run --example application-controller -- --help

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    argo_examples::applications::main().await
}

//! Argo Rollouts and analysis.
//!
//! cargo run --example rollouts_controller -- --help

use anyhow::Result;
use argo_examples::{controllers, run};

#[tokio::main]
async fn main() -> Result<()> {
    run::controller("argo-rollouts", argo_rollouts::api::crds(), |context, _| controllers::rollouts_controller(context))
        .await
}

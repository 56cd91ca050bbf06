//! Argo Workflows, with steps as local processes.
//!
//! cargo run --example workflow-controller -- --help

use anyhow::Result;
use argo_examples::{controllers, run};

#[tokio::main]
async fn main() -> Result<()> {
    run::controller("workflow-controller", argo_workflows::api::crds(), |context, settings| {
        controllers::workflow_controller(context, settings)
    })
    .await
}

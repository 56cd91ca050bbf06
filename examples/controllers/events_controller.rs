//! Argo Events: sources, bus and sensors in one process.
//!
//! cargo run --example events-controller -- --help

use anyhow::Result;
use argo_examples::{controllers, run};

#[tokio::main]
async fn main() -> Result<()> {
    run::controller("argo-events-controller", argo_events::api::crds(), |context, settings| {
        controllers::events_controller(context, settings)
    })
    .await
}

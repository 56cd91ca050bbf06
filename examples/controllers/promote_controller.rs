//! Kargo: warehouses, freight, stages and promotions.
//!
//! cargo run --example promote-controller -- --help

use anyhow::Result;
use argo_examples::{controllers, run};

#[tokio::main]
async fn main() -> Result<()> {
    run::controller("kargo-controller", argo_promote::api::crds(), |context, settings| {
        controllers::promote_controller(context, settings, controllers::git(settings))
    })
    .await
}

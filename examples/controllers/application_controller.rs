//! Argo CD: applications from git to cluster.
//!
//! cargo run --example application_controller -- --help

use anyhow::Result;
use argo_examples::{controllers, run};

#[tokio::main]
async fn main() -> Result<()> {
    run::controller("argo-application-controller", argo_cd::api::crds(), |context, settings| {
        controllers::application_controller(context, controllers::git(settings))
    })
    .await
}

//! Runs recorded upstream workflows and compares node by node.
//!
//! cargo run --example workflow-conformance -- DIR

mod args;
mod cases;
mod kube;
mod process;
mod run;

use std::process::ExitCode;

use anyhow::Result;
use futures::{StreamExt as _, stream};

use crate::args::{Args, HELP, Kind};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    argo_examples::install_tls();
    let Some(args) = Args::read(std::env::args().skip(1))? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    if args.verbose {
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let cases = cases::read(&args)?;
    let world = match args.executor {
        Kind::Process => process::world(&args).await?,
        Kind::Kube => kube::world(&args).await?,
    };
    let all = cases.len();
    let mut equal = 0;
    let mut runs = stream::iter(cases.iter().enumerate())
        .map(|(number, case)| {
            let world = &world;
            async move { (case, run::run(world, case, number).await) }
        })
        .buffered(args.jobs);
    while let Some((case, differences)) = runs.next().await {
        if differences.is_empty() {
            equal += 1;
            continue;
        }
        println!("{}", case.name);
        for it in differences {
            println!("  {it}");
        }
    }
    drop(runs);
    world.end().await;
    println!("{equal} of {all} equal");
    Ok(if equal == all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

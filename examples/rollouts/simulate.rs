//! What a Rollout would do, in virtual time and without a cluster.
//!
//! cargo run --example simulate-rollout -- --help

use std::{env, fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use argo_rollouts::testing::{Scenario, simulate};

const HELP: &str = "\
Takes a Rollout through a scenario and prints what happens. No cluster is needed.

cargo run --example simulate-rollout -- ROLLOUT.yaml SCENARIO.yaml [--svg FILE]
  ROLLOUT.yaml    the Rollout as it is deployed, with its Services and AnalysisTemplates
  SCENARIO.yaml   the new image, what metrics measure and when, slow and failing pods, what users do, API faults
  --svg FILE      the timeline as a picture, too

Ends with 0 when the new version is Healthy, 2 when the update ends otherwise, 1 when a file is not understood.
";

fn main() -> ExitCode {
    match run(env::args().skip(1)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("simulate-rollout: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode> {
    let (mut files, mut svg) = (Vec::new(), None);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            "--svg" => svg = Some(arguments.next().context("--svg needs a file")?),
            option if option.starts_with('-') => bail!("option {option} is not known; --help lists them"),
            _ => files.push(argument),
        }
    }
    let [rollout, scenario] = files.as_slice() else { bail!("two files are needed; --help says which") };
    let read = |file: &String| fs::read_to_string(file).with_context(|| format!("{file} can not be read"));
    let manifests = read(rollout)?;
    let scenario = Scenario::from_yaml(&read(scenario)?).with_context(|| scenario.clone())?;
    let report = simulate(&manifests, &scenario).with_context(|| rollout.clone())?;
    print!("{report}");
    if let Some(svg) = svg {
        fs::write(&svg, report.svg()).with_context(|| format!("{svg} can not be written"))?;
    }
    Ok(if report.phase() == "Healthy" && !report.is_aborted() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

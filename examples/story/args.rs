//! Command line of the story.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
The whole story: a git push travels through events, workflows, promotion, delivery and rollout into
production; a bad release is stopped; drift is corrected.

cargo run --example story -- [OPTIONS]
  --speed N             seconds of the story per second of the wall (default 20, with --chaos 10)
  --serve               keep the API up over HTTPS afterwards and print a kubeconfig
  --wait-for-approval   leave the approval for production to you and kubectl (implies --serve)
  --kubeconfig FILE     run on this cluster instead of the embedded one
  --state DIR           keep the embedded cluster and the repositories here (default: a temporary folder)
  --chaos N             kill -9 the controllers N times at random points; the story must end the same
  --seed N              seed of the random points (default 1)
  --verbose             what the controllers log, on standard error
";

/// The options.
#[derive(Debug, Clone)]
pub(crate) struct Args {
    pub(crate) speed: f64,
    pub(crate) serve: bool,
    pub(crate) wait_for_approval: bool,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
    pub(crate) chaos: u32,
    pub(crate) seed: u64,
    pub(crate) verbose: bool,
    /// Set by the story itself for the process that runs cluster and controllers under `--chaos`.
    pub(crate) child: Option<PathBuf>,
}

impl Args {
    /// Reads the arguments; `None` when help was asked for.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>> {
        let mut args = Self {
            speed: 20.0,
            serve: false,
            wait_for_approval: false,
            kubeconfig: None,
            state: None,
            chaos: 0,
            seed: 1,
            verbose: false,
            child: None,
        };
        let mut speed = None;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--speed" => speed = Some(value()?.parse().context("--speed takes a number")?),
                "--serve" => args.serve = true,
                "--wait-for-approval" => (args.wait_for_approval, args.serve) = (true, true),
                "--kubeconfig" => args.kubeconfig = Some(value()?.into()),
                "--state" => args.state = Some(value()?.into()),
                "--chaos" => args.chaos = value()?.parse().context("--chaos takes a whole number")?,
                "--seed" => args.seed = value()?.parse().context("--seed takes a whole number")?,
                "--verbose" => args.verbose = true,
                "--child" => args.child = Some(value()?.into()),
                "--help" | "-h" => return Ok(None),
                other => bail!("unknown option {other}; see --help"),
            }
        }
        // The kills need room: half as fast unless it was said otherwise.
        args.speed = speed.unwrap_or(if args.chaos > 0 { 10.0 } else { 20.0 });
        if !(0.1..=1000.0).contains(&args.speed) {
            bail!("--speed must be between 0.1 and 1000");
        }
        if args.chaos > 0 && args.kubeconfig.is_some() {
            bail!("--chaos kills the embedded cluster with its controllers; it does not go with --kubeconfig");
        }
        Ok(Some(args))
    }
}

//! Command line of the conformance runs.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Runs workflows that were recorded with upstream's controller, and compares what becomes of them.

cargo run --example workflow-conformance -- DIR [OPTIONS]
  DIR                   holds manifests/<name>.yaml, expected/<name>.yaml.json and images/<program>
  --executor process    steps are processes of this machine, on the embedded Kubernetes (default)
  --executor kube       steps are Pods of the cluster that KUBECONFIG names
  --kubeconfig FILE     that cluster instead
  --executor-image IMG  image with argo-exec in it as `argoexec` (default argo-exec:latest)
  --store-host HOST     address of this machine that pods reach: an object store for artifacts listens there
                        (default: that of a node that runs here)
  --node-selector K=V   where pods may run, unless a workflow says it; may be repeated
  --only TEXT           only manifests with this in their name; may be repeated
  --jobs N              workflows at once (default 8)
  --timeout SECONDS     longest run of one workflow (default 120)
  --verbose             what the controller logs, on standard error

Prints where a run differs from its recording, and `N of M equal` last; exits with 1 where any does.
";

/// Who carries out the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Processes of this machine.
    Process,
    /// Pods.
    Kube,
}

/// The options.
#[derive(Debug, Clone)]
pub(crate) struct Args {
    pub(crate) dir: PathBuf,
    pub(crate) executor: Kind,
    pub(crate) kubeconfig: Option<PathBuf>,
    pub(crate) executor_image: String,
    pub(crate) store_host: Option<String>,
    pub(crate) node_selector: BTreeMap<String, String>,
    pub(crate) only: Vec<String>,
    pub(crate) jobs: usize,
    pub(crate) timeout: Duration,
    pub(crate) verbose: bool,
}

impl Args {
    /// Reads the arguments; `None` when help was asked for.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>> {
        let mut dir = None;
        let mut args = Self {
            dir: PathBuf::new(),
            executor: Kind::Process,
            kubeconfig: None,
            executor_image: "argo-exec:latest".to_owned(),
            store_host: None,
            node_selector: BTreeMap::new(),
            only: Vec::new(),
            jobs: 8,
            timeout: Duration::from_secs(120),
            verbose: false,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
                _ => (argument, None),
            };
            let mut value =
                || inline.clone().or_else(|| arguments.next()).with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--executor" => {
                    args.executor = match value()?.as_str() {
                        "process" => Kind::Process,
                        "kube" => Kind::Kube,
                        other => bail!("--executor is `process` or `kube`, not `{other}`"),
                    };
                }
                "--kubeconfig" => args.kubeconfig = Some(value()?.into()),
                "--executor-image" => args.executor_image = value()?,
                "--store-host" => args.store_host = Some(value()?),
                "--node-selector" => {
                    let pair = value()?;
                    let (key, value) = pair.split_once('=').context("--node-selector takes KEY=VALUE")?;
                    args.node_selector.insert(key.to_owned(), value.to_owned());
                }
                "--only" => args.only.push(value()?),
                "--jobs" => args.jobs = value()?.parse().context("--jobs takes a whole number")?,
                "--timeout" => {
                    args.timeout = Duration::from_secs(value()?.parse().context("--timeout takes seconds")?);
                }
                "--verbose" => args.verbose = true,
                "--help" | "-h" => return Ok(None),
                other if other.starts_with('-') => bail!("unknown option {other}; see --help"),
                other if dir.is_none() => dir = Some(PathBuf::from(other)),
                other => bail!("one directory is enough: {other}"),
            }
        }
        let Some(dir) = dir else { bail!("which directory? see --help") };
        args.dir = dir;
        args.jobs = args.jobs.max(1);
        Ok(Some(args))
    }
}

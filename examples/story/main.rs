//! The whole story in one command: a git push travels through all five products and lands in
//! production, a bad release is stopped, drift is corrected.
//!
//! cargo run --example story [-- --help]

mod args;
mod chaos;
mod driver;
mod platform;
mod report;
mod repos;
mod summary;
mod watch;

use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use argo_core::{Clock, runtime::Shutdown, time};
use argo_examples::fixtures::{
    git_server::{GitServer, Hook},
    image,
    prometheus::Prometheus,
    registry::Registry,
};

use crate::{args::Args, driver::Story, platform::Platform, report::Report, watch::Watch};

/// How long `--speed` lasts; then the story's clock has met the machine's.
const FAST: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    argo_examples::install_tls();
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    // The publish step calls this very program by another name.
    if Path::new(&program).file_name().is_some_and(|it| it == image::TOOL) {
        let arguments: Vec<_> = arguments.collect();
        return finish(runtime.block_on(image::run(&arguments)));
    }
    let args = match Args::read(arguments) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => return failed(&error),
    };
    if args.verbose {
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let result = runtime.block_on(run(args));
    runtime.shutdown_timeout(Duration::from_secs(2));
    finish(result)
}

fn finish(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

async fn run(args: Args) -> Result<()> {
    if let Some(settings) = &args.child {
        return chaos::child(settings).await;
    }
    let shutdown = Shutdown::new();
    let interrupted = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    // What the story stops by itself at its end is not an interruption.
    let everything = shutdown.child_token();
    let told = tokio::select! {
        () = shutdown.cancelled() => Err(anyhow::anyhow!("interrupted")),
        told = tell(&args, &everything) => told,
    };
    shutdown.cancel();
    told
}

async fn tell(args: &Args, shutdown: &Shutdown) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = args.state.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;

    // What is outside Kubernetes, over real HTTP.
    let fixtures = shutdown.child_token();
    let (git, _) = GitServer::start(&folder.join("git"), fixtures.clone()).await?;
    let config_url = git.create("config").await?;
    git.create("app").await?;
    let registry = Registry::default();
    let image = format!("{}/shop/web", registry.serve(fixtures.clone()).await?);
    let prometheus = Prometheus::new(registry.clone());
    let prometheus_url = format!("http://{}", prometheus.serve(fixtures.clone()).await?);
    let places = repos::Places { config_url: config_url.clone(), image: image.clone(), prometheus: prometheus_url };
    let repos = repos::make(&git, &folder.join("work"), &places).await?;
    let seed = tempfile::tempdir()?;
    std::fs::write(seed.path().join("app"), "the release that runs today")?;
    image::push(&format!("{image}:1.0.0"), seed.path(), &BTreeMap::from([("error-rate", "0.004")])).await?;

    // Kubernetes and the five controllers.
    // What happens fast must lie in the past for kubectl, which knows only the machine's clock. A real
    // API server stamps its objects with that clock: there the story's may not lag behind.
    let now = argo_core::Timestamp::now();
    let meets = if args.kubeconfig.is_some() { now } else { time::after(now, FAST) };
    let clock = match args.kubeconfig {
        Some(_) => Clock::scaled_since(now, args.speed),
        None => Clock::catching_up(meets, args.speed),
    };
    let secret = hex::encode(rand_bytes()?);
    let platform = Platform::start(args, &folder, clock.clone(), meets, shutdown).await?;
    prometheus.watch(platform.context.clone());
    git.hook("app", Hook { url: platform.webhook.clone(), secret: secret.clone() });

    let report = Report::new(clock);
    let watch = Watch::new(platform.context.clone());
    watch.show(&report, &platform::shown());
    let story = Story {
        context: platform.context.clone(),
        watch,
        report: report.clone(),
        repos,
        registry,
        config_url,
        secret,
        wait_for_approval: args.wait_for_approval,
    };
    if args.serve {
        platform.serve(&folder).await?;
    }
    story.tell().await?;
    report.table();
    platform.verdict().await?;
    if args.serve {
        println!("\nserving until Ctrl-C");
        shutdown.cancelled().await;
    }
    platform.stop().await;
    Ok(())
}

/// Bytes for a secret, from the system.
fn rand_bytes() -> Result<[u8; 16]> {
    use std::io::Read;
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom").context("reading /dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

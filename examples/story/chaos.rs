//! Cluster and controllers in a process of their own that is killed, again and again.

use std::{
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use argo_core::{Clock, Timestamp, runtime::Shutdown};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::{args::Args, platform};

/// What the process needs to know; the same at every start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Everything that lasts.
    pub(crate) folder: PathBuf,
    /// Where the API listens.
    pub(crate) api: SocketAddr,
    /// Where webhooks are received.
    pub(crate) webhook: SocketAddr,
    /// Both sides tell the same time.
    pub(crate) meets: Timestamp,
    pub(crate) speed: f64,
    pub(crate) verbose: bool,
}

impl Settings {
    pub(crate) fn clock(&self) -> Clock {
        Clock::catching_up(self.meets, self.speed)
    }
}

/// The process as its parent sees it.
#[derive(Debug, Clone)]
pub(crate) struct Chaos {
    planned: u32,
    killed: Arc<AtomicU32>,
}

impl Chaos {
    /// Starts the process and kills it `args.chaos` times at random points.
    pub(crate) fn start(args: &Args, settings: &Settings, shutdown: &Shutdown) -> Result<Self> {
        let path = settings.folder.join("settings.json");
        std::fs::write(&path, serde_json::to_vec_pretty(settings)?)?;
        let chaos = Self { planned: args.chaos, killed: Arc::default() };
        let (killed, planned, seed) = (chaos.killed.clone(), args.chaos, args.seed);
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            loop {
                let mut child = match spawn(&path) {
                    Ok(child) => child,
                    Err(error) => {
                        eprintln!("error: the controllers did not start: {error:#}");
                        return;
                    }
                };
                // Waiting for a child closes its standard input, which would tell it that its parent is gone.
                let _lifeline = child.stdin.take();
                let lives = if killed.load(Ordering::Acquire) < planned {
                    Duration::from_millis(1000 + random.next() % 2500)
                } else {
                    Duration::from_secs(24 * 3600)
                };
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    status = child.wait() => eprintln!("the controllers ended by themselves: {status:?}"),
                    () = tokio::time::sleep(lives) => {
                        // SIGKILL: nothing in there gets to say goodbye.
                        if child.kill().await.is_ok() {
                            let count = killed.fetch_add(1, Ordering::AcqRel) + 1;
                            println!("   kill -9 {count} of {planned}");
                        }
                    }
                }
            }
        });
        Ok(chaos)
    }

    /// Whether all kills were made.
    pub(crate) async fn verdict(&self) -> Result<()> {
        let killed = self.killed.load(Ordering::Acquire);
        ensure!(
            killed >= self.planned,
            "the story was over after {killed} of {} kills: choose a lower --speed",
            self.planned
        );
        println!("killed {killed} times; the story ended in the expected state");
        Ok(())
    }
}

fn spawn(settings: &Path) -> Result<tokio::process::Child> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(program);
    command.arg("--child").arg(settings).stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
    command.spawn().context("starting the controllers")
}

/// The process itself: cluster and controllers until it is killed or its parent is gone.
pub(crate) async fn child(settings: &Path) -> Result<()> {
    let settings: Settings = serde_json::from_slice(&std::fs::read(settings)?)?;
    if settings.verbose {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(settings.folder.join("controllers.log"))?;
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(std::sync::Mutex::new(log))
            .init();
    }
    let shutdown = Shutdown::new();
    let running = platform::run_child(&settings, &shutdown).await?;
    // The parent holds the other end: end of file means that it is gone.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0; 1])).await;
    shutdown.cancel();
    drop(running);
    Ok(())
}

/// A small generator: the points of the kills need no quality, only a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

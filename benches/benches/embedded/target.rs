//! What is measured: a client, and what the server behind it weighs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use argo_embedded::Cluster;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::{Result, SERVE};

/// A server with its client. Its processes end with it.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) client: kube::Client,
    /// Until it answered.
    pub(crate) start: Duration,
    /// For calls without HTTP.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) processes: Vec<Ended>,
}

/// A process that is killed when this is dropped.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Target {
    pub(crate) fn in_process() -> Result<Self> {
        // The first one fills the tables that all share.
        drop(Cluster::new());
        let mut times = Vec::new();
        for _ in 0..100 {
            let began = Instant::now();
            let cluster = Cluster::new();
            times.push(began.elapsed());
            drop(cluster);
        }
        times.sort();
        let cluster = Cluster::new();
        let client = cluster.client();
        Ok(Self {
            name: "in process",
            client,
            start: times[times.len() / 2],
            cluster: Some(cluster),
            processes: Vec::new(),
        })
    }

    /// This program once more, as a server.
    pub(crate) async fn https(name: &'static str, path: Option<&Path>) -> Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?).arg(SERVE).args(path).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let process = Ended(child);
        let mut kubeconfig = String::new();
        for line in BufReader::new(output).lines() {
            let line = line?;
            if line == "---" {
                break;
            }
            kubeconfig.push_str(&line);
            kubeconfig.push('\n');
        }
        let config =
            kube::Config::from_custom_kubeconfig(Kubeconfig::from_yaml(&kubeconfig)?, &KubeConfigOptions::default())
                .await?;
        let client = kube::Client::try_from(config)?;
        client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
        Ok(Self { name, client, start: began.elapsed(), cluster: None, processes: vec![process] })
    }

    /// Resident memory of the server, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let own = std::process::id();
        let processes =
            if self.processes.is_empty() { vec![own] } else { self.processes.iter().map(|it| it.0.id()).collect() };
        processes.into_iter().map(resident).sum()
    }
}

fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}

/// Serves a cluster until it is killed.
pub(crate) async fn serve(path: Option<String>) -> Result<()> {
    let cluster = match path {
        Some(path) => Cluster::open(path)?,
        None => Cluster::new(),
    };
    let serving = cluster.serve(([127, 0, 0, 1], 0).into()).await?;
    println!("{}---", serving.kubeconfig());
    std::future::pending().await
}

//! Controllers as processes of their own, and what they use.

use std::io::Read;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use argo_core::runtime::{Context, Shutdown};
use argo_workflows::executor::PodsExecutor;
use argo_workflows::executor::pods::PodConfig;
use kube::client::Body;

use crate::Result;

/// The child that is our controller; the namespace that it sees follows.
pub(crate) const CONTROL: &str = "control";

/// A controller under way.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    metrics: Option<String>,
}

/// What it has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// Processor time in seconds.
    pub(crate) processor: f64,
    /// Largest resident memory in bytes.
    pub(crate) memory: u64,
    /// Requests to the API server.
    pub(crate) requests: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs our controller until its input ends, then prints how many requests it made.
pub(crate) async fn control(namespace: &str) -> Result<()> {
    let config = kube::Config::infer().await?;
    let requests = Arc::new(AtomicU64::new(0));
    let counting = Counting { client: kube::Client::try_from(config)?, requests: requests.clone() };
    let client = kube::Client::new(counting, namespace);
    let shutdown = Shutdown::new();
    let context = Context::builder(client).namespace(namespace).shutdown(shutdown.clone()).build();
    let executor = PodsExecutor::new(context.clone(), PodConfig::default());
    let controller = argo_workflows::Controller::builder(context).executor(Arc::new(executor)).build()?;
    let running = tokio::spawn(controller.run(shutdown.clone()));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    println!("{}", requests.load(Ordering::Relaxed));
    shutdown.cancel();
    running.await?;
    Ok(())
}

/// A client that counts what is asked of it.
#[derive(Clone)]
struct Counting {
    client: kube::Client,
    requests: Arc<AtomicU64>,
}

impl tower::Service<http::Request<Body>> for Counting {
    type Response = http::Response<Body>;
    type Error = kube::Error;
    type Future = futures::future::BoxFuture<'static, std::result::Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<std::result::Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let client = self.client.clone();
        Box::pin(async move { client.send(request).await })
    }
}

impl Running {
    /// Our controller.
    pub(crate) fn ours(namespace: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([CONTROL, namespace]).env("RUST_LOG", "error").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input, metrics: None })
    }

    /// Upstream's controller, without the limit of twenty requests a second that it sets itself.
    pub(crate) fn upstream(program: &str, namespace: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--namespaced", "--managed-namespace", namespace, "--namespace", namespace]);
        command.args(["--executor-image", "argoexec", "--loglevel", "error", "--qps", "10000", "--burst", "10000"]);
        command.env("LEADER_ELECTION_DISABLE", "true").stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: command.spawn()?, input: None, metrics: Some("127.0.0.1:9090".to_owned()) })
    }

    /// Ends it, and says what it used.
    pub(crate) fn end(mut self) -> Result<Used> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kilobytes: u64 = peak.trim().trim_end_matches("kB").trim().parse()?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(") ").ok_or("no stat")?.1.split(' ').collect();
        // In hundredths of a second, on every machine that this is likely to run on.
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let requests = match &self.metrics {
            Some(address) => scrape(address)?,
            None => {
                drop(self.input.take());
                let mut text = String::new();
                self.child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
                text.trim().parse()?
            }
        };
        Ok(Used { processor: ticks as f64 / 100.0, memory: kilobytes * 1024, requests })
    }
}

/// The sum of upstream's counter of requests.
fn scrape(address: &str) -> Result<u64> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|it| it.contains("k8s_request_total") && !it.starts_with('#'));
    let values = lines.filter_map(|it| it.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(values.sum::<f64>() as u64)
}

//! What benches share: controllers as processes of their own, what they use, and namespaces to use it in.

use std::error::Error;
use std::future::Future;
use std::io::Read;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use argo_core::runtime::{Context, Requests, Shutdown};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

/// What may go wrong while something is measured.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The argument that makes a bench the child that is our controller; the namespace that it sees follows.
pub const CONTROL: &str = "control";

/// A runtime with as many threads as the machine has cores.
///
/// # Errors
/// When threads can not be made.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

/// The namespace of a child that is to be our controller; `None` in the bench itself.
#[must_use]
pub fn controlled() -> Option<String> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    (arguments.next().as_deref() == Some(CONTROL)).then(|| arguments.next().unwrap_or_default())
}

/// Which parts are measured, and at what scale.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// The variable of the environment that names parts.
    pub only: &'static str,
    /// The variable of the environment that multiplies numbers.
    pub scale: &'static str,
}

impl Sizes {
    /// Whether a part is to be measured.
    #[must_use]
    pub fn wanted(&self, part: &str) -> bool {
        std::env::var(self.only).map_or(true, |it| it.split([',', ' ']).any(|it| it == part))
    }

    /// A number of things at the scale that is asked for.
    #[must_use]
    pub fn scaled(&self, count: usize) -> usize {
        let scale = std::env::var(self.scale).ok().and_then(|it| it.parse::<f64>().ok()).unwrap_or(1.0);
        ((count as f64 * scale) as usize).max(1)
    }
}

/// A controller under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    metrics: Option<String>,
}

/// What a controller has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// Processor time in seconds.
    pub processor: f64,
    /// Largest resident memory in bytes.
    pub memory: u64,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// Requests to the API server; known at the end.
    pub requests: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs our controller until its input ends, then prints how many requests it made. `run` makes it of a context
/// that sees one namespace.
///
/// # Errors
/// When there is no cluster or no controller.
pub async fn control<F: Future<Output = ()> + Send + 'static>(
    namespace: &str,
    run: impl FnOnce(Context, Shutdown) -> Result<F>,
) -> Result<()> {
    let requests = Requests::default();
    let client = requests.counting(kube::Client::try_from(kube::Config::infer().await?)?);
    let shutdown = Shutdown::new();
    let context = Context::builder(client).namespace(namespace).shutdown(shutdown.clone()).build();
    let running = tokio::spawn(run(context, shutdown.clone())?);
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    println!("{}", requests.total());
    shutdown.cancel();
    running.await?;
    Ok(())
}

impl Running {
    /// Our controller: this program again, as a child that calls [`control`].
    ///
    /// # Errors
    /// When it does not start.
    pub fn ours(namespace: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([CONTROL, namespace]).env("RUST_LOG", "error").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input, metrics: None })
    }

    /// Somebody else's, which serves the count of its requests on a local port under `/metrics`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn other(mut command: Command, port: u16) -> Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: command.spawn()?, input: None, metrics: Some(format!("127.0.0.1:{port}")) })
    }

    /// What it has used so far, but requests.
    ///
    /// # Errors
    /// When it has ended.
    pub fn used(&self) -> Result<Used> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let bytes = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|it| it.strip_prefix(name)).ok_or("the controller has ended")?;
            Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
        };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(") ").ok_or("no stat")?.1.split(' ').collect();
        // In hundredths of a second, on every machine that this is likely to run on.
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let (memory, resident) = (bytes("VmHWM:")?, bytes("VmRSS:")?);
        Ok(Used { processor: ticks as f64 / 100.0, memory, resident, requests: 0 })
    }

    /// Ends it, and says what it used.
    ///
    /// # Errors
    /// When it has ended before, or does not say how many requests it made.
    pub fn end(mut self) -> Result<Used> {
        let used = self.used()?;
        let requests = match &self.metrics {
            Some(address) => scrape(address)?,
            None => {
                drop(self.input.take());
                let mut text = String::new();
                self.child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
                text.trim().parse()?
            }
        };
        Ok(Used { requests, ..used })
    }
}

/// The sum of a counter of requests under the name that upstream's controllers share.
fn scrape(address: &str) -> Result<u64> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter(|it| it.contains("k8s_request_total") && !it.starts_with('#'));
    let values = lines.filter_map(|it| it.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(values.sum::<f64>() as u64)
}

/// The client of the bench itself, which waits by itself where the API server says so.
///
/// # Errors
/// When there is no cluster.
pub async fn client() -> Result<kube::Client> {
    let mut config = kube::Config::infer().await?;
    config.default_retry = true;
    Ok(kube::Client::try_from(config)?)
}

/// Makes the definitions that the cluster does not have.
///
/// # Errors
/// When one is refused.
pub async fn install(client: &kube::Client, crds: Vec<Value>) -> Result<()> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    for definition in crds {
        let object: DynamicObject = serde_json::from_value(definition)?;
        let name = object.metadata.name.clone().unwrap_or_default();
        if definitions.get_opt(&name).await?.is_none() {
            definitions.create(&PostParams::default(), &object).await?;
        }
    }
    Ok(())
}

/// Makes a namespace, empty.
///
/// # Errors
/// When it can not be made, or one of that name does not go.
pub async fn fresh(client: &kube::Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(name).await?.is_some() {
        gone(client, name).await?;
    }
    let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    namespaces.create(&PostParams::default(), &namespace).await?;
    Ok(())
}

/// Deletes a namespace, and waits until it is gone.
///
/// # Errors
/// When it does not go within twenty minutes.
pub async fn gone(client: &kube::Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let _ = namespaces.delete(name, &DeleteParams::background()).await;
    let began = Instant::now();
    while namespaces.get_opt(name).await?.is_some() {
        if began.elapsed() > Duration::from_secs(1200) {
            return Err(format!("the namespace {name} does not go").into());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

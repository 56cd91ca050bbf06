//! Where the story runs: the embedded cluster in this process, the same in a process that gets killed,
//! or any cluster by kubeconfig; and the five controllers on it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::{Result, bail};
use argo_core::{
    Clock, Gvk,
    runtime::{Context, Shutdown},
};
use argo_embedded::{
    Cluster, Serving,
    simulator::{Simulator, SimulatorConfig},
};
use argo_examples::{
    controllers::{self, Controllers, Settings},
    fixtures::image,
    run,
};

use crate::{
    args::Args,
    chaos::{self, Chaos},
};

/// A cluster with everything on it.
pub(crate) struct Platform {
    pub(crate) context: Context,
    /// Where GitHub's webhooks go.
    pub(crate) webhook: String,
    embedded: Option<Embedded>,
    controllers: Option<Controllers>,
    chaos: Option<Chaos>,
}

/// The embedded cluster with its simulated workloads.
struct Embedded {
    cluster: Cluster,
    serving: parking_lot::Mutex<Option<Serving>>,
    _simulator: Simulator,
}

/// The port that the story's EventSource names.
const WEBHOOK_PORT: u16 = 12000;

/// The kinds whose changes are shown.
pub(crate) fn shown() -> Vec<Gvk> {
    let argo = ["Application", "EventSource", "Sensor", "Workflow", "Rollout", "AnalysisRun"];
    let kargo = ["Warehouse", "Freight", "Stage", "Promotion"];
    let argo = argo.iter().map(|it| Gvk::new("argoproj.io", "v1alpha1", *it));
    argo.chain(kargo.iter().map(|it| Gvk::new("kargo.akuity.io", "v1alpha1", *it))).collect()
}

impl Platform {
    pub(crate) async fn start(
        args: &Args,
        folder: &Path,
        clock: Clock,
        meets: argo_core::Timestamp,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        tools(folder)?;
        let webhook = free_port().await?;
        if args.chaos > 0 {
            let settings = chaos::Settings {
                folder: folder.to_owned(),
                api: free_port().await?,
                webhook,
                meets,
                speed: args.speed,
                verbose: args.verbose,
            };
            let chaos = Chaos::start(args, &settings, shutdown)?;
            let client = reach(&folder.join("kubeconfig")).await?;
            let context = Context::builder(client).clock(clock).shutdown(shutdown.clone()).build();
            let webhook = url(webhook);
            return Ok(Self { context, webhook, embedded: None, controllers: None, chaos: Some(chaos) });
        }
        let (embedded, client) = match &args.kubeconfig {
            Some(path) => (None, run::client(Some(path)).await?),
            None => {
                let state = args.state.as_ref().map(|it| it.join("cluster"));
                let embedded = Embedded::start(state.as_deref(), clock.clone())?;
                let client = embedded.cluster.client();
                (Some(embedded), client)
            }
        };
        let context = Context::builder(client).clock(clock).shutdown(shutdown.clone()).build();
        if embedded.is_none() {
            controllers::install(&context, &controllers::crds()).await?;
        }
        let controllers = controllers::start(&context, &controller_settings(folder, webhook)).await?;
        Ok(Self { context, webhook: url(webhook), embedded, controllers: Some(controllers), chaos: None })
    }

    /// Puts the embedded cluster behind HTTPS and prints how to reach it.
    pub(crate) async fn serve(&self, folder: &Path) -> Result<()> {
        let Some(embedded) = &self.embedded else {
            println!("the cluster of --kubeconfig serves itself");
            return Ok(());
        };
        let serving = embedded.cluster.serve((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let path = folder.join("kubeconfig");
        std::fs::write(&path, serving.kubeconfig())?;
        println!("kubectl --kubeconfig {} get applications,rollouts,stages -A", path.display());
        *embedded.serving.lock() = Some(serving);
        Ok(())
    }

    /// What can be said only at the end.
    pub(crate) async fn verdict(&self) -> Result<()> {
        match &self.chaos {
            Some(chaos) => chaos.verdict().await,
            None => Ok(()),
        }
    }

    /// Stops the controllers gracefully.
    pub(crate) async fn stop(self) {
        self.context.shutdown().cancel();
        if let Some(controllers) = self.controllers {
            controllers.stopped(Duration::from_secs(5)).await;
        }
    }
}

impl Embedded {
    fn start(state: Option<&Path>, clock: Clock) -> Result<Self> {
        let mut builder = Cluster::builder().clock(clock);
        if let Some(path) = state {
            builder = builder.persist(path);
        }
        let cluster = builder.build()?;
        cluster.install_crds(&controllers::crds())?;
        let simulator = Simulator::start(&cluster, SimulatorConfig::default());
        Ok(Self { cluster, serving: parking_lot::Mutex::default(), _simulator: simulator })
    }
}

/// What the process of the controllers keeps alive.
pub(crate) struct Running {
    _embedded: Embedded,
    _controllers: Controllers,
}

/// Cluster and controllers in a process of their own.
pub(crate) async fn run_child(settings: &chaos::Settings, shutdown: &Shutdown) -> Result<Running> {
    let embedded = Embedded::start(Some(&settings.folder.join("cluster")), settings.clock())?;
    let serving = embedded.cluster.serve(settings.api).await?;
    // Written whole or not at all: the parent may be reading.
    let (new, path) = (settings.folder.join("kubeconfig.new"), settings.folder.join("kubeconfig"));
    std::fs::write(&new, serving.kubeconfig())?;
    std::fs::rename(&new, &path)?;
    *embedded.serving.lock() = Some(serving);
    let client = embedded.cluster.client();
    let context = Context::builder(client).clock(settings.clock()).shutdown(shutdown.clone()).build();
    let controllers = controllers::start(&context, &controller_settings(&settings.folder, settings.webhook)).await?;
    Ok(Running { _embedded: embedded, _controllers: controllers })
}

fn controller_settings(folder: &Path, webhook: SocketAddr) -> Settings {
    Settings {
        folder: folder.to_owned(),
        tools: folder.join("tools"),
        webhooks: [(WEBHOOK_PORT, webhook)].into(),
        ..Settings::default()
    }
}

fn url(webhook: SocketAddr) -> String {
    format!("http://{webhook}/push")
}

async fn free_port() -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(listener.local_addr()?)
}

/// The folder of programs that steps find first: this program, under the tool's name.
fn tools(folder: &Path) -> Result<()> {
    let tools = folder.join("tools");
    std::fs::create_dir_all(&tools)?;
    let link = tools.join(image::TOOL);
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link)?;
    }
    std::os::unix::fs::symlink(std::env::current_exe()?, link)?;
    Ok(())
}

/// Waits for the process to come up.
async fn reach(kubeconfig: &Path) -> Result<kube::Client> {
    for _ in 0..300 {
        if kubeconfig.exists() {
            let client = run::client(Some(kubeconfig)).await?;
            if client.apiserver_version().await.is_ok() {
                return Ok(client);
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the API did not come up; --verbose writes controllers.log beside {}", kubeconfig.display())
}

//! cargo bench -p argo-benches --bench embedded
//!
//! Kubernetes in the process beside kube-apiserver and etcd, by the same client in one run, in one table:
//! * in process: a `kube::Client` on the cluster without sockets;
//! * HTTPS: the same in a process of its own, in memory and on disk;
//! * real: etcd and kube-apiserver with their defaults (etcd syncs its writes), if `KUBEBUILDER_ASSETS` names a folder that
//!   holds both programs; a column of dashes if not.
//!
//! `EMBEDDED_BENCH_SCALE` (default 1) multiplies the number of requests; `EMBEDDED_BENCH_OBJECTS` (default 10000) is the number of objects of
//! the lists and of the figures on memory.

mod measure;
mod real;
mod table;
mod target;

use std::error::Error;

use measure::Figures;
use target::Target;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The child that serves a cluster; a path behind it keeps the cluster there.
const SERVE: &str = "serve-a-cluster";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if arguments.next().as_deref() == Some(SERVE) {
        return runtime.block_on(target::serve(arguments.next()));
    }
    runtime.block_on(compare())
}

async fn compare() -> Result<()> {
    let scratch = scratch()?;
    let mut columns: Vec<Figures> = Vec::new();
    eprintln!("in process …");
    columns.push(measure::all(Target::in_process()?).await?);
    eprintln!("HTTPS, in memory …");
    columns.push(measure::all(Target::https("HTTPS, in memory", None).await?).await?);
    eprintln!("HTTPS, on disk …");
    columns.push(measure::all(Target::https("HTTPS, on disk", Some(&scratch.join("store"))).await?).await?);
    match std::env::var("KUBEBUILDER_ASSETS") {
        Ok(assets) => {
            eprintln!("kube-apiserver and etcd …");
            columns.push(measure::all(real::start(assets.as_ref(), &scratch).await?).await?);
        }
        Err(_) => eprintln!("KUBEBUILDER_ASSETS is not set: no kube-apiserver to compare with"),
    }
    std::fs::remove_dir_all(&scratch)?;
    println!("{}", table::render(&columns));
    Ok(())
}

/// A folder of its own on the disk that cargo builds on: a folder in memory would sync in no time.
fn scratch() -> Result<std::path::PathBuf> {
    let executable = std::env::current_exe()?;
    let folder = executable.parent().ok_or("no folder")?.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

//! A cluster for kubectl: `cargo run -p argo-embedded --example serve -- 127.0.0.1:6443 kubeconfig [store file]`
//!
//! Then: `kubectl --kubeconfig kubeconfig get namespaces`. Ends with ctrl-c.

use argo_embedded::Cluster;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let kubeconfig = arguments.next().unwrap_or_else(|| "kubeconfig".to_owned());
    let cluster = match arguments.next() {
        Some(path) => Cluster::open(path)?,
        None => Cluster::new(),
    };
    let serving = cluster.serve(address).await?;
    std::fs::write(&kubeconfig, serving.kubeconfig())?;
    println!("{} ({kubeconfig})", serving.url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

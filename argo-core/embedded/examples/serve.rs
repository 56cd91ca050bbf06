//! A cluster for kubectl and every other client: `cargo run -p argo-embedded --example serve -- --address 127.0.0.1:6443`
//!
//! Then: `kubectl --kubeconfig kubeconfig get namespaces`. Ends with ctrl-c or TERM.
//!
//! | option | |
//! |---|---|
//! | `--address IP:PORT` | where to listen; default `127.0.0.1:0`, any free port |
//! | `--kubeconfig FILE` | where to write the kubeconfig; default `kubeconfig` |
//! | `--store FILE` | keep everything there; default: in memory |
//! | `--kubelet IP:PORT` | where to answer as a kubelet too (10250 is its usual port) |
//! | `--mutating-policies` | serve MutatingAdmissionPolicy too |
//! | `--simulate` | run workloads: controllers, scheduler and nodes, with Kubernetes Events |
//! | `--processes IMAGE=DIRECTORY` | as `--simulate`, and run containers of matching images (`*` stands for any text) as processes of this machine, with the programs of a directory first (`entrypoint` is what runs by itself); may be given several times, the last that matches counts |

use argo_embedded::Cluster;
use argo_embedded::process::LocalImage;
use argo_embedded::simulator::{Behaviour, PodRule, PodScript, SimulatorConfig};

/// The programs of a directory; what runs when a container names no command is its program `entrypoint`, or a shell.
fn local_image(directory: &str) -> LocalImage {
    let entrypoint = std::path::Path::new(directory).join("entrypoint");
    let mut image = LocalImage::at(directory);
    match entrypoint.is_file() {
        true => image.entrypoint(["entrypoint"]),
        false => {
            image.cmd.push("sh".to_owned());
            image
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut address, mut kubeconfig) = ("127.0.0.1:0".to_owned(), "kubeconfig".to_owned());
    let mut builder = Cluster::builder();
    let mut simulate = false;
    let mut kubelet = None;
    let mut script = PodScript::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{option} wants a value"));
        match option.as_str() {
            "--address" => address = value()?,
            "--kubeconfig" => kubeconfig = value()?,
            "--store" => builder = builder.persist(value()?),
            "--kubelet" => kubelet = Some(value()?.parse()?),
            "--mutating-policies" => builder = builder.mutating_policies(),
            "--simulate" => simulate = true,
            "--processes" => {
                let value = value()?;
                let (image, directory) =
                    value.split_once('=').ok_or_else(|| format!("--processes {value}: not IMAGE=DIRECTORY"))?;
                script.set(PodRule::image(image), Behaviour::process(local_image(directory)));
                simulate = true;
            }
            _ => return Err(format!("unknown option {option}; see the head of examples/serve.rs").into()),
        }
    }
    if simulate {
        builder = builder.service_accounts().simulator(SimulatorConfig::scripted(script).events());
    }
    let cluster = builder.build()?;
    let serving = cluster.serve(address.parse()?).await?;
    if let Some(address) = kubelet {
        serving.serve_kubelet(address).await?;
    }
    std::fs::write(&kubeconfig, serving.kubeconfig())?;
    println!("{} ({kubeconfig})", serving.url());
    // The processes of containers go with the cluster: it must not just be killed.
    let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = told.recv() => {}
    }
    Ok(())
}

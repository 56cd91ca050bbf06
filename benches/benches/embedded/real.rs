//! etcd and kube-apiserver, started as they are for tests: no controllers, everybody may do anything.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::target::{Ended, Target};

const TOKEN: &str = "bench";

/// Starts both programs of a folder, with their state in `scratch`.
pub(crate) async fn start(assets: &Path, scratch: &Path) -> Result<Target> {
    let key = rcgen::KeyPair::generate()?;
    std::fs::write(scratch.join("sa.key"), key.serialize_pem())?;
    std::fs::write(scratch.join("sa.pub"), key.public_key_pem())?;
    std::fs::write(scratch.join("tokens"), format!("{TOKEN},admin,admin,system:masters\n"))?;
    let (client_port, peer_port, api_port) = (free_port()?, free_port()?, free_port()?);
    let (client_url, peer_url) = (format!("http://127.0.0.1:{client_port}"), format!("http://127.0.0.1:{peer_port}"));
    let spawn = |program: &str, arguments: &[&str]| -> Result<Ended> {
        let log = std::fs::File::create(scratch.join(format!("{program}.log")))?;
        let child = Command::new(assets.join(program))
            .args(arguments)
            .current_dir(scratch)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Ok(Ended(child.map_err(|error| format!("{program} in {}: {error}", assets.display()))?))
    };
    let began = Instant::now();
    let etcd = spawn(
        "etcd",
        &[
            "--data-dir",
            "etcd",
            "--quota-backend-bytes",
            "4294967296",
            "--listen-client-urls",
            &client_url,
            "--advertise-client-urls",
            &client_url,
            "--listen-peer-urls",
            &peer_url,
            "--initial-advertise-peer-urls",
            &peer_url,
            "--initial-cluster",
            &format!("default={peer_url}"),
        ],
    )?;
    let server = spawn(
        "kube-apiserver",
        &[
            "--etcd-servers",
            &client_url,
            "--secure-port",
            &api_port.to_string(),
            "--bind-address",
            "127.0.0.1",
            "--advertise-address",
            "127.0.0.1",
            "--endpoint-reconciler-type",
            "none",
            "--cert-dir",
            "certificates",
            "--service-cluster-ip-range",
            "10.0.0.0/16",
            "--authorization-mode",
            "AlwaysAllow",
            "--token-auth-file",
            "tokens",
            "--service-account-issuer",
            "https://localhost",
            "--service-account-key-file",
            "sa.pub",
            "--service-account-signing-key-file",
            "sa.key",
            "--disable-admission-plugins",
            "ServiceAccount",
            "--max-requests-inflight",
            "4000",
            "--max-mutating-requests-inflight",
            "2000",
        ],
    )?;
    let mut config = kube::Config::new(format!("https://127.0.0.1:{api_port}").parse()?);
    config.accept_invalid_certs = true;
    config.auth_info.token = Some(TOKEN.to_owned().into());
    let client = kube::Client::try_from(config)?;
    while client.request_text(http::Request::get("/readyz").body(Vec::new())?).await.is_err() {
        if began.elapsed() > Duration::from_secs(120) {
            let log = std::fs::read_to_string(scratch.join("kube-apiserver.log"))?;
            return Err(format!("kube-apiserver is not ready: {}", log.lines().last().unwrap_or_default()).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Target {
        name: "kube-apiserver + etcd",
        client,
        start: began.elapsed(),
        cluster: None,
        processes: vec![etcd, server],
    })
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

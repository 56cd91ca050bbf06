//! Connections to ports of pods.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::script::{PortAnswer, PortRequest};
use super::target::Opened;

/// How long after its start a program may take until it listens: a kubelet tells of a container that runs about that much later, and
/// here that is told at once.
const WARM_UP: Duration = Duration::from_secs(2);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves a connection to a port of a pod, to its end, as port-forward does it.
///
/// The error is for the client: why there is no connection.
pub(super) async fn serve(opened: &Opened, port: u16, stream: DuplexStream) -> Result<(), String> {
    let uid = opened.pod.pointer("/metadata/uid").and_then(serde_json::Value::as_str).unwrap_or_default();
    connect(opened, port, stream).await.map_err(|why| {
        format!("error forwarding port {port} to pod {uid}: failed to connect to localhost:{port} inside namespace: dial tcp4 127.0.0.1:{port}: {why}")
    })
}

/// Serves a connection to a port of a pod, to its end.
///
/// The error says why there is no connection.
pub(crate) async fn connect(opened: &Opened, port: u16, mut stream: DuplexStream) -> Result<(), String> {
    match (opened.streams.port(&opened.pod, port), &opened.process) {
        (Some(PortAnswer::Replies(text)), _) => {
            let mut request = [0; 4096];
            if matches!(stream.read(&mut request).await, Ok(1..)) {
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
            Ok(())
        }
        (Some(PortAnswer::Sends(text)), _) => {
            // A client that went away misses nothing.
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            Ok(())
        }
        (Some(PortAnswer::Echo), _) => {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
            Ok(())
        }
        (Some(PortAnswer::Address(address)), _) => join(address, Instant::now(), stream).await,
        (Some(PortAnswer::Code(handler)), _) => {
            let request = PortRequest { namespace: opened.key.namespace.clone(), pod: opened.key.name.clone(), port };
            handler.serve(request, stream).await;
            Ok(())
        }
        // Processes listen at the machine's own ports.
        (None, Some(process)) => join(([127, 0, 0, 1], port).into(), process.started + WARM_UP, stream).await,
        (None, None) => Err(REFUSED.to_owned()),
    }
}

const REFUSED: &str = "connect: connection refused";

/// Joins a stream with a connection to an address; who does not listen yet is asked again until a deadline.
async fn join(address: SocketAddr, deadline: Instant, mut stream: DuplexStream) -> Result<(), String> {
    let mut connection = loop {
        match TcpStream::connect(address).await {
            Ok(connection) => break connection,
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionRefused => return Err(error.to_string()),
            Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Err(_) => return Err(REFUSED.to_owned()),
        }
    };
    // Either side may break off.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut connection).await;
    Ok(())
}

//! Connections to ports of pods.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

use super::script::{PortAnswer, PortRequest};
use super::target::Opened;

/// Serves a connection to a port of a pod, to its end.
///
/// The error is for the client: why there is no connection.
pub(super) async fn serve(opened: &Opened, port: u16, mut stream: DuplexStream) -> Result<(), String> {
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
        (Some(PortAnswer::Address(address)), _) => join(opened, port, address, stream).await,
        (Some(PortAnswer::Code(handler)), _) => {
            let request = PortRequest { namespace: opened.key.namespace.clone(), pod: opened.key.name.clone(), port };
            handler.serve(request, stream).await;
            Ok(())
        }
        // Processes listen at the machine's own ports.
        (None, Some(_)) => join(opened, port, ([127, 0, 0, 1], port).into(), stream).await,
        (None, None) => Err(refused(opened, port, "connect: connection refused")),
    }
}

async fn join(
    opened: &Opened,
    port: u16,
    address: std::net::SocketAddr,
    mut stream: DuplexStream,
) -> Result<(), String> {
    let mut connection = TcpStream::connect(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => refused(opened, port, "connect: connection refused"),
        _ => refused(opened, port, &error.to_string()),
    })?;
    // Either side may break off.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut connection).await;
    Ok(())
}

fn refused(opened: &Opened, port: u16, why: &str) -> String {
    let uid = opened.pod.pointer("/metadata/uid").and_then(serde_json::Value::as_str).unwrap_or_default();
    format!(
        "error forwarding port {port} to pod {uid}: failed to connect to localhost:{port} inside namespace: dial tcp4 127.0.0.1:{port}: {why}"
    )
}

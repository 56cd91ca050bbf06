//! The channel protocols over WebSockets: the first byte of a message says which stream it belongs to.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::exec;
use super::script::ExecIo;
use super::target::Opened;
use super::websocket::Outgoing;
use crate::server::Server;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
/// Version 5: the client closes the stream that the next byte names.
const CLOSE: u8 = 255;
/// Bytes on their way between a client and a command.
const PIPE: usize = 64 * 1024;
/// How long a command may go on after its client went away.
const ALONE: Duration = Duration::from_secs(60);
/// How long a client gets to take the end in.
const FAREWELL: Duration = Duration::from_secs(5);

/// exec and attach.
pub(super) async fn remote_command(
    server: Arc<Server>,
    opened: Opened,
    mut messages: mpsc::Receiver<Vec<u8>>,
    outgoing: mpsc::Sender<Outgoing>,
) {
    // Of a duplex stream, dropping one end ends the other.
    let (mut stdin, stdin_reader) = tokio::io::duplex(PIPE);
    let (wants_out, wants_err) = (opened.wanted.stdout, opened.wanted.stderr && !opened.wanted.tty);
    let output = |wanted: bool| -> (Box<dyn AsyncWrite + Send + Unpin>, Option<tokio::io::DuplexStream>) {
        if !wanted {
            return (Box::new(tokio::io::sink()), None);
        }
        let (writer, reader) = tokio::io::duplex(PIPE);
        (Box::new(writer), Some(reader))
    };
    let ((stdout_writer, stdout), (stderr_writer, stderr)) = (output(wants_out), output(wants_err));
    let io = ExecIo {
        stdin: if opened.wanted.stdin { Box::new(stdin_reader) } else { Box::new(tokio::io::empty()) },
        stdout: stdout_writer,
        stderr: stderr_writer,
    };
    let input = async {
        while let Some(message) = messages.recv().await {
            match message.split_first() {
                Some((&STDIN, data)) => {
                    // The command may have closed its side.
                    let _ = stdin.write_all(data).await;
                }
                Some((&CLOSE, [STDIN])) => {
                    let _ = stdin.shutdown().await;
                }
                // Sizes of the terminal: there is none.
                _ => {}
            }
        }
        let _ = stdin.shutdown().await;
    };
    let mut command = std::pin::pin!(async {
        let opened_stream = if wants_out { STDOUT } else { STDERR };
        // An empty message tells the client that the stream is open.
        let _ = outgoing.send(Outgoing::Binary(vec![opened_stream])).await;
        let (outcome, (), ()) = tokio::join!(
            exec::run(server, opened, io),
            copy_out(stdout, STDOUT, &outgoing),
            copy_out(stderr, STDERR, &outgoing)
        );
        let mut last = vec![ERROR];
        last.extend_from_slice(exec::status(&outcome).to_string().as_bytes());
        let _ = outgoing.send(Outgoing::Binary(last)).await;
        let _ = outgoing.send(Outgoing::Close(1000)).await;
    });
    tokio::select! {
        () = &mut command => {
            // Until the client closes too; it may still be reading.
            let _ = tokio::time::timeout(FAREWELL, async { while messages.recv().await.is_some() {} }).await;
        }
        // The input of a client that goes away ends, and its command with it, in its own time.
        () = input => {
            let _ = tokio::time::timeout(ALONE, command).await;
        }
    }
}

async fn copy_out(from: Option<impl AsyncRead + Unpin>, channel: u8, to: &mpsc::Sender<Outgoing>) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let mut message = Vec::with_capacity(read + 1);
        message.push(channel);
        message.extend_from_slice(&buffer[..read]);
        if to.send(Outgoing::Binary(message)).await.is_err() {
            return;
        }
    }
}

/// Port-forward with a pair of channels per port: data and errors.
pub(super) async fn port_forward(
    opened: Opened,
    ports: Vec<u16>,
    mut messages: mpsc::Receiver<Vec<u8>>,
    outgoing: mpsc::Sender<Outgoing>,
) {
    let mut inputs = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for (index, port) in ports.into_iter().enumerate() {
        let Ok(data) = u8::try_from(index * 2) else { break };
        for channel in [data, data + 1] {
            let [low, high] = port.to_le_bytes();
            let _ = outgoing.send(Outgoing::Binary(vec![channel, low, high])).await;
        }
        let (near, far) = tokio::io::duplex(PIPE);
        let (reader, writer) = tokio::io::split(near);
        inputs.push(Some(writer));
        let (opened, outgoing) = (opened.clone(), outgoing.clone());
        tasks.spawn(async move {
            let served = super::forward::serve(&opened, port, far);
            let (served, ()) = tokio::join!(served, copy_out(Some(reader), data, &outgoing));
            if let Err(why) = served {
                let mut message = vec![data + 1];
                message.extend_from_slice(why.as_bytes());
                let _ = outgoing.send(Outgoing::Binary(message)).await;
            }
        });
    }
    let input = async {
        while let Some(message) = messages.recv().await {
            let Some((channel, bytes)) = message.split_first() else { continue };
            if let Some(Some(writer)) = inputs.get_mut(usize::from(*channel / 2)) {
                let _ = writer.write_all(bytes).await;
            }
        }
    };
    let done = async {
        while tasks.join_next().await.is_some() {}
        let _ = outgoing.send(Outgoing::Close(1000)).await;
    };
    tokio::select! {
        () = input => {}
        () = done => {}
    }
}

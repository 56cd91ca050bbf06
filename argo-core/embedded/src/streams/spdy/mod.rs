//! SPDY/3.1, as much as streams of pods need: the server's side, without flow control (clients of Kubernetes have none).
//!
//! A client opens streams with headers that say what they are for: `streamtype` (`error`, `stdin`, `stdout`, `stderr`, `resize`, `data`)
//! and, for port-forward, `port` and `requestid`: an error and a data stream per connection.

mod dictionary;
mod headers;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::exec;
use super::script::ExecIo;
use super::target::{Opened, Purpose};
use super::websocket::Outgoing;
use crate::server::Server;
use headers::{Packer, Unpacker};

/// The largest frame taken.
const LIMIT: usize = 4 * 1024 * 1024;
/// The most streams open at a time.
const STREAMS: usize = 1000;
/// Bytes on their way in one direction of a stream.
const PIPE: usize = 64 * 1024;
const FIN: u8 = 1;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GO_AWAY: u16 = 7;

/// A SPDY connection inside of the messages of a WebSocket.
pub(super) fn tunnel(mut messages: mpsc::Receiver<Vec<u8>>, outgoing: mpsc::Sender<Outgoing>) -> DuplexStream {
    let (near, far) = tokio::io::duplex(PIPE);
    let (mut reader, mut writer) = tokio::io::split(near);
    tokio::spawn(async move {
        while let Some(message) = messages.recv().await {
            if writer.write_all(&message).await.is_err() {
                return;
            }
        }
        let _ = writer.shutdown().await;
    });
    tokio::spawn(async move {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            if outgoing.send(Outgoing::Binary(buffer[..read].to_vec())).await.is_err() {
                return;
            }
        }
        let _ = outgoing.send(Outgoing::Close(1000)).await;
    });
    far
}

/// Speaks SPDY until the client goes away.
pub(super) async fn serve(
    server: Arc<Server>,
    opened: Opened,
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) {
    let (mut reader, mut writer) = tokio::io::split(io);
    let (frames, mut queue) = mpsc::channel::<Vec<u8>>(64);
    let write = async {
        while let Some(frame) = queue.recv().await {
            if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    let mut connection = Connection {
        server,
        opened,
        frames: Frames(frames),
        unpacker: Unpacker::new(),
        packer: Packer::default(),
        inputs: BTreeMap::new(),
        named: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    tokio::select! {
        result = connection.run(&mut reader) => if let Err(error) = result {
            tracing::debug!(%error, "a SPDY connection ended");
        },
        () = write => {}
    }
}

/// Sends frames.
#[derive(Clone)]
struct Frames(mpsc::Sender<Vec<u8>>);

struct Connection {
    server: Arc<Server>,
    opened: Opened,
    frames: Frames,
    unpacker: Unpacker,
    packer: Packer,
    /// Where the data of a stream goes; gone once the client has closed it.
    inputs: BTreeMap<u32, tokio::io::WriteHalf<DuplexStream>>,
    /// Streams that wait for others: by type and request.
    named: BTreeMap<(String, String), u32>,
    tasks: JoinSet<()>,
}

// === impl Frames ===

impl Frames {
    async fn control(&self, kind: u16, flags: u8, payload: &[u8]) {
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frame.extend_from_slice(&0x8003u16.to_be_bytes());
        frame.extend_from_slice(&kind.to_be_bytes());
        frame.extend_from_slice(&((u32::from(flags) << 24) | payload.len() as u32).to_be_bytes());
        frame.extend_from_slice(payload);
        // The connection ends by itself when nobody takes frames any more.
        let _ = self.0.send(frame).await;
    }

    async fn data(&self, stream: u32, flags: u8, payload: &[u8]) {
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(&((u32::from(flags) << 24) | payload.len() as u32).to_be_bytes());
        frame.extend_from_slice(payload);
        let _ = self.0.send(frame).await;
    }

    async fn copy(&self, stream: u32, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            self.data(stream, 0, &buffer[..read]).await;
        }
    }
}

// === impl Connection ===

impl Connection {
    async fn run(&mut self, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        loop {
            let mut head = [0u8; 8];
            if let Err(error) = reader.read_exact(&mut head).await {
                return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) };
            }
            let [a, b, c, d, flags, length @ ..] = head;
            let length = u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
            if length > LIMIT {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too large"));
            }
            let mut payload = vec![0; length];
            reader.read_exact(&mut payload).await?;
            if a & 0x80 == 0 {
                self.data(u32::from_be_bytes([a, b, c, d]), flags, &payload).await;
                continue;
            }
            let number = |at: usize| {
                payload.get(at..at + 4).map(|bytes| u32::from_be_bytes([bytes[0] & 0x7f, bytes[1], bytes[2], bytes[3]]))
            };
            match u16::from_be_bytes([c, d]) {
                SYN_STREAM => {
                    let stream =
                        number(0).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame is cut off"))?;
                    let headers = self.unpacker.unpack(payload.get(10..).unwrap_or_default())?;
                    self.begin(stream, flags, headers).await;
                }
                RST_STREAM => {
                    if let Some(stream) = number(0) {
                        self.inputs.remove(&stream);
                    }
                }
                PING => self.frames.control(PING, 0, &payload).await,
                GO_AWAY => return Ok(()),
                // Settings, windows, headers after the first: nothing that matters here.
                _ => {}
            }
        }
    }

    async fn data(&mut self, stream: u32, flags: u8, payload: &[u8]) {
        if let Some(input) = self.inputs.get_mut(&stream) {
            // The other side may have closed.
            let _ = input.write_all(payload).await;
            if flags & FIN != 0 {
                let _ = input.shutdown().await;
                self.inputs.remove(&stream);
            }
        }
    }

    async fn begin(&mut self, stream: u32, flags: u8, headers: Vec<(String, String)>) {
        if self.named.len() + self.inputs.len() > STREAMS {
            // REFUSED_STREAM
            self.frames.control(RST_STREAM, 0, &[stream.to_be_bytes(), 3u32.to_be_bytes()].concat()).await;
            return;
        }
        let reply = [stream.to_be_bytes().as_slice(), &self.packer.empty()].concat();
        self.frames.control(SYN_REPLY, 0, &reply).await;
        let header = |name: &str| {
            headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.as_str())
        };
        let (kind, request) = (header("streamtype").to_owned(), header("requestid").to_owned());
        match self.opened.wanted.purpose {
            Purpose::Forward(_) if kind == "data" => {
                let port = header("port").parse().unwrap_or(0);
                let errors = self.named.remove(&("error".to_owned(), request));
                self.forward(stream, errors, port, flags);
            }
            Purpose::Forward(_) => {
                self.named.insert((kind, request), stream);
            }
            Purpose::Exec(_) | Purpose::Attach => {
                self.named.insert((kind, String::new()), stream);
                self.command();
            }
        }
    }

    fn forward(&mut self, stream: u32, errors: Option<u32>, port: u16, flags: u8) {
        let (near, far) = tokio::io::duplex(PIPE);
        let (reader, writer) = tokio::io::split(near);
        if flags & FIN == 0 {
            self.inputs.insert(stream, writer);
        }
        while self.tasks.try_join_next().is_some() {}
        let (opened, frames) = (self.opened.clone(), self.frames.clone());
        self.tasks.spawn(async move {
            let (served, ()) = tokio::join!(super::forward::serve(&opened, port, far), frames.copy(stream, reader));
            if let (Err(why), Some(errors)) = (served, errors) {
                frames.data(errors, 0, why.as_bytes()).await;
            }
            if let Some(errors) = errors {
                frames.data(errors, FIN, &[]).await;
            }
            frames.data(stream, FIN, &[]).await;
        });
    }

    /// Starts the command once all of its streams are there.
    fn command(&mut self) {
        let wanted = &self.opened.wanted;
        let find = |kind: &str| self.named.get(&(kind.to_owned(), String::new())).copied();
        let (stdin, stdout, stderr, errors) = (find("stdin"), find("stdout"), find("stderr"), find("error"));
        let wants_errors = wanted.stderr && !wanted.tty;
        let complete = errors.is_some()
            && stdin.is_some() == wanted.stdin
            && stdout.is_some() == wanted.stdout
            && stderr.is_some() == wants_errors
            && (find("resize").is_some() || !wanted.tty);
        if !complete || !self.tasks.is_empty() {
            return;
        }
        let pipe = || {
            let (near, far) = tokio::io::duplex(PIPE);
            let (reader, writer) = tokio::io::split(near);
            (reader, writer, far)
        };
        let (in_reader, in_writer, in_far) = pipe();
        drop(in_reader);
        if let Some(stdin) = stdin {
            self.inputs.insert(stdin, in_writer);
        }
        let (out_reader, _, out_far) = pipe();
        let (err_reader, _, err_far) = pipe();
        let io = ExecIo {
            stdin: if stdin.is_some() { Box::new(in_far) } else { Box::new(tokio::io::empty()) },
            stdout: if stdout.is_some() { Box::new(out_far) } else { Box::new(tokio::io::sink()) },
            stderr: if stderr.is_some() { Box::new(err_far) } else { Box::new(tokio::io::sink()) },
        };
        let (server, opened, frames) = (self.server.clone(), self.opened.clone(), self.frames.clone());
        self.tasks.spawn(async move {
            let copy_out = async {
                if let Some(stream) = stdout {
                    frames.copy(stream, out_reader).await;
                }
            };
            let copy_err = async {
                if let Some(stream) = stderr {
                    frames.copy(stream, err_reader).await;
                }
            };
            let (outcome, (), ()) = tokio::join!(exec::run(server, opened, io), copy_out, copy_err);
            for stream in [stdout, stderr].into_iter().flatten() {
                frames.data(stream, FIN, &[]).await;
            }
            if let Some(errors) = errors {
                frames.data(errors, FIN, exec::status(&outcome).to_string().as_bytes()).await;
            }
        });
    }
}

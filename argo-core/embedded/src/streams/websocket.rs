//! WebSocket frames (RFC 6455), the server's side: messages in, messages out. Pings are answered; what exceeds the limits ends the
//! connection.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// The longest message taken.
const LIMIT: usize = 16 * 1024 * 1024;
/// How many messages wait to be sent before senders have to.
const QUEUE: usize = 16;

/// What goes out.
#[derive(Debug)]
pub(super) enum Outgoing {
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
}

/// The value of `Sec-WebSocket-Accept` for a key.
pub(super) fn accept(key: &str) -> String {
    let mut hasher = Sha1::new();
    hasher.update(key.as_bytes());
    hasher.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hasher.finalize())
}

/// Splits a connection into messages in and a queue of messages out. Both end with the connection; a close frame ends the queue.
pub(super) fn open(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> (mpsc::Receiver<Vec<u8>>, mpsc::Sender<Outgoing>) {
    let (mut reader, mut writer) = tokio::io::split(io);
    let (incoming, messages) = mpsc::channel(QUEUE);
    let (outgoing, mut queue) = mpsc::channel::<Outgoing>(QUEUE);
    let pongs = outgoing.downgrade();
    tokio::spawn(async move {
        loop {
            let message = tokio::select! {
                message = read_message(&mut reader, &pongs) => message,
                () = incoming.closed() => return,
            };
            match message {
                Ok(Some(message)) => {
                    if incoming.send(message).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "a WebSocket ended");
                    return;
                }
            }
        }
    });
    tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            let (frame, last) = match &message {
                Outgoing::Binary(bytes) => (frame(2, bytes), false),
                Outgoing::Pong(bytes) => (frame(10, bytes), false),
                Outgoing::Close(code) => (frame(8, &code.to_be_bytes()), true),
            };
            if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() || last {
                break;
            }
        }
        let _ = writer.shutdown().await;
    });
    (messages, outgoing)
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The next message; `None` when the client closes.
async fn read_message(
    reader: &mut (impl AsyncRead + Unpin),
    pongs: &mpsc::WeakSender<Outgoing>,
) -> io::Result<Option<Vec<u8>>> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, "a message is too large");
    let mut message = Vec::new();
    loop {
        let mut head = [0u8; 2];
        if let Err(error) = reader.read_exact(&mut head).await {
            return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
        }
        let (last, opcode, masked) = (head[0] & 0x80 != 0, head[0] & 0x0f, head[1] & 0x80 != 0);
        let length = match head[1] & 0x7f {
            126 => u64::from(reader.read_u16().await?),
            127 => reader.read_u64().await?,
            length => u64::from(length),
        };
        let length =
            usize::try_from(length).ok().filter(|length| length + message.len() <= LIMIT).ok_or_else(too_large)?;
        let mut mask = [0u8; 4];
        if masked {
            reader.read_exact(&mut mask).await?;
        }
        let mut payload = vec![0; length];
        reader.read_exact(&mut payload).await?;
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
        match opcode {
            0..=2 => {
                message.extend_from_slice(&payload);
                if last {
                    return Ok(Some(message));
                }
            }
            8 => return Ok(None),
            9 => {
                if let Some(pongs) = pongs.upgrade() {
                    let _ = pongs.send(Outgoing::Pong(payload)).await;
                }
            }
            10 => {}
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown frame")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_is_accepted_as_it_says() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn fragments_and_masks_are_put_together() {
        let (mut client, server) = tokio::io::duplex(1024);
        let (mut messages, outgoing) = open(server);
        client.write_all(&[0x02, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2]).await.expect("sent");
        client.write_all(&[0x89, 0x01, b'p']).await.expect("a ping between fragments");
        client.write_all(&[0x80, 0x01, b'c']).await.expect("sent");
        assert_eq!(messages.recv().await.as_deref(), Some(b"abc".as_slice()));
        let mut pong = [0u8; 3];
        client.read_exact(&mut pong).await.expect("a pong");
        assert_eq!(pong, [0x8a, 1, b'p']);
        outgoing.send(Outgoing::Close(1000)).await.expect("queued");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("closed");
        assert_eq!(rest, [0x88, 2, 3, 0xe8]);
    }
}

//! The HTTPS face: the same store behind TLS, with a kubeconfig for kubectl and the upstream command-line clients.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::pki::{Pki, kubeconfig, reachable};
use super::tower::{collect, program, raw, refusal};
use crate::server::{ApiError, Caller, MASTERS, ResponseBody, Server, Token, service_account_groups};
use crate::session::{ClientOptions, Session};
use crate::streams::Ticket;

/// Why the HTTPS face could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody listens at the address already: choose another port, or 0 for any.
    #[error("address {0} is in use")]
    AddressInUse(SocketAddr),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificates could not be made.
    #[error("certificates could not be made: {0}")]
    Certificates(String),
}

/// A running HTTPS face. It stops when this is dropped.
pub struct Serving {
    address: SocketAddr,
    kubeconfig: String,
    token: String,
    stop: watch::Sender<bool>,
    acceptor: TlsAcceptor,
    face: Arc<Face>,
}

// === impl Serving ===

impl Serving {
    /// The address that is listened at, with the port the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://…`
    pub fn url(&self) -> String {
        format!("https://{}", reachable(self.address))
    }

    /// The text of a kubeconfig for a user who may do anything. It holds a private key: keep it as such.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// A bearer token for the same user.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Also answers as a kubelet, at an address of its own (10250 is a kubelet's port): logs, commands and ports of all pods, for the
    /// users of this face who may reach `nodes/proxy`. It stops with this handle.
    ///
    /// # Errors
    /// The address is in use or cannot be listened at.
    pub async fn serve_kubelet(&self, address: SocketAddr) -> Result<SocketAddr, ServeError> {
        let (listener, address) = listen(address).await?;
        let face = Arc::new(Face { kubelet: true, ..(*self.face).clone() });
        tokio::spawn(accept(listener, self.acceptor.clone(), face, self.stop.subscribe()));
        Ok(address)
    }

    /// Stops listening and closes all connections.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}

impl std::fmt::Debug for Serving {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Listens at an address and serves until the handle is dropped.
pub(crate) async fn serve(
    server: Arc<Server>,
    address: SocketAddr,
    kept: Option<&Path>,
) -> Result<Serving, ServeError> {
    let (listener, address) = listen(address).await?;
    let pki = match kept {
        Some(path) => Pki::keep(path, address.ip())?,
        None => Pki::issue(address.ip())?,
    };
    let config = pki.server()?;
    let kubeconfig = kubeconfig(address, &pki);
    let token = pki.token.clone();
    server.state.lock().publish_root_certificate(&pki.ca, server.clock.now());
    let (stop, stopped) = watch::channel(false);
    let admin_certificate = CertificateDer::from(pki.client_der);
    let face = Arc::new(Face { server, admin_certificate, admin_token: token.clone(), kubelet: false });
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(accept(listener, acceptor.clone(), face.clone(), stopped));
    Ok(Serving { address, kubeconfig, token, stop, acceptor, face })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::AddressInUse(address),
        _ => ServeError::Listen { address, source },
    })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    Ok((listener, address))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, face: Arc<Face>, mut stopped: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, acceptor.clone(), face.clone(), stopped.clone()));
            }
            Err(error) => {
                // Out of file descriptors, or the like: give others time to close theirs.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, face: Arc<Face>, mut stopped: watch::Receiver<bool>) {
    // Small answers must not wait for the acknowledgement of those before them.
    let _ = stream.set_nodelay(true);
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            return;
        }
    };
    let certified = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .is_some_and(|certificate| *certificate == face.admin_certificate);
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let face = face.clone();
        async move { face.answer(request, certified).await }
    });
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(1_000);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::select! {
        done = connection => if let Err(error) = done { tracing::debug!(%error, "connection ended") },
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

#[derive(Clone)]
struct Face {
    server: Arc<Server>,
    admin_certificate: CertificateDer<'static>,
    admin_token: String,
    /// Whether it is the face of kubelets.
    kubelet: bool,
}

// === impl Face ===

impl Face {
    async fn answer(
        &self,
        mut request: http::Request<Incoming>,
        certified: bool,
    ) -> Result<http::Response<ResponseBody>, crate::server::Disconnected> {
        let switched = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let Some(mut caller) = self.caller(&parts.headers, certified) else {
            return Ok(refusal(&parts, Caller::default(), ApiError::unauthorized()));
        };
        caller.client = program(&parts.headers);
        let session = Session::new(&ClientOptions::named(caller.client.as_str()));
        match collect(body).await {
            Ok(body) => {
                let request = raw(&parts, body, caller);
                let mut response = match self.kubelet {
                    true => self.server.ask_kubelet(request, &session).await,
                    false => self.server.handle(request, &session).await?,
                };
                if let Some(ticket) = response.extensions_mut().remove::<Ticket>() {
                    tokio::spawn(async move {
                        match switched.await {
                            Ok(connection) => ticket.speak(TokioIo::new(connection)).await,
                            Err(error) => tracing::debug!(%error, "a connection was not handed over"),
                        }
                    });
                }
                Ok(response)
            }
            Err(error) => Ok(refusal(&parts, caller, error)),
        }
    }

    /// Who asks: the holder of the client certificate or of a token.
    fn caller(&self, headers: &http::HeaderMap, certified: bool) -> Option<Caller> {
        let admin = || Caller {
            client: String::new(),
            user: "kubernetes-admin".to_owned(),
            groups: vec![MASTERS.to_owned(), "system:authenticated".to_owned()],
            ..Caller::default()
        };
        if certified {
            return Some(admin());
        }
        let Some(given) = headers.get(AUTHORIZATION) else {
            // Where everybody may do anything, nobody is nobody.
            return self.server.state.lock().rbac.then(|| Caller {
                user: "system:anonymous".to_owned(),
                groups: vec!["system:unauthenticated".to_owned()],
                ..Caller::default()
            });
        };
        let token = given.to_str().ok()?.strip_prefix("Bearer ")?.trim();
        if same(token.as_bytes(), self.admin_token.as_bytes()) {
            return Some(admin());
        }
        let now = self.server.clock.now();
        let Token { user, expires, .. } = self.server.state.lock().tokens.get(token).cloned()?;
        (expires > now).then(|| Caller { groups: service_account_groups(&user), user, ..Caller::default() })
    }
}

/// Compares secrets in a time that does not depend on where they differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right)) == 0
}

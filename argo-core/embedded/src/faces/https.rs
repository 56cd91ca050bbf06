//! The HTTPS face: the same store behind TLS, with a kubeconfig for kubectl and the upstream command-line clients.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand::TryRngCore;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

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
}

/// Certificates, keys and the token of one cluster. A cluster on disk keeps them beside its store, so that a kubeconfig
/// outlives a restart.
#[derive(serde::Serialize, serde::Deserialize)]
struct Pki {
    /// The address that the server's certificate names.
    address: IpAddr,
    ca: String,
    ca_der: Vec<u8>,
    server_der: Vec<u8>,
    server_key: Vec<u8>,
    client_certificate: String,
    client_key: String,
    client_der: Vec<u8>,
    token: String,
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
    let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::AddressInUse(address),
        _ => ServeError::Listen { address, source },
    })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    let pki = match kept {
        Some(path) => Pki::keep(path, address.ip())?,
        None => Pki::issue(address.ip())?,
    };
    let config = pki.server()?;
    let kubeconfig = kubeconfig(address, &pki);
    let token = pki.token.clone();
    server.state.lock().publish_root_certificate(&pki.ca, server.clock.now());
    let (stop, stopped) = watch::channel(false);
    let face =
        Arc::new(Face { server, admin_certificate: CertificateDer::from(pki.client_der), admin_token: token.clone() });
    tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), face, stopped));
    Ok(Serving { address, kubeconfig, token, stop })
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

struct Face {
    server: Arc<Server>,
    admin_certificate: CertificateDer<'static>,
    admin_token: String,
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
                let mut response = self.server.handle(raw(&parts, body, caller), &session).await?;
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

fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

// === impl Pki ===

impl Pki {
    /// Those kept at `path`, or new ones kept there from now on, readable by the owner alone.
    fn keep(path: &Path, address: IpAddr) -> Result<Self, ServeError> {
        let failed = |error: &dyn std::fmt::Display| ServeError::Certificates(format!("{}: {error}", path.display()));
        match std::fs::read(path) {
            Ok(bytes) => {
                let pki: Self = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
                if pki.address == address {
                    return Ok(pki);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error)),
        }
        let pki = Self::issue(address)?;
        let bytes = serde_json::to_vec(&pki).map_err(|error| failed(&error))?;
        // Whole or not at all: the process may be killed here. A temporary file is its owner's alone.
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        file.write_all(&bytes).map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error))?;
        Ok(pki)
    }

    fn issue(address: IpAddr) -> Result<Self, ServeError> {
        let fail = |error: rcgen::Error| ServeError::Certificates(error.to_string());
        let named = |names: Vec<String>, common_name: &str| -> Result<CertificateParams, ServeError> {
            let mut params = CertificateParams::new(names).map_err(fail)?;
            params.distinguished_name.push(DnType::CommonName, common_name);
            Ok(params)
        };
        let ca_key = KeyPair::generate().map_err(fail)?;
        let mut ca_params = named(Vec::new(), "argo-embedded")?;
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca_params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
        let ca = ca_params.self_signed(&ca_key).map_err(fail)?;
        let issuer = Issuer::new(ca_params, ca_key);

        let mut names: Vec<String> =
            ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "::1"]
                .map(str::to_owned)
                .into();
        names.push(address.to_string());
        names.dedup();
        let server_key = KeyPair::generate().map_err(fail)?;
        let mut server_params = named(names, "kube-apiserver")?;
        server_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server_params.signed_by(&server_key, &issuer).map_err(fail)?;

        let client_key = KeyPair::generate().map_err(fail)?;
        let mut client_params = named(Vec::new(), "kubernetes-admin")?;
        client_params.distinguished_name.push(DnType::OrganizationName, MASTERS);
        client_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = client_params.signed_by(&client_key, &issuer).map_err(fail)?;

        let mut secret = [0u8; 24];
        rand::rngs::OsRng.try_fill_bytes(&mut secret).map_err(|error| ServeError::Certificates(error.to_string()))?;
        Ok(Self {
            address,
            ca: ca.pem(),
            ca_der: ca.der().to_vec(),
            server_der: server.der().to_vec(),
            server_key: server_key.serialize_der(),
            client_certificate: client.pem(),
            client_key: client_key.serialize_pem(),
            client_der: client.der().to_vec(),
            token: hex::encode(secret),
        })
    }

    fn server(&self) -> Result<rustls::ServerConfig, ServeError> {
        let failed = |error: &dyn std::fmt::Display| ServeError::Certificates(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let ca = CertificateDer::from(self.ca_der.clone());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.clone()).map_err(|error| failed(&error))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| failed(&error))?;
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from(self.server_der.clone()), ca],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.server_key.clone())),
            )
            .map_err(|error| failed(&error))?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(server)
    }
}

fn kubeconfig(address: SocketAddr, pki: &Pki) -> String {
    let encode = |text: &str| STANDARD.encode(text);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: argo-embedded\nclusters:\n- name: argo-embedded\n  cluster:\n    server: https://{}\n    certificate-authority-data: {}\n\
         users:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n\
         contexts:\n- name: argo-embedded\n  context:\n    cluster: argo-embedded\n    user: kubernetes-admin\n    namespace: default\n",
        reachable(address),
        encode(&pki.ca),
        encode(&pki.client_certificate),
        encode(&pki.client_key),
    )
}

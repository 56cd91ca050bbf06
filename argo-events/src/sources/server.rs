//! [`WebhookServer`]: one HTTP server per port, shared by every source in the process.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argo_core::runtime::Shutdown;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::{net::TcpListener, sync::Semaphore};

use super::SourceError;

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// How many requests are worked on at once; more are told to come again.
const IN_FLIGHT: usize = 512;
/// Path that every port answers with `OK`.
pub const HEALTH_PATH: &str = "/health";

/// Which address serves a port that a manifest names.
#[derive(Clone)]
pub enum Listen {
    /// That port on this address; the default, on all IPv4 addresses.
    Port(IpAddr),
    /// A free port on this address: for tests, which share a machine. [`WebhookServer::addresses`] tells which.
    Free(IpAddr),
    /// These ports on these addresses, others as in `Port` on all addresses.
    Map(BTreeMap<u16, SocketAddr>),
}

impl Default for Listen {
    fn default() -> Self {
        Self::Port(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }
}

impl Listen {
    fn address(&self, port: u16) -> SocketAddr {
        match self {
            Self::Port(ip) => SocketAddr::new(*ip, port),
            Self::Free(ip) => SocketAddr::new(*ip, 0),
            Self::Map(map) => {
                map.get(&port).copied().unwrap_or_else(|| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
            }
        }
    }
}

/// A request whose body was read.
#[derive(Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The query, without `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, within the route's limit.
    pub body: Bytes,
}

/// An answer in plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The text.
    pub text: String,
}

impl Reply {
    /// From its parts.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }
}

/// Answers the requests of a route.
#[async_trait::async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Called for many at once.
    async fn handle(&self, request: Received) -> Reply;
}

/// What is served where.
#[derive(Clone)]
pub struct Route {
    /// Port, as in the manifest.
    pub port: u16,
    /// Path, matched exactly.
    pub path: String,
    /// Whose it is: the same owner may take its own route again.
    pub owner: String,
    /// Largest body in bytes.
    pub limit: usize,
    /// Who answers.
    pub handler: Arc<dyn Handler>,
}

/// The servers. Clones share them.
#[derive(Clone)]
pub struct WebhookServer(Arc<Inner>);

struct Inner {
    listen: Listen,
    ports: tokio::sync::Mutex<()>,
    open: Mutex<BTreeMap<u16, Port>>,
    permits: Arc<Semaphore>,
    tickets: AtomicU64,
}

struct Port {
    address: SocketAddr,
    routes: Routes,
    stop: Shutdown,
}

type Routes = Arc<RwLock<BTreeMap<String, (u64, Route)>>>;

/// Keeps a route until it is dropped; the last of a port closes the port.
#[must_use]
pub struct Registration {
    server: WebhookServer,
    port: u16,
    path: String,
    ticket: u64,
    address: SocketAddr,
}

impl WebhookServer {
    /// No ports yet.
    #[must_use]
    pub fn new(listen: Listen) -> Self {
        Self(Arc::new(Inner {
            listen,
            ports: tokio::sync::Mutex::default(),
            open: Mutex::default(),
            permits: Arc::new(Semaphore::new(IN_FLIGHT)),
            tickets: AtomicU64::new(1),
        }))
    }

    /// Port of the manifest → address that serves it, for all that are open.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<u16, SocketAddr> {
        self.0.open.lock().iter().map(|(port, it)| (*port, it.address)).collect()
    }

    /// Serves a route, opening its port if need be.
    ///
    /// # Errors
    /// When the port can not be listened on, or another owner has the path.
    pub async fn serve(&self, route: Route) -> Result<Registration, SourceError> {
        // One at a time: two sources that start at once must not both bind.
        let _turn = self.0.ports.lock().await;
        if !self.0.open.lock().contains_key(&route.port) {
            let port = self.bind(route.port).await?;
            self.0.open.lock().insert(route.port, port);
        }
        let ticket = self.0.tickets.fetch_add(1, Ordering::Relaxed);
        let open = self.0.open.lock();
        // The port is there: ports are removed by registrations that are dropped, and an empty one may go.
        let Some(port) = open.get(&route.port) else {
            return Err(SourceError::Unavailable(format!("port {} was closed", route.port)));
        };
        let mut routes = port.routes.write();
        if let Some((_, other)) = routes.get(&route.path).filter(|(_, it)| it.owner != route.owner) {
            return Err(SourceError::EndpointTaken { port: route.port, path: route.path, owner: other.owner.clone() });
        }
        let registration = Registration {
            server: self.clone(),
            port: route.port,
            path: route.path.clone(),
            ticket,
            address: port.address,
        };
        routes.insert(route.path.clone(), (ticket, route));
        Ok(registration)
    }

    async fn bind(&self, port: u16) -> Result<Port, SourceError> {
        let wanted = self.0.listen.address(port);
        let fail = |error: std::io::Error| SourceError::Listen {
            address: wanted,
            in_use: error.kind() == std::io::ErrorKind::AddrInUse,
            message: error.to_string(),
        };
        let listener = TcpListener::bind(wanted).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let routes: Routes = Routes::default();
        let stop = Shutdown::new();
        let app = Router::new().fallback({
            let (routes, permits) = (routes.clone(), self.0.permits.clone());
            move |request: Request| answer(routes.clone(), permits.clone(), request)
        });
        let ended = stop.clone();
        tokio::spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(ended.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::warn!(%address, %error, "webhook server ended");
            }
        });
        tracing::info!(port, %address, "Eventing server started.");
        Ok(Port { address, routes, stop })
    }

    fn close(&self, port: u16, path: &str, ticket: u64) {
        let mut open = self.0.open.lock();
        let Some(entry) = open.get(&port) else { return };
        let mut routes = entry.routes.write();
        if routes.get(path).is_some_and(|(it, _)| *it == ticket) {
            routes.remove(path);
        }
        let empty = routes.is_empty();
        drop(routes);
        if empty && let Some(port) = open.remove(&port) {
            port.stop.cancel();
        }
    }
}

impl Registration {
    /// Where the route is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.server.close(self.port, &self.path, self.ticket);
    }
}

async fn answer(routes: Routes, permits: Arc<Semaphore>, request: Request) -> Response {
    let path = request.uri().path();
    let route = routes.read().get(path).map(|(_, it)| it.clone());
    let Some(route) = route else {
        return if path == HEALTH_PATH {
            (StatusCode::OK, "OK").into_response()
        } else {
            (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
        };
    };
    let Ok(_permit) = permits.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many requests at once").into_response();
    };
    let (parts, body) = request.into_parts();
    let body = match read(body, &parts.headers, route.limit).await {
        Ok(body) => body,
        Err(reply) => return (reply.status, reply.text).into_response(),
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let received = Received { method: parts.method, query, headers: parts.headers, body };
    let reply = route.handler.handle(received).await;
    (reply.status, reply.text).into_response()
}

async fn read(body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Reply> {
    let large = || Reply::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"));
    let length = headers.get("content-length").and_then(|it| it.to_str().ok()).and_then(|it| it.parse::<usize>().ok());
    if length.is_some_and(|it| it > limit) {
        return Err(large());
    }
    // A socket's patience is real time, whatever clock the engines live by.
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(it) = source {
                if it.to_string().contains("length limit exceeded") {
                    return Err(large());
                }
                source = it.source();
            }
            Err(Reply::new(StatusCode::BAD_REQUEST, "failed to read the body"))
        }
        Err(_) => Err(Reply::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    }
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(ip) => write!(f, "Port({ip})"),
            Self::Free(ip) => write!(f, "Free({ip})"),
            Self::Map(map) => f.debug_map().entries(map).finish(),
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route(:{}{} for {})", self.port, self.path, self.owner)
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({}{})", self.address, self.path)
    }
}

impl fmt::Debug for WebhookServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookServer({:?})", self.addresses())
    }
}

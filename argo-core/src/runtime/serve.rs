//! `/healthz`, `/readyz` and `/metrics`.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use super::{Metrics, Shutdown};
use crate::error::{Category, Failure};

/// A server that did not start.
#[derive(Debug, thiserror::Error)]
#[error("can not listen on {address}: {source}; choose another address or stop what holds it")]
pub struct ServeError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl Failure for ServeError {
    fn category(&self) -> Category {
        Category::Unavailable
    }
}

/// Answers the probes and the scrape of one process.
#[derive(Debug)]
pub struct HealthServer {
    listener: TcpListener,
    address: SocketAddr,
    metrics: Metrics,
    ready: Arc<AtomicBool>,
}

impl HealthServer {
    /// Listens on `address` (port 0 takes a free one).
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr, metrics: Metrics) -> Result<Self, ServeError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError { address, source })?;
        let address = listener.local_addr().map_err(|source| ServeError { address, source })?;
        Ok(Self { listener, address, metrics, ready: Arc::default() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Set to true once work can be done: `/readyz` says so.
    #[must_use]
    pub fn ready(&self) -> Arc<AtomicBool> {
        self.ready.clone()
    }

    /// Serves until `shutdown`.
    pub async fn run(self, shutdown: Shutdown) {
        let ready = self.ready;
        let app = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route(
                "/readyz",
                get(move |State(_): State<Metrics>| async move {
                    if ready.load(Ordering::Acquire) {
                        (StatusCode::OK, "ok")
                    } else {
                        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
                    }
                }),
            )
            .route("/metrics", get(|State(metrics): State<Metrics>| async move { metrics.text() }))
            .with_state(self.metrics);
        let served =
            axum::serve(self.listener, app).with_graceful_shutdown(async move { shutdown.cancelled().await }).await;
        if let Err(error) = served {
            tracing::warn!(%error, "health server ended");
        }
    }
}

//! What runs: event sources and sensors as tasks of this process, with or without controllers.
//!
//! ```text
//!   SourceRunner ── Feed::publish ──> EventBus ──> SensorRunner ── engine ──> Trigger::execute
//! ```
//! Upstream runs a Deployment per EventSource and per Sensor; here they share one process, one HTTP
//! server per port and one bus.

mod fire;
mod limiter;
mod metrics;
mod sensor;
mod source;

use std::{fmt, sync::Arc};

use argo_core::{Clock, runtime::Context};
use parking_lot::Mutex;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

use crate::{bus::EventBus, secrets::SecretResolver};

pub use fire::fire;
pub use metrics::EventMetrics;
pub use sensor::{SensorHealth, SensorRunner, TriggerHealth};
pub use source::{SourceHealth, SourceRunner};

/// What sources and triggers share.
#[derive(Clone)]
pub struct Services {
    /// The time.
    pub clock: Clock,
    /// Where events go.
    pub bus: Arc<dyn EventBus>,
    /// Values of Secrets and ConfigMaps.
    pub secrets: Arc<dyn SecretResolver>,
    /// The HTTP server of the webhook family.
    #[cfg(feature = "webhook")]
    pub server: crate::sources::server::WebhookServer,
    /// Kubernetes, if there is one.
    pub context: Option<Context>,
    /// What is counted.
    pub metrics: EventMetrics,
    random: Arc<Mutex<StdRng>>,
}

impl Services {
    /// Services without Kubernetes.
    #[must_use]
    pub fn new(clock: Clock, bus: Arc<dyn EventBus>, secrets: Arc<dyn SecretResolver>) -> Self {
        Self {
            clock,
            bus,
            secrets,
            #[cfg(feature = "webhook")]
            server: crate::sources::server::WebhookServer::new(Default::default()),
            context: None,
            metrics: EventMetrics::default(),
            random: Arc::new(Mutex::new(StdRng::from_os_rng())),
        }
    }

    /// With this Kubernetes.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// With this HTTP server.
    #[cfg(feature = "webhook")]
    #[must_use]
    pub fn server(mut self, server: crate::sources::server::WebhookServer) -> Self {
        self.server = server;
        self
    }

    /// With a fixed seed for event ids and jitter: the same every time.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        self
    }

    /// An event id: 16 random bytes as 32 hexadecimal digits.
    #[must_use]
    pub fn new_id(&self) -> String {
        let mut bytes = [0; 16];
        self.random.lock().fill_bytes(&mut bytes);
        hex::encode(bytes)
    }

    /// A number between 0 and 1, for jitter.
    #[must_use]
    pub fn random(&self) -> f64 {
        self.random.lock().random()
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("clock", &self.clock).field("bus", &self.bus).finish_non_exhaustive()
    }
}

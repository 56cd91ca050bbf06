//! The controllers of the three kinds, and the process they share.
//!
//! ```text
//!   EventBus ───────> conditions
//!   EventSource ────> SourceRunner ──┐ health
//!   Sensor ─────────> SensorRunner ──┤
//!        ^── conditions <────────────┘
//! ```
//! Status is written from what runs; what runs follows from the objects and the bus alone, so that a
//! controller that was killed goes on where it was.

mod event_bus;
mod event_source;
mod sensor;
mod write;

use std::{fmt, sync::Arc};

use argo_core::{
    Category, Failure, Resource,
    runtime::{Context, Controller as Runtime, Shutdown},
};
use futures::future::join_all;

#[cfg(feature = "webhook")]
use crate::sources::server::{Listen, WebhookServer};
use crate::{
    api,
    bus::{EventBus, MemoryBus},
    plane::Services,
    secrets::{KubeSecrets, SecretResolver},
    sources::{EventSource, Sources},
    triggers::{Trigger, Triggers},
};

/// Finalizers, as upstream names them.
pub(crate) mod finalizer {
    pub(crate) const EVENT_BUS: &str = "eventbus-controller";
    pub(crate) const EVENT_SOURCE: &str = "eventsource-controller";
    pub(crate) const SENSOR: &str = "sensor-controller";
}

/// Runs event buses, event sources and sensors.
///
/// # Example
/// ```no_run
/// # async fn run(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use argo_core::{Clock, runtime::Shutdown};
/// use argo_events::{Controller, bus::FileBus};
/// let bus = FileBus::open("/var/lib/argo-events/bus", Clock::system())?;
/// Controller::builder(client).bus(bus).build()?.run(Shutdown::new()).await;
/// # Ok(())
/// # }
/// ```
pub struct Controller {
    services: Services,
    sources: Sources,
    triggers: Triggers,
    context: Context,
    workers: usize,
}

/// Builds a [`Controller`].
#[must_use]
pub struct Builder {
    context: Context,
    bus: Option<Arc<dyn EventBus>>,
    secrets: Option<Arc<dyn SecretResolver>>,
    sources: Sources,
    triggers: Triggers,
    #[cfg(feature = "webhook")]
    server: WebhookServer,
    seed: Option<u64>,
    workers: usize,
}

/// A controller that can not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nobody is to do the work.
    #[error("a controller needs at least one worker")]
    NoWorkers,
}

impl Failure for BuildError {
    fn category(&self) -> Category {
        Category::Invalid
    }
}

impl Controller {
    /// On a `kube::Client`, or on a [`Context`] that is shared with other controllers.
    pub fn builder(context: impl Into<Context>) -> Builder {
        Builder {
            context: context.into(),
            bus: None,
            secrets: None,
            sources: Sources::builtin(),
            triggers: Triggers::builtin(),
            #[cfg(feature = "webhook")]
            server: WebhookServer::new(Listen::default()),
            seed: None,
            workers: 4,
        }
    }

    /// What sources and triggers share.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Runs until `shutdown` (or the context's); then sources and sensors stop in order, and what was
    /// not acknowledged stays on the bus.
    pub async fn run(self, shutdown: Shutdown) {
        let context = &self.context;
        context.mapper().register::<api::EventBus>();
        context.mapper().register::<api::EventSource>();
        context.mapper().register::<api::Sensor>();
        let buses = context.cache_of::<api::EventBus>();
        let sources = context.cache_of::<api::EventSource>();
        let sensors = context.cache_of::<api::Sensor>();

        let bus = Arc::new(event_bus::Reconciler {
            context: context.clone(),
            buses: buses.clone(),
            sources: sources.clone(),
            sensors: sensors.clone(),
        });
        let source = Arc::new(event_source::Reconciler::new(self, buses.clone(), sources.clone()));
        let (context, services) = (source.context.clone(), source.services.clone());
        let sensor = Arc::new(sensor::Reconciler::new(&source, buses.clone(), sensors.clone()));

        let event_bus = Runtime::new(event_bus::NAME, context.clone(), bus)
            .primary(buses.clone())
            .watches(sources.clone(), write::bus_of)
            .watches(sensors.clone(), write::bus_of);
        let event_source = Runtime::new(event_source::NAME, context.clone(), source.clone())
            .workers(source.workers)
            .primary(sources.clone())
            .watches(buses.clone(), write::users_of(sources));
        let sensors_controller = Runtime::new(sensor::NAME, context, sensor.clone())
            .workers(source.workers)
            .primary(sensors.clone())
            .watches(buses, write::users_of(sensors));
        source.attach(event_source.queue());
        sensor.attach(sensors_controller.queue());
        let runs = [event_bus, event_source, sensors_controller].map(|it| it.run(shutdown.clone()));
        join_all(runs).await;
        // Sources first: nothing more comes in while the sensors end.
        source.stop().await;
        sensor.stop().await;
        tracing::debug!(bus = ?services.bus, "event sources and sensors stopped");
    }
}

impl Builder {
    /// The bus that carries the events of every EventBus object. In memory by default: give a
    /// [`crate::bus::FileBus`] to keep accepted events over a crash.
    pub fn bus(mut self, bus: impl EventBus) -> Self {
        self.bus = Some(Arc::new(bus));
        self
    }

    /// Where values of Secrets and ConfigMaps come from; the Kubernetes API by default.
    pub fn secrets(mut self, secrets: impl SecretResolver) -> Self {
        self.secrets = Some(Arc::new(secrets));
        self
    }

    /// Adds a type of event source; one with the same key is replaced.
    pub fn source(mut self, source: impl EventSource) -> Self {
        self.sources.add(Arc::new(source));
        self
    }

    /// Adds a type of trigger; one with the same key is replaced.
    pub fn trigger(mut self, trigger: impl Trigger) -> Self {
        self.triggers.add(Arc::new(trigger));
        self
    }

    /// Which addresses serve the ports that webhook sources name.
    #[cfg(feature = "webhook")]
    pub fn listen(mut self, listen: Listen) -> Self {
        self.server = WebhookServer::new(listen);
        self
    }

    /// The HTTP server of webhook sources, kept by the caller to ask it for its addresses.
    #[cfg(feature = "webhook")]
    pub fn server(mut self, server: WebhookServer) -> Self {
        self.server = server;
        self
    }

    /// Fixes event ids and jitter; random by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many objects of a kind are reconciled at once; 4 by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// The controller.
    ///
    /// # Errors
    /// When it could not work.
    pub fn build(self) -> Result<Controller, BuildError> {
        if self.workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        let context = self.context;
        let clock = context.clock().clone();
        let bus = self.bus.unwrap_or_else(|| Arc::new(MemoryBus::new(clock.clone())));
        let secrets = self.secrets.unwrap_or_else(|| Arc::new(KubeSecrets::new(context.clone())));
        let mut services = Services::new(clock, bus, secrets).context(context.clone());
        services.metrics.register(context.metrics());
        #[cfg(feature = "webhook")]
        {
            services = services.server(self.server);
        }
        if let Some(seed) = self.seed {
            services = services.seed(seed);
        }
        Ok(Controller { services, sources: self.sources, triggers: self.triggers, context, workers: self.workers })
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("kinds", &[api::EventBus::KIND, api::EventSource::KIND, api::Sensor::KIND])
            .field("sources", &self.sources)
            .field("triggers", &self.triggers)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("sources", &self.sources)
            .field("triggers", &self.triggers)
            .finish_non_exhaustive()
    }
}

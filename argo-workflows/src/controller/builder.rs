//! Putting a controller together.

use std::{fmt, sync::Arc};

use argo_core::{
    ObjectKey,
    runtime::{Context, Requests},
};

use super::Controller;
use crate::{config::Config, engine::AdmissionLimits, executor::Executor, persist::Stores};

/// Builds a [`Controller`].
#[must_use]
pub struct Builder {
    pub(super) context: Context,
    pub(super) executor: Option<Arc<dyn Executor>>,
    pub(super) workers: usize,
    pub(super) config: Config,
    pub(super) config_map: Option<ObjectKey>,
    pub(super) stores: Stores,
    pub(super) requests: Option<Requests>,
}

/// Why a controller could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nobody is there to carry out steps.
    #[error("an executor is required: Controller::builder(client).executor(...)")]
    NoExecutor,
}

impl Builder {
    /// Who carries out the steps. Required.
    pub fn executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// How many workflows are worked on at once; 8 by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Runs only workflows labelled with this instance id; by default only those without one.
    pub fn instance_id(mut self, id: impl Into<String>) -> Self {
        self.config.instance_id = Some(id.into());
        self
    }

    /// Most workflows that run at once; without limit by default. Others stay Pending and begin by
    /// priority and age.
    pub fn parallelism(mut self, limits: AdmissionLimits) -> Self {
        self.config.parallelism = limits.total;
        self.config.namespace_parallelism = limits.namespace;
        self
    }

    /// The configuration; upstream's defaults by default.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Follows the configuration that stands in this ConfigMap, as it changes; one that can not be used changes
    /// nothing. `instanceID` and `namespace` are read when the controller starts.
    pub fn config_map(mut self, namespace: &str, name: &str) -> Self {
        self.config_map = Some(ObjectKey::new(Some(namespace), name));
        self
    }

    /// Tells the metric `k8s_request_total` of the client that [`Requests::counting`] made; without it that metric is not there.
    pub fn count_requests(mut self, requests: Requests) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Databases for what does not stay in the cluster; none by default.
    pub fn stores(mut self, stores: Stores) -> Self {
        self.stores = stores;
        self
    }

    /// The controller.
    ///
    /// # Errors
    /// Without an executor.
    pub fn build(self) -> Result<Controller, BuildError> {
        let executor = self.executor.ok_or(BuildError::NoExecutor)?;
        Ok(Controller {
            context: self.context,
            executor,
            workers: self.workers,
            config: self.config,
            config_map: self.config_map,
            stores: self.stores,
            requests: self.requests,
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("executor", &self.executor).finish_non_exhaustive()
    }
}

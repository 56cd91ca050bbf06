//! Leader election by a `coordination.k8s.io/v1` Lease.

use std::time::Duration;

use serde_json::json;

use super::{Context, Shutdown};
use crate::{
    apply::ApplyError,
    error::{BoxFailure, Category},
    object::{Gvk, Object, ObjectRef},
    plan::Change,
    time::{self, Timestamp},
};

/// Whose lease, and for how long. Defaults are client-go's: 15 s, 10 s, 2 s.
#[derive(Debug, Clone)]
pub struct LeaseConfig {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who stands for election; unique per process.
    pub identity: String,
    /// How long others wait after the last renewal they saw.
    pub duration: Duration,
    /// How long the leader goes on without a renewal before it stops working.
    pub renew_deadline: Duration,
    /// How often to renew or to look again.
    pub retry: Duration,
}

impl LeaseConfig {
    /// With the default times.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Stands for election and runs work only while it leads.
#[derive(Debug)]
pub struct Elector {
    context: Context,
    config: LeaseConfig,
    /// The last renewal of another holder, and when it was seen here: clocks of other machines are not trusted.
    seen: Option<(String, Timestamp)>,
}

impl Elector {
    /// Uses the context's client and clock.
    #[must_use]
    pub fn new(context: Context, config: LeaseConfig) -> Self {
        Self { context, config, seen: None }
    }

    /// Waits for the lead, runs `work` with a shutdown that comes when the lead is lost or `shutdown`
    /// is cancelled, and gives the lease back at the end.
    ///
    /// # Errors
    /// When the lead was lost without a shutdown: the process should end and be started again.
    pub async fn run<F>(mut self, shutdown: Shutdown, work: impl FnOnce(Shutdown) -> F) -> Result<(), LeadLost>
    where
        F: Future<Output = ()>,
    {
        loop {
            match self.attempt().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "no lease yet"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.context.clock().sleep(self.config.retry) => {}
            }
        }
        tracing::info!(identity = self.config.identity, lease = self.config.name, "leading");
        let stop = shutdown.child_token();
        let work = work(stop.clone());
        tokio::pin!(work);
        let mut renewed = self.context.now();
        let lost = loop {
            tokio::select! {
                () = &mut work => break false,
                () = self.context.clock().sleep(self.config.retry) => {}
            }
            match self.attempt().await {
                Ok(true) => renewed = self.context.now(),
                Ok(false) => break true,
                Err(error) => tracing::warn!(%error, "lease not renewed"),
            }
            if time::between(renewed, self.context.now()) >= self.config.renew_deadline {
                break true;
            }
        };
        if lost {
            stop.cancel();
            work.await;
            return Err(LeadLost { lease: self.config.name });
        }
        self.release().await;
        Ok(())
    }

    /// One try to take or renew the lease.
    async fn attempt(&mut self) -> Result<bool, BoxFailure> {
        let now = self.context.now();
        let target = self.target();
        let Some(lease) = self.context.get(&target).await? else {
            return settle(self.context.applier().apply(&Change::create(self.fresh(now))).await);
        };
        let holder = lease.text("/spec/holderIdentity").to_owned();
        let renewal = format!("{holder} {}", lease.text("/spec/renewTime"));
        let ours = holder == self.config.identity;
        if !ours && !holder.is_empty() {
            match &self.seen {
                Some((last, at)) if *last == renewal => {
                    if time::between(*at, now) < self.config.duration {
                        return Ok(false);
                    }
                }
                _ => {
                    self.seen = Some((renewal, now));
                    return Ok(false);
                }
            }
        }
        let mut next = lease.clone();
        next.set(&["spec", "holderIdentity"], self.config.identity.clone());
        next.set(&["spec", "leaseDurationSeconds"], self.config.duration.as_secs());
        next.set(&["spec", "renewTime"], time::rfc3339_micro(now));
        if !ours {
            next.set(&["spec", "acquireTime"], time::rfc3339_micro(now));
            next.set(&["spec", "leaseTransitions"], lease.integer("/spec/leaseTransitions").unwrap_or_default() + 1);
        }
        match Change::merge_between(&lease, &next) {
            Some(change) => settle(self.context.applier().apply(&change).await),
            None => Ok(true),
        }
    }

    async fn release(&self) {
        let Ok(Some(lease)) = self.context.get(&self.target()).await else {
            return;
        };
        if lease.text("/spec/holderIdentity") != self.config.identity {
            return;
        }
        let mut next = lease.clone();
        next.set(&["spec", "holderIdentity"], "");
        next.set(&["spec", "leaseDurationSeconds"], 1);
        if let Some(change) = Change::merge_between(&lease, &next)
            && let Err(error) = self.context.applier().apply(&change).await
        {
            tracing::debug!(%error, "lease not given back; it runs out by itself");
        }
    }

    fn target(&self) -> ObjectRef {
        ObjectRef::new(Gvk::new("coordination.k8s.io", "v1", "Lease"), Some(&self.config.namespace), &self.config.name)
    }

    fn fresh(&self, now: Timestamp) -> Object {
        let target = self.target();
        let mut lease = Object::new(&target.gvk, target.namespace.as_deref(), &target.name);
        let at = time::rfc3339_micro(now);
        lease.set(
            &["spec"],
            json!({"holderIdentity": self.config.identity, "leaseDurationSeconds": self.config.duration.as_secs(),
                "acquireTime": at, "renewTime": at, "leaseTransitions": 0}),
        );
        lease
    }
}

/// Somebody else won when the write was refused as stale.
fn settle(result: Result<Option<Object>, ApplyError>) -> Result<bool, BoxFailure> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.category, Category::Conflict | Category::AlreadyExists) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The lead went to somebody else, or the API server was away too long.
#[derive(Debug, thiserror::Error)]
#[error("leader election lost: lease {lease}")]
pub struct LeadLost {
    /// Name of the Lease.
    pub lease: String,
}

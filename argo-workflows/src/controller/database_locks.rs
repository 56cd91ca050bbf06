//! Whoever asks the database for the locks that passes claim, gives back what nobody wants, and tells that this
//! controller lives.
//!
//! Nothing is remembered but what is in statuses and in the database: rows that belong to neither a claim nor a
//! status are given back in every round, so that a controller that was killed anywhere leaks no lock.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use argo_core::{
    Timestamp,
    runtime::{Cache, Context, Queue},
};
use tokio::sync::Notify;

use super::{settings::Settings, shared::Shared};
use crate::{
    config::SyncConfig,
    engine::{ClaimAnswer, DatabaseClaim},
    persist::{LockClaim, LockStore, LockVerdict, PersistError},
};

/// How soon a claim is looked at again that met somebody else's change.
const SOON: Duration = Duration::from_secs(1);

/// Keeps the locks of the database.
pub(super) struct Keeper {
    pub(super) store: Arc<dyn LockStore>,
    pub(super) shared: Shared,
    pub(super) workflows: Arc<Cache>,
    pub(super) instance_id: Option<String>,
    pub(super) settings: Arc<Settings>,
    pub(super) queue: Arc<OnceLock<Arc<Queue>>>,
    /// Something was claimed or given up.
    pub(super) changed: Arc<Notify>,
}

impl Keeper {
    /// Works until it is dropped.
    pub(super) async fn run(&self, context: &Context) {
        self.workflows.synced().await;
        let clock = context.clock();
        let mut beat: Option<Timestamp> = None;
        let mut verified = false;
        loop {
            let config = self.settings.config();
            let config = config.synchronization.as_deref().cloned().unwrap_or_else(SyncConfig::default);
            let now = clock.now();
            let is_due = beat.is_none_or(|it| argo_core::time::between(it, now) >= config.heartbeat());
            let again = match self.round(now, is_due, &mut verified).await {
                Ok(again) => {
                    beat = if is_due { Some(now) } else { beat };
                    again
                }
                Err(error) => {
                    tracing::warn!(%error, "the database of locks does not answer");
                    true
                }
            };
            let pause = if again { SOON.min(config.poll()) } else { config.poll() };
            tokio::select! {
                () = clock.sleep(pause) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// One round; says whether another should follow soon.
    async fn round(&self, now: Timestamp, is_due: bool, verified: &mut bool) -> Result<bool, PersistError> {
        if is_due {
            self.store.heartbeat(now).await?;
            self.store.expire(now).await?;
        }
        let rows = self.store.mine().await?;
        let (unwanted, open) = {
            let mut state = self.shared.enter(&self.workflows, self.instance_id.as_deref());
            let state = &mut *state;
            if !*verified {
                *verified = true;
                let held = rows.iter().filter(|it| it.2).map(|it| (it.0.clone(), it.1.clone()));
                let lost = state.claims.verify(&state.locks, &held.collect());
                self.wake(&lost);
            }
            state.claims.stale(&state.locks);
            let unwanted: Vec<_> =
                rows.iter().filter(|it| !state.claims.wants(&state.locks, &it.0, &it.1)).cloned().collect();
            (unwanted, state.claims.open())
        };
        for (lock, holder, _) in &unwanted {
            self.store.release(lock, holder).await?;
        }
        let mut again = false;
        for claim in open {
            let answer = match self.store.acquire(&of_claim(&claim), now).await {
                Ok(LockVerdict::Granted) => ClaimAnswer::Granted,
                Ok(LockVerdict::Waiting { lock, message, holders }) => ClaimAnswer::Waiting { lock, message, holders },
                Ok(LockVerdict::Refused(message)) => ClaimAnswer::Refused(message),
                Ok(LockVerdict::Busy) | Err(PersistError::Unavailable(_)) => {
                    again = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut state = self.shared.enter(&self.workflows, self.instance_id.as_deref());
            if state.claims.answer(&claim.holder, answer) {
                self.wake(&BTreeSet::from([claim.workflow]));
            }
        }
        Ok(again)
    }

    fn wake(&self, workflows: &BTreeSet<String>) {
        let Some(queue) = self.queue.get() else { return };
        workflows.iter().for_each(|it| queue.add(super::shared::key_of(it)));
    }
}

/// A claim as the tables have it.
fn of_claim(claim: &DatabaseClaim) -> LockClaim {
    let locks = claim.locks.iter().filter_map(|it| Some((it.database_key()?, it.to_string())));
    let priority = i32::try_from(claim.priority).unwrap_or(if claim.priority > 0 { i32::MAX } else { i32::MIN });
    LockClaim { holder: claim.holder.clone(), locks: locks.collect(), priority, created: claim.created }
}

//! Events are written beside the passes: a Rollout goes on while the API server takes what there is to say of it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use argo_core::{Note, Object, ObjectKey, runtime::Context};
use futures::future::join_all;
use tokio::sync::mpsc;

/// Events under way at once. Those of one Rollout are written one after the other, as they happened.
const LANES: usize = 8;
/// How many wait in a lane before passes wait for it.
const WAITING: usize = 256;

type Said = (Arc<Object>, Note);

/// Where passes leave what they have to say.
pub(super) struct Events(Vec<mpsc::Sender<Said>>);

/// Writes what is left in [`Events`].
pub(super) struct Writer(Vec<mpsc::Receiver<Said>>);

/// Both ends.
pub(super) fn lanes() -> (Events, Writer) {
    let (senders, receivers) = (0..LANES).map(|_| mpsc::channel(WAITING)).unzip();
    (Events(senders), Writer(receivers))
}

impl Events {
    /// Leaves a note; waits only while very many others do.
    pub(super) async fn say(&self, key: &ObjectKey, regarding: &Arc<Object>, note: &Note) {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        // The writer ends after the last of the senders, but with its task.
        if self.0[lane].send((regarding.clone(), note.clone())).await.is_err() {
            tracing::debug!(%key, reason = note.reason, "event not recorded: nobody writes any more");
        }
    }
}

impl Writer {
    /// Writes until [`Events`] is gone and nothing is left.
    pub(super) async fn run(self, context: Context) {
        join_all(self.0.into_iter().map(|mut lane| {
            let context = context.clone();
            async move {
                while let Some((regarding, note)) = lane.recv().await {
                    context.note(&regarding, &note).await;
                }
            }
        }))
        .await;
    }
}

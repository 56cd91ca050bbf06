//! One client's connection to the cluster: it can be cut, and it counts its writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use crate::server::Disconnected;

/// How a client made by [`crate::Cluster::client_with`] behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// Name in the journal, in fault rules and as the default field manager.
    pub name: String,
    /// Default namespace of the client; `default` if empty.
    pub namespace: String,
    /// Cut the connection once this many writes took effect. Refused and dry-run writes do not count, nor writes that change nothing.
    pub cut_after_writes: Option<u64>,
    /// Whether the answer to the last of these writes gets lost with the connection, so that the client cannot know that it took effect.
    pub lose_last_answer: bool,
}

/// A handle on a client's connection.
#[derive(Clone, Debug)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    cut: watch::Sender<bool>,
    writes: AtomicU64,
    limit: AtomicU64,
    lose_last_answer: AtomicBool,
}

// === impl ClientOptions ===

impl ClientOptions {
    /// Options of a client with a name and nothing else set.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Cuts the connection after `writes` writes took effect.
    #[must_use]
    pub fn cut_after_writes(mut self, writes: u64) -> Self {
        self.cut_after_writes = Some(writes);
        self
    }

    /// Loses the answer of the last write as well.
    #[must_use]
    pub fn lose_last_answer(mut self) -> Self {
        self.lose_last_answer = true;
        self
    }
}

// === impl Session ===

impl Session {
    pub(crate) fn new(options: &ClientOptions) -> Self {
        Self(Arc::new(Inner {
            name: options.name.clone(),
            cut: watch::Sender::new(options.cut_after_writes == Some(0)),
            writes: AtomicU64::new(0),
            limit: AtomicU64::new(options.cut_after_writes.unwrap_or(u64::MAX)),
            lose_last_answer: AtomicBool::new(options.lose_last_answer),
        }))
    }

    /// Name of the client.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How many writes of this client took effect.
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// Cuts the connection: requests fail and watches end until [`Session::restore`].
    pub fn disconnect(&self) {
        self.0.cut.send_replace(true);
    }

    /// Mends the connection and lifts the limit on writes.
    pub fn restore(&self) {
        self.0.limit.store(u64::MAX, Ordering::SeqCst);
        self.0.cut.send_replace(false);
    }

    /// Whether the connection is cut.
    pub fn is_cut(&self) -> bool {
        *self.0.cut.borrow()
    }

    /// Waits until the connection is cut.
    pub async fn cut(&self) {
        // The sender lives as long as this handle.
        let _ = self.0.cut.subscribe().wait_for(|cut| *cut).await;
    }

    pub(crate) fn check(&self) -> Result<(), Disconnected> {
        if self.is_cut() { Err(self.disconnected()) } else { Ok(()) }
    }

    pub(crate) fn begin_write(&self) -> Result<(), Disconnected> {
        self.check()
    }

    /// Counts a write that took effect; false if its answer is lost.
    pub(crate) fn finish_write(&self) -> bool {
        let writes = self.0.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if writes < self.0.limit.load(Ordering::SeqCst) {
            return true;
        }
        self.disconnect();
        !self.0.lose_last_answer.load(Ordering::SeqCst)
    }

    pub(crate) fn disconnected(&self) -> Disconnected {
        Disconnected { client: self.0.name.clone() }
    }
}

//! Databases beside the cluster: workflows that are over ([`Archive`]), nodes that are too large for an object
//! ([`NodeStore`]), and locks that several controllers share ([`LockStore`]).
//!
//! The tables are upstream's, so that its server reads what is written here. [`SqlStore`] keeps all three in
//! PostgreSQL (feature `postgres`) or SQLite (feature `sqlite`); others implement the traits.

mod archive;
mod locks;
mod nodes;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
mod schema;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use argo_core::{Category, Failure, Timestamp};
use async_trait::async_trait;
use serde_json::Value;

#[cfg(feature = "postgres")]
pub use self::postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use self::sqlite::Sqlite;
pub use self::{
    locks::{LockClaim, LockTables, LockVerdict, SqlLocks},
    nodes::nodes_version,
    open::{Secrets, open},
    schema::Migration,
    sql::{Database, Dialect, Param, Row, SqlStore, Transaction},
};
use crate::config::LabelRequirement;

/// Why a database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PersistError {
    /// It can not be reached, or broke off. Worth another try.
    #[error("the database can not be reached: {0}")]
    Unavailable(String),
    /// It refused. The message is its own, and names no value.
    #[error("the database refused: {0}")]
    Refused(String),
    /// What is stored can not be read.
    #[error("what is stored for {what} can not be read: {message}")]
    Unreadable {
        /// Of what.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// It is not there.
    #[error("{0} is not in the database")]
    Missing(String),
    /// The configuration asks for what there is not.
    #[error("the database can not be opened: {0}")]
    Config(String),
}

impl Failure for PersistError {
    fn category(&self) -> Category {
        match self {
            Self::Unavailable(_) => Category::Unavailable,
            Self::Refused(_) | Self::Unreadable { .. } => Category::Internal,
            Self::Missing(_) => Category::NotFound,
            Self::Config(_) => Category::Invalid,
        }
    }
}

/// Which archived workflows are meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArchiveQuery {
    /// Of this namespace; of all when empty.
    pub namespace: String,
    /// Of this name; of all when empty.
    pub name: String,
    /// Whose names begin so.
    pub name_prefix: String,
    /// That began at this time or later.
    pub started_from: Option<Timestamp>,
    /// That began at this time or earlier.
    pub started_to: Option<Timestamp>,
    /// With these labels.
    pub labels: Vec<LabelRequirement>,
    /// Most that are returned; 0 means all.
    pub limit: usize,
    /// How many are passed over.
    pub offset: usize,
}

/// Keeps workflows that are over.
#[async_trait]
pub trait Archive: Send + Sync + fmt::Debug {
    /// Keeps a workflow, whole; in place of what was kept of its uid before.
    async fn store(&self, workflow: &Value) -> Result<(), PersistError>;

    /// The workflow of a uid.
    async fn get(&self, uid: &str) -> Result<Option<Value>, PersistError>;

    /// Workflows, the one that began last first; labelled `workflow-archiving-status: Persisted`.
    async fn list(&self, query: &ArchiveQuery) -> Result<Vec<Value>, PersistError>;

    /// How many there are; `limit` and `offset` do not count.
    async fn count(&self, query: &ArchiveQuery) -> Result<u64, PersistError>;

    /// The workflow that succeeded last and has these labels: what estimates are made from.
    async fn last_succeeded(&self, namespace: &str, label: (&str, &str)) -> Result<Option<Value>, PersistError>;

    /// Deletes a workflow; says whether there was one.
    async fn delete(&self, uid: &str) -> Result<bool, PersistError>;

    /// Deletes what ended before `before`; says how many.
    async fn expire(&self, before: Timestamp) -> Result<u64, PersistError>;

    /// Every label that an archived workflow has, sorted.
    async fn label_keys(&self) -> Result<Vec<String>, PersistError>;

    /// Every value of a label, sorted.
    async fn label_values(&self, key: &str) -> Result<Vec<String>, PersistError>;
}

/// Keeps the nodes of workflows that have too many of them.
#[async_trait]
pub trait NodeStore: Send + Sync + fmt::Debug {
    /// Keeps nodes (JSON); returns their version, which goes into `status.offloadNodeStatusVersion`. Keeping the same
    /// again is done.
    async fn save(&self, uid: &str, namespace: &str, nodes: &str, now: Timestamp) -> Result<String, PersistError>;

    /// The nodes (JSON) of a version.
    async fn load(&self, uid: &str, version: &str) -> Result<Option<String>, PersistError>;

    /// What was kept before `before`: uids and versions. Empty namespace: of all.
    async fn old(&self, namespace: &str, before: Timestamp) -> Result<BTreeMap<String, Vec<String>>, PersistError>;

    /// Forgets a version.
    async fn discard(&self, uid: &str, version: &str) -> Result<(), PersistError>;
}

/// Keeps locks that several controllers share. A lock is named by its key in the tables: `mtx/<namespace>/<name>` or
/// `sem/<namespace>/<key>`; a holder is `<namespace>/<workflow>[/<node id>]`.
#[async_trait]
pub trait LockStore: Send + Sync + fmt::Debug {
    /// This controller is alive.
    async fn heartbeat(&self, now: Timestamp) -> Result<(), PersistError>;

    /// Takes all of the locks, or stands in the queue of each of them. Asking again is allowed.
    async fn acquire(&self, claim: &LockClaim, now: Timestamp) -> Result<LockVerdict, PersistError>;

    /// Gives a lock back, or leaves its queue.
    async fn release(&self, lock: &str, holder: &str) -> Result<(), PersistError>;

    /// What this controller's workflows hold (`true`) and wait for: locks and holders.
    async fn mine(&self) -> Result<Vec<(String, String, bool)>, PersistError>;

    /// Drops what controllers left behind that are dead.
    async fn expire(&self, now: Timestamp) -> Result<(), PersistError>;

    /// The places of a semaphore (`<namespace>/<key>`).
    async fn limit(&self, semaphore: &str) -> Result<Option<i64>, PersistError>;

    /// Sets, or with `None` removes, the places of a semaphore.
    async fn set_limit(&self, semaphore: &str, limit: Option<i64>) -> Result<(), PersistError>;
}

/// The stores of a controller; what is not there is not done.
#[derive(Debug, Clone, Default)]
pub struct Stores {
    /// Workflows that are over go there: those that `persistence.archiveLabelSelector` chooses.
    pub archive: Option<Arc<dyn Archive>>,
    /// Nodes go there that have no room in their object.
    pub nodes: Option<Arc<dyn NodeStore>>,
    /// Whether all nodes do, as with upstream's `ALWAYS_OFFLOAD_NODE_STATUS`.
    pub always_offload: bool,
    /// Locks that several controllers share; polled as `synchronization` says.
    pub locks: Option<Arc<dyn LockStore>>,
}

/// How long nodes are kept that no workflow refers to any more, and how often that is looked at.
pub const OFFLOAD_TTL: Duration = Duration::from_secs(5 * 60);

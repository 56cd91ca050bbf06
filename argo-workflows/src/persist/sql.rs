//! What the stores need of a database: transactions over statements with numbered parameters.

use std::{fmt, sync::Arc};

use argo_core::Timestamp;
use async_trait::async_trait;

use super::{PersistError, schema::Migration};

/// A family of databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// A parameter of a statement: `$1`, `$2`, …
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// A text, or JSON.
    Text(String),
    /// A number.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A time, kept without zone as UTC.
    Time(Timestamp),
    /// Nothing.
    Null,
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Timestamp> for Param {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

/// A row: every column is selected as text.
pub type Row = Vec<Option<String>>;

/// A time as both families order it.
pub(super) fn time_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// A database.
#[async_trait]
pub trait Database: Send + Sync + fmt::Debug {
    /// Its family.
    fn dialect(&self) -> Dialect;

    /// Begins a transaction, serialisable; the one before must have ended. Dropped without commit it is undone.
    async fn begin(&self) -> Result<Box<dyn Transaction>, PersistError>;
}

/// Statements that are done together or not at all.
#[async_trait]
pub trait Transaction: Send {
    /// Carries a statement out; returns how many rows it changed.
    async fn execute(&mut self, sql: &str, params: &[Param]) -> Result<u64, PersistError>;

    /// The rows that a statement selects. Columns must be texts.
    async fn query(&mut self, sql: &str, params: &[Param]) -> Result<Vec<Row>, PersistError>;

    /// Makes it last.
    async fn commit(self: Box<Self>) -> Result<(), PersistError>;
}

/// The archive and the offloaded nodes of one cluster in a database. See [`super::SqlLocks`] for locks.
#[derive(Debug, Clone)]
pub struct SqlStore {
    pub(super) database: Arc<dyn Database>,
    pub(super) cluster: String,
    pub(super) instance_id: String,
    pub(super) namespace: Option<String>,
    pub(super) nodes_table: String,
}

impl SqlStore {
    /// In `database`, for the cluster that the tables call `cluster`. Does not look at the database: see
    /// [`SqlStore::migrate`].
    ///
    /// # Errors
    /// When the name of the table is no name.
    pub fn new(database: Arc<dyn Database>, cluster: &str, nodes_table: &str) -> Result<Self, PersistError> {
        super::schema::check_name(nodes_table)?;
        Ok(Self {
            database,
            cluster: cluster.to_owned(),
            instance_id: String::new(),
            namespace: None,
            nodes_table: nodes_table.to_owned(),
        })
    }

    /// For the workflows of one instance id; by default those without one.
    #[must_use]
    pub fn instance_id(mut self, id: impl Into<String>) -> Self {
        self.instance_id = id.into();
        self
    }

    /// For the workflows of one namespace only.
    #[must_use]
    pub fn managed_namespace(mut self, namespace: Option<&str>) -> Self {
        self.namespace = namespace.map(str::to_owned);
        self
    }

    /// Makes the tables, or brings them up to date.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn migrate(&self) -> Result<(), PersistError> {
        let steps = super::schema::workflows(self.database.dialect(), &self.cluster, &self.nodes_table);
        Migration::new("schema_history", steps)?.run(self.database.as_ref()).await
    }
}

/// The first column of the only row.
pub(super) fn single(rows: Vec<Row>) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()?
}

/// A column of a row that is never null.
pub(super) fn column(row: &Row, at: usize) -> &str {
    row.get(at).and_then(Option::as_deref).unwrap_or_default()
}

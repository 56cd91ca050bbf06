//! [`Sqlite`]: a file, or memory for tests. SQLite itself is compiled in.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, params_from_iter, types::Value};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Database, Dialect, Param, PersistError, Row, Transaction, sql::time_text};

/// How long another process may keep the file.
const BUSY: Duration = Duration::from_secs(5);

/// An SQLite database, with one connection.
#[derive(Debug, Clone)]
pub struct Sqlite(Arc<Mutex<Connection>>);

impl Sqlite {
    /// In a file, which is made where there is none.
    ///
    /// # Errors
    /// When it can not be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PersistError> {
        let path = path.as_ref();
        let opened = Connection::open(path);
        Self::of(opened.map_err(|it| PersistError::Config(format!("{}: {it}", path.display())))?)
    }

    /// In memory: gone with the last copy of this value.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn in_memory() -> Result<Self, PersistError> {
        Self::of(Connection::open_in_memory().map_err(failed)?)
    }

    fn of(connection: Connection) -> Result<Self, PersistError> {
        connection.busy_timeout(BUSY).map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self(Arc::new(Mutex::new(connection))))
    }
}

/// A transaction; the connection is out of it only while a statement runs.
struct Work(Option<OwnedMutexGuard<Connection>>);

impl Work {
    /// Does something on a thread that may wait for the disk.
    async fn blocking<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, PersistError> {
        let Some(connection) = self.0.take() else {
            return Err(PersistError::Unavailable("a statement before did not end".to_owned()));
        };
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&connection);
            (connection, result)
        });
        let (connection, result) = done.await.map_err(|it| PersistError::Unavailable(it.to_string()))?;
        self.0 = Some(connection);
        result.map_err(failed)
    }
}

#[async_trait]
impl Database for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, PersistError> {
        let mut work = Work(Some(self.0.clone().lock_owned().await));
        work.blocking(|it| {
            if !it.is_autocommit() {
                // One before was dropped.
                it.execute_batch("rollback")?;
            }
            it.execute_batch("begin immediate")
        })
        .await?;
        Ok(Box::new(work))
    }
}

#[async_trait]
impl Transaction for Work {
    async fn execute(&mut self, sql: &str, params: &[Param]) -> Result<u64, PersistError> {
        let (sql, params) = (numbered(sql), values(params));
        let rows = self.blocking(move |it| it.prepare_cached(&sql)?.execute(params_from_iter(params))).await?;
        Ok(rows as u64)
    }

    async fn query(&mut self, sql: &str, params: &[Param]) -> Result<Vec<Row>, PersistError> {
        let (sql, params) = (numbered(sql), values(params));
        self.blocking(move |it| {
            let mut statement = it.prepare_cached(&sql)?;
            let columns = statement.column_count();
            let rows =
                statement.query_map(params_from_iter(params), |row| (0..columns).map(|at| row.get(at)).collect())?;
            rows.collect()
        })
        .await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), PersistError> {
        self.blocking(|it| it.execute_batch("commit")).await
    }
}

/// SQLite writes numbered parameters `?1`; what is in quotes has no `$` in the statements here.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn values(params: &[Param]) -> Vec<Value> {
    let value = |it: &Param| match it {
        Param::Text(text) => Value::Text(text.clone()),
        Param::Int(number) => Value::Integer(*number),
        Param::Bool(value) => Value::Integer((*value).into()),
        Param::Time(at) => Value::Text(time_text(*at)),
        Param::Null => Value::Null,
    };
    params.iter().map(value).collect()
}

fn failed(error: rusqlite::Error) -> PersistError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::CannotOpen | ErrorCode::DiskFull) => {
            PersistError::Unavailable(error.to_string())
        }
        _ => PersistError::Refused(error.to_string()),
    }
}

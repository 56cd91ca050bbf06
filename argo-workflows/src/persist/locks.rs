//! Locks in a database: `sync_limit`, `sync_state`, `sync_controller` and `sync_lock`, as upstream's controllers use
//! them (`workflow/sync/database_semaphore.go`), so that both may share them.

use std::{sync::Arc, time::Duration};

use argo_core::Timestamp;
use async_trait::async_trait;

use super::{
    Database, LockStore, Migration, Param, PersistError, Transaction,
    schema::check_name,
    sql::{column, single},
};
use crate::config::SyncConfig;

/// Names of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockTables {
    /// Places of semaphores.
    pub limit: String,
    /// Holders and waiters.
    pub state: String,
    /// Controllers, and when they last gave a sign of life.
    pub controller: String,
    /// Locks that somebody changes just now.
    pub lock: String,
}

impl Default for LockTables {
    fn default() -> Self {
        Self {
            limit: "sync_limit".to_owned(),
            state: "sync_state".to_owned(),
            controller: "sync_controller".to_owned(),
            lock: "sync_lock".to_owned(),
        }
    }
}

/// Locks that somebody wants, all of them at once.
#[derive(Debug, Clone, PartialEq)]
pub struct LockClaim {
    /// Who wants them: `<namespace>/<workflow>[/<node id>]`.
    pub holder: String,
    /// Which: `mtx/<namespace>/<name>` or `sem/<namespace>/<key>`, beside how statuses call it.
    pub locks: Vec<(String, String)>,
    /// The workflow's priority: higher goes first.
    pub priority: i32,
    /// When the workflow was made: the older goes first.
    pub created: Timestamp,
}

/// What a database says to a [`LockClaim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockVerdict {
    /// All are held.
    Granted,
    /// None is held that was not held before; the claim stands in the queues.
    Waiting {
        /// The first that is not to be had, as statuses call it.
        lock: String,
        /// For people.
        message: String,
        /// Who holds it.
        holders: Vec<String>,
    },
    /// Somebody changes one of them just now: ask again.
    Busy,
    /// It can not be had at all.
    Refused(String),
}

/// The locks of one controller in a database.
#[derive(Debug, Clone)]
pub struct SqlLocks {
    database: Arc<dyn Database>,
    tables: LockTables,
    controller: String,
    inactive: Duration,
}

impl SqlLocks {
    /// For the controller that the tables call `controller`; one without a sign of life for `inactive` counts as dead.
    ///
    /// # Errors
    /// When the controller has no name, or that of a table is none.
    pub fn new(
        database: Arc<dyn Database>,
        tables: LockTables,
        controller: &str,
        inactive: Duration,
    ) -> Result<Self, PersistError> {
        for it in [&tables.limit, &tables.state, &tables.controller, &tables.lock] {
            check_name(it)?;
        }
        if controller.is_empty() || controller.len() > 64 {
            let message = "synchronization.controllerName must name this controller, in at most 64 bytes";
            return Err(PersistError::Config(message.to_owned()));
        }
        Ok(Self { database, tables, controller: controller.to_owned(), inactive })
    }

    /// As the configuration says.
    ///
    /// # Errors
    /// As [`SqlLocks::new`].
    pub fn of_config(database: Arc<dyn Database>, config: &SyncConfig) -> Result<Self, PersistError> {
        let usual = LockTables::default();
        let or = |name: &Option<String>, usual: String| name.clone().filter(|it| !it.is_empty()).unwrap_or(usual);
        let tables = LockTables {
            limit: or(&config.limit_table_name, usual.limit),
            state: or(&config.state_table_name, usual.state),
            controller: or(&config.controller_table_name, usual.controller),
            lock: or(&config.lock_table_name, usual.lock),
        };
        Self::new(database, tables, &config.controller_name, config.inactive())
    }

    /// Makes the tables, or brings them up to date.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn migrate(&self) -> Result<(), PersistError> {
        let steps = super::schema::locks(&self.tables);
        Migration::new("sync_schema_history", steps)?.run(self.database.as_ref()).await
    }

    fn me(&self) -> Param {
        self.controller.as_str().into()
    }

    async fn once(&self, sql: &str, params: &[Param]) -> Result<u64, PersistError> {
        let mut work = self.database.begin().await?;
        let rows = work.execute(sql, params).await?;
        work.commit().await?;
        Ok(rows)
    }

    async fn limit_of(&self, work: &mut dyn Transaction, lock: &str) -> Result<Option<i64>, PersistError> {
        let Some(semaphore) = lock.strip_prefix("sem/") else { return Ok(Some(1)) };
        let sql = format!("select cast(sizelimit as text) from {} where name = $1", self.tables.limit);
        Ok(single(work.query(&sql, &[semaphore.into()]).await?).and_then(|it| it.parse().ok()))
    }

    /// Whether `claim` may have one of its locks; `None` where it has it.
    async fn look(
        &self,
        work: &mut dyn Transaction,
        claim: &LockClaim,
        (lock, name): &(String, String),
        since: Timestamp,
    ) -> Result<Option<LockVerdict>, PersistError> {
        let state = &self.tables.state;
        let limit = self.limit_of(work, lock).await?.unwrap_or_default();
        if limit <= 0 {
            return Ok(Some(LockVerdict::Refused(format!("failed to initialize semaphore {name} with limit"))));
        }
        let sql = format!("select workflowkey from {state} where name = $1 and held = $2 order by workflowkey");
        let rows = work.query(&sql, &[lock.as_str().into(), true.into()]).await?;
        let holders: Vec<String> = rows.iter().map(|it| column(it, 0).to_owned()).collect();
        if holders.contains(&claim.holder) {
            return Ok(None);
        }
        let message = format!("Waiting for {name} lock ({lock}). Lock status: {}/{limit}", holders.len());
        let sql = format!(
            "select workflowkey, controller from {state} where name = $1 and held = $2 and controller in \
             (select controller from {} where time > $3) order by priority desc, time asc, workflowkey asc limit 1",
            self.tables.controller
        );
        let first = work.query(&sql, &[lock.as_str().into(), false.into(), since.into()]).await?;
        let is_first = first.first().is_none_or(|it| column(it, 0) == claim.holder && column(it, 1) == self.controller);
        if i64::try_from(holders.len()).unwrap_or(i64::MAX) < limit && is_first {
            return Ok(None);
        }
        Ok(Some(LockVerdict::Waiting { lock: name.clone(), message, holders }))
    }

    /// Puts a claim into the queue of a lock, unless it is in it or holds it.
    async fn queue(&self, work: &mut dyn Transaction, claim: &LockClaim, lock: &str) -> Result<(), PersistError> {
        let sql = format!(
            "insert into {} (name, workflowkey, controller, held, priority, time) values ($1, $2, $3, $4, $5, $6) \
             on conflict (name, workflowkey, controller) do nothing",
            self.tables.state
        );
        let params = [
            lock.into(),
            claim.holder.as_str().into(),
            self.me(),
            false.into(),
            i64::from(claim.priority).into(),
            claim.created.into(),
        ];
        work.execute(&sql, &params).await.map(drop)
    }
}

#[async_trait]
impl LockStore for SqlLocks {
    async fn heartbeat(&self, now: Timestamp) -> Result<(), PersistError> {
        let sql = format!(
            "insert into {} (controller, time) values ($1, $2) on conflict (controller) do update set time = $2",
            self.tables.controller
        );
        self.once(&sql, &[self.me(), now.into()]).await.map(drop)
    }

    async fn acquire(&self, claim: &LockClaim, now: Timestamp) -> Result<LockVerdict, PersistError> {
        let mut work = self.database.begin().await?;
        // Everybody who changes a lock has its row in this table while he does. Always in the same order: nobody
        // waits for whom he keeps waiting.
        let mut locks: Vec<&str> = claim.locks.iter().map(|it| it.0.as_str()).collect();
        locks.sort_unstable();
        for lock in &locks {
            let sql = format!(
                "insert into {} (name, controller, time) values ($1, $2, $3) on conflict (name) do nothing",
                self.tables.lock
            );
            if work.execute(&sql, &[(*lock).into(), self.me(), now.into()]).await? == 0 {
                return Ok(LockVerdict::Busy);
            }
        }
        for lock in &locks {
            self.queue(work.as_mut(), claim, lock).await?;
        }
        let since = argo_core::time::before(now, self.inactive);
        let mut verdict = LockVerdict::Granted;
        for lock in &claim.locks {
            if let Some(refused) = self.look(work.as_mut(), claim, lock, since).await? {
                verdict = refused;
                break;
            }
        }
        if matches!(verdict, LockVerdict::Refused(_)) {
            // What can not be had is not queued for, either.
            return Ok(verdict);
        }
        for lock in &locks {
            if verdict == LockVerdict::Granted {
                let sql = format!(
                    "update {} set held = $4 where name = $1 and workflowkey = $2 and controller = $3",
                    self.tables.state
                );
                let params = [(*lock).into(), claim.holder.as_str().into(), self.me(), true.into()];
                work.execute(&sql, &params).await?;
            }
            let sql = format!("delete from {} where name = $1 and controller = $2", self.tables.lock);
            work.execute(&sql, &[(*lock).into(), self.me()]).await?;
        }
        work.commit().await?;
        Ok(verdict)
    }

    async fn release(&self, lock: &str, holder: &str) -> Result<(), PersistError> {
        let sql = format!("delete from {} where name = $1 and workflowkey = $2 and controller = $3", self.tables.state);
        self.once(&sql, &[lock.into(), holder.into(), self.me()]).await.map(drop)
    }

    async fn mine(&self) -> Result<Vec<(String, String, bool)>, PersistError> {
        let mut work = self.database.begin().await?;
        let sql = format!(
            "select name, workflowkey from {} where controller = $1 and held = $2 order by name, workflowkey",
            self.tables.state
        );
        let mut all = Vec::new();
        for held in [true, false] {
            let rows = work.query(&sql, &[self.me(), held.into()]).await?;
            all.extend(rows.iter().map(|it| (column(it, 0).to_owned(), column(it, 1).to_owned(), held)));
        }
        work.commit().await?;
        Ok(all)
    }

    async fn expire(&self, now: Timestamp) -> Result<(), PersistError> {
        let sql = format!(
            "delete from {} where controller in (select controller from {} where time <= $1)",
            self.tables.lock, self.tables.controller
        );
        self.once(&sql, &[argo_core::time::before(now, self.inactive).into()]).await.map(drop)
    }

    async fn limit(&self, semaphore: &str) -> Result<Option<i64>, PersistError> {
        let mut work = self.database.begin().await?;
        let limit = self.limit_of(work.as_mut(), &format!("sem/{semaphore}")).await?;
        work.commit().await?;
        Ok(limit)
    }

    async fn set_limit(&self, semaphore: &str, limit: Option<i64>) -> Result<(), PersistError> {
        let table = &self.tables.limit;
        match limit {
            None => self.once(&format!("delete from {table} where name = $1"), &[semaphore.into()]).await.map(drop),
            Some(limit) => {
                let sql = format!(
                    "insert into {table} (name, sizelimit) values ($1, $2) \
                     on conflict (name) do update set sizelimit = $2"
                );
                self.once(&sql, &[semaphore.into(), limit.into()]).await.map(drop)
            }
        }
    }
}

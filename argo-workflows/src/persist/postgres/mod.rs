//! [`Postgres`]: a PostgreSQL server. The connection is made when it is needed, and again when it broke off.

mod tls;

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_postgres::{
    Client, Config,
    config::SslMode,
    error::SqlState,
    types::{Format, IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

use self::tls::Tls;
use super::{Database, Dialect, Param, PersistError, Row, Transaction, sql::time_text};
use crate::config::Postgresql;

/// A PostgreSQL server, with one connection.
#[derive(Clone)]
pub struct Postgres {
    config: Arc<Config>,
    tls: Tls,
    client: Arc<Mutex<Option<Client>>>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the configuration: it holds the password.
        f.debug_struct("Postgres").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

impl Postgres {
    /// At a DSN: `postgres://user:password@host:5432/database?sslmode=require`, or `host=… user=…`. Certificates are
    /// not looked at, as by every client that is told `require`.
    ///
    /// # Errors
    /// When it is no DSN.
    pub fn at(dsn: &str) -> Result<Self, PersistError> {
        // What the parser says may repeat the DSN.
        let config: Config = dsn.parse().map_err(|_| PersistError::Config("the DSN can not be read".to_owned()))?;
        Self::of(config, false)
    }

    /// As a configuration says, with what its Secrets hold.
    ///
    /// # Errors
    /// When it asks for what there is not: tokens of a cloud.
    pub fn of_config(given: &Postgresql, user: &str, password: &str, timeout: Duration) -> Result<Self, PersistError> {
        for (name, token) in [("azureToken", &given.azure_token), ("awsRDSToken", &given.aws_rds_token)] {
            if token.as_ref().is_some_and(|it| it["enabled"] == true) {
                let message = format!("{name} is not supported: give userNameSecret and passwordSecret");
                return Err(PersistError::Config(message));
            }
        }
        let mut config = Config::new();
        config.host(&given.host).port(given.port.unwrap_or(5432)).dbname(&given.database);
        config.user(user).password(password).connect_timeout(timeout);
        config.ssl_mode(if given.ssl { SslMode::Require } else { SslMode::Disable });
        let is_verified = matches!(given.ssl_mode.as_deref(), Some("verify-ca" | "verify-full"));
        Self::of(config, is_verified)
    }

    fn of(config: Config, is_verified: bool) -> Result<Self, PersistError> {
        Ok(Self { config: Arc::new(config), tls: Tls::new(is_verified)?, client: Arc::default() })
    }

    async fn connect(&self) -> Result<Client, PersistError> {
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(failed)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "the connection to the database broke off");
            }
        });
        Ok(client)
    }
}

/// A transaction over the only connection.
struct Work {
    client: OwnedMutexGuard<Option<Client>>,
    is_done: bool,
}

impl Work {
    fn client(&self) -> Result<&Client, PersistError> {
        self.client.as_ref().ok_or_else(|| PersistError::Unavailable("there is no connection".to_owned()))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.is_done {
            // Undone by the server when the connection goes: nobody can be waited for here.
            *self.client = None;
        }
    }
}

#[async_trait]
impl Database for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, PersistError> {
        let mut client = self.client.clone().lock_owned().await;
        if client.as_ref().is_none_or(Client::is_closed) {
            *client = Some(self.connect().await?);
        }
        let mut work = Work { client, is_done: false };
        let begun = work.client()?.batch_execute("begin isolation level serializable").await;
        if let Err(error) = begun {
            work.is_done = false;
            return Err(failed(error));
        }
        Ok(Box::new(work))
    }
}

#[async_trait]
impl Transaction for Work {
    async fn execute(&mut self, sql: &str, params: &[Param]) -> Result<u64, PersistError> {
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
        self.client()?.execute(sql, &params).await.map_err(failed)
    }

    async fn query(&mut self, sql: &str, params: &[Param]) -> Result<Vec<Row>, PersistError> {
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
        let rows = self.client()?.query(sql, &params).await.map_err(failed)?;
        rows.iter().map(|row| (0..row.len()).map(|at| row.try_get(at).map_err(failed)).collect()).collect()
    }

    async fn commit(mut self: Box<Self>) -> Result<(), PersistError> {
        self.client()?.batch_execute("commit").await.map_err(failed)?;
        self.is_done = true;
        Ok(())
    }
}

impl ToSql for Param {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Bool(value) => out.extend_from_slice(if *value { b"t" } else { b"f" }),
            Self::Time(at) => out.extend_from_slice(time_text(*at).as_bytes()),
            Self::Null => return Ok(IsNull::Yes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        // The server reads the text as the type that stands there.
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// What went wrong, without the values that the server repeats in its details.
fn failed(error: tokio_postgres::Error) -> PersistError {
    let Some(refused) = error.as_db_error() else {
        let source = error.source().map(|it| format!(": {it}")).unwrap_or_default();
        return PersistError::Unavailable(format!("{error}{source}"));
    };
    let message = format!("{} ({})", refused.message(), refused.code().code());
    let code = refused.code();
    let is_passing = *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
        || code.code().starts_with("08")
        || code.code().starts_with("53")
        || code.code().starts_with("57");
    if is_passing { PersistError::Unavailable(message) } else { PersistError::Refused(message) }
}

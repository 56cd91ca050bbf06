//! Opens what a configuration asks for.

use std::{sync::Arc, time::Duration};

use super::{Database, PersistError, SqlLocks, SqlStore, Stores};
use crate::config::{Config, Postgresql, SecretKey, Sqlite};

/// Finds what a key of a Secret holds.
pub type Secrets<'a> = &'a (dyn Fn(&SecretKey) -> futures::future::BoxFuture<'a, Result<String, PersistError>> + Sync);

/// Where a part of the configuration keeps its tables.
struct Place<'c> {
    postgresql: Option<&'c Postgresql>,
    sqlite: Option<&'c Sqlite>,
    has_mysql: bool,
    timeout: Duration,
}

impl Place<'_> {
    fn is_named(&self) -> bool {
        self.postgresql.is_some() || self.sqlite.is_some() || self.has_mysql
    }

    /// The database, and the name of the table of nodes.
    async fn open(&self, secrets: Secrets<'_>) -> Result<(Arc<dyn Database>, String), PersistError> {
        let table = |given: &Option<String>| given.clone().filter(|it| !it.is_empty());
        match (self.postgresql, self.sqlite) {
            (Some(given), None) if !self.has_mysql => {
                let (user, password) =
                    (secrets(&given.user_name_secret).await?, secrets(&given.password_secret).await?);
                Ok((postgres(given, &user, &password, self.timeout)?, table(&given.table_name).unwrap_or_default()))
            }
            (None, Some(given)) if !self.has_mysql => {
                let name = table(&given.table_name).unwrap_or_else(|| "argo_workflows".to_owned());
                Ok((sqlite(&given.path)?, name))
            }
            (None, None) if self.has_mysql => {
                Err(PersistError::Config("mysql is not supported: use postgresql or sqlite".to_owned()))
            }
            (None, None) => Err(PersistError::Config("no databases are configured".to_owned())),
            _ => Err(PersistError::Config("name one database: postgresql or sqlite".to_owned())),
        }
    }
}

#[cfg(feature = "postgres")]
fn postgres(
    given: &Postgresql,
    user: &str,
    password: &str,
    timeout: Duration,
) -> Result<Arc<dyn Database>, PersistError> {
    Ok(Arc::new(super::Postgres::of_config(given, user, password, timeout)?))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &Postgresql, _: &str, _: &str, _: Duration) -> Result<Arc<dyn Database>, PersistError> {
    Err(PersistError::Config("postgresql needs the feature `postgres` of argo-workflows".to_owned()))
}

#[cfg(feature = "sqlite")]
fn sqlite(path: &str) -> Result<Arc<dyn Database>, PersistError> {
    Ok(Arc::new(super::Sqlite::open(path)?))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<Arc<dyn Database>, PersistError> {
    Err(PersistError::Config("sqlite needs the feature `sqlite` of argo-workflows".to_owned()))
}

/// Opens the databases that `persistence` and `synchronization` name, and brings their tables up to date unless
/// `skipMigration` says otherwise. `namespace` is the only one whose workflows are looked at.
///
/// # Errors
/// When the configuration asks for what there is not, a Secret is missing, or a database does not answer.
pub async fn open(config: &Config, namespace: Option<&str>, secrets: Secrets<'_>) -> Result<Stores, PersistError> {
    let mut stores = Stores::default();
    let timeout = |given: Option<u32>| Duration::from_secs(given.filter(|it| *it > 0).unwrap_or(5).into());
    if let Some(given) = config.persistence.as_deref().filter(|it| it.archive || it.node_status_off_load) {
        let place = Place {
            postgresql: given.postgresql.as_ref(),
            sqlite: given.sqlite.as_ref(),
            has_mysql: given.mysql.is_some(),
            timeout: timeout(given.connection_timeout_seconds),
        };
        let (database, table) = place.open(secrets).await?;
        if table.is_empty() {
            return Err(PersistError::Config(
                "persistence.postgresql.tableName is empty; it is argo_workflows in upstream's manifests".to_owned(),
            ));
        }
        let store = SqlStore::new(database, given.cluster_name(), &table)?;
        let store = store.instance_id(config.instance_id.clone().unwrap_or_default()).managed_namespace(namespace);
        if !given.skip_migration {
            store.migrate().await?;
        }
        let store = Arc::new(store);
        stores.nodes = given.node_status_off_load.then(|| store.clone() as _);
        stores.archive = given.archive.then_some(store as _);
    }
    if let Some(given) = config.synchronization.as_deref() {
        let place = Place {
            postgresql: given.postgresql.as_ref(),
            sqlite: given.sqlite.as_ref(),
            has_mysql: given.mysql.is_some(),
            timeout: timeout(given.connection_timeout_seconds),
        };
        if place.is_named() {
            let (database, _) = place.open(secrets).await?;
            let locks = SqlLocks::of_config(database, given)?;
            if !given.skip_migration {
                locks.migrate().await?;
            }
            stores.locks = Some(Arc::new(locks));
        }
    }
    Ok(stores)
}

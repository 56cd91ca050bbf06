//! The tables, and the steps that made them what they are. On PostgreSQL the steps and their numbers are upstream's
//! (`persist/sqldb/migrate.go`, `util/sync/db/migrate.go`): either side may bring up to date what the other made.
//! SQLite, which upstream does not use for this, gets the tables as they are after the last of the steps.

use super::{Database, Dialect, Param, PersistError, locks::LockTables, sql::column};

/// Most times that a step is tried while somebody else changes the tables.
const TRIES: usize = 5;

/// Table of archived workflows.
pub(super) const ARCHIVE: &str = "argo_archived_workflows";
/// Table of their labels.
pub(super) const LABELS: &str = "argo_archived_workflows_labels";

/// Numbered steps, of which a table tells how many are done.
#[derive(Debug, Clone)]
pub struct Migration {
    history: String,
    steps: Vec<Vec<String>>,
}

impl Migration {
    /// Steps that the table `history` tells of; each is the statements that are done together.
    ///
    /// # Errors
    /// When the name of the table is no name.
    pub fn new(history: &str, steps: Vec<Vec<String>>) -> Result<Self, PersistError> {
        check_name(history)?;
        Ok(Self { history: history.to_owned(), steps })
    }

    /// Does what is not done yet.
    ///
    /// # Errors
    /// When the database refuses; what was done until then stays.
    pub async fn run(&self, database: &dyn Database) -> Result<(), PersistError> {
        let table = &self.history;
        let mut begin = database.begin().await?;
        let made =
            format!("create table if not exists {table}(schema_version int not null, primary key(schema_version))");
        begin.execute(&made, &[]).await?;
        let rows = begin.query(&format!("select cast(schema_version as text) from {table}"), &[]).await?;
        let done: i64 = match rows.first() {
            None => {
                begin.execute(&format!("insert into {table} values(-1)"), &[]).await?;
                -1
            }
            Some(row) => column(row, 0).parse().map_err(|_| unreadable(table, column(row, 0)))?,
        };
        begin.commit().await?;
        for (version, statements) in (0_i64..).zip(&self.steps).filter(|(version, _)| *version > done) {
            let mut tries = 0;
            while let Err(error) = self.step(database, version, statements).await {
                tries += 1;
                if tries == TRIES || !matches!(error, PersistError::Unavailable(_)) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// One step, unless somebody else did it in the meantime.
    async fn step(&self, database: &dyn Database, version: i64, statements: &[String]) -> Result<(), PersistError> {
        let mut step = database.begin().await?;
        let update = format!("update {} set schema_version = $1 where schema_version = $2", self.history);
        if step.execute(&update, &[Param::Int(version), Param::Int(version - 1)]).await? == 1 {
            for statement in statements {
                step.execute(statement, &[]).await?;
            }
        }
        step.commit().await
    }
}

fn unreadable(table: &str, text: &str) -> PersistError {
    PersistError::Unreadable { what: table.to_owned(), message: format!("'{text}' is no version") }
}

/// Whether a configured name can stand in a statement as it is.
pub(super) fn check_name(name: &str) -> Result<(), PersistError> {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|it| it.is_ascii_alphabetic() || it == b'_');
    if begins && name.len() <= 60 && bytes.all(|it| it.is_ascii_alphanumeric() || it == b'_') {
        return Ok(());
    }
    Err(PersistError::Config(format!("'{name}' is no name of a table: letters, digits and '_', at most 60 of them")))
}

/// The steps of offloaded nodes (`nodes`) and the archive.
pub(super) fn workflows(dialect: Dialect, cluster: &str, nodes: &str) -> Vec<Vec<String>> {
    let steps = postgres_workflows(&cluster.replace('\'', "''"), nodes);
    match dialect {
        Dialect::Postgres => steps,
        Dialect::Sqlite => {
            let mut empty = vec![Vec::new(); steps.len() - 1];
            empty.push(sqlite_workflows(nodes));
            empty
        }
    }
}

fn postgres_workflows(cluster: &str, t: &str) -> Vec<Vec<String>> {
    const A: &str = ARCHIVE;
    let made = |table: &str, created: &str| {
        format!(
            "create table if not exists {table} (id varchar(128), name varchar(256), phase varchar(25), \
             namespace varchar(256), workflow text, startedat timestamp default CURRENT_TIMESTAMP, \
             finishedat timestamp default CURRENT_TIMESTAMP, {created}primary key (id, namespace))"
        )
    };
    let alter = |table: &str, what: &str| format!("alter table {table} {what}");
    let not_null = |table: &str, column: &str| format!("alter table {table} alter column {column} set not null");
    let index = |name: String, on: &str| format!("create index {name} on {on}");
    let drop_index = |name: String| format!("drop index {name}");
    let named = |table: &str| format!("update {table} set clustername = '{cluster}' where clustername is null");
    // Rows of before 2020 had the whole workflow in one column; they are not read here.
    let old = format!("select 1 / (1 - least(1, (select count(*) from {t} where version is null)))");
    let steps = [
        made(t, "creationtimestamp timestamp default CURRENT_TIMESTAMP, "),
        format!("create unique index idx_name on {t} (name)"),
        made("argo_workflow_history", ""),
        alter("argo_workflow_history", &format!("rename to {A}")),
        drop_index("idx_name".to_owned()),
        format!("create unique index idx_name on {t}(name, namespace)"),
        alter(t, &format!("drop constraint {t}_pkey")),
        alter(t, "add primary key(name,namespace)"),
        alter(A, "drop constraint argo_workflow_history_pkey"),
        alter(A, "add primary key(id)"),
        alter(A, "rename column id to uid"),
        not_null(A, "uid"),
        not_null(A, "phase"),
        not_null(A, "namespace"),
        not_null(A, "workflow"),
        not_null(A, "startedat"),
        not_null(A, "finishedat"),
        alter(A, "add clustername varchar(64)"),
        named(A),
        not_null(A, "clustername"),
        alter(A, &format!("drop constraint {A}_pkey")),
        alter(A, "add primary key(clustername,uid)"),
        index(format!("{A}_i1"), &format!("{A} (clustername,namespace)")),
        alter(t, "drop column phase"),
        alter(t, "drop column startedat"),
        alter(t, "drop column finishedat"),
        alter(t, "rename column id to uid"),
        not_null(t, "uid"),
        not_null(t, "namespace"),
        alter(t, "add column clustername varchar(64)"),
        named(t),
        not_null(t, "clustername"),
        alter(t, "add column version varchar(64)"),
        alter(t, "add column nodes text"),
        old,
        not_null(t, "nodes"),
        alter(t, "drop column workflow"),
        alter(t, "add column updatedat timestamp not null default current_timestamp"),
        alter(t, &format!("drop constraint {t}_pkey")),
        drop_index("idx_name".to_owned()),
        alter(t, "drop column name"),
        alter(t, "add primary key(clustername,uid,version)"),
        index(format!("{t}_i1"), &format!("{t} (clustername,namespace)")),
        alter(A, "alter column workflow type json using workflow::json"),
        not_null(A, "name"),
        index(format!("{t}_i2"), &format!("{t} (clustername,namespace,updatedat)")),
        labels(),
        alter(t, "alter column nodes type json using nodes::json"),
        alter(A, "add column instanceid varchar(64)"),
        format!("update {A} set instanceid = '' where instanceid is null"),
        not_null(A, "instanceid"),
        drop_index(format!("{A}_i1")),
        index(format!("{A}_i1"), &format!("{A} (clustername,instanceid,namespace)")),
        drop_index(format!("{t}_i1")),
        drop_index(format!("{t}_i2")),
        index(format!("{t}_i1"), &format!("{t} (clustername,namespace,updatedat)")),
        index(format!("{A}_i2"), &format!("{A} (clustername,instanceid,finishedat)")),
        index(format!("{A}_i3"), &format!("{A} (clustername,instanceid,name)")),
        index(format!("{A}_i4"), &format!("{A} (startedat)")),
        index(format!("{LABELS}_i1"), &format!("{LABELS} (name,value)")),
        alter(A, "alter column workflow set data type jsonb using workflow::jsonb"),
        drop_index(format!("{A}_i4")),
        index(format!("{A}_i4"), &format!("{A} (clustername, startedat)")),
        alter(A, "add column creationtimestamp timestamp null"),
        format!("update {A} set creationtimestamp = startedat where creationtimestamp is null"),
        alter(A, "alter column creationtimestamp set default CURRENT_TIMESTAMP"),
        index(format!("{A}_i5"), &format!("{A} (creationtimestamp)")),
        drop_index(format!("{A}_i1")),
        index(format!("{A}_i1"), &format!("{A} (clustername, instanceid, namespace, startedat DESC)")),
    ];
    steps.into_iter().map(|it| vec![it]).collect()
}

fn labels() -> String {
    format!(
        "create table if not exists {LABELS} (clustername varchar(64) not null, uid varchar(128) not null, \
         name varchar(317) not null, value varchar(63) not null, primary key (clustername, uid, name), \
         foreign key (clustername, uid) references {ARCHIVE}(clustername, uid) on delete cascade)"
    )
}

fn sqlite_workflows(t: &str) -> Vec<String> {
    const A: &str = ARCHIVE;
    vec![
        format!(
            "create table if not exists {t} (clustername varchar(64) not null, uid varchar(128) not null, \
             namespace varchar(256) not null, version varchar(64) not null, nodes json not null, \
             updatedat timestamp not null default current_timestamp, primary key (clustername, uid, version))"
        ),
        format!("create index {t}_i1 on {t} (clustername, namespace, updatedat)"),
        format!(
            "create table if not exists {A} (clustername varchar(64) not null, uid varchar(128) not null, \
             instanceid varchar(64) not null, name varchar(256) not null, namespace varchar(256) not null, \
             phase varchar(25) not null, startedat timestamp not null, finishedat timestamp not null, \
             creationtimestamp timestamp default current_timestamp, workflow json not null, \
             primary key (clustername, uid))"
        ),
        format!("create index {A}_i1 on {A} (clustername, instanceid, namespace, startedat desc)"),
        format!("create index {A}_i2 on {A} (clustername, instanceid, finishedat)"),
        format!("create index {A}_i3 on {A} (clustername, instanceid, name)"),
        format!("create index {A}_i4 on {A} (clustername, startedat)"),
        format!("create index {A}_i5 on {A} (creationtimestamp)"),
        labels(),
        format!("create index {LABELS}_i1 on {LABELS} (name, value)"),
    ]
}

/// The steps of locks.
pub(super) fn locks(tables: &LockTables) -> Vec<Vec<String>> {
    let LockTables { limit, state, controller, lock } = tables;
    let steps = [
        format!("create table if not exists {limit} (name varchar(256) not null, sizelimit int, primary key (name))"),
        format!("create unique index ilimit_name on {limit} (name)"),
        format!(
            "create table if not exists {controller} (controller varchar(64) not null, time timestamp, \
             primary key (controller))"
        ),
        format!("create unique index icontroller_name on {controller} (controller)"),
        format!(
            "create table if not exists {state} (name varchar(256), workflowkey varchar(256), \
             controller varchar(64) not null, held boolean, priority int, time timestamp, \
             primary key(name, workflowkey, controller))"
        ),
        format!("create index istate_name on {state} (name)"),
        format!("create index istate_workflowkey on {state} (workflowkey)"),
        format!("create index istate_controller on {state} (controller)"),
        format!("create index istate_held on {state} (held)"),
        format!(
            "create table if not exists {lock} (name varchar(256), controller varchar(64) not null, time timestamp, \
             primary key(name))"
        ),
        format!("create unique index ilock_name on {lock} (name)"),
    ];
    steps.into_iter().map(|it| vec![it]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_as_many_as_upstreams() {
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            assert_eq!(workflows(dialect, "default", "argo_workflows").len(), 69, "{dialect:?}");
        }
        assert_eq!(locks(&LockTables::default()).len(), 11);
    }

    #[test]
    fn names_are_names() {
        assert!(check_name("argo_workflows").is_ok());
        for wrong in ["", "1a", "a b", "a;drop table x", "a\"", &"a".repeat(61)] {
            assert!(check_name(wrong).unwrap_err().to_string().contains("is no name of a table"), "{wrong}");
        }
    }
}

//! Workflows that are over: `argo_archived_workflows` and the labels by which they are found.

use argo_core::Timestamp;
use async_trait::async_trait;
use serde_json::Value;

use super::{
    Archive, ArchiveQuery, Dialect, Param, PersistError, Row, SqlStore, Transaction,
    schema::{ARCHIVE, LABELS},
    sql::{column, single},
};
use crate::{
    api::{ARCHIVING_PERSISTED, LABEL_ARCHIVING_STATUS},
    config::{LabelOperator, LabelRequirement},
};

/// What stands for the character 0, which PostgreSQL's JSON can not hold; upstream's.
const NULL_REPLACEMENT: &str = "ARGO_POSTGRES_NULL_REPLACEMENT";

/// Conditions, and the parameters that they name.
struct Conditions {
    text: String,
    params: Vec<Param>,
}

impl Conditions {
    /// What belongs to a store.
    fn of(store: &SqlStore) -> Self {
        let mut all = Self { text: String::new(), params: Vec::new() };
        all.add("clustername = ?", [store.cluster.as_str().into()]);
        all.add("instanceid = ?", [store.instance_id.as_str().into()]);
        if let Some(namespace) = &store.namespace {
            all.add("namespace = ?", [namespace.as_str().into()]);
        }
        all
    }

    /// One more, with `?` for each of its parameters.
    fn add(&mut self, condition: &str, params: impl IntoIterator<Item = Param>) {
        self.text.push_str(if self.text.is_empty() { " where " } else { " and " });
        let mut params = params.into_iter();
        for (at, part) in condition.split('?').enumerate() {
            if at > 0 {
                self.params.extend(params.next());
                self.text.push_str(&format!("${}", self.params.len()));
            }
            self.text.push_str(part);
        }
    }

    /// That a label is as it is demanded.
    fn label(&mut self, it: &LabelRequirement) {
        let row = format!(
            "exists (select 1 from {LABELS} where clustername = {ARCHIVE}.clustername and uid = {ARCHIVE}.uid and name = ?"
        );
        let key = || std::iter::once(Param::from(it.key.as_str()));
        let listed = || {
            let marks = vec!["?"; it.values.len()].join(", ");
            format!("{row} and value in ({}))", if marks.is_empty() { "null" } else { &marks })
        };
        let values = it.values.iter().map(|it| Param::from(it.as_str()));
        match it.operator {
            LabelOperator::Exists => self.add(&format!("{row})"), key()),
            LabelOperator::DoesNotExist => self.add(&format!("not {row})"), key()),
            LabelOperator::In => self.add(&listed(), key().chain(values)),
            LabelOperator::NotIn => self.add(&format!("not {}", listed()), key().chain(values)),
        }
    }

    fn query(store: &SqlStore, query: &ArchiveQuery) -> Self {
        let mut all = Self::of(store);
        if !query.namespace.is_empty() {
            all.add("namespace = ?", [query.namespace.as_str().into()]);
        }
        if !query.name.is_empty() {
            all.add("name = ?", [query.name.as_str().into()]);
        }
        if !query.name_prefix.is_empty() {
            all.add("name like ? escape '!'", [format!("{}%", like(&query.name_prefix)).into()]);
        }
        if let Some(from) = query.started_from {
            all.add("startedat >= ?", [from.into()]);
        }
        if let Some(to) = query.started_to {
            all.add("startedat <= ?", [to.into()]);
        }
        query.labels.iter().for_each(|it| all.label(it));
        all
    }
}

/// A text that `like` takes as it is.
fn like(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

impl SqlStore {
    fn read(&self, row: &Row) -> Result<Value, PersistError> {
        let unreadable =
            |message: String| PersistError::Unreadable { what: "an archived workflow".to_owned(), message };
        let text = column(row, 0).replace(NULL_REPLACEMENT, "\\u0000");
        let mut workflow: Value = serde_json::from_str(&text).map_err(|it| unreadable(it.to_string()))?;
        mark(&mut workflow);
        Ok(workflow)
    }
}

/// Labels a workflow as one that was read from an archive.
fn mark(workflow: &mut Value) {
    if let Some(metadata) = workflow.get_mut("metadata").and_then(Value::as_object_mut) {
        let labels = metadata.entry("labels").or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(LABEL_ARCHIVING_STATUS.to_owned(), ARCHIVING_PERSISTED.into());
        }
    }
}

fn text<'a>(workflow: &'a Value, path: &str) -> &'a str {
    workflow.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A time of a workflow; one that is missing is as upstream's zero time.
fn time(workflow: &Value, path: &str) -> Param {
    let at = argo_core::time::parse(text(workflow, path)).ok();
    Param::Time(at.or_else(|| argo_core::time::parse("0001-01-01T00:00:00Z").ok()).unwrap_or(Timestamp::UNIX_EPOCH))
}

#[async_trait]
impl Archive for SqlStore {
    async fn store(&self, workflow: &Value) -> Result<(), PersistError> {
        let mut workflow = workflow.clone();
        mark(&mut workflow);
        let uid = text(&workflow, "/metadata/uid").to_owned();
        let mut json = workflow.to_string();
        if self.database.dialect() == Dialect::Postgres {
            json = json.replace("\\u0000", NULL_REPLACEMENT);
        }
        let mut work = self.database.begin().await?;
        let mut old = Conditions::of(self);
        old.add("uid = ?", [uid.as_str().into()]);
        work.execute(&format!("delete from {ARCHIVE}{}", old.text), &old.params).await?;
        let sql = format!(
            "insert into {ARCHIVE} (clustername, instanceid, uid, name, namespace, phase, startedat, finishedat, \
             creationtimestamp, workflow) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        );
        let params = [
            self.cluster.as_str().into(),
            self.instance_id.as_str().into(),
            uid.as_str().into(),
            text(&workflow, "/metadata/name").into(),
            text(&workflow, "/metadata/namespace").into(),
            text(&workflow, "/status/phase").into(),
            time(&workflow, "/status/startedAt"),
            time(&workflow, "/status/finishedAt"),
            time(&workflow, "/metadata/creationTimestamp"),
            json.into(),
        ];
        work.execute(&sql, &params).await?;
        self.write_labels(work.as_mut(), &uid, &workflow).await?;
        work.commit().await
    }

    async fn get(&self, uid: &str) -> Result<Option<Value>, PersistError> {
        let mut all = Conditions::of(self);
        all.add("uid = ?", [uid.into()]);
        let mut work = self.database.begin().await?;
        let rows =
            work.query(&format!("select cast(workflow as text) from {ARCHIVE}{}", all.text), &all.params).await?;
        work.commit().await?;
        rows.first().map(|it| self.read(it)).transpose()
    }

    async fn list(&self, query: &ArchiveQuery) -> Result<Vec<Value>, PersistError> {
        let all = Conditions::query(self, query);
        let mut sql = format!("select cast(workflow as text) from {ARCHIVE}{} order by startedat desc, uid", all.text);
        if query.limit > 0 {
            sql.push_str(&format!(" limit {} offset {}", query.limit, query.offset));
        }
        let mut work = self.database.begin().await?;
        let rows = work.query(&sql, &all.params).await?;
        work.commit().await?;
        rows.iter().map(|it| self.read(it)).collect()
    }

    async fn count(&self, query: &ArchiveQuery) -> Result<u64, PersistError> {
        let all = Conditions::query(self, query);
        let mut work = self.database.begin().await?;
        let sql = format!("select cast(count(*) as text) from {ARCHIVE}{}", all.text);
        let rows = work.query(&sql, &all.params).await?;
        work.commit().await?;
        Ok(single(rows).and_then(|it| it.parse().ok()).unwrap_or_default())
    }

    async fn last_succeeded(&self, namespace: &str, label: (&str, &str)) -> Result<Option<Value>, PersistError> {
        let mut all = Conditions::of(self);
        all.add("namespace = ?", [namespace.into()]);
        all.add("phase = ?", ["Succeeded".into()]);
        all.label(&LabelRequirement {
            key: label.0.to_owned(),
            operator: LabelOperator::In,
            values: vec![label.1.to_owned()],
        });
        let sql = format!("select cast(workflow as text) from {ARCHIVE}{} order by startedat desc limit 1", all.text);
        let mut work = self.database.begin().await?;
        let rows = work.query(&sql, &all.params).await?;
        work.commit().await?;
        rows.first().map(|it| self.read(it)).transpose()
    }

    async fn delete(&self, uid: &str) -> Result<bool, PersistError> {
        let mut all = Conditions::of(self);
        all.add("uid = ?", [uid.into()]);
        let mut work = self.database.begin().await?;
        let gone = work.execute(&format!("delete from {ARCHIVE}{}", all.text), &all.params).await?;
        work.commit().await?;
        Ok(gone > 0)
    }

    async fn expire(&self, before: Timestamp) -> Result<u64, PersistError> {
        let mut all = Conditions::of(self);
        all.add("finishedat < ?", [before.into()]);
        let mut work = self.database.begin().await?;
        let gone = work.execute(&format!("delete from {ARCHIVE}{}", all.text), &all.params).await?;
        work.commit().await?;
        Ok(gone)
    }

    async fn label_keys(&self) -> Result<Vec<String>, PersistError> {
        self.labels("select distinct name from", "", &[]).await
    }

    async fn label_values(&self, key: &str) -> Result<Vec<String>, PersistError> {
        self.labels("select distinct value from", " where name = $1", &[key.into()]).await
    }
}

impl SqlStore {
    async fn labels(&self, select: &str, condition: &str, params: &[Param]) -> Result<Vec<String>, PersistError> {
        let mut work = self.database.begin().await?;
        let rows = work.query(&format!("{select} {LABELS}{condition} order by 1"), params).await?;
        work.commit().await?;
        Ok(rows.into_iter().filter_map(|it| it.into_iter().next()?).collect())
    }

    async fn write_labels(&self, work: &mut dyn Transaction, uid: &str, workflow: &Value) -> Result<(), PersistError> {
        // Foreign keys took those of an earlier row away, where the database was told to.
        let sql = format!("delete from {LABELS} where clustername = $1 and uid = $2");
        work.execute(&sql, &[self.cluster.as_str().into(), uid.into()]).await?;
        let labels = workflow.pointer("/metadata/labels").and_then(Value::as_object);
        for (key, value) in labels.into_iter().flatten() {
            let sql = format!("insert into {LABELS} (clustername, uid, name, value) values ($1, $2, $3, $4)");
            let value = value.as_str().unwrap_or_default();
            let params = [self.cluster.as_str().into(), uid.into(), key.as_str().into(), value.into()];
            work.execute(&sql, &params).await?;
        }
        Ok(())
    }
}

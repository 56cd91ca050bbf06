//! Offloaded nodes: the table that is called `argo_workflows` by upstream's manifests.

use std::collections::BTreeMap;

use argo_core::Timestamp;
use async_trait::async_trait;

use super::{
    NodeStore, PersistError, SqlStore,
    sql::{column, single},
};

/// The version of nodes: `fnv:` and FNV-1 (32 bits) of their JSON, as upstream's `nodeStatusVersion`.
#[must_use]
pub fn nodes_version(nodes: &str) -> String {
    let hash = nodes.bytes().fold(2_166_136_261_u32, |hash, it| hash.wrapping_mul(16_777_619) ^ u32::from(it));
    format!("fnv:{hash}")
}

#[async_trait]
impl NodeStore for SqlStore {
    async fn save(&self, uid: &str, namespace: &str, nodes: &str, now: Timestamp) -> Result<String, PersistError> {
        let version = nodes_version(nodes);
        let mut work = self.database.begin().await?;
        // What has the same key is the same; it counts as written now, so that nobody deletes it.
        let sql = format!(
            "insert into {} (clustername, uid, version, namespace, nodes, updatedat) values ($1, $2, $3, $4, $5, $6) \
             on conflict (clustername, uid, version) do update set updatedat = $6",
            self.nodes_table
        );
        let params = [
            self.cluster.as_str().into(),
            uid.into(),
            version.as_str().into(),
            namespace.into(),
            nodes.into(),
            now.into(),
        ];
        work.execute(&sql, &params).await?;
        work.commit().await?;
        Ok(version)
    }

    async fn load(&self, uid: &str, version: &str) -> Result<Option<String>, PersistError> {
        let mut work = self.database.begin().await?;
        let sql = format!(
            "select cast(nodes as text) from {} where clustername = $1 and uid = $2 and version = $3",
            self.nodes_table
        );
        let rows = work.query(&sql, &[self.cluster.as_str().into(), uid.into(), version.into()]).await?;
        work.commit().await?;
        Ok(single(rows))
    }

    async fn old(&self, namespace: &str, before: Timestamp) -> Result<BTreeMap<String, Vec<String>>, PersistError> {
        let mut work = self.database.begin().await?;
        let sql = format!(
            "select uid, version from {} where clustername = $1 and updatedat < $2 and ($3 = '' or namespace = $3) \
             order by uid, version",
            self.nodes_table
        );
        let rows = work.query(&sql, &[self.cluster.as_str().into(), before.into(), namespace.into()]).await?;
        work.commit().await?;
        let mut old: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &rows {
            old.entry(column(row, 0).to_owned()).or_default().push(column(row, 1).to_owned());
        }
        Ok(old)
    }

    async fn discard(&self, uid: &str, version: &str) -> Result<(), PersistError> {
        let mut work = self.database.begin().await?;
        let sql = format!("delete from {} where clustername = $1 and uid = $2 and version = $3", self.nodes_table);
        work.execute(&sql, &[self.cluster.as_str().into(), uid.into(), version.into()]).await?;
        work.commit().await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_upstreams() {
        // Of Go's hash/fnv, New32.
        assert_eq!(super::nodes_version(""), "fnv:2166136261");
        assert_eq!(super::nodes_version("null"), "fnv:784127654");
    }
}

//! The databases of a [`super::Config`]: `persistence` and `synchronization`.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The database for offloaded nodes and the archive.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Persistence {
    /// A PostgreSQL server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgresql: Option<Postgresql>,
    /// A MySQL server: read, and refused when it is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<Value>,
    /// An SQLite file: of this project, upstream has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<Sqlite>,
    /// Connections; one is used here, whatever it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_pool: Option<Value>,
    /// How a lost connection is made again; the controller's backoff does that here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnection_config: Option<Value>,
    /// Seconds to wait for a connection; 5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_timeout_seconds: Option<u32>,
    /// Whether nodes that are too large for an object go into the database.
    pub node_status_off_load: bool,
    /// Whether workflows that are over go into the database.
    pub archive: bool,
    /// Which of them; all by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_label_selector: Option<LabelSelector>,
    /// How long they stay there, as `30d`, `12h` or another Go duration; for ever by default.
    #[serde(rename = "archiveTTL", skip_serializing_if = "Option::is_none")]
    pub archive_ttl: Option<String>,
    /// Name of the cluster in the tables; `default` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// Whether the tables are taken as they are.
    pub skip_migration: bool,
}

/// The database for locks that several controllers share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct SyncConfig {
    /// A PostgreSQL server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgresql: Option<Postgresql>,
    /// A MySQL server: read, and refused when it is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<Value>,
    /// An SQLite file: of this project, upstream has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<Sqlite>,
    /// Connections; one is used here, whatever it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_pool: Option<Value>,
    /// How a lost connection is made again; every poll tries it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnection_config: Option<Value>,
    /// Seconds to wait for a connection; 5 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_timeout_seconds: Option<u32>,
    /// Whether the server lets limits be changed.
    #[serde(rename = "enableAPI")]
    pub enable_api: bool,
    /// Name of this controller, unique among those that share the database.
    pub controller_name: String,
    /// Whether the tables are taken as they are.
    pub skip_migration: bool,
    /// Table of limits; `sync_limit` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_table_name: Option<String>,
    /// Table of holders and waiters; `sync_state` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_table_name: Option<String>,
    /// Table of controllers; `sync_controller` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_table_name: Option<String>,
    /// Table of locks under change; `sync_lock` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_table_name: Option<String>,
    /// Seconds between two looks at the locks that are waited for; 10 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_seconds: Option<u64>,
    /// Seconds between two signs of life; 60 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u64>,
    /// Seconds without sign of life after which a controller counts as dead; 600 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_controller_seconds: Option<u64>,
    /// Seconds that a limit is taken for true; 0 (read every time) by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semaphore_limit_cache_seconds: Option<u64>,
}

/// A PostgreSQL server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Postgresql {
    /// Its name.
    pub host: String,
    /// Its port; 5432 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database.
    pub database: String,
    /// Table of offloaded nodes; must be set where nodes are offloaded. Upstream's manifests say `argo_workflows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_name: Option<String>,
    /// Where the user's name stands.
    pub user_name_secret: SecretKey,
    /// Where the password stands.
    pub password_secret: SecretKey,
    /// Whether the connection is encrypted.
    pub ssl: bool,
    /// `require`, `verify-ca` or `verify-full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_mode: Option<String>,
    /// Tokens of Azure: read, and refused when it is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_token: Option<Value>,
    /// Tokens of AWS: read, and refused when it is opened.
    #[serde(rename = "awsRDSToken", skip_serializing_if = "Option::is_none")]
    pub aws_rds_token: Option<Value>,
}

/// An SQLite file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Sqlite {
    /// Its path.
    pub path: String,
    /// Table of offloaded nodes; `argo_workflows` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_name: Option<String>,
}

/// A key of a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether it may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// Chooses objects by their labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further demands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One demand of a [`LabelSelector`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: LabelOperator,
    /// Values of `In` and `NotIn`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelOperator {
    /// It has one of the values.
    In,
    /// It has none of the values, or is not there.
    NotIn,
    /// It is there.
    #[default]
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether these labels are chosen; one that demands nothing chooses everything.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches_by(|key| labels.get(key).map(String::as_str))
    }

    /// The same of labels that are looked up.
    pub fn matches_by<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.match_labels.iter().all(|(key, value)| label(key) == Some(value))
            && self.match_expressions.iter().all(|it| it.holds(label(&it.key)))
    }
}

impl LabelRequirement {
    /// Whether a label of this value, or its absence, fulfils it.
    fn holds(&self, value: Option<&str>) -> bool {
        let listed = value.is_some_and(|it| self.values.iter().any(|listed| listed == it));
        match self.operator {
            LabelOperator::In => listed,
            LabelOperator::NotIn => !listed,
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

impl Persistence {
    /// Name of the cluster in the tables.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        self.cluster_name.as_deref().filter(|it| !it.is_empty()).unwrap_or("default")
    }

    /// How long archived workflows stay; `None` for ever.
    ///
    /// # Errors
    /// When the text is no duration.
    pub fn archive_ttl(&self) -> Result<Option<Duration>, String> {
        let Some(text) = self.archive_ttl.as_deref().filter(|it| !it.is_empty()) else { return Ok(None) };
        let ttl = ttl(text).ok_or_else(|| format!("archiveTTL: '{text}' is no duration such as 30d or 12h"))?;
        Ok(Some(ttl).filter(|it| !it.is_zero()))
    }
}

/// A duration as upstream writes time to live: `30d`, `12h`, or any Go duration.
fn ttl(text: &str) -> Option<Duration> {
    if let Some(days) = text.strip_suffix('d') {
        return Some(Duration::from_secs(days.parse::<u64>().ok()?.checked_mul(24 * 60 * 60)?));
    }
    argo_lang::duration::parse(text).ok()?.try_into().ok()
}

impl SyncConfig {
    /// How long between two looks at the locks that are waited for.
    #[must_use]
    pub fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds.unwrap_or(10).max(1))
    }

    /// How long between two signs of life.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_seconds.unwrap_or(60).max(1))
    }

    /// How long a controller may be silent.
    #[must_use]
    pub fn inactive(&self) -> Duration {
        Duration::from_secs(self.inactive_controller_seconds.unwrap_or(600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_choose_as_kubernetes_does() {
        let selector: LabelSelector = serde_json::from_str(
            r#"{"matchLabels": {"a": "1"}, "matchExpressions": [
                {"key": "b", "operator": "In", "values": ["x", "y"]}, {"key": "c", "operator": "NotIn", "values": ["z"]},
                {"key": "d", "operator": "DoesNotExist"}, {"key": "e", "operator": "Exists"}]}"#,
        )
        .unwrap();
        let labels = |list: &[(&str, &str)]| {
            list.iter().map(|(key, it)| ((*key).to_owned(), (*it).to_owned())).collect::<BTreeMap<_, _>>()
        };
        assert!(selector.matches(&labels(&[("a", "1"), ("b", "y"), ("e", "")])));
        for wrong in [
            &[("a", "2"), ("b", "y"), ("e", "")][..],
            &[("a", "1"), ("b", "z"), ("e", "")],
            &[("a", "1"), ("b", "y"), ("c", "z"), ("e", "")],
            &[("a", "1"), ("b", "y"), ("d", ""), ("e", "")],
            &[("a", "1"), ("b", "y")],
        ] {
            assert!(!selector.matches(&labels(wrong)), "{wrong:?}");
        }
        assert!(LabelSelector::default().matches(&labels(&[])));
    }

    #[test]
    fn times_to_live_are_days_or_durations() {
        let of =
            |text: &str| Persistence { archive_ttl: Some(text.to_owned()), ..Persistence::default() }.archive_ttl();
        assert_eq!(of("30d").unwrap(), Some(Duration::from_secs(30 * 86400)));
        assert_eq!(of("1h30m").unwrap(), Some(Duration::from_secs(5400)));
        assert_eq!(of("0s").unwrap(), None);
        assert!(of("a month").unwrap_err().contains("archiveTTL"));
    }
}

//! The clusters that Applications go to, from Secrets.

mod config;

use std::collections::BTreeMap;

use argo_core::{Object, Timestamp, time};

pub use config::{AwsAuth, ClusterConfig, ExecProvider, TlsConfig};

use super::{secrets, settings::Settings};
use crate::api::{Destination, names};

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Name of its Secret; empty for the own cluster without one.
    pub secret: String,
    /// The uid of its Secret; empty for the own cluster without one.
    pub id: String,
    /// URL of its API server, without a slash at the end.
    pub server: String,
    /// Its name.
    pub name: String,
    /// The only namespaces that are looked at; all when empty.
    pub namespaces: Vec<String>,
    /// With `namespaces`: whether cluster-scoped objects are looked at nevertheless.
    pub cluster_resources: bool,
    /// How to get in.
    pub config: ClusterConfig,
    /// The shard that is to work on it.
    pub shard: Option<usize>,
    /// The project that it belongs to; empty for all.
    pub project: String,
    /// When a person asked for a fresh look (annotation `argocd.argoproj.io/refresh`).
    pub refresh_requested_at: Option<Timestamp>,
    /// Whether it is left alone (annotation `argocd.argoproj.io/skip-reconcile`).
    pub skipped: bool,
    /// Whether its version is to be written on its Secret.
    pub auto_label: bool,
    /// Labels of its Secret but the one that says what it is.
    pub labels: BTreeMap<String, String>,
}

/// A Secret that describes no cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cluster secret {secret} {message}")]
pub struct ClusterSecretError {
    /// Name of the Secret.
    pub secret: String,
    /// What is wrong with it; never one of its values.
    pub message: String,
}

impl Cluster {
    /// The cluster that the controller runs in.
    #[must_use]
    pub fn own() -> Self {
        Self { server: names::IN_CLUSTER_SERVER.to_owned(), name: names::IN_CLUSTER_NAME.to_owned(), ..Self::default() }
    }

    /// Whether it is the cluster that the controller runs in.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.server == names::IN_CLUSTER_SERVER
    }

    /// From a Secret with the label `argocd.argoproj.io/secret-type: cluster`.
    ///
    /// # Errors
    /// When it names no server, or its `config` can not be read. The error carries no value of the Secret.
    pub fn read(secret: &Object) -> Result<Self, ClusterSecretError> {
        let wrong = |message: String| ClusterSecretError { secret: secret.name().to_owned(), message };
        let text = |key: &str| secrets::text(secret, key).unwrap_or_default();
        let config = match secrets::text(secret, "config") {
            None => ClusterConfig::default(),
            Some(json) => serde_json::from_str(&json).map_err(|error| {
                // The error of a decoder may quote the text that it read.
                wrong(format!(
                    "has a config that is no JSON of a cluster (line {}, column {})",
                    error.line(),
                    error.column()
                ))
            })?,
        };
        let server = text("server").trim_end_matches('/').to_owned();
        if server.is_empty() {
            return Err(wrong("names no server".to_owned()));
        }
        let truthy = |it: Option<&str>| it.is_some_and(|it| matches!(it, "true" | "True" | "TRUE" | "t" | "T" | "1"));
        let labels = secret.labels().filter(|(key, _)| *key != names::SECRET_TYPE);
        Ok(Self {
            secret: secret.name().to_owned(),
            id: secret.uid().to_owned(),
            name: text("name"),
            namespaces: text("namespaces")
                .split(',')
                .map(str::trim)
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect(),
            cluster_resources: text("clusterResources") == "true",
            config,
            shard: text("shard").trim().parse().ok(),
            project: text("project"),
            refresh_requested_at: secret.annotation(names::REFRESH).and_then(|it| time::parse(it).ok()),
            skipped: truthy(secret.annotation(names::SKIP_RECONCILE)),
            auto_label: secret.label(names::AUTO_LABEL_CLUSTER_INFO) == Some("true"),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            server,
        })
    }

    /// A destination on this cluster, with both its server and its name.
    #[must_use]
    pub fn destination(&self, asked: &Destination) -> Destination {
        if self.server.is_empty() {
            return asked.clone();
        }
        Destination { server: self.server.clone(), name: self.name.clone(), ..asked.clone() }
    }

    /// Why an object can not be managed on a cluster that looks at some namespaces only.
    #[must_use]
    pub fn refuses(&self, kind: &str, name: &str, namespace: &str, namespaced: bool) -> Option<String> {
        if self.namespaces.is_empty() {
            return None;
        }
        if !namespaced {
            return (!self.cluster_resources)
                .then(|| format!("cluster level {kind} \"{name}\" can not be managed when in namespaced mode"));
        }
        (!self.namespaces.iter().any(|it| it == namespace))
            .then(|| format!("namespace \"{namespace}\" for {kind} \"{name}\" is not managed"))
    }
}

/// Every cluster, by the URL of its API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    by_server: BTreeMap<String, Cluster>,
    own_enabled: bool,
}

impl Default for Clusters {
    /// The own cluster alone.
    fn default() -> Self {
        Self { by_server: BTreeMap::new(), own_enabled: true }
    }
}

impl Clusters {
    /// From Secrets; those that describe none are returned beside. Of two for one server the first by name counts.
    #[must_use]
    pub fn read<'a>(
        secrets: impl IntoIterator<Item = &'a Object>,
        settings: &Settings,
    ) -> (Self, Vec<ClusterSecretError>) {
        let mut clusters = Self { by_server: BTreeMap::new(), own_enabled: settings.in_cluster };
        let mut errors = Vec::new();
        for secret in secrets.into_iter().filter(|it| it.label(names::SECRET_TYPE) == Some("cluster")) {
            match Cluster::read(secret) {
                Ok(cluster) => {
                    clusters.by_server.entry(cluster.server.clone()).or_insert(cluster);
                }
                Err(error) => errors.push(error),
            }
        }
        (clusters, errors)
    }

    /// Adds a cluster; one with the same server is replaced.
    pub fn insert(&mut self, cluster: Cluster) {
        self.by_server.insert(cluster.server.clone(), cluster);
    }

    /// The clusters that have a Secret, by server.
    pub fn iter(&self) -> impl Iterator<Item = &Cluster> {
        self.by_server.values().filter(|it| self.own_enabled || !it.is_own())
    }

    /// All clusters, the own one among them unless it is turned off.
    #[must_use]
    pub fn all(&self) -> Vec<Cluster> {
        let mut all: Vec<Cluster> = self.iter().cloned().collect();
        if self.own_enabled && !self.by_server.contains_key(names::IN_CLUSTER_SERVER) {
            all.push(Cluster::own());
        }
        all
    }

    /// A cluster by the URL of its API server.
    ///
    /// # Errors
    /// In upstream's words, when it is unknown or turned off.
    pub fn by_server(&self, server: &str) -> Result<Cluster, String> {
        let server = server.trim_end_matches('/');
        if server == names::IN_CLUSTER_SERVER && !self.own_enabled {
            return Err(format!("cluster \"{server}\" is disabled"));
        }
        match self.by_server.get(server) {
            Some(found) => Ok(found.clone()),
            None if server == names::IN_CLUSTER_SERVER => Ok(Cluster::own()),
            None => Err(format!("cluster \"{server}\" not found")),
        }
    }

    fn servers_named(&self, name: &str) -> Vec<&str> {
        let mut servers: Vec<&str> = self.iter().filter(|it| it.name == name).map(|it| it.server.as_str()).collect();
        let own_has_secret = self.by_server.contains_key(names::IN_CLUSTER_SERVER);
        if servers.is_empty() && name == names::IN_CLUSTER_NAME && self.own_enabled && !own_has_secret {
            servers.push(names::IN_CLUSTER_SERVER);
        }
        servers
    }

    /// The cluster of a destination.
    ///
    /// # Errors
    /// In upstream's words, when the destination names none, two, or one that is unknown.
    pub fn of(&self, destination: &Destination) -> Result<Cluster, String> {
        match (destination.server.as_str(), destination.name.as_str()) {
            ("", "") => Err("destination server missing from app spec".to_owned()),
            (server, name) if !server.is_empty() && !name.is_empty() => {
                Err(format!("application destination can't have both name and server defined: {name} {server}"))
            }
            ("", name) => {
                let servers = self.servers_named(name);
                match servers[..] {
                    [] => Err(format!("there are no clusters with this name: {name}")),
                    [server] => self.by_server(server).map_err(|it| format!("error getting cluster by URL: {it}")),
                    _ => {
                        Err(format!("there are {} clusters with the same name: [{}]", servers.len(), servers.join(" ")))
                    }
                }
            }
            (server, _) => {
                self.by_server(server).map_err(|it| format!("error getting cluster by server \"{server}\": {it}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::normalize::base64;

    fn secret(name: &str, data: &[(&str, &str)]) -> Object {
        let data: serde_json::Map<_, _> =
            data.iter().map(|(key, value)| ((*key).to_owned(), base64(value.as_bytes()).into())).collect();
        Object::from_value(json!({"metadata": {"name": name, "uid": format!("uid-{name}"),
            "labels": {names::SECRET_TYPE: "cluster", "team": "a"},
            "annotations": {"argocd.argoproj.io/refresh": "2026-01-01T00:00:00Z"}}, "data": data}))
    }

    #[test]
    fn a_secret_is_read_whole() {
        let config = r#"{"bearerToken": "t0k", "tlsClientConfig": {"insecure": false, "serverName": "n", "caData": "Q0E="},
            "execProviderConfig": {"command": "aws", "args": ["eks"], "env": {"A": "1"}, "apiVersion": "v1"}, "newer": 1}"#;
        let it = Cluster::read(&secret(
            "prod",
            &[
                ("server", "https://prod:6443/"),
                ("name", "prod"),
                ("config", config),
                ("namespaces", "a, b,,"),
                ("clusterResources", "true"),
                ("shard", "3"),
                ("project", "shop"),
            ],
        ))
        .unwrap();
        assert_eq!((it.server.as_str(), it.id.as_str()), ("https://prod:6443", "uid-prod"));
        assert_eq!(
            (it.namespaces.clone(), it.cluster_resources, it.shard),
            (vec!["a".into(), "b".into()], true, Some(3))
        );
        assert_eq!(it.config.exec_provider_config.as_ref().unwrap().command, "aws");
        assert!(it.refresh_requested_at.is_some() && it.labels.len() == 1);
        assert!(!format!("{it:?}").contains("t0k"));
    }

    #[test]
    fn errors_of_secrets_carry_no_values() {
        let of = |data: &[(&str, &str)]| Cluster::read(&secret("bad", data)).unwrap_err().to_string();
        let error = of(&[("server", "https://x"), ("config", r#"{"bearerToken": hunter2}"#)]);
        assert_eq!(error, "cluster secret bad has a config that is no JSON of a cluster (line 1, column 17)");
        assert_eq!(of(&[("name", "x")]), "cluster secret bad names no server");
    }

    fn clusters(own: bool) -> Clusters {
        let list = [
            secret("a", &[("server", "https://a"), ("name", "a")]),
            secret("b", &[("server", "https://b"), ("name", "twin")]),
            secret("c", &[("server", "https://c"), ("name", "twin")]),
        ];
        Clusters::read(&list, &Settings { in_cluster: own, ..Settings::default() }).0
    }

    fn of(clusters: &Clusters, server: &str, name: &str) -> Result<String, String> {
        let destination = Destination { server: server.into(), name: name.into(), ..Default::default() };
        clusters.of(&destination).map(|it| it.server)
    }

    #[test]
    fn destinations_name_one_cluster() {
        let all = clusters(true);
        assert_eq!(of(&all, "https://a/", "").as_deref(), Ok("https://a"));
        assert_eq!(of(&all, "", "a").as_deref(), Ok("https://a"));
        assert_eq!(of(&all, "", "in-cluster").as_deref(), Ok(names::IN_CLUSTER_SERVER));
        assert_eq!(of(&all, names::IN_CLUSTER_SERVER, "").as_deref(), Ok(names::IN_CLUSTER_SERVER));
        let error = |server: &str, name: &str| of(&all, server, name).unwrap_err();
        assert_eq!(error("", "prod"), "there are no clusters with this name: prod");
        assert_eq!(error("", "twin"), "there are 2 clusters with the same name: [https://b https://c]");
        assert_eq!(
            error("https://x", ""),
            "error getting cluster by server \"https://x\": cluster \"https://x\" not found"
        );
        assert_eq!(
            error("https://x", "y"),
            "application destination can't have both name and server defined: y https://x"
        );
        assert_eq!(error("", ""), "destination server missing from app spec");
    }

    #[test]
    fn the_own_cluster_can_be_turned_off() {
        let without = clusters(false);
        assert_eq!(of(&without, "", "in-cluster").unwrap_err(), "there are no clusters with this name: in-cluster");
        assert!(of(&without, names::IN_CLUSTER_SERVER, "").unwrap_err().ends_with("is disabled"));
        assert_eq!(without.all().len(), 3);
        assert_eq!(clusters(true).all().len(), 4);
    }

    #[test]
    fn clusters_of_some_namespaces_refuse_the_rest() {
        let mut it = Cluster { namespaces: vec!["a".into()], ..Cluster::own() };
        assert_eq!(it.refuses("ConfigMap", "x", "a", true), None);
        assert_eq!(
            it.refuses("ConfigMap", "x", "b", true).unwrap(),
            "namespace \"b\" for ConfigMap \"x\" is not managed"
        );
        assert_eq!(
            it.refuses("Namespace", "x", "", false).unwrap(),
            "cluster level Namespace \"x\" can not be managed when in namespaced mode"
        );
        it.cluster_resources = true;
        assert_eq!(it.refuses("Namespace", "x", "", false), None);
    }
}

//! Ways into clusters.

use std::{fmt, time::Duration};

use argo_core::{Category, Failure, runtime::Context};
use serde_json::{Map, Value, json};

use crate::engine::{Cluster, clusters::ExecProvider};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Gets into clusters.
///
/// Contract: called once for a cluster and again when its Secret changes or a call failed; what it returns is used until
/// then. It need not reach the cluster: that is tried every ten seconds. An error must not carry a credential.
#[async_trait::async_trait]
pub trait ClusterConnector: Send + Sync + fmt::Debug {
    /// A context on the cluster's API. `home` is the controller's own: its clock and metrics are to be shared, and its
    /// shutdown ends what is made here.
    ///
    /// # Errors
    /// When there is no way in.
    async fn connect(&self, cluster: &Cluster, home: &Context) -> Result<Context, ConnectError>;
}

/// There is no way into a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// What is wrong and how to mend it; never a credential.
    pub message: String,
}

impl Failure for ConnectError {
    fn category(&self) -> Category {
        Category::Invalid
    }
}

/// Connects with what the Secret says: client certificates, a token, or a user with a password. Programs that give
/// credentials (`execProviderConfig`) are run only if that was permitted; `awsAuthConfig` is refused.
#[derive(Debug, Clone, Default)]
pub struct KubeConnector {
    exec: bool,
}

impl KubeConnector {
    /// Runs the programs that Secrets name. Whoever may write cluster Secrets may then run programs as the controller.
    #[must_use]
    pub fn permit_exec(mut self) -> Self {
        self.exec = true;
        self
    }

    /// The cluster as a kubeconfig.
    fn kubeconfig(&self, cluster: &Cluster) -> Result<Value, ConnectError> {
        let config = &cluster.config;
        let refuse = |message: &str| Err(ConnectError { message: message.to_owned() });
        if config.aws_auth_config.is_some() {
            return refuse(
                "awsAuthConfig is not supported by this controller: give the cluster a bearerToken, or an \
                 execProviderConfig with `aws eks get-token`",
            );
        }
        if config.exec_provider_config.is_some() && !self.exec {
            return refuse(
                "execProviderConfig is not permitted: start the controller with --permit-exec-credentials, or give the \
                 cluster a bearerToken",
            );
        }
        if !config.proxy_url.is_empty() {
            return refuse("proxyUrl is not supported by this controller: make the cluster reachable without a proxy");
        }
        let tls = &config.tls_client_config;
        if tls.insecure && !tls.ca_data.is_empty() {
            return refuse("specifying a root certificates file with the insecure flag is not allowed");
        }
        let mut server = Map::new();
        server.insert("server".to_owned(), json!(cluster.server));
        if tls.insecure {
            server.insert("insecure-skip-tls-verify".to_owned(), json!(true));
        }
        put(&mut server, "certificate-authority-data", &tls.ca_data);
        put(&mut server, "tls-server-name", &tls.server_name);
        if config.disable_compression {
            server.insert("disable-compression".to_owned(), json!(true));
        }
        let mut user = Map::new();
        put(&mut user, "client-certificate-data", &tls.cert_data);
        put(&mut user, "client-key-data", &tls.key_data);
        put(&mut user, "token", &config.bearer_token);
        put(&mut user, "username", &config.username);
        put(&mut user, "password", &config.password);
        if let Some(exec) = &config.exec_provider_config {
            user.insert("exec".to_owned(), exec_config(exec));
        }
        Ok(json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": server}], "users": [{"name": "c", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}))
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: &str) {
    if !value.is_empty() {
        map.insert(key.to_owned(), value.into());
    }
}

fn exec_config(exec: &ExecProvider) -> Value {
    let env: Vec<Value> = exec.env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"apiVersion": exec.api_version, "command": exec.command, "args": exec.args, "env": env,
        "installHint": exec.install_hint, "interactiveMode": "Never"})
}

#[async_trait::async_trait]
impl ClusterConnector for KubeConnector {
    async fn connect(&self, cluster: &Cluster, home: &Context) -> Result<Context, ConnectError> {
        let wrong = |error: &dyn fmt::Display| ConnectError { message: error.to_string() };
        let kubeconfig = self.kubeconfig(cluster)?;
        let kubeconfig: kube::config::Kubeconfig =
            serde_json::from_value(kubeconfig).map_err(|_| wrong(&"the credentials can not be read"))?;
        let options = kube::config::KubeConfigOptions::default();
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| wrong(&error))?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let client = kube::Client::try_from(config).map_err(|error| wrong(&error))?;
        Ok(Context::builder(client)
            .clock(home.clock().clone())
            .manager(crate::api::names::FIELD_MANAGER)
            .metrics(home.metrics().clone())
            .shutdown(home.shutdown().child_token())
            .build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::clusters::{AwsAuth, ClusterConfig, TlsConfig};

    fn cluster(config: ClusterConfig) -> Cluster {
        Cluster { server: "https://prod:6443".into(), name: "prod".into(), config, ..Cluster::default() }
    }

    #[test]
    fn secrets_become_kubeconfigs() {
        let config = ClusterConfig {
            bearer_token: "t".into(),
            tls_client_config: TlsConfig { ca_data: "Q0E=".into(), server_name: "n".into(), ..Default::default() },
            ..Default::default()
        };
        let made = KubeConnector::default().kubeconfig(&cluster(config)).unwrap();
        assert_eq!(
            made["clusters"][0]["cluster"],
            json!({"server": "https://prod:6443", "certificate-authority-data": "Q0E=", "tls-server-name": "n"})
        );
        assert_eq!(made["users"][0]["user"], json!({"token": "t"}));
    }

    #[test]
    fn what_is_not_supported_says_what_to_do() {
        let of = |connector: KubeConnector, config| connector.kubeconfig(&cluster(config)).map_err(|it| it.message);
        let aws = ClusterConfig { aws_auth_config: Some(AwsAuth::default()), ..Default::default() };
        assert!(of(KubeConnector::default(), aws).unwrap_err().contains("bearerToken"));
        let exec = || ClusterConfig {
            exec_provider_config: Some(ExecProvider { command: "x".into(), ..Default::default() }),
            ..Default::default()
        };
        assert!(of(KubeConnector::default(), exec()).unwrap_err().contains("--permit-exec-credentials"));
        assert_eq!(
            of(KubeConnector::default().permit_exec(), exec()).unwrap()["users"][0]["user"]["exec"]["command"],
            "x"
        );
        let proxy = ClusterConfig { proxy_url: "http://p".into(), ..Default::default() };
        assert!(of(KubeConnector::default(), proxy).is_err());
    }
}

//! How to get into a cluster.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

/// How to get into a cluster. Never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterConfig {
    /// User name for basic authentication.
    pub username: String,
    /// Password for basic authentication.
    pub password: String,
    /// A token.
    pub bearer_token: String,
    /// TLS.
    pub tls_client_config: TlsConfig,
    /// Credentials of AWS.
    pub aws_auth_config: Option<AwsAuth>,
    /// A program that gives credentials.
    pub exec_provider_config: Option<ExecProvider>,
    /// Asks for answers without compression.
    pub disable_compression: bool,
    /// A proxy for every request.
    pub proxy_url: String,
}

/// TLS of a cluster; data are PEM in base64.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsConfig {
    /// Accepts any certificate.
    pub insecure: bool,
    /// The name that the certificate is to be for.
    pub server_name: String,
    /// Certificate of the client.
    pub cert_data: String,
    /// Its key.
    pub key_data: String,
    /// Certificates of the authorities.
    pub ca_data: String,
}

/// Credentials of AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AwsAuth {
    /// Name of the cluster.
    #[serde(rename = "clusterName")]
    pub cluster_name: String,
    /// Role to take.
    #[serde(rename = "roleARN")]
    pub role_arn: String,
    /// Profile.
    pub profile: String,
}

/// A program that gives credentials.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecProvider {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment, beside the controller's.
    pub env: BTreeMap<String, String>,
    /// Version of what it answers.
    pub api_version: String,
    /// What to say when it is not there.
    pub install_hint: String,
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterConfig(…)")
    }
}

impl fmt::Debug for ExecProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecProvider").field("command", &self.command).finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConfig(…)")
    }
}

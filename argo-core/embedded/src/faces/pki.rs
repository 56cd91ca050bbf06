//! Certificates, keys and the token behind the HTTPS face.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRngCore;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use super::https::ServeError;
use crate::server::MASTERS;

/// Certificates, keys and the token of one cluster. A cluster on disk keeps them beside its store, so that a kubeconfig
/// outlives a restart.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Pki {
    /// The address that the server's certificate names.
    address: IpAddr,
    pub(super) ca: String,
    ca_der: Vec<u8>,
    server_der: Vec<u8>,
    server_key: Vec<u8>,
    client_certificate: String,
    client_key: String,
    pub(super) client_der: Vec<u8>,
    pub(super) token: String,
}

// === impl Pki ===

impl Pki {
    /// Those kept at `path`, or new ones kept there from now on, readable by the owner alone.
    pub(super) fn keep(path: &Path, address: IpAddr) -> Result<Self, ServeError> {
        let failed = |error: &dyn std::fmt::Display| ServeError::Certificates(format!("{}: {error}", path.display()));
        match std::fs::read(path) {
            Ok(bytes) => {
                let pki: Self = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
                if pki.address == address {
                    return Ok(pki);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error)),
        }
        let pki = Self::issue(address)?;
        let bytes = serde_json::to_vec(&pki).map_err(|error| failed(&error))?;
        // Whole or not at all: the process may be killed here. A temporary file is its owner's alone.
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        file.write_all(&bytes).map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error))?;
        Ok(pki)
    }

    pub(super) fn issue(address: IpAddr) -> Result<Self, ServeError> {
        let fail = |error: rcgen::Error| ServeError::Certificates(error.to_string());
        let named = |names: Vec<String>, common_name: &str| -> Result<CertificateParams, ServeError> {
            let mut params = CertificateParams::new(names).map_err(fail)?;
            params.distinguished_name.push(DnType::CommonName, common_name);
            Ok(params)
        };
        let ca_key = KeyPair::generate().map_err(fail)?;
        let mut ca_params = named(Vec::new(), "argo-embedded")?;
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca_params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
        let ca = ca_params.self_signed(&ca_key).map_err(fail)?;
        let issuer = Issuer::new(ca_params, ca_key);

        let mut names: Vec<String> =
            ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "::1"]
                .map(str::to_owned)
                .into();
        names.push(address.to_string());
        names.dedup();
        let server_key = KeyPair::generate().map_err(fail)?;
        let mut server_params = named(names, "kube-apiserver")?;
        server_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server_params.signed_by(&server_key, &issuer).map_err(fail)?;

        let client_key = KeyPair::generate().map_err(fail)?;
        let mut client_params = named(Vec::new(), "kubernetes-admin")?;
        client_params.distinguished_name.push(DnType::OrganizationName, MASTERS);
        client_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = client_params.signed_by(&client_key, &issuer).map_err(fail)?;

        let mut secret = [0u8; 24];
        rand::rngs::OsRng.try_fill_bytes(&mut secret).map_err(|error| ServeError::Certificates(error.to_string()))?;
        Ok(Self {
            address,
            ca: ca.pem(),
            ca_der: ca.der().to_vec(),
            server_der: server.der().to_vec(),
            server_key: server_key.serialize_der(),
            client_certificate: client.pem(),
            client_key: client_key.serialize_pem(),
            client_der: client.der().to_vec(),
            token: hex::encode(secret),
        })
    }

    pub(super) fn server(&self) -> Result<rustls::ServerConfig, ServeError> {
        let failed = |error: &dyn std::fmt::Display| ServeError::Certificates(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let ca = CertificateDer::from(self.ca_der.clone());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.clone()).map_err(|error| failed(&error))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| failed(&error))?;
        let mut server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from(self.server_der.clone()), ca],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.server_key.clone())),
            )
            .map_err(|error| failed(&error))?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(server)
    }
}

pub(super) fn kubeconfig(address: SocketAddr, pki: &Pki) -> String {
    let encode = |text: &str| STANDARD.encode(text);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: argo-embedded\nclusters:\n- name: argo-embedded\n  cluster:\n    server: https://{}\n    certificate-authority-data: {}\n\
         users:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n\
         contexts:\n- name: argo-embedded\n  context:\n    cluster: argo-embedded\n    user: kubernetes-admin\n    namespace: default\n",
        reachable(address),
        encode(&pki.ca),
        encode(&pki.client_certificate),
        encode(&pki.client_key),
    )
}

pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

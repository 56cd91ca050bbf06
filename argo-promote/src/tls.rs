//! One way to make HTTP clients.

use std::sync::Once;

static PROVIDER: Once = Once::new();

/// A builder of clients; a TLS provider is installed for the process if nobody has yet.
pub(crate) fn client() -> reqwest::ClientBuilder {
    PROVIDER.call_once(|| {
        // Somebody else's choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
}

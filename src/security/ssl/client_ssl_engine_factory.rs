//! Port of `org.apache.kafka.common.security.ssl.DefaultSslEngineFactory` for `createClientSslEngine`: from the
//! settings of a listener to what this broker shakes hands with where it is the client.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::SingleCertAndKey;

use crate::security::ssl::default_ssl_engine_factory::{create_keystore, no_suite};
use crate::security::ssl::server_verifier::ServerVerifier;
use crate::security::ssl::ssl_configs::SslConfigs;
use crate::security::ssl::ssl_error::SslError;
use crate::security::ssl::ssl_names::{cipher_suites, protocols};
use crate::security::ssl::store_loader::{load, named};
use crate::security::ssl::trusted_certificates::TrustedCertificates;

/// Reads the keys and certificates that `configs` name. A node that asks for a certificate gets that of the
/// keystore, if there is one.
///
/// # Errors
/// The setting or the file that is wrong, and what mends it.
pub fn create_client_ssl_context(configs: &SslConfigs) -> Result<ClientConfig, SslError> {
    let suites = cipher_suites(&configs.cipher_suites)?;
    let versions = protocols(&configs.enabled_protocols)?;
    let provider = Arc::new(CryptoProvider { cipher_suites: suites, ..ring::default_provider() });
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|_| no_suite())?;
    let verifier = create_verifier(configs, &provider)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut context = match create_keystore(&configs.keystore, &provider)? {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    // A connection lasts: what a second handshake saves is not worth a secret that is kept.
    context.resumption = Resumption::disabled();
    Ok(context)
}

/// Whom this broker talks to. Java has a list of authorities of its own; here there is none but the
/// truststore.
fn create_verifier(
    configs: &SslConfigs,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerVerifier, SslError> {
    let store = load(&configs.truststore)?.ok_or_else(|| {
        SslError::new(
            "nodes that are reached by TLS show certificates, and nothing says whose to trust: set \
             `ssl.truststore.location` to a file with the certificate of their authority, and \
             `ssl.truststore.type` to its type, PEM, PKCS12 or JKS",
        )
    })?;
    let trusted = TrustedCertificates::new(&named(&configs.truststore), store.certificates)?;
    Ok(ServerVerifier::new(trusted, configs.endpoint_identification, Arc::clone(provider)))
}

//! Port of `org.apache.kafka.common.security.ssl.DefaultSslEngineFactory.SecurityStore`: what was read
//! of a store, whatever its form is.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A key, and the certificates that go with it, its own first.
#[derive(Debug)]
pub struct KeyEntry {
    pub key: PrivateKeyDer<'static>,
    pub chain: Vec<CertificateDer<'static>>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct SecurityStore {
    pub keys: Vec<KeyEntry>,
    /// Those that belong to no key.
    pub certificates: Vec<CertificateDer<'static>>,
}

//! What the versions of TLS and the cipher suites of `config/tls_names.rs` are to the TLS library.

use rustls::crypto::ring::cipher_suite;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::config::tls_names::{TLS_1_2, TLS_1_3};
use crate::security::ssl::ssl_error::SslError;

const PROTOCOLS: [(&str, &SupportedProtocolVersion); 2] =
    [(TLS_1_3, &version::TLS13), (TLS_1_2, &version::TLS12)];

/// The suites that there are, those first that cost the least: AES-128 needs a seventh less of the
/// processor than AES-256, and a third of what ChaCha20 needs where the processor knows AES.
const CIPHER_SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", cipher_suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", cipher_suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", cipher_suite::TLS13_CHACHA20_POLY1305_SHA256),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The versions of `ssl.enabled.protocols`.
///
/// # Errors
/// If one is unknown.
pub fn protocols(names: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, SslError> {
    names.iter().map(|name| find("ssl.enabled.protocols", &PROTOCOLS, name)).collect()
}

/// The suites of `ssl.cipher.suites`, the preferred first; all that there are if it is empty.
///
/// # Errors
/// If one is unknown.
pub fn cipher_suites(names: &[String]) -> Result<Vec<SupportedCipherSuite>, SslError> {
    if names.is_empty() {
        return Ok(CIPHER_SUITES.iter().map(|(_, suite)| *suite).collect());
    }
    names.iter().map(|name| find("ssl.cipher.suites", &CIPHER_SUITES, name)).collect()
}

fn find<T: Copy>(setting: &str, known: &[(&str, T)], name: &str) -> Result<T, SslError> {
    let found = known.iter().find(|(it, _)| *it == name);
    let unknown = || SslError::new(format!("`{setting}` has {name}, which is not known"));
    found.map(|(_, found)| *found).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tls_names;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_names_of_the_settings_are_known() {
        assert_eq!(protocols(&owned(&tls_names::PROTOCOLS)).unwrap().len(), 2);
        assert_eq!(cipher_suites(&owned(&tls_names::CIPHER_SUITES)).unwrap().len(), 9);
        assert_eq!(cipher_suites(&[]).unwrap().len(), 9);
        assert!(protocols(&owned(&["TLSv1.1"])).is_err());
        assert!(cipher_suites(&owned(&["TLS_RSA_WITH_AES_128_CBC_SHA"])).is_err());
    }

    #[test]
    fn the_names_are_those_of_the_suites() {
        for (name, suite) in CIPHER_SUITES {
            let known = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
            assert_eq!(known, name);
        }
    }
}

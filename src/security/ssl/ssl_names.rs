//! What the versions of TLS and the cipher suites of `config/tls_names.rs` are to the TLS library.

use rustls::crypto::ring;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::config::tls_names::{CIPHER_SUITES, TLS_1_2, TLS_1_3};
use crate::security::ssl::ssl_error::SslError;

/// The versions of `ssl.enabled.protocols`.
///
/// # Errors
/// If one is unknown.
pub fn protocols(names: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, SslError> {
    let protocol = |name: &String| match name.as_str() {
        TLS_1_2 => Ok(&version::TLS12),
        TLS_1_3 => Ok(&version::TLS13),
        unknown => Err(is_unknown("ssl.enabled.protocols", unknown)),
    };
    names.iter().map(protocol).collect()
}

/// The suites of `ssl.cipher.suites`, the preferred first; all that there are if it is empty.
///
/// # Errors
/// If one is unknown.
pub fn cipher_suites(names: &[String]) -> Result<Vec<SupportedCipherSuite>, SslError> {
    match names {
        [] => CIPHER_SUITES.into_iter().map(cipher_suite).collect(),
        names => names.iter().map(|name| cipher_suite(name)).collect(),
    }
}

fn cipher_suite(name: &str) -> Result<SupportedCipherSuite, SslError> {
    let found = ring::ALL_CIPHER_SUITES.iter().find(|it| java_name(it) == name);
    found.copied().ok_or_else(|| is_unknown("ssl.cipher.suites", name))
}

/// The library's name of a suite of TLS 1.3 says so; Java's, which is IANA's, does not.
fn java_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

fn is_unknown(setting: &str, name: &str) -> SslError {
    SslError::new(format!("`{setting}` has {name}, which is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tls_names::PROTOCOLS;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_names_of_the_settings_are_known_and_no_others() {
        assert_eq!(protocols(&owned(&PROTOCOLS)).unwrap().len(), PROTOCOLS.len());
        let named = cipher_suites(&owned(&CIPHER_SUITES)).unwrap();
        assert_eq!(named, cipher_suites(&[]).unwrap());
        assert_eq!(named.len(), ring::ALL_CIPHER_SUITES.len());
        assert!(protocols(&owned(&["TLSv1.1"])).is_err());
        assert!(cipher_suites(&owned(&["TLS_RSA_WITH_AES_128_CBC_SHA"])).is_err());
    }

    #[test]
    fn suites_keep_their_order_for_the_first_one_is_preferred() {
        let reversed: Vec<_> = CIPHER_SUITES.into_iter().rev().collect();
        let suites = cipher_suites(&owned(&reversed)).unwrap();
        assert_eq!(suites.iter().map(java_name).collect::<Vec<_>>(), reversed);
    }
}

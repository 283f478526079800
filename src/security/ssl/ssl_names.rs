//! The versions of TLS and the cipher suites by Kafka's names, which are Java's.

use rustls::crypto::ring::cipher_suite;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::security::ssl::ssl_error::SslError;

/// The versions that there are.
const PROTOCOLS: [(&str, &SupportedProtocolVersion); 2] =
    [("TLSv1.3", &version::TLS13), ("TLSv1.2", &version::TLS12)];
/// Those that Java has, too. Nobody should speak them any more, and nothing here does.
const OLD_PROTOCOLS: [&str; 5] = ["TLSv1.1", "TLSv1", "SSLv3", "SSLv2", "SSLv2Hello"];

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

/// The versions of `ssl.enabled.protocols` that can be spoken. The old ones are left out.
///
/// # Errors
/// If one is unknown, or none is left.
pub fn protocols(names: &[String]) -> Result<Vec<&'static SupportedProtocolVersion>, SslError> {
    let mut found = Vec::new();
    for name in names {
        match PROTOCOLS.iter().find(|(known, _)| known == name) {
            Some((_, protocol)) => found.push(*protocol),
            None if OLD_PROTOCOLS.contains(&name.as_str()) => {}
            None => {
                return Err(SslError::new(format!(
                    "`ssl.enabled.protocols` has {name}, which is not known: TLSv1.2 and TLSv1.3 are"
                )));
            }
        }
    }
    if found.is_empty() {
        return Err(SslError::new(format!(
            "`ssl.enabled.protocols={}` has none that this broker speaks: set \
             `ssl.enabled.protocols=TLSv1.2,TLSv1.3`",
            names.join(",")
        )));
    }
    Ok(found)
}

/// The suites of `ssl.cipher.suites`, the preferred first; all that there are if it is empty.
///
/// # Errors
/// If one is not known here.
pub fn cipher_suites(names: &[String]) -> Result<Vec<SupportedCipherSuite>, SslError> {
    if names.is_empty() {
        return Ok(CIPHER_SUITES.iter().map(|(_, suite)| *suite).collect());
    }
    let find = |name: &String| {
        let found = CIPHER_SUITES.iter().find(|(known, _)| known == name);
        found.map(|(_, suite)| *suite).ok_or_else(|| {
            let known = CIPHER_SUITES.map(|(known, _)| known).join(", ");
            SslError::new(format!(
                "`ssl.cipher.suites` has {name}, which this broker does not know; it knows {known}"
            ))
        })
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(String::from).collect()
    }

    #[test]
    fn old_versions_of_tls_are_left_out_if_there_are_others() {
        let found = protocols(&names("TLSv1.2,TLSv1.1,TLSv1")).unwrap();
        assert_eq!(found.len(), 1);
        for wrong in ["TLSv1.1,TLSv1", "TLSv1.4", ""] {
            assert!(protocols(&names(wrong)).unwrap_err().to_string().contains("TLSv1.3"));
        }
    }

    #[test]
    fn an_unknown_suite_is_refused_with_the_names_of_the_nine() {
        assert_eq!(cipher_suites(&[]).unwrap().len(), 9);
        let error = cipher_suites(&names("TLS_RSA_WITH_AES_128_CBC_SHA")).unwrap_err().to_string();
        assert!(CIPHER_SUITES.iter().all(|(name, _)| error.contains(name)), "{error}");
    }

    #[test]
    fn the_names_are_those_of_the_suites() {
        for (name, suite) in CIPHER_SUITES {
            let known = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
            assert_eq!(known, name);
        }
    }
}

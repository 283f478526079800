//! Kafka's names of the versions of TLS and of its cipher suites, which are Java's, and the kinds of
//! the settings that list them.

use crate::config::config_type::{Kind, entries, joined};

pub const TLS_1_2: &str = "TLSv1.2";
pub const TLS_1_3: &str = "TLSv1.3";

/// The versions that this broker speaks.
pub const PROTOCOLS: [&str; 2] = [TLS_1_2, TLS_1_3];

/// Those that Java knows, and that nobody should speak any more (RFC 8996).
const OUTDATED_PROTOCOLS: [&str; 5] = ["TLSv1.1", "TLSv1", "SSLv3", "SSLv2Hello", "SSLv2"];

/// The cipher suites that this broker speaks: all of TLS 1.3, and those of TLS 1.2 with forward
/// secrecy and authenticated encryption. Those come first that cost the least, and a client that speaks
/// several gets the first of them: AES-128 needs a seventh less of the processor than AES-256, and a third
/// of what ChaCha20 needs where the processor knows AES.
pub const CIPHER_SUITES: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Versions of TLS with commas between them. The outdated ones are left out of the value, which is
/// what is spoken.
#[derive(Debug)]
pub struct TlsProtocols;

impl Kind for TlsProtocols {
    type Value = Vec<String>;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "TLSv1.2, TLSv1.3, or both with a comma between them";
    const WORDS: &'static [&'static str] = &PROTOCOLS;

    fn parse(text: &str) -> Result<Vec<String>, String> {
        let unknown =
            entries(text).find(|it| !PROTOCOLS.contains(it) && !OUTDATED_PROTOCOLS.contains(it));
        if let Some(unknown) = unknown {
            return Err(format!("{}; `{unknown}` is neither", Self::must_be()));
        }
        let spoken: Vec<String> = distinct(entries(text).filter(|it| PROTOCOLS.contains(it)));
        if spoken.is_empty() {
            return Err(format!("{}: older versions are not spoken", Self::must_be()));
        }
        Ok(spoken)
    }

    fn show(value: &Vec<String>) -> String {
        joined(value.iter().cloned())
    }
}

/// The versions in a valid list that are not spoken.
pub(super) fn outdated_protocols(text: &str) -> Vec<&str> {
    entries(text).filter(|it| OUTDATED_PROTOCOLS.contains(it)).collect()
}

/// Cipher suites with commas between them.
#[derive(Debug)]
pub struct CipherSuites;

impl Kind for CipherSuites {
    type Value = Vec<String>;
    const NAME: &'static str = "list";
    const TAKES: &'static str = "some of TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, \
        TLS_CHACHA20_POLY1305_SHA256 (TLS 1.3), and TLS_ECDHE_ECDSA_WITH_ or TLS_ECDHE_RSA_WITH_ \
        followed by AES_128_GCM_SHA256, AES_256_GCM_SHA384 or CHACHA20_POLY1305_SHA256 (TLS 1.2), \
        with commas between them";
    const WORDS: &'static [&'static str] = &CIPHER_SUITES;
    const IS_OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Vec<String>, String> {
        match entries(text).find(|it| !CIPHER_SUITES.contains(it)) {
            Some(unknown) => Err(format!(
                "must be some of {}, with commas between them; `{unknown}` is none of them",
                CIPHER_SUITES.join(", ")
            )),
            None => Ok(distinct(entries(text))),
        }
    }

    fn show(value: &Vec<String>) -> String {
        joined(value.iter().cloned())
    }
}

/// Whether a connection of this version of TLS can use the suite.
pub fn is_suite_of(suite: &str, protocol: &str) -> bool {
    let is_of_tls_1_3 = !suite.contains("_WITH_");
    is_of_tls_1_3 == (protocol == TLS_1_3)
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if !distinct.iter().any(|it| it == name) {
            distinct.push(name.to_string());
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outdated_versions_are_left_out_beside_others_and_refused_alone() {
        let parsed = TlsProtocols::parse("TLSv1.3, TLSv1.2,TLSv1.1,TLSv1.3").unwrap();
        assert_eq!(parsed, [TLS_1_3, TLS_1_2]);
        assert_eq!(outdated_protocols("TLSv1.3, TLSv1,SSLv3"), ["TLSv1", "SSLv3"]);
        for (text, why) in [
            ("TLSv1.1,TLSv1", "must be TLSv1.2, TLSv1.3, or both with a comma between them: older"),
            ("", "older versions are not spoken"),
            ("TLSv1.2,TLS1.3", "`TLS1.3` is neither"),
            ("TLS", "`TLS` is neither"),
        ] {
            let error = TlsProtocols::parse(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn suites_are_known_by_javas_names_and_all_are_listed_to_who_errs() {
        let text = CIPHER_SUITES.join(" , ");
        assert_eq!(CipherSuites::parse(&text).unwrap(), CIPHER_SUITES);
        let error = CipherSuites::parse("ECDHE-RSA-AES128-GCM-SHA256").unwrap_err();
        assert!(CIPHER_SUITES.iter().all(|it| error.contains(it)), "{error}");
        assert!(error.ends_with("`ECDHE-RSA-AES128-GCM-SHA256` is none of them"), "{error}");
        assert_eq!(CipherSuites::parse("").unwrap(), [""; 0]);
    }

    #[test]
    fn a_suite_is_of_one_version() {
        let of = |protocol| CIPHER_SUITES.iter().filter(|it| is_suite_of(it, protocol)).count();
        assert_eq!([of(TLS_1_2), of(TLS_1_3)], [6, 3]);
    }
}
